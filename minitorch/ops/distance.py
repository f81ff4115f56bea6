"""How far the rows of a matrix are apart, two by two: `pdist`. Its derivative is an op that has none, as in torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..op import Array, op

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
    size = xp.abs(input[i] - input[j])
    if size.size and input.dtype.itemsize == 2:
        kind = dtypes.SCALAR_NAMES[dtypes.from_numpy_dtype(input.dtype).name]
        raise NotImplementedError(f"\"pdist\" not implemented for '{kind}': convert with .float()")
    if not size.size or p == 0:
        return (size != 0).sum(1).astype(input.dtype)
    if math.isinf(p):
        return size.max(1)
    return xp.sqrt((size * size).sum(1)) if p == 2 else (size**p).sum(1) ** (1 / p)


@pdist.grad
def pdist_grad(g: Tensor, input: Tensor, p: float, out: Tensor) -> Tensor:
    """∂L/∂x_i = Σ_j g_ij · ∂‖x_i − x_j‖_p / ∂x_i"""
    return pdist_backward(g, input, out, p)


@op(promote=None, name="_pdist_backward", public=False)
def pdist_backward(xp: Any, g: Array, x: Array, out: Array, p: float) -> Array:
    """Σ_j g_ij · d |d|^(p − 2) / ‖d‖^(p − 1), d = x_i − x_j; nothing where ‖d‖ = 0, and where d = 0 for p < 1"""
    if not out.size or p == 0:
        return xp.zeros_like(x)
    apart = x[:, None] - x
    size, length = xp.abs(apart), _of_all(xp, out, len(x))
    if math.isinf(p):
        slope = xp.sign(apart) * (size == length)
    elif p < 2:
        slope = xp.sign(apart) * size ** (p - 1) / length ** (p - 1)
    else:
        slope = apart * size ** (p - 2) / length ** (p - 1)
    nothing = (length == 0) | ((size == 0) & (p < 1))
    return xp.where(nothing, 0, slope * _of_all(xp, g, len(x))).sum(1).astype(x.dtype)


def _of_all(xp: Any, pairs: Array, n: int) -> Array:
    """The numbers of all pairs i < j as a symmetric matrix, in a shape (N, N, 1) that broadcasts with differences."""
    matrix = xp.zeros((n, n), pairs.dtype)
    matrix[xp.triu_indices(n, 1)] = pairs
    return (matrix + matrix.T)[:, :, None]


def _not_there(g: Tensor) -> Tensor:
    """None is known"""
    raise NotImplementedError("the derivative for '_pdist_backward' is not implemented: pdist can be differentiated once")


for _name in ("g", "x", "out"):
    pdist_backward.grad(_name)(_not_there)
