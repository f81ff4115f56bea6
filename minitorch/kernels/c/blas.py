"""Where BLAS is: the library that NumPy computes its matrix products with, so that programs in C share its threads; else SciPy's.

Read next: `blas.h`, how it is called.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import threading
from typing import Any

import numpy as np

_ENDINGS = ("_64_", "_")  # 64: whole numbers of 64 bits. (Where those of 32 are read, their lower half is.)
_BEGINNINGS = ("scipy_", "")  # NumPy's wheels rename what is in theirs


@functools.cache
def blas() -> tuple[int, int] | None:
    """The addresses of `sgemm` and `dgemm`; None if there are none, or they do not what they should."""
    for find in (_of_numpy, _of_scipy):
        found = find("sgemm"), find("dgemm")
        if None not in found and all(map(_multiplies, found, (np.float32, np.float64))):
            return found  # type: ignore[return-value]
    return None


class by_one_thread:
    """In this block BLAS has one thread: for several products at once, or many small ones, which its threads only disturb.

    They go on spinning for a while after each product, and take the processors from ours. The number is the whole process's: another
    thread's products meanwhile have one thread too, and the last block that ends puts it back.
    """

    lock, inside, before = threading.Lock(), 0, 1

    def __enter__(self) -> None:
        told = _threads_of_numpy()
        if told:
            with self.lock:
                if not by_one_thread.inside:
                    by_one_thread.before = told[0]()
                    told[1](1)
                by_one_thread.inside += 1

    def __exit__(self, *exc: Any) -> None:
        told = _threads_of_numpy()
        if told:
            with self.lock:
                by_one_thread.inside -= 1
                if not by_one_thread.inside:
                    told[1](by_one_thread.before)


def _in_child() -> None:
    """A forked process is in none of its parent's blocks."""
    by_one_thread.lock = threading.Lock()
    if by_one_thread.inside and (told := _threads_of_numpy()):
        told[1](by_one_thread.before)
    by_one_thread.inside = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


@functools.cache
def _threads_of_numpy() -> tuple[Any, Any] | None:
    """What tells and what sets the number of threads of the library that NumPy is linked with; None if that is not OpenBLAS."""
    library = _numpy_is_linked_with()
    for beginning in _BEGINNINGS:
        for ending in ("64_", "64", ""):
            names = (f"{beginning}openblas_{verb}_num_threads{ending}" for verb in ("get", "set"))
            get, put = (getattr(library, name, None) for name in names)
            if get is not None and put is not None:
                get.argtypes, get.restype, put.argtypes, put.restype = [], ctypes.c_int, [ctypes.c_int], None
                return get, put
    return None


def _numpy_is_linked_with() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(importlib.import_module("numpy._core._multiarray_umath").__file__)
    except (ImportError, OSError):
        return None


def _of_numpy(name: str) -> int | None:
    """The function in the library that NumPy is linked with."""
    library = _numpy_is_linked_with()
    for beginning in _BEGINNINGS:
        for ending in _ENDINGS:
            function = getattr(library, f"{beginning}{name}{ending}", None)
            if function is not None:
                return ctypes.cast(function, ctypes.c_void_p).value
    return None


def _of_scipy(name: str) -> int | None:
    """The function that SciPy offers to programs in C."""
    try:
        from scipy.linalg import cython_blas
    except ImportError:
        return None
    capsule = cython_blas.__pyx_capi__[name]
    told, find = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    told.restype, told.argtypes = ctypes.c_char_p, [ctypes.py_object]
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return find(capsule, told(capsule))


def _multiplies(address: Any, dtype: Any) -> bool:
    """Whether it computes a small product as NumPy does."""
    a, b = np.arange(6, dtype=dtype).reshape(2, 3), np.arange(12, dtype=dtype).reshape(3, 4)
    c, one, zero = np.ones((2, 4), dtype), np.ones(1, dtype), np.zeros(1, dtype)
    sizes = np.array([4, 2, 3, 4, 3, 4], np.int64)  # of the transposes, and their pitches
    m, n, k, of_b, of_a, of_c = (ctypes.c_void_p(sizes.ctypes.data + 8 * at) for at in range(6))
    at = [ctypes.c_void_p(array.ctypes.data) for array in (one, b, a, zero, c)]
    call = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, *[ctypes.c_void_p] * 11)(address)
    call(b"N", b"N", m, n, k, at[0], at[1], of_b, at[2], of_a, at[3], at[4], of_c)
    return bool(np.array_equal(c, a @ b))
