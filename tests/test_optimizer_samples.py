"""torch's own samples of optimizers on both libraries: some of each; `python -m reference optimizers` runs all."""

from __future__ import annotations

from typing import Any

import pytest

import minitorch
from reference.optimizer_samples import optim_db, run

pytestmark = pytest.mark.formulas

ENTRIES = [entry for entry in optim_db() if hasattr(minitorch.optim, entry.name)]


def test_all_but_sparse_ones_are_there() -> None:
    assert {entry.name for entry in optim_db()} - {entry.name for entry in ENTRIES} == {"SparseAdam"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_samples_agree(entry: Any) -> None:
    tally = run(entry, ("float64",), most=2)
    assert tally.total["steps"] and tally.total["errors"]
    assert tally.first == {}


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_all_samples_agree(entry: Any) -> None:
    assert run(entry).first == {}


@pytest.mark.parametrize(
    ("name", "place", "wrong", "suite"),
    [
        ("Adadelta", "_rule", lambda self, group, now, θ, g, v, u: None, "steps"),
        ("Adadelta", "__repr__", lambda self: "Adadelta", "state"),
        ("Adamax", "load_state_dict", lambda self, state: self.param_groups[0].update(lr=1.0), "exchange"),
        ("Adamax", "_rule", lambda self, group, now, θ, g, m, u: θ.__isub__(group["lr"] * g), "through"),
    ],
)
def test_a_fault_is_noticed(name: str, place: str, wrong: Any, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = next(entry for entry in ENTRIES if entry.name == name)
    monkeypatch.setattr(getattr(minitorch.optim, name), place, wrong)
    assert suite in run(entry, ("float64",), most=1).first


def test_a_schedule_that_goes_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minitorch.optim.lr_scheduler.StepLR, "get_lr", lambda self: [1.0, 1.0])
    entry = next(entry for entry in ENTRIES if entry.name == "SGD")
    assert list(run(entry, ("float64",), most=1).first) == ["schedules"]


def test_a_mistake_that_is_not_refused_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minitorch.optim.sgd, "check_one_element", lambda name, value: 1.0)
    entry = next(entry for entry in ENTRIES if entry.name == "SGD")
    assert list(run(entry, ("float64",), most=1).first) == ["errors"]
