"""Numbers too small to be normal taken for 0: a switch of the processor, which `set_flush_denormal` sets.

An x86 processor has two bits for it in a register, MXCSR, of each thread: results are flushed to 0, and operands are taken for 0.
The C library reads and writes that register along with the rest of the floating-point environment.
Read next: `minitorch/backends/process.py`.
"""

from __future__ import annotations

import ctypes
import platform
import sys

FLUSHED, TAKEN_FOR_0 = 1 << 15, 1 << 6  # bits of MXCSR
BYTES, REGISTER = 32, 28  # the environment in the C library's memory, and where in it MXCSR lies


def flush(on: bool) -> bool:
    """Set it for this thread; False where it is not known how."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    library = ctypes.CDLL("libm.so.6")
    environment = ctypes.create_string_buffer(BYTES)
    if library.fegetenv(environment):
        return False
    register = ctypes.c_uint32.from_buffer(environment, REGISTER)
    bits = FLUSHED | TAKEN_FOR_0
    register.value = register.value | bits if on else register.value & ~bits
    return library.fesetenv(environment) == 0
