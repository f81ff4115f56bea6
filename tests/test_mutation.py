"""Break each derivative and update rule in one place at a time: the reference rows must notice.

All mutants of a family are tried under the ci and thorough profiles, every third in the quick ones. What the edits are:
`reference/mutation.py`; to see them all: `python -m reference mutate`.
"""

from __future__ import annotations

import pytest
from hypothesis import settings

from reference.mutation import EQUIVALENT, families, summary, targets

pytestmark = [pytest.mark.shortcuts, pytest.mark.slow]


@pytest.mark.parametrize("family", families())
@pytest.mark.filterwarnings("ignore")  # broken derivatives divide by zero as they please
def test_every_mutant_is_caught(family: str, record_property) -> None:
    every = 3 if settings().max_examples < 40 else 1
    mutants = [m for target in targets(family) for m in target.mutants()][::every]
    survivors = [m for m in mutants if not m.excuse and not m.is_caught()]
    result = summary(family, len(mutants), len(survivors), sum(m.excuse is not None for m in mutants))
    print(result)
    record_property("mutants", result)
    told = "\n".join([result, *(f"survived: {m.target.name}: {m.source}" for m in survivors)])
    assert not survivors, told


def test_excuses_are_still_needed() -> None:
    made = {(m.target.name, m.source) for target in targets() for m in target.mutants()}
    assert set(EQUIVALENT) <= made, "EQUIVALENT lists mutants that are not made any more"
