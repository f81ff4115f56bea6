"""The methods of Tensor: factorizations, inverses and determinants of matrices. Each is one line that names its op."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ops import decompositions, determinants, least_squares, linalg, products, removed, spectral

if TYPE_CHECKING:
    from ..tensor import Tensor


class Algebra:
    """Linear algebra."""

    # ---- inverses, determinants, powers ----

    def inverse(self) -> Tensor:
        return linalg.inverse(self)

    def pinverse(self, rcond: float = 1e-15) -> Tensor:
        return least_squares.pinverse(self, rcond)

    def det(self) -> Tensor:
        return determinants.det(self)

    def slogdet(self) -> Any:
        return determinants.slogdet(self)

    def logdet(self) -> Tensor:
        return determinants.logdet(self)

    def matrix_power(self, n: int) -> Tensor:
        return products.matrix_power(self, n)

    def matrix_exp(self) -> Tensor:
        return products.matrix_exp(self)

    def triangular_solve(self, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False) -> Any:
        return linalg.triangular_solve(self, A, upper, transpose, unitriangular)

    # ---- factorizations ----

    def cholesky(self, upper: bool = False) -> Tensor:
        return decompositions.cholesky(self, upper)

    def cholesky_inverse(self, upper: bool = False) -> Tensor:
        return decompositions.cholesky_inverse(self, upper)

    def cholesky_solve(self, input2: Tensor, upper: bool = False) -> Tensor:
        return decompositions.cholesky_solve(self, input2, upper)

    def lu(self, pivot: bool = True, get_infos: bool = False) -> Any:
        return decompositions.lu(self, pivot, get_infos)

    def lu_solve(self, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
        return decompositions.lu_solve(self, LU_data, LU_pivots)

    def qr(self, some: bool = True) -> Any:
        return decompositions.qr(self, some)

    def svd(self, some: bool = True, compute_uv: bool = True) -> Any:
        return spectral.svd(self, some, compute_uv)

    def geqrf(self) -> Any:
        return products.geqrf(self)

    def orgqr(self, input2: Tensor) -> Tensor:
        return products.orgqr(self, input2)

    def ormqr(self, input2: Tensor, input3: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
        return products.ormqr(self, input2, input3, left, transpose)

    # ---- refused ----

    def eig(self, eigenvectors: bool = False) -> Any:
        return removed.eig(self, eigenvectors)

    def lstsq(self, other: Tensor) -> Any:
        return removed.lstsq(self, other)

    def solve(self, other: Tensor) -> Any:
        return removed.solve(self, other)

    def symeig(self, eigenvectors: bool = False) -> Any:
        return removed.symeig(self, eigenvectors)
