"""Which of many tests alike run always, and which in a slow run or an exhaustive one alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def share_of(k: int, few: int, some: int) -> list:
    """The marks of the k-th of many random programs: a few run always, some in a slow run, the others in an exhaustive one."""
    return [] if k < few else [pytest.mark.slow if k < some else pytest.mark.exhaustive]


def by_turns(params: Iterable[Any], every: int) -> list:
    """The parameters: one of `every` runs always, the others in a slow run."""
    return [pytest.param(p, marks=[pytest.mark.slow] if k % every else []) for k, p in enumerate(params)]


def some_of_each(rows: list, every: int, each: int = 5) -> list:
    """Rows of the reference table as parameters: one of `every` in each run of the tests; in a slow one a row of each op, and one of `each`
    of the others; in an exhaustive one all that are left."""
    seen: set[str] = set()

    def marks(k: int, op: str) -> list:
        is_first = op not in seen
        seen.add(op)
        return [] if k % every == 0 else [pytest.mark.slow if is_first or k % each == 0 else pytest.mark.exhaustive]

    return [pytest.param(row, id=f"{row.name}-{k}", marks=marks(k, row.covers)) for k, row in enumerate(rows)]


def more_seeds(some: range, all_: range) -> list:
    """The seeds of a test that draws many cases of one kind: some in a slow run, all the others in an exhaustive one."""
    return [
        pytest.param(some, id="some", marks=pytest.mark.slow),
        pytest.param(range(some.stop, all_.stop), id="all", marks=pytest.mark.exhaustive),
    ]


def mostly_slow(rows: list, every: int, slow: int = 1) -> list:
    """The rows as parameters: one of `every` in each run of the tests, one of `slow` in a slow one, the others in an exhaustive one."""

    def marks(k: int) -> list:
        return [] if k % every == 0 else [pytest.mark.slow if k % slow == 0 else pytest.mark.exhaustive]

    return [pytest.param(row, id=f"{row.name}-{k}", marks=marks(k)) for k, row in enumerate(rows)]
