"""Ops that repeat: the whole tensor (`repeat`, `tile`), or each element (`repeat_interleave`).

What is repeated is used several times, so its gradient is the sum over the repetitions. Read next: `index.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..op import Array, Index, composite, op
from ..op.signature import Dims, Sizes
from .dims import as_ints, canonical_dim
from .reduce import sum_
from .shape import expand, flatten, reshape, row_major, unsqueeze, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(promote=None, takes_out=False)
def repeat(xp: Any, x: Array, repeats: Dims) -> Array:
    """x laid out `repeats` times along each dimension; more repeats than dimensions add dimensions in front."""
    repeats = as_ints(repeats)
    if len(repeats) < x.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: got "
            f"{len(repeats)} repeats for {x.ndim} dimensions"
        )
    if any(r < 0 for r in repeats):
        raise RuntimeError(f"Trying to create tensor with negative dimension: repeats {list(repeats)}")
    sizes = [r * n for r, n in zip(repeats, (1,) * (len(repeats) - x.ndim) + x.shape)]
    if math.prod(sizes) * x.itemsize >= 2**63:  # NumPy would look for the memory at a wrapped address
        raise RuntimeError(f"Storage size calculation overflowed with sizes={sizes}")
    return xp.tile(x, repeats)


@repeat.grad
def repeat_grad(g: Tensor, x_shape: tuple, repeats: Any) -> Tensor:
    """∂L/∂x = Σ over the repetitions of g"""
    repeats = as_ints(repeats)
    sizes = (1,) * (len(repeats) - len(x_shape)) + x_shape
    if 0 in repeats:
        return zeros(g, x_shape)
    pairs = [n for pair in zip(repeats, sizes) for n in pair]
    summed = sum_(reshape(g, pairs), tuple(range(0, len(pairs), 2))) if pairs else g
    return reshape(summed, x_shape)


@composite
def tile(input: Tensor, dims: Sizes) -> Tensor:
    """`repeat`, where missing repeats in front count as 1."""
    dims = as_ints(dims)
    return repeat(input, (1,) * (input.ndim - len(dims)) + dims)


@op(promote=None, public=False)
def repeated_indices(xp: Any, repeats: Index) -> Array:
    """The index k, repeats[k] times, for every k: [2, 0, 1] gives [0, 0, 2]."""
    if repeats.dtype not in ("int64", "int32"):
        raise NotImplementedError(
            f'"repeat_interleave" not implemented for repeats of {repeats.dtype}; convert with .long()'
        )
    if repeats.ndim > 1:
        raise RuntimeError(f"repeats must be a 0-dim or 1-dim tensor, got shape {tuple(repeats.shape)}")
    if (repeats < 0).any():
        raise RuntimeError("repeats can not be negative")
    return xp.repeat(xp.arange(repeats.size, dtype=repeats.dtype), repeats.tolist())


@composite
def repeat_interleave(
    input: Tensor, repeats: Tensor | int | None = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element `repeats` times in a row (a tensor: its own number for each), along `dim` or over all of x.

    output_size: how long the result must be along `dim`, for whoever knows it beforehand.

    >>> minitorch.repeat_interleave(minitorch.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None and dim is None:
        if input.ndim != 1:
            raise RuntimeError(f"repeat_interleave only accepts a 1-D vector as repeats, got shape {list(input.shape)}")
        return _of_size(repeated_indices(input), 0, output_size)
    if repeats is None:
        raise TypeError("repeat_interleave(): argument 'repeats' (position 2) must be Tensor or int, not NoneType")
    if dim is None:
        input, dim = flatten(input), 0
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = canonical_dim(dim, input.ndim)
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError(f"Repeats must be non-negative, got {repeats}")
        sizes = (*input.shape[: dim + 1], repeats, *input.shape[dim + 1 :])
        return _of_size(flatten(row_major(expand(unsqueeze(input, dim + 1), sizes)), dim, dim + 1), dim, output_size)
    if repeats.ndim > 1:
        raise RuntimeError(f"repeats must be 0-dim or 1-dim tensor, got shape {list(repeats.shape)}")
    if repeats.numel() == 1:
        repeats = repeats.reshape((1,)).expand((input.shape[dim],))
    if repeats.numel() != input.shape[dim]:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats.numel()} and "
            f"input.size({dim}) = {input.shape[dim]}"
        )
    return input.index_select(dim, _of_size(repeated_indices(repeats), 0, output_size))


def _of_size(out: Tensor, dim: int, size: int | None) -> Tensor:
    """The result, if it is as long as it was said to be."""
    if size is not None and out.shape[dim] != size:
        raise RuntimeError(f"repeat_interleave: Invalid output_size, expected {out.shape[dim]} but got {size}")
    return out
