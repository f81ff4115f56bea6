"""Averages of a model's parameters along its training: they often generalise better than its last ones.

All of late ("stochastic weight averaging", Izmailov et al., 2018), or with weights that decay ("exponential moving average").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

import minitorch
from minitorch.autograd import no_grad
from minitorch.nn.modules.batchnorm import _BatchNorm
from minitorch.nn.modules.module import Module
from minitorch.optim.lr_scheduler.base import LRScheduler, per_group
from minitorch.optim.optimizer import Optimizer
from minitorch.tensor import Tensor

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip

Average = Callable[[Tensor, Tensor, Any], Tensor]
AverageOfMany = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


# ---- the averages ----


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """f(a, θ, n) = β a + (1 − β) θ, β = `decay`"""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    """f(a, θ, n) = a + (θ − a) / (n + 1): the mean of all"""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageOfMany:
    """As `get_ema_avg_fn`, for lists of tensors, written in place"""
    return _for_many(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> AverageOfMany:
    """As `get_swa_avg_fn`, for lists of tensors, written in place"""
    return _for_many(get_swa_avg_fn())


def _for_many(average: Average) -> AverageOfMany:
    @no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Any) -> None:
        for a, θ in zip(averaged, current, strict=True):
            a.copy_(average(a, θ, num_averaged))

    return update


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


# ---- the model ----


class AveragedModel(Module):
    """A copy of a model that holds the averages of its parameters: call `update_parameters(model)` after steps of the optimizer.

    `avg_fn(average, parameter, n_averaged)` says how, the mean of all by default; `multi_avg_fn` does so for lists, in place. Buffers
    are copied, or averaged too with `use_buffers`; of a model with batch norm see `update_bn`.

    >>> model = minitorch.nn.Linear(1, 1)
    >>> averaged = AveragedModel(model)
    >>> for value in [1.0, 2.0, 6.0]:
    ...     _ = minitorch.nn.init.constant_(model.weight, value)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.item()
    3.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: AverageOfMany | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", minitorch.tensor(0, dtype=minitorch.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's parameters into the average."""
        averaged = [each.detach() for each in self._averaged_of(self.module)]
        current = [each.detach().to(a.device) for a, each in zip(averaged, self._averaged_of(model))]
        if self.n_averaged == 0:
            for a, θ in zip(averaged, current):
                a.copy_(θ)
        elif self.multi_avg_fn is not None:
            for many in _by_dtype(averaged, current):
                self.multi_avg_fn(*many, self.n_averaged.to(many[0][0].device))
        else:
            average = self.avg_fn or get_swa_avg_fn()
            for a, θ in zip(averaged, current):
                a.copy_(average(a, θ, self.n_averaged.to(a.device)))
        if not self.use_buffers:
            for kept, given in zip(self.module.buffers(), model.buffers(), strict=True):
                kept.detach().copy_(given.detach().to(kept.device))
        self.n_averaged += 1

    def _averaged_of(self, model: Module) -> Iterable[Tensor]:
        """What is averaged of a model."""
        return itertools.chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()


def _by_dtype(averaged: Sequence[Tensor], current: Sequence[Tensor]) -> list[tuple[list[Tensor], list[Tensor]]]:
    """The pairs of tensors in lists of one device and dtype."""
    lists: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
    for a, θ in zip(averaged, current):
        for each, of in zip(lists.setdefault((str(a.device), a.dtype), ([], [])), (a, θ)):
            each.append(of)
    return list(lists.values())


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of the model's batch norms anew, as means over the batches of `loader`.

    Averaged parameters have other activations than those that the statistics were collected of. Of a batch that is a tuple, the first
    is the input.
    """
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None
    for batch in loader:
        x = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(x if device is None else x.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """lrₜ = α(t/T) · `swa_lr` + (1 − α(t/T)) · lr₀: to a constant rate in T = `anneal_epochs` epochs, along half a cosine or straight.

    With it the parameters keep moving about, so that their average says more than the last of them.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """From lrₜ₋₁ back to lr₀ = (lrₜ₋₁ − α′ · swa_lr) / (1 − α′), then on."""
        self._warn_if_not_in_step()
        t = max(1, self._step_count - 1) if self.anneal_epochs == 0 else self._step_count - 1
        before, α = self._share(t - 1), self._share(t)
        rates = []
        for group, lr in zip(self.optimizer.param_groups, self._current(), strict=True):
            final = group["swa_lr"]
            first = final if before == 1 else (lr - before * final) / (1 - before)
            rates.append(final * α + first * (1 - α))
        return rates

    def _share(self, t: int) -> float:
        """α(t / T)"""
        x = max(0, min(1, t / max(1, self.anneal_epochs)))
        return x if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * x)) / 2
