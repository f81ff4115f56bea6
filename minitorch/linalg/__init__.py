"""Linear algebra, as `torch.linalg` has it: the names. All of them take batches: matrices (*, M, N).

The mathematics is in `minitorch/ops/`: `linalg.py` (systems of equations), `decompositions.py`, `determinants.py`, `spectral.py`,
`least_squares.py`, `norms.py`, `products.py`. LAPACK is reached through NumPy and SciPy, on a GPU through CuPy.
"""

from __future__ import annotations

from minitorch.arrays.lapack import LinAlgError
from minitorch.ops.cross import linalg_cross as cross
from minitorch.ops.decompositions import linalg_cholesky as cholesky
from minitorch.ops.decompositions import linalg_cholesky_ex as cholesky_ex
from minitorch.ops.decompositions import linalg_lu as lu
from minitorch.ops.decompositions import linalg_lu_factor as lu_factor
from minitorch.ops.decompositions import linalg_lu_factor_ex as lu_factor_ex
from minitorch.ops.decompositions import linalg_lu_solve as lu_solve
from minitorch.ops.decompositions import linalg_qr as qr
from minitorch.ops.determinants import linalg_det as det
from minitorch.ops.determinants import linalg_slogdet as slogdet
from minitorch.ops.least_squares import linalg_lstsq as lstsq
from minitorch.ops.least_squares import linalg_matrix_rank as matrix_rank
from minitorch.ops.least_squares import linalg_pinv as pinv
from minitorch.ops.linalg import linalg_inv as inv
from minitorch.ops.linalg import linalg_inv_ex as inv_ex
from minitorch.ops.linalg import linalg_solve as solve
from minitorch.ops.linalg import linalg_solve_ex as solve_ex
from minitorch.ops.linalg import linalg_solve_triangular as solve_triangular
from minitorch.ops.linalg import linalg_tensorinv as tensorinv
from minitorch.ops.linalg import linalg_tensorsolve as tensorsolve
from minitorch.ops.norms import linalg_cond as cond
from minitorch.ops.norms import linalg_matrix_norm as matrix_norm
from minitorch.ops.norms import linalg_norm as norm
from minitorch.ops.norms import linalg_vector_norm as vector_norm
from minitorch.ops.products import linalg_diagonal as diagonal
from minitorch.ops.products import linalg_householder_product as householder_product
from minitorch.ops.products import linalg_matmul as matmul
from minitorch.ops.products import linalg_matrix_exp as matrix_exp
from minitorch.ops.products import linalg_matrix_power as matrix_power
from minitorch.ops.products import linalg_multi_dot as multi_dot
from minitorch.ops.products import linalg_vander as vander
from minitorch.ops.products import linalg_vecdot as vecdot
from minitorch.ops.spectral import linalg_eig as eig
from minitorch.ops.spectral import linalg_eigh as eigh
from minitorch.ops.spectral import linalg_eigvals as eigvals
from minitorch.ops.spectral import linalg_eigvalsh as eigvalsh
from minitorch.ops.spectral import linalg_svd as svd
from minitorch.ops.spectral import linalg_svdvals as svdvals

from ..rooms import answer_for_what_is_missing as _answer_for_what_is_missing

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "householder_product",
    "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power",
    "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals",
    "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip

_answer_for_what_is_missing(__name__)
