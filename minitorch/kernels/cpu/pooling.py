"""Max pooling as the maximum of slices, one for each place in a window, and where it stands by comparing them with it.

The largest stands at the first place whose slice equals it: how many places have missed it so far tells which. A derivative
whose windows have no element in common puts each number where it belongs; others add up. Arrays that lie row by row go to C
(`../c/pooling.py`) where there is a compiler. Read next: `norm.py`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ops.pooling import Windows, max_pool
from ..c import pooling as in_c
from . import blocks
from .blocks import as_one_call, in_blocks, served

MOST_PLACES = 255  # in a window: their number is kept in a byte


@max_pool.twin("cpu")
def largest(xp: Any, x: Any, windows: Sequence[Windows]) -> Any:
    """(out, indices): in C; or by whole planes, but None for windows that are no slices, and where there are nans"""
    if served(x):
        if in_c.is_there(x):
            as_one_call(x)
        if type(x) is np.ndarray and (found := in_c.max_pooling(x, windows)) is not None:
            return found
    lines = [_line(w) for w in windows]
    counts = [len(w.places) for w in windows]
    if x.size < blocks.SMALL or not served(x) or None in lines or math.prod(counts) > MOST_PLACES:
        return None
    n = len(windows)
    plane, size = x.shape[-n:], tuple(len(w.first) for w in windows)
    out = np.empty((*x.shape[:-n], *size), x.dtype)
    indices = np.empty(out.shape, np.int64)
    first, place = _numbers(plane, size, lines)
    keys: list[Any] = [tuple(zip(*places)) for places in itertools.product(*(w.places for w in windows))]

    def block(rows: slice, at_places: list[np.ndarray]) -> bool:
        found = out[rows]
        for there, (which, elements) in zip(at_places, keys):
            here = there[: len(found)][(..., *which)]
            if here.shape != found.shape:
                there.fill(-np.inf)  # windows without an element there
            here[...] = x[rows][(..., *elements)]
        beside = [there[: len(found)] for there in at_places]
        np.maximum(beside[0], beside[-1], out=found)
        for there in beside[1:-1]:
            np.maximum(found, there, out=found)
        missed, misses = np.ones(found.shape, bool), np.zeros(found.shape, np.uint8)
        for there in beside:
            np.logical_and(missed, there != found, out=missed)
            np.add(misses, missed.view(np.uint8), out=misses)
        if missed.any():
            return False
        np.add(first, place.take(misses), out=indices[rows])
        return True

    def of_places(rows: int) -> list[np.ndarray]:
        return list(np.empty((len(keys), rows, *out.shape[1:]), x.dtype))

    return (out, indices) if all(in_blocks(block, x, of_places)) else None


def _line(windows: Windows) -> tuple[int, list[int]] | None:
    """(stride, the element of each place in window 0) if window o has there that element + o · stride; else None."""
    if not all(isinstance(key, slice) for pair in windows.places for key in pair):
        return None
    steps = {elements.step for which, elements in windows.places if len(range(*which.indices(len(windows.first)))) > 1}
    stride = steps.pop() if steps else 1
    return None if steps else (stride, [(e.start or 0) - (w.start or 0) * stride for w, e in windows.places])


def _numbers(plane: tuple, size: tuple, lines: list) -> tuple[np.ndarray, np.ndarray]:
    """What the number of an element in its plane is the sum of: one part by the window, one by the place in it."""
    first, place = np.zeros((), np.int64), np.zeros(1, np.int64)
    for n, count, (stride, begin) in zip(plane, size, lines):
        first = first[..., None] * n + stride * np.arange(count)
        place = (place[:, None] * n + np.array(begin)).reshape(-1)
    return first, place


@max_pool.twin_grad("cpu")
def largest_grad(xp: Any, g: Any, x: Any, indices: Any, windows: Sequence[Windows]) -> Any:
    """dx = zeros with g added at the indices of each plane"""
    if not served(g):
        return None
    n = len(windows)
    if in_c.is_there(g):
        as_one_call(g)
        return in_c.max_pooling_backward(g, indices, x.shape, n)
    if x.size < blocks.SMALL:
        return None
    planes, numbers = math.prod(x.shape[:-n]), math.prod(x.shape[-n:])
    dx = np.zeros((planes, numbers), g.dtype)
    indices, g, apart = indices.reshape(planes, -1), g.reshape(planes, -1), all(map(_apart, windows))

    def block(rows: slice) -> None:
        of_planes = dx[rows].reshape(-1)
        places = indices[rows] + numbers * np.arange(rows.stop - rows.start)[:, None]
        if apart:
            of_planes[places.reshape(-1)] = g[rows].reshape(-1)
        else:
            np.add.at(of_planes, places.reshape(-1), g[rows].reshape(-1))

    in_blocks(block, dx)
    return dx.reshape(x.shape)


def _apart(windows: Windows) -> bool:
    """Whether no element is in two windows."""
    if windows.laid == "Fractional":
        return False
    elements = np.r_[tuple(elements for _, elements in windows.places)]
    return len(set(elements.tolist())) == elements.size
