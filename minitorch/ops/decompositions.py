"""Matrices as products of triangles and rotations: Cholesky, LU, QR.

Sources: I. Murray, *Differentiation of the Cholesky decomposition* (2016); S. F. Walter and L. Lehmann, *Algorithmic differentiation of
linear algebra functions …* (2010), for QR; the derivative of LU follows as theirs does. All are triangular systems and products, so
they are differentiated again by what these are made of. Read next: `spectral.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays import lapack
from ..op import Array, Index, composite, op
from .diagonals import tril, triu
from .linalg import must_fit, triangular
from .matrices import (
    function,
    identity,
    in_one_batch,
    mT,
    must_agree,
    must_be_floats,
    must_be_matrices,
    must_be_square,
    must_have_succeeded,
    results,
)
from .rearrange import cat

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- Cholesky: A = L Lᵀ ----


@op(name="linalg_cholesky_ex", public=False, promote=None, outputs=("L", "info"), keeps_layout=True)
def factored(xp: Any, A: Array) -> tuple[Array, Array]:
    """L with L Lᵀ = A, lower triangular"""
    L, info = lapack.cholesky(xp, A)
    return lapack.by_columns(xp, L), info


@factored.grad
def factored_grad(g: Tensor, L: Tensor) -> Tensor:
    """∂L/∂A = L⁻ᵀ S L⁻¹, S the symmetric part of Φ(Lᵀ g): its lower triangle, with half the diagonal"""
    lower = tril(mT(L) @ g)
    symmetric = (lower + mT(tril(lower, -1))) / 2
    half = triangular(mT(L), symmetric, True)
    return mT(triangular(mT(L), mT(half), True))


@function(out=True)
def linalg_cholesky_ex(input: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """(L with L Lᵀ = A, info) of matrices (*, N, N); `upper`: (Lᵀ, info). info: 0, or which leading minor is not positive.

    LinAlgError if errors are checked and there is one.
    """
    must_be_floats("linalg.cholesky", input)
    return _cholesky("linalg.cholesky_ex", input, upper, check_errors)


@function(out=True)
def linalg_cholesky(input: Tensor, *, upper: bool = False) -> Tensor:
    """L with L Lᵀ = A, lower triangular (`upper`: Lᵀ), of positive-definite matrices (*, N, N); LinAlgError for others.

    One triangle of A is read, the lower or the upper.

    >>> minitorch.linalg.cholesky(minitorch.tensor([[4.0, 0.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    must_be_floats("linalg.cholesky", input)
    return _cholesky("linalg.cholesky", input, upper, True).L


@composite(out=True, grad_fn="CholeskyBackward0")
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The old form of `linalg.cholesky`."""
    return _cholesky("cholesky", input, upper, True).L


def _cholesky(name: str, A: Tensor, upper: bool, check_errors: bool) -> Any:
    must_be_square(name, A)
    found = factored(A.mT if upper else A)
    if check_errors:
        must_have_succeeded(
            name,
            found.info,
            lambda order: (
                "The factorization could not be completed because the input is not positive-definite (the leading minor of "
                f"order {order} is not positive-definite)."
            ),
        )
    return found._replace(L=found.L.mT) if upper else found


@op(name="cholesky_solve", public=False, promote=None, keeps_layout=True)
def solved_by_factor(xp: Any, B: Array, L: Array, upper: bool) -> Array:
    """X with L Lᵀ X = B; `upper`: Lᵀ L X = B"""
    L = L.swapaxes(-1, -2) if upper else L
    below = lapack.triangular(xp, L, B, True, False)
    return lapack.by_columns(xp, lapack.triangular(xp, L.swapaxes(-1, -2), below, False, False))


@solved_by_factor.grad("B")
def solved_by_factor_grad_b(g: Tensor, L: Tensor, upper: bool) -> Tensor:
    """∂L/∂B = A⁻¹ g"""
    return solved_by_factor(g, L, upper)


@solved_by_factor.grad("L")
def solved_by_factor_grad_l(g: Tensor, L: Tensor, out: Tensor, upper: bool) -> Tensor:
    """∂L/∂L = −(G Xᵀ + X Gᵀ) L, G = A⁻¹ g; `upper`: −L (G Xᵀ + X Gᵀ). All of L, though one triangle is read, as in torch"""
    half = solved_by_factor(g, L, upper) @ mT(out)
    return -(L @ (half + mT(half))) if upper else -((half + mT(half)) @ L)


@composite(out=True)
def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    """X with A X = B, where A = L Lᵀ (`upper`: Lᵀ L) and L is `input2`"""
    name = "cholesky_solve"
    if input.ndim < 2:
        raise RuntimeError(f"b should have at least 2 dimensions, but has {input.ndim} dimensions instead")
    if input2.ndim < 2:
        raise RuntimeError(f"u should have at least 2 dimensions, but has {input2.ndim} dimensions instead")
    must_be_square(name, input2)
    must_agree(name, input2, input)
    must_fit(name, input2, input, True)
    L, B = in_one_batch(input2, input)
    return solved_by_factor(B, L, upper)


@composite(out=True, grad_fn="CholeskyInverseBackward0")
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """A⁻¹, where A = L Lᵀ (`upper`: Lᵀ L) and L is given"""
    must_be_square("cholesky_inverse", input)
    return solved_by_factor(identity(input, input.shape[-1]).expand(input.shape), input, upper)


# ---- LU: rows of A exchanged = L U ----


@op(name="linalg_lu_factor_ex", public=False, promote=None, outputs=("LU", "pivots", "info"), keeps_layout=True)
def eliminated(xp: Any, A: Array) -> tuple[Array, Array, Array]:
    """P L U = A: L below the diagonal and U above it in one; P as the rows exchanged"""
    factors, pivots, info = lapack.lu(xp, A)
    return lapack.by_columns(xp, factors), pivots, info


@eliminated.grad
def eliminated_grad(g: Tensor, LU: Tensor, pivots: Tensor) -> Tensor:
    """∂L/∂A = P L⁻ᵀ [tril(Lᵀ g_L, −1) + triu(g_U Uᵀ)] U⁻ᵀ; beyond the square part, U = L⁻¹ A and L = A U⁻¹ add what is theirs"""
    m, n = LU.shape[-2:]
    k = min(m, n)
    square, g_square = LU[..., :k, :k], g[..., :k, :k]
    g_right, g_below = g[..., :k, k:], g[..., k:, :k]
    of_l = mT(_unit_lower(square)) @ g_square - g_right @ mT(LU[..., :k, k:])
    of_u = g_square @ mT(triu(square)) - mT(LU[..., k:, :k]) @ g_below
    inner = tril(of_l, -1) + triu(of_u)
    upper = triangular(mT(square), cat([inner, g_right], -1), True, True)  # L⁻ᵀ times that
    left = mT(triangular(square, mT(cat([upper[..., :k], g_below], -2)), True))  # that times U⁻ᵀ
    return exchanged(cat([left, upper[..., k:]], -1) if n > k else left, pivots, True)


@op(name="exchanged", public=False, promote=None)
def exchanged(xp: Any, x: Array, pivots: Index, back: bool) -> Array:
    """Pᵀ x, the rows of x exchanged as `pivots` say; or P x, which puts them back"""
    order = lapack.order_of_rows(xp, pivots, x.shape[-2])
    return xp.take_along_axis(x, (order.argsort(-1) if back else order)[..., None], -2)


@exchanged.grad
def exchanged_grad(g: Tensor, pivots: Tensor, back: bool) -> Tensor:
    """∂L/∂x = g with its rows exchanged the other way round"""
    return exchanged(g, pivots, not back)


def _unit_lower(LU: Tensor) -> Tensor:
    """L, whose ones are not written down."""
    m, n = LU.shape[-2:]
    k = min(m, n)
    return tril(LU[..., :k], -1) + identity(LU, m)[:, :k]


@function(out=True)
def linalg_lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """(L and U in one, the rows exchanged, counted from 1, info) of matrices (*, M, N); info: the place of a 0 on U's diagonal, or 0."""
    return _lu("linalg.lu_factor_ex", A, pivot, check_errors)


@function(out=True)
def linalg_lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """(L below the diagonal and U above it in one, the rows exchanged, counted from 1); RuntimeError where U's diagonal has a 0."""
    LU, pivots, _ = _lu("linalg.lu_factor", A, pivot, True)
    return Factors(LU, pivots)


def _lu(name: str, A: Tensor, pivot: bool, check_errors: bool) -> Any:
    if A.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead")
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU; leave pivot=True")
    found = eliminated(A)
    if check_errors:
        must_have_succeeded(name, found.info, _divides_by_zero, RuntimeError)
    return found


def _divides_by_zero(place: int) -> str:
    return (
        f"U[{place},{place}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the "
        "factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
    )


Factors = results("linalg_lu_factor", "LU pivots")


Permuted, Unpacked = results("linalg_lu", "P L U"), results("lu_unpack", "P L U")


@function(out=True, grad_fn="LinalgLuBackward0")
def linalg_lu(A: Tensor, *, pivot: bool = True) -> Any:
    """(P, L, U) with P L U = A of matrices (*, M, N): P exchanges rows, L has ones on its diagonal, U is an upper triangle."""
    LU, pivots, _ = _lu("linalg.lu", A, pivot, False)
    return Permuted(*_unpacked(LU, pivots))


def _unpacked(LU: Tensor, pivots: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m, n = LU.shape[-2:]
    P = exchanged(identity(LU, m).expand(*LU.shape[:-2], m, m), pivots, True)
    return P, _unit_lower(LU), triu(LU[..., : min(m, n), :])


@composite(out=True, grad_fn="LuUnpackBackward0")
def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """(P, L, U) of what `linalg.lu_factor` has found; what is not asked for is empty."""
    if unpack_pivots and LU_pivots.dtype.name != "int32":
        raise RuntimeError(
            "lu_unpack: LU_pivots is expected to be a contiguous tensor of int32 dtype. Note: this function is intended "
            "to be used with the output produced by torch.linalg.lu_factor"
        )
    P, L, U = _unpacked(LU_data, LU_pivots)
    nothing = LU_data.detach().new_zeros(0)
    L, U = (L, U) if unpack_data else (nothing, nothing)
    return Unpacked(P if unpack_pivots else nothing, L, U)


WithInfo = results("_lu_with_info", "LU pivots info")


@composite
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """(L and U in one, the rows exchanged, counted from 1): the old form of `linalg.lu_factor_ex`; get_infos: with info"""
    found = _lu("linalg.lu_factor_ex", A, pivot, False)
    result = WithInfo(*found) if get_infos else (found.LU, found.pivots)
    if out is None:
        return result
    if not isinstance(out, (tuple, list)) or len(out) != len(result):
        raise TypeError(f"lu(): argument 'out' must be a tuple of {len(result)} Tensors")
    for target, value in zip(out, result):  # of whatever dtype they are
        target.resize_(value.shape).copy_(value)
    return out


@function(out=True, grad_fn="LinalgLuSolveBackward0")
def linalg_lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with A X = B by A's `lu_factor`; X A = B without `left`, Aᵀ for A with `adjoint`."""
    name = "linalg.lu_solve"
    must_be_floats(name, LU)
    must_agree(name, LU, B)
    if pivots.dtype.name != "int32":
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32; give those of linalg.lu_factor")
    must_be_square(name, LU, "LU")
    must_be_matrices(name, B, "B")
    must_fit(name, LU, B, left)
    if LU.shape[:-1] != pivots.shape:
        raise RuntimeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix, got {list(pivots.shape)}"
        )
    if not left:
        return linalg_lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    LU, B = in_one_batch(LU, B)
    pivots = pivots.expand(LU.shape[:-1])
    if adjoint:
        return exchanged(triangular(LU.mT, triangular(LU.mT, B, False), True, True), pivots, True)
    return triangular(LU, triangular(LU, exchanged(B, pivots, False), False, True), True)


@composite(out=True)
def lu_solve(input: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """The old form of `linalg.lu_solve`."""
    return linalg_lu_solve(LU_data, LU_pivots, input)


# ---- QR: A = Q R ----


@op(name="linalg_qr", public=False, promote=None, outputs=("Q", "R"), keeps_layout=True)
def orthogonalized(xp: Any, A: Array, mode: str) -> tuple[Array, Array]:
    """A = Q R: the columns of Q are orthonormal, R is an upper triangle"""
    if mode == "r":
        return xp.zeros((0,), A.dtype), lapack.by_columns(xp, lapack.qr(xp, A, mode))
    return lapack.by_columns(xp, *lapack.qr(xp, A, mode))


@orthogonalized.grad
def orthogonalized_grad(g: Tensor | None, g_R: Tensor | None, Q: Tensor, R: Tensor, mode: str) -> Tensor:
    """∂L/∂A = [g_Q + Q S] R⁻ᵀ, S symmetric with the upper triangle of g_R Rᵀ − Qᵀ g_Q; of a wide A its square part"""
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, mode='reduced') "
            "if you are going to differentiate through linalg.qr."
        )
    m, n = Q.shape[-2], R.shape[-1]
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
    g, g_R = Q * 0 if g is None else g, R * 0 if g_R is None else g_R
    g_right = g_R[..., m:]  # R's columns there are Qᵀ A
    g = g + Q @ (R[..., m:] @ mT(g_right))
    R, g_R = R[..., : min(m, n)], g_R[..., : min(m, n)]
    upper = triu(g_R @ mT(R) - mT(Q) @ g)
    inner = g + Q @ (upper + mT(triu(upper, 1)))
    square = mT(triangular(R, mT(inner), True))
    return cat([square, Q @ g_right], -1) if n > m else square


@function(out=True)
def linalg_qr(A: Tensor, mode: str = "reduced") -> Any:
    """A = Q R of matrices (*, M, N): Q (*, M, K), R (*, K, N), K = min(M, N); "complete": K = M; "r": R alone, Q is empty.

    R's diagonal may be negative. Only the first K columns of A must be independent for a derivative.
    """
    must_be_matrices("linalg.qr", A)
    must_be_floats("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return orthogonalized(A, mode)


Rotated = results("qr", "Q R")


@composite(out=True)
def qr(input: Tensor, some: bool = True) -> Any:
    """The old form of `linalg.qr`: reduced, or complete without `some`."""
    return Rotated(*linalg_qr(input, "reduced" if some else "complete"))
