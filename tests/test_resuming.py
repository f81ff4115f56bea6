"""A training that is interrupted goes on bit for bit; early stopping, and the best epoch's weights."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

import minitorch
from minitorch.cli import tasks
from minitorch.cli.progress import Progress
from minitorch.datasets import load_names
from prompt import run

pytestmark = pytest.mark.usefixtures("in_empty_folder")


@pytest.fixture(autouse=True)
def few_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "load_names", lambda split="all": load_names(split)[:200])


def interrupt_after(batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while that batch is trained on."""
    inner, count = Progress.after_batch, iter(range(10**6))

    def after_batch(self: Progress) -> None:
        if next(count) == batches:
            signal.raise_signal(signal.SIGINT)
        inner(self)

    monkeypatch.setattr(Progress, "after_batch", after_batch)


# 1,438 images in batches of 240 are six batches an epoch: the last of one, its first, and some in the middle.
PLACES = [0, 3, 5, 6, 10]


@pytest.mark.parametrize("after", PLACES)
def test_it_goes_on_bit_for_bit(after: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--epochs", "3", "--batch-size", "240", "--dropout", "0.3", "--hidden", "16"]
    assert run("train", *options, "--out", "whole.pt") == 0
    whole = capsys.readouterr().out.splitlines()[:3]
    with monkeypatch.context() as patched:
        interrupt_after(after, patched)
        assert run("train", *options) == 130
    captured = capsys.readouterr()
    where = "after epoch 1" if after == 5 else f"in epoch {after // 6 + 1}"
    again = "minitorch train --resume digits.pt"
    assert captured.err == f"minitorch train: interrupted {where}; saved digits.pt; go on with: {again}\n"
    assert run("evaluate", "digits.pt") == 0
    capsys.readouterr()
    assert run("train", "--resume", "digits.pt", "--out", "resumed.pt") == 0
    assert captured.out.splitlines() + capsys.readouterr().out.splitlines()[:-1] == whole
    assert Path("resumed.pt").read_bytes() == Path("whole.pt").read_bytes()


@pytest.mark.parametrize(
    "options",
    ["--model gpt --hidden 8 --dropout 0.2 --batch-size 90", "--model cnn --hidden 4 --optimizer sgd --batch-size 700"],
)
def test_every_model_and_optimizer_goes_on(options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options += " --epochs 2 --out"
    assert run("train", *options.split(), "whole.pt") == 0
    with monkeypatch.context() as patched:
        interrupt_after(3, patched)
        assert run("train", *options.split(), "part.pt") == 130
    assert run("train", "--resume", "part.pt") == 0
    assert Path("part.pt").read_bytes() == Path("whole.pt").read_bytes()


def test_interrupted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--epochs", "2", "--batch-size", "240", "--hidden", "16", "--out"]
    assert run("train", *options, "whole.pt") == 0
    for first in (True, False):
        with monkeypatch.context() as patched:
            interrupt_after(1, patched)
            assert run("train", *([*options, "part.pt"] if first else ["--resume", "part.pt"])) == 130
    assert run("train", "--resume", "part.pt") == 0
    assert Path("part.pt").read_bytes() == Path("whole.pt").read_bytes()


def test_the_interrupt_of_others_is_theirs_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert run("train", "--epochs", "1", "--hidden", "4", "--batch-size", "700") == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_what_cannot_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--epochs", "1", "--hidden", "4", "--batch-size", "700") == 0
    kept = Path("digits.pt").read_bytes()
    checkpoint = minitorch.load("digits.pt")
    minitorch.save({name: value for name, value in checkpoint.items() if name != "progress"}, "old.pt")
    checkpoint["settings"]["epochs"] = 2
    minitorch.save(checkpoint | {"progress": checkpoint["progress"] | {"optimizer": {}}}, "other.pt")
    capsys.readouterr()
    for options, says in [
        ("--resume digits.pt", "nothing is left to do: all 1 epochs are done"),
        ("--resume digits.pt --epochs 3 --lr 0.1", "goes on as it began; leave --epochs, --lr away"),
        ("--resume digits.pt --compare", "leave --compare away"),
        ("--resume none.pt", "none.pt: No such file"),
        ("--resume old.pt", "holds a model only"),
        ("--resume other.pt", "does not fit"),
        ("--patience 0", "at least 1"),
    ]:
        assert run("train", *options.split()) != 0
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        assert says in captured.err
    assert Path("digits.pt").read_bytes() == kept


# ---- early stopping, and the best epoch ----


def accuracies(out: str) -> list[float]:
    return [float(found) for found in re.findall(r"test accuracy (\S+) %$", out, re.M)]


def test_it_stops_when_nothing_gets_better(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--epochs", "40", "--hidden", "8", "--patience", "2", "--lr", "0.05") == 0
    out = capsys.readouterr().out
    found = accuracies(out)
    best = found.index(max(found))
    assert len(found) == best + 3 < 40, "two more after the best one"
    *_, stopped, saved = out.splitlines()
    assert stopped == "no better for 2 epochs: stopped"
    assert saved.startswith(f"saved digits.pt, of epoch {best + 1}, the best one; test it again with")
    assert run("evaluate", "digits.pt") == 0
    assert capsys.readouterr().out.startswith(f"test accuracy {max(found):.2f} %")


def test_a_loss_is_better_when_it_is_lower(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--model", "gpt", "--hidden", "8", "--epochs", "3", "--lr", "0.5", "--batch-size", "700", "--best"]
    assert run("train", *options) == 0
    out = capsys.readouterr().out
    losses = [float(found) for found in re.findall(r"test loss (\S+)$", out, re.M)]
    assert f"of epoch {losses.index(min(losses)) + 1}, the best one" in out
    assert minitorch.load("names.pt")["test_loss"] == pytest.approx(min(losses), abs=1e-4)


def test_a_training_that_keeps_its_best_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--epochs", "6", "--hidden", "8", "--batch-size", "240", "--lr", "0.05", "--patience", "3", "--out"]
    assert run("train", *options, "whole.pt") == 0
    with monkeypatch.context() as patched:
        interrupt_after(20, patched)
        assert run("train", *options, "part.pt") == 130
    assert run("train", "--resume", "part.pt") == 0
    assert Path("part.pt").read_bytes() == Path("whole.pt").read_bytes()
