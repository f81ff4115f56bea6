"""Pooling, window by window, as `ops/pooling.py` states it: for any number of spatial dimensions, by loops over indices.

x (N, C, *size). A window is the list of the pixels it holds; which it holds is what poolings differ in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

Numbers = tuple[int, ...]
Pixels = list[Numbers]


def max_pool(x: np.ndarray, places: Numbers, window: Callable[[Numbers], Pixels]) -> tuple[np.ndarray, np.ndarray]:
    """y[n, c, p] = max of x[n, c] over window(p), and the number of the first pixel that has it, counted row by row."""
    y, numbers = np.zeros((*x.shape[:2], *places)), np.zeros((*x.shape[:2], *places), np.int64)
    for n, c in np.ndindex(*x.shape[:2]):
        for p in np.ndindex(*places):
            first = max(window(p), key=lambda pixel: x[(n, c, *pixel)])  # of equal ones Python's max takes the first
            y[(n, c, *p)] = x[(n, c, *first)]
            numbers[(n, c, *p)] = np.ravel_multi_index(first, x.shape[2:])
    return y, numbers


def max_unpool(x: np.ndarray, numbers: np.ndarray, size: Numbers) -> np.ndarray:
    """y[n, c, pixel number numbers[n, c, p]] = x[n, c, p], 0 elsewhere."""
    y = np.zeros((*x.shape[:2], *size))
    for n, c, *p in np.ndindex(*x.shape):
        y[(n, c, *np.unravel_index(numbers[(n, c, *p)], size))] = x[(n, c, *p)]
    return y


def avg_pool(
    x: np.ndarray, places: Numbers, window: Callable[[Numbers], Pixels], divisor: Callable[[Numbers], int]
) -> np.ndarray:
    """y[n, c, p] = Σ of x[n, c] over window(p) / divisor(p)."""
    y = np.zeros((*x.shape[:2], *places))
    for n, c in np.ndindex(*x.shape[:2]):
        for p in np.ndindex(*places):
            y[(n, c, *p)] = sum(x[(n, c, *pixel)] for pixel in window(p)) / divisor(p)
    return y


# ---- which pixels a window holds ----


def sliding(p: Numbers, size: Numbers, kernel: Numbers, stride: Numbers, padding: Numbers, dilation: Numbers) -> Pixels:
    """p · stride + k · dilation − padding for all k, as far as there are such pixels."""
    places = [[o * s + i * d - pad for i in range(k)] for o, k, s, pad, d in zip(p, kernel, stride, padding, dilation)]
    return [pixel for pixel in itertools.product(*places) if all(0 <= i < n for i, n in zip(pixel, size))]


def how_many(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Windows are laid as long as they fit; with ceil_mode one more, if it begins before the padding at the end."""
    reach, count = dilation * (kernel - 1) + 1, 0
    while count * stride + reach <= n + 2 * padding:
        count += 1
    covered = (count - 1) * stride + reach >= n + 2 * padding
    return count + (ceil_mode and not covered and count * stride < n + padding)


def with_padding(p: Numbers, size: Numbers, kernel: Numbers, stride: Numbers, padding: Numbers) -> int:
    """How many places a window has in x and in its padding."""
    ends = (min(o * s + k, n + 2 * pad) for o, n, k, s, pad in zip(p, size, kernel, stride, padding))
    return math.prod(end - o * s for end, o, s in zip(ends, p, stride))


def adaptive(p: Numbers, places: Numbers, size: Numbers) -> Pixels:
    """From ⌊p · size / places⌋ to before ⌈(p + 1) · size / places⌉, in each dimension."""
    return list(itertools.product(*(range(o * n // m, math.ceil((o + 1) * n / m)) for o, m, n in zip(p, places, size))))
