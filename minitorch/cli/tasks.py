"""The tasks of `minitorch train`: the digits and the names, which come with the package, and a folder of images.

Read next: `images.py`; `train.py`, which runs a task.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from types import ModuleType
from typing import Any

import minitorch
from minitorch import Tensor, nn
from minitorch.datasets import load_digits, load_names
from minitorch.examples import digits, names

from .ends import UserError
from .images import Images
from .task import MODELS, Task, confusions


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
            raise UserError(
                f"--data {data}: this checkpoint is tested on the {self.name} that were held out; leave --data away"
            )
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


TASKS: dict[str, Task] = {task.name: task for task in (Digits(), Names(), Images())}
