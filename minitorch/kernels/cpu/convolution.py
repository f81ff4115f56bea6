"""Convolution in chunks of samples whose columns stay in the cache, with one matrix product a sample.

The formula writes the columns of the whole batch, with all places of all samples in a row, and turns the result round. Here a sample's
product lies as the result is to lie, (N, O, places), no more columns are in memory than the chunks' that threads work on, and backward
makes them again instead of keeping them. Where a kernel moves by single pixels, the derivative by x is a convolution too: of g, with
the kernel flipped; then the columns of g serve both derivatives. Where a sample has few places, as in the last layers of networks for
images, the formula is quicker and is left to it. Where there is a C compiler all this is done there instead, and the derivative by x is
added up from columns (`../c/convolution.py`). Read next: `pooling.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.convolution import conv, conv_transpose, conv_weight, weight_matrix
from ...ops.fold import Sliding, added_up
from ..c import convolution as in_c
from .blocks import along_rows, as_one_call, in_blocks, served

MOST = 1 << 24  # numbers in the columns of a whole batch, where these are made at once: 64 MB of float32
TURNED = 48  # rows of columns from which on a product with y is quicker if y is turned round before


@conv.twin("cpu")
def forward(xp: Any, x: Any, weight: Any, bias: Any, how: Sliding, groups: int) -> Any:
    """W · columns(x) + b"""
    if not served(x, weight, bias) or not x.size:
        return None
    as_one_call(x, weight, bias)
    found = in_c.convolution(x, weight, bias, how, groups)
    if found is not None or _few_places(len(x), weight.shape, how, groups):
        return found
    return _convolved(x, weight_matrix(weight, groups), bias, how)


@conv_transpose.twin("cpu")
def transposed(xp: Any, x: Any, weight: Any, bias: Any, how: Sliding, groups: int) -> Any:
    """added_up(Wᵀ · x) + b, or the convolution that is the same"""
    if not served(x, weight, bias) or not x.size:
        return None
    as_one_call(x, weight, bias)
    found = in_c.convolution_transposed(x, weight, bias, how, groups)
    if found is not None or _few_places(len(x), weight.shape, how, groups):
        return found
    back, W = _back(how), weight_matrix(weight, groups)
    if back is not None and len(weight) <= 8 * groups * weight.shape[1] and np.isfinite(weight).all():
        return _convolved(x, _flipped(weight, groups), bias, back)
    C, P = groups * weight.shape[1], math.prod(how.places)
    out = np.empty((len(x), C, *how.size), x.dtype)

    def chunk(rows: slice, memory: np.ndarray) -> None:
        cols = np.matmul(W.swapaxes(1, 2), _in_groups(x[rows], groups), out=memory[: rows.stop - rows.start])
        image = added_up(np, cols.reshape(-1, *how.kernel, 1, *how.places), how)
        _plus(image.reshape(-1, *out.shape[1:]), bias, out[rows])

    K = W.shape[2]
    _in_chunks(chunk, len(x), groups * K * P, lambda samples: np.empty((samples, groups, K, P), x.dtype))
    return out


@conv_weight.twin("cpu")
def of_weight(xp: Any, x: Any, y: Any, how: Sliding, groups: int) -> Any:
    """Σ over samples of y · columns(x)ᵀ"""
    shape = (y.shape[1], x.shape[1] // groups, *how.kernel)
    if not served(x, y) or not x.size or _few_places(len(x), shape, how, groups):
        return None
    as_one_call(x, y)
    if (found := in_c.convolution_weight(x, y, how, groups)) is not None:
        return found

    def chunk(rows: slice, columns: Columns) -> np.ndarray:
        return _products(columns.of(x[rows], groups), _in_groups(y[rows], groups))

    sums = sum(_in_chunks(chunk, len(x), *_columns(x, how)))
    return sums.swapaxes(1, 2).reshape(shape)


@conv.twin_grad("cpu", "weight", "bias")
def of_parameters(xp: Any, g: Any, x: Any, weight_shape: tuple, bias_shape: tuple, how: Sliding, groups: int) -> Any:
    """dW = Σ g · columns(x)ᵀ, db = Σ g"""
    if not served(g, x) or not x.size:
        return None
    as_one_call(g, x)
    return conv_weight.compute(xp, x, g, how, groups), _per_channel(g) if bias_shape else g


@conv.twin_grad("cpu", "x", "weight", "bias")
def of_all(xp: Any, g: Any, x: Any, weight: Any, bias_shape: tuple, how: Sliding, groups: int) -> Any:
    """dx = flipped W · columns(g), dW = Σ columns(g) · xᵀ, flipped; db = Σ g"""
    if in_c.is_there(x):
        return _of_all_in_c(g, x, weight, bias_shape, how, groups)
    back, (O, C) = _back(how), weight.shape[:2]
    if back is None or 4 * groups * C < O or not served(g, x, weight) or not x.size:
        return None
    as_one_call(g, x, weight)
    if _few_places(len(x), weight.shape, how, groups) or not np.isfinite(weight).all():
        return None
    W = _flipped(weight, groups)
    dx = np.empty(x.shape, x.dtype)

    def chunk(rows: slice, columns: Columns) -> np.ndarray:
        cols = columns.of(g[rows], groups)
        np.matmul(W, cols, out=_in_groups(dx[rows], groups))
        return _products(cols, _in_groups(x[rows], groups))

    sums = sum(_in_chunks(chunk, len(x), *_columns(g, back)))  # (groups, O / groups · kernel, C / groups)
    if not np.isfinite(sums).all():  # beside the places 0 · ∞ may have been added
        return None
    dw = np.flip(sums.reshape(O, *how.kernel, C), tuple(range(1, 1 + len(how.kernel))))
    return dx, np.ascontiguousarray(np.moveaxis(dw, -1, 1)), _per_channel(g) if bias_shape else g


def _of_all_in_c(g: Any, x: Any, weight: Any, bias_shape: tuple, how: Sliding, groups: int) -> Any:
    if not served(g, x, weight):
        return None
    as_one_call(g, x, weight)
    dx, dw = in_c.convolution_transposed(g, weight, None, how, groups), conv_weight.compute(np, x, g, how, groups)
    return dx, dw, _per_channel(g) if bias_shape else g


def _few_places(samples: int, weight: tuple[int, ...], how: Sliding, groups: int) -> bool:
    """Whether W, of that shape, is more than twice what a sample's product has besides it: to read it once a sample is most of the work."""
    O, K, P = weight[0] // groups, math.prod(weight[1:]), math.prod(how.places)
    return 2 * P * (O + K) < O * K and samples * P * K * groups <= MOST


