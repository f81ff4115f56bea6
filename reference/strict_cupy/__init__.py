"""Arrays as strict as CuPy's, on a machine without a GPU: `with standing_in(): minitorch.zeros(3, device="cuda")`.

What runs on them uses only names, keywords and dtypes that CuPy 14.2 has, and mixes nothing with the host. What they cannot
prove — kernels, streams, speed, rounding — needs a GPU. Read next: `arrays.py`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from .arrays import counting, ndarray
from .namespace import cupy, cupyx

__all__ = ["counting", "cupy", "cupyx", "ndarray", "standing_in"]


@contextlib.contextmanager
def standing_in() -> Iterator[Any]:
    """In the block, `device="cuda"` makes strict arrays."""
    device = importlib.import_module("minitorch.device")
    with mock.patch.object(device, "_cupy", lambda: cupy), mock.patch.object(device, "_cupyx", lambda: cupyx):
        yield cupy
