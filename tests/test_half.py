"""float16 and bfloat16: every row against torch, and what is made, printed, saved and trained in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ops import Drawn

from reference.checks import half_precision
from reference.table import Row, table

ROWS = [pytest.param(row, id=f"{k}-{row}") for k, row in enumerate(table())]


@pytest.mark.parametrize("row", ROWS)
@settings(max_examples=settings.default.max_examples // 2)
@given(data=st.data())
def test_row(row: Row, data: Any) -> None:
    half_precision(row, Drawn(data.draw))
