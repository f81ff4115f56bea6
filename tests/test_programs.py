"""The same program from the same seed has the same loss curve in both libraries, step by step."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
import torch

import minitorch
from reference import programs
from reference.programs import running
from shares import by_turns

pytestmark = pytest.mark.formulas

SOME = 14  # losses of a stranger's program, where not all are asked for
each_dtype = pytest.mark.parametrize("dtype", by_turns(reversed(running.DTYPES), len(running.DTYPES)))


def of(chosen: list[programs.Program], always: int | None = None) -> pytest.MarkDecorator:
    """always: how many of them run each time, if not all; the others in a slow run."""
    marks = [[pytest.mark.slow] if always is not None and k >= always else [] for k in range(len(chosen))]
    return pytest.mark.parametrize("program", [pytest.param(p, marks=m, id=p.name) for p, m in zip(chosen, marks)])


def assert_losses_agree(program: programs.Program, dtype: str, steps: int) -> None:
    ours, theirs = (programs.run(program, lib, dtype, steps=steps) for lib in (minitorch, torch))
    assert len(ours) == len(theirs) == steps
    off = [abs(a - b) / abs(b) for a, b in zip(ours, theirs)]
    assert max(off) <= program.tolerance[dtype], f"loss {off.index(max(off))} differs by {max(off):.1e} of itself"
    assert minitorch.get_rng_state().tolist() == torch.get_rng_state().tolist()


@of(running.LEARNERS)
@each_dtype
def test_loss_curves_agree(program: programs.Program, dtype: str) -> None:
    assert_losses_agree(program, dtype, program.steps)


@of(running.LEARNERS, always=1)
def test_the_program_learns_and_another_seed_shows(program: programs.Program) -> None:
    first, second = (programs.run(program, minitorch, "float64", seed) for seed in (0, 1))
    assert sum(first[-20:]) < 0.5 * sum(first[:20])
    assert all(abs(a - b) / b > program.tolerance["float32"] for a, b in zip(first[:20], second[:20]))


# ---- strangers' programs ----


@of(running.STRANGE)
@each_dtype
def test_strangers_programs_have_torchs_losses(program: programs.Program, dtype: str) -> None:
    assert_losses_agree(program, dtype, SOME)


@pytest.mark.slow
@of(running.STRANGE)
@each_dtype
def test_strangers_programs_have_torchs_losses_to_the_end(program: programs.Program, dtype: str) -> None:
    assert_losses_agree(program, dtype, program.steps)


@pytest.mark.parametrize("kind", ["GRU", "RNN_TANH", "RNN_RELU", "LSTM --tied"])
def test_every_kind_of_recurrent_net(kind: str) -> None:
    losses = partial(running.stranger, "char_rnn", arguments=("--model", *kind.split()))
    assert_losses_agree(programs.Program(kind, losses, SOME, running.ROUNDING), "float64", SOME)


@of(running.STRANGE)
def test_only_the_imports_are_exchanged(program: programs.Program) -> None:
    text = (running.STRANGERS / f"{program.name}.py").read_text(encoding="utf-8")
    ours = running.exchanged(text, "minitorch")
    changed = [(a, b) for a, b in zip(text.splitlines(), ours.splitlines(), strict=True) if a != b]
    assert all(re.match(r"(import|from) torch\b", a) and re.match(r"(import|from) minitorch\b", b) for a, b in changed)
    assert not re.search(r"^(import|from) torch\b", ours, re.M)
    assert len(changed) == len(re.findall(r"^(?:import|from) torch\b", text, re.M)) > 2


# ---- their models compiled ----


class Compiled:
    """In this block each module that a program calls, with all that it calls, runs through `compile`."""

    def __init__(self) -> None:
        self.by_module: dict[int, Any] = {}
        self.inside = False

    def __enter__(self) -> Compiled:
        self.call = minitorch.nn.Module.__call__
        minitorch.nn.Module.__call__ = lambda module, *args, **kwargs: self.called(module, args, kwargs)
        return self

    def __exit__(self, *exc: object) -> None:
        minitorch.nn.Module.__call__ = self.call

    def called(self, module: Any, args: tuple, kwargs: dict) -> Any:
        """A call of a module."""
        if self.inside:
            return self.call(module, *args, **kwargs)
        if id(module) not in self.by_module:
            self.by_module[id(module)] = minitorch.compile(partial(self.call, module))
        self.inside = True
        try:
            return self.by_module[id(module)](*args, **kwargs)
        finally:
            self.inside = False

    def programs(self) -> int:
        """How many have become programs."""
        return sum(any(v.program for v in run.variants) for run in self.by_module.values())


@pytest.mark.filterwarnings("ignore:compile")
@of(running.PROGRAMS)
@each_dtype
def test_compiled_models_have_the_same_losses(program: programs.Program, dtype: str) -> None:
    plain = programs.run(program, minitorch, dtype, steps=SOME)
    with Compiled() as compiled:
        assert programs.run(program, minitorch, dtype, steps=SOME) == plain
    assert compiled.programs()


def test_a_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minitorch.optim.lr_scheduler.StepLR, "get_lr", lambda self: [1e-3])
    program = next(each for each in running.STRANGE if each.name == "char_rnn")
    with pytest.raises(AssertionError, match="loss 2 differs"):
        assert_losses_agree(program, "float64", 8)
