"""Linear algebra as users meet it: matrices that have no inverse, names of fields, what is refused, and what torch has removed.

Values and derivatives are compared in the rows (`reference/rows/linalg.py`) and on torch's own samples (`test_opinfo.py`).
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

import minitorch
from both import Scenarios, agree
from reference.opinfo_calls import entries

scenarios = Scenarios()


def singular(lib: Any, *batch: int) -> Any:
    """Matrices of which the second, or the only one, has no inverse."""
    x = lib.eye(2, dtype=lib.float64).repeat(*batch, 1, 1)
    x.reshape(-1, 2, 2)[1 if batch else 0] = lib.tensor([[1.0, 2.0], [2.0, 4.0]])
    return x


@scenarios.add
def matrices_lie_by_columns(lib):
    wide = lib.arange(24, dtype=lib.float64).reshape(2, 3, 4).sin()
    square = wide[..., :3] @ wide[..., :3].mT + lib.eye(3, dtype=lib.float64)
    linalg = lib.linalg
    made = [
        linalg.inv(square), linalg.solve(square, wide), linalg.solve_triangular(square, wide, upper=True), linalg.cholesky(square),
        *linalg.qr(wide), *linalg.qr(wide.mT), *linalg.svd(wide), *linalg.svd(wide, full_matrices=False), *linalg.eigh(square),
        *linalg.lu_factor(wide), *linalg.lu(wide), linalg.pinv(wide), linalg.lstsq(wide, wide)[0], linalg.matrix_power(square, -2),
        lib.cholesky_inverse(square), lib.cholesky_solve(wide, square), *lib.geqrf(wide), linalg.matrix_exp(square),
    ]  # fmt: skip
    return [tuple(x.stride()) for x in made]


@scenarios.add
def inverse_of_a_singular_matrix(lib):
    return lib.linalg.inv(singular(lib))


@scenarios.add
def inverse_of_a_batch_with_a_singular_matrix(lib):
    return lib.linalg.inv(singular(lib, 3))


@scenarios.add
def inverse_whose_errors_are_told(lib):
    return lib.linalg.inv_ex(singular(lib, 3)).info, lib.linalg.inv_ex(lib.eye(2))


@scenarios.add
def inverse_whose_errors_are_checked(lib):
    return lib.linalg.inv_ex(singular(lib, 2), check_errors=True)


@scenarios.add
def solution_with_a_singular_matrix(lib):
    return lib.linalg.solve(singular(lib), lib.ones(2, dtype=lib.float64))


@scenarios.add
def solution_of_a_batch_with_a_singular_matrix(lib):
    return lib.linalg.solve(singular(lib, 2), lib.ones(2, 2, dtype=lib.float64))


@scenarios.add
def power_of_a_singular_matrix(lib):
    return lib.linalg.matrix_power(singular(lib), -3)


@scenarios.add
def cholesky_of_what_is_not_positive(lib):
    return lib.linalg.cholesky(-lib.eye(3))


@scenarios.add
def cholesky_of_a_batch_of_which_one_is_not_positive(lib):
    return lib.linalg.cholesky(lib.stack([lib.eye(3), lib.eye(3) - lib.ones(3, 3), -lib.eye(3)]))


@scenarios.add
def cholesky_whose_errors_are_told(lib):
    return lib.linalg.cholesky_ex(lib.stack([lib.eye(3), lib.eye(3) - lib.ones(3, 3), -lib.eye(3)])).info


@scenarios.add
def factors_of_a_singular_matrix(lib):
    return lib.linalg.lu_factor_ex(singular(lib, 2)), lib.linalg.lu(singular(lib, 2)), lib.lu(singular(lib), get_infos=True)


@scenarios.add
def singular_values_of_nan(lib):
    return lib.linalg.svdvals(lib.full((2, 3, 3), float("nan")))


@scenarios.add
def eigenvalues_of_nan(lib):
    return lib.linalg.eigvalsh(lib.full((3, 3), float("nan"))).isnan()


@scenarios.add
def determinants_of_a_singular_matrix(lib):
    x = singular(lib, 2).requires_grad_()
    return lib.linalg.det(x), lib.linalg.slogdet(x), lib.logdet(x), lib.logdet(-lib.eye(3)).isnan()


@scenarios.add
def gradient_of_a_determinant_that_is_0(lib):
    """Recorded: otherwise torch's is 0 where the determinant is to the bit, and the cofactors where it is not quite."""
    x = singular(lib, 2).requires_grad_()
    return lib.autograd.grad(lib.linalg.det(x).sum(), x, create_graph=True)


@scenarios.add
def condition_of_a_singular_matrix(lib):
    return [lib.linalg.cond(singular(lib, 2), p) for p in (1, -1, float("inf"), "fro")]


@scenarios.add
def ranks_by_several_tolerances(lib):
    x = lib.diag(lib.tensor([4.0, 1.0, 1e-4, 0.0]))
    rank = lib.linalg.matrix_rank
    return [
        rank(x),
        rank(x, atol=2.0),
        rank(x, rtol=0.5),
        rank(x, 1e-3),
        rank(x, hermitian=True),
        rank(x, atol=lib.tensor([1e-5, 5.0])),
    ]


@scenarios.add
def pseudo_inverses_by_several_tolerances(lib):
    x = lib.diag(lib.tensor([4.0, 1.0, 1e-4, 0.0]))
    pinv = lib.linalg.pinv
    return [pinv(x), pinv(x, atol=2.0), pinv(x, rtol=0.5), pinv(x, 1e-3), pinv(x, hermitian=True), lib.pinverse(x, 0.1)]


