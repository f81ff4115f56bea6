"""The loader's side of its worker processes: starting them, hearing from them, noticing that one has died, ending them.

A worker is watched by its channel and by its sentinel, which the system closes with the process: so a death is noticed at once.
Read next: `worker.py`, what runs there; `passes.py`, which says who does what.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import signal
import time
import weakref
from multiprocessing import connection
from typing import Any, NoReturn

from minitorch.arrays.warning import warn

from .shared import Channel, pair
from .worker import PATIENCE, Job, sigterm_waits, work

GRACE = 5.0  # seconds that a worker has to finish its batch before it is ended by force


class Worker:
    """One process, and what has been sent to it and not come back."""

    def __init__(self, context: Any, job: Job, worker_id: int) -> None:
        self.active = True  # whether it has more to give in this pass
        self.tasks = 0
        self._unsent: collections.deque[Any] = collections.deque()
        self.channel, theirs = pair()
        self.process = context.Process(target=work, args=(job, worker_id, theirs), daemon=True)
        try:
            with sigterm_waits():
                self.process.start()
        except BaseException:
            self.channel.close()
            raise
        finally:
            theirs.socket.close()  # so that the channel ends with the worker

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid

    def send(self, message: Any) -> None:
        """Send without waiting: what the socket has no room for is kept, and tried again with the next message or answer."""
        self._unsent.append(message)
        self.catch_up()

    def catch_up(self) -> None:
        """Send what has been kept, as far as there is room."""
        with contextlib.suppress(BlockingIOError, ConnectionError):  # if it has died, that is noticed in `hear`
            while self._unsent:
                self.channel.send(self._unsent[0], wait=False)
                self._unsent.popleft()

    def dismiss(self) -> None:
        """It has no more to do."""
        self.active = False
        self.channel.close()

    def gone(self, within: float = 0.0) -> bool:
        """Whether the process has ended; wait for it as long as `within`."""
        return bool(connection.wait([self.process.sentinel], within)) or not self.process.is_alive()

    def ended_how(self) -> str:
        """How a process that is gone has ended."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        if code is None:
            return "nobody knows how"  # the program has asked the system not to keep what children end with
        if code < 0:
            return f"killed by signal: {signal.strsignal(-code)}"
        return f"exit code {code}"


class Crew:
    """The workers of one iterator. They end with it, or by `end`; or with the process."""

    def __init__(self, context: Any, job: Job, owner: Any) -> None:
        self.workers: list[Worker] = []
        self._speaking: collections.deque[Worker] = collections.deque()  # have sent something that is not yet received
        self._ended = weakref.finalize(owner, _end, self.workers, os.getpid())
        self._lost = ""  # how workers were lost, once they were
        self._ended.atexit = False  # then multiprocessing ends them, without waiting for their batches
        try:
            for worker_id in range(job.num_workers):
                self.workers.append(Worker(context, job, worker_id))
        except (TypeError, AttributeError, pickle.PicklingError):
            warn(
                "a worker process could not be started, for something that it needs cannot be pickled: with the start methods "
                "'spawn' and 'forkserver' the dataset, collate_fn and worker_init_fn must be, so they cannot be lambdas or "
                "local functions; multiprocessing_context='fork' takes them as they are"
            )
            self.end()
            raise
        except BaseException:
            self.end()
            raise

    @property
    def has_ended(self) -> bool:
        """Whether there are no workers any more."""
        return not self._ended.alive

    def end(self) -> None:
        """End all workers. They may finish the batch they are at."""
        self._ended()

    def be_complete(self) -> None:
        """RuntimeError if workers were lost: then batches are missing."""
        if self._lost:
            raise RuntimeError(self._lost)

    def hear(self, timeout: float) -> Any:
        """The next message of any worker; RuntimeError if one has died, or nobody has spoken for so many seconds (0: no limit)."""
        deadline = time.monotonic() + timeout if timeout > 0 else None
        while not self._speaking:
            left = PATIENCE if deadline is None else min(PATIENCE, max(0.0, deadline - time.monotonic()))
            self._listen(left)
            if not self._speaking and deadline is not None and time.monotonic() >= deadline:
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
        worker = self._speaking.popleft()
        try:
            message = worker.channel.receive()
        except EOFError:
            self._mourn([worker])
        worker.catch_up()
        return message

    def _listen(self, seconds: float) -> None:
        """Wait until somebody speaks or dies, or the time is over."""
        watched: dict[Any, Worker] = {w.channel: w for w in self.workers if w.active}
        ready = connection.wait([*watched, *(w.process.sentinel for w in watched.values())], seconds)
        spoken = [watched[r] for r in ready if isinstance(r, Channel)]
        # Without a sign each is looked at: another process may hold what should have closed.
        if not ready or len(spoken) < len(ready):
            dead = [w for w in watched.values() if w.gone()]
            if dead:
                self._mourn(dead)
        self._speaking.extend(spoken)

    def _mourn(self, dead: list[Worker]) -> NoReturn:
        dead = [w for w in self.workers if w in dead or (w.active and w.gone())]
        how = "; ".join(f"{w.pid}: {w.ended_how()}" for w in dead)
        self._lost = (
            f"DataLoader worker (pid(s) {', '.join(str(w.pid) for w in dead)}) exited unexpectedly ({how}). With num_workers=0 "
            "an error in the dataset has its traceback"
        )
        for worker in self.workers:  # the error is not to wait for the batches of the others, or until they have begun
            worker.process.terminate()
        self.end()
        raise RuntimeError(self._lost)


def _end(workers: list[Worker], loaders_process: int) -> None:
    """Close the channels, wait a while, then use force."""
    if os.getpid() != loaders_process:  # a fork's copy of the iterator has no workers
        return
    for worker in workers:
        worker.dismiss()
    deadline = time.monotonic() + GRACE
    for worker in workers:
        if not worker.gone(max(0.0, deadline - time.monotonic())):
            worker.process.terminate()
            if not worker.gone(PATIENCE):
                worker.process.kill()
        worker.process.join(PATIENCE)
