"""Where a matrix has no inverse: `pinv`, `lstsq`, `matrix_rank`. Small singular values count as 0; `atol` and `rtol` say how small.

The derivative of A⁺ is in G. H. Golub and V. Pereyra, *The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate* (1973); it holds as long as the rank stays. Read next: `norms.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays import lapack
from ..arrays.dtypes import SCALAR_NAMES, finfo, from_numpy_dtype
from ..op import Array, Index, composite, op
from .matrices import function, in_one_batch, mT, must_be_square, results

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- what counts as 0 ----


def _nothing(xp: Any, values: Array, atol: Array | None, rtol: Array | None, sides: tuple[int, int]) -> Array:
    """Where a singular value counts as 0: it is not above max(atol, rtol · the largest of its matrix)."""
    largest = values.max(-1) if values.shape[-1] else xp.zeros(values.shape[:-1], values.dtype)
    usual = max(sides) * finfo(from_numpy_dtype(values.dtype)).eps
    if rtol is None:
        rtol = usual if atol is None else xp.where(atol > 0, 0.0, usual)
    least = rtol * largest if atol is None else xp.maximum(atol, rtol * largest)
    return values <= least[..., None]


def _tolerances(A: Tensor, *given: float | Tensor | None) -> list[Tensor | None]:
    """Numbers as tensors beside A."""
    return [A.new_tensor(x) if isinstance(x, (int, float)) else x for x in given]


# ---- A⁺ ----


@op(name="linalg_pinv", public=False, promote=None)
def pseudo_inverse(xp: Any, A: Array, atol: Index | None, rtol: Index | None, hermitian: bool) -> Array:
    """A⁺ = V diag(1/s) Uᵀ, with 0 for 1/s where s counts as 0"""
    if not A.size:
        return xp.zeros((*A.shape[:-2], *A.shape[:-3:-1]), A.dtype)
    if hermitian:
        values, U = lapack.eigh(xp, A, "L")
        Vh = U.swapaxes(-1, -2)
    else:
        U, values, Vh = lapack.svd(xp, A)
    nothing = _nothing(xp, xp.abs(values), atol, rtol, A.shape[-2:])
    inverted = xp.where(nothing, xp.zeros((), A.dtype), 1 / values)
    return xp.matmul(Vh.swapaxes(-1, -2) * inverted[..., None, :], U.swapaxes(-1, -2))


@pseudo_inverse.grad
def pseudo_inverse_grad(g: Tensor, A: Tensor, out: Tensor) -> Tensor:
    """∂L/∂A = −A⁺ᵀ g A⁺ᵀ + (I − A A⁺) gᵀ A⁺ A⁺ᵀ + A⁺ᵀ A⁺ gᵀ (I − A⁺ A)"""
    return _by_pseudo_inverse(g, A, out)


def _by_pseudo_inverse(g: Tensor, A: Tensor, P: Tensor) -> Tensor:
    """What the gradient of A⁺ = P sends to A."""
    left, right = mT(g) @ P @ mT(P), mT(P) @ P @ mT(g)
    return -(mT(P) @ g @ mT(P)) + (left - A @ (P @ left)) + (right - right @ P @ A)


@function(out=True)
def linalg_pinv(
    input: Tensor,
    rcond: float | Tensor | None = None,
    hermitian: bool = False,
    *,
    atol: float | Tensor | None = None,
    rtol: float | Tensor | None = None,
) -> Tensor:
    """The pseudo-inverse of matrices (*, M, N), (*, N, M): X = A⁺ b is the shortest x for which ‖A x − b‖ is smallest.

    Singular values up to max(atol, rtol · the largest) count as 0; rtol is ε max(M, N) unless one of both is given; `rcond` is its
    old name. hermitian: A is symmetric, and one triangle of it is read.
    """
    if input.ndim < 2 or not input.is_floating_point() or input.dtype.itemsize < 4:
        kind, shape = SCALAR_NAMES[input.dtype.name], list(input.shape)
        raise RuntimeError(
            f"linalg.pinv({kind}{{{shape}}}): expected a tensor with 2 or more dimensions of float, double, cfloat or cdouble types"
        )
    if hermitian:
        must_be_square("linalg.pinv", input)
    tolerances = _tolerances(input, atol, rcond if rtol is None else rtol)
    return pseudo_inverse(input, *tolerances, hermitian)


@composite
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`linalg.pinv` with another tolerance."""
    return linalg_pinv(input, rcond)


# ---- rank ----


