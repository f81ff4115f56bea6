"""What `compile` is told beside the function, and the switches of `minitorch.compiler`: torch's names, defaults and errors."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
import minitorch.nn.functional as F
from minitorch import nn
from test_compile import Trainer, as_bytes, data, has_program


def longer(x: Any) -> Any:
    return ((x * 2 + 1) * x - 3) / 2


def called(run: Any, times: int = 4, size: int = 3) -> Any:
    for k in range(times):
        x = minitorch.full((size,), float(k))
        found = run(x)
        assert as_bytes(found) == as_bytes(longer(x))
    return run


def test_the_arguments_are_torchs() -> None:
    ours, theirs = (inspect.signature(f).parameters for f in (minitorch.compile, torch.compile))
    assert {n: p.default for n, p in ours.items()}.items() <= {n: p.default for n, p in theirs.items()}.items()
    left_out = set(theirs) - set(ours)
    assert left_out == {"isolate_recompiles", "shapes_spec"}  # of sizes that are symbols, of which there are none here


MISTAKES: list[tuple[dict[str, Any], type, str]] = [
    ({"mode": "fast"}, RuntimeError, "Unrecognized mode=fast, should be one of: default, lite, "),
    ({"options": {"nope": 1}}, RuntimeError, "Unexpected optimization option nope, known options are ["),
    ({"options": {"max_autotune": 1}}, RuntimeError, "Unexpected type of attr max_autotune, got int should be bool"),
    (
        {"mode": "default", "options": {"max_autotune": True}},
        RuntimeError,
        "Either mode or options can be specified, but both can't",
    ),
    ({"backend": "nope"}, RuntimeError, "Invalid backend: 'nope', see `"),
    ({"dynamic": "yes"}, AssertionError, "Expected "),
]


@pytest.mark.parametrize(("how", "error", "words"), MISTAKES, ids=str)
def test_mistakes_are_refused(how: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(words)}"):
        minitorch.compile(lambda x: x, **how)


@pytest.mark.slow  # torch's compiler takes seconds to import
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("how", "error", "words"), MISTAKES, ids=str)
def test_torch_refuses_them_so(how: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(words)}"):
        torch.compile(lambda x: x, **how)


@pytest.mark.parametrize("how", [{"mode": m} for m in ("default", "reduce-overhead", "max-autotune")] + [
    {"options": {"max-autotune": True}}, {"backend": "inductor"}, {"backend": "aot_eager"}, {"backend": None}, {"dynamic": False}, {"name": "it"},
], ids=str)  # fmt: skip
def test_choices_of_torchs_change_nothing(how: dict) -> None:
    run = called(minitorch.compile(longer, **how))
    assert has_program(run) and run.__name__ == how.get("name", "longer")


def test_a_backend_that_is_a_function_is_refused_in_words() -> None:
    with pytest.raises(RuntimeError, match="GraphModule"):
        minitorch.compile(longer, backend=lambda graph, inputs: graph)
    with pytest.raises(ValueError, match="positive int, but got 0"):
        minitorch.compile(longer, recompile_limit=0)
    assert set(minitorch.compiler.list_backends()) == {"numpy", "c", "inductor"}


@pytest.mark.parametrize(("how", "kept"), [({}, 8), ({"dynamic": True}, 20), ({"recompile_limit": 3}, 3)], ids=str)
def test_how_many_programs_are_kept(how: dict, kept: int) -> None:
    run = minitorch.compile(longer, **how)
    for size in range(1, 21):
        called(run, 3, size)
    assert sum(v.program is not None for v in run.variants) == kept
    assert ("as many as are kept" in run.explain()) is (kept < 20)


def test_reset_forgets() -> None:
    run = called(minitorch.compile(longer))
    assert has_program(run)
    minitorch.compiler.reset()
    assert run.explain() == "not called yet"
    assert has_program(called(run))


def scaled(x: Any) -> Any:
    CALLS.append(len(CALLS))
    return x * 2


CALLS: list[int] = []


@pytest.mark.parametrize("how", [{}, {"reason": "it counts"}], ids=str)
def test_what_is_disabled_stays_python(how: dict) -> None:
    left = minitorch.compiler.disable(scaled, **how) if how else minitorch.compiler.disable()(scaled)
    assert minitorch.compile(left) is left

    def step(x: Any) -> Any:
        x = longer(x)
        x = left(x)
        return longer(x)

    run, before = minitorch.compile(step), len(CALLS)
    for k in range(8):
        x = minitorch.full((3,), float(k))
        assert as_bytes(run(x)) == as_bytes(longer(longer(x) * 2))
    assert len(CALLS) == before + 8
    assert run.pieces.source.count("piece_") == 2 and "left(x)" in run.pieces.source
    assert "it counts" in run.explain() or not how
    with pytest.raises(RuntimeError, match="fullgraph=True: it calls scaled"):
        minitorch.compile(step, fullgraph=True)(x)


def test_a_module_that_is_disabled_is_still_a_module() -> None:
    model = minitorch.compiler.disable(nn.Linear(3, 2))
    x = minitorch.ones(1, 3)
    assert isinstance(model, nn.Module) and as_bytes(model(x)) == as_bytes(model._orig_mod(x))
    with pytest.raises(TypeError, match="expects a function"):
        minitorch.compiler.disable(3)


def test_stances() -> None:
    run, stance = minitorch.compile(longer), minitorch.compiler.set_stance
    with stance("force_eager"):
        called(run)
    assert not run.variants
    with stance("fail_on_recompile"), pytest.raises(RuntimeError, match="recorded anew"):
        run(minitorch.ones(3))
    called(run)
    with stance("fail_on_recompile"):
        called(run)
    stance("eager_on_recompile")
    called(run, 4, 5)
    stance("default")
    assert len(run.variants) == 1
    guarded = stance("fail_on_recompile")(lambda: run(minitorch.ones(7)))
    called(run, 4, 6)
    with pytest.raises(RuntimeError, match="recorded anew"):
        guarded()
    called(run, 4, 7)
    for bad in ({"stance": "x"}, {"stance": "force_eager", "force_backend": "c"}):
        with pytest.raises(RuntimeError):
            stance(**bad)


@pytest.mark.filterwarnings("ignore:compile")  # its list of answers grows
def test_the_rest_of_torchs_names() -> None:
    compiler = minitorch.compiler
    assert compiler.allow_in_graph(longer) is longer and compiler.assume_constant_result(longer) is longer
    assert compiler.cudagraph_mark_step_begin() is None
    with pytest.raises(AssertionError):
        compiler.allow_in_graph(3)
    seen = []
    run = minitorch.compile(lambda x: seen.append(compiler.is_compiling()) or longer(x))
    called(run, 3)
    assert True in seen and compiler.is_compiling() is False


# ---- what a schedule moves, and options that are set by hand ----

NEEDS_CC = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler")
SCHEDULES = minitorch.optim.lr_scheduler
MOVING: dict[str, Callable] = {
    "StepLR": lambda o: SCHEDULES.StepLR(o, 1, 0.5),
    "OneCycleLR": lambda o: SCHEDULES.OneCycleLR(o, max_lr=0.5, total_steps=40),
    "CyclicLR": lambda o: SCHEDULES.CyclicLR(o, 0.01, 0.1, step_size_up=5),
    "CyclicLR, rate only": lambda o: SCHEDULES.CyclicLR(o, 0.01, 0.1, step_size_up=5, cycle_momentum=False),
}
RULES: dict[str, Callable] = {
    "Adam": lambda p: minitorch.optim.Adam(p, lr=0.1),
    "SGD": lambda p: minitorch.optim.SGD(p, lr=0.1, momentum=0.9),
    "RMSprop": lambda p: minitorch.optim.RMSprop(p, lr=0.1, momentum=0.9),
}


def scheduled(backend: str, rule: str, schedule: str, before: bool) -> tuple[list, Any]:
    """A loop whose schedule moves after the optimizer's step, or before it."""
    minitorch.manual_seed(0)
    w = minitorch.randn(5, dtype=minitorch.float64).requires_grad_()
    optimizer = RULES[rule]([w])
    moves = MOVING[schedule](optimizer)

    def step() -> None:
        optimizer.zero_grad()
        (w * w).sum().backward()
        if before:
            moves.step()
        optimizer.step()
        if not before:
            moves.step()

    run = minitorch.compile(step, backend=backend) if backend else step
    story = []
    for _ in range(8):
        run()
        story.append(w.detach().clone())
    return story, run


