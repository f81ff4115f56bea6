"""Rows of linear algebra. Steps of an orthogonal parametrization that no public function reaches are here by themselves."""

from __future__ import annotations

from typing import Any

import torch

import minitorch
from minitorch.ops.linalg import solve

from ..strategies import floats
from ..table import COPIES, pair


def of_a_dominant_diagonal(library: Any, solve: Any) -> Any:
    """A x = b for a matrix that is far from singular; the solution in row-major order (LAPACK's is not)."""

    def solution(a: Any, b: Any) -> Any:
        """x with (A + 20 I) x = b"""
        return solve(a + 20 * library.eye(3, dtype=a.dtype, device=a.device), b).contiguous()

    return solution


pair("solve", of_a_dominant_diagonal(torch, torch.linalg.solve), of_a_dominant_diagonal(minitorch, solve), a=floats("N 3 3"),
    b=floats("N 3 C"), special=False, empty=False, keeps_more=COPIES)  # fmt: skip
