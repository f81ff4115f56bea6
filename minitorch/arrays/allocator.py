"""Where the memory of arrays on the CPU comes from: glibc is asked to keep what is freed.

NumPy takes an array's memory from `malloc`. glibc gives large blocks that are freed back to the operating system, and the pages of
the next array are then made and zeroed anew, one page fault for each 4 kB. A training step makes and frees the same arrays again
and again, so these faults were a third of a small CNN's step. Read next: `device.py`.
"""

from __future__ import annotations

import ctypes
import os
import sys

KEPT = 256 << 20  # bytes at the end of the heap that stay with the process when they are freed
IN_THE_HEAP = 32 << 20  # bytes: larger arrays still have memory of their own, and give it back

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them


def keep_freed_memory() -> None:
    """Sets glibc's thresholds, for the whole process; not where the user has set them himself (see `man mallopt`)."""
    set_already = any(name.startswith("MALLOC_") for name in os.environ) or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    mallopt = None if sys.platform != "linux" or set_already else getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, IN_THE_HEAP)
        mallopt(M_TRIM_THRESHOLD, KEPT)
