"""Reading and writing by mask and by flat index: `masked_fill`, `masked_select`, `take`, `nonzero`, `bincount`.

`masked_select` and `masked_scatter` are each other's derivative; under a mask that was filled, the gradient is 0.
Read next: `sort.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import dtypes
from ..arrays.determinism import alert
from ..arrays.device import as_number, moving, must_hold
from ..arrays.device import scatter_add as add_at
from ..arrays.numbers import fitting
from ..op import Array, Index, Operand, composite, op
from .elementwise import clone
from .index import holds_within, index_put, placed, select
from .shape import reshape, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor


# ---- masks ----


@op(promote=None, elementwise=True, keeps_layout=False, numbers_by={"value": fitting}, takes_out=False)
def masked_fill(xp: Any, x: Array, mask: Index, value: Operand) -> Array:
    """x with `value` (a number or 0-d tensor) where the mask is True; x and mask broadcast."""
    if mask.dtype != bool:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}; e.g. mask > 0")
    if getattr(value, "ndim", 0):
        raise RuntimeError(
            f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if getattr(value, "dtype", x.dtype) != x.dtype:
        fitting(value.item(), x.dtype)  # a tensor's number must be one of the dtype too
    return moving(xp, lambda value, x: xp.where(mask, value, x), as_number(xp, value, x.dtype), x)


@masked_fill.grad("x")
def masked_fill_grad(g: Tensor, mask: Tensor) -> Tensor:
    """∂L/∂x = g, 0 under the mask"""
    return masked_fill(g, mask, 0)


@masked_fill.grad("value")
def masked_fill_grad_value(g: Tensor, mask: Tensor) -> Tensor:
    """∂L/∂value = g under the mask (the engine sums: value was broadcast)"""
    return masked_fill(g, ~mask, 0)


@op(promote=None)
def masked_select(xp: Any, x: Array, mask: Index) -> Array:
    """The elements of x where the mask is True, as a vector; x and mask broadcast."""
    _bool_mask("masked_select", mask)
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return xp.broadcast_to(x, shape)[xp.broadcast_to(mask, shape)]


@masked_select.grad
def masked_select_grad(g: Tensor, x_shape: tuple, mask: Tensor) -> Tensor:
    """∂L/∂x = g where the mask is True, 0 elsewhere"""
    return masked_scatter(zeros(g, np.broadcast_shapes(x_shape, mask.shape)), mask, g)


@op(promote=None, takes_out=False)
def masked_scatter(xp: Any, x: Array, mask: Index, source: Array) -> Array:
    """x with the first elements of `source`, in order, where the mask is True."""
    _bool_mask("masked_scatter", mask)
    if x.dtype != source.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {x.dtype} and {source.dtype}"
        )
    shape = np.broadcast_shapes(x.shape, mask.shape)
    x, mask = xp.broadcast_to(x, shape), xp.broadcast_to(mask, shape)
    if not mask.size:
        return x.copy()
    used = mask.reshape(-1).cumsum()  # how many elements of source are used up to and with each place
    if type(x) is not np.ndarray:
        must_hold(used[-1] <= source.size, RuntimeError, "Number of elements of source < number of ones in mask")
    elif source.size < used[-1]:
        raise RuntimeError(f"Number of elements of source < number of ones in mask: {source.size} < {used[-1]}")
    if not source.size:
        return x.copy()
    source = source.reshape(-1)[xp.minimum(xp.maximum(used - 1, 0), source.size - 1)].reshape(shape)
    return moving(xp, lambda source, x: xp.where(mask, source, x), source, x)


@masked_scatter.grad("x")
def masked_scatter_grad_x(g: Tensor, mask: Tensor) -> Tensor:
    """∂L/∂x = g, 0 under the mask"""
    return masked_fill(g, mask, 0)


@masked_scatter.grad("source")
def masked_scatter_grad_source(g: Tensor, mask: Tensor, source_shape: tuple) -> Tensor:
    """∂L/∂source = g under the mask, then zeros for what was not used"""
    used = masked_select(g, mask)
    return reshape(placed(used, (math.prod(source_shape),), (slice(used.shape[0]),)), source_shape)


def _bool_mask(name: str, mask: Array) -> None:
    if mask.dtype != bool:
        raise RuntimeError(f"{name}: expected BoolTensor for mask, got {mask.dtype}; compare first, e.g. mask > 0")


# ---- flat indices ----


@op(promote=None)
def take(xp: Any, x: Array, index: Index) -> Array:
    """The elements of the flattened x at the indices, in index's shape."""
    if index.dtype != "int64":
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype}; convert with .long()")
    if type(index) is not np.ndarray:
        holds_within(
            index, -x.size, x.size, IndexError, f"out of range: tried to access an index on a tensor of {x.size} elements."
        )
    elif index.size and (int(index.min()) < -x.size or int(index.max()) >= x.size):
        wrong = int(index.min()) if int(index.min()) < -x.size else int(index.max())
        raise IndexError(f"out of range: tried to access index {wrong} on a tensor of {x.size} elements.")
    return x.reshape(-1)[index]


