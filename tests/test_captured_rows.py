"""Every row of the table, captured as a CUDA graph and replayed on other numbers, gives what the op gives eagerly; or is refused in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import captured
from reference.drawn import Drawn
from reference.table import Row, table

pytestmark = pytest.mark.usefixtures("gpu")

ROWS = [pytest.param(row, id=f"{k}-{row}") for k, row in enumerate(table()) if row.name != "to_device"]
few = settings(max_examples=2)


@few
@given(data=st.data())
def agrees(row: Row, data: Any) -> None:
    refused = captured.beside_eager(row, Drawn(data.draw))
    assert refused == "" or "captur" in refused or "refuses" in refused, refused


@pytest.mark.parametrize("row", ROWS[::40])
def test_some_rows(row: Row) -> None:
    agrees(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS[::4])
def test_many_rows(row: Row) -> None:
    agrees(row)


@pytest.mark.exhaustive
@pytest.mark.parametrize("row", ROWS)
def test_rows(row: Row) -> None:
    agrees(row)
