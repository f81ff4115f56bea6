"""Reading an image between its pixels, as `ops/resample.py` and `ops/grid.py` state it: bilinear, pixel by pixel.

Places are real numbers: 0 is the middle of the first pixel, n − 1 that of the last.
"""

from __future__ import annotations

import math

import numpy as np


def resized(x: np.ndarray, size: tuple[int, int], align_corners: bool) -> np.ndarray:
    """x (N, C, H, W) in another size; beyond the outermost middles stands the outermost pixel."""
    (height, width), (h, w) = x.shape[2:], size
    y = np.zeros((*x.shape[:2], h, w))
    for i, j in np.ndindex(h, w):
        down, across = place(i, height, h, align_corners), place(j, width, w, align_corners)
        y[:, :, i, j] = between(x, min(max(down, 0), height - 1), min(max(across, 0), width - 1))
    return y


def place(i: int, n: int, m: int, align_corners: bool) -> float:
    """Where pixel i of m is among n: the middles of the outermost coincide, or else their outer edges."""
    if align_corners:
        return i * (n - 1) / (m - 1) if m > 1 else 0.0
    return (i + 0.5) * n / m - 0.5


def sampled(x: np.ndarray, grid: np.ndarray, align_corners: bool) -> np.ndarray:
    """y[n, :, i, j] = x[n] at grid[n, i, j] = (across, down), both from −1 to 1; outside are zeros."""
    height, width = x.shape[2:]
    y = np.zeros((*x.shape[:2], *grid.shape[1:3]))
    for n, i, j in np.ndindex(*grid.shape[:3]):
        across, down = (
            (g + 1) / 2 * (size - 1) if align_corners else (g + 1) / 2 * size - 0.5
            for g, size in zip(grid[n, i, j], (width, height))
        )
        y[n, :, i, j] = between(x[n : n + 1], down, across)[0]
    return y


def between(x: np.ndarray, down: float, across: float) -> np.ndarray:
    """The four pixels around, each weighted by the area of the rectangle opposite; (N, C)."""
    total = np.zeros(x.shape[:2])
    for i in (math.floor(down), math.floor(down) + 1):
        for j in (math.floor(across), math.floor(across) + 1):
            if 0 <= i < x.shape[2] and 0 <= j < x.shape[3]:
                total += x[:, :, i, j] * (1 - abs(down - i)) * (1 - abs(across - j))
    return total
