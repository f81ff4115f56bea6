"""Scans: `cumsum`, `cumprod`, `logcumsumexp`, `cummax`, `cummin` — a reduction of everything up to each place.

What an element adds to a scan, it adds to all later places, so the derivative is a scan from the other end.
Read next: `extremes.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..op import Array, op
from .dims import canonical_dim
from .elementwise import abs_ as absolute
from .elementwise import exp, log, where
from .reduce import accumulating

if TYPE_CHECKING:
    from ..tensor import Tensor


@op
def cumsum(xp: Any, x: Array, dim: int, dtype: dtypes.dtype | None = None) -> Array:
    """out_i = x_0 + … + x_i along `dim`; integers and bools sum to int64."""
    return _scan(x, "cumsum", dim, dtype)


@cumsum.grad
def cumsum_grad(g: Tensor, dim: int) -> Tensor:
    """∂L/∂x_i = g_i + … + g_n"""
    return _from_the_end(cumsum, g, dim)


@op
def cumprod(xp: Any, x: Array, dim: int, dtype: dtypes.dtype | None = None) -> Array:
    """out_i = x_0 · … · x_i along `dim`; integers and bools multiply to int64."""
    return _scan(x, "cumprod", dim, dtype)


@cumprod.grad
def cumprod_grad(g: Tensor, x: Tensor, out: Tensor, dim: int) -> Tensor:
    """∂L/∂x_k = Σ_{i≥k} g_i Π_{j≤i, j≠k} x_j, which is Σ_{i≥k} g_i out_i / x_k where no x is 0"""
    if not x.ndim or not x.numel():
        return g
    if bool((x != 0).all()):
        return _from_the_end(cumsum, g * out, dim) / x
    # With zeros: row k of `others` is x with a 1 in place k, so that its scan has every product without x_k.
    rows = x.movedim(dim, -1).unsqueeze(-2)
    n = rows.shape[-1]
    itself = x.new_ones(n).diag_embed() > 0
    others = cumprod(where(itself, 1.0, rows), -1).triu()
    return (others * g.movedim(dim, -1).unsqueeze(-2)).sum(-1).movedim(-1, dim)


def _scan(x: Array, name: str, dim: int, dtype: dtypes.dtype | None) -> Array:
    """The scan, with floats carried on in float64 as torch does: float32 rounding errors would add up."""
    axis, x = canonical_dim(dim, x.ndim), accumulating(x, dtype)
    if not x.ndim:
        return x.copy()
    if x.dtype.kind == "i" or x.dtype.itemsize == 8:
        return getattr(x, name)(axis)
    return getattr(x, name)(axis, dtype="float64").astype(x.dtype)


def _from_the_end(scan: Any, g: Tensor, dim: int) -> Tensor:
    """The scan that starts at the last element."""
    return scan(g.flip(dim), dim).flip(dim) if g.ndim else g


@op(only="floats")
def logcumsumexp(xp: Any, x: Array, dim: int) -> Array:
    """out_i = ln(e^x_0 + … + e^x_i) along `dim`"""
    return _doubling(xp, xp.logaddexp, x, canonical_dim(dim, x.ndim))


@logcumsumexp.grad
def logcumsumexp_grad(g: Tensor, x: Tensor, out: Tensor, dim: int) -> Tensor:
    """∂L/∂x_k = e^x_k Σ_{i≥k} g_i e^(−out_i), summed as logarithms, those of positive and of negative g apart"""
    if not x.ndim or not x.numel():
        return g
    size, nothing = log(absolute(g)), dtypes.finfo(g.dtype).min
    gain, loss = (exp(_from_the_end(logcumsumexp, where(s, size, nothing) - out, dim) + x) for s in (g > 0, g < 0))
    return gain - loss


@op(outputs=("values", "indices"))
def cummax(xp: Any, x: Array, dim: int) -> tuple[Array, Array]:
    """The largest so far along `dim`, and the index of its last occurrence so far."""
    return _running(xp, xp.maximum, x, dim)


@op(outputs=("values", "indices"))
def cummin(xp: Any, x: Array, dim: int) -> tuple[Array, Array]:
    """The smallest so far along `dim`, and the index of its last occurrence so far."""
    return _running(xp, xp.minimum, x, dim)


def _running(xp: Any, pick: Any, x: Array, dim: int) -> tuple[Array, Array]:
    axis = canonical_dim(dim, x.ndim)
    values = _doubling(xp, pick, x, axis)
    places = xp.arange(x.shape[axis] if x.ndim else 1).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    attained = (x == values) | (x != x)  # nan, once met, stays
    return values, _doubling(xp, xp.maximum, xp.where(attained, places, 0), axis)


def _doubling(xp: Any, combine: Any, x: Array, axis: int) -> Array:
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
    return g.new_zeros(x_shape).scatter_add(dim, indices, g)


cummin.grad(cummax_grad)
