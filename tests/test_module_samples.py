"""torch's own samples of layers and losses on both libraries: some of each layer; `python -m reference modules` runs all."""

from __future__ import annotations

from typing import Any

import pytest

import minitorch
from reference.module_samples import module_db, run

ENTRIES = [entry for entry in module_db() if hasattr(minitorch.nn, entry.module_cls.__name__)]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_samples_agree(entry: Any) -> None:
    tally = run(entry, ("float64",), most=6)
    assert tally.total or tally.left_out
    assert {suite: tally.first[suite] for suite in tally.differing()} == {}


@pytest.mark.parametrize(
    ("name", "place", "wrong", "suite"),
    [
        ("Tanh", "forward", lambda layer, x: x.sigmoid(), "values"),
        ("Tanh", "forward", lambda layer, x: x.tanh().detach() + 0 * x, "gradients"),
        ("Tanh", "forward", lambda layer, x: x.tanh() + quadratic(x), "second"),
        ("Linear", "reset_parameters", lambda layer: layer.weight.data.fill_(0.5), "state"),
        ("BatchNorm1d", "forward", lambda layer, x: x, "errors"),
    ],
)
def test_a_fault_is_noticed(name: str, place: str, wrong: Any, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = next(entry for entry in ENTRIES if entry.name == f"nn.{name}")
    monkeypatch.setattr(getattr(minitorch.nn, name), place, wrong)
    assert suite in run(entry, ("float64",), most=6).differing()


def quadratic(x: Any) -> Any:
    """0, with a derivative of 0, and a second derivative that is not."""
    away = x - x.detach()
    return away * away
