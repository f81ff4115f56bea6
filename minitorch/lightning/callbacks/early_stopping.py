"""`EarlyStopping`: end a training whose metric has not become better for a while."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from minitorch.tensor import Tensor

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["EarlyStopping", "EarlyStoppingReason"]


class EarlyStoppingReason(Enum):
    """Why a training was ended."""

    NOT_STOPPED = 0
    STOPPING_THRESHOLD = 1
    DIVERGENCE_THRESHOLD = 2
    PATIENCE_EXHAUSTED = 3
    NON_FINITE_METRIC = 4


class EarlyStopping(Callback):
    """Ends the training when `monitor` has not improved by more than `min_delta` in `patience` checks, one after the other.

    mode: "min", the metric should fall; "max", rise. strict: a metric that is not logged is an error. check_finite: end at nan or ∞.
    stopping_threshold: end once the metric is better than this. divergence_threshold: end once it is worse than this.
    check_on_train_epoch_end: check at the end of a training epoch, else after validation; if not given, at the epoch's end where
    validation runs once in each. verbose: say so. A check is one validation or one epoch, so `patience` counts these, not batches.
    """

    mode_dict = {"min": minitorch.lt, "max": minitorch.gt}
    order_dict = {"min": "<", "max": ">"}
    _reads_metrics = True

    def __init__(
        self,
        monitor: str,
        min_delta: float = 0.0,
        patience: int = 3,
        verbose: bool = False,
        mode: str = "min",
        strict: bool = True,
        check_finite: bool = True,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
        check_on_train_epoch_end: bool | None = None,
        log_rank_zero_only: bool = False,
    ) -> None:
        if mode not in self.mode_dict:
            raise MisconfigurationException(f"`mode` can be {', '.join(self.mode_dict)}, got {mode}")
        self.monitor, self.mode = monitor, mode
        self.min_delta = min_delta if mode == "max" else -min_delta
        self.patience, self.verbose, self.strict, self.check_finite = patience, verbose, strict, check_finite
        self.stopping_threshold, self.divergence_threshold = stopping_threshold, divergence_threshold
        self._check_on_train_epoch_end = check_on_train_epoch_end
        self.log_rank_zero_only = log_rank_zero_only
        self.wait_count = 0
        self.stopped_epoch = 0
        self.stopping_reason = EarlyStoppingReason.NOT_STOPPED
        self.stopping_reason_message: str | None = None
        self.best_score = minitorch.tensor(math.inf if mode == "min" else -math.inf)

    @property
    def state_key(self) -> str:
        """One for each metric and mode."""
        return self._generate_state_key(monitor=self.monitor, mode=self.mode)

    @property
    def monitor_op(self) -> Any:
        """`lt` or `gt`: better than."""
        return self.mode_dict[self.mode]

    # ---- when it checks ----

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._check_on_train_epoch_end is None:
            self._check_on_train_epoch_end = trainer.val_check_interval == 1.0 and trainer.check_val_every_n_epoch == 1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._check_on_train_epoch_end:
            self._check(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._check_on_train_epoch_end:
            self._check(trainer)

    def _check(self, trainer: Trainer) -> None:
        """Look at the metric, and tell the Trainer if it should stop."""
        if trainer.fn != "fit" or trainer.sanity_checking or trainer.fast_dev_run:
            return
        metrics = trainer.callback_metrics
        if self.monitor not in metrics:
            self._metric_is_missing(list(metrics))
            return
        stop, reason = self._evaluate_stopping_criteria(metrics[self.monitor].squeeze())
        if stop:
            trainer.should_stop = True
            self.stopped_epoch = trainer.current_epoch
            self.stopping_reason_message = reason
        if reason and self.verbose:
            rank_zero_info(reason)

    def _metric_is_missing(self, there: list[str]) -> None:
        message = (
            f"Early stopping conditioned on metric `{self.monitor}` which is not available."
            f" Pass in or modify your `EarlyStopping` callback to use any of the following: `{'`, `'.join(there)}`"
        )
        if self.strict:
            raise RuntimeError(message)
        if self.verbose:
            rank_zero_warn(message, category=RuntimeWarning)

    # ---- what it checks ----

    def _evaluate_stopping_criteria(self, current: Tensor) -> tuple[bool, str | None]:
        """(whether to stop, what there is to say)"""
        better = self.monitor_op
        sign = self.order_dict[self.mode]
        if self.check_finite and not minitorch.isfinite(current):
            return self._stop(
                EarlyStoppingReason.NON_FINITE_METRIC,
                f"Monitored metric {self.monitor} = {current} is not finite. Previous best value was {self.best_score.item():.3f}.",
            )
        if self.stopping_threshold is not None and better(current, self.stopping_threshold):
            return self._stop(
                EarlyStoppingReason.STOPPING_THRESHOLD,
                f"Stopping threshold reached: {self.monitor} = {current} {sign} {self.stopping_threshold}.",
            )
        if self.divergence_threshold is not None and better(-current, -self.divergence_threshold):
            return self._stop(
                EarlyStoppingReason.DIVERGENCE_THRESHOLD,
                f"Divergence threshold reached: {self.monitor} = {current} {sign} {self.divergence_threshold}.",
            )
        if better(current - self.min_delta, self.best_score.to(current.device)):
            message = self._improvement_message(current)
            self.best_score, self.wait_count = current, 0
            return False, message
        self.wait_count += 1
        if self.wait_count < self.patience:
            return False, None
        return self._stop(
            EarlyStoppingReason.PATIENCE_EXHAUSTED,
            f"Monitored metric {self.monitor} did not improve in the last {self.wait_count} records."
            f" Best score: {self.best_score.item():.3f}.",
        )

    def _stop(self, reason: EarlyStoppingReason, message: str) -> tuple[bool, str]:
        self.stopping_reason = reason
        return True, f"{message} Signaling Trainer to stop."

    def _improvement_message(self, current: Tensor) -> str:
        best, now = self.best_score.item(), current.item()
        if not math.isfinite(best):
            return f"Metric {self.monitor} improved. New best score: {now:.3f}"
        return (
            f"Metric {self.monitor} improved by {abs(best - now):.3f} >= min_delta = {abs(self.min_delta)}."
            f" New best score: {now:.3f}"
        )

    # ---- in a checkpoint ----

    def state_dict(self) -> dict[str, Any]:
        """How long it has waited, and for what."""
        return {
            "wait_count": self.wait_count,
            "stopped_epoch": self.stopped_epoch,
            "best_score": self.best_score,
            "patience": self.patience,
            "stopping_reason": self.stopping_reason.value,
            "stopping_reason_message": self.stopping_reason_message,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on waiting; the patience too is the checkpoint's."""
        self.wait_count = state_dict["wait_count"]
        self.stopped_epoch = state_dict["stopped_epoch"]
        self.best_score = state_dict["best_score"]
        self.patience = state_dict["patience"]
        self.stopping_reason = EarlyStoppingReason(state_dict.get("stopping_reason", 0))
        self.stopping_reason_message = state_dict.get("stopping_reason_message")
