"""What several elements come to that are sent to one place: `scatter_reduce`, and `index_reduce` for whole slices.

Read next: `gather.py`, for where each is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..arrays.device import combine_at
from ..arrays.device import scatter_add as add_at
from ..arrays.warning import warn_once
from ..op import Array, Index, op
from .compare import eq
from .dims import canonical_dim
from .elementwise import clamp_min, where
from .gather import at_least_1d, back_to_corner, check_source, corner, gather, places_of, scatter_add, scattered, slices
from .reduce import any_
from .shape import expand, ones, reshape, zeros
from .undifferentiable import not_again

if TYPE_CHECKING:
    from ..tensor import Tensor

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


@op(promote=None, in_float32=True, by_keyword="include_self")
def scatter_reduce(xp: Any, x: Array, dim: int, index: Index, src: Array, reduce: str, include_self: bool = True) -> Array:
    """x, where x[index[i][j]][j] (for dim = 0) becomes the sum, product … of itself and of all src[i][j] that are sent there.

    reduce: "sum", "prod", "mean", "amax" or "amin". include_self: whether x's own element counts where something is sent.

    >>> index = minitorch.tensor([0, 0, 1])
    >>> minitorch.zeros(3).scatter_reduce(0, index, minitorch.tensor([1.0, 2.0, 5.0]), "mean", include_self=False)
    tensor([1.5000, 5.0000, 0.0000])
    """
    return _reduced(xp, "scatter_reduce", x, dim, index, src, reduce, include_self)


def _reduced(xp: Any, name: str, x: Array, dim: int, index: Array, src: Array, reduce: str, include_self: bool) -> Array:
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)  # (which torch takes too, but does not differentiate)
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either {', '.join(REDUCTIONS[:-1])} or {REDUCTIONS[-1]}, got {reduce}")
    key, out = places_of(xp, name, x, dim, index, src), x.copy()
    if not index.size:
        return out
    if x.dtype == "bool" and reduce == "mean":
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'; convert with .int()")
    room, values = at_least_1d(out), corner(src, index)
    if not include_self:
        room[key] = _neutral(x.dtype, reduce)
    if reduce in ("sum", "mean"):
        add_at(xp, room, key, values)
    else:
        combine_at(xp, {"prod": xp.multiply, "amax": xp.maximum, "amin": xp.minimum}[reduce], room, key, values)
    if reduce == "mean":
        count = xp.full(room.shape, int(include_self), "int64")
        add_at(xp, count, key, xp.ones(values.shape, "int64"))
        divide = xp.true_divide if x.dtype.kind in "fV" else xp.floor_divide
        room[...] = divide(room, xp.maximum(count, 1)).astype(x.dtype)
    return out


def _neutral(dtype: Any, reduce: str) -> Any:
    """What changes nothing in such a reduction."""
    if reduce in ("sum", "mean", "prod"):
        return reduce == "prod"
    if dtype.kind in "fV":
        return float("-inf") if reduce == "amax" else float("inf")
    if dtype.kind == "b":
        return reduce == "amin"
    limits = dtypes.iinfo(dtypes.from_numpy_dtype(dtype))
    return limits.min if reduce == "amax" else limits.max


@scatter_reduce.grad("x")
def scatter_reduce_grad_x(
    g: Tensor, x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool, out: Tensor
) -> Tensor:
    """∂L/∂x = g · ∂out/∂x: 1, the product of the others, 1 / how many, or a share of what attain the extreme"""
    _check(reduce)
    if reduce == "prod":
        factor = where(x == 0, 1.0, x)
        found = g * scatter_reduce(factor, dim, index, src, reduce, include_self=include_self) / factor
    elif reduce == "mean":
        found = g / _count(g, dim, index, include_self)
    else:
        found = g if reduce == "sum" else _attaining(x, out, g) * g / _attain(x, dim, index, src, out)
    return found if include_self else scattered(found, dim, index, zeros(g, index.shape))


@scatter_reduce.grad("src")
def scatter_reduce_grad_src(
    g: Tensor, x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool, out: Tensor
) -> Tensor:
    """∂L/∂src = (g · ∂out/∂src) at the indices, as for x"""
    _check(reduce)
    shape, src = src.shape, _used(src, index)
    if reduce == "prod":
        found = _through_product(g, x, dim, index, src, include_self, out)
    elif reduce == "mean":
        found = gather(g / _count(g, dim, index, include_self), dim, index)
    elif reduce == "sum":
        found = gather(g, dim, index)
    else:
        share = gather(g / _attain(x, dim, index, src, out), dim, index)
        found = _attaining(src, gather(out, dim, index), g) * share
    return back_to_corner(found, shape)


def _check(reduce: str) -> None:
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"Expected 'reduce' to be one of {REDUCTIONS} but got '{reduce}': 'a{reduce}' has a derivative")


def _used(src: Tensor, index: Tensor) -> Tensor:
    """The part of src that has an index."""
    if src.ndim != index.ndim:  # (one element each)
        return reshape(src, index.shape)
    return src if src.shape == index.shape else src[tuple(slice(n) for n in index.shape)]


def _count(g: Tensor, dim: int, index: Tensor, include_self: bool) -> Tensor:
    """How many each mean is of; 1 for what nothing was sent to."""
    own = (ones if include_self else zeros)(g, g.shape)
    return clamp_min(scatter_add(own, dim, index, ones(g, index.shape)), 1)


def _attaining(x: Tensor, extreme: Tensor, g: Tensor) -> Tensor:
    """1 where an element is the extreme of its place, else 0, in g's dtype."""
    return where(eq(x, extreme), ones(g, ()), zeros(g, ()))


