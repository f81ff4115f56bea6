"""What a Trainer can be asked while it runs: where it is, its data, its numbers, its callbacks, its machine. All of it is read off the loops."""

from __future__ import annotations

import os
from typing import Any

from minitorch.lightning.calls import is_overridden
from minitorch.lightning.datamodule import LightningDataModule
from minitorch.lightning.evaluation import EvaluationLoop, PredictionLoop
from minitorch.lightning.loop import FitLoop
from minitorch.lightning.precision import Precision
from minitorch.lightning.results import Metrics, Results
from minitorch.lightning.utilities.rank_zero import rank_zero_only

__all__ = ["TrainerState"]


class TrainerState:
    """A part of `Trainer`."""

    fit_loop: FitLoop
    validate_loop: EvaluationLoop
    test_loop: EvaluationLoop
    predict_loop: PredictionLoop
    lightning_module: Any
    datamodule: LightningDataModule | None
    metrics: Metrics
    precision_plugin: Precision
    root_device: Any
    callbacks: list[Any]
    loggers: list[Any]
    fn: str | None
    stage: str | None
    status: str
    accumulate_grad_batches: int
    limit_val_batches: int | float
    num_sanity_val_steps: int | float
    _default_root_dir: str

    # ---- where the run is ----

    @property
    def current_epoch(self) -> int:
        """The epoch's number, from 0; it counts up once the epoch's last hooks have run."""
        return self.fit_loop.epoch_progress.current.completed

    @property
    def global_step(self) -> int:
        """How many steps optimizers have made, over all epochs."""
        return self.fit_loop.global_step

    @property
    def max_epochs(self) -> int | None:
        """See the option."""
        return self.fit_loop.max_epochs

    @property
    def min_epochs(self) -> int | None:
        """See the option."""
        return self.fit_loop.min_epochs

    @property
    def max_steps(self) -> int:
        """See the option."""
        return self.fit_loop.max_steps

    @property
    def min_steps(self) -> int | None:
        """See the option."""
        return self.fit_loop.min_steps

    @property
    def is_last_batch(self) -> bool:
        """Whether the batch at hand is the epoch's last."""
        return self.fit_loop.batch_progress.is_last_batch

    @property
    def training(self) -> bool:
        """Whether a batch of training is at hand."""
        return self.stage == "train"

    @property
    def validating(self) -> bool:
        """Whether it validates (in `fit` or `validate`)."""
        return self.stage == "validate"

    @property
    def testing(self) -> bool:
        """Whether it tests."""
        return self.stage == "test"

    @property
    def predicting(self) -> bool:
        """Whether it predicts."""
        return self.stage == "predict"

    @property
    def evaluating(self) -> bool:
        """Whether it validates or tests."""
        return self.validating or self.testing

    @property
    def sanity_checking(self) -> bool:
        """Whether it tries validation before training."""
        return self.stage == "sanity_check"

    @property
    def interrupted(self) -> bool:
        """Whether an error or Ctrl-C ended the last run."""
        return self.status == "interrupted"

    # ---- data ----

    @property
    def enable_validation(self) -> bool:
        """Whether `fit` validates."""
        defined = self.fit_loop.val_loop.data.is_defined() and is_overridden("validation_step", self.lightning_module)
        return defined and self.limit_val_batches > 0

    @property
    def train_dataloader(self) -> Any:
        """The loaders of training."""
        return self.fit_loop.iterables

    @property
    def val_dataloaders(self) -> Any:
        """The loaders of validation."""
        of_fit = self.fit_loop.val_loop.iterables
        return self.validate_loop.iterables if of_fit is None else of_fit

    @property
    def test_dataloaders(self) -> Any:
        """The loaders of the test."""
        return self.test_loop.iterables

    @property
    def predict_dataloaders(self) -> Any:
        """The loaders of what is predicted."""
        return self.predict_loop.iterables

    @property
    def num_training_batches(self) -> int | float:
        """Batches in an epoch, ∞ if nobody knows."""
        return self.fit_loop.max_batches

    @property
    def num_val_batches(self) -> list[int | float]:
        """Batches of each validation loader."""
        return self.validate_loop.max_batches if self.fn == "validate" else self.fit_loop.val_loop._max_batches

    @property
    def num_sanity_val_batches(self) -> list[int | float]:
        """Batches of each validation loader that are tried before training."""
        return [min(self.num_sanity_val_steps, n) for n in self.fit_loop.val_loop._max_batches]

    @property
    def num_test_batches(self) -> list[int | float]:
        """Batches of each test loader."""
        return self.test_loop.max_batches

    @property
    def num_predict_batches(self) -> list[int | float]:
        """Batches of each loader of what is predicted."""
        return self.predict_loop.max_batches

    @property
    def estimated_stepping_batches(self) -> int | float:
        """How many steps the optimizer will make in all: what a OneCycleLR needs to know. It may be asked in `configure_optimizers`."""
        if self.max_epochs == -1:
            return float("inf") if self.max_steps == -1 else self.max_steps
        self.fit_loop.setup_data()
        batches = self.fit_loop.max_batches
        if batches == float("inf"):
            return self.max_steps
        per_epoch = -(-batches // self.accumulate_grad_batches)
        steps = per_epoch * max(self.max_epochs or 1000, 1)
        return min(steps, self.max_steps) if self.max_steps != -1 else steps

    # ---- callbacks and loggers ----

    @property
    def logger(self) -> Any:
        """The first logger, or None."""
        return self.loggers[0] if self.loggers else None

    @logger.setter
    def logger(self, logger: Any) -> None:
        self.loggers = [logger] if logger else []

    @property
    def callback_metrics(self) -> dict[str, Any]:
        """The numbers logged so far, for callbacks: the last of each name."""
        return self._up_to_date().callback

    @property
    def logged_metrics(self) -> dict[str, Any]:
        """The numbers that went to loggers."""
        return self._up_to_date().logged

    @property
    def progress_bar_metrics(self) -> dict[str, float]:
        """The numbers that the progress bar shows."""
        return self._up_to_date().progress_bar

    def _up_to_date(self) -> Metrics:
        if self._results:
            self.metrics.update()
        return self.metrics

    @property
    def _results(self) -> Results | None:
        """What the loop that runs has logged."""
        if self.stage == "train":
            return self.fit_loop.results
        if self.stage in ("validate", "test", "sanity_check"):
            return {"fit": self.fit_loop.val_loop, "validate": self.validate_loop, "test": self.test_loop}[
                self.fn or ""
            ].results
        return None

    @property
    def checkpoint_callbacks(self) -> list[Any]:
        """The callbacks that save."""
        from minitorch.lightning.callbacks import Checkpoint

        return [c for c in self.callbacks if isinstance(c, Checkpoint)]

    @property
    def checkpoint_callback(self) -> Any:
        """The first of them, or None."""
        return next(iter(self.checkpoint_callbacks), None)

    @property
    def early_stopping_callbacks(self) -> list[Any]:
        """The callbacks that end a training early."""
        from minitorch.lightning.callbacks import EarlyStopping

        return [c for c in self.callbacks if isinstance(c, EarlyStopping)]

    @property
    def early_stopping_callback(self) -> Any:
        """The first of them, or None."""
        return next(iter(self.early_stopping_callbacks), None)

    @property
    def progress_bar_callback(self) -> Any:
        """The progress bar, or None."""
        from minitorch.lightning.callbacks import ProgressBar

        return next((c for c in self.callbacks if isinstance(c, ProgressBar)), None)

    @property
    def default_root_dir(self) -> str:
        """The folder for what is written, where nobody says another."""
        return os.path.normpath(os.path.expanduser(self._default_root_dir))

    @property
    def log_dir(self) -> str | None:
        """The first logger's folder, or the default one."""
        if not self.loggers:
            return self.default_root_dir
        return self.loggers[0].log_dir or self.loggers[0].save_dir

    # ---- the machine ----

    @property
    def precision(self) -> str:
        """The precision's name."""
        return self.precision_plugin.precision

    @property
    def scaler(self) -> Any:
        """The GradScaler of "16-mixed", or None."""
        return getattr(self.precision_plugin, "scaler", None)

    @property
    def model(self) -> Any:
        """The module."""
        return self.lightning_module

    @property
    def world_size(self) -> int:
        """The number of processes that this Trainer knows: 1."""
        return 1

    @property
    def global_rank(self) -> int:
        """This process's number, if `minitorch.distributed.run` has started several, each with a Trainer of its own."""
        return rank_zero_only.rank  # type: ignore[attr-defined]

    @property
    def local_rank(self) -> int:
        """Its number on its machine."""
        return int(os.environ.get("LOCAL_RANK", 0))

    node_rank = 0
    num_nodes = num_devices = 1

    @property
    def device_ids(self) -> list[int]:
        """The devices' numbers."""
        return [self.root_device.index or 0]

    @property
    def is_global_zero(self) -> bool:
        """Whether this process is the one that speaks."""
        return self.global_rank == 0

    def print(self, *args: Any, **kwargs: Any) -> None:
        """`print`, once however many processes train."""
        if self.is_global_zero:
            print(*args, **kwargs)
