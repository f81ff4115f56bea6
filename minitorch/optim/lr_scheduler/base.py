"""Learning-rate schedules: once an epoch, after `optimizer.step()`, a scheduler writes each group's `lr` anew.

The one idea: a scheduler computes the next rate from the *current* one (a recursion), so several schedulers on one
optimizer multiply together; `_get_closed_form_lr` gives the same rate from `last_epoch` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from minitorch.arrays.recorded import an_effect
from minitorch.arrays.warning import warn
from minitorch.optim.optimizer import Optimizer
from minitorch.tensor import Tensor


class LRScheduler:
    """Base class: subclasses write `get_lr`, the rate of each group at `last_epoch`.

    Making a scheduler sets `initial_lr` of each group and takes the step to epoch 0. To resume, pass the `last_epoch`
    reached together with an optimizer whose state was loaded, or use `load_state_dict`.
    """

    _get_lr_called_within_step = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = an_effect(cls.step)  # type: ignore[method-assign]

    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with last_epoch "
                    ">= 0.\nLoad the optimizer's state dict first, or start with last_epoch=-1"
                )
        self.base_lrs = [copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        optimizer._opt_called = False
        self._initial_step()

    def _initial_step(self) -> None:
        """The step to epoch 0."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """The next rate of each group; only `step` calls it. See `get_last_lr` for the rate in use."""
        raise NotImplementedError

    def get_last_lr(self) -> list[Any]:
        """The rate of each group since the last step."""
        return self._last_lr

    @an_effect
    def step(self, epoch: Any = None) -> None:
        """Go to the next epoch (or to `epoch`, which is deprecated): set each group's `lr`. Call it after `optimizer.step()`."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite order: "
                "otherwise the first value of the learning rate schedule is skipped.",
                UserWarning,
            )
        self._step_count += 1
        if epoch is not None:
            warn(
                "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated: call `scheduler.step()`."
            )
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch, or of `epoch`."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._set_rates(self.get_lr if epoch is None else getattr(self, "_get_closed_form_lr", self.get_lr))

    def _set_rates(self, of: Callable[[], list[Any]]) -> None:
        self._get_lr_called_within_step = True
        try:
            rates = of()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            set_option(group, "lr", lr)
        self._last_lr = self._current()

    def _current(self) -> list[Any]:
        """The rates in use."""
        return [copied(group["lr"]) for group in self.optimizer.param_groups]

    def _warn_if_not_in_step(self) -> None:
        if not self._get_lr_called_within_step:
            warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`.", UserWarning)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)


# ---- options of a group, which may be tensors ----


def copied(value: Any) -> Any:
    """The value; of a tensor, which schedulers write to, a copy."""
    return value.clone() if isinstance(value, Tensor) else value


def set_option(group: dict[str, Any], name: str, value: Any) -> None:
    """Write an option of a group; into the tensor, if it is one."""
    if isinstance(group[name], Tensor):
        group[name].fill_(float(value))
    else:
        group[name] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A value for each group: those of a list, or one for all."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in range(groups)]
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, param_groups has {groups}."
        )
    return [copied(each) for each in value]


def check_optimizer(optimizer: Any) -> None:
    """TypeError for what is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


# ---- functions in state dicts: not the functions, but what objects that can be called hold ----


def held_by(function: Any) -> dict[str, Any] | None:
    """The attributes of an object that can be called; None for a plain function."""
    return None if isinstance(function, FunctionType) else function.__dict__.copy()
