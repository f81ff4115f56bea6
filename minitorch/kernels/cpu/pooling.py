"""Max pooling as the maximum of slices, one for each place in a window, and where it stands by comparing them with it.

The largest stands at the first place whose slice equals it: how many places have missed it so far tells which. A derivative
whose windows have no element in common puts each number where it belongs; others add up. Read next: `norm.py`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ops.pooling import Windows, max_pool
from . import blocks
from .blocks import in_blocks, served

MOST_PLACES = 255  # in a window: their number is kept in a byte


@max_pool.twin("cpu")
def largest(xp: Any, x: Any, windows: Sequence[Windows]) -> Any:
    """(out, indices), by whole planes; None for windows that are no slices, and where there are nans"""
    lines = [_line(w) for w in windows]
    counts = [len(w.places) for w in windows]
    if x.size < blocks.SMALL or not served(x) or None in lines or math.prod(counts) > MOST_PLACES:
        return None
    n = len(windows)
    plane, size = x.shape[-n:], tuple(len(w.first) for w in windows)
    out = np.empty((*x.shape[:-n], *size), x.dtype)
    indices = np.empty(out.shape, np.int64)
    first, place = _numbers(plane, size, lines)
    keys = [tuple(zip(*places)) for places in itertools.product(*(w.places for w in windows))]

    def block(rows: slice) -> bool:
        found, missed, misses = out[rows], np.ones(out[rows].shape, bool), np.zeros(out[rows].shape, np.uint8)
        found[...] = -np.inf
        for which, elements in keys:
            here = found[(..., *which)]
            np.maximum(here, x[rows][(..., *elements)], out=here)
        for which, elements in keys:
            here = missed[(..., *which)]
            np.logical_and(here, x[rows][(..., *elements)] != found[(..., *which)], out=here)
            misses += missed
        if missed.any():
            return False
        np.add(first, place.take(misses), out=indices[rows])
        return True

    return (out, indices) if all(in_blocks(block, x)) else None


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
    if x.size < blocks.SMALL or not served(g):
        return None
    n = len(windows)
    planes, numbers = math.prod(x.shape[:-n]), math.prod(x.shape[-n:])
    dx = np.zeros(planes * numbers, g.dtype)
    places = (indices.reshape(planes, -1) + numbers * np.arange(planes)[:, None]).reshape(-1)
    if all(map(_apart, windows)):
        dx[places] = g.reshape(-1)
    else:
        np.add.at(dx, places, g.reshape(-1))
    return dx.reshape(x.shape)


def _apart(windows: Windows) -> bool:
    """Whether no element is in two windows."""
    if windows.laid == "Fractional":
        return False
    elements = np.r_[tuple(elements for _, elements in windows.places)]
    return len(set(elements.tolist())) == elements.size
