"""`ModelCheckpoint`: save the training as it goes, and keep the best of what was saved.

Two questions, apart: *when* to save (every so many epochs, steps or seconds: the hooks) and *which* files to keep (the last one, or the k
best by a metric: `_save_topk_checkpoint`). A file that falls out is deleted, but only after the new one is there. Read next:
`checkpoint_names.py`, for the names of files.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from copy import deepcopy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch.lightning.callbacks.checkpoint import Checkpoint
from minitorch.lightning.callbacks.checkpoint_names import NamedFiles, link, remove
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import WarningCache, rank_zero_info, rank_zero_warn
from minitorch.lightning.utilities.yaml import save_yaml
from minitorch.tensor import Tensor

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["ModelCheckpoint"]

_said = WarningCache()


class ModelCheckpoint(NamedFiles, Checkpoint):
    """Saves checkpoints of a training.

    dirpath: the folder, that of the first logger with `checkpoints` behind it if not given. filename: "{epoch}-{val_loss:.2f}" becomes
    epoch=3-val_loss=0.14.ckpt; auto_insert_metric_name=False leaves out "epoch=". monitor: the metric by which a checkpoint is good, mode
    "min" or "max"; without one, the last is kept. save_top_k: how many (−1: all, 0: none). save_last: a `last.ckpt` beside them, True a
    copy, "link" a link to the last one saved. every_n_epochs, every_n_train_steps, train_time_interval: when; one of them.
    save_on_train_epoch_end: at an epoch's end, else after validation. save_weights_only: no optimizer in it. save_on_exception: after an
    error or Ctrl-C too. enable_version_counter: do not write over a file of that name, but add -v1, -v2, …

    Afterwards `best_model_path`, `best_model_score`, `last_model_path`, and `best_k_models`, the kept files with their scores.
    """

    def __init__(
        self,
        dirpath: str | os.PathLike[str] | None = None,
        filename: str | None = None,
        monitor: str | None = None,
        verbose: bool = False,
        save_last: bool | str | None = None,
        save_top_k: int = 1,
        save_on_exception: bool = False,
        save_weights_only: bool = False,
        mode: str = "min",
        auto_insert_metric_name: bool = True,
        every_n_train_steps: int | None = None,
        train_time_interval: timedelta | None = None,
        every_n_epochs: int | None = None,
        save_on_train_epoch_end: bool | None = None,
        enable_version_counter: bool = True,
    ) -> None:
        self.dirpath = os.path.realpath(os.path.expanduser(dirpath)) if dirpath else None
        self.filename, self.auto_insert_metric_name = filename, auto_insert_metric_name
        self._enable_version_counter = enable_version_counter
        self.monitor, self.mode, self.verbose = monitor, mode, verbose
        self.save_last, self.save_top_k, self.save_weights_only = save_last, save_top_k, save_weights_only
        self.save_on_exception = save_on_exception
        self._save_on_train_epoch_end = save_on_train_epoch_end
        if every_n_train_steps is None and every_n_epochs is None and train_time_interval is None:
            every_n_epochs = 1
        self._every_n_epochs, self._every_n_train_steps = every_n_epochs or 0, every_n_train_steps or 0
        self._train_time_interval = train_time_interval
        self._check_arguments()

        self.current_score: Tensor | None = None
        self.best_k_models: dict[str, Tensor] = {}
        self.kth_best_model_path = ""
        self.kth_value = minitorch.tensor(math.inf if mode == "min" else -math.inf)
        self.best_model_score: Tensor | None = None
        self.best_model_path = ""
        self.last_model_path = ""
        self._last_checkpoint_saved = ""
        self._last_global_step_saved = 0  # before the first step there is nothing to save
        self._last_time_checked: float | None = None
        self._waits_for_validation = False  # a save is due, but its metric comes with the next validation

    def _check_arguments(self) -> None:
        if self.mode not in ("min", "max"):
            raise MisconfigurationException(f"`mode` can be min, max but got {self.mode}")
        for name, value, least in (
            ("save_top_k", self.save_top_k, -1),
            ("every_n_train_steps", self._every_n_train_steps, 0),
            ("every_n_epochs", self._every_n_epochs, 0),
        ):
            if value < least:
                raise MisconfigurationException(f"Invalid value for {name}={value}. Must be >= {least}")
        if (self._every_n_train_steps >= 1) + (self._every_n_epochs >= 1) + (self._train_time_interval is not None) > 1:
            raise MisconfigurationException(
                f"Combination of parameters every_n_train_steps={self._every_n_train_steps}, every_n_epochs={self._every_n_epochs}"
                f" and train_time_interval={self._train_time_interval} should be mutually exclusive."
            )
        if self.monitor is None and self.save_top_k not in (-1, 0, 1):
            raise MisconfigurationException(
                f"ModelCheckpoint(save_top_k={self.save_top_k}, monitor=None) is not a valid configuration. No quantity for top_k to track."
            )

    @property
    def every_n_epochs(self) -> int:
        """See the option."""
        return self._every_n_epochs

    # ---- when to save ----

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.dirpath = self.folder(trainer)
        if stage == "fit" and self.save_top_k != 0 and os.path.isdir(self.dirpath) and os.listdir(self.dirpath):
            rank_zero_warn(f"Checkpoint directory {self.dirpath} exists and is not empty.")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._last_time_checked = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if so many steps, or seconds, have passed; if the metric is one of validation's that runs next, only after it."""
        steps = self._every_n_train_steps >= 1 and trainer.global_step % self._every_n_train_steps == 0
        seconds = self._time_is_up()
        if not steps and not seconds:
            return
        metrics = self._metrics(trainer)
        if self.monitor is not None and (self.monitor not in metrics or self._validation_is_next(trainer)):
            self._waits_for_validation = True
        elif not self._nothing_to_save(trainer):
            self._save_topk_checkpoint(trainer, metrics)
            self._save_last_checkpoint(trainer, metrics)

    def _time_is_up(self) -> bool:
        if self._train_time_interval is None or self._last_time_checked is None:
            return False
        now = time.monotonic()
        if now - self._last_time_checked < self._train_time_interval.total_seconds():
            return False
        self._last_time_checked = now
        return True

    def _validation_is_next(self, trainer: Trainer) -> bool:
        """Whether this batch is the epoch's last, and validation, after which this callback saves, follows it."""
        follows = trainer.fit_loop.batch_progress.is_last_batch and not self._saves_at_epoch_end(trainer)
        return follows and trainer.fit_loop.validates_in_this_epoch() and sum(trainer.num_val_batches) > 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._saves_at_epoch_end(trainer) and not self._nothing_to_save(trainer):
            self._save_after_epoch(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._nothing_to_save(trainer) or self._saves_at_epoch_end(trainer):
            return
        if self._waits_for_validation:
            metrics = self._metrics(trainer)
            self._save_topk_checkpoint(trainer, metrics)
            self._save_last_checkpoint(trainer, metrics)
            self._waits_for_validation = False
        else:
            self._save_after_epoch(trainer)

    def _save_after_epoch(self, trainer: Trainer) -> None:
        metrics = self._metrics(trainer)
        if self._every_n_epochs >= 1 and (trainer.current_epoch + 1) % self._every_n_epochs == 0:
            self._save_topk_checkpoint(trainer, metrics)
        if self._last_global_step_saved == trainer.global_step or (self.save_last == "link" and self._last_checkpoint_saved):
            self._save_last_checkpoint(trainer, metrics)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.save_last and not self._last_checkpoint_saved:
            self._save_last_checkpoint(trainer, self._metrics(trainer))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        saved = self._last_global_step_saved == trainer.global_step
        if not self.save_on_exception or trainer.fast_dev_run or trainer.sanity_checking or saved:
            return
        metrics = self._metrics(trainer)
        path = self.format_checkpoint_name(metrics)
        self._save_checkpoint(trainer, path)
        self._save_last_checkpoint(trainer, metrics)
        rank_zero_info(f"An {type(exception).__name__} was raised with message: {exception}, saved checkpoint to {path}")

    def _nothing_to_save(self, trainer: Trainer) -> bool:
        """Whether this is no training, or this step is saved already."""
        saved = self._last_global_step_saved == trainer.global_step
        return bool(trainer.fast_dev_run) or trainer.fn != "fit" or trainer.sanity_checking or saved

    def _saves_at_epoch_end(self, trainer: Trainer) -> bool:
        """At an epoch's end, where validation runs once in each epoch or never; else after validation."""
        if self._save_on_train_epoch_end is not None:
            return self._save_on_train_epoch_end
        if trainer.val_check_seconds is not None or trainer.check_val_every_n_epoch != 1:
            return False
        return sum(trainer.num_val_batches) == 0 or trainer.val_check_interval == 1.0

    # ---- which to keep ----

    def _metrics(self, trainer: Trainer) -> dict[str, Any]:
        """The numbers logged so far, with the epoch and the step."""
        metrics = deepcopy(dict(trainer.callback_metrics))
        for name, number in (("epoch", trainer.current_epoch), ("step", trainer.global_step)):
            logged = metrics.get(name)
            metrics[name] = logged.int() if isinstance(logged, Tensor) else minitorch.tensor(number)
        return metrics

    def _save_topk_checkpoint(self, trainer: Trainer, metrics: dict[str, Any]) -> None:
        if self.save_top_k == 0:
            return
        if self.monitor is None:
            self._save_newest(trainer, metrics)
            return
        if self.monitor not in metrics:
            message = (
                f"`ModelCheckpoint(monitor={self.monitor!r})` could not find the monitored key in the returned metrics: {list(metrics)}."
                f" HINT: Did you call `log({self.monitor!r}, value)` in the `LightningModule`?"
            )
            if trainer.fit_loop.val_loop.has_run:
                raise MisconfigurationException(message)
            _said.warn(message)
        current = metrics.get(self.monitor)
        if self.check_monitor_top_k(trainer, current):
            assert current is not None
            self._save_good(current, trainer, metrics)
        elif self.verbose:
            rank_zero_info(f"{_point(metrics)}: {self.monitor!r} was not in top {self.save_top_k}")

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether a checkpoint of this score is one of the k best so far."""
        if current is None:
            return False
        if self.save_top_k == -1 or len(self.best_k_models) < self.save_top_k:
            return True
        worst = self.best_k_models[self.kth_best_model_path]
        return bool(current < worst if self.mode == "min" else current > worst)

    def _save_newest(self, trainer: Trainer, metrics: dict[str, Any]) -> None:
        """Without a metric the newest is the best."""
        path = self.free_name(metrics, besides=self.best_model_path)
        previous, self.best_model_path = self.best_model_path, path  # before it is saved: the path is in the checkpoint too
        self._save_checkpoint(trainer, path)
        if self.save_top_k == 1 and previous:
            self._drop(trainer, previous, path)

    def _save_good(self, current: Tensor, trainer: Trainer, metrics: dict[str, Any]) -> None:
        """One of the k best: the worst of them before falls out."""
        k = len(self.best_k_models) + 1 if self.save_top_k == -1 else self.save_top_k
        falls_out = ""
        if len(self.best_k_models) == k:
            falls_out = self.kth_best_model_path
            self.best_k_models.pop(falls_out)
        lowest = self.mode == "min"
        if minitorch.isnan(current):  # worse than any number
            current = minitorch.tensor(math.inf if lowest else -math.inf, device=current.device)
        path = self.free_name(metrics, besides=falls_out)
        self.current_score = current
        self.best_k_models[path] = current
        score = lambda each: self.best_k_models[each].item()
        if len(self.best_k_models) == k:
            self.kth_best_model_path = (max if lowest else min)(self.best_k_models, key=score)
            self.kth_value = self.best_k_models[self.kth_best_model_path]
        self.best_model_path = (min if lowest else max)(self.best_k_models, key=score)
        self.best_model_score = self.best_k_models[self.best_model_path]
        if self.verbose:
            rank_zero_info(
                f"{_point(metrics)}: {self.monitor!r} reached {current.item():0.5f} (best {self.best_model_score.item():0.5f}),"
                f" saving model to {path!r} as top {k}"
            )
        self._save_checkpoint(trainer, path)
        if falls_out:
            self._drop(trainer, falls_out, path)

    def _save_last_checkpoint(self, trainer: Trainer, metrics: dict[str, Any]) -> None:
        """`last.ckpt`, a file or a link."""
        if not self.save_last:
            return
        path = self.free_name(metrics, self.CHECKPOINT_NAME_LAST, besides=self.last_model_path)
        previous, self.last_model_path = self.last_model_path, path
        if self.save_last == "link" and self._last_checkpoint_saved and self.save_top_k != 0:
            link(self._last_checkpoint_saved, path)
        else:
            self._save_checkpoint(trainer, path)
        if previous:
            self._drop(trainer, previous, path)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        trainer.save_checkpoint(filepath, self.save_weights_only)
        self._last_global_step_saved = trainer.global_step
        self._last_checkpoint_saved = filepath
        for logger in trainer.loggers:
            logger.after_save_checkpoint(self)

    def _drop(self, trainer: Trainer, previous: str, current: str) -> None:
        """Delete a file that is not kept any more: not the one just written, that the run began with, or one of another folder."""
        if self.is_disposable(trainer, previous, current):
            remove(previous)

    def to_yaml(self, filepath: str | os.PathLike[str] | None = None) -> None:
        """Write `best_k_models`, the kept files with their scores, to a file, `best_k_models.yaml` beside them if none is given."""
        scores = {path: score.item() for path, score in self.best_k_models.items()}
        save_yaml(os.path.join(self.dirpath or "", "best_k_models.yaml") if filepath is None else filepath, scores)

    # ---- in a checkpoint ----

    @property
    def state_key(self) -> str:
        """One for each metric and way to choose the moment."""
        return self._generate_state_key(
            monitor=self.monitor,
            mode=self.mode,
            every_n_train_steps=self._every_n_train_steps,
            every_n_epochs=self._every_n_epochs,
            train_time_interval=self._train_time_interval,
        )

    def state_dict(self) -> dict[str, Any]:
        """What is kept, with its scores."""
        names = "monitor best_model_score best_model_path current_score dirpath best_k_models kth_best_model_path kth_value last_model_path"
        return {name: getattr(self, name) for name in names.split()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what is kept; in another folder only the best file's path is taken over."""
        folder = state_dict.get("dirpath", self.dirpath)
        if folder == self.dirpath:
            self.best_model_score = state_dict["best_model_score"]
            for name in ("kth_best_model_path", "kth_value", "best_k_models", "last_model_path"):
                setattr(self, name, state_dict.get(name, getattr(self, name)))
        else:
            warnings.warn(
                f"The dirpath has changed from {folder!r} to {self.dirpath!r}, therefore `best_model_score`, `kth_best_model_path`,"
                " `kth_value`, `last_model_path` and `best_k_models` won't be reloaded. Only `best_model_path` will be reloaded."
            )
        self.best_model_path = state_dict["best_model_path"]


def _point(metrics: dict[str, Any]) -> str:
    return f"Epoch {int(metrics['epoch'])}, global step {int(metrics['step'])}"