@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=NEEDS_CC)])
@pytest.mark.parametrize("rule", ["Adam", "SGD", pytest.param("RMSprop", marks=pytest.mark.slow)])
@pytest.mark.parametrize("schedule", MOVING)
@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
def test_what_a_schedule_moves_is_an_input(backend: str, rule: str, schedule: str, before: bool) -> None:
    (wanted, _), (found, run) = scheduled("", rule, schedule, before), scheduled(backend, rule, schedule, before)
    for a, b in zip(wanted, found):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12)
    assert sum(v.program is not None for v in run.variants) == 1 and len(run.variants) <= 1 + before


def test_an_option_that_the_step_sets_by_hand_is_noticed() -> None:
    def step(t: Trainer, x: Any, y: Any) -> Any:
        t.optimizer.zero_grad()
        loss = F.cross_entropy(t.model(x), y)
        loss.backward()
        t.optimizer.step()
        for group in t.optimizer.param_groups:
            group["lr"] *= 0.9
        return loss

    trainers, run = (Trainer(), Trainer()), minitorch.compile(step)
    for k in range(6):
        outs = []
        for trainer, f in zip(trainers, (step, run)):
            minitorch.manual_seed(k)
            outs.append([as_bytes(f(trainer, *data(k))), trainer.optimizer.param_groups[0]["lr"]])
        assert outs[0] == outs[1]
    assert run.pieces and "sets an option" in run.explain()
