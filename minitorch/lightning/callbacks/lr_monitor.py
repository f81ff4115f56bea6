"""`LearningRateMonitor`: the learning rate (and momentum, weight decay) of each group of each optimizer, to the loggers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_warn

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["LearningRateMonitor"]


class LearningRateMonitor(Callback):
    """Logs learning rates at the beginning of each step ("step"), of each epoch ("epoch"), or as each schedule steps (None).

    The name is lr-SGD, or the `name` of the scheduler's dict; a second optimizer of the class is lr-SGD-1; groups have their `name`, or
    /pg1, /pg2 behind it. log_momentum: also lr-SGD-momentum (of Adam: β₁); log_weight_decay: also lr-SGD-weight_decay.
    """

    def __init__(
        self, logging_interval: str | None = None, log_momentum: bool = False, log_weight_decay: bool = False
    ) -> None:
        if logging_interval not in (None, "step", "epoch"):
            raise MisconfigurationException(
                f"logging_interval should be `step` or `epoch` or `None`, got {logging_interval!r}."
            )
        self.logging_interval = logging_interval
        self.log_momentum, self.log_weight_decay = log_momentum, log_weight_decay
        self.lrs: dict[str, list[float]] = {}
        self.last_momentum_values: dict[str, float | None] = {}
        self.last_weight_decay_values: dict[str, float | None] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.loggers:
            raise MisconfigurationException("Cannot use `LearningRateMonitor` callback with `Trainer` that has no logger.")
        if self.log_momentum and not all(
            {"momentum", "betas"} & optimizer.defaults.keys() for optimizer in trainer.optimizers
        ):
            rank_zero_warn(
                "You have set log_momentum=True, but some optimizers do not have momentum. This will log a value 0 for the momentum.",
                category=RuntimeWarning,
            )
        names = [name for _, _, named in _watched(trainer) for name in named]
        self.lrs = {name: [] for name in names}
        self.last_momentum_values = {f"{name}-momentum": None for name in names}
        self.last_weight_decay_values = {f"{name}-weight_decay": None for name in names}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.metrics.should_log and self.logging_interval != "epoch":
            self._log(trainer, "step")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.logging_interval != "step":
            self._log(trainer, "epoch")

    def _log(self, trainer: Trainer, interval: str) -> None:
        """Log the optimizers whose schedule steps at this interval (all, if the user has said an interval), and those without one."""
        found: dict[str, float] = {}
        for optimizer, config, names in _watched(trainer):
            self._follow(names)
            if config is None or self.logging_interval is not None or config.interval == interval:
                for group, name in zip(optimizer.param_groups, names):
                    found |= self._numbers_of(group, name)
        trainer.callback_metrics.update({name: minitorch.tensor(value) for name, value in found.items()})
        for logger in trainer.loggers if found else ():
            logger.log_metrics(found, step=trainer.fit_loop.batches_that_stepped)

    def _follow(self, names: list[str]) -> None:
        """Groups may be added while it trains: what was lr-SGD is lr-SGD/pg1 then."""
        for name in names:
            alone = name.removesuffix("/pg1")
            if alone != name and alone in self.lrs:
                self.lrs[name] = self.lrs.pop(alone)
            self.lrs.setdefault(name, [])

    def _numbers_of(self, group: dict[str, Any], name: str) -> dict[str, float]:
        self.lrs[name].append(group["lr"])
        numbers = {name: group["lr"]}
        if self.log_momentum:
            momentum = group["betas"][0] if "betas" in group else group.get("momentum", 0)
            numbers[f"{name}-momentum"] = self.last_momentum_values[f"{name}-momentum"] = momentum
        if self.log_weight_decay:
            decay = group["weight_decay"]
            numbers[f"{name}-weight_decay"] = self.last_weight_decay_values[f"{name}-weight_decay"] = decay
        return numbers


def _watched(trainer: Trainer) -> Iterator[tuple[Any, Any, list[str]]]:
    """(an optimizer, the schedule that it has or None, the names of its groups): those with a schedule first."""
    seen: list[Any] = []
    of_class: Counter[type] = Counter()
    configs = [(config.scheduler.optimizer, config) for config in trainer.lr_scheduler_configs]
    for optimizer, config in [*configs, *((optimizer, None) for optimizer in trainer.optimizers)]:
        if config is None and any(optimizer is other for other in seen):
            continue
        seen.append(optimizer)
        given = None if config is None else config.name
        if given is None:
            of_class[type(optimizer)] += 1
        number = of_class[type(optimizer)]
        name = f"lr-{type(optimizer).__name__}" if given is None else given
        yield optimizer, config, _names_of_groups(f"{name}-{number - 1}" if number > 1 else name, optimizer.param_groups)


def _names_of_groups(name: str, groups: list[dict[str, Any]]) -> list[str]:
    own = [group.get("name", f"pg{k}") for k, group in enumerate(groups, 1)]
    twice = {each for each in own if own.count(each) > 1}
    if twice:
        raise MisconfigurationException(
            "A single `Optimizer` cannot have multiple parameter groups with identical `name` values."
            f" {name} has duplicated parameter group names {twice}"
        )
    if len(groups) == 1 and "name" not in groups[0]:
        return [name]
    return [f"{name}/{each}" for each in own]
