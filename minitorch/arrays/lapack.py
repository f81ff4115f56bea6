"""Factorizations of batches of matrices, with LAPACK's `info`: 0, or where a factorization broke down.

NumPy and CuPy factorize whole batches, but say of a failure only that there was one, and have no LU factors and no triangular systems.
SciPy (`cupyx.scipy` on a GPU) has these, for one matrix at a time. Read next: `ops/linalg.py`, which asks here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .device import linear_algebra, on_host, telling_failures
from .dtypes import SCALAR_NAMES, from_numpy_dtype

Array = Any


class LinAlgError(RuntimeError):
    """What a matrix does not have: an inverse, a Cholesky factor, a decomposition that converges."""

    __module__ = "minitorch.linalg"


def _fortran(library: str, name: str, a: Array) -> Any:
    """A function of "lapack" or "blas", for NumPy arrays of a's dtype.

    It loses count of references where no array can be made of an argument, as while a step is recorded: NumPy tries that first.
    """
    found = getattr(getattr(linear_algebra(np), library), f"get_{library}_funcs")((name,), (a,))[0]
    return lambda *args, **options: found(*map(np.asarray, args), **options)


def of_full_precision(kernel: str, x: Array) -> None:
    """NotImplementedError for anything but float32 and float64."""
    if x.dtype.kind != "f" or x.dtype.itemsize < 4:
        kind = SCALAR_NAMES[from_numpy_dtype(x.dtype).name]
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{kind}'; convert the input first, e.g. x.float()")


def by_columns(xp: Any, *matrices: Array) -> Any:
    """Matrices in memory as LAPACK leaves them and torch shows them: one column after the other."""
    made = tuple(xp.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2) for x in matrices)
    return made if len(made) > 1 else made[0]


def _no_failure(xp: Any, a: Array) -> Array:
    return xp.zeros(a.shape[:-2], "int32")


# ---- LU ----


def lu(xp: Any, a: Array) -> tuple[Array, Array, Array]:
    """(L below the diagonal and U above in one, the rows exchanged, counted from 1, info) with rows of A exchanged = L U.

    info: the place of the first 0 on U's diagonal, counted from 1.
    """
    of_full_precision("lu_cpu", a)
    factors, pivots = xp.empty(a.shape, a.dtype), xp.empty((*a.shape[:-2], min(a.shape[-2:])), "int32")
    factor = _getrf(xp, a)
    for place in np.ndindex(a.shape[:-2]) if a.size else ():
        factors[place], pivots[place] = factor(a[place])
    zero = factors.diagonal(0, -2, -1) == 0
    info = xp.where(zero.any(-1), zero.argmax(-1) + 1, 0) if zero.shape[-1] else xp.zeros(zero.shape[:-1])
    return factors, pivots + 1, info.astype("int32")


def _getrf(xp: Any, a: Array) -> Any:
    """The LU factorization of one matrix, and the rows exchanged, counted from 0."""
    if on_host(xp):
        getrf = _fortran("lapack", "getrf", a)
        return lambda matrix: getrf(matrix)[:2]
    return lambda matrix: linear_algebra(xp).lu_factor(matrix, check_finite=False)


def order_of_rows(xp: Any, pivots: Array, m: int) -> Array:
    """Which row of A stands where in L U: the exchanges of rows, one after the other, as one permutation of m."""
    order = xp.broadcast_to(xp.arange(m), (*pivots.shape[:-1], m)).copy()
    for i in range(pivots.shape[-1]):
        other = pivots[..., i : i + 1].astype("int64") - 1
        first, second = order[..., i : i + 1].copy(), xp.take_along_axis(order, other, -1)
        xp.put_along_axis(order, other, first, -1)
        order[..., i : i + 1] = second
    return order


def triangular(xp: Any, a: Array, b: Array, lower: bool, unit: bool) -> Array:
    """X with A X = B for triangles A; ∞ and nan where the diagonal has zeros. unit: the diagonal is taken for ones."""
    of_full_precision("triangular_solve_cpu", b)
    out = xp.empty(b.shape, b.dtype)
    solve = _trsm(xp, a, lower, unit)
    for place in np.ndindex(b.shape[:-2]) if b.size else ():
        out[place] = solve(a[place], b[place])
    return out


def _trsm(xp: Any, a: Array, lower: bool, unit: bool) -> Any:
    """What solves one triangular system."""
    if on_host(xp):
        trsm = _fortran("blas", "trsm", a)
        return lambda matrix, b: trsm(1.0, matrix, b, lower=lower, diag=unit)
    return lambda matrix, b: linear_algebra(xp).solve_triangular(
        matrix, b, lower=lower, unit_diagonal=unit, check_finite=False
    )


# ---- systems of equations ----


def solve(xp: Any, a: Array, b: Array) -> tuple[Array, Array]:
    """(X with A X = B, info): ∞ and nan where A is singular."""
    of_full_precision("lu_cpu", a)
    try:
        with telling_failures(xp):
            return xp.linalg.solve(a, b), _no_failure(xp, a)
    except np.linalg.LinAlgError:
        factors, pivots, info = lu(xp, a)
    rows = xp.take_along_axis(b, order_of_rows(xp, pivots, a.shape[-2])[..., None], -2)
    return triangular(xp, factors, triangular(xp, factors, rows, True, True), False, False), info


def inverse(xp: Any, a: Array) -> tuple[Array, Array]:
    """(A⁻¹, info): ∞ and nan where A is singular."""
    of_full_precision("lu_cpu", a)
    try:
        with telling_failures(xp):
            return xp.linalg.inv(a), _no_failure(xp, a)
    except np.linalg.LinAlgError:
        return solve(xp, a, xp.broadcast_to(xp.eye(a.shape[-1], dtype=a.dtype), a.shape))


# ---- Cholesky ----


def cholesky(xp: Any, a: Array) -> tuple[Array, Array]:
    """(L with L Lᵀ = A, info). A's upper triangle is not read. info: the order of the first minor that is not positive."""
    of_full_precision("cholesky_cpu", a)
    try:
        with telling_failures(xp):
            return xp.linalg.cholesky(a), _no_failure(xp, a)
    except np.linalg.LinAlgError:
        if not on_host(xp):
            raise LinAlgError(
                "cholesky: the input is not positive-definite; CuPy does not tell which matrix, nor where"
            ) from None
    potrf = _fortran("lapack", "potrf", a)
    out, info = np.empty(a.shape, a.dtype), np.empty(a.shape[:-2], "int32")
    for place in np.ndindex(a.shape[:-2]):
        out[place], info[place] = potrf(a[place], lower=True, clean=True)
    return out, info