def _attain(x: Tensor, dim: int, index: Tensor, src: Tensor, out: Tensor) -> Tensor:
    """How many attain the extreme of each place (an element of x even if it does not count: so torch has it)."""
    src = _used(src, index)
    return scatter_add(_attaining(x, out, x), dim, index, _attaining(src, gather(out, dim, index), x))


def _through_product(g: Tensor, x: Tensor, dim: int, index: Tensor, src: Tensor, include_self: bool, out: Tensor) -> Tensor:
    """g · out / src; where a factor is the only one that is 0, g times the product of the others."""
    is_zero = src == 0
    zeros_there = gather(scatter_add(zeros(g, x.shape), dim, index, _attaining(src, zeros(g, ()), g)), dim, index)
    alone = is_zero & (zeros_there == 1)
    others = scatter_reduce(x, dim, index, where(alone, 1.0, src), "prod", include_self=include_self)
    found = where(alone, gather(g * others, dim, index), gather(g * out, dim, index) / where(is_zero, 1.0, src))
    if bool(any_(zeros_there > 1)):
        return not_again(found, "scatter_reduce(): Double backward is unsupported for src when >1 zeros in src are scattered to "
                                "the same position in self")  # fmt: skip
    return found


# ---- whole slices ----


@op(promote=None, in_float32=True, by_keyword="include_self")
def index_reduce(xp: Any, x: Array, dim: int, index: Index, source: Array, reduce: str, include_self: bool = True) -> Array:
    """x, where slice index[k] of `dim` becomes the product, mean … of itself and of all slices k of source that are sent there.

    reduce: "prod", "mean", "amax" or "amin". include_self: whether x's own slice counts where something is sent.
    """
    if reduce not in REDUCTIONS[1:]:
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of {', '.join(REDUCTIONS[1:])} but got {reduce}.")
    warn_once("index_reduce() is in beta and the API may change at any time.")
    if x.dtype == "bool" and (not include_self or x.ndim < 2):  # (torch has other kernels for whole slices)
        raise NotImplementedError("\"index_reduce\" not implemented for 'Bool'; convert with .int()")
    axis, index = slices("index_reduce", x, dim, index)
    check_source("index_reduce", x, axis, index, source, beyond=IndexError)
    source = at_least_1d(source)
    shape = [-1 if d == axis else 1 for d in range(source.ndim)]
    each = xp.broadcast_to(index.reshape(shape), source.shape)
    return _reduced(xp, "index_reduce", x, dim, each, source, reduce, include_self)


@index_reduce.grad("x")
def index_reduce_grad_x(
    g: Tensor, x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, include_self: bool, out: Tensor
) -> Tensor:
    """∂L/∂x as of `scatter_reduce`, with the index of a slice for each of its elements"""
    return scatter_reduce_grad_x(g, x, dim, _of_each(dim, index, source), source, reduce, include_self, out)


@index_reduce.grad("source")
def index_reduce_grad_source(
    g: Tensor, x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, include_self: bool, out: Tensor
) -> Tensor:
    """∂L/∂source as of `scatter_reduce`, with the index of a slice for each of its elements"""
    return scatter_reduce_grad_src(g, x, dim, _of_each(dim, index, source), source, reduce, include_self, out)


def _of_each(dim: int, index: Tensor, source: Tensor) -> Tensor:
    """The index of a slice, for each of its elements."""
    shape = tuple(source.shape) or (1,)
    axis = canonical_dim(dim, len(shape))
    return expand(reshape(index, [-1 if d == axis else 1 for d in range(len(shape))]), shape)
