"""Matrices that orthogonal weights are made of: e^A, products of reflections, the solution of A x = b. They take batches too.

What is made of products alone needs no derivative of its own. Read next: `nn/utils/parametrizations.py`, which uses them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.device import xp_of
from ..op import Array, named, op
from .matmul import matmul
from .shape import transpose

if TYPE_CHECKING:
    from ..tensor import Tensor

TERMS = 18  # of the series: for ‖A‖ ≤ 1 what follows is below the rounding of float64


def exponential(a: Tensor) -> Tensor:
    """e^A = Σ_k Aᵏ / k!, as (e^(A / 2ˢ))^(2ˢ), s so large that few terms of the series are enough"""
    norm = float(abs(a.detach()).sum(-2).max()) if a.numel() else 0.0
    squarings = max(0, math.ceil(math.log2(norm))) if norm else 0
    scaled, identity = a / 2**squarings, _identity(a, a.shape[-1])
    out = identity
    for k in range(TERMS, 0, -1):  # I + A (I + A / 2 (I + A / 3 (…)))
        out = identity + matmul(scaled, out) / k
    for _ in range(squarings):
        out = matmul(out, out)
    return out


matrix_exp = named(exponential, "LinalgMatrixExpBackward0")


def reflected(a: Tensor, tau: Tensor) -> Tensor:
    """The first columns of H₁ H₂ …, H_i = I − τ_i v vᵀ: v is column i of a below the diagonal, 1 on it, 0 above"""
    n, count = a.shape[-2:]
    v = a.tril(-1) + _identity(a, n)[:, :count]
    out = _identity(a, n)[:, :count].expand(a.shape)
    for i in reversed(range(count)):
        column = v[..., i : i + 1]
        out = out - tau[..., i, None, None] * matmul(column, matmul(column.mT, out))
    return out


householder_product = named(reflected, "LinalgHouseholderProductBackward0")


def geqrf(a: Tensor) -> tuple[Tensor, Tensor]:
    """(the reflections, τ) of which A = Q R is made, as LAPACK leaves them: R is above their diagonal. Nothing is recorded."""
    h, tau = xp_of(a._array).linalg.qr(a._array, mode="raw")
    return a.new_tensor(np.ascontiguousarray(h.swapaxes(-1, -2))), a.new_tensor(tau)


@op(public=False, same_dtype="a b", only="floats", grad_fn="LinalgSolveExBackward0")
def solve(xp: Any, a: Array, b: Array) -> Array:
    """x with A x = b"""
    return xp.linalg.solve(a, b)


@solve.grad("a")
def solve_grad_a(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
    """∂L/∂A = −(A⁻ᵀ g) xᵀ"""
    return -(solve_grad_b(g, a) @ transpose(out, -1, -2))


@solve.grad("b")
def solve_grad_b(g: Tensor, a: Tensor) -> Tensor:
    """∂L/∂b = A⁻ᵀ g"""
    return solve(transpose(a, -1, -2), g)


def _identity(like: Tensor, n: int) -> Tensor:
    return like.new_tensor(np.eye(n))
