"""A step that looks at numbers runs in pieces: it does what the step does, Python in between included, and the pieces are programs."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from typing import Any

import pytest

import minitorch
import minitorch.nn.functional as F
from minitorch import nn
from minitorch.compiler.step import Compiled
from test_compile import as_bytes, close, data

CALLS = 8


class Trainer:
    """A model, its optimizer, and what a step may leave beside tensors."""

    def __init__(self) -> None:
        minitorch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
        self.optimizer = minitorch.optim.Adam(self.model.parameters(), lr=0.01)
        self.scaler = minitorch.amp.GradScaler("cpu")
        self.log: list = []
        self.best, self.count = 1e9, 0


def logs_the_loss(t: Trainer, x: Any, y: Any) -> Any:
    t.optimizer.zero_grad()
    loss = F.cross_entropy(t.model(x), y)
    t.log.append(loss.item())
    loss.backward()
    t.optimizer.step()
    return loss


def returns_a_number(t: Trainer, x: Any, y: Any) -> Any:
    t.optimizer.zero_grad()
    loss = F.cross_entropy(t.model(x), y)
    loss.backward()
    t.optimizer.step()
    return loss.item(), float(loss * 2)


def gives_up_at_nan(t: Trainer, x: Any, y: Any) -> Any:
    t.optimizer.zero_grad()
    out = t.model(x)
    loss = F.cross_entropy(out, y)
    if loss.isnan() or loss > 1.2:
        t.log.append("skipped")
        return None
    loss.backward()
    t.optimizer.step()
    return out.detach()


def refuses_what_is_not_finite(t: Trainer, x: Any, y: Any) -> Any:
    t.optimizer.zero_grad()
    loss = F.cross_entropy(t.model(x), y)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(t.model.parameters(), 0.5, error_if_nonfinite=True)
    t.optimizer.step()
    return loss, norm


def scales_the_loss(t: Trainer, x: Any, y: Any) -> Any:
    t.optimizer.zero_grad()
    with minitorch.autocast("cpu", dtype=minitorch.bfloat16):
        out = t.model(x)
        loss = F.cross_entropy(out.float(), y)
    t.scaler.scale(loss).backward()
    t.scaler.step(t.optimizer)
    t.scaler.update()
    return loss


def takes_a_mask(t: Trainer, x: Any, y: Any) -> Any:
    with minitorch.no_grad():
        out = t.model(x).softmax(-1)
        sure = out.amax(-1) > 0.4
        kept = out[sure]
        mean = kept.sum() * 2 + out.mean()
    return mean, sure


def accumulates(t: Trainer, x: Any, y: Any) -> Any:
    total, k = 0.0, 0
    t.optimizer.zero_grad()
    for part, labels in zip(x.split(2), y.split(2)):
        loss = F.cross_entropy(t.model(part), labels) / 3
        loss.backward()
        total += loss.item()
        k += 1
    mean = total / k
    t.log.append(mean)
    t.optimizer.step()
    return loss * mean


def hides_the_look(t: Trainer, x: Any, y: Any) -> Any:
    t.optimizer.zero_grad()
    t.log.append(F.cross_entropy(t.model(x), y).item())
    loss = F.cross_entropy(t.model(x) * 2, y)
    loss.backward()
    t.optimizer.step()
    if (value := loss.item()) < t.best:
        t.best = value
    return loss


def has_effects(t: Trainer, x: Any, y: Any) -> Any:
    t.count += 1
    out = t.model(x) * 2
    t.log.append(out.sum(0).detach())
    return out.sum()


def prints(t: Trainer, x: Any, y: Any) -> Any:
    """Its text is compared, too."""
    t.optimizer.zero_grad()
    loss = F.cross_entropy(t.model(x), y)
    print("loss", loss.detach())
    loss.backward()
    print("and now the step")
    t.optimizer.step()
    return loss


def binds_in_branches(t: Trainer, x: Any, y: Any) -> Any:
    scale = 1.0
    for k in range(3):
        if k == 1:
            extra = x * 2
            x = extra + scale
        else:
            x = x - 1
    if x.sum() > 0:
        name = "up"
        out = t.model(x)
    else:
        name = "down"
        out = t.model(-x)
        scale = 2.0
    out = out * scale
    while out.abs().max() > 0.5:
        out = out / 2
        scale *= 2
    return out.detach(), name, scale


def closes_over(t: Trainer, x: Any, y: Any) -> Any:
    def doubled() -> Any:
        return out * 2

    out = t.model(x).detach()
    if out.sum() > 0:
        out = out + 1
    found = doubled()
    squares = [part * part for part in found]
    total = sum(squares) + x.sum()
    values = [v for v in total.tolist() if v > 0]
    return total, values, sorted(values, key=lambda v: -v * len(values))


def deletes_and_tries(t: Trainer, x: Any, y: Any) -> Any:
    out = t.model(x).detach()
    hidden = out * 2
    try:
        value = hidden.sum().item()
        t.log.append(1 / int(value > 0))
    except ZeroDivisionError:
        t.log.append("none")
    del hidden
    out = out + x.mean()
    return out * 3


STEPS = [
    logs_the_loss, returns_a_number, gives_up_at_nan, refuses_what_is_not_finite, scales_the_loss, takes_a_mask, accumulates,
    hides_the_look, has_effects, prints, binds_in_branches, closes_over, deletes_and_tries,
]  # fmt: skip


def seen(value: Any) -> Any:
    """What can be compared of a result."""
    if isinstance(value, (list, tuple)):
        return [seen(v) for v in value]
    return as_bytes(value) if isinstance(value, minitorch.Tensor) else repr(value)


def story(step: Callable, compiled: bool, backend: str = "numpy") -> tuple[list, Any]:
    """All that some calls leave."""
    trainer, found = Trainer(), []
    run = minitorch.compile(step, backend=backend) if compiled else step
    for k in range(CALLS):
        x, y = data(k)
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            out = run(trainer, x * (-1) ** k, y)
        state = [*trainer.model.state_dict().values(), *(p.grad for p in trainer.model.parameters())]
        found.append(
            seen([out, state, trainer.log, trainer.best, trainer.count, trainer.scaler.get_scale(), text.getvalue()])
        )
    return found, run


def programs(run: Compiled) -> int:
    assert run.pieces is not None, run.explain()
    return sum(any(v.program for v in p.variants) for p in run.pieces.of_it)


@pytest.mark.parametrize("step", STEPS, ids=lambda f: f.__name__)
def test_it_does_what_the_step_does(step: Callable) -> None:
    (wanted, _), (found, run) = story(step, False), story(step, True)
    assert [a == b for a, b in zip(wanted, found)] == [True] * CALLS, run.explain()
    assert programs(run), run.explain()


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS, ids=lambda f: f.__name__)
def test_with_loops_in_c_it_does_the_same_but_for_the_last_places(step: Callable) -> None:
    (wanted, _), (found, run) = story(step, False), story(step, True, "c")
    assert all(alike(a, b) for a, b in zip(wanted, found)), run.explain()
    assert programs(run), run.explain()


def alike(a: Any, b: Any) -> bool:
    """Whether two of `seen` are alike but for rounding."""
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, str) and a != b:
        numbers = [[float(n) for n in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)] for text in (a, b)]
        return numbers[0] == pytest.approx(numbers[1], rel=2e-4)
    return close(a, b)


class Looks(nn.Module):
    """A layer whose forward looks."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 8), nn.Linear(8, 3)
        self.seen: list[float] = []

    def forward(self, x: Any, *, scale: float = 1.0) -> Any:
        hidden = self.inner(x).relu() * scale
        self.seen.append(hidden.sum().item())
        return self.outer(hidden).softmax(-1)


