"""Every row of the table, captured as a CUDA graph and replayed on other numbers, gives what the op gives eagerly; or is refused in words."""

from __future__ import annotations

import pytest
from drawing import each_drawn

from reference import captured
from reference.strategies import Source
from reference.table import Row, table

pytestmark = pytest.mark.usefixtures("gpu")

ROWS = [pytest.param(row, id=f"{k}-{row}") for k, row in enumerate(table()) if row.name != "to_device"]
WITH_A_NUMBER = {"setitem", "index_copy", "index_fill"}  # they write one that comes from the host


def agrees(row: Row, share: float = 0.2) -> None:
    def holds(source: Source) -> None:
        refused = captured.beside_eager(row, source)
        assert refused == "" or "captur" in refused or "refuses" in refused, refused

    each_drawn(holds, f"captured {row}", share)


@pytest.mark.parametrize("row", [p for k, p in enumerate(ROWS) if k % 40 == 0 or p.values[0].name in WITH_A_NUMBER])
def test_some_rows(row: Row) -> None:
    agrees(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS[::4])
def test_many_rows(row: Row) -> None:
    agrees(row)


@pytest.mark.exhaustive
@pytest.mark.parametrize("row", ROWS)
def test_rows(row: Row) -> None:
    agrees(row, share=0.5)
