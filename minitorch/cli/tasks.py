"""What `minitorch train` can train: which model learns from which data, its usual settings, and how it is told how well it does.

A task has a script of `minitorch/examples/`, which trains. Read next: `images.py`, the task of fine-tuning; `train.py`, which runs a task.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import minitorch
from minitorch import Tensor, nn
from minitorch.datasets import load_digits, load_names
from minitorch.examples import digits, names

from .ends import UserError


class Usual(NamedTuple):
    """A model's data, and what its options are unless given. For SGD the learning rate is ten times this."""

    data: str
    epochs: int
    lr: float
    hidden: int = 0
    dropout: float = 0.0
    batch_size: int = 64


IMAGES = Usual("images", epochs=10, lr=0.001, batch_size=32)
IMAGE_MODELS = (
    "resnet18 resnet34 resnet50 resnet101 resnet152 alexnet mobilenet_v2 vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn"
).split()
MODELS = {
    "mlp": Usual("digits", epochs=20, lr=0.01, hidden=128, dropout=0.2),
    "cnn": Usual("digits", epochs=12, lr=0.01, hidden=32, dropout=0.2),
    "lstm": Usual("names", epochs=8, lr=0.005, hidden=128),
    "gpt": Usual("names", epochs=12, lr=0.003, hidden=64),
    **dict.fromkeys(IMAGE_MODELS, IMAGES),
}
SHARED = ("epochs", "lr", "batch_size", "optimizer", "seed")  # options that every task has


class Task:
    """One kind of data: how it is read, and what is told of a model that was trained on it."""

    name: str
    measured: str  # what `measure` gives
    higher_is_better: bool  # of that
    options: tuple[str, ...]  # that it has beside those all have
    movable: tuple[str, ...] = ()  # of the options, those that may be told anew when it goes on
    keeps_best = False  # its file holds the best epoch, and is written after each

    @property
    def kind(self) -> str:
        """What its checkpoints say they are."""
        return f"minitorch {self.name}"

    def settings(self, args: Namespace, model: str) -> dict[str, Any]:
        """All that a training follows from; UserError for what cannot be."""
        usual = MODELS[model]
        optimizer = getattr(args, "optimizer", "adam")
        return {
            "model": model,
            "seed": getattr(args, "seed", 0),
            "optimizer": optimizer,
            "batch_size": getattr(args, "batch_size", usual.batch_size),
            "epochs": getattr(args, "epochs", usual.epochs),
            "lr": getattr(args, "lr", usual.lr * (10 if optimizer == "sgd" else 1)),
        }

    def moved(self, settings: dict[str, Any], args: Namespace) -> dict[str, Any]:
        """The settings of a checkpoint to go on with, with what was told anew."""
        return settings

    def beforehand(self, settings: dict[str, Any]) -> list[str]:
        """What is printed before training starts."""
        return []

    def data(self, split: str, settings: dict[str, Any], device: Any) -> tuple[Any, ...]:
        """The "train" or the "test" part, as the script takes it."""
        raise NotImplementedError

    def training(self, data: tuple[Any, ...], settings: dict[str, Any], before: dict[str, Any] | None, device: Any) -> Any:
        """The script's Training; `before` are the weights it is to go on with, if it is to."""
        raise NotImplementedError

    def model(self, settings: dict[str, Any]) -> nn.Module:
        """The model of a checkpoint, before its weights are loaded."""
        raise NotImplementedError

    def measure(self, model: nn.Module, held_out: tuple[Any, ...], after_batch: Callable[[], object]) -> float:
        """How well it does on the test part."""
        raise NotImplementedError

    def told(self, value: float) -> str:
        """The same in words."""
        raise NotImplementedError

    def afterwards(self, model: nn.Module, seed: int) -> list[str]:
        """What is printed when training is over."""
        return []

    def next_command(self, program: str, file: str) -> str:
        """What to type when it is saved."""
        return f"test it again with: {program} evaluate {file}"

    def report(self, model: nn.Module, settings: dict[str, Any], data: str | None, device: Any) -> list[str]:
        """What `minitorch evaluate` prints; `data` is the folder that was named, if any."""
        raise NotImplementedError


