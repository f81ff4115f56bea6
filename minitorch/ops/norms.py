"""Norms of vectors and of matrices, and `cond`, which is made of them.

A norm of a vector is a sum of powers; one of a matrix is a norm of its singular values, or the largest of its columns' or rows' sums.
Read next: `products.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..arrays.dtypes import SCALAR_NAMES
from ..arrays.warning import warn
from ..op import Array, composite, op
from ..op.signature import Dims, Number
from .compare import isnan
from .dims import as_ints, canonical_dim, canonical_dims
from .elementwise import abs_ as absolute
from .elementwise import pow_, sign, true_div
from .linalg import linalg_inv_ex
from .masked import masked_fill
from .matrices import function, must_be_floats, must_be_matrices, must_be_square
from .reduce import count, spread, sum_, total
from .spectral import linalg_svdvals

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- of vectors ----


@op(name="linalg_vector_norm", public=False, in_float32=True)
def vector_norm(xp: Any, x: Array, p: float, dim: Any, keepdim: bool) -> Array:
    """(Σ |x|ᵖ)^(1/p)"""
    dims, size = canonical_dims(dim, x.ndim), xp.abs(x)
    if (p < 0 or p == math.inf) and not count(x.shape, dim):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {p:g} norm on an empty tensor because the operation does not have an "
            "identity"
        )
    if all(x.shape[d] == 1 for d in dims):  # nothing is added up, so nothing is raised to a power that might overflow
        one = (x != 0).astype(x.dtype) if p == 0 else size
        return one if keepdim or not x.ndim else one.squeeze(dims)
    if math.isinf(p):
        return (size.max if p > 0 else size.min)(dims, keepdims=keepdim)
    if p == 0:
        return (x != 0).sum(dims, keepdims=keepdim).astype(x.dtype)
    if p == 1:
        return total(xp, size, dims, keepdim)
    if p == 2:
        return xp.sqrt(total(xp, x * x, dims, keepdim))
    return total(xp, size**p, dims, keepdim) ** (1 / p)


@vector_norm.grad
def vector_norm_grad(g: Tensor, x: Tensor, out: Tensor, p: float, dim: Any, keepdim: bool) -> Tensor | None:
    """∂L/∂x = g · sign(x) · (|x| / out)ᵖ⁻¹, 0 where out is 0; for p = ±∞ shared among the elements that attain it"""
    g = spread(g, x.shape, dim, keepdim)
    out = spread(out, x.shape, dim, keepdim)
    if p == 0:
        return None
    if p == 1:
        return g * sign(x)
    if p == 2:
        return g * masked_fill(x / out, out == 0, 0)
    size = absolute(x)
    if math.isinf(p):
        attain = (size == out) | isnan(size)
        return sign(x) * (true_div(g, sum_(attain, dim, keepdim=True)) * attain)
    if p < 1:
        return sign(x) * masked_fill(pow_(size, p - 1), x == 0, 0) * g * pow_(out, 1 - p)
    scale = masked_fill(g / pow_(out, p - 1), out == 0, 0)
    return (sign(x) * pow_(size, p - 1) if p < 2 else x * pow_(size, p - 2)) * scale


@function(out=True)
def linalg_vector_norm(
    x: Tensor, ord: float = 2, dim: Dims | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None
) -> Tensor:
    """(Σ |x|ᵖ)^(1/p) over `dim`, p = ord; 0: how many are not 0; ±∞: the largest or smallest |x|.

    >>> minitorch.linalg.vector_norm(minitorch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor(5.)
    """
    return vector_norm(_in_dtype("linalg.vector_norm", x, dtype), float(ord), dim, keepdim)


def _in_dtype(name: str, x: Tensor, dtype: dtypes.dtype | None) -> Tensor:
    """x in the dtype that is asked for, which must hold it."""
    must_be_floats(name, x)
    if dtype is None or dtype is x.dtype:
        return x
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name}: dtype should be floating point or complex. Got {SCALAR_NAMES[dtype.name]}")
    if dtypes.promote_types(x.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"{name}: the dtype of the input ({SCALAR_NAMES[x.dtype.name]}) should be convertible without narrowing to the specified "
            f"dtype ({SCALAR_NAMES[dtype.name]})"
        )
    return x.to(dtype)


# ---- of matrices ----


@function(out=True)
def linalg_matrix_norm(
    input: Tensor,
    ord: float | str = "fro",
    dim: Dims = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """The norm of the matrices in two dimensions: "fro": √Σ a²; "nuc": Σ s of the singular values; 2 and −2: the largest, the smallest s;
    1 and −1: the largest, the smallest column's Σ |a|; ±∞: the same of rows.

    >>> minitorch.linalg.matrix_norm(minitorch.tensor([[3.0, 0.0], [0.0, 4.0]]), "nuc")
    tensor(7.)
    """
    name = "linalg.matrix_norm"
    A = _in_dtype(name, input, dtype)
    must_be_matrices(name, A)
    rows, columns = _two_dims(name, dim, A.ndim)
    if isinstance(ord, str):
        if ord not in ("fro", "nuc"):
            raise RuntimeError(f"{name}: Order {ord} not supported.")
        if ord == "fro":
            return vector_norm(A, 2.0, (rows, columns), keepdim)
        return _back(_singular_values(A, rows, columns).sum(-1), rows, columns, keepdim)
    if abs(ord) not in (1, 2, math.inf):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    if abs(ord) == 2:
        values = _singular_values(A, rows, columns)
        return _back(values.amax(-1) if ord > 0 else values.amin(-1), rows, columns, keepdim)
    summed, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = vector_norm(A, 1.0, summed, keepdim)
    over = over if keepdim or over < summed else over - 1
    if ord > 0 and not sums.shape[over]:
        return sums.sum(over, keepdim)  # the largest of nothing is 0 here
    return sums.amax(over, keepdim) if ord > 0 else sums.amin(over, keepdim)


def _two_dims(name: str, dim: Any, ndim: int) -> tuple[int, int]:
    dims = as_ints(dim)
    if len(dims) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, dims))}")
    rows, columns = (canonical_dim(d, ndim) for d in dims)
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different. Got ({dims[0]}, {dims[1]})")
    return rows, columns


def _singular_values(A: Tensor, rows: int, columns: int) -> Tensor:
    return linalg_svdvals(A.movedim((rows, columns), (-2, -1)))


def _back(x: Tensor, rows: int, columns: int, keepdim: bool) -> Tensor:
    """With the two dimensions that are lost, each of size 1, if they are to be kept."""
    for d in sorted((rows, columns)) if keepdim else ():
        x = x.unsqueeze(d)
    return x


# ---- of either ----


@function(out=True)
def linalg_norm(
    input: Tensor,
    ord: float | str | None = None,
    dim: Dims | None = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """`matrix_norm` if two dimensions are meant (by `dim`, or by ord and the input) and ord is given, else `vector_norm`.

    >>> minitorch.linalg.norm(minitorch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    dims = None if dim is None else as_ints(dim)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if dims is None and ord is not None and input.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {input.ndim}D; give dim="
        )
    if isinstance(ord, str) or (ord is not None and (input.ndim if dims is None else len(dims)) == 2):
        return linalg_matrix_norm(input, ord, (0, 1) if dims is None else dims, keepdim, dtype=dtype)
    return linalg_vector_norm(input, 2 if ord is None else ord, dims, keepdim, dtype=dtype)


@composite(out=True)
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims | None = None,
    keepdim: bool = False,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """(Σ |x|ᵖ)^(1/p) over `dim`; p may be 0 (how many are not 0), ∞ (the largest |x|), −∞, "fro", which is 2, and "nuc": Σ s of
    a matrix' singular values.

    >>> minitorch.tensor([3.0, 4.0]).norm()
    tensor(5.)
    """
    if not isinstance(p, (int, float, str, type(None))) or (isinstance(p, str) and p not in ("fro", "nuc")):
        raise RuntimeError(f'norm(): p must be a number, ±inf, "fro" or "nuc", got {p!r}')
    if p == "nuc":
        return linalg_matrix_norm(input, "nuc", tuple(range(input.ndim)) if dim is None else dim, keepdim, dtype=dtype)
    if p == "fro" and isinstance(dim, (tuple, list)) and len(dim) > 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, dim))}; use p=2 instead")
    x = input if dtype is None else input.to(dtype)
    must_be_floats("linalg.vector_norm", x)
    return vector_norm(x, 2.0 if p in ("fro", None) else float(p), dim, keepdim)


