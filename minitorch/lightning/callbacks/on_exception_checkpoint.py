"""`OnExceptionCheckpoint`: a checkpoint where an error, or Ctrl-C, has ended a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minitorch.lightning.callbacks.checkpoint import Checkpoint
from minitorch.lightning.callbacks.checkpoint_names import remove

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["OnExceptionCheckpoint"]


class OnExceptionCheckpoint(Checkpoint):
    """Saves dirpath/filename.ckpt when a run is ended by an error; a run that ends well deletes it."""

    FILE_EXTENSION = ".ckpt"

    def __init__(self, dirpath: str | os.PathLike[str], filename: str = "on_exception") -> None:
        if not filename:
            raise ValueError("The filename cannot be empty")
        self.dirpath, self.filename = os.fspath(dirpath), filename

    @property
    def ckpt_path(self) -> str:
        """Where it is."""
        return os.path.join(self.dirpath, self.filename + self.FILE_EXTENSION)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        trainer.save_checkpoint(self.ckpt_path)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        remove(self.ckpt_path)