class Built(Task):
    """A task whose data come with the package, in two tensors, and whose script builds its models from two numbers."""

    options = ("hidden", "dropout")
    script: ModuleType

    def settings(self, args: Namespace, model: str) -> dict[str, Any]:
        usual = MODELS[model]
        chosen = {option: getattr(args, option, getattr(usual, option)) for option in self.options}
        if model == "gpt" and chosen["hidden"] % 4:
            raise UserError(f"--hidden {chosen['hidden']}: a gpt has 4 heads, so choose a multiple of 4")
        return super().settings(args, model) | chosen

    def training(self, data: tuple[Any, ...], settings: dict[str, Any], before: dict[str, Any] | None, device: Any) -> Any:
        return self.script.Training(*data, **settings)

    def model(self, settings: dict[str, Any]) -> nn.Module:
        return self.script.MODELS[settings["model"]](settings["hidden"], settings["dropout"])

    def report(self, model: nn.Module, settings: dict[str, Any], data: str | None, device: Any) -> list[str]:
        if data not in (None, self.name):
            raise UserError(f"--data {data}: this checkpoint is tested on the {self.name} that were held out; leave --data away")
        return self.lines(model, settings["seed"], *self.data("test", settings, device))

    def lines(self, model: nn.Module, seed: int, inputs: Tensor, targets: Tensor) -> list[str]:
        """The report on the test part."""
        raise NotImplementedError


class Digits(Built):
    """Reading handwritten digits."""

    name, measured, higher_is_better, script = "digits", "accuracy", True, digits

    def data(self, split: str, settings: dict[str, Any], device: Any) -> tuple[Tensor, Tensor]:
        images, labels = load_digits(split)
        return digits.pixels(images).to(device), labels.to(device)

    def measure(self, model: nn.Module, held_out: tuple[Any, ...], after_batch: Callable[[], object]) -> float:
        return digits.accuracy(model, *held_out)

    def told(self, value: float) -> str:
        return f"test accuracy {value:.2f} %"

    def lines(self, model: nn.Module, seed: int, inputs: Tensor, targets: Tensor) -> list[str]:
        right, of, mistakes = confusions(digits.predict(model, inputs).tolist(), targets.tolist())
        lines = [f"test accuracy {100 * right / of:.2f} % ({right} of {of})"]
        return lines + [f"  {true} read as {got}: {times}×" for (true, got), times in mistakes]


class Names(Built):
    """Making up first names."""

    name, measured, higher_is_better, script = "names", "test_loss", False, names

    def data(self, split: str, settings: dict[str, Any], device: Any) -> tuple[Tensor, Tensor]:
        inputs, targets = names.encode(load_names(split))
        return inputs.to(device), targets.to(device)

    def measure(self, model: nn.Module, held_out: tuple[Any, ...], after_batch: Callable[[], object]) -> float:
        return names.test_loss(model, *held_out)

    def told(self, value: float) -> str:
        return f"test loss {value:.4f}"

    def afterwards(self, model: nn.Module, seed: int) -> list[str]:
        minitorch.manual_seed(seed)
        known = set(load_names())
        made = dict.fromkeys(name for name in names.make_up(model, 60) if len(name) > 2 and name not in known)
        return [f"names that it made up: {', '.join(list(made)[:12])}"]

    def lines(self, model: nn.Module, seed: int, inputs: Tensor, targets: Tensor) -> list[str]:
        loss = names.test_loss(model, inputs, targets)
        return [f"{self.told(loss)} ({len(inputs)} names)", *self.afterwards(model, seed)]


def confusions(got: list[int], true: list[int]) -> tuple[int, int, list[tuple[tuple[int, int], int]]]:
    """How many are right, of how many, and which were taken for which, how often: the most frequent first."""
    mistakes = Counter((is_, read) for is_, read in zip(true, got, strict=True) if is_ != read)
    return len(got) - mistakes.total(), len(got), mistakes.most_common()
