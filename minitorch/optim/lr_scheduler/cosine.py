"""Schedules along half a cosine: once, or again and again."""

from __future__ import annotations

import math
from typing import Any

from minitorch.optim.lr_scheduler.base import LRScheduler
from minitorch.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """lrₜ = η + ½ (lr₀ − η)(1 + cos(π t / T)): from lr₀ down to η = `eta_min` along half a cosine, T = `T_max` epochs.

    Stepping on raises it again along the same cosine. Loshchilov & Hutter (2017), without the restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """lrₜ − η = (lrₜ₋₁ − η) · (1 + cos(π t / T)) / (1 + cos(π (t − 1) / T))"""
        self._warn_if_not_in_step()
        t, T, η = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._current()
        if self._step_count == 1 and t > 0:
            return self._get_closed_form_lr()
        if (t - 1 - T) % (2 * T) == 0:  # the rate before was η, and 0/0 leads nowhere: step up from it
            rise = 1 - math.cos(math.pi / T)
            return [lr + (base - η) * rise / 2 for lr, base in zip(self._current(), self.base_lrs, strict=True)]
        ratio = (1 + math.cos(math.pi * t / T)) / (1 + math.cos(math.pi * (t - 1) / T))
        return [ratio * (lr - η) + η for lr in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        """The formula above, from `last_epoch` alone."""
        t, T, η = self.last_epoch, self.T_max, self.eta_min
        return [η + (base - η) * (1 + math.cos(math.pi * t / T)) / 2 for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """lrₜ = η + ½ (lr₀ − η)(1 + cos(π T_cur / T_i)), back at lr₀ after T_i epochs (Loshchilov & Hutter, 2017, "SGDR").

    T_cur counts the epochs since the last restart; T_i is `T_0` at first, and `T_mult` times as long after each. `step(epoch)` takes
    parts of epochs too: epoch + batch / batches.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_if_not_in_step()
        η, cosine = self.eta_min, math.cos(math.pi * self.T_cur / self.T_i)
        return [η + (base - η) * (1 + cosine) / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to `epoch`, which may be a fraction."""
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = 0 if epoch is None else epoch
            self._go_to(epoch)
        self.last_epoch = math.floor(epoch)
        self._set_rates(self.get_lr)

    def _go_to(self, epoch: float) -> None:
        """T_cur and T_i of an epoch: n restarts took T_0 (T_multⁿ − 1) / (T_mult − 1) epochs."""
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        if epoch < self.T_0:
            self.T_cur, self.T_i = epoch, self.T_0
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n
