"""How far the rows of a matrix are apart, two by two: `pdist`; or those of one and those of another: `cdist`.

Their derivatives are ops that have none, as in torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays import blas, dtypes
from ..op import Array, composite, op
from .elementwise import where
from .reduce import sum_
from .shape import transpose
from .undifferentiable import has_no_derivative

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(promote=None, grad_fn="PdistBackward0")
def pdist(xp: Any, input: Array, p: float = 2.0) -> Array:
    """‖x_i − x_j‖_p of every two rows i < j of x (N, D): N (N − 1) / 2 numbers, those of the first row first.

    >>> minitorch.pdist(minitorch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if input.dtype.kind not in "fV":
        raise RuntimeError("pdist only supports floating-point dtypes; convert the input first, e.g. x.float()")
    if not p >= 0:
        raise RuntimeError(f"pdist only supports non-negative p values, got {p}")
    i, j = xp.triu_indices(len(input), 1)
    if i.size and input.shape[1] and input.dtype.itemsize == 2:
        kind = dtypes.SCALAR_NAMES[dtypes.from_numpy_dtype(input.dtype).name]
        raise NotImplementedError(f"\"pdist\" not implemented for '{kind}': convert with .float()")
    return _length(xp, input[i] - input[j], p)


@pdist.grad
def pdist_grad(g: Tensor, input: Tensor, p: float, out: Tensor) -> Tensor:
    """∂L/∂x_i = Σ_j g_ij · ∂‖x_i − x_j‖_p / ∂x_i"""
    return pdist_backward(g, input, out, p)


@op(promote=None, name="_pdist_backward", public=False)
def pdist_backward(xp: Any, g: Array, x: Array, out: Array, p: float) -> Array:
    """Σ_j g_ij · ∂‖x_i − x_j‖ / ∂x_i"""
    if not out.size or p == 0:
        return xp.zeros_like(x)
    return _through(xp, _of_all(xp, g, len(x)), x[:, None] - x, _of_all(xp, out, len(x)), p).sum(1)


def _of_all(xp: Any, pairs: Array, n: int) -> Array:
    """The numbers of all pairs i < j as a symmetric matrix, in a shape (N, N, 1) that broadcasts with differences."""
    matrix = xp.zeros((n, n), pairs.dtype)
    matrix[xp.triu_indices(n, 1)] = pairs
    return (matrix + matrix.T)[:, :, None]


has_no_derivative(pdist_backward, "g", "x", "out", why=": pdist can be differentiated once")

# ---- the rows of one matrix and those of another ----

COMPUTE_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
MANY = 25  # rows, for more of which a product of matrices is used


@composite
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: Any = COMPUTE_MODES[0]) -> Tensor:
    """‖a_i − b_j‖_p of every row of a (…, N, D) and every row of b (…, M, D): (…, N, M). Batches broadcast.

    compute_mode: whether p = 2 is computed by a product of matrices, ‖a‖² + ‖b‖² − 2 a·b, which is faster and loses digits:
    by default if there are more than 25 rows. Its derivative can be differentiated again, that of the others cannot, as in torch.
    """
    if compute_mode not in COMPUTE_MODES:
        raise ValueError(
            f"{compute_mode} is not a valid value for compute_mode: it must be one of {', '.join(COMPUTE_MODES)}"
        )
    if not p >= 0:
        raise RuntimeError(f"cdist only supports non-negative p values, got {p}")
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.dtype.is_floating_point:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype!r}; convert with .float()")
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    many = max(x1.shape[-2], x2.shape[-2]) > MANY and compute_mode == COMPUTE_MODES[0]
    if p == 2 and (many or compute_mode == COMPUTE_MODES[1]):
        return by_product(x1, x2)
    return between(x1, x2, float(p))


@op(name="_cdist_forward", public=False, same_dtype="a b", grad_fn="CdistBackward0")
def between(xp: Any, a: Array, b: Array, p: float) -> Array:
    """‖a_i − b_j‖_p, from the differences."""
    apart = a[..., :, None, :] - b[..., None, :, :]
    if apart.size and a.dtype.itemsize == 2:
        kind = dtypes.SCALAR_NAMES[dtypes.from_numpy_dtype(a.dtype).name]
        raise NotImplementedError(f"\"cdist\" not implemented for '{kind}': convert with .float()")
    return _length(xp, apart, p)


