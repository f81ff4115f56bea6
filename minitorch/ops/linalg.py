"""Systems of linear equations: `solve`, `inv`, `solve_triangular`, and what is made of them.

The derivatives are in M. Giles, *Collected matrix derivative results for forward and reverse mode* (2008): with C = A⁻¹,
dC = −C dA C. A function that ends in `_ex` tells by `info` what went wrong, the others raise LinAlgError.
Read next: `decompositions.py`, Cholesky, LU and QR; `spectral.py`, singular values and eigenvalues; `determinants.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays import lapack
from ..op import Array, composite, op
from ..op.signature import Dims
from .diagonals import tril, triu
from .dims import as_ints
from .matrices import (
    function,
    in_one_batch,
    mT,
    must_agree,
    must_be_floats,
    must_be_matrices,
    must_be_square,
    must_have_succeeded,
    results,
)

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- A X = B ----


@op(name="linalg_solve_ex", public=False, promote=None, outputs=("result", "info"), keeps_layout=True)
def solve(xp: Any, A: Array, B: Array) -> tuple[Array, Array]:
    """X with A X = B"""
    X, info = lapack.solve(xp, A, B)
    return lapack.by_columns(xp, X), info


@solve.grad("A")
def solve_grad_a(g: Tensor, A: Tensor, result: Tensor) -> Tensor:
    """∂L/∂A = −(A⁻ᵀ g) Xᵀ"""
    return -(solve(mT(A), g)[0] @ mT(result))


@solve.grad("B")
def solve_grad_b(g: Tensor, A: Tensor) -> Tensor:
    """∂L/∂B = A⁻ᵀ g"""
    return solve(mT(A), g)[0]


@function(out=True)
def linalg_solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """(X with A X = B, info); info is 0, or which pivot of A is 0: then X has ∞ and nan, or LinAlgError is raised."""
    found = _solve("linalg.solve", A, B, left)
    if check_errors:
        must_have_succeeded("torch.linalg.solve_ex", found.info, _no_solution)
    return found


@function(out=True)
def linalg_solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or X A = B without `left`; LinAlgError if A is singular.

    A (*, N, N); B (*, N, K), or (N) or (*, N) if it has A's batch dimensions: then a vector of each.

    >>> minitorch.linalg.solve(minitorch.tensor([[2.0, 0.0], [0.0, 4.0]]), minitorch.tensor([1.0, 1.0]))
    tensor([0.5000, 0.2500])
    """
    found = _solve("linalg.solve", A, B, left)
    must_have_succeeded("torch.linalg.solve", found.info, _no_solution)
    return found.result


def _solve(name: str, A: Tensor, B: Tensor, left: bool) -> Any:
    """solve's outputs for matrices or vectors on either side."""
    must_be_floats(name, A)
    must_agree(name, A, B)
    must_be_square(name, A)
    if B.ndim == 1 or B.shape == A.shape[:-1]:
        if not left:
            raise RuntimeError(
                f"{name}: Vector broadcasting of the left hand side is not supported for left=False. In this case {name} is "
                "equivalent to B / A.squeeze(-1)"
            )
        found = _solve(name, A, B.unsqueeze(-1), True)
        return found._replace(result=found.result.squeeze(-1))
    must_be_matrices(name, B, "B")
    must_fit(name, A, B, left)
    A, B = in_one_batch(A, B)
    if left:
        return solve(A, B)
    found = solve(A.mT, B.mT)
    return found._replace(result=found.result.mT)


def must_fit(name: str, A: Tensor, B: Tensor, left: bool) -> None:
    """RuntimeError unless A has as many columns as B has rows, or rows as B has columns without `left`."""
    if A.shape[-2] != B.shape[-2 if left else -1]:
        (m, n), (k, r) = A.shape[-2:], B.shape[-2:]
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(f"{name}: Incompatible shapes of A and B for the equation {equation} ({m}x{n} and {k}x{r})")


def _no_solution(pivot: int) -> str:
    return "The solver failed because the input matrix is singular."


# ---- A⁻¹ ----


@op(name="linalg_inv_ex", public=False, promote=None, outputs=("inverse", "info"), keeps_layout=True)
def inverse_of(xp: Any, A: Array) -> tuple[Array, Array]:
    """A⁻¹"""
    inverse, info = lapack.inverse(xp, A)
    return lapack.by_columns(xp, inverse), info


@inverse_of.grad
def inverse_of_grad(g: Tensor, inverse: Tensor) -> Tensor:
    """∂L/∂A = −A⁻ᵀ g A⁻ᵀ"""
    return -(mT(inverse) @ g @ mT(inverse))


