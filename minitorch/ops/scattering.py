"""A copy of a tensor with a part of it replaced: `select_scatter`, `slice_scatter`, `diagonal_scatter`, `as_strided_scatter`.

Each is a view op the other way round: what `x.select(0, 1)` shows, `select_scatter(x, src, 0, 1)` replaces. Where something was
replaced, x has no gradient; src has that of its place. Read next: `gather.py`, for parts that indices choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.memory import as_strided as view_by_strides
from ..arrays.memory import copy_of_storage, repeats
from ..op import Array, composite, op
from ..op.signature import Sizes
from .diagonals import diagonal
from .dims import as_ints, canonical_dim
from .index import select
from .shape import zeros
from .strided import asked_for, without
from .strided import part as part_by_strides

if TYPE_CHECKING:
    from ..tensor import Tensor


def _with_part(x: Array, part: Any, src: Array) -> Array:
    """A copy of x in which `part`, a function that makes a view, shows src. It lies in memory as x does."""
    out = copy_of_storage(x)
    view = part(out)
    if view.shape != src.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(view.shape)}"
        )
    if repeats(view):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location: strides "
            "that are 0 can show src, not take it"
        )
    view[...] = src
    return out


@op(promote=None, keeps_layout=True)
def select_scatter(xp: Any, x: Array, src: Array, dim: int, index: int) -> Array:
    """x with src in place of x.select(dim, index)."""
    axis = canonical_dim(dim, x.ndim)
    if not x.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    if not -x.shape[axis] <= index < x.shape[axis]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(x.shape)} at dimension {axis}")
    return _with_part(x, lambda out: out[(slice(None),) * axis + (index, ...)], src)


@select_scatter.grad("x")
def select_scatter_grad_x(g: Tensor, src_shape: tuple, dim: int, index: int) -> Tensor:
    """∂L/∂x = g, 0 where src was put"""
    return select_scatter(g, zeros(g, src_shape), dim, index)


@select_scatter.grad("src")
def select_scatter_grad_src(g: Tensor, dim: int, index: int) -> Tensor:
    """∂L/∂src = g where it was put"""
    return select(g, dim, index)


@op(promote=None, keeps_layout=True)
def slice_scatter(
    xp: Any, x: Array, src: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    """x with src in place of x[start:end:step] along `dim`."""
    if not x.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise RuntimeError(f"slice step must be positive, got {step}")
    axis = canonical_dim(dim, x.ndim)
    return _with_part(x, lambda out: out[(slice(None),) * axis + (slice(start, end, step),)], src)


@slice_scatter.grad("x")
def slice_scatter_grad_x(g: Tensor, src_shape: tuple, dim: int, start: Any, end: Any, step: int) -> Tensor:
    """∂L/∂x = g, 0 where src was put"""
    return slice_scatter(g, zeros(g, src_shape), dim, start, end, step)


@slice_scatter.grad("src")
def slice_scatter_grad_src(g: Tensor, dim: int, start: Any, end: Any, step: int) -> Tensor:
    """∂L/∂src = g where it was put"""
    return g[(slice(None),) * canonical_dim(dim, g.ndim) + (slice(start, end, step),)]


@op(promote=None, keeps_layout=True)
def diagonal_scatter(xp: Any, x: Array, src: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """x with src in place of x.diagonal(offset, dim1, dim2)."""
    return _with_part(x, lambda out: diagonal.forward(xp, out, offset, dim1, dim2), src)


@diagonal_scatter.grad("x")
def diagonal_scatter_grad_x(g: Tensor, src_shape: tuple, offset: int, dim1: int, dim2: int) -> Tensor:
    """∂L/∂x = g, 0 where src was put"""
    return diagonal_scatter(g, zeros(g, src_shape), offset, dim1, dim2)


@diagonal_scatter.grad("src")
def diagonal_scatter_grad_src(g: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
    """∂L/∂src = g where it was put"""
    return diagonal(g, offset, dim1, dim2)


@composite
def as_strided_scatter(input: Tensor, src: Tensor, size: Sizes, stride: Sizes, storage_offset: int | None = None) -> Tensor:
    """x with src in place of x.as_strided(size, stride, storage_offset)."""
    return strided_scatter(input, src, asked_for(input, as_ints(size), as_ints(stride), storage_offset))


@op(promote=None, public=False, keeps_layout=True, grad_fn="AsStridedScatterBackward0")
def strided_scatter(xp: Any, x: Array, src: Array, geometry: Any) -> Array:
    """x with src in place of the view that `geometry` describes."""
    return _with_part(x, lambda out: view_by_strides(out, geometry), src)


@strided_scatter.grad("x")
def strided_scatter_grad_x(g: Tensor, geometry: Any) -> Tensor:
    """∂L/∂x = g, 0 where src was put"""
    return without(g, geometry)


@strided_scatter.grad("src")
def strided_scatter_grad_src(g: Tensor, geometry: Any) -> Tensor:
    """∂L/∂src = g where it was put"""
    return part_by_strides(g, geometry)
