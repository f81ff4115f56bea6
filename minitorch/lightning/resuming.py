"""Going on from a checkpoint: its counters tell in which hook it was written, and so what of the epoch is left to do.

A checkpoint may be written before an epoch's first batch, after a batch, in validation (between batches, or at its end), or in the epoch's
last hook: at each of them other counters are ahead. Batches that are done are not drawn again from a loader that has no state: as in
Lightning, so many batches fewer are run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from minitorch.lightning.progress import Tracker
from minitorch.lightning.utilities.combined_loader import is_stateful
from minitorch.lightning.utilities.rank_zero import PossibleUserWarning, rank_zero_warn

if TYPE_CHECKING:
    from minitorch.lightning.loop import FitLoop

__all__ = ["Resuming", "begin_epoch", "begin_fit", "load", "nothing_left_of_batch", "stage_of"]


def stage_of(counters: Tracker) -> str | None:
    """Where the event is that was last counted: in its "start" hooks, in the "middle", in its "end" hooks, or "over"."""
    ready, started, processed, completed = counters.ready, counters.started, counters.processed, counters.completed
    behind = (ready - started, started - processed, processed - completed)
    return {(1, 0, 0): "start", (0, 1, 0): "middle", (0, 0, 1): "end", (0, 0, 0): "over"}.get(behind)


class Resuming:
    """What is still to be mended after a checkpoint was loaded; all is None or False in a run from the beginning."""

    def __init__(self) -> None:
        self.loaded = False  # until the end of the first epoch
        self.within_fit = False  # the epoch that was begun goes on: until its end
        self.within_epoch = False  # until the first batch
        self.epoch: str | None = None  # stages, as of `stage_of`
        self.batch: str | None = None

    def end_of_batch(self) -> None:
        """The first batch has been run, from now on an epoch is as any other."""
        self.within_epoch, self.batch = False, None

    def end_of_epoch(self) -> None:
        """So is the next epoch."""
        self.loaded, self.within_fit, self.epoch = False, False, None


def load(loop: FitLoop, state: dict[str, Any]) -> None:
    """Take the counters of a checkpoint's `loops` → `fit_loop`."""
    for name, progress in loop.counters().items():
        if name in state:
            progress.load_state_dict(state[name])
    loop.batches_that_stepped = state.get("epoch_loop.state_dict", {}).get("_batches_that_stepped", 0)
    loop.loader_states = state.get("state_dict", {}).get("combined_loader", [])
    current = loop.epoch_progress.current
    unfinished = current.ready != current.processed or current.started != current.processed
    resuming = loop.resuming
    resuming.loaded = True
    resuming.within_fit = resuming.within_epoch = loop.val_loop.restarting = unfinished or loop.max_steps != -1


def begin_fit(loop: FitLoop) -> None:
    """Mend the epochs' counters."""
    resuming, epochs, batches = loop.resuming, loop.epoch_progress, loop.batch_progress
    if resuming.loaded:
        stage = stage_of(epochs.total)
        resuming.epoch = stage if resuming.within_fit and stage != "over" else None
        resuming.batch = stage_of(batches.total) if resuming.within_epoch else None
        loop.val_loop.resumed_within = loop.val_loop.restarting and stage_of(loop.val_loop.batch_progress.total) == "middle"
        if resuming.epoch == "start":
            epochs.reset_on_restart()
        if stage == "end" and not resuming.within_fit:
            epochs.count("completed")
        if resuming.batch == "end" and batches.is_last_batch:
            if resuming.epoch == "middle":
                epochs.count("processed")
                epochs.count("completed")
            elif not loop.val_loop.batch_progress.is_last_batch:
                epochs.count("completed")
    if loop.max_steps == -1:
        epochs.current.completed = epochs.current.processed


def begin_epoch(loop: FitLoop) -> None:
    """The batches' counters: those of a new epoch, or, in the epoch that goes on, without what was not completed."""
    resuming = loop.resuming
    inner = (loop.batch_progress, loop.scheduler_progress, loop.step_progress, loop.zero_grad_progress)
    if resuming.within_epoch and not loop.is_accumulating() and resuming.batch != "over":
        loop.batches_that_stepped += 1
    if resuming.batch == "end":
        loop.batch_progress.count("completed")
        if loop.batch_progress.current.completed >= loop.max_batches:
            for progress in inner:
                progress.reset_on_run()
            loop.val_loop.batch_progress.total.set(0)
    if resuming.within_epoch:
        for progress in inner:
            progress.reset_on_restart()
        _warn_of_loader(loop)
    else:
        for progress in inner:
            progress.reset_on_run()
        loop.val_loop.batch_progress.total.set(0)


def _warn_of_loader(loop: FitLoop) -> None:
    if loop.max_batches == float("inf"):
        return
    steps = math.ceil(loop.max_batches / loop.trainer.accumulate_grad_batches)
    if loop.global_step % steps and not all(map(is_stateful, loop.loaders)):
        rank_zero_warn(
            "You're resuming from a checkpoint that ended before the epoch ended and your dataloader is not resumable. This can cause"
            " unreliable results if further training is done. Consider using an end-of-epoch checkpoint or make your dataloader"
            " resumable by implementing the `state_dict` / `load_state_dict` interface.",
            category=PossibleUserWarning,
        )


def nothing_left_of_batch(loop: FitLoop) -> bool:
    """In the first pass after a checkpoint of validation's: the batch before it is done, and only validation, if that, is left."""
    if loop.resuming.within_epoch and loop.is_time_to_validate():
        if loop.val_loop.resumed_within:
            return True
        if loop.resuming.batch == "over":
            loop.skip_next_validation = True
            return True
        loop.val_loop.count_as_done()
    loop.val_loop.restarting = False
    return False