@composite(out=True)
def nuclear_norm(input: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """`linalg.matrix_norm` of the order "nuc", in its old form."""
    warn(
        "at::nuclear_norm is deprecated and it is just left for JIT compatibility. It will be removed in a future PyTorch release. "
        "Please use `linalg.matrix_norm(A, 'nuc', dim, keepdim)` instead"
    )
    return linalg_matrix_norm(input, "nuc", tuple(range(input.ndim)) if dim is None else dim, keepdim)


@composite(out=True)
def frobenius_norm(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """`linalg.vector_norm`, in its old form: √Σ x² over `dim`"""
    warn(
        "at::frobenius_norm is deprecated and it is just left for JIT compatibility. It will be removed in a future PyTorch release. "
        "Please use `linalg.vector_norm(A, 2., dim, keepdim)` instead"
    )
    return linalg_vector_norm(input, 2, dim, keepdim)


@function(out=True)
def linalg_cond(input: Tensor, p: float | str | None = None) -> Tensor:
    """‖A‖ ‖A⁻¹‖ of matrices (*, M, N), ∞ of singular ones: how many times larger the error of A⁻¹ b may be than that of b.

    p: a norm of `matrix_norm`; None is 2, the largest over the smallest singular value, and −2 the other way round.
    """
    if input.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p not in (None, 1, 2, -1, -2, math.inf, -math.inf, "fro", "nuc"):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if not input.numel():
        return input.new_zeros(input.shape[:-2])
    if p in (None, 2, -2):
        values = linalg_svdvals(input)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    must_be_square(f"linalg.cond(ord={p})", input)
    if p == "nuc":
        values = linalg_svdvals(input)
        return values.sum(-1) * values.reciprocal().sum(-1)
    inverse, info = linalg_inv_ex(input)
    out = linalg_matrix_norm(input, p) * linalg_matrix_norm(inverse, p)
    return out if not bool((info != 0).any()) else out.masked_fill(info != 0, math.inf)


@composite(grad_fn="DistBackward0")
def dist(input: Tensor, other: Tensor, p: Number = 2) -> Tensor:
    """‖input − other‖_p"""
    return norm(input - other, p)