def test_a_module_whose_forward_looks() -> None:
    minitorch.manual_seed(0)
    model, heard = Looks(), []
    run = minitorch.compile(model)
    for k in range(CALLS):
        x = data(k)[0]
        if k == 6:
            model.register_forward_hook(lambda *given, k=k: heard.append(k))
        grads = []
        for call in (model, run):
            model.zero_grad()
            out = call(x, scale=2.0)
            (out * out).sum().backward()
            grads.append([as_bytes(t) for t in (out, *(p.grad for p in model.parameters()))])
        assert grads[0] == grads[1] and model.seen[-1] == model.seen[-2]
    assert programs(run.compiled) == 2 and heard == [6] * 4


def test_fullgraph_refuses() -> None:
    with pytest.raises(RuntimeError, match="looks at a number"):
        minitorch.compile(logs_the_loss, fullgraph=True)(Trainer(), *data(0))


def test_an_error_in_a_piece_names_the_line_of_the_step() -> None:
    """Those who catch it find the step as it was."""
    run, trainer = minitorch.compile(logs_the_loss), Trainer()
    for k in range(4):
        run(trainer, *data(k))
    x, y = data(0)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="mat1 and mat2") as caught:
            run(trainer, x[:, :3], y)
        lines = [
            entry.statement.lines for entry in caught.traceback if entry.frame.code.path.name == "test_compile_pieces.py"
        ]
        assert any("loss = F.cross_entropy(t.model(x), y)" in str(text) for text in lines)
    assert as_bytes(run(trainer, x, y))[1] == ()


def test_what_has_no_source_runs_as_it_is() -> None:
    namespace: dict[str, Any] = {}
    exec("def step(x):\n    y = ((x * 2 + 1) ** 2).sum()\n    return y.item()", namespace)
    run = minitorch.compile(namespace["step"])
    with pytest.warns(UserWarning, match="runs as it is"):
        assert [run(minitorch.ones(2)) for _ in range(4)] == [18.0] * 4


def test_what_it_shows() -> None:
    run, trainer = minitorch.compile(logs_the_loss), Trainer()
    for k in range(CALLS):
        run(trainer, *data(k))
    for text in (run.source, run.mathematics):
        assert "loss = piece_1(t, x, y)\n    t.log.append(loss.item())\n    loss.backward()\n    piece_2(t)" in text
        assert "# piece_1 (logs_the_loss, lines" in text
    told = run.explain()
    assert told.startswith("it runs in 2 pieces") and "looks at a number" in told and told.count("a program:") == 2
