"""`embedding_bag`: rows of a table, added up, averaged or compared within bags. It is made of `embedding` and of sums by index.

A bag is a stretch of the vector of indices; `offsets` says where each begins. So every index belongs to one bag, and the sum of a bag
is `index_add` of the looked-up rows at the numbers of their bags. Read next: `gather.py`, the ops that it is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays import dtypes
from ..arrays.device import must_hold
from ..op import Array, Index, composite, op
from .elementwise import clamp_min, where
from .gather import embedding, gather, index_add
from .index import check_bounds
from .scan import cumsum
from .shape import ones, unsqueeze, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor

SUM, MEAN, MAX = range(3)


@composite(grad_fn="EmbeddingBagBackward0")
def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sum (mode 0), mean (1) or maximum (2) of the rows of `weight` (V, D) in each bag: (B, D). Empty bags give 0.

    Bag b holds indices[offsets[b]] up to the next offset; include_last_offset: the last offset ends the last bag. The row padding_idx
    does not count. per_sample_weights: factors, for sums. Also: the bag of each index, how many count in each, and where maxima are from.
    """
    _check_bags(weight, indices, offsets, mode, per_sample_weights, padding_idx)
    padding = -1 if padding_idx is None else padding_idx % len(weight)
    bags = _bags_of(indices, offsets, indices != padding)
    rows = embedding(weight, indices, padding, scale_grad_by_freq, sparse)
    rows = rows.to(dtypes.float32) if rows.dtype.itemsize == 2 else rows  # a bag is rounded once
    number = len(offsets) - (1 if include_last_offset else 0)
    sizes = bags.sizes[:number]
    if mode == MAX and len(indices):
        places = place_of_largest(rows, bags.of_index, bags.starts, bags.counts)[:number]
        empty = unsqueeze(sizes == 0, 1)
        out = where(empty, 0.0, gather(rows, 0, places))
        return out.to(weight.dtype), bags.of_index, sizes, where(empty, 0, indices[places])
    if per_sample_weights is not None:
        rows = rows * unsqueeze(per_sample_weights.to(rows.dtype), 1)
    rows = where(unsqueeze(bags.counts, 1), rows, 0.0)
    out = index_add(zeros(rows, (len(offsets), weight.shape[1])), 0, bags.of_index, rows)[:number]
    if mode == MEAN:
        out = out / unsqueeze(clamp_min(sizes, 1), 1)
    return out.to(weight.dtype), bags.of_index, sizes, sizes


class Bags(NamedTuple):
    """Which bag each index is in, whether it counts, and how many of those each bag has."""

    of_index: Tensor
    starts: Tensor
    counts: Tensor
    sizes: Tensor


def _bags_of(indices: Tensor, offsets: Tensor, counts: Tensor) -> Bags:
    """A new bag begins at each offset: so the number of an index's bag is how many offsets there are up to its place, less one."""
    starts, like = offsets.to(dtypes.int64), indices.to(dtypes.int64)
    begun = index_add(zeros(like, (len(indices) + 1,)), 0, starts, ones(like, (len(starts),)))
    of_index = cumsum(begun, 0)[: len(indices)] - 1
    sizes = index_add(zeros(like, (len(starts),)), 0, of_index, counts.to(dtypes.int64))
    return Bags(of_index, starts, counts, sizes)


@op(promote=None, public=False, discrete=True)
def place_of_largest(xp: Any, rows: Index, bag: Index, starts: Index, counts: Index) -> Array:
    """For each bag and column: which of the rows (n, D) has the largest number there, among those that count; the first of equal ones."""
    n, number = len(rows), len(starts)
    place = xp.arange(n) - starts[bag]
    # The bags side by side, each filled up to the length of the longest.
    beside = xp.full((number, int(place.max()) + 1, rows.shape[1]), -xp.inf, rows.dtype)
    beside[bag, place] = xp.where(counts[:, None], rows, rows.dtype.type(-xp.inf))
    return xp.minimum(beside.argmax(1) + starts[:, None], n - 1)  # (an empty bag at the end begins after the last row)


def _check_bags(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    mode: int,
    per_sample_weights: Tensor | None,
    padding_idx: int | None,
) -> None:
    """RuntimeError for what does not fit, in words."""
    if weight.ndim != 2 or indices.ndim != 1 or offsets.ndim != 1:
        shapes = ", ".join(str(tuple(t.shape)) for t in (weight, indices, offsets))
        raise RuntimeError(f"weight has to be a 2D Tensor, indices and offsets 1D ones, got shapes {shapes}")
    for name, t in (("indices", indices), ("offsets", offsets)):
        if t.dtype not in (dtypes.int64, dtypes.int32):
            raise RuntimeError(
                f"Expected tensor for argument #1 '{name}' to have one of the following scalar types: Long, Int; but got "
                f"{t.dtype!r} instead; convert with .long()"
            )
    if not weight.is_floating_point():
        raise RuntimeError(
            f"Expected weight to have one of the following scalar types: Half, BFloat16, Float, Double; got {weight.dtype!r}"
        )
    if not SUM <= mode <= MAX:
        raise RuntimeError(f"`mode` must be sum, mean, or max (0, 1, or 2), got {mode}")
    if per_sample_weights is not None:
        _check_factors(weight, indices, mode, per_sample_weights)
    if padding_idx is not None and not -len(weight) <= padding_idx < len(weight):
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, {-len(weight)} through {len(weight) - 1}, but got {padding_idx}"
        )
    check_bounds(indices._array, len(weight), 0, RuntimeError, lowest=0)
    if len(offsets):
        _check_offsets(offsets._array, len(indices))


def _check_offsets(offsets: Array, n: int) -> None:
    first = "offsets[0] has to be 0, where the first bag begins"
    last = f"offsets[-1] can not be greater than input's length {n}"
    if type(offsets) is not np.ndarray:  # noted, and raised when the host waits for the GPU
        must_hold(offsets[0] == 0, RuntimeError, first)
        must_hold(offsets[-1] <= n, RuntimeError, last)
    elif offsets[0] != 0:
        raise RuntimeError(f"{first}; got {offsets[0]}")
    elif offsets[-1] > n:
        raise RuntimeError(f"{last}, but got {offsets[-1]}")


def _check_factors(weight: Tensor, indices: Tensor, mode: int, factors: Tensor) -> None:
    if mode != SUM:
        raise RuntimeError("embedding_bag: per_sample_weights only supported with mode='sum'")
    if factors.dtype is not weight.dtype:
        raise RuntimeError(
            f"Expected per_sample_weights to have the same type as weight; but {factors.dtype!r} does not equal {weight.dtype!r}"
        )
    if tuple(factors.shape) != tuple(indices.shape):
        raise RuntimeError(
            f"Expected a factor for each of the {len(indices)} indices, got per_sample_weights of shape {tuple(factors.shape)}"
        )
