"""The same program from the same seed has the same loss curve in both libraries, step by step."""

from __future__ import annotations

import pytest
import torch

import minitorch
from reference import programs

each_program = pytest.mark.parametrize("program", programs.PROGRAMS, ids=lambda program: program.__name__)


@each_program
@pytest.mark.parametrize("dtype", programs.TOLERANCE)
def test_loss_curves_agree(program: programs.Program, dtype: str) -> None:
    ours, theirs = (programs.run(program, lib, dtype) for lib in (minitorch, torch))
    assert len(ours) == len(theirs) == programs.STEPS
    off = [abs(a - b) / b for a, b in zip(ours, theirs)]
    assert max(off) <= programs.TOLERANCE[dtype], f"step {off.index(max(off))} differs by {max(off):.1e} of the loss"
    assert minitorch.get_rng_state().tolist() == torch.get_rng_state().tolist()


@each_program
def test_the_program_learns_and_another_seed_shows(program: programs.Program) -> None:
    first, second = (programs.run(program, minitorch, "float64", seed) for seed in (0, 1))
    assert sum(first[-20:]) < 0.5 * sum(first[:20])
    assert all(abs(a - b) / b > programs.TOLERANCE["float32"] for a, b in zip(first[:20], second[:20]))
