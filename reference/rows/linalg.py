"""Rows of linear algebra: a row is a formula in which several functions meet, of matrices that are far from singular.

Only what does not depend on the signs of vectors is compared. Samples of every function, shape and option, empty and singular matrices
are torch's own: `python -m reference opinfo --only linalg`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import minitorch

from ..strategies import floats
from ..table import pair


def formula(covers: str, function: Callable, **declaration: Any) -> None:
    """A row that covers these functions: `function(library, *arrays)` on both libraries, with the functions' docstrings."""

    def of_library(library: Any) -> Callable:
        def call(*args: Any, **options: Any) -> Any:
            return [t.contiguous().clone() for t in function(library, *args, **options)]  # LAPACK's lie by columns

        call.__doc__ = "\n\n".join(_named(library, name).__doc__ or "" for name in covers.split())
        return call

    options = {"special": False, "empty": False, "expand": False} | declaration
    pair(covers.split()[0], of_library(torch), of_library(minitorch), covers=covers, **options)


def _named(library: Any, name: str) -> Any:
    """The function, which is `linalg.solve` for "linalg_solve"."""
    place, _, rest = name.partition("linalg_")
    return getattr(library, name) if place else getattr(library.linalg, rest)


def regular(a: Any) -> Any:
    """A square matrix that is far from singular."""
    library = torch if isinstance(a, torch.Tensor) else minitorch
    return a + 20 * library.eye(a.shape[-1], dtype=a.dtype, device=a.device)


def apart(a: Any) -> Any:
    """A matrix whose singular values and eigenvalues are far apart and real."""
    library = torch if isinstance(a, torch.Tensor) else minitorch
    steps = library.arange(1, a.shape[-1] + 1, dtype=a.dtype, device=a.device)
    return a / 10 + library.diag(steps)[: a.shape[-2]]


square, tall = floats("N 3 3"), floats("N 3 2")


def systems(lib: Any, a: Any, b: Any) -> list:
    """X with A X = B; the same for triangles, and for what is a product of two"""
    A = regular(a)
    solved = lib.triangular_solve(b, A, transpose=True)[0]
    other = lib.linalg.solve_triangular(a / 10, b.mT, upper=False, left=False, unitriangular=True)
    return [
        lib.linalg.solve(A, b.mT, left=False),
        solved,
        other,
        lib.cholesky_solve(b, A.tril()),
        lib.cholesky_inverse(A.triu(), True),
    ]


def inverses(lib: Any, a: Any) -> list:
    """A⁻¹, powers of it, what a wide matrix has instead; the X for which ‖A X − B‖ is smallest, and how small it is"""
    fitted = lib.linalg.lstsq(apart(a[..., :2, :]).mT, a[..., 1:], driver="gels")
    return [regular(a).inverse(), lib.matrix_power(regular(a) / 20, -2), lib.pinverse(apart(a[..., :2, :])), *fitted[:2]]


def determinants(lib: Any, a: Any) -> list:
    """det A and ln |det A|"""
    A = regular(a)
    return [lib.det(a), lib.slogdet(A)[1], lib.logdet(A)]


def triangles_and_rotations(lib: Any, a: Any) -> list:
    """Cholesky's L and its transpose; Q and R of a tall, R of a wide matrix"""
    A = regular(a)
    P = regular(a @ a.mT)
    return [lib.cholesky(P), lib.cholesky(P, upper=True), *lib.qr(A[..., :2]), lib.qr(A[..., :2, :])[1]]


def eliminated(lib: Any, a: Any, b: Any) -> list:
    """P, L and U of a tall and of a wide matrix, and a system solved by those of a square one"""
    A = lib.roll(regular(a), 1, -2)
    unpacked = [t for x in (A[..., :2], A[..., :2, :]) for t in lib.lu_unpack(*lib.lu(x))]
    return [*unpacked, lib.lu_solve(b, *lib.lu(A))]


def reflections(lib: Any, a: Any, tau: Any, c: Any) -> list:
    """Products of reflections, and those that `geqrf` finds"""
    return [lib.orgqr(a, tau), lib.ormqr(a, tau, c.mT, False, True), *lib.geqrf(a.detach())]


def singular(lib: Any, a: Any) -> list:
    """Singular values, and functions of the vectors in which signs are squared or cancel"""
    U, S, V = lib.svd(apart(a.mT))
    return [S, U**2, V**2, (U * S**2) @ V.mT]


def eigenvalues(lib: Any, a: Any) -> list:
    """Eigenvalues of a symmetric matrix, and a function of it, Q diag(sin λ) Qᵀ; those of any, where they are real, and squares of its vectors"""
    values, Q = lib.linalg.eigh(apart(a + a.mT))
    others, V = lib.linalg.eig(apart(a / 10))
    if lib is torch:
        others, V = others.real, V.real
    order = others.detach().argsort(-1)
    squares = (V**2).gather(-1, order.unsqueeze(-2).expand(V.shape))
    return [values, (Q * values.sin().unsqueeze(-2)) @ Q.mT, others.gather(-1, order), squares]


def products(lib: Any, a: Any) -> list:
    """e^A, chains of products, norms of matrices"""
    first = a.reshape(-1, 3, 3)[0]
    flat = first[:, :2]
    return [
        lib.matrix_exp(a),
        lib.chain_matmul(flat.mT, first, flat),
        lib.nuclear_norm(flat),
        lib.frobenius_norm(a, (0, 1)),
        lib.linalg.matrix_norm(flat, -2),
    ]


formula("linalg_solve triangular_solve cholesky_solve cholesky_inverse", systems, a=square, b=floats("N 3 C"), gpu="waits")
formula("inverse matrix_power pinverse linalg_lstsq", inverses, a=square, gpu="waits")
formula("det slogdet logdet", determinants, a=square, gpu="waits")
formula("cholesky qr", triangles_and_rotations, a=square, gpu="waits")
formula("lu lu_unpack lu_solve", eliminated, a=square, b=floats("N 3 C"))
formula("orgqr ormqr geqrf", reflections, a=tall, tau=floats("N 2"), c=floats("N 3 C"))
formula("svd", singular, a=tall)
formula("linalg_eigh linalg_eig", eigenvalues, a=square)
formula("matrix_exp chain_matmul nuclear_norm frobenius_norm", products, a=square, gpu="waits")
