"""Convolution, pixel by pixel, as `ops/convolution.py` states it: for any number of spatial dimensions, by loops over indices.

x (N, C, *size), w (O, C / groups, *kernel); of the transposed one w is (C, O / groups, *kernel).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Numbers = tuple[int, ...]


def convolution(
    x: np.ndarray, w: np.ndarray, stride: Numbers, padding: Numbers, dilation: Numbers, groups: int
) -> np.ndarray:
    """y[n, o, p] = Σ_c,k w[o, c, k] · x[n, c, p · stride + k · dilation − padding], over the channels of o's group."""
    kernel = w.shape[2:]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    places = [(size + 2 * p - r) // s + 1 for size, p, r, s in zip(x.shape[2:], padding, reach, stride)]
    y = np.zeros((len(x), len(w), *places))
    for n, o in np.ndindex(len(x), len(w)):
        for p in np.ndindex(*places):
            for k, pixel in seen(p, kernel, x.shape[2:], stride, padding, dilation):
                for c in range(w.shape[1]):
                    y[(n, o, *p)] += w[(o, c, *k)] * x[(n, group_of(o, len(w), groups) * w.shape[1] + c, *pixel)]
    return y


def transposed(
    x: np.ndarray,
    w: np.ndarray,
    stride: Numbers,
    padding: Numbers,
    dilation: Numbers,
    groups: int,
    output_padding: Numbers,
) -> np.ndarray:
    """y[n, o, p · stride + k · dilation − padding] += w[c, o, k] · x[n, c, p]: each x lays down a kernel."""
    kernel = w.shape[2:]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    steps = zip(x.shape[2:], stride, padding, reach, output_padding)
    size = tuple((n - 1) * s - 2 * p + r + more for n, s, p, r, more in steps)
    y = np.zeros((len(x), w.shape[1] * groups, *size))
    for n, c in np.ndindex(*x.shape[:2]):
        for p in np.ndindex(*x.shape[2:]):
            for k, pixel in seen(p, kernel, size, stride, padding, dilation):
                for o in range(w.shape[1]):
                    y[(n, group_of(c, len(w), groups) * w.shape[1] + o, *pixel)] += w[(c, o, *k)] * x[(n, c, *p)]
    return y


def unfold(x: np.ndarray, kernel: Numbers, stride: Numbers, padding: Numbers, dilation: Numbers) -> np.ndarray:
    """columns[n, (c, k), p] = x[n, c, p · stride + k · dilation − padding], 0 outside."""
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    places = [(size + 2 * p - r) // s + 1 for size, p, r, s in zip(x.shape[2:], padding, reach, stride)]
    columns = np.zeros((*x.shape[:2], *kernel, *places))
    for n, c in np.ndindex(*x.shape[:2]):
        for p in np.ndindex(*places):
            for k, pixel in seen(p, kernel, x.shape[2:], stride, padding, dilation):
                columns[(n, c, *k, *p)] = x[(n, c, *pixel)]
    return columns.reshape(len(x), x.shape[1] * int(np.prod(kernel)), -1)


def group_of(channel: int, channels: int, groups: int) -> int:
    return channel // (channels // groups)


def seen(
    p: Numbers, kernel: Numbers, size: Numbers, stride: Numbers, padding: Numbers, dilation: Numbers
) -> Iterator[tuple[Numbers, Numbers]]:
    """Each element of a kernel that stands at place p, and the pixel under it, if there is one."""
    for k in np.ndindex(*kernel):
        pixel = tuple(a * s + b * d - q for a, s, b, d, q in zip(p, stride, k, dilation, padding))
        if all(0 <= i < n for i, n in zip(pixel, size)):
            yield k, pixel