@function(out=True)
def linalg_inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """(A⁻¹, info) of matrices (*, N, N); info is 0, or which pivot is 0: then LinAlgError is raised if errors are checked."""
    return _inverse("linalg.inv_ex", A, check_errors)


@function(out=True)
def linalg_inv(A: Tensor) -> Tensor:
    """A⁻¹ of matrices (*, N, N); LinAlgError for a singular one.

    >>> minitorch.linalg.inv(minitorch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return _inverse("linalg.inv", A, True).inverse


@composite(out=True)
def inverse(input: Tensor) -> Tensor:
    """`linalg.inv`: A⁻¹"""
    return linalg_inv(input)


def _inverse(name: str, A: Tensor, check_errors: bool) -> Any:
    must_be_floats(name, A, half=False)
    must_be_square(name, A)
    found = inverse_of(A)
    if check_errors:
        must_have_succeeded(
            name,
            found.info,
            lambda pivot: (
                f"The diagonal element {pivot} is zero, the inversion could not be completed because the input matrix is singular."
            ),
        )
    return found


# ---- triangles ----


@op(name="linalg_solve_triangular", public=False, promote=None, keeps_layout=True)
def triangular(xp: Any, A: Array, B: Array, upper: bool, unit: bool = False) -> Array:
    """X with A X = B, A a triangle of which the rest is not read; `unit`: with ones on its diagonal"""
    return lapack.by_columns(xp, lapack.triangular(xp, A, B, not upper, unit))


@triangular.grad("A")
def triangular_grad_a(g: Tensor, A: Tensor, out: Tensor, upper: bool, unit: bool) -> Tensor:
    """∂L/∂A = −(A⁻ᵀ g) Xᵀ, of which A's triangle"""
    full = -(triangular(mT(A), g, not upper, unit) @ mT(out))
    return triu(full, int(unit)) if upper else tril(full, -int(unit))


@triangular.grad("B")
def triangular_grad_b(g: Tensor, A: Tensor, upper: bool, unit: bool) -> Tensor:
    """∂L/∂B = A⁻ᵀ g"""
    return triangular(mT(A), g, not upper, unit)


@function(out=True)
def linalg_solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with A X = B, or X A = B without `left`, for a triangular A; what lies beyond its triangle is not read.

    A singular A gives ∞ and nan. unitriangular: A's diagonal is taken for ones.
    """
    name = "linalg.solve_triangular"
    B = B.to(A.dtype)
    must_be_square(name, A)
    must_be_matrices(name, B, "B")
    must_fit(name, A, B, left)
    A, B = in_one_batch(A, B)
    return triangular(A, B, upper, unitriangular) if left else triangular(A.mT, B.mT, not upper, unitriangular).mT


Solved = results("triangular_solve", "solution cloned_coefficient")


@composite(out=True)
def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """(X with A X = B, a copy of A): the old form of `linalg.solve_triangular`, which torch advises to use."""
    name = "triangular_solve"
    if input.ndim < 2 or A.ndim < 2:
        raise RuntimeError(
            f"torch.{name}: Expected b and A to have at least 2 dimensions, but they have {input.ndim} and {A.ndim} dimensions"
        )
    must_agree(name, A, input)
    must_be_square(name, A)
    must_fit(name, A, input, True)
    A, B = in_one_batch(A, input)
    solution = triangular(A.mT, B, not upper, unitriangular) if transpose else triangular(A, B, upper, unitriangular)
    return Solved(solution, A.clone())


# ---- tensors taken for matrices ----


@function(out=True)
def linalg_tensorsolve(A: Tensor, B: Tensor, dims: Dims | None = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B: A's first dimensions are B's, its others X's; `dims` of A are moved to the end first."""
    name = "linalg.tensorsolve"
    if dims is not None:
        moved = as_ints(dims)
        A = A.movedim(moved, tuple(range(A.ndim - len(moved), A.ndim)))
    shape = A.shape[B.ndim :]
    if math.prod(A.shape[: B.ndim]) != math.prod(shape):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got "
            f"{math.prod(shape)} != {math.prod(A.shape[: B.ndim])}"
        )
    must_be_floats(name, A)
    n = math.prod(shape)
    return linalg_solve(A.reshape(n, n), B.flatten()).reshape(shape)


@function(out=True)
def linalg_tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """X with tensordot(X, A, ind) = the identity: A's first `ind` dimensions are the rows of a square matrix."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    rows, columns = A.shape[:ind], A.shape[ind:]
    n = math.prod(columns)
    if math.prod(rows) != n:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{n} != {math.prod(rows)}"
        )
    return linalg_inv(A.reshape(n, n)).reshape(*columns, *rows)