@op(name="linalg_matrix_rank", public=False, promote=None, discrete=True)
def rank(xp: Any, A: Array, atol: Index | None, rtol: Index | None, hermitian: bool) -> Array:
    """How many singular values of A do not count as 0"""
    if not A.size:
        return xp.zeros(A.shape[:-2], "int64")
    sizes = xp.abs(lapack.eigh(xp, A, "L")[0]) if hermitian else lapack.svd(xp, A, compute_uv=False)
    return (~_nothing(xp, sizes, atol, rtol, A.shape[-2:])).sum(-1)


@function(out=True)
def linalg_matrix_rank(
    input: Tensor,
    tol: float | Tensor | None = None,
    hermitian: bool = False,
    *,
    atol: float | Tensor | None = None,
    rtol: float | Tensor | None = None,
) -> Tensor:
    """How many singular values of matrices (*, M, N) are above max(atol, rtol · the largest); `tol` is atol alone.

    rtol is ε max(M, N) unless one of both is given. hermitian: A is symmetric, and one triangle of it is read.
    """
    _must_be_full(input)
    if input.ndim < 2:
        raise RuntimeError("linalg.matrix_rank: The input tensor input must have at least 2 dimensions.")
    if hermitian:
        must_be_square("linalg.matrix_rank", input)
    atol, rtol = (atol, rtol) if tol is None else (tol, 0.0)
    return rank(input, *_tolerances(input, atol, rtol), hermitian)


def _must_be_full(x: Tensor) -> None:
    if not x.is_floating_point() or x.dtype.itemsize < 4:
        raise RuntimeError(
            "This function doesn't handle types other than float and double; convert the input, e.g. x.float()"
        )


# ---- least squares ----

DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@op(name="linalg_lstsq", public=False, promote=None, outputs=("solution", "rank", "singular_values"), keeps_layout=True)
def least_squares(xp: Any, A: Array, B: Array, rcond: float, driver: str) -> tuple[Array, Array, Array]:
    """X = A⁺ B: ‖A X − B‖ is smallest"""
    X, rank, values = lapack.lstsq(xp, A, B, rcond, driver)
    return lapack.by_columns(xp, X), rank, values


@least_squares.grad("A")
def least_squares_grad_a(g: Tensor, A: Tensor, B: Tensor) -> Tensor:
    """∂L/∂A: that of A⁺, to which g Bᵀ arrives"""
    return _by_pseudo_inverse(g @ mT(B), A, pseudo_inverse(A, None, None, False))


@least_squares.grad("B")
def least_squares_grad_b(g: Tensor, A: Tensor) -> Tensor:
    """∂L/∂B = A⁺ᵀ g"""
    return mT(pseudo_inverse(A, None, None, False)) @ g


Fitted = results("linalg_lstsq", "solution residuals rank singular_values")


@function(out=True)
def linalg_lstsq(input: Tensor, b: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """X with ‖A X − B‖ smallest: (X, ‖A X − B‖² of each column, rank of A, singular values) of A (*, M, N), B (*, M, K) or (*, M).

    driver, of LAPACK: "gelsy" (unless told; QR with pivots), "gels" (QR: A must have full rank), "gelsd" and "gelss" (by singular
    values). Residuals come of all but gelsy where M > N and A has full rank. rcond: what counts as 0; ε max(M, N) unless told.
    """
    B = _checked_right_side(input, b)
    driver = driver or ("gelsy" if input.is_cpu else "gels")
    if driver not in DRIVERS:
        raise RuntimeError(f"linalg.lstsq: parameter `driver` should be one of ({', '.join(DRIVERS)}), got {driver!r}")
    m, n = input.shape[-2:]
    A, B = in_one_batch(input, B)
    rcond = finfo(input.dtype).eps * max(m, n) if rcond is None else rcond
    solution, found, values = least_squares(A, B, rcond, driver)
    residuals, nothing = solution.flatten()[:0], solution.new_zeros(0)
    if m > n and driver != "gelsy" and (driver == "gels" or bool((found == n).all())):
        apart = A @ solution - B
        residuals = (apart * apart).sum(-2)
    return Fitted(
        solution.squeeze(-1) if b.ndim < input.ndim else solution,
        residuals,
        nothing.long() if driver == "gels" else found,
        values if driver in ("gelsd", "gelss") else nothing,
    )


def _checked_right_side(A: Tensor, b: Tensor) -> Tensor:
    """B as matrices; RuntimeError if it does not fit A."""
    name = "linalg.lstsq"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if A.dtype is not b.dtype:
        kinds = [SCALAR_NAMES[x.dtype.name] for x in (A, b)]
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {kinds[0]} and other's dtype {kinds[1]}"
        )
    if not 0 <= A.ndim - b.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1"
        )
    B = b.unsqueeze(-1) if b.ndim < A.ndim else b
    if A.shape[-2] != B.shape[-2]:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({-1 if b.ndim < A.ndim else -2})")
    _must_be_full(A)
    return B
