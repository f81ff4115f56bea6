"""Every check on every row of the table: one property test, parametrised twice.

What a row declares is in `reference/rows/`, what a check demands in `reference/checks.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from drawing import each_drawn

import minitorch
from minitorch.ops import index
from reference.checks import CHECKS
from reference.hanging import OTHERWISE, what_gradients_hang_on
from reference.overwriting import refuses_or_is_right
from reference.strategies import Source
from reference.table import Row, table

pytestmark = pytest.mark.formulas

CASES = [pytest.param(row, check, id=f"{k}-{row}-{check.__name__}") for k, row in enumerate(table()) for check in CHECKS]


@pytest.mark.parametrize(("row", "check"), CASES)
def test_op(row: Row, check: Any) -> None:
    each_drawn(lambda source: check(row, source), f"{row} {check.__name__}", share=0.6)  # of fifteen checks on each row


def test_a_failure_is_shrunk() -> None:
    def check(source: Source) -> None:
        assert (k := source.integer(0, 1000)) < 30, f"{k} is too large"

    with pytest.raises(AssertionError, match=r"^30 is too large"):
        each_drawn(check, "a fault")


UNNOTICED = {  # how a write between forward and backward would go unnoticed, and by which row it shows
    "writes are not counted": (minitorch.Tensor, "_bump", lambda self: None, "exp"),
    "indices are not copied": (index, "_kept", lambda x, arrays: arrays, "setitem"),
}


@pytest.mark.parametrize("fault", UNNOTICED)
def test_a_write_that_goes_unnoticed_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, broken, shown_by = UNNOTICED[fault]
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(AssertionError, match="went unnoticed"):
        for row in table():
            for seed in range(40 if row.name == shown_by else 0):
                refuses_or_is_right(row, Source(seed))


KEEP_MORE = sorted({row.name for row in table() if row.keeps_more and not row.ours_alone})


@pytest.mark.parametrize("name", KEEP_MORE)
def test_a_row_that_keeps_more_still_does(name: str) -> None:
    """Without the word, some draw would fail."""
    rows = [row for row in table() if row.name == name and row.keeps_more]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError, match="torch does not"):
        for row in rows:
            patch.setattr(row, "keeps_more", "")
            for seed in range(100):
                refuses_or_is_right(row, Source(seed))


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_hangs_otherwise_still_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the word, some draw would fail."""
    monkeypatch.delitem(OTHERWISE, name)
    with pytest.raises(AssertionError, match="want gradients"):
        for row in (row for row in table() if row.name == name):
            for seed in range(200):
                what_gradients_hang_on(row, Source(seed))
