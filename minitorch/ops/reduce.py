"""Reductions: `sum`, `mean`, `prod`, `var`, `std`, `logsumexp`, and their kin.

The derivative of a reduction spreads the gradient back over what was reduced: `spread` puts the lost dimensions back, and
broadcasting does the rest. Read next: `extremes.py` for `max` and ties, `scan.py` for `cumsum`, `norms.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import as_number, on_host
from ..arrays.recorded import written_as
from ..arrays.warning import warn
from ..autograd.grad_mode import grad_mode
from ..op import Array, composite, op
from ..op.signature import Dims, FlagByPosition, Number
from .compare import isnan
from .dims import canonical_dim, canonical_dims
from .elementwise import exp, where
from .masked import masked_fill
from .rearrange import cat, flip, split
from .shape import expand, ones, reshape, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor

LONG, GROUP = 512, 128  # more float32 rows than LONG are summed GROUP at a time, and so are their sums


def spread(g: Tensor, shape: tuple, dim: Any, keepdim: bool) -> Tensor:
    """A reduction's gradient (or output) with its lost dimensions back, each of size 1."""
    if keepdim or not shape:
        return g
    lost = canonical_dims(dim, len(shape))
    return reshape(g, [1 if i in lost else n for i, n in enumerate(shape)])


def count(shape: tuple, dim: Any) -> int:
    """How many elements of a tensor of that shape are reduced to one."""
    return math.prod(shape[d] for d in canonical_dims(dim, len(shape)))


def _numbered(name: str) -> Any:
    """torch numbers the whole-tensor form 0 and the `dim` form 1."""
    return lambda dim: f"{name}Backward{int(dim is not None)}"


def accumulating(x: Array, dtype: dtypes.dtype | None) -> Array:
    """x in the dtype that sums and products have: the given one, int64 for integers and bools, else its own."""
    if dtype is not None:
        return x.astype(dtype.numpy, copy=False)
    return x.astype("int64", copy=False) if x.dtype.kind in "iub" else x


# ---- sums and means ----


@op(grad_fn=_numbered("Sum"), in_float32=True, out_dtype="computes", by_keyword="dtype")
def sum_(xp: Any, x: Array, dim: Dims | None = None, keepdim: bool = False, dtype: dtypes.dtype | None = None) -> Array:
    """Σ x over `dim` (an int, several, or None for all); integers and bools sum to int64.

    >>> minitorch.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(0)
    tensor([4., 6.])
    """
    x = accumulating(x, dtype)
    out = total(xp, x, canonical_dims(dim, x.ndim), keepdim)
    return xp.asarray(out).astype(x.dtype, copy=False)  # NumPy sums small integers to int64 by itself


