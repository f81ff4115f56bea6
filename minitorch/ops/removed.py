"""What torch had once and refuses now, in its words: `eig`, `lstsq`, `matrix_rank`, `solve`, `symeig`. Each says what to write instead."""

from __future__ import annotations

from typing import Any, NoReturn

GONE = "This function was deprecated since version 1.9 and is now removed."


def eig(self: Any, eigenvectors: bool = False, *, e: Any = None, v: Any = None) -> NoReturn:
    """Refused: `linalg.eig` is there."""
    raise RuntimeError(
        f"{GONE} `linalg.eig` takes its place: L = linalg.eigvals(A), and L, V = linalg.eig(A) with eigenvectors=True"
    )


def lstsq(input: Any, A: Any, *, out: Any = None) -> NoReturn:
    """Refused: `linalg.lstsq` is there."""
    raise RuntimeError(
        f"{GONE} `linalg.lstsq` takes its place, with the arguments reversed: X = linalg.lstsq(A, B).solution; the residuals have a "
        "field of their own, and for the QR decomposition there is linalg.qr"
    )


def matrix_rank(input: Any, tol: Any = None, symmetric: bool = False, *, out: Any = None) -> NoReturn:
    """Refused: `linalg.matrix_rank` is there."""
    raise RuntimeError(f"{GONE} Use linalg.matrix_rank, where 'symmetric' is called 'hermitian'")


def solve(input: Any, A: Any, *, out: Any = None) -> NoReturn:
    """Refused: `linalg.solve` is there."""
    raise RuntimeError(
        f"{GONE} `linalg.solve` takes its place, with the arguments reversed: X = linalg.solve(A, B); for the LU factorization there is "
        "linalg.lu_factor"
    )


def symeig(input: Any, eigenvectors: bool = False, upper: bool = True, *, out: Any = None) -> NoReturn:
    """Refused: `linalg.eigh` is there."""
    raise RuntimeError(
        f"{GONE} Use linalg.eigvalsh(A, UPLO), or linalg.eigh(A, UPLO) with eigenvectors=True; UPLO is 'U' for upper, which was what was "
        "read, and 'L', the default now, for lower"
    )
