"""How far a training has come, so that another can go on from there bit for bit; and which of its epochs was the best.

What follows must be what would have followed: weights, optimizer and schedule are taken over, and so are the generators. In the middle
of an epoch the loader shuffles again from where the generators were when the epoch began, the batches that were done are left out, and
then the generators are set to where they were after them. Read next: `train.py`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import minitorch

HEARD = b"\nending after this batch; Ctrl-C again ends at once, without saving\n"


class Batches:
    """The batches of a loader; `done` of this epoch's have been trained on, and are left out."""

    def __init__(self, loader: Any) -> None:
        self.loader, self.done = loader, 0
        self.began: Any = None  # where the generators were when this epoch began
        self.then: Any = None  # where they were when it was left

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        self.began = generators()
        batches = iter(self.loader)
        for _ in range(self.done):
            next(batches)
        if self.done:
            set_generators(self.then)
        yield from batches
        self.done = 0


class Progress:
    """What of a training is more than its model: where it is, and its best epoch."""

    def __init__(self, training: Any, higher_is_better: bool) -> None:
        training.batches = self.batches = Batches(training.batches)
        self.training, self.higher_is_better = training, higher_is_better
        self.epochs = 0  # that are over
        self.saved = 0  # as many of them as there were when a file was last written
        self.loss: float | None = None  # of an epoch that is trained, but not measured yet
        self.best: dict[str, Any] = {}  # the best one's number, value and weights
        self.interrupted = self.at_once = False  # by one Ctrl-C; by a second

    def train(self, after_batch: Callable[[], None]) -> None:
        """Train for an epoch; one that was left when only the measuring was to come is not trained again."""
        if self.loss is None:
            self.loss = self.training.epoch(after_batch)

    @property
    def in_an_epoch(self) -> bool:
        """Whether one has begun and is not over."""
        return self.batches.done > 0 or self.loss is not None

    def after_batch(self) -> None:
        """One batch more is done; KeyboardInterrupt if somebody asked for an end, but after the last, which ends the epoch."""
        self.batches.done += 1
        if self.batches.done < len(self.batches):
            self.check_interrupted()

    def check_interrupted(self) -> None:
        """KeyboardInterrupt if somebody asked for an end."""
        if self.interrupted:
            raise KeyboardInterrupt

    def after_epoch(self, value: float) -> float:
        """One epoch more is done, and this is how good the model is; its mean loss."""
        assert self.loss is not None
        self.epochs += 1
        before = self.best.get("value")
        if before is None or (value > before if self.higher_is_better else value < before):
            weights = {name: tensor.clone() for name, tensor in self.training.model.state_dict().items()}
            self.best = {"epoch": self.epochs, "value": value, "model": weights}
        loss, self.loss = self.loss, None
        return loss

    def without_getting_better(self) -> int:
        """How many epochs there were since the best one."""
        return self.epochs - self.best.get("epoch", 0)

    # ---- into a checkpoint, and out of it ----

    def state(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        training = self.training
        return {
            "epochs": self.epochs,
            "batches": self.batches.done,
            "began": self.batches.began,
            "now": generators(),
            "losses": [training.total, training.count],
            "loss": self.loss,
            "optimizer": training.optimizer.state_dict(),
            "schedule": training.schedule.state_dict(),
            "best": self.best,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there; the model's weights are the caller's affair."""
        training = self.training
        training.optimizer.load_state_dict(state["optimizer"])
        training.schedule.load_state_dict(state["schedule"])
        training.total, training.count = state["losses"]
        self.epochs, self.best, self.batches.done = state["epochs"], state["best"], state["batches"]
        self.loss = state.get("loss")
        self.batches.began, self.batches.then = state["began"], state["now"]
        set_generators(state["began"] if self.batches.done else state["now"])

    @contextmanager
    def noting_interrupts(self) -> Iterator[None]:
        """In the block the first Ctrl-C waits for the end of a batch; the second is at once."""

        this = os.getpid()  # a loader's worker processes have this handler, too

        def note(*_: Any) -> None:
            if os.getpid() == this and self.interrupted:
                self.at_once = True
                raise KeyboardInterrupt
            if os.getpid() == this and sys.stderr is not None and sys.stderr.isatty():
                os.write(sys.stderr.fileno(), HEARD)  # print() may be what was interrupted
            self.interrupted = True

        if threading.current_thread() is not threading.main_thread():  # elsewhere signals are nobody's
            yield
            return
        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def generators() -> dict[str, Any]:
    """Where the generators of the CPU and of the GPUs are."""
    return {
        "cpu": minitorch.get_rng_state(),
        "cuda": list(map(_copied, minitorch.cuda.get_rng_state_all())) if _gpu() else [],
    }


def set_generators(state: dict[str, Any]) -> None:
    """Set them to there."""
    minitorch.set_rng_state(state["cpu"])
    if _gpu() and state["cuda"]:
        minitorch.cuda.set_rng_state_all(state["cuda"])


def _copied(state: Any) -> Any:
    return state.clone()


def _gpu() -> bool:
    return minitorch.cuda.is_available()
