"""Singular values and eigenvalues: `svd`, `svdvals`, `eigh`, `eigvalsh`, `eig`, `eigvals`.

Vectors are known up to their sign, so only functions that do not change with it have a derivative that means something. Where two
values are equal the vectors may be turned into each other, and the derivative is infinite.
Sources: J. Townsend, *Differentiating the singular value decomposition* (2016); M. Giles, *Collected matrix derivative results …* (2008)
for eigenvalues. Read next: `least_squares.py`, which cuts small singular values off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays import lapack
from ..op import Array, composite, op
from .diagonals import diagonal, on_diagonal
from .linalg import solve
from .matrices import function, identity, mT, must_be_floats, must_be_matrices, must_be_square, results
from .shape import unsqueeze

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- singular values ----


@op(name="linalg_svd", public=False, promote=None, outputs=("U", "S", "Vh"), keeps_layout=True)
def decomposed(xp: Any, A: Array, full_matrices: bool) -> tuple[Array, Array, Array]:
    """A = U diag(S) Vᵀ: U and V with orthonormal columns, S ≥ 0 descending"""
    U, S, Vh = lapack.svd(xp, A, full_matrices)
    return lapack.by_columns(xp, U), S, lapack.by_columns(xp, Vh)


@decomposed.grad
def svd_grad(
    g: Tensor | None, g_S: Tensor | None, g_Vh: Tensor | None, A_shape: tuple, U: Tensor, S: Tensor, Vh: Tensor
) -> Tensor:
    """∂L/∂A = U [skew(Uᵀ g_U) / E · S + S · skew(Vᵀ g_V) / E + diag(g_S)] Vᵀ, E_ij = s_j² − s_i², and what leaves the span of U or V"""
    k = S.shape[-1]
    U, Vh = U[..., :k], Vh[..., :k, :]
    row, column = unsqueeze(S, -2), unsqueeze(S, -1)
    apart = _apart(row * row - column * column, S)
    inner = _on_diagonals(S * 0 if g_S is None else g_S)
    if g is not None:
        g = g[..., :k]
        inner = inner + _skew(mT(U) @ g) / apart * row
    if g_Vh is not None:
        g_Vh = g_Vh[..., :k, :]
        inner = inner + column * (_skew(Vh @ mT(g_Vh)) / apart)
    grad = U @ inner @ Vh
    if g is not None and A_shape[-2] > k:
        grad = grad + _outside(U, g / row) @ Vh
    if g_Vh is not None and A_shape[-1] > k:
        grad = grad + U @ mT(_outside(mT(Vh), mT(g_Vh) / row))
    return grad


def _skew(x: Tensor) -> Tensor:
    return x - mT(x)


def _outside(Q: Tensor, x: Tensor) -> Tensor:
    """The part of x that is orthogonal to the columns of Q."""
    return x - Q @ (mT(Q) @ x)


def _on_diagonals(x: Tensor) -> Tensor:
    """Diagonal matrices of vectors."""
    n = x.shape[-1]
    return on_diagonal(x, (*x.shape, n), 0, -2, -1)


def _apart(x: Tensor, like: Tensor) -> Tensor:
    """Differences of values, with ones on the diagonal, where they would be 0."""
    return x + identity(like, like.shape[-1])


@op(name="linalg_svdvals", public=False, promote=None)
def singular_values(xp: Any, A: Array) -> Array:
    """S alone, where no gradient is wanted"""
    return lapack.svd(xp, A, compute_uv=False)


def _check_svd(name: str, A: Tensor, driver: str | None) -> None:
    must_be_floats(name, A)
    must_be_matrices(name, A)
    if driver is not None:
        raise RuntimeError(
            f"{name}: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend; leave it away"
        )


@function(out=True)
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """A = U diag(S) Vᵀ of matrices (*, M, N): (U, S, Vᵀ), S descending.

    U is (*, M, M) and Vᵀ (*, N, N); without `full_matrices` they have K = min(M, N) columns and rows.
    """
    _check_svd("linalg.svd", A, driver)
    return decomposed(A, full_matrices)


@function(out=True)
def linalg_svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of matrices (*, M, N), descending: they have a derivative where those of `svd` have none.

    >>> minitorch.linalg.svdvals(minitorch.tensor([[0.0, 3.0], [-4.0, 0.0]]))
    tensor([4., 3.])
    """
    _check_svd("linalg.svd", A, driver)
    return decomposed(A, False).S if A.requires_grad else singular_values(A)


Decomposed = results("svd", "U S V")


