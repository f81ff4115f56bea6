"""`Timer`: how long training, validation and test take; and a training that ends when its time is up."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_info

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["Timer"]

STAGES = ("train", "sanity_check", "validate", "test", "predict")


class Timer(Callback):
    """Measures seconds; with a `duration` it ends the training after so much time of training, an earlier run's included.

    duration: "DD:HH:MM:SS", a timedelta, or its arguments as a dict. interval: look after each "step" or each "epoch".
    """

    def __init__(
        self, duration: str | timedelta | dict[str, int] | None = None, interval: str = "step", verbose: bool = True
    ) -> None:
        from minitorch.lightning.configuration import seconds

        if interval not in ("step", "epoch"):
            raise MisconfigurationException(
                f"Unsupported parameter value `Timer(interval={interval})`. Possible choices are: step, epoch"
            )
        try:
            self._duration = None if duration is None else seconds(duration)
        except MisconfigurationException as error:
            raise MisconfigurationException(f"`Timer(duration={duration!r})` is not a valid duration. {error}") from None
        self._interval, self._verbose = interval, verbose
        self._start: dict[str, float] = {}
        self._end: dict[str, float] = {}
        self._offset = 0.0  # of the runs before this one

    def start_time(self, stage: str = "train") -> float | None:
        """When the stage ("train", "validate", "test") began, by `time.monotonic`."""
        return self._start.get(_checked(stage))

    def end_time(self, stage: str = "train") -> float | None:
        """When it ended."""
        return self._end.get(_checked(stage))

    def time_elapsed(self, stage: str = "train") -> float:
        """How long it took, or has taken so far."""
        start, end = self.start_time(stage), self.end_time(stage)
        before = self._offset if stage == "train" else 0
        return before if start is None else (time.monotonic() if end is None else end) - start + before

    def time_remaining(self, stage: str = "train") -> float | None:
        """What is left of the duration; None without one."""
        return None if self._duration is None else self._duration - self.time_elapsed(stage)

    # ---- hooks ----

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._check(trainer)  # an earlier run may have used up the time

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start["train"] = time.monotonic()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end["train"] = time.monotonic()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start["validate"] = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end["validate"] = time.monotonic()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start["test"] = time.monotonic()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end["test"] = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._interval == "step":
            self._check(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._interval == "epoch":
            self._check(trainer)

    def _check(self, trainer: Trainer) -> None:
        if self._duration is None or self.time_elapsed() < self._duration:
            return
        trainer.should_stop = True
        if self._verbose:
            elapsed = timedelta(seconds=int(self.time_elapsed()))
            rank_zero_info(f"Time limit reached. Elapsed time is {elapsed}. Signaling Trainer to stop.")

    # ---- in a checkpoint ----

    def state_dict(self) -> dict[str, Any]:
        """The seconds of each stage."""
        return {"time_elapsed": {stage: self.time_elapsed(stage) for stage in STAGES}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Add the seconds of training before."""
        self._offset = state_dict.get("time_elapsed", {}).get("train", 0)


def _checked(stage: str) -> str:
    if stage not in STAGES:
        raise ValueError(f"Timer: expected a stage of {', '.join(STAGES)}, got {stage!r}")
    return stage
