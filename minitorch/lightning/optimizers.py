"""What `configure_optimizers` may return, made into two lists: optimizers, and schedulers with when and how they step.

An optimizer; a list of them; two lists, of optimizers and of schedulers; a dict {"optimizer", "lr_scheduler", "monitor"}; several such
dicts; None. A scheduler may be a dict, {"scheduler", "interval", "frequency", "monitor", "strict", "name"}. `LightningOptimizer` wraps an
optimizer, so that its `step` is counted and goes through the precision. Read next: `loop.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from minitorch import optim
from minitorch.lightning.calls import call_module, is_overridden, takes
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_warn
from minitorch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["LRSchedulerConfig", "LightningOptimizer", "NoOptimizer", "configured"]


@dataclass
class LRSchedulerConfig:
    """A scheduler: it steps after every `frequency` epochs or steps, with the value of `monitor` if it is one that watches a metric.

    strict: a metric that is not there is an error, else a warning. name: under which LearningRateMonitor logs it.
    """

    scheduler: Any
    name: str | None = None
    interval: str = "epoch"
    frequency: int = 1
    reduce_on_plateau: bool = False
    monitor: str | None = None
    strict: bool = True


def configured(trainer: Trainer) -> tuple[list[Any], list[LRSchedulerConfig]]:
    """The module's optimizers and schedulers; MisconfigurationException or RuntimeError if they cannot be used."""
    module = trainer.lightning_module
    returned = call_module(trainer, "configure_optimizers")
    if returned is None:
        rank_zero_warn("`LightningModule.configure_optimizers` returned `None`, this fit will run with no optimizer")
        returned = NoOptimizer()
    optimizers, schedulers, monitor = _two_lists(returned)
    automatic = module.automatic_optimization
    configs = [_automatic(s, monitor) if automatic else _manual(s) for s in schedulers]
    _check(optimizers, configs, module)
    return optimizers, configs


def _two_lists(returned: Any) -> tuple[list[Any], list[Any], str | None]:
    """(optimizers, schedulers, the metric that a bare ReduceLROnPlateau watches)"""
    several = isinstance(returned, (list, tuple))
    if _is_optimizer(returned):
        return [returned], [], None
    if several and len(returned) == 2 and isinstance(returned[0], list) and all(map(_is_optimizer, returned[0])):
        schedulers = returned[1]
        return returned[0], schedulers if isinstance(schedulers, list) else [schedulers], None
    if isinstance(returned, dict):
        _check_keys(returned)
        return (
            [returned["optimizer"]],
            [returned["lr_scheduler"]] if "lr_scheduler" in returned else [],
            returned.get("monitor"),
        )
    if several and all(isinstance(one, dict) for one in returned):
        for one in returned:
            _check_keys(one)
        schedulers = [one["lr_scheduler"] for one in returned if "lr_scheduler" in one]
        schedulers = [dict(s) if isinstance(s, dict) else {"scheduler": s} for s in schedulers]
        return [one["optimizer"] for one in returned], schedulers, None
    if several and all(map(_is_optimizer, returned)):
        return list(returned), [], None
    raise MisconfigurationException(
        f"configure_optimizers: got {type(returned).__name__}, expected one of: an optimizer; a list of optimizers;"
        " ([optimizer, …], [scheduler, …]); {'optimizer': …, 'lr_scheduler': …}; several such dicts; None"
    )


def _is_optimizer(thing: Any) -> bool:
    """Whatever has an optimizer's methods is one."""
    return all(hasattr(thing, name) for name in ("step", "zero_grad", "state_dict", "load_state_dict", "param_groups"))


def _check_keys(returned: dict[str, Any]) -> None:
    extra = returned.keys() - {"optimizer", "lr_scheduler", "monitor"}
    if extra:
        rank_zero_warn(f"Found unsupported keys in the optimizer configuration: {extra}", category=RuntimeWarning)


def _automatic(scheduler: Any, monitor: str | None) -> LRSchedulerConfig:
    """A scheduler that the loop steps."""
    if isinstance(scheduler, dict):
        return _from_dict(scheduler)
    if not isinstance(scheduler, ReduceLROnPlateau):
        return LRSchedulerConfig(scheduler)
    if monitor is None:
        raise MisconfigurationException(
            "`configure_optimizers` must include a monitor when a `ReduceLROnPlateau` scheduler is used. For example:"
            ' {"optimizer": optimizer, "lr_scheduler": scheduler, "monitor": "metric_to_track"}'
        )
    return LRSchedulerConfig(scheduler, reduce_on_plateau=True, monitor=monitor)


