"""LBFGS beside torch's on functions that it is made for: the same points, and closure called as often."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from reference.optimizers import convert

STEPS = 4
options = st.fixed_dictionaries(
    {},
    optional={
        "lr": st.sampled_from([1.0, 0.1, 0.01]),
        "max_iter": st.sampled_from([1, 2, 5, 20]),
        "max_eval": st.sampled_from([2, 4, 30]),
        "history_size": st.sampled_from([1, 2, 10]),
        "tolerance_grad": st.sampled_from([1e-7, 1e-2]),
        "tolerance_change": st.sampled_from([1e-9, 1e-3]),
        "line_search_fn": st.sampled_from([None, "strong_wolfe"]),
    },
)


def bowl(lib: Any, x: Any, y: Any) -> Any:
    """A quadratic with its minimum at 1, ten times as steep along one axis, and a gentle quartic."""
    return ((x - 1) ** 2).sum() + 10 * ((y - 1) ** 2).sum() + 0.1 * ((x - 1) ** 4).sum()


def valley(lib: Any, x: Any, y: Any) -> Any:
    """Rosenbrock's curved valley."""
    return ((1 - x) ** 2).sum() + 20 * ((y - x.sum() ** 2) ** 2).sum()


def logistic(lib: Any, x: Any, y: Any) -> Any:
    """A logistic loss, flat far out."""
    return lib.nn.functional.softplus(-x).sum() + 0.01 * (x * x).sum() + lib.cosh(y).sum()


class Run:
    """One library's parameters, optimizer, and how often its closure was called."""

    def __init__(self, lib: Any, function: Any, start: np.ndarray, given: dict[str, Any]) -> None:
        self.lib, self.function, self.calls = lib, function, 0
        self.params = [lib.tensor(part.tolist(), dtype=getattr(lib, part.dtype.name), requires_grad=True) for part in
                       (start[:3], start[3:])]  # fmt: skip
        self.optimizer = lib.optim.LBFGS(self.params, **given)

    def closure(self) -> Any:
        self.calls += 1
        self.optimizer.zero_grad()
        loss = self.function(self.lib, *self.params)
        loss.backward()
        return loss

    def begin_as(self, other: Run) -> None:
        """Take the other library's point and the state of its optimizer."""
        self.optimizer.load_state_dict(convert(copy.deepcopy(other.optimizer.state_dict()), self.lib))
        with self.lib.no_grad():
            for mine, its in zip(self.params, other.params, strict=True):
                mine.copy_(convert(its.detach(), self.lib))

    def step(self) -> np.ndarray:
        """The loss that the step returns, and where it leads."""
        loss = self.optimizer.step(self.closure)
        return np.concatenate([[loss.item()], *(param.detach().numpy() for param in self.params)])


@pytest.mark.parametrize(
    ("function", "dtype"),
    [(bowl, "float64"), (bowl, "float32"), (logistic, "float64"), (logistic, "float32"), (valley, "float64")],
)
@given(seed=st.integers(0, 2**32 - 1), given_options=options)
@settings(deadline=None)
def test_goes_where_torchs_goes(function: Any, dtype: str, seed: int, given_options: dict[str, Any]) -> None:
    """Each step begins where torch's did, for a curved valley makes much of a rounding."""
    if function is valley:
        given_options["line_search_fn"] = "strong_wolfe"  # with steps of fixed length both fly off
    start = np.random.default_rng(seed).standard_normal(5).astype(dtype)
    ours, theirs = (Run(lib, function, start, given_options) for lib in (minitorch, torch))
    for step in range(STEPS):
        if step % 2:
            theirs.begin_as(ours)
        else:
            ours.begin_as(theirs)
        mine, want = ours.step(), theirs.step()
        if not (np.isfinite(want).all() and np.abs(want).max() < 1e3):
            return
        error = np.abs(mine - want).max() / max(1.0, np.abs(want).max())
        assert error <= (1e-9 if dtype == "float64" else 1e-3)
        if dtype == "float64":
            assert ours.calls == theirs.calls


def test_finds_the_minimum_and_refuses_what_torch_refuses() -> None:
    run = Run(minitorch, valley, np.zeros(5), {"line_search_fn": "strong_wolfe", "max_iter": 100})
    first = run.step()[0]
    assert valley(minitorch, *run.params).item() < 1e-10 < first
    for lib in (minitorch, torch):
        x = lib.ones(2, requires_grad=True)
        with pytest.raises(ValueError, match="parameter groups"):
            lib.optim.LBFGS([{"params": [x]}, {"params": [lib.ones(1, requires_grad=True)]}])
        with pytest.raises(ValueError, match="Invalid learning rate"):
            lib.optim.LBFGS([x], lr=-1)
        with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
            lib.optim.LBFGS([x], line_search_fn="wolfe").step(lambda x=x: backward_of((x * x).sum()))


def backward_of(loss: Any) -> Any:
    loss.backward()
    return loss
