"""Derivatives against central differences: `gradcheck` and `gradgradcheck` on small, smooth cases of a row.

torch has no say here: the value is differentiated numerically, and so is the first derivative.
Read next: `minitorch/autograd/gradcheck.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch

from .strategies import Source
from .table import Row, flat, tensors

MOST = {1: 40, 2: 24}  # elements of a case, by the order of the derivative: its square is the number of differences
TRIES = 60


def agrees(row: Row, source: Source, order: int) -> bool:
    """Check a derivative of this order on one case; False if the row drew none that has one. GradcheckError if it is wrong."""
    found = small_case(row, source, order)
    if found is None:
        return False
    function, leaves = found
    check = minitorch.autograd.gradcheck if order == 1 else minitorch.autograd.gradgradcheck
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(function, leaves, atol=1e-5, rtol=1e-4)
    return True


def small_case(row: Row, source: Source, order: int) -> tuple[Callable, list] | None:
    """The row as a function of its leaves alone, and the leaves: few, away from kinks, with finite results."""
    for _ in range(TRIES):
        case = {n: _compact(v) for n, v in row.draw(source, smooth=True).items()}
        leaves = _leaves(tensors(case, minitorch, np.float64, row.inputs()), row)
        if not 0 < sum(t.numel() for t in leaves) <= MOST[order]:
            continue
        function = _of_leaves(row, case)
        try:
            outputs = function(*leaves)
        except Exception:  # torch's and our errors are compared elsewhere
            continue
        if outputs and all(np.isfinite(t.detach().numpy()).all() for t in outputs):
            return function, leaves
    return None


def _of_leaves(row: Row, case: dict) -> Callable:
    """f(*leaves) = the row's outputs that require grad, the other arguments as in the case."""

    def function(*leaves: Any) -> tuple:
        made, rest = tensors(case, minitorch, np.float64, []), list(leaves)
        for name in row.inputs():
            several = isinstance(made[name], list)
            made[name] = [rest.pop(0) for _ in made[name]] if several else rest.pop(0)
        return tuple(t for t in flat(row.call(row.ours, made)) if getattr(t, "requires_grad", False))

    return function


def _leaves(made: dict, row: Row) -> list:
    return [t for n in row.inputs() for t in (made[n] if isinstance(made[n], list) else [made[n]])]


def _compact(value: Any) -> Any:
    """Arrays in row-major order, as gradcheck needs them."""
    if isinstance(value, list):
        return [_compact(v) for v in value]
    return np.ascontiguousarray(value).reshape(value.shape) if isinstance(value, np.ndarray) else value
