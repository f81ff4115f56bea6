"""gradcheck and gradgradcheck on every differentiable op: backward, and backward of backward, against differences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from minitorch.autograd.node import OpNode
from reference.numerical import agrees
from reference.strategies import Source
from reference.table import Row, table
from shares import by_turns

pytestmark = pytest.mark.formulas

# Of each op, and at least one of each row (three of each with --full). A row without smooth cases leaves it to the op's others.
CASES = 3
ROWS = sorted((row for row in table() if row.inputs()), key=lambda row: row.covers)
BY_OP = {name: list(rows) for name, rows in itertools.groupby(ROWS, key=lambda row: row.covers)}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("op", by_turns(BY_OP, 2))
def test_derivative(op: str, order: int, pytestconfig: pytest.Config) -> None:
    rows = [row for row in BY_OP[op] if order == 1 or row.second_order]
    if not rows:
        pytest.skip("torch has no second derivative of it either")
    found = [agreeing(row, order) for row in rows]
    agreed = 0
    for turn in range(CASES):
        if not turn or agreed < CASES or pytestconfig.getoption("full"):
            agreed += sum(next(one, 0) for one in found)
    assert agreed >= CASES, "too few cases could be checked"


def agreeing(row: Row, order: int) -> Iterator[int]:
    """A 1 for each case of the row that could be checked; one that does not agree raises."""
    return (1 for seed in range(12) if agrees(row, Source(seed), order))


@pytest.mark.parametrize("order", [1, 2])
def test_a_wrong_derivative_is_noticed(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    right = OpNode.run
    monkeypatch.setattr(OpNode, "run", lambda self, *given: [g * 1.01 for g in right(self, *given)])
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        agrees(BY_OP["sin"][0], Source(0), order)