def _convolved(x: np.ndarray, W: np.ndarray, bias: Any, how: Sliding) -> np.ndarray:
    """W (groups, O / groups, C / groups · kernel) · columns(x) + b"""
    groups, O = len(W), len(W) * W.shape[1]
    out = np.empty((len(x), O, *how.places), x.dtype)

    def chunk(rows: slice, columns: Columns) -> None:
        part = out[rows]
        np.matmul(W, columns.of(x[rows], groups), out=_in_groups(part, groups))
        if bias is not None:
            _plus(part, bias, part)

    _in_chunks(chunk, len(x), *_columns(x, how))
    return out


def _back(how: Sliding) -> Sliding | None:
    """How a flipped kernel slides over y to give the derivative by x; None if it jumps, or would begin inside."""
    padding = tuple(d * (k - 1) - p for k, p, d in zip(how.kernel, how.padding, how.dilation))
    if set(how.stride) != {1} or min(padding) < 0:
        return None
    back = Sliding.over(how.places, how.kernel, how.stride, padding, how.dilation)
    return back if back.places == how.size else None  # (`output_padding` leaves pixels that no place sees)


def _flipped(weight: np.ndarray, groups: int) -> np.ndarray:
    """w (O, C / groups, *kernel), seen from the other side: (groups, C / groups, O / groups · kernel)."""
    O, C, *kernel = weight.shape
    w = np.flip(weight, tuple(range(2, weight.ndim))).reshape(groups, O // groups, C, -1)
    return w.swapaxes(1, 2).reshape(groups, C, O // groups * math.prod(kernel))


def _products(cols: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Σ over samples of columns · yᵀ."""
    turned = y.swapaxes(2, 3)
    return np.matmul(cols, np.ascontiguousarray(turned) if cols.shape[2] >= TURNED else turned).sum(0)


def _in_groups(x: np.ndarray, groups: int) -> np.ndarray:
    """(samples, channels, *places) as matrices: (samples, groups, channels / groups, all places)."""
    return x.reshape(len(x), groups, x.shape[1] // groups, math.prod(x.shape[2:]))


def _plus(x: np.ndarray, bias: Any, out: np.ndarray) -> None:
    if bias is None:
        out[...] = x
    else:
        np.add(x, bias.reshape(-1, *(1 for _ in x.shape[2:])), out=out)


def _per_channel(g: np.ndarray) -> np.ndarray:
    """Σ g over samples and places."""
    return along_rows(g.reshape(*g.shape[:2], math.prod(g.shape[2:])))[..., 0].sum(0)


# ---- chunks, and their columns ----


def _in_chunks(work: Callable[..., Any], samples: int, numbers: int, memory: Callable[[int], Any]) -> list[Any]:
    """work(rows, memory) for slices of the samples, each of which has so many numbers in its columns."""
    # Columns are written once and read once or twice, so that a chunk of twice a block's size is no slower.
    return in_blocks(work, np.broadcast_to(np.int8(0), (samples, -(-numbers // 2))), memory)


def _columns(x: np.ndarray, how: Sliding) -> tuple[int, Callable[[int], Columns]]:
    """How many numbers a sample's columns have, and what makes the memory for those of so many samples."""
    numbers = x.shape[1] * math.prod(how.kernel) * math.prod(how.places)
    return numbers, lambda samples: Columns(samples, x.shape[1], how, x.dtype)


class Columns:
    """What a kernel sees at each place, in memory that all chunks of a thread use: new memory for each costs more than the copies."""

    def __init__(self, samples: int, channels: int, how: Sliding, dtype: Any):
        self.how = how
        self.is_image = math.prod(how.kernel) == 1 and how.padded_size() == how.size == how.places
        if self.is_image:
            return
        self.memory = np.empty((samples, channels, math.prod(how.kernel), *how.places), dtype)
        self.seen: list[Any] = [(..., *seen) for _, seen in how.views()]
        self.to = [self._in_rows(self.memory[:, :, k]) for k in range(len(self.seen))]
        self.inside = None
        if any(how.padding):
            padded = np.zeros((samples, channels, *how.padded_size()), dtype)
            inside: Any = (..., *how.inside())
            self.inside, self.sources = padded[inside], self._sources(padded)

    def of(self, x: np.ndarray, groups: int) -> np.ndarray:
        """(samples, groups, channels / groups · elements of the kernel, places)"""
        n = len(x)
        if self.is_image:
            return _in_groups(x, groups)
        if self.inside is None:
            sources = self._sources(np.ascontiguousarray(x))
        else:
            self.inside[:n] = x
            sources = self.sources
        for to, source in zip(self.to, sources):
            to[:n] = source[:n]
        return self.memory[:n].reshape(n, groups, -1, math.prod(self.how.places))

    def _sources(self, padded: np.ndarray) -> list[np.ndarray]:
        """What each element of the kernel sees."""
        return [self._in_rows(padded[seen]) for seen in self.seen]

    def _in_rows(self, x: np.ndarray) -> np.ndarray:
        """x, if rows lie side by side each of them as one thing: NumPy copies it in half the time that it takes for its numbers."""
        return x.view(np.dtype((np.void, x.shape[-1] * x.itemsize))) if self.how.stride[-1] == 1 else x
