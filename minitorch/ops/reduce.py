"""Reductions and scans: `sum`, `mean`, `amax`, `logsumexp`, `cumsum`, …

The derivative of a reduction spreads the gradient back over what was reduced: `_spread` puts the lost dimensions back, and
broadcasting does the rest. Ties share (`amax`) or go to the first (`max(dim)`), as in torch.
Read next: `shape.py`, `matmul.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..op import Array, composite, op, registry
from .compare import isnan
from .dims import canonical_dim, canonical_dims
from .elementwise import abs_ as absolute
from .elementwise import exp, log, maximum, minimum, pow_, sign, where

if TYPE_CHECKING:
    from ..tensor import Tensor


def _spread(g: Tensor, shape: tuple, dim: Any, keepdim: bool) -> Tensor:
    """A reduction's gradient (or output) with its lost dimensions back, each of size 1."""
    if keepdim or not shape:
        return g
    lost = set(canonical_dims(dim, len(shape)))
    return g.reshape([1 if i in lost else n for i, n in enumerate(shape)])


def _count(shape: tuple, dim: Any) -> int:
    return math.prod(shape[d] for d in canonical_dims(dim, len(shape)))


def _float_only(name: str, x: Array) -> None:
    if x.dtype.kind not in "fV":
        kind = dtypes.SCALAR_NAMES[dtypes.from_numpy_dtype(x.dtype).name]
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            f"{kind}; convert it first, e.g. x.float()"
        )


def _form(plain: str) -> Any:
    """torch numbers the whole-tensor form 0 and the `dim` form 1."""
    return lambda saved: f"{plain}Backward{int(saved.get('dim') is not None)}"


# ---- sums ----


@op(backward=_form("Sum"))
def sum_(xp: Any, x: Array, dim: Any = None, keepdim: bool = False, dtype: dtypes.dtype | None = None) -> Array:
    """Σ x over `dim` (an int, several, or None for all); integers and bools sum to int64.

    >>> minitorch.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(0)
    tensor([4., 6.])
    """
    kind = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind not in "iub" else "int64"
    return _total(xp, x.astype(kind, copy=False), canonical_dims(dim, x.ndim), keepdim)


@sum_.grad
def sum_grad(g: Tensor, x_shape: tuple, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g"""
    return _spread(g, x_shape, dim, keepdim).expand(x_shape)


def _total(xp: Any, x: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
    """The sum over `dims`. float16 is summed in float32, as torch does."""
    if not x.ndim:
        return x.copy()
    if x.dtype == "float16":
        return x.sum(dims, keepdims=keepdim, dtype="float32").astype(x.dtype)
    return x.sum(dims, keepdims=keepdim)


@composite
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None) -> Tensor:
    """Σ x over `dim`, nan counting as 0."""
    return sum_(where(isnan(input), 0, input) if input.is_floating_point() else input, dim, keepdim, dtype)


@op(backward=_form("Mean"))
def mean(xp: Any, x: Array, dim: Any = None, keepdim: bool = False, dtype: dtypes.dtype | None = None) -> Array:
    """(1/n) Σ x over `dim`."""
    if dtype is not None:
        x = x.astype(dtype.numpy, copy=False)
    _float_only("mean", x)
    n = _count(x.shape, dim)
    total = _total(xp, x, canonical_dims(dim, x.ndim), keepdim)
    return total / xp.asarray(n, dtype=x.dtype)


@mean.grad
def mean_grad(g: Tensor, x_shape: tuple, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g / n"""
    return (_spread(g, x_shape, dim, keepdim) / max(_count(x_shape, dim), 1)).expand(x_shape)


@composite
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None) -> Tensor:
    """The mean over `dim` of what is not nan."""
    return nansum(input, dim, keepdim, dtype=dtype) / (~isnan(input.detach())).sum(dim, keepdim)


# ---- variance ----


@op(name="var", public=False)
def variance(xp: Any, x: Array, dim: Any, correction: Any, keepdim: bool) -> Array:
    """Σ (x − x̄)² / (n − correction)"""
    _float_only("var", x)
    dims = canonical_dims(dim, x.ndim)
    n = _count(x.shape, dim)
    if not x.ndim:
        return xp.full((), 0.0 if n > correction else math.nan, x.dtype)
    centred = x - x.sum(dims, keepdims=True) / xp.asarray(n, dtype=x.dtype)
    return (centred * centred).sum(dims, keepdims=keepdim) / xp.asarray(max(n - correction, 0), dtype=x.dtype)