def geqrf(xp: Any, a: Array) -> tuple[Array, Array]:
    """(R above the diagonal and the reflections below it, τ): Q R = A before Q is put together."""
    of_full_precision("geqrf_cpu", a)
    h, tau = xp.linalg.qr(a, mode="raw")
    return h.swapaxes(-1, -2), tau


def qr(xp: Any, a: Array, mode: str) -> Any:
    """Q and R with A = Q R; R alone in the mode "r"."""
    of_full_precision("geqrf_cpu", a)
    return xp.linalg.qr(a, mode=mode)


def lstsq(xp: Any, a: Array, b: Array, rcond: float, driver: str) -> tuple[Array, Array, Array]:
    """(X that makes ‖A X − B‖ smallest, and is itself the shortest; the rank of A; its singular values).

    A singular value below rcond times the largest counts as 0. A GPU has one driver.
    """
    k = min(a.shape[-2:])
    out = xp.zeros((*a.shape[:-2], a.shape[-1], b.shape[-1]), a.dtype)
    rank, values = xp.zeros(a.shape[:-2], "int64"), xp.zeros((*a.shape[:-2], k), a.dtype)
    for place in np.ndindex(a.shape[:-2]) if a.size else ():
        if not on_host(xp):
            out[place], _, rank[place], values[place] = xp.linalg.lstsq(a[place], b[place], rcond)
        elif driver == "gels":
            out[place] = _gels(a[place], b[place])
        else:
            found = linear_algebra(xp).lstsq(a[place], b[place], rcond, check_finite=False, lapack_driver=driver)
            out[place], rank[place] = found[0], found[2]
            values[place] = 0 if found[3] is None else found[3]
    return out, rank, values


def _gels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The solution by QR, for a matrix of full rank."""
    gels = _fortran("lapack", "gels", a)
    m, n = a.shape
    padded = np.zeros((max(m, n), b.shape[-1]), a.dtype)
    padded[:m] = b
    return gels(a, padded)[1][:n]


# ---- decompositions that may fail to converge ----


def svd(xp: Any, a: Array, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    """U, S, Vᵀ with A = U diag(S) Vᵀ; S alone without compute_uv."""
    of_full_precision("linalg_svd_cpu", a)
    try:
        with telling_failures(xp):
            return xp.linalg.svd(a, full_matrices=full_matrices, compute_uv=compute_uv)
    except np.linalg.LinAlgError:
        raise _not_converged("linalg.svd", xp, a) from None


def eigh(xp: Any, a: Array, uplo: str) -> tuple[Array, Array]:
    """λ ascending and Q with A = Q diag(λ) Qᵀ, of which one triangle is read; nan of a matrix that has nan."""
    of_full_precision("linalg_eigh_cpu", a)
    try:
        with telling_failures(xp):
            return tuple(xp.linalg.eigh(a, uplo))
    except np.linalg.LinAlgError:
        raise _not_converged("linalg.eigh", xp, a) from None


def eig(xp: Any, a: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors (columns) of any square matrix, as NumPy has them: complex if one of them is."""
    of_full_precision("linalg_eig_cpu", a)
    try:
        with telling_failures(xp):
            return tuple(xp.linalg.eig(a))
    except np.linalg.LinAlgError:
        raise _not_converged("linalg.eig", xp, a) from None


def _not_converged(name: str, xp: Any, a: Array) -> LinAlgError:
    """The error for the first matrix that is not finite, or for one that is and that LAPACK cannot decompose."""
    bad = (~xp.isfinite(a)).any((-2, -1)).reshape(-1)
    if not bool(bad.any()):
        return LinAlgError(f"{name}: The algorithm failed to converge because the input matrix is ill-conditioned.")
    which = f"(Batch element {int(bad.argmax())}): " if a.ndim > 2 else ""
    return LinAlgError(
        f"{name}: {which}The algorithm failed to converge because the input matrix contained non-finite values."
    )