@take.grad
def take_grad(g: Tensor, x_shape: tuple, index: Tensor) -> Tensor:
    """∂L/∂x = zeros with g added at the indices"""
    return given_back(g, index, x_shape)


@op(promote=None, public=False, grad_fn="PutBackward0")
def given_back(xp: Any, x: Array, index: Index, shape: tuple) -> Array:
    """Zeros of that shape with x added at the indices into its flat form."""
    out = xp.zeros(math.prod(shape), x.dtype)
    add_at(xp, out, index, x)
    return out.reshape(shape)


@given_back.grad
def given_back_grad(g: Tensor, index: Tensor) -> Tensor:
    """∂L/∂x = g at the indices"""
    return take(g, index)


@composite
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """x with the elements of `source` at the indices into the flattened x, or, to accumulate, added there."""
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype!r}; convert with .long()")
    if input.dtype is not source.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {input.dtype!r} and source.dtype = "
            f"{source.dtype!r}"
        )
    if index.numel() and not input.numel():
        raise IndexError("put_(): Tried to put elements into an empty tensor")
    if index.numel() != source.numel():
        raise IndexError(
            f"put_(): Expected source and index to have the same number of elements, but got {source.numel()} and "
            f"{index.numel()}"
        )
    if not accumulate:
        alert("put_")  # of an index that comes twice either number may stay
    flat = index_put(input.reshape((-1,)), (index.reshape((-1,)),), source.reshape((-1,)), accumulate)
    return flat.reshape(input.shape)


# ---- where, and how often ----


@op(promote=None, keeps_layout=True, takes_out=False, discrete=True)
def argwhere(xp: Any, x: Array) -> Array:
    """The index of each element that is not 0, one per row: (K, ndim)."""
    return xp.stack(x.nonzero()).T if x.ndim else xp.zeros((int(x != 0), 0), "int64")  # column by column, as torch


@composite(out=True)
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of what is not 0: (K, ndim), or with as_tuple one vector a dimension.

    >>> minitorch.nonzero(minitorch.tensor([0, 3, 0, 5]))
    tensor([[1],
            [3]])
    """
    if as_tuple and not input.ndim:
        input = reshape(input, (1,))
    found = argwhere(input)
    return tuple(clone(select(found, 1, d)) for d in range(input.ndim)) if as_tuple else found


@op(promote=None, discrete=True, by_keyword="size fill_value")
def nonzero_static(xp: Any, x: Array, size: int, fill_value: int = -1) -> Array:
    """The indices of the first `size` elements that are not 0, (size, ndim); rows of fill_value if there are fewer."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = argwhere.compute(xp, x)[:size]
    return xp.concatenate([found, xp.full((size - len(found), x.ndim), fill_value, "int64")])


@op(promote=None, takes_out=False)
def bincount(xp: Any, x: Index, weights: Array | None = None, minlength: int = 0) -> Array:
    """How often each of 0, 1, 2, … occurs in a vector, or the sum of the weights there."""
    if x.dtype.kind not in "iu":
        raise NotImplementedError(f'"bincount" not implemented for {x.dtype}: it counts integers; convert with .long()')
    if x.ndim != 1 or (x.size and int(x.min()) < 0):
        raise RuntimeError(f"bincount only supports 1-d non-negative integral inputs, got {x.ndim}-d {x.dtype}.")
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, got {minlength}")
    if weights is not None and x.size and weights.shape != x.shape:
        raise RuntimeError(f"weights should be 1-d and have the same length as input, got {weights.shape} and {x.shape}")
    size = max(minlength, int(x.max()) + 1 if x.size else 0)
    kind = "int64" if weights is None or not x.size else weights.dtype if weights.dtype == "float32" else "float64"
    out = xp.zeros(size, kind)
    add_at(xp, out, x, xp.ones(x.shape, kind) if weights is None or not x.size else weights.astype(kind))
    return out
