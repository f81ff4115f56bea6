"""A step that looks at numbers runs in pieces: it does what the step does, Python in between included, and the pieces are programs."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import test_compile_choices
from planting import Fault, assert_noticed

import minitorch
import minitorch.nn.functional as F
from minitorch import nn
from minitorch.compiler import pieces, reading, variables
from minitorch.compiler.record import Record
from minitorch.compiler.step import Compiled
from reference import random_python
from shares import share_of
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


def prints_words_only(t: Trainer, x: Any, y: Any) -> Any:
    t.optimizer.zero_grad()
    loss = F.cross_entropy(t.model(x), y)
    print("a step")
    loss.backward()
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


def returns_in_branches(t: Trainer, x: Any, y: Any) -> Any:
    out = t.model(x)
    if out.sum() > 0:
        return (out * 2).tanh() + out.mean() - 1
    for part in out.split(3):
        if part.max() < 1:
            return part.detach(), (part.detach() * 2).exp().sum() + 1
    return None


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
    hides_the_look, has_effects, prints, prints_words_only, binds_in_branches, returns_in_branches, closes_over, deletes_and_tries,
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


def test_variables_that_are_deleted_and_code_that_nobody_reaches() -> None:
    def step(x: Any, often: bool) -> Any:
        value, y = x.sum().item(), x * 2
        del y
        if often:
            y = x + 1
        if often:
            x = ((y * 2).sin() + 1) * x - y.cos()
        if x.mean() > 0:
            if value > 0:
                return ((x * 2).tanh() + x).exp(), value
            else:
                return x, value
            x = x * 0
        x = (x - 1).sin().cos() * 2
        return x, value

    run = minitorch.compile(step)
    for k in range(8):
        x = minitorch.full((3,), float(k - 3))
        assert seen(run(x, k % 2 > 0)) == seen(step(x, k % 2 > 0))
    assert programs(run)


class Decorated(Looks):
    """A layer whose forward is compiled where it is defined."""

    @minitorch.compile
    def forward(self, x: Any) -> Any:
        """Its words stay."""
        hidden = self.inner(x).relu() + 1
        self.seen.append(hidden.sum().item())
        return self.outer(hidden).softmax(-1)


def test_a_method_that_is_decorated_and_a_function_that_is_an_epoch() -> None:
    minitorch.manual_seed(0)
    model = Decorated()
    for k in range(CALLS):
        x = data(k)[0]
        wanted = model.outer(model.inner(x).relu() + 1).softmax(-1)
        assert as_bytes(model(x)) == as_bytes(wanted)
    assert programs(Decorated.forward) == 2 and len(model.seen) == CALLS and Decorated.forward.__doc__ == "Its words stay."

    def epoch(t: Trainer, batches: list) -> float:
        total = 0.0
        for x, y in batches:
            t.optimizer.zero_grad()
            loss = F.cross_entropy(t.model(x), y)
            loss.backward()
            t.optimizer.step()
            total += loss.item() * len(x)
        return total / len(batches)

    trainers, run = (Trainer(), Trainer()), minitorch.compile(epoch)
    for _ in range(3):
        assert epoch(trainers[0], list(map(data, range(4)))) == run(trainers[1], list(map(data, range(4))))
    assert "loss = piece_1(t, x, y)\n        total += loss.item() * len(x)" in run.pieces.source and programs(run) == 1


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


def test_what_is_in_a_piece_and_what_is_not() -> None:
    """What looks is computed in a piece; numbers that change, functions made in the call, prints and short work are Python's."""
    shown = {
        step: story(step, True)[1].pieces.source for step in (hides_the_look, accumulates, closes_over, prints, has_effects)
    }
    assert "looked_" in shown[hides_the_look] and "piece_2(t, x, y)" in shown[hides_the_look]
    assert "total += loss.item()\n        k += 1" in shown[accumulates]
    assert "found = doubled()" in shown[closes_over] and "out = out + 1" in shown[closes_over]
    assert "print('and now the step')" in shown[prints] and "result_ = out.sum()" in shown[has_effects]


def test_a_source_that_is_not_what_runs_is_not_read(tmp_path: Path) -> None:
    """The file has been edited since it was imported."""
    file = tmp_path / "step.py"
    text = "def step(x):\n    y = ((x * 2 + 1) ** 2).sum() / 3\n    return y.item() + {}\n"
    file.write_text(text.format("0.5 + 0.25"))
    namespace: dict[str, Any] = {}
    exec(compile(text.format("0.5"), str(file), "exec"), namespace)
    run = minitorch.compile(namespace["step"])
    with pytest.warns(UserWarning, match="runs as it is"):
        assert [run(minitorch.ones(2)) for _ in range(4)] == [6.5] * 4


