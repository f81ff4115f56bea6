"""Views by strides: whatever made it, a view is some elements of its base's memory, a fixed step apart in each dimension.

So a view whose base was written to needs no memory of how it was made: its `Geometry` says what it shows. Here are that one view op,
what its gradient is, and what a write through a view means for the base. Read next: `tensor/writing.py`, which uses them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays.device import scatter_add
from ..arrays.memory import Geometry, element_strides, must_hold_view, storage_offset
from ..arrays.memory import as_strided as view_by_strides
from ..op import Array, Indices, composite, op
from ..op.signature import Sizes
from .dims import as_ints, canonical_dim

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite(check_first=True)
def as_strided(input: Tensor, size: Sizes, stride: Sizes, storage_offset: int | None = None) -> Tensor:
    """out[i, j, …] = memory[storage_offset + i·stride[0] + j·stride[1] + …]: a view of the memory that x is a part of.

    storage_offset: where it begins; by default where x does. Elements may be shown several times.

    >>> minitorch.as_strided(minitorch.arange(4), (3, 2), (1, 1))
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    return strided(input, asked_for(input, as_ints(size), as_ints(stride), storage_offset))


def asked_for(x: Tensor, size: tuple, stride: tuple, offset: int | None) -> Geometry:
    """What `as_strided` is to show of x."""
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape: {len(stride)} strides for a size of {len(size)}")
    if min(stride, default=0) < 0:
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    if min(size, default=0) < 0:
        raise RuntimeError(f"as_strided: sizes must not be negative, got {list(size)}")
    if offset is not None and offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    beyond_x = 0 if offset is None else offset - storage_offset(x._array)
    asked = Geometry(x._array.shape, element_strides(x._array), size, stride, beyond_x)
    must_hold_view(x._array, asked)
    return asked


@op(promote=None, view=True, public=False, grad_fn="AsStridedBackward0")
def strided(xp: Any, x: Array, geometry: Any) -> Array:
    """The view of x that `geometry` describes."""
    return view_by_strides(x, geometry)


@strided.grad
def strided_grad(g: Tensor, geometry: Any) -> Tensor:
    """∂L/∂x = zeros, with g added where it was shown"""
    return in_zeros(g, geometry)


@op(promote=None, public=False, in_float32=True, grad_fn="AsStridedBackward0")
def in_zeros(xp: Any, x: Array, geometry: Any) -> Array:
    """Zeros in the base's shape, with x added where the view shows them. (Elements of a base that coincide get a part each.)"""
    memory, base = geometry.memory(xp, x.dtype)
    if geometry.repeats():
        scatter_add(xp, memory, (geometry.places(xp),), x)
    else:
        view_by_strides(base, geometry)[...] = x
    if geometry.of_itself().repeats():
        memory /= how_often(xp, memory, geometry)
    return base


@in_zeros.grad
def in_zeros_grad(g: Tensor, geometry: Any) -> Tensor:
    """∂L/∂x = g where it was shown"""
    return part(g, geometry)


@op(promote=None, public=False, in_float32=True, grad_fn="AsStridedBackward0")
def part(xp: Any, x: Array, geometry: Any) -> Array:
    """What the view would show of x, if x lay in memory as the base does."""
    return view_by_strides(x if geometry.fits(x) else as_base(xp, x, geometry), geometry)


@part.grad
def part_grad(g: Tensor, geometry: Any) -> Tensor:
    """∂L/∂x = zeros, with g where it was shown"""
    return in_zeros(g, geometry)


def as_base(xp: Any, x: Array, geometry: Geometry) -> Array:
    """A copy of x that lies in memory as the base does."""
    memory, base = geometry.memory(xp, x.dtype)
    if geometry.of_itself().repeats():
        scatter_add(xp, memory, (geometry.of_itself().places(xp, geometry),), x)
        memory /= how_often(xp, memory, geometry)
    else:
        base[...] = x
    return base


def how_often(xp: Any, memory: Array, geometry: Geometry) -> Array:
    """How many elements of the base lie at each place in memory, at least 1."""
    counts = xp.zeros_like(memory)
    places = geometry.of_itself().places(xp, geometry)
    scatter_add(xp, counts, (places,), xp.ones(places.shape, counts.dtype))
    return xp.maximum(counts, 1)


# ---- what a write through a view means for its base ----


@op(promote=None, public=False, grad_fn="torch::autograd::CopySlices")
def write_view(xp: Any, base: Array, value: Array, geometry: Indices) -> Array:
    """base, whose part that the view shows has become `value` (it has been written already).

    A second backward is refused, as by torch: so `geometry` is freed as what is saved is.
    """
    return base


@write_view.grad("base")
def write_view_grad_base(g: Tensor, geometry: Any) -> Tensor:
    """∂L/∂base = g, 0 in the part that was overwritten"""
    return without(g, geometry)


@write_view.grad("value")
def write_view_grad_value(g: Tensor, geometry: Any) -> Tensor:
    """∂L/∂value = g in that part"""
    return part(g, geometry)


@op(promote=None, public=False, grad_fn="CloneBackward0")
def without(xp: Any, x: Array, geometry: Any) -> Array:
    """x with zeros where the view shows it."""
    kept = as_base(xp, x, geometry)
    view_by_strides(kept, geometry)[...] = 0
    return kept


@without.grad
def without_grad(g: Tensor, geometry: Any) -> Tensor:
    """∂L/∂x = g, 0 there"""
    return without(g, geometry)


# ---- windows ----


@op(promote=None, view=True, public=False)
def unfold(xp: Any, x: Array, dimension: int, size: int, step: int) -> Array:
    """Windows of `size` neighbours along a dimension, every `step`: they stand in its place, their elements in a new last one."""
    return view_by_strides(x, windows(x.shape, element_strides(x), dimension, size, step))


def windows(shape: tuple, strides: tuple, dimension: int, size: int, step: int) -> Geometry:
    """What `unfold` shows of an array."""
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    d = canonical_dim(dimension, len(shape))
    length = shape[d] if shape else 1
    if size > length:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {length} but size is {size}")
    if not shape:
        return Geometry(shape, strides, (size,), (1,), 0)
    before, after = (
        (*shape[:d], (length - size) // step + 1, *shape[d + 1 :]),
        (*strides[:d], strides[d] * step, *strides[d + 1 :]),
    )
    return Geometry(shape, strides, (*before, size), (*after, strides[d]), 0)


@unfold.grad
def unfold_grad(g: Tensor, x_shape: tuple, dimension: int, size: int, step: int) -> Tensor:
    """∂L/∂x = at each element the sum of g over the windows it is in"""
    return in_zeros(g, windows(x_shape, row_major_strides(x_shape), dimension, size, step))


def row_major_strides(shape: tuple) -> tuple[int, ...]:
    """The strides of an array whose last dimension is innermost, without gaps."""
    return tuple(math.prod(shape[d + 1 :]) for d in range(len(shape)))
