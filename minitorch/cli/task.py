"""What a task of `minitorch train` is: which model learns from which data, with which usual settings, and what is told of it.

A task has a script of `minitorch/examples/`, which trains. Read next: `tasks.py` and `images.py`, the tasks; `train.py`, which runs one.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from minitorch import nn


class Usual(NamedTuple):
    """A model's data, and what its options are unless given. For SGD the learning rate is ten times this."""

    data: str
    epochs: int
    lr: float
    hidden: int = 0
    dropout: float = 0.0
    batch_size: int = 64


IMAGES = Usual("images", epochs=10, lr=0.001, batch_size=32)
IMAGE_MODELS = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "alexnet",
    "mobilenet_v2",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]
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


def confusions(got: list[int], true: list[int]) -> tuple[int, int, list[tuple[tuple[int, int], int]]]:
    """How many are right, of how many, and which were taken for which, how often: the most frequent first."""
    mistakes = Counter((is_, read) for is_, read in zip(true, got, strict=True) if is_ != read)
    return len(got) - mistakes.total(), len(got), mistakes.most_common()
