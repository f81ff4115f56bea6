"""`minitorch train --data FOLDER` and `predict`: a network learns the images of a folder, and whatever can be wrong with them is one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from planting import plant

import minitorch
from minitorch import nn
from minitorch.cli import progress, task
from minitorch.cli.progress import Progress
from minitorch.examples import fine_tuning
from minitorch.vision import models
from minitorch.vision.models import _api
from prompt import run
from reference.examples import example
from reference.vision import measure_fine_tuning as measured
from reference.vision import networks

pytestmark = [pytest.mark.outside, pytest.mark.usefixtures("in_empty_folder")]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images of four digits, ten of each."""
    folder = tmp_path_factory.mktemp("there") / "photos"
    measured.write_images(folder, 10)
    return folder


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network has the name of a ResNet, and a file of weights."""

    def made() -> nn.Module:
        layers = OrderedDict(
            conv1=nn.Conv2d(3, 6, 5, stride=3),
            bn1=nn.BatchNorm2d(6),
            relu=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(3),
            flat=nn.Flatten(),
            dropout=nn.Dropout(0.2),
            fc=nn.Linear(54, 1000),
        )
        return nn.Sequential(layers)

    monkeypatch.setitem(_api.BUILDERS, "resnet18", made)
    minitorch.manual_seed(3)
    minitorch.save(made().state_dict(), "narrow.pth")


def train(folder: Path | str, *options: str) -> int:
    return run("train", "--data", str(folder), "--size", "32", "--batch-size", "8", *options)


FROZEN = ("--weights", "narrow.pth", "--freeze", "--lr", "0.03")


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


# ---- the whole story ----


def test_a_pretrained_resnet_learns_new_classes(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    torch.save(networks.network("resnet18").state_dict(), "resnet18.pth")
    assert train(there, "--weights", "resnet18.pth", "--freeze", "--epochs", "2", "--out", "mine.pt") == 0
    lines = capsys.readouterr().out.splitlines()
    told = [re.fullmatch(r"epoch (\d)/2  loss \d\.\d{4}  validation accuracy (\d+\.\d\d) %", line) for line in lines[:2]]
    accuracies = [float(line[2]) for line in told]
    best = accuracies.index(max(accuracies)) + 1
    again = "name what is in an image with: minitorch predict --checkpoint mine.pt IMAGE"
    assert lines[2:] == [f"saved mine.pt, of epoch {best}, the best one; {again}"]

    checkpoint, before = minitorch.load("mine.pt"), minitorch.load("resnet18.pth")
    assert checkpoint["settings"]["classes"] == ["four", "one", "seven", "zero"]
    model = checkpoint["progress"]["model"]  # of the last epoch
    for name, tensor in before.items():
        same = name.startswith("fc.") or minitorch.equal(model[name], tensor)
        assert same, f"{name} has moved"
    assert model["fc.weight"].shape == (4, 512)

    assert run("evaluate", "mine.pt") == 0
    assert capsys.readouterr().out.startswith(f"accuracy {max(accuracies):.2f} % (")
    os.remove("resnet18.pth")
    assert run("predict", "--checkpoint", "mine.pt", "--top", "4", str(there / "one" / "00.png")) == 0
    name, *lines = capsys.readouterr().out.splitlines()
    found = [re.fullmatch(r" +(\d+\.\d\d) %  (\w+)", line) for line in lines]
    shares = [float(line[1]) for line in found]
    assert name == str(there / "one" / "00.png")
    assert {line[2] for line in found} == set(measured.CLASSES)
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(100, abs=0.03)


def test_every_network_of_the_command_is_there() -> None:
    assert sorted(task.IMAGE_MODELS) == sorted(models.list_models())


# ---- the same script in torch and torchvision ----

QUICK = "frozen"


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n == QUICK else pytest.mark.slow) for n in measured.RUNS])
def test_the_script_computes_what_it_does_in_torchvision(name: str, there: Path) -> None:
    theirs = json.loads(measured.FILE.read_text(encoding="utf-8"))["runs"][name]
    ours = measured.facts(minitorch, fine_tuning, there, **measured.RUNS[name])
    single = measured.RUNS[name].get("dtype") == "float32"
    close: dict[str, Any] = {"rtol": 1.3e-6, "atol": 1e-5} if single else {"rtol": 1e-9, "atol": 1e-9}
    assert [list(part) for part in ours["predicted"]] == theirs["predicted"]
    for key in ("losses", "scores", "accuracy", "moved"):
        np.testing.assert_allclose(ours[key], theirs[key], err_msg=key, **close)


@pytest.mark.slow
@pytest.mark.parametrize("freeze", [True, False])
def test_its_loop_in_the_torch_beside_us(freeze: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script in the torch of these tests, with networks in plain torch, on the same samples: which batches come is each one's own draw."""
    there = {name: ModuleType(name) for name in ("torchvision", "torchvision.datasets")}
    for name, module in there.items():
        monkeypatch.setitem(sys.modules, name, module)
    there["torchvision"].models = SimpleNamespace(get_model=networks.network)
    there["torchvision"].transforms = there["torchvision.datasets"].ImageFolder = None
    inputs = np.random.RandomState(0).randn(13, 3, 32, 32)

    def run_in(library: Any, script: Any) -> list[float]:
        before = library.get_default_dtype()
        library.set_default_dtype(library.float64)
        try:
            library.manual_seed(1)
            weights = script.models.get_model("mobilenet_v2").state_dict()
            samples = [(library.from_numpy(x), k % 3) for k, x in enumerate(inputs)]
            # (Adam divides a gradient by its size: of one that is all rounding it makes a step as long as of any other.)
            options = {"model": "mobilenet_v2", "optimizer": "sgd", "lr": 0.001, "batch_size": 6, "epochs": 2}
            training = script.Training(samples, 3, weights=weights, freeze=freeze, **options)
            return [training.epoch() for _ in range(2)]
        finally:
            library.set_default_dtype(before)

    ours, theirs = run_in(minitorch, fine_tuning), run_in(torch, example("fine_tuning", torch))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


