"""The optimizer's step as a module sees it: each piece of the automatic one, which a subclass may write anew, and what it takes to do it by hand.

`loop.py` and `precision.py` call the pieces, in the order in which `docs/lightning.md` lists them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from minitorch import nn
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.optim import Optimizer
from minitorch.tensor import Tensor

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["OptimizationMixin"]


class OptimizationMixin:
    """A part of `LightningModule`."""

    trainer: Trainer
    automatic_optimization: bool
    _wants_gradient: dict[int, bool]

    # ---- the step of automatic optimization, piece by piece: a subclass may change each ----

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """loss.backward()"""
        loss.backward(*args, **kwargs)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """optimizer.step(closure): the closure is `training_step`, `zero_grad` and `backward`, and has to be called."""
        optimizer.step(closure=optimizer_closure)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """optimizer.zero_grad()"""
        optimizer.zero_grad()

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients as the Trainer was told."""
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """scheduler.step(), with the metric if it watches one."""
        if metric is None:
            scheduler.step()
        else:
            scheduler.step(metric)

    def clip_gradients(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients of an optimizer's parameters: all together to a norm ("norm"), or each number ("value")."""
        trainer = self.trainer
        value = self._agreed("gradient_clip_val", gradient_clip_val, trainer.gradient_clip_val) or 0.0
        lower = gradient_clip_algorithm and gradient_clip_algorithm.lower()
        algorithm = self._agreed("gradient_clip_algorithm", lower, trainer.gradient_clip_algorithm) or "norm"
        if not isinstance(value, (int, float)):
            raise TypeError(f"`gradient_clip_val` should be an int or a float. Got {value}.")
        if algorithm not in ("norm", "value"):
            raise MisconfigurationException(
                f"`gradient_clip_algorithm` {algorithm} is invalid. Allowed algorithms: ['value', 'norm']."
            )
        if value > 0:
            parameters = (p for group in optimizer.param_groups for p in group["params"])
            clip = nn.utils.clip_grad_value_ if algorithm == "value" else nn.utils.clip_grad_norm_
            clip(parameters, value)

    @staticmethod
    def _agreed(name: str, given: Any, trainers: Any) -> Any:
        if given is not None and trainers is not None and given != trainers:
            raise MisconfigurationException(
                f"You have set `Trainer({name}={trainers!r})` and have passed `clip_gradients({name}={given!r})`."
                " Please use only one of them."
            )
        return trainers if given is None else given

    # ---- manual optimization ----

    def optimizers(self, use_pl_optimizer: bool = True) -> Any:
        """The optimizer, or the list of them. With `use_pl_optimizer` their steps are counted and go through the precision."""
        trainer = self.trainer
        found = trainer.lightning_optimizers if use_pl_optimizer else trainer.optimizers
        return found[0] if len(found) == 1 else found

    def lr_schedulers(self) -> Any:
        """The scheduler, the list of them, or None."""
        found = [config.scheduler for config in self.trainer.lr_scheduler_configs]
        return found[0] if len(found) == 1 else found or None

    def manual_backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """`loss.backward()` with what the precision needs around it."""
        if self.automatic_optimization:
            raise MisconfigurationException(
                "to use manual_backward, please disable automatic optimization: set model property `automatic_optimization` as False"
            )
        self.trainer.precision_plugin.backward(loss, self, *args, **kwargs)  # type: ignore[arg-type]

    def toggle_optimizer(self, optimizer: Any) -> None:
        """From here to `untoggle_optimizer` only this optimizer's parameters want gradients."""
        self._wants_gradient = {}
        for p in self._optimized():
            self._wants_gradient.setdefault(id(p), p.requires_grad)
            p.requires_grad = False
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.requires_grad = self._wants_gradient[id(p)]

    def untoggle_optimizer(self, optimizer: Any) -> None:
        """All parameters want gradients again that wanted them before `toggle_optimizer`."""
        for p in self._optimized():
            p.requires_grad = self._wants_gradient.get(id(p), p.requires_grad)
        self._wants_gradient = {}

    @contextlib.contextmanager
    def toggled_optimizer(self, optimizer: Any) -> Iterator[None]:
        """`toggle_optimizer` and, at the end, `untoggle_optimizer`."""
        self.toggle_optimizer(optimizer)
        try:
            yield
        finally:
            self.untoggle_optimizer(optimizer)

    def _optimized(self) -> Iterator[Any]:
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                yield from group["params"]
