"""Every check on every row of the table: one property test, parametrised twice.

What a row declares is in `reference/rows/`, what a check demands in `reference/checks.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.checks import CHECKS
from reference.strategies import Source
from reference.table import Row, table


class Drawn(Source):
    """A Source whose choices hypothesis makes, and can shrink; the numbers come from a seed it draws."""

    def __init__(self, draw: Any):
        super().__init__()
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))


CASES = [pytest.param(row, check, id=f"{k}-{row}-{check.__name__}") for k, row in enumerate(table()) for check in CHECKS]


@pytest.mark.parametrize(("row", "check"), CASES)
@given(data=st.data())
def test_op(row: Row, check: Any, data: Any) -> None:
    check(row, Drawn(data.draw))
