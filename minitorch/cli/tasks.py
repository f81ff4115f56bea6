"""What `minitorch train` can train: which model learns from which data, its usual settings, and how it is told how well it does.

A task has a script of `minitorch/examples/`, which trains. Read next: `commands.py`, which runs a task.
"""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Any, NamedTuple

import minitorch
from minitorch import Tensor, nn
from minitorch.datasets import load_digits, load_names
from minitorch.examples import digits, names


class Usual(NamedTuple):
    """A model's data, and what its options are unless given. For SGD the learning rate is ten times this."""

    data: str
    epochs: int
    lr: float
    hidden: int
    dropout: float


MODELS = {
    "mlp": Usual("digits", epochs=20, lr=0.01, hidden=128, dropout=0.2),
    "cnn": Usual("digits", epochs=12, lr=0.01, hidden=32, dropout=0.2),
    "lstm": Usual("names", epochs=8, lr=0.005, hidden=128, dropout=0.0),
    "gpt": Usual("names", epochs=12, lr=0.003, hidden=64, dropout=0.0),
}


class Task:
    """One kind of data: how it is read, and what is told of a model that was trained on it."""

    name: str
    measured: str  # what `measure` gives
    higher_is_better: bool  # of that
    script: ModuleType

    @property
    def kind(self) -> str:
        """What its checkpoints say they are."""
        return f"minitorch {self.name}"

    def data(self, split: str, device: Any) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the "train" or the "test" part."""
        raise NotImplementedError

    def measure(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
        """How well it does on the test part."""
        raise NotImplementedError

    def told(self, value: float) -> str:
        """The same in words."""
        raise NotImplementedError

    def afterwards(self, model: nn.Module, seed: int) -> list[str]:
        """What is printed when training is over."""
        return []

    def report(self, model: nn.Module, seed: int, inputs: Tensor, targets: Tensor) -> list[str]:
        """What `minitorch evaluate` prints."""
        raise NotImplementedError


class Digits(Task):
    """Reading handwritten digits."""

    name, measured, higher_is_better, script = "digits", "accuracy", True, digits

    def data(self, split: str, device: Any) -> tuple[Tensor, Tensor]:
        images, labels = load_digits(split)
        return digits.pixels(images).to(device), labels.to(device)

    def measure(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
        return digits.accuracy(model, inputs, targets)

    def told(self, value: float) -> str:
        return f"test accuracy {value:.2f} %"

    def report(self, model: nn.Module, seed: int, inputs: Tensor, targets: Tensor) -> list[str]:
        read = digits.predict(model, inputs).tolist()
        mistakes = Counter((true, got) for true, got in zip(targets.tolist(), read, strict=True) if true != got)
        right = len(read) - mistakes.total()
        lines = [f"test accuracy {100 * right / len(read):.2f} % ({right} of {len(read)})"]
        return lines + [f"  {true} read as {got}: {times}×" for (true, got), times in mistakes.most_common()]


class Names(Task):
    """Making up first names."""

    name, measured, higher_is_better, script = "names", "test_loss", False, names

    def data(self, split: str, device: Any) -> tuple[Tensor, Tensor]:
        inputs, targets = names.encode(load_names(split))
        return inputs.to(device), targets.to(device)

    def measure(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
        return names.test_loss(model, inputs, targets)

    def told(self, value: float) -> str:
        return f"test loss {value:.4f}"

    def afterwards(self, model: nn.Module, seed: int) -> list[str]:
        minitorch.manual_seed(seed)
        known = set(load_names())
        made = dict.fromkeys(name for name in names.make_up(model, 60) if len(name) > 2 and name not in known)
        return [f"names that it made up: {', '.join(list(made)[:12])}"]

    def report(self, model: nn.Module, seed: int, inputs: Tensor, targets: Tensor) -> list[str]:
        loss = self.measure(model, inputs, targets)
        return [f"{self.told(loss)} ({len(inputs)} names)", *self.afterwards(model, seed)]


TASKS: dict[str, Task] = {task.name: task for task in (Digits(), Names())}
