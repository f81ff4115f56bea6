"""Who is called at a hook: callbacks first, then the module. While a hook runs its name is known, for `self.log` goes by it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["call_callbacks", "call_datamodule", "call_hook", "call_module", "is_overridden", "takes"]


def call_hook(trainer: Trainer, name: str, *args: Any, **kwargs: Any) -> Any:
    """The callbacks' method `name`, then the module's, whose result is given back."""
    call_callbacks(trainer, name, *args, **kwargs)
    return call_module(trainer, name, *args, **kwargs)


def call_module(trainer: Trainer, name: str, *args: Any, **kwargs: Any) -> Any:
    """The module's method `name`."""
    module = trainer.lightning_module
    before, module._current_fx_name = module._current_fx_name, name
    result = getattr(module, name)(*args, **kwargs)
    module._current_fx_name = before
    return result


def call_callbacks(trainer: Trainer, name: str, *args: Any, monitoring: bool | None = None, **kwargs: Any) -> None:
    """The method `name` of every callback, in order; with `monitoring` only of those that watch a metric, or only of the others."""
    module = trainer.lightning_module
    before, module._current_fx_name = module._current_fx_name, name
    for callback in trainer.callbacks:
        if monitoring is None or monitoring == callback._reads_metrics:
            getattr(callback, name)(trainer, module, *args, **kwargs)
    module._current_fx_name = before


def call_datamodule(trainer: Trainer, name: str, *args: Any, **kwargs: Any) -> Any:
    """The datamodule's method `name`, if there is a datamodule."""
    return None if trainer.datamodule is None else getattr(trainer.datamodule, name)(*args, **kwargs)


def is_overridden(name: str, instance: object, parent: type | None = None) -> bool:
    """Whether `instance` has a method `name` of its own, not that of the base class."""
    if parent is None:
        parent = _base_of(instance)
    own = getattr(instance, name, None)
    own = inspect.unwrap(getattr(own, "__func__", own)) if callable(own) else own
    return own is not None and getattr(own, "__func__", own) is not getattr(parent, name, None)


def _base_of(instance: object) -> type:
    from minitorch.lightning.callbacks import Callback
    from minitorch.lightning.datamodule import LightningDataModule
    from minitorch.lightning.module import LightningModule

    for base in (LightningModule, LightningDataModule, Callback):
        if isinstance(instance, base):
            return base
    raise ValueError(f"is_overridden: expected a module, a datamodule or a callback, got {type(instance).__name__}")


def takes(function: Callable[..., Any], name: str, *, at_least: int | None = None, explicit: bool = False) -> bool:
    """Whether a method takes an argument `name`, or arguments of any name (unless `explicit`), or `at_least` so many after self."""
    function = getattr(function, "__wrapped__", function)
    own, any_name = _arguments(getattr(function, "__func__", function))
    return name in own or (not explicit and any_name) or (at_least is not None and len(own) >= at_least)


@functools.lru_cache(maxsize=64)  # it is asked at every step
def _arguments(function: Callable[..., Any]) -> tuple[list[str], bool]:
    spec = inspect.getfullargspec(function)
    return spec.args[1:], spec.varargs is not None