@variance.grad
def variance_grad(g: Tensor, x: Tensor, dim: Any, correction: Any, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g · 2 (x_i − x̄) / (n − correction)"""
    freedom = _count(x.shape, dim) - correction
    g = _spread(g, x.shape, dim, keepdim)
    scale = 2 / freedom if freedom > 0 else math.inf
    return g * (x - x.mean(dim, keepdim=True)) * scale


def _correction(unbiased: bool | None, correction: Any) -> Any:
    if unbiased is not None and correction is not None:
        raise TypeError("give either unbiased= or correction=, not both")
    return (1 if unbiased is None else int(unbiased)) if correction is None else correction


def _dim_or_unbiased(dim: Any, unbiased: bool | None) -> tuple[Any, bool | None]:
    """`x.var(False)` is the old way to say unbiased=False."""
    return (None, dim) if isinstance(dim, bool) else (dim, unbiased)


@composite
def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """Σ (x − x̄)² / (n − correction) over `dim`; correction is 1 unless given (the unbiased estimate)."""
    dim, unbiased = _dim_or_unbiased(dim, unbiased)
    return variance(input, dim, _correction(unbiased, correction), keepdim)


@op(name="std", public=False)
def deviation(xp: Any, x: Array, dim: Any, correction: Any, keepdim: bool) -> Array:
    """√var"""
    return xp.sqrt(variance.forward(xp, x, dim, correction, keepdim))


@deviation.grad
def deviation_grad(g: Tensor, x: Tensor, out: Tensor, dim: Any, correction: Any, keepdim: bool) -> Tensor:
    """∂L/∂x = ∂var/∂x · g / (2 std), 0 where std is 0"""
    return variance_grad(where(out == 0, 0.0, g / (2 * out)), x, dim, correction, keepdim)


@composite
def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """√var over `dim`; its derivative for constant x is 0."""
    dim, unbiased = _dim_or_unbiased(dim, unbiased)
    return deviation(input, dim, _correction(unbiased, correction), keepdim)


@composite
def var_mean(input: Tensor, dim: Any = None, *, correction: Any = 1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """(var, mean) over `dim`."""
    return var(input, dim, None, keepdim, correction=correction), input.mean(dim, keepdim)


@composite
def std_mean(input: Tensor, dim: Any = None, *, correction: Any = 1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """(std, mean) over `dim`."""
    return std(input, dim, None, keepdim, correction=correction), input.mean(dim, keepdim)


# ---- products ----


@op(name="prod", backward=_form("Prod"))
def prod(xp: Any, x: Array, dim: int | None = None, keepdim: bool = False, dtype: dtypes.dtype | None = None) -> Array:
    """Π x over `dim`; integers and bools multiply to int64."""
    kind = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind not in "iub" else "int64"
    x = x.astype(kind, copy=False)
    if not x.ndim:
        return x.copy()
    return x.prod(None if dim is None else canonical_dim(dim, x.ndim), keepdims=keepdim and dim is not None)


@prod.grad
def prod_grad(g: Tensor, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g · Π_{j≠i} x_j: products from the left times products from the right, so that zeros divide nothing"""
    if x.ndim == 0:
        return g
    flat = x.reshape(-1) if dim is None else x
    along = 0 if dim is None else canonical_dim(dim, x.ndim)
    before = _shifted(cumprod(flat, along), along)
    after = _shifted(cumprod(flat.flip(along), along), along).flip(along)
    others = (before * after).reshape(x.shape)
    return others * (g if dim is None else _spread(g, x.shape, dim, keepdim))


def _shifted(products: Tensor, dim: int) -> Tensor:
    """[1, p₀, p₁, …]: each product without its own factor."""
    if products.shape[dim] == 0:
        return products
    first = products.narrow(dim, 0, 1)
    return registry["cat"]([first.new_ones(first.shape), products.narrow(dim, 0, products.shape[dim] - 1)], dim)


# ---- extremes ----


def _not_empty(name: str, x: Array, dim: Any) -> tuple[int, ...]:
    dims = canonical_dims(dim, x.ndim)
    if _count(x.shape, dim) == 0 and x.ndim:
        where_ = "" if dim in (None, ()) else f" dim {dim}"
        error = RuntimeError if dim in (None, ()) else IndexError
        raise error(f"{name}(): Expected reduction{where_} to have non-zero size, got an input of shape {tuple(x.shape)}")
    return dims


def _equal_shares(g: Tensor, x: Tensor, out: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """g divided equally among the elements that attain the extreme."""
    out, g = _spread(out, x.shape, dim, keepdim), _spread(g, x.shape, dim, keepdim)
    attain = (x == out) | (isnan(x) & isnan(out))
    return attain.to(g.dtype) * (g / attain.sum(dim, keepdim=True).to(g.dtype))


@op
def amax(xp: Any, x: Array, dim: Any = (), keepdim: bool = False) -> Array:
    """The largest over `dim`; ties share the gradient equally."""
    return x.max(_not_empty("amax", x, dim), keepdims=keepdim) if x.ndim else x.copy()


@op
def amin(xp: Any, x: Array, dim: Any = (), keepdim: bool = False) -> Array:
    """The smallest over `dim`; ties share the gradient equally."""
    return x.min(_not_empty("amin", x, dim), keepdims=keepdim) if x.ndim else x.copy()


amax.grad(lambda g, x, out, dim, keepdim: _equal_shares(g, x, out, dim, keepdim))
amin.grad(lambda g, x, out, dim, keepdim: _equal_shares(g, x, out, dim, keepdim))


@op(promote=None)
def argmax(xp: Any, x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the (first) largest over `dim`, or in the flattened tensor."""
    return _arg(xp, "argmax", x, dim, keepdim)


@op(promote=None)
def argmin(xp: Any, x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the (first) smallest over `dim`, or in the flattened tensor."""
    return _arg(xp, "argmin", x, dim, keepdim)


def _arg(xp: Any, name: str, x: Array, dim: int | None, keepdim: bool) -> Array:
    _not_empty(name, x, dim)
    if not x.ndim:
        return xp.zeros((), "int64") if dim is None or canonical_dim(dim, 0) == 0 else None
    if dim is None:
        found = getattr(x.reshape(-1), name)()
        return xp.asarray(found).reshape((1,) * x.ndim) if keepdim else found
    axis = canonical_dim(dim, x.ndim)
    found = getattr(x, name)(axis)
    return xp.expand_dims(found, axis) if keepdim else found


@op(name="max", outputs=("values", "indices"), public=False, backward="MaxBackward0")
def max_along(xp: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """The largest along `dim` and its (first) index."""
    return _extreme(xp, "argmax", x, dim, keepdim)


@op(name="min", outputs=("values", "indices"), public=False, backward="MinBackward0")
def min_along(xp: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """The smallest along `dim` and its (first) index."""
    return _extreme(xp, "argmin", x, dim, keepdim)


def _extreme(xp: Any, name: str, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    indices = xp.asarray(_arg(xp, name, x, dim, True))
    if not x.ndim:
        return x.copy(), indices
    axis = canonical_dim(dim, x.ndim)
    values = xp.take_along_axis(x, indices, axis)
    return (values, indices) if keepdim else (values.squeeze(axis), indices.squeeze(axis))


def to_chosen(g: Tensor, x_shape: tuple, indices: Tensor, dim: int, keepdim: bool) -> Tensor:
    """∂L/∂x = g at the chosen index, 0 elsewhere"""
    if not x_shape:
        return g
    g, indices = _spread(g, x_shape, dim, keepdim), _spread(indices, x_shape, dim, keepdim)
    return g.new_zeros(x_shape).scatter(dim, indices, g)


max_along.grad(to_chosen)
min_along.grad(to_chosen)


@op(name="max", public=False, backward="MaxBackward1")
def max_all(xp: Any, x: Array) -> Array:
    """The largest of all elements."""
    _not_empty("max", x, None)
    return x.max()


@op(name="min", public=False, backward="MinBackward1")
def min_all(xp: Any, x: Array) -> Array:
    """The smallest of all elements."""
    _not_empty("min", x, None)
    return x.min()


max_all.grad(lambda g, x, out: _equal_shares(g, x, out, None, False))
min_all.grad(lambda g, x, out: _equal_shares(g, x, out, None, False))


@composite
def max_(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest: `max(x)` of all, `max(x, dim)` as (values, indices), `max(x, other)` elementwise."""
    if hasattr(dim, "_array"):
        return maximum(input, dim)
    return max_all(input) if dim is None else max_along(input, dim, keepdim)


@composite
def min_(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest: `min(x)` of all, `min(x, dim)` as (values, indices), `min(x, other)` elementwise."""
    if hasattr(dim, "_array"):
        return minimum(input, dim)
    return min_all(input) if dim is None else min_along(input, dim, keepdim)


@op(outputs=("min", "max"))
def aminmax(xp: Any, x: Array, dim: int | None = None, keepdim: bool = False) -> tuple[Array, Array]:
    """(smallest, largest) over `dim`."""
    dims = _not_empty("aminmax", x, dim)
    return (x.min(dims, keepdims=keepdim), x.max(dims, keepdims=keepdim)) if x.ndim else (x.copy(), x.copy())


@aminmax.grad
def aminmax_grad(g: Tensor, g_max: Tensor, x: Tensor, min: Tensor, max: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x: each gradient shared equally among the elements that attain its extreme"""
    lower = 0.0 if g is None else _equal_shares(g, x, min, dim, keepdim)
    upper = 0.0 if g_max is None else _equal_shares(g_max, x, max, dim, keepdim)
    return lower + upper  # type: ignore[return-value]


# ---- truth ----


@op(promote=None)
def all_(xp: Any, x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """Whether all over `dim` are true (nonzero)."""
    return xp.all(x, canonical_dims(dim, x.ndim), keepdims=keepdim) if x.ndim else x.astype(bool)


@op(promote=None)
def any_(xp: Any, x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """Whether any over `dim` is true (nonzero)."""
    return xp.any(x, canonical_dims(dim, x.ndim), keepdims=keepdim) if x.ndim else x.astype(bool)


@op(promote=None)
def count_nonzero(xp: Any, x: Array, dim: Any = None) -> Array:
    """How many over `dim` are not 0."""
    return (x != 0).sum(canonical_dims(dim, x.ndim)) if x.ndim else (x != 0).astype("int64")


# ---- exponentials ----


@op(promote="float")
def logsumexp(xp: Any, x: Array, dim: Any, keepdim: bool = False) -> Array:
    """ln Σ eˣ over `dim`, shifted by the largest x so that nothing overflows."""
    if not x.ndim:
        return x.copy()
    dims = canonical_dims(dim, x.ndim)
    if _count(x.shape, dim) == 0:
        return xp.log(x.sum(dims, keepdims=keepdim))
    top = x.max(dims, keepdims=True)
    top = xp.where(xp.isinf(top), xp.zeros_like(top), top)
    out = xp.log(xp.exp(x - top).sum(dims, keepdims=True)) + top
    return out if keepdim else out.squeeze(dims)


@logsumexp.grad
def logsumexp_grad(g: Tensor, x: Tensor, out: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g · e^(x_i − out), the softmax"""
    return _spread(g, x.shape, dim, keepdim) * exp(x - _spread(out, x.shape, dim, keepdim))


# ---- norms ----


@composite
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: dtypes.dtype | None = None) -> Tensor:
    """(Σ |x|ᵖ)^(1/p) over `dim`; p may be 0 (how many are not 0), ∞ (the largest) and −∞. At 0 its derivative is 0."""
    x = input if dtype is None else input.to(dtype)
    if not x.is_floating_point():
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point tensor as input. Got {x.dtype!r}; convert it, e.g. x.float()"
        )
    p = 2.0 if p in ("fro", None) else float(p)
    if p == 0:
        return (x != 0).to(x.dtype).sum(dim, keepdim)
    if math.isinf(p):
        return amax(absolute(x), dim, keepdim) if p > 0 else amin(absolute(x), dim, keepdim)
    return vector_norm(x, p, dim, keepdim)


@op(name="linalg_vector_norm", public=False)
def vector_norm(xp: Any, x: Array, p: float, dim: Any, keepdim: bool) -> Array:
    """(Σ |x|ᵖ)^(1/p)"""
    dims = canonical_dims(dim, x.ndim)
    if p == 2:
        return xp.sqrt((x * x).sum(dims, keepdims=keepdim)) if x.ndim else xp.abs(x)
    if p == 1:
        return xp.abs(x).sum(dims, keepdims=keepdim) if x.ndim else xp.abs(x)
    return (xp.abs(x) ** p).sum(dims, keepdims=keepdim) ** (1 / p) if x.ndim else xp.abs(x)


@vector_norm.grad
def vector_norm_grad(g: Tensor, x: Tensor, out: Tensor, p: float, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x = g · sign(x) |x|ᵖ⁻¹ / outᵖ⁻¹, 0 where out is 0"""
    g, out = _spread(g, x.shape, dim, keepdim), _spread(out, x.shape, dim, keepdim)
    if p == 1:
        return g * sign(x)
    if p == 2:
        return where(out == 0, 0.0, x * (g / out))
    size = absolute(x)
    powers = where(size == 0, 0.0, pow_(size, p - 1)) if p < 2 else pow_(size, p - 1)
    return where(out == 0, 0.0, sign(x) * powers * (g / pow_(out, p - 1)))


@composite
def dist(input: Tensor, other: Tensor, p: Any = 2) -> Tensor:
    """‖input − other‖_p"""
    return norm(input - other, p)


# ---- scans ----


@op
def cumsum(xp: Any, x: Array, dim: int, dtype: dtypes.dtype | None = None) -> Array:
    """out_i = x_0 + … + x_i along `dim`"""
    kind = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind not in "iub" else "int64"
    axis = canonical_dim(dim, x.ndim)
    return xp.cumsum(x.astype(kind, copy=False), axis) if x.ndim else x.astype(kind)


@cumsum.grad
def cumsum_grad(g: Tensor, dim: int) -> Tensor:
    """∂L/∂x_i = g_i + … + g_n"""
    return cumsum(g.flip(dim), dim).flip(dim) if g.ndim else g


@op
def cumprod(xp: Any, x: Array, dim: int, dtype: dtypes.dtype | None = None) -> Array:
    """out_i = x_0 · … · x_i along `dim`"""
    kind = dtype.numpy if dtype is not None else x.dtype if x.dtype.kind not in "iub" else "int64"
    axis = canonical_dim(dim, x.ndim)
    return xp.cumprod(x.astype(kind, copy=False), axis) if x.ndim else x.astype(kind)


@cumprod.grad
def cumprod_grad(g: Tensor, x: Tensor, dim: int) -> Tensor:
    """∂L/∂x_k = Σ_{i≥k} g_i Π_{j≤i, j≠k} x_j, element by element, so that zeros divide nothing"""
    if not x.ndim:
        return g
    n = x.shape[dim]
    pieces = []
    for k in range(n):
        others = registry["cat"]([x.narrow(dim, 0, k), x.narrow(dim, k, 1) * 0 + 1, x.narrow(dim, k + 1, n - k - 1)], dim)
        products = cumprod(others, dim).narrow(dim, k, n - k)
        pieces.append((g.narrow(dim, k, n - k) * products).sum(dim, keepdim=True))
    return registry["cat"](pieces, dim) if pieces else g


@op(promote="float")
def logcumsumexp(xp: Any, x: Array, dim: int) -> Array:
    """out_i = ln(e^x_0 + … + e^x_i) along `dim`"""
    return xp.logaddexp.accumulate(x, canonical_dim(dim, x.ndim)) if x.ndim and x.size else x.copy()


@logcumsumexp.grad
def logcumsumexp_grad(g: Tensor, x: Tensor, out: Tensor, dim: int) -> Tensor:
    """∂L/∂x_k = e^x_k Σ_{i≥k} g_i e^(−out_i), in logarithms of the positive and the negative g"""
    if not x.ndim:
        return g

    def tail(logs: Tensor) -> Tensor:
        return exp(x + logcumsumexp((logs - out).flip(dim), dim).flip(dim))


    return tail(log(where(g > 0, g, 0.0))) - tail(log(where(g < 0, -g, 0.0)))


@op(outputs=("values", "indices"))
def cummax(xp: Any, x: Array, dim: int) -> tuple[Array, Array]:
    """The largest so far along `dim`, and the index of its last occurrence so far."""
    return _running(xp, x, dim, xp.maximum)


@op(outputs=("values", "indices"))
def cummin(xp: Any, x: Array, dim: int) -> tuple[Array, Array]:
    """The smallest so far along `dim`, and the index of its last occurrence so far."""
    return _running(xp, x, dim, xp.minimum)


def _running(xp: Any, x: Array, dim: int, pick: Any) -> tuple[Array, Array]:
    axis = canonical_dim(dim, x.ndim)
    if not x.ndim or not x.size:
        return x.copy(), xp.zeros(x.shape, "int64")
    values = pick.accumulate(x, axis)
    places = xp.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    new = (x == values) | (xp.isnan(x) if x.dtype.kind == "f" else False)
    return values, xp.maximum.accumulate(xp.where(new, places, 0), axis)


@cummax.grad
def cummax_grad(g: Tensor, x_shape: tuple, indices: Tensor, dim: int) -> Tensor:
    """∂L/∂x_k = Σ g_i over the i whose extreme so far is x_k"""
    return g.new_zeros(x_shape).scatter_add(dim, indices, g) if x_shape else g


cummin.grad(cummax_grad)
