"""Functions of the headers in this folder, called from Python: each header is a library, made at its first use on this machine.

`kernel("recurrent", "lstm", dtype)` is the function, or None: then there is no C compiler, nowhere to keep what it makes, or the switch
is off (`minitorch.backends.c`), and the caller goes on in NumPy. Making a library takes about a second, once: `toolchain.py` keeps it.
What a header offers begins with the word KERNEL; its parameters are read there. Read next: `recurrent.h`.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

state = SimpleNamespace(enabled=True, reason="")  # the switch; why there is no C, once that is known
_TYPES = {"float32": "float", "float64": "double"}
_SIMPLE = {
    "long": ctypes.c_long,
    "int": ctypes.c_int,
    "int64_t": ctypes.c_int64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
}
_OFFERED = re.compile(r"^KERNEL void NAMED\((\w+)\)\(([^)]*)\)", re.MULTILINE)

_functions: dict[tuple[str, str, Any], Any] = {}  # by header, name and dtype; None of a header that cannot be had
_making = threading.RLock()  # a second thread waits for the first one's library


def kernel(header: str, name: str, dtype: np.dtype) -> Callable[..., None] | None:
    """The function of this name for numbers of this dtype; None if NumPy is to compute. Arrays are given as addresses."""
    if not state.enabled:
        return None
    try:
        return _functions[header, name, dtype]
    except KeyError:
        return _looked_up(header, name, dtype)


def address(array: np.ndarray | None) -> int | None:
    """Where an array's numbers begin, as a kernel is told it."""
    return None if array is None else array.__array_interface__["data"][0]


def is_available() -> bool:
    """Whether there are a C compiler and a folder for what it makes. (Nothing is compiled to find that out.)"""
    from . import toolchain

    try:
        return bool(toolchain.compiler()) and toolchain.kept_in() is not None and not state.reason
    except toolchain.NoCompiler:
        return False


def included_for(header: str, kind: str) -> list[str]:
    """The lines of C that include a header for numbers of one type."""
    return [f"#define T {kind}", f"#define NAMED(f) f##_{kind}", f'#include "{header}"', "#undef T", "#undef NAMED"]


def _looked_up(header: str, name: str, dtype: np.dtype) -> Callable[..., None] | None:
    with _making:
        if (header, name, dtype) not in _functions:
            _functions.update(_made(header))
        return _functions.setdefault((header, name, dtype), None)


def _made(header: str) -> dict[tuple[str, str, Any], Any]:
    """All functions of a header; none if it cannot be compiled here, and `state.reason` says why."""
    from . import toolchain  # which needs much of Python's library that nobody else does
    from .blas import blas

    text = (toolchain.HEADERS / f"{header}.h").read_text("utf-8")
    multiplies = "NAMED(product)" in text
    source = ["#define KERNEL", '#include "functions.h"', *['#include "blas.h"'] * multiplies]
    for kind in _TYPES.values():
        source += included_for(f"{header}.h", kind)
    try:
        if toolchain.kept_in() is None:
            raise toolchain.NoCompiler("there is no folder to keep what a C compiler makes")
        if multiplies and blas() is None:
            raise toolchain.NoCompiler("there is no BLAS that a program in C can call")
        library = toolchain.library("\n".join([*source, ""]), "-O3")
        if multiplies:
            library.use_blas(*map(ctypes.c_void_p, blas() or ()))
    except (toolchain.NoCompiler, OSError) as error:
        state.reason = str(error)
        return {}
    return {
        (header, name, np.dtype(dtype)): _declared(library, f"{name}_{kind}", parameters.replace("T ", f"{kind} "))
        for name, parameters in _OFFERED.findall(text)
        for dtype, kind in _TYPES.items()
    }


def _declared(library: ctypes.CDLL, name: str, parameters: str) -> Any:
    """The function, told what its parameters are: addresses, and numbers of the types that C says."""
    function = getattr(library, name)
    told = (each.replace("const ", "").split() for each in parameters.split(","))
    function.argtypes = [
        ctypes.c_void_p if "*" in "".join(words) or "[" in words[-1] else _SIMPLE[words[0]] for words in told
    ]
    function.restype = None
    return function


if hasattr(os, "register_at_fork"):  # who holds the lock in the parent is not in the child

    def _in_child() -> None:
        global _making
        _making = threading.RLock()

    os.register_at_fork(after_in_child=_in_child)
