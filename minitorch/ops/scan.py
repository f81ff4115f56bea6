"""Scans: `cumsum`, `cumprod`, `logcumsumexp`, `cummax`, `cummin` — a reduction of everything up to each place.

What an element adds to a scan, it adds to all later places, so the derivative is a scan from the other end.
Read next: `extremes.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..op import Array, Index, op
from .diagonals import on_diagonal, triu
from .dims import canonical_dim
from .elementwise import abs_ as absolute
from .elementwise import exp, log, where
from .gather import scatter_add
from .rearrange import flip
from .reduce import accumulating, all_, sum_
from .shape import ones, transpose, unsqueeze, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(in_float32=True, out_dtype="computes", by_keyword="dtype")
def cumsum(xp: Any, x: Array, dim: int, dtype: dtypes.dtype | None = None) -> Array:
    """out_i = x_0 + … + x_i along `dim`; integers and bools sum to int64."""
    return _scan(x, "cumsum", dim, dtype)


@cumsum.grad
def cumsum_grad(g: Tensor, dim: int) -> Tensor:
    """∂L/∂x_i = g_i + … + g_n"""
    return _from_the_end(cumsum, g, dim)


@op(in_float32=True, out_dtype="computes", by_keyword="dtype")
def cumprod(xp: Any, x: Array, dim: int, dtype: dtypes.dtype | None = None) -> Array:
    """out_i = x_0 · … · x_i along `dim`; integers and bools multiply to int64."""
    return _scan(x, "cumprod", dim, dtype)


@cumprod.grad
def cumprod_grad(g: Tensor, x: Tensor, out: Tensor, dim: int) -> Tensor:
    """∂L/∂x_k = Σ_{i≥k} g_i Π_{j≤i, j≠k} x_j, which is Σ_{i≥k} g_i out_i / x_k where no x is 0"""
    if not x.ndim or 0 in x.shape or x.shape[dim] == 1:  # (with one factor each, nothing changes with x)
        return g
    if bool(all_(x != 0)):
        return _from_the_end(cumsum, g * out, dim) / x
    # With zeros: row k of `others` is x with a 1 in place k, so that its scan has every product without x_k.
    n = x.shape[dim]
    itself = on_diagonal(ones(x, (n,)), (n, n), 0, 0, 1) > 0
    others = triu(cumprod(where(itself, 1.0, _as_rows(x, dim)), -1))
    return transpose(sum_(others * _as_rows(g, dim), -1), dim, -1)


def _as_rows(x: Tensor, dim: int) -> Tensor:
    """x with dimension `dim` at the end, and one of size 1 before it."""
    return unsqueeze(transpose(x, dim, -1), -2)


def _scan(x: Array, name: str, dim: int, dtype: dtypes.dtype | None) -> Array:
    """The scan, with floats carried on in float64 as torch does: float32 rounding errors would add up."""
    axis, x = canonical_dim(dim, x.ndim), accumulating(x, dtype)
    if x.dtype == "bool" and x.ndim and x.size:
        raise NotImplementedError(f"\"{name}_out_cpu\" not implemented for 'Bool'; leave dtype= away to scan in int64")
    if not x.ndim:
        return x.copy()
    if x.dtype.kind in "iu" or x.dtype.itemsize == 8:
        return getattr(x, name)(axis, dtype=x.dtype)
    return getattr(x, name)(axis, dtype="float64").astype(x.dtype)


def _from_the_end(scan: Any, g: Tensor, dim: int) -> Tensor:
    """The scan that starts at the last element."""
    return flip(scan(flip(g, (dim,)), dim), (dim,)) if g.ndim else g


@op(only="floats", in_float32=True)
def logcumsumexp(xp: Any, x: Array, dim: int) -> Array:
    """out_i = ln(e^x_0 + … + e^x_i) along `dim`; carried on in float64, as by torch."""
    return by_doubling(xp, xp.logaddexp, x.astype("float64", copy=False), canonical_dim(dim, x.ndim)).astype(x.dtype)


@logcumsumexp.grad
def logcumsumexp_grad(g: Tensor, x: Tensor, out: Tensor, dim: int) -> Tensor:
    """∂L/∂x_k = e^x_k Σ_{i≥k} g_i e^(−out_i), summed as logarithms, those of positive and of negative g apart"""
    if not x.ndim or 0 in x.shape:
        return g
    size, nothing = log(absolute(g)), lowest(g)
    gain, loss = (exp(_from_the_end(logcumsumexp, where(s, size, nothing) - out, dim) + x) for s in (g > 0, g < 0))
    return gain - loss


@op(promote=None, public=False, in_float32=True)
def lowest(xp: Any, like: Index) -> Array:
    """The lowest number of the dtype of `like`."""
    return xp.full((), dtypes.finfo(dtypes.from_numpy_dtype(like.dtype)).min, like.dtype)


@op(outputs=("values", "indices"), in_float32=True)
def cummax(xp: Any, x: Array, dim: int) -> tuple[Array, Array]:
    """The largest so far along `dim`, and the index of its last occurrence so far."""
    return _running(xp, xp.maximum, x, dim)


@op(outputs=("values", "indices"), in_float32=True)
def cummin(xp: Any, x: Array, dim: int) -> tuple[Array, Array]:
    """The smallest so far along `dim`, and the index of its last occurrence so far."""
    return _running(xp, xp.minimum, x, dim)


def _running(xp: Any, pick: Any, x: Array, dim: int) -> tuple[Array, Array]:
    axis = canonical_dim(dim, x.ndim)
    values = by_doubling(xp, pick, x, axis)
    places = xp.arange(x.shape[axis] if x.ndim else 1).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    attained = (x == values) | (x != x)  # nan, once met, stays
    return values, by_doubling(xp, xp.maximum, xp.where(attained, places, 0), axis)


def by_doubling(xp: Any, combine: Any, x: Array, axis: int) -> Array:
    """The scan by any associative function: after step k each place has combined the 2ᵏ elements up to it."""
    out, step = x.copy(), 1
    while x.ndim and step < x.shape[axis]:
        later, earlier = ((slice(None),) * axis + (s,) for s in (slice(step, None), slice(None, -step)))
        out[later] = combine(out[later], out[earlier])
        step *= 2
    return out


@cummax.grad
def cummax_grad(g: Tensor, x_shape: tuple, indices: Tensor, dim: int) -> Tensor:
    """∂L/∂x_k = Σ g_i over the i whose extreme so far is x_k"""
    return scatter_add(zeros(g, x_shape), dim, indices, g)


cummin.grad(cummax_grad)