@composite(out=True)
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """A = U diag(S) Vᵀ: (U, S, V), the old form of `linalg.svd`, which gives Vᵀ; without `compute_uv` U and V are zeros."""
    must_be_matrices("linalg.svd", input, "A")
    if compute_uv:
        U, S, Vh = linalg_svd(input, not some)
        return Decomposed(U, S, Vh.mT)
    m, n = input.shape[-2:]
    zeros = [input.new_zeros((*input.shape[:-2], size, size)) for size in (m, n)]
    return Decomposed(zeros[0], linalg_svdvals(input), zeros[1])


# ---- eigenvalues of symmetric matrices ----


@op(name="linalg_eigh", public=False, promote=None, outputs=("eigenvalues", "eigenvectors"), keeps_layout=True)
def eigh(xp: Any, A: Array, UPLO: str) -> tuple[Array, Array]:
    """A = Q diag(λ) Qᵀ of symmetric A: λ ascending, Q orthogonal"""
    values, Q = lapack.eigh(xp, A, UPLO)
    return values, lapack.by_columns(xp, Q)


@eigh.grad
def eigh_grad(g: Tensor | None, g_eigenvectors: Tensor | None, eigenvalues: Tensor, eigenvectors: Tensor) -> Tensor:
    """∂L/∂A = Q [diag(g_λ) + (Qᵀ g_Q) / E] Qᵀ, E_ij = λ_j − λ_i; 0 on the diagonal of the second"""
    inner = _on_diagonals(eigenvalues * 0 if g is None else g)
    if g_eigenvectors is not None:
        turned = mT(eigenvectors) @ g_eigenvectors
        apart = _apart(unsqueeze(eigenvalues, -2) - unsqueeze(eigenvalues, -1), eigenvalues)
        inner = inner + _skew(turned) / 2 / apart
    return eigenvectors @ inner @ mT(eigenvectors)


def _check_eigh(A: Tensor, UPLO: str) -> str:
    must_be_square("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper()


@function(out=True)
def linalg_eigh(A: Tensor, UPLO: str = "L") -> Any:
    """A = Q diag(λ) Qᵀ of symmetric matrices (*, N, N): (λ ascending, Q). One triangle is read, the lower or the upper ("U")."""
    return eigh(A, _check_eigh(A, UPLO))


@function(out=True)
def linalg_eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices (*, N, N), ascending; one triangle is read, the lower or the upper ("U").

    >>> minitorch.linalg.eigvalsh(minitorch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([1., 3.])
    """
    return eigh(A, _check_eigh(A, UPLO)).eigenvalues


# ---- eigenvalues of any matrices, where they are real ----


@op(name="linalg_eig", public=False, promote=None, outputs=("eigenvalues", "eigenvectors"))
def eig(xp: Any, A: Array) -> tuple[Array, Array]:
    """A V = V diag(λ): the columns of V have length 1"""
    values, vectors = lapack.eig(xp, A)
    if values.dtype.kind == "c":
        complex_ones = values[abs(values.imag) > 0]
        raise RuntimeError(
            f"linalg.eig: the eigenvalue {complex_ones.reshape(-1)[0]:.4g} is complex, and minitorch has no complex numbers: only "
            "matrices whose eigenvalues are all real can be decomposed. For symmetric ones there is linalg.eigh"
        )
    return values, vectors


@eig.grad
def eig_grad(g: Tensor | None, g_eigenvectors: Tensor | None, eigenvalues: Tensor, eigenvectors: Tensor) -> Tensor:
    """∂L/∂A = V⁻ᵀ [diag(g_λ) + (Vᵀ g_V − Vᵀ V diag(Vᵀ g_V)) / E] Vᵀ, E_ij = λ_j − λ_i"""
    inner = _on_diagonals(eigenvalues * 0 if g is None else g)
    V = eigenvectors
    if g_eigenvectors is not None:
        turned = mT(V) @ g_eigenvectors
        apart = _apart(unsqueeze(eigenvalues, -2) - unsqueeze(eigenvalues, -1), eigenvalues)
        of_one_length = turned - mT(V) @ V * unsqueeze(diagonal(turned, 0, -2, -1), -2)
        inner = inner + of_one_length / apart
    return solve(mT(V), inner @ mT(V))[0]


@function(out=True)
def linalg_eig(A: Tensor) -> Any:
    """A V = V diag(λ) of square matrices (*, N, N): (λ, V), where all λ are real: of complex ones there are no tensors here."""
    must_be_floats("linalg.eig", A)
    must_be_square("linalg.eig", A)
    return eig(A)


@function(out=True)
def linalg_eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of square matrices (*, N, N), where all are real: of complex ones there are no tensors here."""
    must_be_floats("linalg.eigvals", A)
    must_be_square("linalg.eigvals", A)
    return eig(A).eigenvalues