@scenarios.add
def least_squares_by_each_driver(lib):
    a, b = lib.tensor([[1.0, 1.0], [1.0, 2.0], [1.0, 4.0]]), lib.tensor([1.0, 2.0, 2.0])
    return [lib.linalg.lstsq(a, b.unsqueeze(-1), driver=d) for d in (None, "gels", "gelsy", "gelsd", "gelss")]


@scenarios.add
def least_squares_of_too_little_rank(lib):
    return [lib.linalg.lstsq(lib.ones(3, 2), lib.ones(3, 1), driver=d) for d in (None, "gelsd", "gelss")]


@scenarios.add
def empty_matrices(lib):
    x, y = lib.zeros(0, 0), lib.zeros(2, 0, 3)
    linalg = lib.linalg
    return [
        linalg.inv(x), linalg.det(x), linalg.slogdet(x), linalg.cholesky(x), linalg.eigh(x), linalg.svd(y), linalg.pinv(y),
        linalg.matrix_rank(y), linalg.qr(y, "complete"), linalg.lu(y), linalg.matrix_exp(x), linalg.solve(x, lib.zeros(0, 2)),
        linalg.norm(y, dim=(1, 2)), linalg.cond(x), linalg.multi_dot([y[0], lib.zeros(3, 2)]), linalg.matrix_norm(y, "nuc"),
    ]  # fmt: skip


@scenarios.add
def names_of_fields(lib):
    x = lib.eye(2)
    functions = ["inv_ex", "slogdet", "cholesky_ex", "qr", "svd", "eigh", "lu", "lu_factor", "lu_factor_ex"]
    found = [getattr(lib.linalg, name)(x) for name in functions] + [
        lib.linalg.lstsq(x, x),
        lib.geqrf(x),
        lib.svd(x),
        lib.qr(x),
    ]
    return [
        [
            name
            for name in [
                "inverse",
                "info",
                "sign",
                "logabsdet",
                "L",
                "Q",
                "R",
                "U",
                "S",
                "Vh",
                "V",
                "eigenvalues",
                "P",
                "pivots",
                "LU",
                "solution",
                "tau",
                "a",
            ]
            if hasattr(r, name)
        ]
        for r in found
    ]


@scenarios.add
def vectors_are_refused_where_matrices_are_meant(lib):
    told = []
    for name in ["inv", "det", "svd", "qr", "cholesky", "eigh", "pinv", "matrix_rank", "lu", "matrix_exp", "eigvals"]:
        try:
            getattr(lib.linalg, name)(lib.ones(3))
        except Exception as error:
            told.append((name, type(error).__name__))
    return told


@scenarios.add
def integers_and_halves_are_refused(lib):
    told = []
    for name in [
        "inv",
        "det",
        "svd",
        "qr",
        "cholesky",
        "eigh",
        "pinv",
        "matrix_rank",
        "lu",
        "matrix_exp",
        "slogdet",
        "svdvals",
        "eigvalsh",
        "lu_factor",
    ]:
        for dtype in (lib.int64, lib.bool, lib.float16):
            try:
                getattr(lib.linalg, name)(lib.eye(2).to(dtype))
            except Exception as error:
                told.append((name, str(dtype)[-5:], type(error).__name__))
    return told


@scenarios.add
def gradient_without_q(lib):
    x = lib.eye(2, requires_grad=True)
    lib.linalg.qr(x, mode="r")[1].sum().backward()


@scenarios.add
def gradient_of_a_complete_q(lib):
    x = lib.ones(3, 2, requires_grad=True)
    lib.linalg.qr(x, mode="complete")[0].sum().backward()


@scenarios.parametrize
def test_scenario(scenario: Any) -> None:
    agree(scenario)


# ---- what differs in words, or has no counterpart ----


def test_a_failure_is_of_torchs_kind() -> None:
    assert issubclass(minitorch.linalg.LinAlgError, RuntimeError)
    with pytest.raises(minitorch.linalg.LinAlgError, match="Batch element 1"):
        minitorch.linalg.inv(singular(minitorch, 3))


@pytest.mark.parametrize("name", ["eig", "lstsq", "matrix_rank", "solve", "symeig"])
def test_what_torch_has_removed_is_refused_with_what_to_write_instead(name: str) -> None:
    for lib in (minitorch, torch):
        x = lib.eye(2)
        calls = [lambda: getattr(lib, name)(x, x)]  # noqa: B023
        if hasattr(lib.Tensor, name):
            calls.append(lambda: getattr(x, name)(x))  # noqa: B023
        for call in calls:
            with pytest.raises(RuntimeError, match="is now removed"):
                call()


def test_real_eigenvalues_are_given_and_complex_ones_refused() -> None:
    x = [[2.0, 1.0], [0.0, 3.0]]
    ours, theirs = (lib.linalg.eig(lib.tensor(x)) for lib in (minitorch, torch))
    assert [t.real.tolist() for t in theirs] == [t.tolist() for t in ours]
    with pytest.raises(RuntimeError, match=r"the eigenvalue 0\+1j is complex, and minitorch has no complex numbers"):
        minitorch.linalg.eigvals(minitorch.tensor([[0.0, -1.0], [1.0, 0.0]]))


def test_every_function_has_samples_of_torchs() -> None:
    names = {entry.name for entry in entries()} | {f"{alias.name}" for entry in entries() for alias in entry.aliases}
    assert [n for n in minitorch.linalg.__all__ if f"linalg.{n}" not in names] == ["LinAlgError"]
