"""Convolution in chunks of samples whose columns stay in the cache, with one matrix product a sample.

The formula writes the columns of the whole batch, with all places of all samples in a row, and turns the result round. Here a sample's
product lies as the result is to lie, (N, O, places), and no more columns are in memory than a chunk's; backward makes them again
instead of keeping them. Where a sample has few places, as the last layers of networks for images, the formula is quicker and is
left to it. A kernel that moves by single pixels has its columns in long stretches (`_InStretches`). Read next: `pooling.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...ops.convolution import conv, conv_transpose, conv_weight, weight_matrix
from ...ops.fold import Sliding, added_up, columns
from .blocks import served

CHUNK = 1 << 18  # numbers in the columns of a chunk: one MB of float32
MOST = 1 << 24  # numbers in the columns of a whole batch, where these are made at once: 64 MB of float32


@conv.twin("cpu")
def forward(xp: Any, x: Any, weight: Any, bias: Any, how: Sliding, groups: int) -> Any:
    """W · columns(x) + b"""
    if not served(x, weight, bias) or not x.size or _few_places(len(x), weight.shape, how, groups):
        return None
    way, W = _way(how), weight_matrix(weight, groups)
    out = np.empty((len(x), len(weight), *how.places), x.dtype)
    for chunk in _chunks(len(x), x.shape[1], way):
        made = way.product(W, _in_groups(way.columns(x[chunk]), groups))
        _plus(way.at_places(made), bias, out[chunk])
    return out


@conv_transpose.twin("cpu")
def transposed(xp: Any, x: Any, weight: Any, bias: Any, how: Sliding, groups: int) -> Any:
    """added_up(Wᵀ · x) + b"""
    if not served(x, weight, bias) or not x.size or _few_places(len(x), weight.shape, how, groups):
        return None
    if not np.isfinite(weight).all():  # between the places 0 · ∞ would be added
        return None
    way, W, C = _way(how), weight_matrix(weight, groups).swapaxes(1, 2), groups * weight.shape[1]
    out = np.empty((len(x), C, *how.size), x.dtype)
    for chunk in _chunks(len(x), C, way):
        cols = way.product(W, _in_groups(way.among_places(x[chunk]), groups))
        _plus(way.added_up(cols.reshape(len(cols), C, -1, way.length)), bias, out[chunk])
    return out


@conv_weight.twin("cpu")
def of_weight(xp: Any, x: Any, y: Any, how: Sliding, groups: int) -> Any:
    """Σ over samples of y · columns(x)ᵀ"""
    shape = (y.shape[1], x.shape[1] // groups, *how.kernel)
    if not served(x, y) or not x.size or _few_places(len(x), shape, how, groups):
        return None
    way = _way(how)
    sums = np.zeros((groups, shape[0] // groups, math.prod(shape[1:])), x.dtype)
    for chunk in _chunks(len(x), x.shape[1], way):
        cols = _in_groups(way.columns(x[chunk]), groups).swapaxes(2, 3)
        for of_sample in zip(_in_groups(way.among_places(y[chunk]), groups), cols):
            sums += np.matmul(*of_sample)
    return sums.reshape(shape) if np.isfinite(sums).all() else None  # between the places 0 · ∞ may have been added


def _few_places(samples: int, weight: tuple[int, ...], how: Sliding, groups: int) -> bool:
    """Whether W, of that shape, is more than twice what a sample's product has besides it: to read it once a sample is most of the work."""
    O, K, P = weight[0] // groups, math.prod(weight[1:]), math.prod(how.places)
    return 2 * P * (O + K) < O * K and samples * P * K * groups <= MOST


