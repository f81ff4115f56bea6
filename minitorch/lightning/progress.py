"""Counters of how far a loop is: what a checkpoint keeps of it, so that a run goes on where it stopped.

Each event (a batch, an epoch, a step of the optimizer) passes through stages: it is `ready` (fetched), `started` (its start hooks have
run), `processed` (its work is done) and `completed` (its end hooks have run). A checkpoint is written inside some hook, so the
counters that are ahead of the others tell in which. Read next: `resuming.py`, which does that.
"""

from __future__ import annotations

from typing import Any

__all__ = ["BATCH", "STEP", "ZERO_GRAD", "Progress"]

BATCH = ("ready", "completed", "started", "processed")  # in the order in which Lightning's files have them
ZERO_GRAD = ("ready", "completed", "started")
STEP = ("ready", "completed")


class Tracker:
    """Named counters, all zero at first."""

    ready: int
    started: int
    processed: int
    completed: int

    def __init__(self, stages: tuple[str, ...]) -> None:
        self.__dict__.update(dict.fromkeys(stages, 0))

    def set(self, number: int) -> None:
        """All counters to one number."""
        self.__dict__.update(dict.fromkeys(self.__dict__, number))

    def __repr__(self) -> str:
        return f"Tracker({', '.join(f'{k}={v}' for k, v in self.__dict__.items())})"


class Progress:
    """The same counters twice: over all of the training (`total`) and within the epoch, or the run (`current`)."""

    def __init__(self, stages: tuple[str, ...] = BATCH) -> None:
        self.total = Tracker(stages)
        self.current = Tracker(stages)

    def count(self, stage: str) -> None:
        """One more event has reached `stage`."""
        self.total.__dict__[stage] += 1
        self.current.__dict__[stage] += 1

    def count_all(self, number: int) -> None:
        """`number` events have passed all stages."""
        for tracker in (self.total, self.current):
            for stage in tracker.__dict__:
                tracker.__dict__[stage] += number

    def reset(self) -> None:
        """Nothing has happened yet."""
        self.total.set(0)
        self.current.set(0)

    def reset_on_run(self) -> None:
        """A new epoch begins."""
        self.current.set(0)

    def reset_on_restart(self) -> None:
        """What was not completed is done anew."""
        self.current.set(self.current.completed)

    def state_dict(self) -> dict[str, Any]:
        return {"total": dict(self.total.__dict__), "current": dict(self.current.__dict__)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total.__dict__.update(state["total"])
        self.current.__dict__.update(state["current"])


class BatchProgress(Progress):
    """Batches, and whether the one at hand is the epoch's last."""

    def __init__(self) -> None:
        super().__init__(BATCH)
        self.is_last_batch = False

    def reset(self) -> None:
        super().reset()
        self.is_last_batch = False

    def reset_on_run(self) -> None:
        super().reset_on_run()
        self.is_last_batch = False

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "is_last_batch": self.is_last_batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.is_last_batch = state["is_last_batch"]
