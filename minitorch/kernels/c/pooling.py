"""The loops of `pooling.h` on NumPy arrays: max pooling and its derivative, shared among threads by planes.

Each returns None where C is not to be had, or windows lie in a way that the loops do not take. Read next: `pooling.h`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...ops.pooling import Windows
from .convolution import shared
from .library import address, kernel


class Line(NamedTuple):
    """Window o of a dimension has at its place k the element begin[k] + o · stride, where that is inside."""

    size: int
    windows: int
    stride: int
    begin: tuple[int, ...]


def line(w: Windows, n: int) -> Line | None:
    """The windows over n elements as that; None if they are laid otherwise."""
    if w.laid == "Fractional":
        return None
    all_windows, all_elements = np.arange(len(w.first)), np.arange(n)
    places = [(all_windows[which], all_elements[elements]) for which, elements in w.places]
    places = [(windows, elements) for windows, elements in places if windows.size]
    stride = max((int(e[1] - e[0]) // int(o[1] - o[0]) for o, e in places if o.size > 1), default=1)
    begin = tuple(int(elements[0] - windows[0] * stride) for windows, elements in places)
    for first, (windows, elements) in zip(begin, places):
        seen = first + stride * all_windows
        inside = (seen >= 0) & (seen < n)
        if stride < 1 or not (np.array_equal(all_windows[inside], windows) and np.array_equal(seen[inside], elements)):
            return None
    return Line(n, len(w.first), stride, begin)


def three_lines(windows: Sequence[Windows], size: Sequence[int]) -> list[Line] | None:
    """Those of three dimensions, the first of which may do nothing; None if the loops do not take them."""
    found = [line(w, n) for w, n in zip(windows, size)]
    lines = [Line(1, 1, 1, (0,))] * (3 - len(found)) + [each for each in found if each is not None]
    return lines if len(lines) == 3 and math.prod(size) < 1 << 31 else None


def room_of(lines: Sequence[Line]) -> int:
    """How many numbers the loops need meanwhile: of rows, and of lines, with where they stood."""
    (d, od, *_), (h, oh, *_), (_, ow, *_) = lines
    return 2 * (d * h * ow + d * oh * ow + od * oh * ow)


def is_there(x: Any) -> bool:
    """Whether C takes such numbers."""
    return kernel("pooling", "max_pooling", x.dtype) is not None


def max_pooling(x: np.ndarray, windows: Sequence[Windows]) -> tuple[np.ndarray, np.ndarray] | None:
    """(out, indices)"""
    function, size = kernel("pooling", "max_pooling", x.dtype), x.shape[x.ndim - len(windows) :]
    lines = function and x.size and three_lines(windows, size)
    if not function or not lines or not x.flags.c_contiguous:
        return None
    out = np.empty((*x.shape[: x.ndim - len(windows)], *(each.windows for each in lines[3 - len(windows) :])), x.dtype)
    indices, told, room = np.empty(out.shape, np.int64), _Three(*map(_as_struct, lines)), room_of(lines)
    given = told, address(x), address(out), address(indices)

    def run(lo: int, hi: int) -> None:
        memory = np.empty(room, x.dtype)
        function(given[0], lo, hi, *given[1:], address(memory))

    shared(run, x.size // math.prod(size), x.size)
    return out, indices


def max_pooling_backward(g: np.ndarray, indices: np.ndarray, x_shape: tuple[int, ...], n: int) -> np.ndarray | None:
    """g at the largest of each window; 0 elsewhere"""
    function = kernel("pooling", "max_pooling_backward", g.dtype)
    if function is None or not g.size:
        return None
    dx = np.empty(x_shape, g.dtype)
    g, indices = np.ascontiguousarray(g), np.ascontiguousarray(indices)
    plane, count = math.prod(x_shape[-n:]), math.prod(x_shape[:-n])
    given = address(g), address(indices), address(dx)
    shared(lambda lo, hi: function(plane, g.size // count, lo, hi, *given), count, dx.size)
    return dx


class _Windows(ctypes.Structure):
    """`Windows` in C."""

    _fields_ = [
        ("size", ctypes.c_long),
        ("windows", ctypes.c_long),
        ("stride", ctypes.c_long),
        ("places", ctypes.c_long),
        ("begin", ctypes.POINTER(ctypes.c_long)),
    ]


_Three: Any = _Windows * 3


def _as_struct(of: Line) -> _Windows:
    n = len(of.begin)
    return _Windows(of.size, of.windows, of.stride, n, (ctypes.c_long * n)(*of.begin))
