"""Determinants: `det`, `slogdet`, `logdet`, by LU factorization.

The derivative of det A is the matrix of its cofactors, det(A) A⁻ᵀ where there is an inverse (Jacobi; Giles 2008).
Read next: `spectral.py`, whose singular values stand in where there is none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays import lapack
from ..op import Array, composite, op
from .compare import ge, gt
from .elementwise import abs_ as absolute
from .elementwise import where
from .linalg import inverse_of
from .matrices import epsilon, function, identity, mT, must_be_floats, must_be_square, of_matrices, results
from .reduce import all_, prod
from .shape import ones, unsqueeze
from .spectral import decomposed

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(name="linalg_det", public=False, promote=None)
def determinant(xp: Any, A: Array) -> Array:
    """det A = ± Π u_ii of A's LU factorization; − for an odd number of exchanged rows"""
    factors, pivots, _ = lapack.lu(xp, A)
    return _sign_of(xp, pivots, A.dtype) * factors.diagonal(0, -2, -1).prod(-1)


@determinant.grad
def determinant_grad(g: Tensor, A: Tensor, out: Tensor) -> Tensor:
    """∂L/∂A = g · the cofactors: det(A) A⁻ᵀ where A is invertible, else det(U) det(V) · U diag(Π_{j≠i} s_j) Vᵀ"""
    g, size = of_matrices(g), of_matrices(out)
    invertible = _clearly_not_0(size, A)
    if bool(all_(invertible)):
        return g * size * mT(inverse_of(A)[0])
    return g * _cofactors(A, size, invertible)


def _clearly_not_0(size: Tensor, A: Tensor) -> Tensor:
    """Which determinants are so far from 0 that the inverse may be used."""
    return ge(absolute(size), 100 * epsilon(A))


def _cofactors(A: Tensor, size: Tensor, invertible: Tensor) -> Tensor:
    """The derivative of det, of singular matrices too."""
    U, S, Vh = decomposed(A, False)
    itself = gt(identity(A, S.shape[-1]), 0)
    others = prod(where(itself, ones(A, ()), unsqueeze(S, -2)), -1)  # of all s but s_i
    by_values = of_matrices(determinant(U) * determinant(Vh)) * ((U * unsqueeze(others, -2)) @ Vh)
    regular = where(invertible, A, identity(A, A.shape[-1]))  # so that no ∞ comes up
    return where(invertible, size * mT(inverse_of(regular)[0]), by_values)


@op(name="linalg_slogdet", public=False, promote=None, outputs=("sign", "logabsdet"))
def log_determinant(xp: Any, A: Array) -> tuple[Array, Array]:
    """sign(det A) and ln |det A|: ± and Σ ln |u_ii| of A's LU factorization"""
    factors, pivots, _ = lapack.lu(xp, A)
    diagonal = factors.diagonal(0, -2, -1)
    sign = _sign_of(xp, pivots, A.dtype) * xp.sign(diagonal).prod(-1)
    return sign, xp.log(xp.abs(diagonal)).sum(-1)


@log_determinant.grad
def log_determinant_grad(g: Tensor, g_logabsdet: Tensor | None, A: Tensor) -> Tensor:
    """∂L/∂A = g · A⁻ᵀ with respect to ln |det A|; the sign does not change"""
    return A * 0 if g_logabsdet is None else of_matrices(g_logabsdet) * mT(inverse_of(A)[0])


def _sign_of(xp: Any, pivots: Array, dtype: Any) -> Array:
    """−1 where an odd number of rows changed places, else 1."""
    moved = pivots != xp.arange(1, pivots.shape[-1] + 1)
    return (1 - 2 * (moved.sum(-1) % 2)).astype(dtype)


@function(out=True)
def linalg_det(A: Tensor) -> Tensor:
    """The determinant of matrices (*, N, N).

    >>> minitorch.linalg.det(minitorch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(8.)
    """
    must_be_floats("linalg.det", A)
    must_be_square("linalg.det", A)
    return determinant(A)


@function(out=True)
def linalg_slogdet(A: Tensor) -> Any:
    """(the sign of det A, ln |det A|): what det would overflow for."""
    must_be_floats("linalg.slogdet", A, half=False)
    must_be_square("linalg.slogdet", A)
    return log_determinant(A)


@composite
def det(input: Tensor) -> Tensor:
    """`linalg.det`: the determinant of matrices (*, N, N)"""
    return linalg_det(input)


Scaled = results("slogdet", "sign logabsdet")


@composite(out=True)
def slogdet(input: Tensor) -> Any:
    """`linalg.slogdet`: (the sign of det A, ln |det A|)"""
    return Scaled(*linalg_slogdet(input))


@composite
def logdet(input: Tensor) -> Tensor:
    """ln det A; nan where det A < 0"""
    must_be_floats("logdet", input)
    must_be_square("logdet", input)
    sign, logarithm = log_determinant(input)
    return where(sign == -1.0, math.nan, logarithm)
