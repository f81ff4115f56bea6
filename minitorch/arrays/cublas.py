"""cuBLAS without CuPy between: two products, called with the arguments of CuPy's functions of the same names.

CuPy refuses all of cuBLAS while its stream captures; cuBLAS itself allows it, and so it is called by its C names, with CuPy's handle. The
library is the one that CuPy has loaded: its version is asked for, and the system's loader knows a loaded library by its name.
Read next: `blas.py`, which calls it; `capturing.py`.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

_HANDLE, _POINTER, _INT, _STRIDE = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
# Of a matrix: its pointer, its type, the leading dimension, and in a batch the stride from one to the next.
_MATRIX, _MATRICES = (_POINTER, _INT, _INT), (_POINTER, _INT, _INT, _STRIDE)
_SIZES = (_HANDLE, _INT, _INT, _INT, _INT, _INT, _POINTER)  # handle, two flags, m, n, k, the address of alpha
# In the order of cublas_api.h. What CuPy hands over is in the same order.
PARAMETERS = {
    "cublasSetStream_v2": (_HANDLE, _POINTER),
    "cublasGemmEx": (*_SIZES, *_MATRIX, *_MATRIX, _POINTER, *_MATRIX, _INT, _INT),
    "cublasGemmStridedBatchedEx": (*_SIZES, *_MATRICES, *_MATRICES, _POINTER, *_MATRICES, _INT, _INT, _INT),
}


def loaded(version: int) -> Any:
    """The library of that version (130101 is 13.1.1), which is loaded already."""
    name = f"libcublas.so.{version // 10000}"
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise RuntimeError(f"a matrix product in a captured graph needs {name}, which cannot be opened: {error}") from None


class PastCuPy:
    """`gemmEx` and `gemmStridedBatchedEx`, in the current stream."""

    def __init__(self, xp: Any) -> None:
        self.cuda = xp.cuda
        library = loaded(xp.cuda.cublas.getVersion(xp.cuda.get_cublas_handle()))
        self.functions: dict[str, Callable[..., int]] = {}
        for name, parameters in PARAMETERS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = parameters, ctypes.c_int
            self.functions[name] = function

    def gemmEx(self, *arguments: int) -> None:
        """C = α op(A) op(B) + β C"""
        self._call("cublasGemmEx", arguments)

    def gemmStridedBatchedEx(self, *arguments: int) -> None:
        """The same for each matrix of a batch."""
        self._call("cublasGemmStridedBatchedEx", arguments)

    def _call(self, name: str, arguments: tuple[int, ...]) -> None:
        stream = self.cuda.get_current_stream().ptr
        for called, given in (("cublasSetStream_v2", (arguments[0], stream)), (name, arguments)):
            if status := self.functions[called](*given):
                raise RuntimeError(f"{called} failed with status {status} (cublasStatus_t)")


@functools.cache
def past_cupy(xp: Any) -> PastCuPy:
    """cuBLAS, called directly."""
    return PastCuPy(xp)