# ---- goes on bit for bit ----


def interrupt_at(moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at the so-manieth batch, of training or of what is held out."""
    inner, looked, count = Progress.after_batch, Progress.check_interrupted, iter(range(10**6))

    def at(self: Progress) -> None:
        if next(count) == moment:
            signal.raise_signal(signal.SIGINT)

    def after_batch(self: Progress) -> None:
        at(self)
        inner(self)

    def check(self: Progress) -> None:
        if self.loss is not None:
            at(self)
        looked(self)

    monkeypatch.setattr(Progress, "after_batch", after_batch)
    monkeypatch.setattr(Progress, "check_interrupted", check)


# 32 images in batches of 8 are four batches of an epoch, and 8 are held out: one more.
MOMENTS = [0, 4, 7]


@pytest.mark.parametrize("moment", MOMENTS)
def test_it_goes_on_bit_for_bit(
    moment: int, narrow: None, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    goes_on(moment, [*FROZEN, "--epochs", "3"], there, monkeypatch, capsys)


EPOCH = "^epoch .*$"


def epochs(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of epochs that were printed."""
    return re.findall(EPOCH, capsys.readouterr().out, re.M)


def goes_on(
    moment: int, options: list[str], there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(there, *options, "--out", "whole.pt") == 0
    whole = epochs(capsys)
    with monkeypatch.context() as patched:
        interrupt_at(moment, patched)
        assert train(there, *options, "--out", "part.pt") == 130
    captured = capsys.readouterr()
    told = f"interrupted in epoch {moment // 5 + 1}; saved part.pt; go on with: minitorch train --resume part.pt"
    assert captured.err == f"minitorch train: {told}\n"
    assert run("predict", "--checkpoint", "part.pt", str(there / "one" / "00.png")) == 0
    capsys.readouterr()
    assert run("train", "--resume", "part.pt") == 0
    assert re.findall(EPOCH, captured.out, re.M) + epochs(capsys) == whole
    assert Path("part.pt").read_bytes() == Path("whole.pt").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("options", ["--optimizer sgd", "--weights narrow.pth --workers 2", "--compile", "--patience 1"])
@pytest.mark.parametrize("moment", [2, 6, 8])
def test_whatever_the_options_it_goes_on(
    moment: int,
    options: str,
    narrow: None,
    there: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    goes_on(moment, [*options.split(), "--epochs", "3"], there, monkeypatch, capsys)


def test_a_second_ctrl_c_ends_at_once(
    narrow: None, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the middle of a batch there is nothing that would go on bit for bit: what the last epoch left stays."""
    assert train(there, *FROZEN, "--epochs", "3", "--out", "whole.pt") == 0
    for moment, kept in [(1, "nothing was saved"), (6, "x.pt is of epoch 1; go on with: minitorch train --resume x.pt")]:
        with monkeypatch.context() as patched:
            for _ in range(2):
                interrupt_at(moment, patched)
            assert train(there, *FROZEN, "--epochs", "3", "--out", "x.pt") == 130
        assert one_line(capsys) == f"minitorch train: interrupted at once; {kept}\n"
        assert Path("x.pt").exists() == (moment > 5)
    assert run("train", "--resume", "x.pt") == 0
    assert Path("x.pt").read_bytes() == Path("whole.pt").read_bytes()


def test_a_terminal_is_told_that_ctrl_c_was_heard(
    narrow: None, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch may take long; what is written goes past Python's buffers, for it may be these that were interrupted."""
    reading, writing = os.pipe()
    terminal = SimpleNamespace(isatty=lambda: True, fileno=lambda: writing)
    with monkeypatch.context() as patched:
        patched.setattr(progress, "sys", SimpleNamespace(stderr=terminal))
        interrupt_at(1, patched)
        assert train(there, *FROZEN, "--epochs", "1") == 130
    assert os.read(reading, 1000) == progress.HEARD
    os.close(reading)
    os.close(writing)


def test_the_images_may_move_but_not_change(
    narrow: None, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(there, "here")
    with monkeypatch.context() as patched:
        interrupt_at(1, patched)
        assert train("here", *FROZEN, "--epochs", "2") == 130
    os.rename("here", "elsewhere")
    os.remove("narrow.pth")
    kept = Path("images.pt").read_bytes()
    capsys.readouterr()
    assert run("train", "--resume", "images.pt") == 1
    assert "here: the images of images.pt are not there any more; say where they are with --data" in one_line(capsys)
    os.remove("elsewhere/one/00.png")
    assert run("train", "--resume", "images.pt", "--data", "elsewhere") == 1
    assert "has not the same images" in one_line(capsys)
    assert run("train", "--resume", "images.pt", "--data", "elsewhere", "--freeze", "--size", "3") == 1
    assert "leave --freeze, --size away" in one_line(capsys)
    assert Path("images.pt").read_bytes() == kept
    shutil.copy(there / "one" / "00.png", "elsewhere/one")
    assert run("train", "--resume", "images.pt", "--data", "elsewhere") == 0


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.slow)])
def test_an_image_that_breaks_while_it_trains(
    workers: str, narrow: None, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(there, "here")
    inner = Progress.after_epoch

    def after_epoch(self: Progress, value: float) -> float:
        Path("here/one/03.png").write_bytes(Path("here/one/03.png").read_bytes()[:60])
        return inner(self, value)

    monkeypatch.setattr(Progress, "after_epoch", after_epoch)
    assert train("here", *FROZEN, "--workers", workers) == 1
    broken = os.path.abspath("here/one/03.png")
    assert re.fullmatch(
        rf"minitorch train: error: {broken}: cannot be read as an image \(.*\); mend it or take it away; images.pt is of epoch 1; go on "
        "with: minitorch train --resume images.pt\n",
        one_line(capsys),
    )
    assert minitorch.load("images.pt")["progress"]["epochs"] == 1


def test_compile_changes_nothing(narrow: None, there: Path) -> None:
    for name, option in [("a.pt", []), ("b.pt", ["--compile"])]:
        assert train(there, *FROZEN, "--epochs", "1", "--out", name, *option) == 0
    assert Path("a.pt").read_bytes() == Path("b.pt").read_bytes()


# ---- the best epoch ----


def test_it_stops_when_nothing_gets_better(narrow: None, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(there, *FROZEN, "--epochs", "40", "--patience", "2") == 0
    out = capsys.readouterr().out
    found = [float(value) for value in re.findall(r"validation accuracy (\S+) %$", out, re.M)]
    best = found.index(max(found))
    assert len(found) == best + 3 < 40, "two more after the best one"
    assert f"no better for 2 epochs: stopped\nsaved images.pt, of epoch {best + 1}, the best one; " in out
    checkpoint = minitorch.load("images.pt")
    assert checkpoint["accuracy"] == max(found)
    assert run("evaluate", "images.pt", "--data", str(there)) == 0
    first, *mistakes = capsys.readouterr().out.splitlines()
    right = round(8 * max(found) / 100)
    assert first == f"accuracy {max(found):.2f} % ({right} of 8 images of {there} that were held out)"
    assert sum(int(re.fullmatch(r"  \w+ taken for \w+: (\d+)×", line)[1]) for line in mistakes) == 8 - right


def test_a_loss_that_is_none_leaves_the_epoch_before(narrow: None, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(there, "--lr", "1e30", "--optimizer", "sgd") == 1
    assert re.search(r"the loss became \w+ in epoch 1; try a --lr below 1e\+30; nothing was saved", one_line(capsys))
    assert os.listdir() == ["narrow.pth"]


# ---- other images ----


def test_images_of_a_test_folder(narrow: None, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their classes are found by name, and may be some of those learnt; all of its images are asked about, or those in its val."""
    assert train(there, *FROZEN, "--epochs", "8") == 0
    for name in ("seven", "zero"):
        shutil.copytree(there / name, f"test/{name}")
        shutil.copytree(there / name, f"parts/train/{name}")
    shutil.copytree(there / "zero", "parts/val/zero")
    shutil.copytree(there / "zero", "strange/two")
    capsys.readouterr()
    mistakes = {}
    for folder, told in [("test", "of 20 images of test"), ("parts", "of 10 images of parts that were held out")]:
        assert run("evaluate", "images.pt", "--data", folder) == 0
        first, *lines = capsys.readouterr().out.splitlines()
        assert first.endswith(told + ")")
        mistakes[folder] = {line for line in lines if line.startswith("  zero")}
        assert all(line.split()[0] in ("seven", "zero") for line in lines)
    assert mistakes["test"] == mistakes["parts"], "the same ten zeros"
    assert run("evaluate", "images.pt", "--data", "strange") == 1
    assert "has classes that were not learnt: two; learnt were four, one, seven, zero" in one_line(capsys)
    assert run("evaluate", "images.pt", "--data", "nowhere") == 1
    assert "nowhere: no such folder" in one_line(capsys)


def test_folders_train_and_val(narrow: None, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "zero"):
        shutil.copytree(there / name, f"parts/train/{name}")
        shutil.copytree(there / name, f"parts/val/{name}")
    assert train("parts", *FROZEN, "--epochs", "1") == 0
    assert run("evaluate", "images.pt") == 0
    assert "of 20 images of" in capsys.readouterr().out
    shutil.copytree(there / "four", "parts/val/four")
    assert train("parts", *FROZEN, "--out", "x.pt") == 1
    assert "train and val have not the same classes: four in one of them only" in one_line(capsys)


def test_a_checkpoint_that_lies(narrow: None, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(there, *FROZEN, "--epochs", "1") == 0
    capsys.readouterr()
    good = minitorch.load("images.pt")
    for wrong in (
        {"model": "os"},
        {"classes": ["one"]},
        {"size": None},
        {"mean": ()},
        {"model": "mobilenet_v2"},
        {"classes": 3},
    ):
        minitorch.save(good | {"settings": good["settings"] | wrong}, "lie.pt")
        for command in (["evaluate", "lie.pt"], ["predict", "--checkpoint", "lie.pt", str(there / "one" / "00.png")]):
            assert run(*command) == 1
            assert "lie.pt: does not fit the model of minitorch train" in one_line(capsys)


def test_predict_says_what_is_wrong(narrow: None, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(there, *FROZEN, "--epochs", "1") == 0
    minitorch.save({"kind": "minitorch digits", "settings": {}, "model": {}}, "digits.pt")
    Path("text.png").write_text("hello")
    whole = (there / "one" / "00.png").read_bytes()
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    good = str(there / "one" / "00.png")
    capsys.readouterr()
    for options, says in [
        ([], "required: IMAGE"),
        (["none.png"], "none.png: No such file or directory"),
        ([good, "text.png"], "text.png: cannot be read as an image (cannot identify image file); mend it or take it away"),
        (["cut.png", good], "cut.png: cannot be read as an image ("),
        ([str(there)], f"{there}: is a folder; name the images in it, e.g. {there}/*.jpg"),
        (
            [good, "--checkpoint", "none.pt"],
            "none.pt: no such file; train one with minitorch train --data FOLDER, or name yours",
        ),
        ([good, "--checkpoint", "narrow.pth"], "narrow.pth: is a checkpoint, but not one of minitorch train"),
        (
            [good, "--checkpoint", "digits.pt"],
            "digits.pt: is of minitorch digits; predict takes one of minitorch train --data",
        ),
        ([good, "--top", "0"], "at least 1"),
        ([good, "--chekpoint", "x"], "did you mean --checkpoint?"),
    ]:
        assert run("predict", *options) != 0
        assert says in one_line(capsys)
    assert run("predict", good, str(there / "zero" / "00.png"), "--top", "9") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("  ")] == [good, str(there / "zero" / "00.png")]
    assert len(lines) == 10, "there are four classes"


# ---- what cannot be learnt from ----


@pytest.fixture
def wrong(there: Path, narrow: None) -> None:
    """Folders and files that are of no use."""
    os.makedirs("empty")
    shutil.copytree(there / "one", "flat")
    shutil.copytree(there / "one", "single/one")
    shutil.copytree(there, "lonely/train")
    for name in ("few", "hollow", "broken", "text"):
        shutil.copytree(there, name)
    for number in range(1, 10):
        os.remove(f"few/one/{number:02}.png")
    os.makedirs("hollow/two")
    Path("broken/one/03.png").write_bytes((there / "one" / "03.png").read_bytes()[:60])
    Path("text/one/x.jpg").write_text("hello")
    Path("cut.pth").write_bytes(Path("narrow.pth").read_bytes()[:2000])
    minitorch.save({"model": minitorch.load("narrow.pth")}, "nested.pth")
    weights = minitorch.load("narrow.pth")
    minitorch.save({**weights, "conv1.bias": weights["conv1.bias"][:3], "conv2.bias": weights["fc.bias"]}, "other.pth")
    minitorch.save({name: tensor for name, tensor in weights.items() if "bn1" not in name}, "less.pth")


def test_whatever_is_wrong_is_one_line_and_nothing_is_written(
    wrong: None, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(os.listdir())
    good = f"--data {there} --size 32"
    for options, says in [
        ("--data nowhere", "--data nowhere: no such folder; expected 'digits', 'names' or a folder of images"),
        ("--data digts", "did you mean digits?"),
        ("--data narrow.pth", "--data narrow.pth: a file; expected"),
        ("--data empty", "--data empty: Couldn't find any class folder in empty"),
        ("--data flat", "make a folder for each class, and put its images there"),
        ("--data single", "has one class only, one: there is nothing to tell apart"),
        ("--data lonely", "has one class only, train: there is nothing to tell apart; beside train there must be val"),
        ("--data few", "of one there is one image only: one must be held out, so give two at least"),
        ("--data hollow", "Found no valid file for the classes two"),
        ("--data broken", "broken/one/03.png: cannot be read as an image (image file is truncated); mend it or take it away"),
        ("--data text", "text/one/x.jpg: cannot be read as an image (cannot identify image file)"),
        ("--model resnet18", "--model resnet18 learns from a folder of your images; name it: --data FOLDER"),
        ("--model resnet18 --data digits", "--model resnet18 learns from images, not from digits; for digits try --model mlp or cnn"),
        ("--model mlp --data empty", "--model mlp learns from digits, not from empty; for empty try --model resnet18"),
        ("--model resnet81", "did you mean resnet18?"),
        ("--freeze", "--freeze is for images; leave it away with digits"),
        (f"{good} --freeze", "--freeze keeps layers as they are in --weights; name a file"),
        (f"{good} --hidden 3", "--hidden is for digits and names; leave it away with images"),
        (f"{good} --compare", "--compare is for digits and names; leave it away with images"),
        (f"{good} --workers -1", "at least 0, got '-1'"),
        (f"{good} --model alexnet", "--size 32: does not go through alexnet"),
        (f"{good} --weights none.pth", "none.pth: No such file"),
        (f"{good} --weights cut.pth", "'cut.pth' was not loaded"),
        (f"{good} --weights nested.pth", "--weights nested.pth: is no state_dict"),
        (f"{good} --weights other.pth", "too many are conv2.bias; of another shape are conv1.bias"),
        (f"{good} --weights less.pth", "missing are bn1.weight, bn1.bias, bn1.running_mean and 2 more"),
        (f"{good} --weights narrow.pth --model mobilenet_v2", "are not those of mobilenet_v2: missing are features.0.0.weight, "),
        (f"{good} --out missing/x.pt", "missing"),
        (f"{good} --out other.pth", "other.pth: exists and is no checkpoint of minitorch train; name another file"),
    ]:  # fmt: skip
        assert run("train", *options.split()) != 0, options
        assert says in one_line(capsys), options
    assert sorted(os.listdir()) == before


def test_without_pillow(there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    assert train(there) == 1
    assert "pip install 'minitorch[vision]'" in one_line(capsys)
    assert os.listdir() == []


def test_from_scratch_is_said(narrow: None, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(there, "--epochs", "1") == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == "no --weights: resnet18 learns from scratch, for which it needs many images"


# ---- what the script promises, and that the tests notice when it does not ----


def split_is_fair() -> None:
    labels = [0] * 10 + [1] * 3 + [2] * 40
    kept, left_out = fine_tuning.split(labels, 0)
    assert sorted(kept + left_out) == list(range(53)), "each image is in one part"
    assert [sum(labels[k] == c for k in left_out) for c in range(3)] == [2, 1, 8], "a fifth of each class"
    assert (kept, left_out) == fine_tuning.split(labels, 0) != fine_tuning.split(labels, 1)
    minitorch.manual_seed(4)
    drawn = minitorch.rand(1).item()
    minitorch.manual_seed(4)
    fine_tuning.split(labels, 0)
    assert minitorch.rand(1).item() == drawn, "the split has a generator of its own"


def small(monkeypatch: pytest.MonkeyPatch, **options: Any) -> fine_tuning.Training:
    made = lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 7))
    monkeypatch.setitem(_api.BUILDERS, "resnet18", made)
    minitorch.manual_seed(1)
    weights = made().state_dict()
    data = [(minitorch.randn(3, 4, 4), k % 2) for k in range(9)]
    return fine_tuning.Training(data, 2, weights=weights, batch_size=4, **options)


def frozen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    training = small(monkeypatch, freeze=True)
    before = {name: tensor.clone() for name, tensor in training.model.state_dict().items()}
    training.epoch()
    moved = [name for name, tensor in training.model.state_dict().items() if not minitorch.equal(tensor, before[name])]
    assert moved == ["4.weight", "4.bias"]
    assert [module.training for module in training.model] == [True, False, True, True, True], "dropout goes on"
    assert [p.grad is None for p in training.model.parameters()] == [True] * 4 + [False] * 2, "backward ends at the head"


def old_layers_learn_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    training = small(monkeypatch, lr=0.5)
    rates = {id(p): group["lr"] for group in training.optimizer.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in training.model.parameters()] == pytest.approx([0.05] * 4 + [0.5] * 2)
    assert len(training.batches) == 2, "the ninth image would be alone"
    before = training.model[1].running_mean.clone()
    training.epoch()
    assert not minitorch.equal(training.model[1].running_mean, before)
    assert training.optimizer.param_groups[1]["lr"] == pytest.approx(0.5 * 0.1 * (1 + np.cos(np.pi / 10)) / 2)


def weights_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    training = small(monkeypatch)
    minitorch.manual_seed(1)
    weights = models.get_model("resnet18").state_dict()
    assert all(minitorch.equal(training.model.state_dict()[name], weights[name]) for name in weights if name[0] != "4")
    assert training.model[4].weight.shape == (2, 16)


def held_out_is_plain(there: Path) -> None:
    training, held_out = fine_tuning.read_folder(there, 32)
    assert minitorch.equal(held_out[0][0], held_out[0][0]) and not minitorch.equal(training[0][0], training[0][0])
    kept, left_out = ({part.dataset.samples[k][0] for k in part.indices} for part in (training, held_out))
    assert not kept & left_out and len(kept | left_out) == 40


def test_the_split_is_fair() -> None:
    split_is_fair()


def test_frozen_layers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen_stays(monkeypatch)


def test_old_layers_learn_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    old_layers_learn_slowly(monkeypatch)


def test_the_weights_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    weights_arrive(monkeypatch)


def test_nothing_is_varied_of_what_is_held_out(there: Path) -> None:
    held_out_is_plain(there)


FAULTS = [
    ("keep_statistics", "module.eval()", "pass", frozen_stays),
    ("build_optimizer", "not freeze)", "True)", frozen_stays),
    ("Training.epoch", "if self.freeze:", "if not self.freeze:", frozen_stays),
    ("build_optimizer", "lr * OLD_LAYERS if pretrained else lr", "lr", old_layers_learn_slowly),
    ("Training.__init__", "== 1", "== 0", old_layers_learn_slowly),
    ("build", "{**weights, **new}", "model.state_dict()", weights_arrive),
    ("split", "kept += sorted(order[held:])", "kept += sorted(order)", split_is_fair),
    ("split", ", generator=generator)", ")", split_is_fair),
    ("read_folder", "ImageFolder(folder, plain(size), **options)", "ImageFolder(folder, varied(size), **options)", held_out_is_plain),
    ("read_folder", "Subset(held_out, left_out)", "Subset(held_out, kept)", held_out_is_plain),
]  # fmt: skip


@pytest.mark.parametrize(("name", "piece", "broken", "check"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_noticed(
    name: str, piece: str, broken: str, check: Any, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"monkeypatch": monkeypatch, "there": there}
    asked = check.__code__.co_varnames[: check.__code__.co_argcount]
    plant(monkeypatch, "examples.fine_tuning", name, piece, broken)
    with pytest.raises(AssertionError):
        check(**{key: given[key] for key in asked})


@pytest.mark.parametrize(
    ("home", "name", "piece", "broken", "moment"),
    [
        ("cli.images", "Images.loader", "generator=own", "generator=None", 4),
        ("cli.progress", "Progress.train", "if self.loss is None:", "if True:", 4),
        ("cli.progress", "Batches.__iter__", "set_generators(self.then)", "pass", 1),
    ],
)
def test_a_fault_in_going_on_is_noticed(
    home: str,
    name: str,
    piece: str,
    broken: str,
    moment: int,
    narrow: None,
    there: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant(monkeypatch, home, name, piece, broken)
    with pytest.raises(AssertionError):
        goes_on(moment, [*FROZEN, "--epochs", "2"], there, monkeypatch, capsys)
