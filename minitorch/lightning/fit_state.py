"""What the training loop keeps: its data, its counters, and how many batches an epoch has. `loop.py` is the loop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from minitorch.lightning import resuming
from minitorch.lightning.calls import is_overridden
from minitorch.lightning.evaluation import EvaluationLoop
from minitorch.lightning.loaders import DataSource, Fetcher, batches_of, seed_workers, without_shuffling
from minitorch.lightning.progress import STEP, ZERO_GRAD, BatchProgress, Progress
from minitorch.lightning.results import Results
from minitorch.lightning.utilities.combined_loader import CombinedLoader, len_or_none
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import PossibleUserWarning, rank_zero_warn

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["FitState"]


class FitState:
    """A part of `FitLoop`."""

    fetcher: Fetcher

    def __init__(
        self, trainer: Trainer, min_epochs: int | None, max_epochs: int | None, min_steps: int | None, max_steps: int
    ) -> None:
        self.trainer = trainer
        self.min_epochs, self.max_epochs, self.min_steps, self.max_steps = min_epochs, max_epochs, min_steps, max_steps
        self.val_loop = EvaluationLoop(trainer, "fit")
        self.results = Results(training=True)
        self.skip_backward = False  # StochasticWeightAveraging passes over the data once more, without training
        # data
        self.data = DataSource("train_dataloader")
        self.combined: CombinedLoader | None = None
        self.max_batches: int | float = float("inf")
        self.val_check_batch: int | float | None = None  # validate after so many batches
        self.last_validation = 0.0  # when, in seconds
        self.loader_states: list[Any] = []
        self._loaded_in_epoch = float("-inf")
        # how far it is
        self.epoch_progress = Progress()
        self.batch_progress = BatchProgress()
        self.scheduler_progress = Progress(STEP)
        self.step_progress = Progress(STEP)  # of the optimizer
        self.zero_grad_progress = Progress(ZERO_GRAD)
        self.manual_progress = Progress(STEP)  # of optimizers, in manual optimization
        self.batches_that_stepped = 0  # the step that loggers see
        self.resuming = resuming.Resuming()
        self.skip_next_validation = False

    # ---- data ----

    def setup_data(self) -> None:
        """The loaders, and how many batches of them are an epoch; nothing if they are there and need not be reloaded."""
        trainer = self.trainer
        every = trainer.reload_dataloaders_every_n_epochs
        due = bool(every) and trainer.current_epoch - self._loaded_in_epoch >= every
        if (self.combined is not None and not due) or trainer.limit_train_batches == 0:
            return
        if not is_overridden("training_step", trainer.lightning_module):
            return
        self.combined = self.data.request(trainer, "max_size_cycle", "fit")
        if self.combined.mode == "sequential":
            raise ValueError(
                'Trainer.fit: a `CombinedLoader` of mode "sequential" is for validation; training takes the others'
            )
        if trainer.overfit_batches:
            without_shuffling(self.combined, "train")
        for loader in self.loaders:
            seed_workers(loader)
        self.combined.limits = [batches_of("train", loader, trainer.limit_train_batches) for loader in self.loaders]
        if self.resuming.within_fit and self.loader_states:
            self.combined.load_state_dicts(self.loader_states)
        self.fetcher = Fetcher(self.combined).start()
        length = len_or_none(self.combined)
        self.max_batches = float("inf") if length is None else length
        if self.max_batches == 0:
            return
        self._loaded_in_epoch = trainer.current_epoch
        self._set_validation_interval()
        if trainer.loggers and self.max_batches < trainer.log_every_n_steps and not trainer.fast_dev_run:
            rank_zero_warn(
                f"The number of training batches ({self.max_batches}) is smaller than the logging interval"
                f" Trainer(log_every_n_steps={trainer.log_every_n_steps}). Set a lower value for log_every_n_steps if you want to see"
                " logs for the training epoch.",
                category=PossibleUserWarning,
            )

    def _set_validation_interval(self) -> None:
        """`val_check_interval` in batches."""
        trainer, interval = self.trainer, self.trainer.val_check_interval
        if trainer.val_check_seconds is not None:
            self.val_check_batch, self.last_validation = None, time.monotonic()
        elif isinstance(interval, int):
            self.val_check_batch = interval
            if interval > self.max_batches and trainer.check_val_every_n_epoch is not None and trainer.limit_val_batches > 0:
                raise ValueError(
                    f" `val_check_interval` ({interval}) must be less than or equal to the number of the training batches"
                    f" ({self.max_batches}). If you want to disable validation set `limit_val_batches` to 0.0 instead."
                    " If you want to validate based on the total training batches, set `check_val_every_n_epoch=None`."
                )
        elif self.max_batches != float("inf"):
            self.val_check_batch = max(1, int(self.max_batches * interval))
        elif interval == 1.0:
            self.val_check_batch = float("inf")
        else:
            raise MisconfigurationException(
                "When using an IterableDataset for `train_dataloader`, `Trainer(val_check_interval)` must be time based, `1.0` or an"
                " int. An int k specifies checking validation every k training batches."
            )

    @property
    def loaders(self) -> list[Any]:
        """The loaders one by one."""
        return [] if self.combined is None else self.combined.flattened

    @property
    def iterables(self) -> Any:
        """The loaders as they were given."""
        return None if self.combined is None else self.combined.iterables

    # ---- how far it is ----

    @property
    def global_step(self) -> int:
        """How many steps optimizers have made."""
        module = self.trainer.lightning_module
        automatic = module is None or module.automatic_optimization
        return (self.step_progress if automatic else self.manual_progress).total.completed

    @property
    def epoch_loop(self) -> FitState:
        """Itself: Lightning has two loops, and callbacks ask the inner one for `batch_progress` and `val_loop`."""
        return self

    def counters(self) -> dict[str, Any]:
        """All counters by their names in a checkpoint; those of the optimizer are two in one."""
        return {
            "epoch_loop.batch_progress": self.batch_progress,
            "epoch_loop.scheduler_progress": self.scheduler_progress,
            "epoch_loop.automatic_optimization.optim_progress": _OptimizerCounters(self),
            "epoch_loop.manual_optimization.optim_step_progress": self.manual_progress,
            "epoch_loop.val_loop.batch_progress": self.val_loop.batch_progress,
            "epoch_progress": self.epoch_progress,
        }


class _OptimizerCounters:
    """The counters of the optimizer's steps and zero_grads as one entry of a checkpoint."""

    def __init__(self, loop: FitState) -> None:
        self.parts = {"step": loop.step_progress, "zero_grad": loop.zero_grad_progress}

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": {name: part.state_dict() for name, part in self.parts.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state["optimizer"][name])