@sum_.grad
def sum_grad(g: Tensor, x_shape: tuple, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g"""
    return expand(spread(g, x_shape, dim, keepdim), x_shape)


def total(xp: Any, x: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
    """The sum over `dims`. float16 is summed in float32, as in torch.

    NumPy adds pairwise along the axis that is contiguous in memory, but row by row along others, where the rounding
    errors of many float32 rows add up. There the rows are summed in groups, and the groups again, as torch does.
    """
    if not x.ndim:
        return x.copy()
    if x.dtype.itemsize == 2:
        return x.sum(dims, keepdims=keepdim, dtype="float32").astype(x.dtype)
    if x.size > LONG and x.dtype == "float32" and len(dims) < x.ndim and math.prod([x.shape[d] for d in dims]) > LONG:
        nearest = min(range(x.ndim), key=lambda i: abs(x.strides[i]) if x.shape[i] > 1 else math.inf)
        if nearest not in dims:
            return _sum_of_rows(x, dims, keepdims=keepdim)
    return x.sum(dims, keepdims=keepdim)


@written_as(np.ndarray.sum)
def _sum_of_rows(x: Array, dims: tuple[int, ...], keepdims: bool) -> Array:
    for d in dims:
        x = _sum_in_groups(x, d)
    return x if keepdims else x.squeeze(dims)


def _sum_in_groups(x: Array, d: int) -> Array:
    n = x.shape[d]
    if n <= LONG:
        return x.sum(d, keepdims=True)
    whole, before = n - n % GROUP, (slice(None),) * d
    groups = x[(*before, slice(whole))].reshape((*x.shape[:d], whole // GROUP, GROUP, *x.shape[d + 1 :])).sum(d + 1)
    return _sum_in_groups(groups, d) + x[(*before, slice(whole, None))].sum(d, keepdims=True)


@composite(out="computes", grad_fn="NansumBackward0")
def nansum(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None) -> Tensor:
    """Σ x over `dim`, nan counting as 0."""
    return sum_(nan_as_zero(input) if input.is_floating_point() else input, dim, keepdim, dtype=dtype)


@op(public=False, in_float32=True)
def nan_as_zero(xp: Any, x: Array) -> Array:
    """x, and 0 where x is nan"""
    return xp.where(xp.isnan(x), xp.zeros((), x.dtype), x)


@nan_as_zero.grad
def nan_as_zero_grad(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂x = g · [x is not nan]"""
    return g * ~isnan(x)


@op(grad_fn=_numbered("Mean"), in_float32=True, out_dtype="cast", by_keyword="dtype")
def mean(xp: Any, x: Array, dim: Dims | None = None, keepdim: bool = False, dtype: dtypes.dtype | None = None) -> Array:
    """(1/n) Σ x over `dim`; of floats only."""
    if dtype is not None:
        x = x.astype(dtype.numpy, copy=False)
    _float_only("mean", x)
    if x.dtype.itemsize == 2:  # a half-precision sum may overflow where the mean does not
        return (total(xp, x.astype("float32"), canonical_dims(dim, x.ndim), keepdim) / count(x.shape, dim)).astype(x.dtype)
    return total(xp, x, canonical_dims(dim, x.ndim), keepdim) / as_number(xp, count(x.shape, dim), x.dtype)


@mean.grad
def mean_grad(g: Tensor, x_shape: tuple, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g / n"""
    return expand(spread(g, x_shape, dim, keepdim), x_shape) / max(count(x_shape, dim), 1)


def _float_only(name: str, x: Array) -> None:
    if x.dtype.kind in "iub":
        kind = dtypes.SCALAR_NAMES[dtypes.from_numpy_dtype(x.dtype).name]
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            f"{kind}; convert it first, e.g. x.float()"
        )


@composite(out="computes", only="floats", refusal=RuntimeError)
def nanmean(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None) -> Tensor:
    """The mean over `dim` of what is not nan."""
    return nansum(input, dim, keepdim, dtype=dtype) / (~isnan(input.detach())).sum(dim, keepdim)


@op(promote=None, in_float32=True, discrete=True)
def all_(xp: Any, x: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """Whether all over `dim` are true (not 0)."""
    dims = _dims_of_truth(dim, x.ndim)
    return _truth(x, xp.all(x, dims, keepdims=keepdim) if dims else x != 0)


@op(promote=None, in_float32=True, discrete=True)
def any_(xp: Any, x: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """Whether any over `dim` is true (not 0)."""
    dims = _dims_of_truth(dim, x.ndim)
    return _truth(x, xp.any(x, dims, keepdims=keepdim) if dims else x != 0)


def _dims_of_truth(dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions to reduce: of () none here, where other reductions take it for all."""
    return () if isinstance(dim, (tuple, list)) and not dim else canonical_dims(dim, ndim)


def _truth(x: Array, found: Array) -> Array:
    """Truth is bool, but for uint8, which was torch's bool before it had one."""
    return found.astype(x.dtype) if x.dtype == "uint8" else found


@op(promote=None, in_float32=True, takes_out=False, discrete=True)
def count_nonzero(xp: Any, x: Array, dim: Dims | None = None) -> Array:
    """How many over `dim` are not 0."""
    dims = canonical_dims(dim, x.ndim)
    return (x != 0).sum(dims) if x.ndim else (x != 0).astype("int64")


# ---- variance ----


@op(name="var", public=False, in_float32=True)
def variance(xp: Any, x: Array, dim: Any, correction: Any, keepdim: bool) -> Array:
    """Σ (x − x̄)² / (n − correction), the mean taken first: no digits cancel where x̄ is large."""
    return _wide_moments(xp, "var", x, dim, correction, keepdim)[0].astype(x.dtype)


def _wide_moments(xp: Any, name: str, x: Array, dim: Any, correction: Any, keepdim: bool) -> tuple[Array, Array]:
    """The variance and the mean. On the CPU in float64, as in torch, where the square of a float32 neither overflows nor vanishes."""
    _float_only(name, x)
    dims, n = canonical_dims(dim, x.ndim), count(x.shape, dim)
    if (n if all(x.shape[d] for d in range(x.ndim) if d not in dims) else 0) <= correction:
        warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel "
            "divided by output numel)."
        )
    wide = x.astype("float64" if on_host(xp) else "float32") if x.dtype.itemsize < 8 else x
    mean = total(xp, wide, dims, True) / as_number(xp, n, wide.dtype)
    centred = wide - mean
    var = total(xp, centred * centred, dims, keepdim) / as_number(xp, max(n - correction, 0), wide.dtype)
    return var, mean if keepdim or not x.ndim else mean.squeeze(dims)


@variance.grad
def variance_grad(g: Tensor, x: Tensor, dim: Any, correction: Any, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g · 2 (x_i − x̄) / (n − correction)"""
    freedom = count(x.shape, dim) - correction
    g, average = spread(g, x.shape, dim, keepdim), mean(x, dim, keepdim=True)
    if freedom <= 0 and (dim is None or not x.ndim):
        return g * where(x == average, math.nan, math.inf)
    return (2 / freedom if freedom else math.inf) * g * (x - average)


@composite(out="cast")
def var(
    input: Tensor,
    dim: Dims | FlagByPosition | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """Σ (x − x̄)² / (n − correction) over `dim`; correction is 1 unless given (the unbiased estimate).

    >>> minitorch.tensor([1.0, 2.0, 3.0]).var()
    tensor(1.)
    """
    return variance(input, *_dim_and_correction("var", dim, unbiased, keepdim, correction))


def _dim_and_correction(name: str, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> tuple[Any, Any, bool]:
    """Both spellings, `unbiased=False` and `correction=0`; and `x.var(False)`, the old way to say the former."""
    if isinstance(dim, bool):
        if unbiased is not None or keepdim:
            raise TypeError(f"{name}(): argument 'dim' must be an int or a tuple of ints, not bool, beside other arguments")
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}(): give either unbiased= or correction=, not both")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return dim, correction, keepdim


@op(name="std", public=False, in_float32=True)
def deviation(xp: Any, x: Array, dim: Any, correction: Any, keepdim: bool) -> Array:
    """√var"""
    return xp.sqrt(_wide_moments(xp, "std", x, dim, correction, keepdim)[0]).astype(x.dtype)


@deviation.grad
def deviation_grad(g: Tensor, x: Tensor, out: Tensor, dim: Any, correction: Any, keepdim: bool) -> Tensor:
    """∂L/∂x = ∂var/∂x · g / (2 std), 0 where std is 0"""
    return variance_grad(_of_variance(g, out), x, dim, correction, keepdim)


def _of_variance(g: Tensor, std: Tensor) -> Tensor:
    """∂L/∂var = g / (2 std), 0 where std is 0"""
    return masked_fill(g / (2 * std), std == 0, 0)


@composite(out="cast")
def std(
    input: Tensor,
    dim: Dims | FlagByPosition | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """√var over `dim`; its derivative for constant x is 0."""
    return deviation(input, *_dim_and_correction("std", dim, unbiased, keepdim, correction))


@op(name="var_mean", public=False, outputs=("var", "mean"), in_float32=True)
def variance_and_mean(xp: Any, x: Array, dim: Any, correction: Any, keepdim: bool) -> tuple[Array, Array]:
    """Σ (x − x̄)² / (n − correction), and x̄"""
    var, mean = _wide_moments(xp, "var_mean", x, dim, correction, keepdim)
    return var.astype(x.dtype), mean.astype(x.dtype)


@variance_and_mean.grad
def variance_and_mean_grad(
    g: Tensor | None, g_mean: Tensor | None, x: Tensor, dim: Any, correction: Any, keepdim: bool
) -> Tensor | None:
    """∂L/∂x = what comes through var, and what comes through x̄"""
    through_mean = None if g_mean is None else mean_grad(g_mean, x.shape, dim, keepdim)
    if g is None:
        return through_mean
    through_var = variance_grad(g, x, dim, correction, keepdim)
    return through_var if through_mean is None else through_var + through_mean


@op(name="std_mean", public=False, outputs=("std", "mean"), in_float32=True)
def deviation_and_mean(xp: Any, x: Array, dim: Any, correction: Any, keepdim: bool) -> tuple[Array, Array]:
    """√var, and x̄"""
    var, mean = _wide_moments(xp, "std_mean", x, dim, correction, keepdim)
    return xp.sqrt(var).astype(x.dtype), mean.astype(x.dtype)


@deviation_and_mean.grad
def deviation_and_mean_grad(
    g: Tensor | None, g_mean: Tensor | None, x: Tensor, std: Tensor, dim: Any, correction: Any, keepdim: bool
) -> Tensor | None:
    """∂L/∂x = what comes through std, and what comes through x̄"""
    g_var = None if g is None else _of_variance(g, std)
    return variance_and_mean_grad(g_var, g_mean, x, dim, correction, keepdim)


@composite
def var_mean(
    input: Tensor,
    dim: Dims | FlagByPosition | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """(var, mean) over `dim`."""
    return tuple(variance_and_mean(input, *_dim_and_correction("var_mean", dim, unbiased, keepdim, correction)))


@composite
def std_mean(
    input: Tensor,
    dim: Dims | FlagByPosition | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """(std, mean) over `dim`."""
    return tuple(deviation_and_mean(input, *_dim_and_correction("std_mean", dim, unbiased, keepdim, correction)))


# ---- products ----


@op(grad_fn=_numbered("Prod"), in_float32=True, by_keyword="dtype")
def prod(xp: Any, x: Array, dim: int | None = None, keepdim: bool = False, dtype: dtypes.dtype | None = None) -> Array:
    """Π x over `dim`; integers and bools multiply to int64."""
    x = accumulating(x, dtype)
    axis = None if dim is None else canonical_dim(dim, x.ndim)
    # NumPy would multiply small integers and bools to int64 by itself.
    return x.prod(axis, keepdims=keepdim and dim is not None, dtype=x.dtype) if x.ndim else x.copy()


@prod.grad
def prod_grad(g: Tensor, x: Tensor, out: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g · Π_{j≠i} x_j, which is g · out / x_i; with zeros, products from the left times products from the right

    For [2, 0, 3] that is g · [0, 6, 0].
    """
    if x.ndim == 0:
        return g
    how_many_zeros = int(sum_(x == 0))
    if how_many_zeros == 0:
        return spread(g * out, x.shape, dim, keepdim) / x
    if how_many_zeros > 1 and dim is None and not grad_mode.enabled:  # a recorded one still depends on x
        return zeros(g, x.shape)
    row, along = (reshape(x, (-1,)), 0) if dim is None else (x, dim)
    before = _products_before(row, along)
    after = flip(_products_before(flip(row, (along,)), along), (along,))
    return reshape(before * after, x.shape) * (g if dim is None else spread(g, x.shape, dim, keepdim))


def _products_before(x: Tensor, dim: int) -> Tensor:
    """[1, x₀, x₀x₁, …]: at each place the product of what comes before it."""
    from .scan import cumprod

    if 0 in x.shape:
        return x
    first, last = split(x, [x.shape[dim] - 1, 1], dim)
    return cumprod(cat([ones(x, last.shape), first], dim), dim)


# ---- logarithm of a sum of exponentials ----


@op(promote="float", in_float32=True, out_dtype="cast")
def logsumexp(xp: Any, x: Array, dim: Dims, keepdim: bool = False) -> Array:
    """ln Σ eˣ over `dim`, shifted by the largest x so that nothing overflows."""
    dims = canonical_dims(dim, x.ndim)
    if not x.ndim:
        return x.copy()
    if count(x.shape, dim) == 0:
        return xp.log(x.sum(dims, keepdims=keepdim))
    top = x.max(dims, keepdims=True)
    top = xp.where(xp.isinf(top), xp.zeros_like(top), top)  # ∞ − ∞ would be nan
    out = xp.log(total(xp, xp.exp(x - top), dims, True)) + top
    return out if keepdim else out.squeeze(dims)


@logsumexp.grad
def logsumexp_grad(g: Tensor, x: Tensor, out: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g · e^(x_i − out), the softmax"""
    return spread(g, x.shape, dim, keepdim) * exp(x - spread(out, x.shape, dim, keepdim))
