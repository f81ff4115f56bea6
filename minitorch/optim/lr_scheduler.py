"""Learning-rate schedules: once an epoch, after `optimizer.step()`, a scheduler writes each group's `lr` anew.

The one idea: a scheduler computes the next rate from the *current* one (a recursion), so several schedulers on one
optimizer multiply together; `_get_closed_form_lr` gives the same rate from `last_epoch` alone.
"""

from __future__ import annotations

import math
from typing import Any

from minitorch.arrays.warning import warn
from minitorch.optim.optimizer import Optimizer


class LRScheduler:
    """Base class: subclasses write `get_lr`, the rate of each group at `last_epoch`.

    Making a scheduler sets `initial_lr` of each group and takes the step to epoch 0. To resume, pass the `last_epoch`
    reached together with an optimizer whose state was loaded, or use `load_state_dict`.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with last_epoch "
                    ">= 0.\nLoad the optimizer's state dict first, or start with last_epoch=-1"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        optimizer._opt_called = False
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """The next rate of each group; only `step` calls it. See `get_last_lr` for the rate in use."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """The rate of each group since the last step."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
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
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._get_lr_called_within_step = True
        rates = (self.get_lr if epoch is None else getattr(self, "_get_closed_form_lr", self.get_lr))()
        self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._current()

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _warn_if_not_in_step(self) -> None:
        if not self._get_lr_called_within_step:
            warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`.", UserWarning)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)


class StepLR(LRScheduler):
    """lr ← γ · lr every `step_size` epochs.

    >>> optimizer = minitorch.optim.SGD([minitorch.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for epoch in range(5):
    ...     optimizer.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_if_not_in_step()
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self._current()
        return [lr * self.gamma for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        """lr₀ · γ^⌊t / step_size⌋"""
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """lrₜ = η + ½ (lr₀ − η)(1 + cos(π t / T)): from lr₀ down to η = `eta_min` along half a cosine, T = `T_max` epochs.

    Stepping on raises it again along the same cosine. Loshchilov & Hutter (2017), without the restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """lrₜ − η = (lrₜ₋₁ − η) · (1 + cos(π t / T)) / (1 + cos(π (t − 1) / T))"""
        self._warn_if_not_in_step()
        t, T, η = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._current()
        if self._step_count == 1 and t > 0:
            return self._get_closed_form_lr()
        if (t - 1 - T) % (2 * T) == 0:  # the rate before was η, and 0/0 leads nowhere: step up from it
            rise = (1 - math.cos(math.pi / T)) / 2
            return [lr + (base - η) * rise for lr, base in zip(self._current(), self.base_lrs, strict=True)]
        ratio = (1 + math.cos(math.pi * t / T)) / (1 + math.cos(math.pi * (t - 1) / T))
        return [ratio * (lr - η) + η for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        """The formula above, from `last_epoch` alone."""
        t, T, η = self.last_epoch, self.T_max, self.eta_min
        return [η + (base - η) * (1 + math.cos(math.pi * t / T)) / 2 for base in self.base_lrs]
