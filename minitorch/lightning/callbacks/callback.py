"""`Callback`: a piece of a training that belongs to no model (save, stop early, show progress), called at the same points as the
module's own hooks and, but for a few, before them. Every method here does nothing: a callback writes those that it needs.
Read next `minitorch/lightning/loop.py`, which calls them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer
    from minitorch.optim import Optimizer
    from minitorch.tensor import Tensor

__all__ = ["Callback"]


class Callback:
    """Base of all callbacks. `trainer` and `pl_module` are the running Trainer and the model that it trains."""

    _reads_metrics = (
        False  # ModelCheckpoint and EarlyStopping do: at an epoch's end they come after the module, which logs there
    )

    @property
    def state_key(self) -> str:
        """The name of this callback's state in a checkpoint: `checkpoint["callbacks"][state_key]`; no two may share one."""
        return self.__class__.__qualname__

    def _generate_state_key(self, **kwargs: Any) -> str:
        """A state key of the class's name and some of the arguments, so that two of a class are told apart."""
        return f"{self.__class__.__qualname__}{kwargs!r}"

    # ---- around everything ----

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Before anything else; `stage` is "fit", "validate", "test" or "predict"."""

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """After everything else."""

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """An error, or Ctrl-C, has ended the run."""

    # ---- fit ----

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """`fit` begins: optimizers exist, the model is on its device."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """`fit` ends."""

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A few batches of validation are about to be tried before training."""

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """They have been tried."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training begins, after the sanity check."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training is over."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch begins."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch ends, validation included. (ModelCheckpoint and EarlyStopping come after the module here: they read its metrics.)"""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """A batch of training is on its device."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A batch is done; `outputs` is what `training_step` returned, its loss detached."""

    # ---- inside a step ----

    def on_before_zero_grad(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Before `optimizer.zero_grad()`."""

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Before `loss.backward()`."""

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After `loss.backward()`: gradients are there, not clipped yet."""

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Before `optimizer.step()`, and before gradients are clipped."""

    # ---- validate ----

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validation begins, in `fit` or in `validate`."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validation is over, its metrics are logged."""

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After on_validation_start."""

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After the last batch, before metrics are logged."""

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """A batch of validation is on its device."""

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """`outputs` is what `validation_step` returned."""

    # ---- test ----

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The test begins."""

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The test is over."""

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After on_test_start."""

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After the last batch."""

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """A batch of the test is on its device."""

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """`outputs` is what `test_step` returned."""

    # ---- predict ----

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prediction begins."""

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prediction is over."""

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After on_predict_start."""

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After the last batch."""

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """A batch to predict is on its device."""

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """`outputs` is what `predict_step` returned."""

    # ---- checkpoints ----

    def state_dict(self) -> dict[str, Any]:
        """What of this callback goes into a checkpoint; nothing if empty."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """`checkpoint` is about to be written: put anything into it."""

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """`checkpoint` has been read."""