def _in_groups(x: np.ndarray, groups: int) -> np.ndarray:
    """(samples, channels, …, places) as matrices: (samples, groups, channels / groups · …, places)."""
    return x.reshape(len(x), groups, math.prod(x.shape[1:-1]) // groups, x.shape[-1])


def _plus(x: np.ndarray, bias: Any, out: np.ndarray) -> None:
    if bias is None:
        out[...] = x
    else:
        np.add(x, bias.reshape(-1, *(1 for _ in x.shape[2:])), out=out)


# ---- two ways to have columns ----


def _chunks(samples: int, channels: int, way: Any) -> Iterator[slice]:
    """Slices of the samples whose columns are CHUNK numbers or fewer, if a single sample's are."""
    n = max(1, CHUNK // (channels * way.elements * way.length))
    return (slice(k, k + n) for k in range(0, samples, n))


def _way(how: Sliding) -> Any:
    """Stretches, where they are not much longer than the places that they hold."""
    if set(how.stride) == {1}:
        stretches = _InStretches(how)
        if stretches.length <= 1.5 * math.prod(how.places):
            return stretches
    return _ByPlaces(how)


class _Way:
    """What both share: memory that all chunks use, one after the other. New memory for each costs more than the copies into it."""

    def __init__(self, how: Sliding, length: int):
        self.how, self.elements, self.length = how, math.prod(how.kernel), length
        self.scratch: dict[str, np.ndarray] = {}

    def memory(self, what: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Memory of that shape: zeros at first, later what the chunk before left. The first chunk is the largest."""
        if what not in self.scratch:
            self.scratch[what] = np.zeros(shape, dtype)
        return self.scratch[what][: shape[0]]

    def product(self, W: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.matmul(W, x, out=self.memory("product", (*x.shape[:2], W.shape[1], x.shape[3]), x.dtype))


class _ByPlaces(_Way):
    """Columns (samples, channels, elements of the kernel, places), as `ops/fold.py` has them."""

    def __init__(self, how: Sliding):
        super().__init__(how, math.prod(how.places))

    def columns(self, x: np.ndarray) -> np.ndarray:
        N, C = x.shape[:2]
        cols = columns(np, x.reshape(N * C, 1, *self.how.size), self.how)
        return cols.reshape(N, C, self.elements, self.length)

    def added_up(self, cols: np.ndarray) -> np.ndarray:
        N, C = cols.shape[:2]
        image = added_up(np, cols.reshape(N * C, *self.how.kernel, 1, *self.how.places), self.how)
        return image.reshape(N, C, *self.how.size)

    def among_places(self, y: np.ndarray) -> np.ndarray:
        """y (samples, channels, *places) as a product takes it."""
        return y.reshape(*y.shape[:2], self.length)

    def at_places(self, made: np.ndarray) -> np.ndarray:
        """A product's result as (samples, channels, *places)."""
        return made.reshape(len(made), -1, *self.how.places)


class _InStretches(_Way):
    """Columns of a kernel that moves by single pixels: each of its elements sees one unbroken stretch of the padded image's memory.

    A stretch runs from the first place to the last through whole rows of the padded image, so between the places of two rows there are
    some pixels where the kernel does not stand: what a product makes there is left out, and what it takes from there is 0.
    """

    def __init__(self, how: Sliding):
        self.padded = how.padded_size()
        self.rows = (how.places[0], *self.padded[1:])  # a stretch, as rows
        super().__init__(how, math.prod(self.rows))
        pitch = [math.prod(self.padded[d + 1 :]) for d in range(len(self.padded))]
        steps = [p * d for p, d in zip(pitch, how.dilation)]
        self.begin = [sum(k * s for k, s in zip(element, steps)) for element in np.ndindex(how.kernel)]
        # The last stretch may end after the padded image; or before its end, where `output_padding` is.
        self.size = max(max(self.begin) + self.length, math.prod(self.padded))
        self.places: Any = (..., *(slice(n) for n in how.places))

    def columns(self, x: np.ndarray) -> np.ndarray:
        N, C = x.shape[:2]
        if self.elements == 1 and self.padded == self.how.size:
            return x.reshape(N, C, 1, self.length)
        image = self.memory("image", (N, C, self.size), x.dtype)
        cols = self.memory("columns", (N, C, self.elements, self.length), x.dtype)
        self._inside(image)[...] = x
        for k, begin in enumerate(self.begin):
            cols[:, :, k] = image[:, :, begin : begin + self.length]
        return cols

    def added_up(self, cols: np.ndarray) -> np.ndarray:
        image = self.memory("image", (*cols.shape[:2], self.size), cols.dtype)
        image.fill(0)
        for k, begin in enumerate(self.begin):
            image[:, :, begin : begin + self.length] += cols[:, :, k]
        return self._inside(image)

    def _inside(self, image: np.ndarray) -> np.ndarray:
        """The image without its padding: a view."""
        padded = image[:, :, : math.prod(self.padded)].reshape(*image.shape[:2], *self.padded)
        inside: Any = (..., *self.how.inside())
        return padded[inside]

    def among_places(self, y: np.ndarray) -> np.ndarray:
        """y (samples, channels, *places) in stretches, with zeros between the places of two rows."""
        if self.rows == self.how.places:
            return y.reshape(*y.shape[:2], self.length)
        wide = self.memory("among places", (*y.shape[:2], *self.rows), y.dtype)
        wide[self.places] = y
        return wide.reshape(*y.shape[:2], self.length)

    def at_places(self, made: np.ndarray) -> np.ndarray:
        """A product's result as (samples, channels, *places), a view."""
        return made.reshape(len(made), -1, *self.rows)[self.places]