def test_the_way_that_errors_of_variables_take() -> None:
    def step(x: Any, k: int) -> Any:
        if k:
            found = ((x * 2).sin() + 1).sum() / 2
            found = found * 2
        if x.sum() > 0:
            x = x * found
        return x

    run = minitorch.compile(step)
    for k in (1, 1, 1, 0, 1):
        x = minitorch.ones(3)
        if k:
            assert as_bytes(run(x, k)) == as_bytes(step(x, k))
        else:
            with pytest.raises(UnboundLocalError, match="'found'"):
                run(x, k)
    assert programs(run)

    def reads_too_soon(x: Any) -> Any:
        if x.sum() > 0:
            x = sum([v * 2 for v in (x, part)])  # noqa: F821
        part = ((x * 2).cos() + 1) / 2
        return part - 1

    run = minitorch.compile(reads_too_soon)
    for k in (-1, -1, -1, 1):
        with contextlib.nullcontext() if k < 0 else pytest.raises(UnboundLocalError):
            run(minitorch.full((3,), float(k)))
    assert programs(run)


def test_a_variable_that_a_piece_binds_in_one_case_only() -> None:
    def step(x: Any, often: bool) -> Any:
        value, y = x.sum().item(), x - 1
        if often:
            y = ((x + 1).sin() * x).cos() + 1
        return ((y * 2).tanh() + x).exp(), value

    run = minitorch.compile(step)
    for k in range(8):
        x = minitorch.full((3,), float(k))
        assert seen(run(x, k % 2 > 0)) == seen(step(x, k % 2 > 0))
    assert programs(run)


@pytest.mark.parametrize(
    "first",
    [
        0,
        pytest.param(20, marks=pytest.mark.slow),
        *(pytest.param(n, marks=pytest.mark.exhaustive) for n in range(100, 2000, 100)),
    ],
)
def test_random_python(first: int) -> None:
    """Some have no pieces, for all in them is short, or Python's."""
    counts = []
    for seed in range(first, first + {0: 8, 20: 60}.get(first, 100)):
        count, difference = random_python.check(seed)
        assert not difference, difference
        counts.append(count)
    assert sum(counts) > len(counts)


# ---- each line that matters is noticed ----

FAULTS = [
    Fault(variables.read_later, " | read_by(s)", ""),
    Fault(variables.read_by, "isinstance(n, ast.AugAssign)", "False"),
    Fault(variables._bound_after, "set.intersection(*ends)", "set.union(*ends)"),
    Fault(variables._bound_after, "return before - deleted_by(s)", "return before | bound_by(s)"),
    Fault(variables.surely_bound, "if now is None:\n            return None", "pass"),
    Fault(pieces.Pieces._split, "lives[k - 1] if k else set()", "set()"),
    Fault(pieces.Pieces._piece, "first_reads(run) | kept", "first_reads(run)"),
    Fault(pieces.Pieces._piece, "bound_by(*run) & after", "set()"),
    Fault(pieces.Pieces._can_join, "self.elsewhere | self.captured", "self.elsewhere"),
    Fault(pieces.Pieces._can_join, "binds & after <= now", "True"),
    Fault(pieces.Pieces._can_join, "names & self.functions", "False"),
    Fault(pieces.Pieces._build, "[*body, never]", "body"),
    Fault(pieces.Pieces.__call__, "has_hooks(self.me)", "False"),
    Fault(pieces.Piece._recorded, "a != b", "False"),
    Fault(pieces.Piece._goes_in_pieces, "return few and", "return False and"),
    Fault(reading.read, "_told(code)", "_told(function_of(tree, function, {}).__code__)"),
    Fault(reading._looks_apart, "return [_assigned(name.id, held), s]", "return [s]"),
    Fault(reading._told, "repr(numbers)", "0"),
    Fault(Record.fail, "self.places |= self._here()", "pass"),
    Fault(Record.compare_options, "self.options != updates.options_of(self.optimizers)", "False"),
]  # fmt: skip


@cache
def all_checks() -> list[Callable[[], Any]]:
    return [
        *(partial(test_it_does_what_the_step_does, step) for step in STEPS),
        test_what_is_in_a_piece_and_what_is_not,
        test_what_it_shows,
        test_a_module_whose_forward_looks,
        test_the_way_that_errors_of_variables_take,
        test_a_variable_that_a_piece_binds_in_one_case_only,
        test_variables_that_are_deleted_and_code_that_nobody_reaches,
        lambda: test_a_source_that_is_not_what_runs_is_not_read(Path(tempfile.mkdtemp())),
        test_compile_choices.test_an_option_that_the_step_sets_by_hand_is_noticed,
        partial(test_random_python, 20),
    ]


@pytest.mark.parametrize("fault", [pytest.param(f, id=str(f), marks=share_of(k % 6, 0, 2)) for k, f in enumerate(FAULTS)])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_check_notices(fault: Fault) -> None:
    assert_noticed(fault, all_checks())
