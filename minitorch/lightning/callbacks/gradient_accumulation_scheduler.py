"""`GradientAccumulationScheduler`: how many batches' gradients make a step, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.calls import is_overridden
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_warn

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["GradientAccumulationScheduler"]


class GradientAccumulationScheduler(Callback):
    """scheduling={0: 8, 4: 4, 8: 1}: eight batches a step in the first four epochs, then four, from the ninth epoch on one."""

    def __init__(self, scheduling: dict[int, int]) -> None:
        if not scheduling:
            raise TypeError("Empty dict cannot be interpreted correct")
        for what, numbers, least in (("Epoch", scheduling.keys(), 0), ("Accumulation factor", scheduling.values(), 1)):
            if any(not isinstance(n, int) or n < least for n in numbers):
                raise MisconfigurationException(
                    f"{what} should be an int greater than {'or equal to ' if least == 0 else ''}0. Got {list(numbers)}."
                )
        self.scheduling = {**({} if 0 in scheduling else {0: 1}), **scheduling}
        self.epochs = sorted(self.scheduling)

    def going_to_accumulate_grad_batches(self) -> bool:
        """Whether any epoch adds up gradients."""
        return any(number > 1 for number in self.scheduling.values())

    def get_accumulate_grad_batches(self, epoch: int) -> int:
        """How many batches make a step in this epoch."""
        return self.scheduling[max(begun for begun in self.epochs if begun <= epoch)]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not pl_module.automatic_optimization:
            raise RuntimeError(
                "Automatic gradient accumulation and the `GradientAccumulationScheduler` is not supported for manual optimization."
                " Please remove the callback or switch to automatic optimization."
            )
        own = is_overridden("optimizer_step", pl_module) or is_overridden("optimizer_zero_grad", pl_module)
        if own and self.going_to_accumulate_grad_batches():
            rank_zero_warn(
                "When using `Trainer(accumulate_grad_batches != 1)` and overriding `LightningModule.optimizer_{step,zero_grad}`, the"
                " hooks will not be called on every batch (rather, they are called on every optimization step)."
            )
        if trainer.accumulate_grad_batches != 1:
            raise ValueError(
                "You have set `accumulate_grad_batches` and are using the `GradientAccumulationScheduler` callback. Either remove"
                " `accumulate_grad_batches` from the Trainer or remove the callback."
            )

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.accumulate_grad_batches = self.get_accumulate_grad_batches(trainer.current_epoch)
