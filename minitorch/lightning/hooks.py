"""The module's hooks: every point of a run at which a module may have something done. All do nothing unless a class writes them.

In which order they come is measured in `docs/lightning.md`. `DataHooks` are shared by modules and datamodules. Read next `loop.py`.
"""

from __future__ import annotations

from typing import Any

from minitorch.lightning.transfer import move_data_to_device
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.optim import Optimizer
from minitorch.tensor import Tensor

__all__ = ["CheckpointHooks", "DataHooks", "ModelHooks"]


class ModelHooks:
    """Points of the loops."""

    def on_fit_start(self) -> None:
        """`fit` begins: optimizers exist, the module is on its device."""

    def on_fit_end(self) -> None:
        """`fit` ends."""

    def on_train_start(self) -> None:
        """Training begins, after the sanity check."""

    def on_train_end(self) -> None:
        """Training is over."""

    def on_validation_start(self) -> None:
        """Validation begins."""

    def on_validation_end(self) -> None:
        """Validation is over."""

    def on_test_start(self) -> None:
        """The test begins."""

    def on_test_end(self) -> None:
        """The test is over."""

    def on_predict_start(self) -> None:
        """Prediction begins."""

    def on_predict_end(self) -> None:
        """Prediction is over."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        """Before a batch. −1: the rest of the epoch is left out."""

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """After a batch; `outputs` is what `training_step` returned, its loss detached."""

    def on_validation_batch_start(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Before a batch of validation."""

    def on_validation_batch_end(self, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """After a batch of validation."""

    def on_test_batch_start(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Before a batch of the test."""

    def on_test_batch_end(self, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """After a batch of the test."""

    def on_predict_batch_start(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Before a batch to predict."""

    def on_predict_batch_end(self, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """After a batch to predict."""

    def on_validation_model_zero_grad(self) -> None:
        """Validation in the middle of training: gradients that are not needed any more are freed."""
        self.zero_grad()  # type: ignore[attr-defined]

    def on_validation_model_eval(self) -> None:
        """`eval()` before validation."""
        self.eval()  # type: ignore[attr-defined]

    def on_validation_model_train(self) -> None:
        """`train()` after validation. It is called only where a class writes it; else each layer gets back the mode that it had."""
        self.train()  # type: ignore[attr-defined]

    def on_test_model_eval(self) -> None:
        """`eval()` before the test."""
        self.eval()  # type: ignore[attr-defined]

    def on_test_model_train(self) -> None:
        """After the test, as `on_validation_model_train`."""
        self.train()  # type: ignore[attr-defined]

    def on_predict_model_eval(self) -> None:
        """`eval()` before predicting."""
        self.eval()  # type: ignore[attr-defined]

    def on_train_epoch_start(self) -> None:
        """An epoch begins."""

    def on_train_epoch_end(self) -> None:
        """An epoch ends."""

    def on_validation_epoch_start(self) -> None:
        """After on_validation_start."""

    def on_validation_epoch_end(self) -> None:
        """After the last batch of validation."""

    def on_test_epoch_start(self) -> None:
        """After on_test_start."""

    def on_test_epoch_end(self) -> None:
        """After the last batch of the test."""

    def on_predict_epoch_start(self) -> None:
        """After on_predict_start."""

    def on_predict_epoch_end(self) -> None:
        """After the last batch to predict."""

    def on_before_zero_grad(self, optimizer: Optimizer) -> None:
        """Before `optimizer.zero_grad()`."""

    def on_before_backward(self, loss: Tensor) -> None:
        """Before `loss.backward()`."""

    def on_after_backward(self) -> None:
        """After `loss.backward()`."""

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Before gradients are clipped and `optimizer.step()`."""

    def configure_model(self) -> None:
        """Make large layers here: it runs once the device and the precision are known. It may run several times: make nothing twice."""


class DataHooks:
    """Where data come from, and their way to the device."""

    prepare_data_per_node = True
    allow_zero_length_dataloader_with_multiple_devices = False

    def prepare_data(self) -> None:
        """Once, before everything: unpack, tokenize. Set no attributes here: with several processes only one runs it."""

    def setup(self, stage: str) -> None:
        """At the beginning of "fit", "validate", "test" or "predict"."""

    def teardown(self, stage: str) -> None:
        """At its end."""

    def train_dataloader(self) -> Any:
        """The loader (or a collection of loaders) of training batches."""
        raise _no_loader("train", "train_dataloaders")

    def val_dataloader(self) -> Any:
        """The loader, or loaders, of validation."""
        raise _no_loader("val", "val_dataloaders")

    def test_dataloader(self) -> Any:
        """The loader, or loaders, of the test."""
        raise _no_loader("test", "dataloaders")

    def predict_dataloader(self) -> Any:
        """The loader, or loaders, of what is to be predicted."""
        raise _no_loader("predict", "dataloaders")

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """A batch before it goes to the device."""
        return batch

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """A batch on the device."""
        return move_data_to_device(batch, device)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """A batch after it came to the device."""
        return batch


def _no_loader(stage: str, argument: str) -> MisconfigurationException:
    return MisconfigurationException(
        f"`{stage}_dataloader` must be implemented to be used with the Lightning Trainer: write it in the module or in a datamodule,"
        f" or give the Trainer's method `{argument}=`"
    )


class CheckpointHooks:
    """What goes into a checkpoint beside the weights."""

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A checkpoint has been read, its weights not taken yet."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A checkpoint is about to be written."""
