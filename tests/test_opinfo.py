"""torch's own samples on both libraries: a small share of what `python -m reference opinfo` runs."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch

import pytest

import minitorch
from reference.opinfo import STAYS, Tally, run
from reference.opinfo_calls import entries, name_of

SHARES = 24  # of which three are run here


def tally_of(name: str, most: int = 1) -> Tally:
    """The entry of that name, run on a few samples."""
    return run(next(entry for entry in entries() if name_of(entry) == name), ("float64", "int64"), most)


@pytest.mark.parametrize("share", range(0, SHARES, 8))
def test_samples_agree(share: int) -> None:
    """One sample of each entry and dtype, and one mistake."""
    tallies = [run(entry, ("float64", "int64"), most=1) for entry in entries()[share::SHARES]]
    assert sum(sum(tally.total.values()) for tally in tallies) > 100
    told = {f"{tally.name}, {suite}": tally.first[suite] for tally in tallies for suite in tally.differing()}
    assert not told


@pytest.mark.parametrize(("wrong", "suite"), [("expm1", "values"), ("neg", "gradients")])
def test_a_wrong_function_is_noticed(wrong: str, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not tally_of("exp").first
    monkeypatch.setattr(minitorch, "exp", getattr(minitorch, wrong))
    assert suite in tally_of("exp").differing()


@pytest.mark.parametrize("pattern", ["multinomial", "kron"])
def test_what_stays_still_differs(pattern: str) -> None:
    """A reason that nothing needs any more goes."""
    assert any(fnmatch(pattern, name) for name, _ in STAYS)
    assert tally_of(pattern, most=2).first


def test_torchs_test_modules_leave_our_settings_alone() -> None:
    """They register one called `dev` and load it; what is collected after them would draw other cases, and fewer.

    And they forbid to set the switches of torch.backends, as programs do.
    """
    code = (
        "import sys; sys.path.insert(0, 'tests'); import conftest; from hypothesis import settings; before = settings.default;"
        "from reference.opinfo_calls import entries; entries();"
        "assert settings.default == before == settings.get_profile('dev'), settings.default;"
        "import torch; torch.backends.cudnn.benchmark = False"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=300)