@between.grad("a")
def between_grad_a(g: Tensor, a: Tensor, b: Tensor, p: float, out: Tensor) -> Tensor:
    """∂L/∂a_i = Σ_j g_ij · ∂‖a_i − b_j‖_p / ∂a_i"""
    return between_backward(g, a, b, out, p)


@between.grad("b")
def between_grad_b(g: Tensor, a: Tensor, b: Tensor, p: float, out: Tensor) -> Tensor:
    """∂L/∂b_j = Σ_i g_ij · ∂‖a_i − b_j‖_p / ∂b_j: the same from the other side"""
    return between_backward(transpose(g, -1, -2), b, a, transpose(out, -1, -2), p)


@op(promote=None, name="_cdist_backward", public=False)
def between_backward(xp: Any, g: Array, a: Array, b: Array, out: Array, p: float) -> Array:
    """Σ_j g_ij · ∂‖a_i − b_j‖ / ∂a_i"""
    return _through(xp, g[..., None], a[..., :, None, :] - b[..., None, :, :], out[..., None], p).sum(-2)


has_no_derivative(between_backward, "g", "a", "b", "out", why=": cdist can be differentiated once")


@op(name="_euclidean_dist", public=False, same_dtype="a b", grad_fn="ViewBackward0")
def by_product(xp: Any, a: Array, b: Array) -> Array:
    """√(−2 a_i·b_j + ‖a_i‖² + ‖b_j‖²), as one product of the rows (−2 a_i, ‖a_i‖², 1) and (b_j, 1, ‖b_j‖²)"""
    squares = [(x * x).sum(-1, keepdims=True) for x in (a, b)]
    ones = [xp.ones_like(x) for x in squares]
    left = xp.concatenate([-2 * a, squares[0], ones[0]], -1)
    right = xp.concatenate([b, ones[1], squares[1]], -1)
    return xp.sqrt(xp.maximum(blas.matmul(xp, left, right.swapaxes(-1, -2)), 0))


@by_product.grad("a")
def by_product_grad_a(g: Tensor, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """∂L/∂a_i = Σ_j g_ij (a_i − b_j) / out_ij, where out is not 0"""
    share = where(out == 0, 0.0, g / out)
    return a * sum_(share, -1, keepdim=True) - share @ b


@by_product.grad("b")
def by_product_grad_b(g: Tensor, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """∂L/∂b_j = Σ_i g_ij (b_j − a_i) / out_ij, where out is not 0"""
    return by_product_grad_a(transpose(g, -1, -2), b, a, transpose(out, -1, -2))


# ---- what both are made of ----


def _length(xp: Any, apart: Array, p: float) -> Array:
    """‖d‖_p of the vectors d in the last dimension."""
    size = xp.abs(apart)
    if not size.size or p == 0:
        return (size != 0).sum(-1).astype(apart.dtype)
    if math.isinf(p):
        return size.max(-1)
    return xp.sqrt((size * size).sum(-1)) if p == 2 else (size**p).sum(-1) ** (1 / p)


def _through(xp: Any, g: Array, apart: Array, length: Array, p: float) -> Array:
    """g · ∂‖d‖ / ∂d = g · d |d|^(p − 2) / ‖d‖^(p − 1); nothing where ‖d‖ = 0, where d = 0 for p < 1, and for p = 0"""
    if p == 0:
        return xp.zeros_like(apart)
    size = xp.abs(apart)
    if math.isinf(p):
        share = xp.sign(apart) * (size == length) * g
    elif p < 2:
        share = xp.sign(apart) * size ** (p - 1) * g / length ** (p - 1)
    else:
        share = apart * size ** (p - 2) * g / length ** (p - 1)
    return xp.where((length == 0) | ((size == 0) & (p < 1)), 0, share).astype(apart.dtype)