def _from_dict(given: dict[str, Any]) -> LRSchedulerConfig:
    known = {field.name for field in fields(LRSchedulerConfig)}
    extra = given.keys() - known
    if extra:
        rank_zero_warn(
            f"Found unsupported keys in the lr scheduler dict: {extra}. HINT: remove them from the output of `configure_optimizers`.",
            category=RuntimeWarning,
        )
    config = {key: value for key, value in given.items() if key in known}
    if "scheduler" not in config:
        raise MisconfigurationException(
            'The lr scheduler dict must have the key "scheduler" with its item being an lr scheduler'
        )
    if config.get("interval", "epoch") not in ("step", "epoch"):
        raise MisconfigurationException(
            f'The "interval" key in lr scheduler dict must be "step" or "epoch" but is "{config["interval"]}"'
        )
    config.setdefault("reduce_on_plateau", isinstance(config["scheduler"], ReduceLROnPlateau))
    if config["reduce_on_plateau"] and config.get("monitor") is None:
        raise MisconfigurationException(
            "The lr scheduler dict must include a monitor when a `ReduceLROnPlateau` scheduler is used. For example:"
            ' {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "your_loss"}}'
        )
    if isinstance(config["scheduler"], OneCycleLR) and config.get("interval", "epoch") == "epoch":
        rank_zero_warn(
            "A `OneCycleLR` scheduler is using 'interval': 'epoch'. Are you sure you didn't mean 'interval': 'step'?",
            category=RuntimeWarning,
        )
    return LRSchedulerConfig(**config)


def _manual(scheduler: Any) -> LRSchedulerConfig:
    """A scheduler that the module steps itself."""
    if not isinstance(scheduler, dict):
        return LRSchedulerConfig(scheduler)
    ignored = [key for key in scheduler if key in {"reduce_on_plateau", "monitor", "strict"}]
    if ignored:
        rank_zero_warn(
            f"The lr scheduler dict contains the key(s) {ignored}, but the keys will be ignored."
            " You need to call `lr_scheduler.step()` manually in manual optimization.",
            category=RuntimeWarning,
        )
    return LRSchedulerConfig(**{key: value for key, value in scheduler.items() if key not in ignored})


def _check(optimizers: list[Any], configs: list[LRSchedulerConfig], module: LightningModule) -> None:
    if (module.automatic_optimization and len(optimizers) > 1) or takes(
        module.training_step, "optimizer_idx", explicit=True
    ):
        raise RuntimeError(
            "Training with multiple optimizers is only supported with manual optimization. Set"
            " `self.automatic_optimization = False`, then access your optimizers in `training_step` with"
            " `opt1, opt2, ... = self.optimizers()`."
        )
    for config in configs:
        scheduler = config.scheduler
        if not any(scheduler.optimizer is optimizer for optimizer in optimizers):
            raise MisconfigurationException(
                "Some schedulers are attached with an optimizer that wasn't returned from `configure_optimizers`."
            )
        if not (hasattr(scheduler, "state_dict") and hasattr(scheduler, "load_state_dict")):
            raise TypeError(
                f"The provided lr scheduler `{type(scheduler).__name__}` is invalid."
                " It should have `state_dict` and `load_state_dict` methods defined."
            )
        known = isinstance(scheduler, (LRScheduler, ReduceLROnPlateau))
        if not known and module.automatic_optimization and not is_overridden("lr_scheduler_step", module):
            raise MisconfigurationException(
                f"The provided lr scheduler `{type(scheduler).__name__}` doesn't follow PyTorch's LRScheduler API. You should"
                " override the `LightningModule.lr_scheduler_step` hook with your own logic if you are using a custom LR scheduler."
            )


class NoOptimizer:
    """Stands in where a module has no optimizer: its step runs the closure and changes nothing."""

    def __init__(self) -> None:
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Any, Any] = {}
        self.defaults: dict[str, Any] = {}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        return None if closure is None else closure()

    def zero_grad(self, set_to_none: bool = True) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...

    def __repr__(self) -> str:
        return "No Optimizer"


class LightningOptimizer:
    """An optimizer as `self.optimizers()` gives it. Only `step` is another: it counts, and it goes through the precision.

    `isinstance(it, optim.Adam)` holds if it wraps an Adam.
    """

    _before_step: Callable[[], None] | None = None  # the loop counts here, in manual optimization
    _after_step: Callable[[], None] | None = None

    def __init__(self, optimizer: Any, trainer: Trainer) -> None:
        self._optimizer = optimizer
        self._trainer = trainer
        self.__class__ = type("Lightning" + type(optimizer).__name__, (type(self), type(optimizer)), {})

    @property
    def optimizer(self) -> optim.Optimizer:
        """The optimizer itself."""
        return self._optimizer

    def step(self, closure: Callable[[], Any] | None = None, **kwargs: Any) -> Any:
        """One step; a closure, if there is one, makes the gradients first."""
        if closure is not None and not callable(closure):
            raise MisconfigurationException("When `optimizer.step(closure)` is called, the closure should be callable")
        if self._before_step is not None:
            self._before_step()
        trainer = self._trainer
        result = trainer.precision_plugin.optimizer_step(
            self._optimizer, trainer.lightning_module, closure or (lambda: None), **kwargs
        )
        if self._after_step is not None:
            self._after_step()
        return result

    def zero_grad(self, *args: Any, **kwargs: Any) -> None:
        """As the optimizer's."""
        self._optimizer.zero_grad(*args, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        """As the optimizer's."""
        return self._optimizer.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As the optimizer's."""
        self._optimizer.load_state_dict(state_dict)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As the optimizer's."""
        self._optimizer.add_param_group(param_group)

    @contextlib.contextmanager
    def toggle_model(self, sync_grad: bool = True) -> Iterator[None]:
        """Within it only this optimizer's parameters want gradients."""
        module = self._trainer.lightning_module
        module.toggle_optimizer(self)
        yield
        module.untoggle_optimizer(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_optimizer"], name)

    def __repr__(self) -> str:
        return repr(self._optimizer)
