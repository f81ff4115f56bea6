"""Random programs on both libraries, step by step: hypothesis chooses the steps and shrinks a program that differs.

What a step is and what is compared: `reference/state_machine.py`; many more programs: `python -m reference machine`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

import minitorch
from minitorch.compiler import arguments, halves, step
from reference import state_machine
from reference.strategies import Source
from shares import by_turns, share_of


class Drawn(Source):
    """A Source whose choices hypothesis makes."""

    def __init__(self, draw: Any) -> None:
        super().__init__()
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))


class Programs(RuleBasedStateMachine):
    """Each rule is one step on both libraries."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = state_machine.Lockstep()

    @rule(data=st.data(), name=st.sampled_from(state_machine.NAMES))
    def step(self, data: Any, name: str) -> None:
        if not self.machine.over:
            with state_machine.warnings_that_refuse():
                self.machine.step(Drawn(data.draw), name)


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(max_examples=8 * settings().max_examples, stateful_step_count=20)


@pytest.mark.parametrize("first", by_turns(range(0, 2000, 500), 4))
def test_programs_from_seeds(first: int) -> None:
    assert state_machine.programs(500, 20, first, pieces=0) == 0


@pytest.mark.parametrize("first", [pytest.param(k, marks=share_of(k, 1, 600)) for k in range(0, 4000, 40)])
def test_programs_of_compiled_pieces(first: int) -> None:
    assert state_machine.programs(40, 8, first, pieces=50) == 0


FAULTS = {  # what breaks → how to put it in
    "a write goes uncounted": ("_bump", lambda self: None),
    "a leaf may be written to": ("_check_history", lambda self: None),
    "views keep their old history": ("_is_out_of_date", lambda self: None),
    "the base does not learn of the write": ("_take_history", lambda self, out: None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_engine_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, broken = FAULTS[fault]
    monkeypatch.setattr(minitorch.Tensor, name, broken)
    assert state_machine.programs(500, 20, 0, pieces=0) == 1


COMPILER_FAULTS = {  # what breaks → how to put it in
    "results hang on nothing": (step, "tie", lambda *tie: None),
    "which arguments share memory is no condition": (arguments.Overlaps, "__call__", lambda self, *tensors: []),
    "writes to arguments are not counted": (step.Variant, "_finding", lambda self, places: lambda args, kwargs, results: []),
    "backward may come again": (halves.CompiledNode, "release", lambda self: None),
    "gradients are what they were": (step, "_with_gradients", lambda guard, pattern: guard.compiled()),
}


@pytest.mark.parametrize("fault", COMPILER_FAULTS)
@pytest.mark.exhaustive  # (thousands of programs go by before one of them meets the last)
def test_a_broken_compiler_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*COMPILER_FAULTS[fault])
    assert state_machine.programs(4000, 8, 0, pieces=50) == 1
