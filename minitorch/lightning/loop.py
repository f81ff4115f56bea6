"""Training: the loop that a Trainer automates. Read it from the top; without hooks, counters and options it is

    for epoch in range(max_epochs):                          # run
        for batch_idx, batch in enumerate(loader):           # run_epoch, run_batches
            loss = module.training_step(batch, batch_idx)    # automatic_step: these four
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()                                     # step_schedulers
        for batch in val_loader:                             # validate
            module.validation_step(batch)

Each method below is one of these lines with what belongs around it. `fit_state.py` keeps the data and the counters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import minitorch
from minitorch.lightning import resuming
from minitorch.lightning.calls import call_callbacks, call_hook, call_module, takes
from minitorch.lightning.fit_state import FitState
from minitorch.lightning.loaders import set_epoch
from minitorch.lightning.transfer import transferred
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import PossibleUserWarning, WarningCache, rank_zero_info, rank_zero_warn
from minitorch.lightning.utilities.seed import isolate_rng
from minitorch.tensor import Tensor

__all__ = ["FitLoop"]

_said = WarningCache()


class FitLoop(FitState):
    """The training of `Trainer.fit`."""

    # ---- all of it ----

    def run(self) -> None:
        """Epoch after epoch, until something ends it."""
        trainer = self.trainer
        self.setup_data()
        if self.is_over() or trainer.limit_train_batches == 0:
            return
        minitorch.set_grad_enabled(True)
        resuming.begin_fit(self)
        if self.validates_in_this_epoch() and trainer.val_dataloaders is None:
            self.val_loop.setup_data()  # so that a progress bar knows how long it is
        self._warn_of_eval_mode()
        call_hook(trainer, "on_train_start")
        while not self.is_over():
            self.run_epoch()
            self.resuming.end_of_epoch()
        call_hook(trainer, "on_train_end")

    def is_over(self) -> bool:
        """Whether the training ends here."""
        trainer, epochs = self.trainer, self.epoch_progress.current
        if self.max_batches == 0:
            rank_zero_info("`Trainer.fit` stopped: No training batches.")
            return True
        if self.max_steps != -1 and self.global_step >= self.max_steps:
            rank_zero_info(f"`Trainer.fit` stopped: `max_steps={self.max_steps!r}` reached.")
            return True
        if self.max_epochs is not None and self.max_epochs != -1 and epochs.processed >= self.max_epochs:
            epochs.completed = epochs.processed
            rank_zero_info(f"`Trainer.fit` stopped: `max_epochs={self.max_epochs!r}` reached.")
            return True
        return trainer.should_stop and self.may_stop_early()

    def may_stop_early(self) -> bool:
        """Whether `min_epochs` and `min_steps` are done."""
        epochs = not self.min_epochs or self.epoch_progress.current.processed >= self.min_epochs
        return epochs and (not self.min_steps or self.global_step >= self.min_steps)

    # ---- one epoch ----

    def run_epoch(self) -> None:
        """All batches, validation where it is due, and what comes at an epoch's end."""
        trainer, epochs = self.trainer, self.epoch_progress
        self.setup_data()  # anew, with reload_dataloaders_every_n_epochs
        for loader in self.loaders:
            set_epoch(loader, epochs.current.processed)
        if self.resuming.epoch not in ("middle", "end"):
            if self.resuming.epoch != "start":
                epochs.count("ready")
            call_hook(trainer, "on_train_epoch_start")
            epochs.count("started")

        self.run_batches()

        trainer.metrics.epoch_end_reached()
        epochs.count("processed")
        call_callbacks(trainer, "on_train_epoch_end", monitoring=False)
        call_module(trainer, "on_train_epoch_end")
        call_callbacks(trainer, "on_train_epoch_end", monitoring=True)  # they read what the module has logged there
        trainer.metrics.on_epoch_end()
        if not self.resuming.within_fit and self.is_last_batch():
            self.step_schedulers("epoch", watching=True)
        self._log_epoch()
        epochs.count("completed")

    def run_batches(self) -> None:
        """The batches of one epoch."""
        trainer = self.trainer
        resuming.begin_epoch(self)
        if trainer.current_epoch > 0 and not self.resuming.loaded and not self.resuming.within_epoch:
            self.fetcher.start()  # shuffles; for the first epoch `setup_data` has done it
        self.fetcher.fetched += self.batch_progress.current.ready
        while not self.epoch_is_over():
            if not resuming.nothing_left_of_batch(self):
                try:
                    batch, _, _ = next(self.fetcher)
                except StopIteration:
                    break
                if not self.run_batch(batch, batch_idx=self.batch_progress.current.ready):
                    break
            if self.is_time_to_validate() and not self.skip_next_validation:
                self.validate()
            self.skip_next_validation = False
            self.step_schedulers("step", watching=True)
            if not self.is_accumulating():
                self.batches_that_stepped += 1
            if trainer.should_stop:
                for logger in trainer.loggers:
                    logger.save()
            self.resuming.end_of_batch()
        self.resuming.end_of_batch()  # after a `break`, too

    def epoch_is_over(self) -> bool:
        """Whether no batch is left, or none is wanted."""
        steps_done = self.max_steps != -1 and self.global_step >= self.max_steps
        if (steps_done or self.is_last_batch()) and (not self.resuming.within_epoch or self.val_loop.has_run):
            return True
        if self.trainer.should_stop and not self.may_stop_early():
            _said.info(
                f"Trainer was signaled to stop but the required `min_epochs={self.min_epochs!r}` or `min_steps={self.min_steps!r}`"
                " has not been met. Training will continue..."
            )
        return self.trainer.should_stop and self.may_stop_early()

    def _log_epoch(self) -> None:
        """The epoch's values go to loggers with the step of its last batch."""
        metrics = self.trainer.metrics
        self.batches_that_stepped -= 1
        metrics.log(self.results.metrics(on_step=False)["log"])
        metrics.reset_results()
        self.batches_that_stepped += 1

    # ---- one batch ----

    def run_batch(self, batch: Any, batch_idx: int) -> bool:
        """One batch from its way to the device to its log; False if `on_train_batch_start` has said that the epoch ends here."""
        trainer, batches = self.trainer, self.batch_progress
        batches.is_last_batch = self.fetcher.done
        batch = transferred(trainer, batch, dataloader_idx=0)
        batches.count("ready")
        trainer.metrics.on_batch_start(batch)
        outputs, goes_on = None, True
        if batch is None:
            _said.warn("train_dataloader yielded None. If this was on purpose, ignore this warning...")
        elif call_hook(trainer, "on_train_batch_start", batch, batch_idx) == -1:
            batches.is_last_batch, goes_on = True, False
        else:
            batches.count("started")
            automatic = trainer.lightning_module.automatic_optimization
            outputs = self.automatic_step(batch, batch_idx) if automatic else self.manual_step(batch, batch_idx)
        batches.count("processed")
        self.step_schedulers("step", watching=False)
        if self.is_last_batch():
            self.step_schedulers("epoch", watching=False)
        if not goes_on:
            return False
        call_hook(trainer, "on_train_batch_end", outputs, batch, batch_idx)
        trainer.metrics.on_batch_end()
        batches.count("completed")
        if not self.is_accumulating() or not trainer.lightning_module.automatic_optimization:
            trainer.metrics.log_step()
        return True

    def automatic_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """Loss, zero_grad, backward, and the optimizer's step; while gradients accumulate, all but the step.

        The first three are a closure, for that is what an optimizer takes (LBFGS calls it several times).
        """
        trainer = self.trainer
        outputs: dict[str, Any] = {}

        @minitorch.enable_grad()
        def closure() -> Tensor | None:
            loss, extra = self.loss_of(self.training_step(batch, batch_idx))
            outputs.clear()
            if loss is not None:
                outputs.update(loss=loss.detach().clone(), **extra)
            else:
                _said.warn("`training_step` returned `None`. If this was on purpose, ignore this warning...")
            if not self.skip_backward:
                if batch_idx % trainer.accumulate_grad_batches == 0:
                    self.zero_grad(batch_idx)
                if loss is not None:
                    trainer.precision_plugin.backward(loss, trainer.lightning_module)
            return outputs.get("loss")

        if self.is_accumulating():
            closure()
        else:
            self.optimizer_step(batch_idx, closure)
        return outputs

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """The module's, under the precision's context."""
        trainer = self.trainer
        arguments = (
            (batch, batch_idx) if takes(trainer.lightning_module.training_step, "batch_idx", at_least=2) else (batch,)
        )
        with trainer.precision_plugin.forward_context():
            return call_module(trainer, "training_step", *arguments)

    def loss_of(self, output: Any) -> tuple[Tensor | None, dict[str, Any]]:
        """(loss / accumulate_grad_batches, what else a step returned): the gradients that add up are then those of the mean."""
        extra: dict[str, Any] = {}
        if isinstance(output, Mapping):
            if output.get("loss") is None:
                raise MisconfigurationException(
                    "In automatic_optimization, when `training_step` returns a dict, the 'loss' key needs to be present"
                )
            extra = {key: value for key, value in output.items() if key != "loss"}
            output = output["loss"]
        if output is not None and not isinstance(output, Tensor):
            raise MisconfigurationException(
                "In automatic optimization, `training_step` must return a Tensor, a dict, or None (where the step will be skipped);"
                f" got {type(output).__name__}."
            )
        return None if output is None else output / self.trainer.accumulate_grad_batches, extra

    def zero_grad(self, batch_idx: int) -> None:
        """Gradients of the step before are let go."""
        trainer, optimizer = self.trainer, self.trainer.optimizers[0]
        self.zero_grad_progress.count("ready")
        call_hook(trainer, "on_before_zero_grad", optimizer)
        self.zero_grad_progress.count("started")
        call_module(trainer, "optimizer_zero_grad", trainer.current_epoch, batch_idx, optimizer)
        self.zero_grad_progress.count("completed")

    def optimizer_step(self, batch_idx: int, closure: Callable[[], Any]) -> None:
        """The module's `optimizer_step`: the closure, clipping, the step. `precision.py` has the order."""
        trainer = self.trainer
        self.step_progress.count("ready")
        optimizer = trainer.lightning_optimizers[0]
        call_module(trainer, "optimizer_step", trainer.current_epoch, batch_idx, optimizer, closure)
        self.step_progress.count("completed")

    def manual_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """`training_step` does everything itself; the steps of its optimizers are counted."""
        optimizers = self.trainer.lightning_optimizers
        for optimizer in optimizers:
            optimizer._before_step = lambda: self.manual_progress.count("ready")
            optimizer._after_step = lambda: self.manual_progress.count("completed")
        output = self.training_step(batch, batch_idx)
        for optimizer in optimizers:
            optimizer._before_step = optimizer._after_step = None
        if output is not None and not isinstance(output, (Mapping, Tensor)):
            raise MisconfigurationException(
                "In manual optimization, `training_step` must either return a Tensor or have no return;"
                f" got {type(output).__name__}."
            )
        outputs = {} if output is None else {"loss": output} if isinstance(output, Tensor) else dict(output)
        if "loss" in outputs:
            outputs["loss"] = outputs["loss"].detach()
        return outputs

    def is_accumulating(self) -> bool:
        """Whether this batch's gradients wait for the next batch's; the last batch's never do."""
        full = self.batch_progress.current.ready % self.trainer.accumulate_grad_batches == 0
        return not full and not self.is_last_batch()

    def is_last_batch(self) -> bool:
        """Whether the batch at hand is the epoch's last."""
        return self.batch_progress.current.ready == self.max_batches or self.batch_progress.is_last_batch

    # ---- schedulers ----

    def step_schedulers(self, interval: str, *, watching: bool) -> None:
        """Step the schedulers of `interval` ("step" or "epoch") that are due: those that are `watching` a metric, or the others.

        The others step before validation, which may save a checkpoint; those that watch a metric of validation's, after it.
        """
        trainer = self.trainer
        if (interval == "step" and self.is_accumulating()) or not trainer.lightning_module.automatic_optimization:
            return
        number = self.batch_progress.current.ready if interval == "step" else trainer.current_epoch + 1
        for config in trainer.lr_scheduler_configs:
            if config.reduce_on_plateau != watching or config.interval != interval or number % config.frequency:
                continue
            metric = trainer.callback_metrics.get(config.monitor or "") if watching else None
            if watching and metric is None:
                self._metric_is_missing(config)
                continue
            self.scheduler_progress.count("ready")
            call_module(trainer, "lr_scheduler_step", config.scheduler, metric)
            self.scheduler_progress.count("completed")

    def _metric_is_missing(self, config: Any) -> None:
        missing = f"ReduceLROnPlateau conditioned on metric {config.monitor} which is not available"
        if config.strict:
            raise MisconfigurationException(
                f"{missing}. Available metrics are: {list(self.trainer.callback_metrics)}. Condition can be set using `monitor` key"
                " in lr scheduler dict"
            )
        rank_zero_warn(f"{missing} but strict is set to `False`. Skipping learning rate update.", category=RuntimeWarning)

    # ---- validation ----

    def validates_in_this_epoch(self) -> bool:
        """`check_val_every_n_epoch`"""
        trainer = self.trainer
        every = trainer.check_val_every_n_epoch
        return trainer.enable_validation and (every is None or (trainer.current_epoch + 1) % every == 0)

    def is_time_to_validate(self) -> bool:
        """`val_check_interval`: after this batch?"""
        trainer, last = self.trainer, self.batch_progress.is_last_batch
        if not self.validates_in_this_epoch():
            return False
        if (last and self.val_check_batch == float("inf")) or (trainer.should_stop and self.may_stop_early()):
            return True
        if trainer.val_check_seconds is not None:
            return time.monotonic() - self.last_validation >= trainer.val_check_seconds
        within = self.batch_progress.current.ready
        if self.val_check_batch == float("inf"):
            limit = trainer.limit_train_batches
            return within % limit == 0 if isinstance(limit, int) else last
        done = self.batch_progress.total.ready if trainer.check_val_every_n_epoch is None else within
        assert self.val_check_batch is not None
        return done % self.val_check_batch == 0

    def validate(self) -> None:
        """Validation in the middle of training."""
        trainer = self.trainer
        trainer.stage = "validate"
        first = trainer.metrics._first_batch
        if not self.is_accumulating():
            call_module(trainer, "on_validation_model_zero_grad")
        self.val_loop.run()
        trainer.stage = "train"
        trainer.metrics._first_batch = first

    def check_sanity(self) -> None:
        """A few batches of validation before training, so that a mistake in it does not show after an hour; nothing of it is kept."""
        trainer = self.trainer
        if not trainer.enable_validation or trainer.num_sanity_val_steps <= 0 or self.val_loop.restarting:
            return
        with isolate_rng():
            trainer.stage = "sanity_check"
            trainer.metrics.reset_results()
            trainer.metrics.clear()
            call_callbacks(trainer, "on_sanity_check_start")
            self.val_loop.run()
            call_callbacks(trainer, "on_sanity_check_end")
            trainer.metrics.reset_results()
            trainer.metrics.clear()
            self.val_loop.batch_progress.reset()
            trainer.stage = "train"

    def _warn_of_eval_mode(self) -> None:
        evaluating = sum(not module.training for module in self.trainer.lightning_module.modules())
        if evaluating:
            rank_zero_warn(
                f"Found {evaluating} module(s) in eval mode at the start of training. This may lead to unexpected behavior during"
                " training. If this is intentional, you can ignore this warning.",
                category=PossibleUserWarning,
            )
