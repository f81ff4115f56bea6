"""Derivatives against central differences: `gradcheck` and `gradgradcheck` on smooth cases of a row.

torch has no say here: the value is differentiated numerically, and so is the first derivative. A small case is compared element by
element. Where a row draws none that small (a recurrent net has a hundred weights), a larger one is compared along one direction.
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

SMALL = {1: 40, 2: 24}  # elements of a case, by the order of the derivative: its square is the number of differences
MOST = 600  # elements of a case that is compared along one direction
TRIES = 60


def agrees(row: Row, source: Source, order: int) -> bool:
    """Check a derivative of this order on one case; False if the row drew none that has one. GradcheckError if it is wrong."""
    check = minitorch.autograd.gradcheck if order == 1 else minitorch.autograd.gradgradcheck
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = smooth_case(row, source, SMALL[order])
        if found is None:
            return False
        function, leaves = found
        minitorch.manual_seed(0)  # (for the directions and upstream gradients that it draws)
        check(function, leaves, atol=1e-5, rtol=1e-4, fast_mode=_count(leaves) > SMALL[order])
    return True


def smooth_case(row: Row, source: Source, small: int) -> tuple[Callable, list] | None:
    """The row as a function of its leaves alone, and the leaves: away from kinks, with finite results, and few if it draws such."""
    large = None
    for _ in range(TRIES):
        case = {n: _compact(v) for n, v in row.draw(source, smooth=True).items()}
        leaves = _leaves(tensors(case, minitorch, np.float64, row.inputs()), row)
        count = _count(leaves)
        if not 0 < count <= (MOST if large is None else small):
            continue
        function = _of_leaves(row, case)
        try:
            outputs = function(*leaves)
        except Exception:  # torch's and our errors are compared elsewhere
            continue
        if not outputs or not all(np.isfinite(t.detach().numpy()).all() for t in outputs):
            continue
        if count <= small:
            return function, leaves
        large = function, leaves
    return large


def _count(leaves: list) -> int:
    return sum(t.numel() for t in leaves)


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
