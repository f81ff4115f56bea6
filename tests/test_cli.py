"""`minitorch train` and `evaluate`: the job is done, is repeatable, and bad input gets one line and changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minitorch
from minitorch.examples import digits
from prompt import run

pytestmark = [pytest.mark.outside, pytest.mark.usefixtures("in_empty_folder")]


def one_line_of_error(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("minitorch")
    return captured.err


def test_reaches_97_percent_and_saves(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train") == 0
    lines = capsys.readouterr().out.splitlines()
    epochs = [re.fullmatch(r"epoch +(\d+)/20  loss (\d\.\d{4})  test accuracy (\d\d\.\d\d) %", line) for line in lines[:20]]
    assert [int(e[1]) for e in epochs if e] == list(range(1, 21))
    assert float(epochs[-1][2]) < 0.1 * float(epochs[0][2])
    assert float(epochs[-1][3]) >= 97
    assert lines[20:] == ["saved digits.pt; test it again with: minitorch evaluate digits.pt"]

    assert run("evaluate", "digits.pt") == 0
    evaluated = capsys.readouterr().out
    assert evaluated.startswith(f"test accuracy {epochs[-1][3]} % (")
    right, of = map(int, re.search(r"\((\d+) of (\d+)\)", evaluated).groups())
    assert of == 359
    assert sum(map(int, re.findall(r"  \d read as \d: (\d+)×", evaluated))) == of - right


def test_same_seed_same_file() -> None:
    for name, seed in [("a.pt", "5"), ("b.pt", "5"), ("c.pt", "6")]:
        assert run("train", "--epochs", "1", "--seed", seed, "--out", name) == 0
    a, b, c = (minitorch.load(name)["model"]["scores.weight"].tolist() for name in ("a.pt", "b.pt", "c.pt"))
    assert a == b
    assert a != c


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_options(optimizer: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--epochs 3 --lr 0.02 --batch-size 479 --hidden 32 --dropout 0 --seed 1 --device cpu --out sub.pt"
    assert run("train", "--optimizer", optimizer, *options.split(" ")) == 0
    assert capsys.readouterr().out.count("epoch") == 3
    assert minitorch.load("sub.pt")["model"]["hidden.weight"].shape == (32, 64)
    assert run("evaluate", "sub.pt") == 0


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_compare_trains_the_same_in_torch(optimizer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--compare", "--epochs", "3", "--optimizer", optimizer) == 0
    out = capsys.readouterr().out
    pairs = re.findall(r"loss (\S+)  torch's loss (\S+)  difference (\S+)  test accuracy", out)
    assert len(pairs) == 3
    largest = float(re.search(r"largest difference between the losses of minitorch and torch: (\S+)", out)[1])
    assert largest == max(float(difference) for _, _, difference in pairs)
    assert 0 <= largest < 1e-4


@pytest.mark.parametrize("model", ["cnn", "lstm", "gpt"])
def test_compare_trains_each_model_the_same_in_torch(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--compare", "--epochs", "1", "--model", model, "--hidden", "16", "--dropout", "0.1") == 0
    out = capsys.readouterr().out
    largest = float(re.search(r"largest difference between the losses of minitorch and torch: (\S+)", out)[1])
    assert 0 <= largest < 1e-4


def test_the_cnn_reads_more_than_98_5_percent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--model", "cnn") == 0
    *_, last, _ = capsys.readouterr().out.splitlines()
    assert float(re.fullmatch(r"epoch 12/12  loss 0\.\d{4}  test accuracy (\d\d\.\d\d) %", last)[1]) > 98.5
    assert run("evaluate", "digits.pt") == 0
    assert capsys.readouterr().out.startswith("test accuracy 9")


@pytest.mark.parametrize("model", ["lstm", "gpt"])
def test_names_are_learnt_and_made_up(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--model", model, "--epochs", "2", "--data", "names") == 0
    first, second, made_up, saved = capsys.readouterr().out.splitlines()
    losses = [float(re.search(r"test loss (\S+)", line)[1]) for line in (first, second)]
    assert losses[1] < losses[0] < 2.4, "guessing is 3.3"
    names = made_up.removeprefix("names that it made up: ").split(", ")
    assert len(names) == 12 and all(re.fullmatch("[a-z]{3,12}", name) for name in names)
    assert not set(names) & set(minitorch.datasets.load_names())
    assert saved == "saved names.pt; test it again with: minitorch evaluate names.pt"

    assert run("evaluate", "names.pt") == 0
    assert capsys.readouterr().out.splitlines() == [f"test loss {losses[1]:.4f} (516 names)", made_up]


def test_the_steps_shrink_to_nothing() -> None:
    images, labels = minitorch.datasets.load_digits("test")
    training = digits.Training(digits.pixels(images), labels, lr=0.02, epochs=2)
    rates = []
    for _ in range(2):
        training.epoch()
        rates.append(training.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.01, 0.0], abs=1e-12)


def test_readme_shows_the_real_output(capsys: pytest.CaptureFixture[str]) -> None:
    shown = re.findall(r"^```text\n(epoch.*?)^```", (Path(__file__).parent.parent / "README.md").read_text(), re.M | re.S)
    assert len(shown) == 2
    for text, options in zip(shown, [[], ["--compare"]]):
        assert run("train", *options) == 0
        real = {line[:11]: line for line in capsys.readouterr().out.splitlines()}
        for line in filter("…".__ne__, text.splitlines()):
            # Words to the letter, numbers nearly: the machine rounds its own way.
            assert re.sub(r"\d\.\S+|\d\d\.\d\d", "", line) == re.sub(r"\d\.\S+|\d\d\.\d\d", "", real[line[:11]])
            claimed, got = (
                list(map(float, re.findall(r"(?:loss|accuracy) (\S+)", each))) for each in (line, real[line[:11]])
            )
            assert claimed == pytest.approx(got, rel=0.01)


def test_compare_changes_nothing_in_the_training() -> None:
    for name, option in [("a.pt", []), ("b.pt", ["--compare"])]:
        assert run("train", "--epochs", "2", "--out", name, *option) == 0
    assert Path("a.pt").read_bytes() == Path("b.pt").read_bytes()


@pytest.mark.parametrize("model", ["mlp", "lstm"])
@pytest.mark.filterwarnings("error:compile")
def test_compile_changes_nothing_in_the_training(model: str) -> None:
    for name, option in [("a.pt", []), ("b.pt", ["--compile"])]:
        assert run("train", "--model", model, "--hidden", "8", "--epochs", "1", "--out", name, *option) == 0
    assert Path("a.pt").read_bytes() == Path("b.pt").read_bytes()


def test_compare_without_torch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "reference.compare_training", raising=False)
    assert run("train", "--compare") == 1
    assert "pip install torch==2.13.0" in one_line_of_error(capsys)
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--device tpu", "tpu"),
        ("--device cuda:x", "cuda:x"),
        ("--lr -1", "a number above 0, got '-1'"),
        ("--lr 0", "a number above 0"),
        ("--lr nan", "a number above 0"),
        ("--lr fast", "got 'fast'"),
        ("--epochs 0", "at least 1"),
        ("--epochs 1.5", "whole number"),
        ("--batch-size 1", "at least 2"),
        ("--hidden 0", "at least 1"),
        ("--hidden 99999999999999", "--hidden"),
        ("--dropout 1", "below 1"),
        ("--dropout -0.1", "from 0"),
        ("--seed -1", "at least 0"),
        ("--optimizer magic", "'adam', 'adamw', 'sgd'"),
        ("--out missing/x.pt", "missing"),
        ("--out .", "folder"),
        ("--bogus 1", "--bogus"),
        ("--model rnn", "'mlp', 'cnn', 'lstm', 'gpt'"),
        ("--data faces", "'digits', 'names'"),
        ("--model cnn --data names", "--model cnn learns from digits, not from names; for names try --model lstm or gpt"),
        ("--model gpt --data digits", "for digits try --model mlp or cnn"),
        ("--model gpt --hidden 30", "a multiple of 4"),
    ],
)
def test_bad_option_gets_one_line(options: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", *options.split()) != 0
    assert says in one_line_of_error(capsys)
    assert os.listdir() == []


def test_a_file_that_is_not_ours_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    Path("thesis.txt").write_text("years of work")
    minitorch.save({"epoch": 3}, "other.pt")
    for name in ("thesis.txt", "other.pt"):
        before = Path(name).read_bytes()
        assert run("train", "--out", name) == 1
        assert "name another file" in one_line_of_error(capsys)
        assert Path(name).read_bytes() == before


def test_training_that_diverges_saves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--lr", "1e38", "--optimizer", "sgd", "--out", "x.pt") == 1
    assert "try a --lr below 1e+38" in capsys.readouterr().err
    assert os.listdir() == []


def test_a_disk_that_fills_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(minitorch, "save", full_disk)
    assert run("train", "--epochs", "1") == 1
    assert capsys.readouterr().err == ("minitorch train: error: --out digits.pt: could not save: No space left on device\n")


def test_evaluate_says_what_is_wrong_with_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.pt").write_text("hello")
    minitorch.save([1], "list.pt")
    minitorch.save({"kind": "minitorch digits", "settings": {"model": "mlp", "hidden": 2}, "model": {}}, "empty.pt")
    for name, says in [
        ("text.pt", "is no file of minitorch.save"),
        ("list.pt", "not one of minitorch train"),
        ("empty.pt", "does not fit"),
        ("missing.pt", "No such file"),
        (".", "Is a directory"),
    ]:
        assert run("evaluate", name) == 1
        assert says in one_line_of_error(capsys)


def test_help_names_every_option_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in [
        "model",
        "data",
        "epochs",
        "lr",
        "batch-size",
        "optimizer",
        "hidden",
        "dropout",
        "seed",
        "device",
        "out",
        "compare",
        "patience",
        "best",
        "resume",
        "weights",
        "freeze",
        "size",
        "workers",
    ]:
        assert f"--{option}" in text
    for default in [
        "mlp; lstm for names, resnet18 for a folder",
        "digits; names for lstm and gpt",
        "20; 12 for cnn, 8 for lstm, 12 for gpt, 10 for images",
        "64; 32 for images",
        "adam",
        "0",
        "cpu",
        "0.01; 0.005 for lstm, 0.003 for gpt, 0.001 for images; ten times that for sgd",
        "128; 32 for cnn, 64 for gpt",
        "0.2; 0 for lstm, 0 for gpt",
        "digits.pt; names.pt for names, images.pt for images",
        "224",
        "0, none",
    ]:
        assert f"(default: {default})" in text
    assert "(default: False)" not in text


def test_python_dash_m() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "minitorch", "train", "--epochs", "1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("epoch 1/1  loss ")
    assert os.listdir() == ["digits.pt"]
    bad = subprocess.run([sys.executable, "-m", "minitorch", "train", "--lr", "-1"], capture_output=True, text=True)
    assert bad.returncode == 2
    assert bad.stderr == "minitorch train: error: argument --lr: expected a number above 0, got '-1'\n"
