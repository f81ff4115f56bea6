"""What runs in a worker process: it gets indices, and sends batches or what went wrong.

The loop ends when the loader's end of the channel is closed, or the loader's process is gone. Read next: `crew.py`, the loader's
side of it.
"""

from __future__ import annotations

import contextlib
import enum
import os
import pickle
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ....random import default_generator, manual_seed
from . import info
from .shared import Channel

PATIENCE = 1.0  # seconds between two looks whether the other process still lives


class Signal(enum.Enum):
    """What the two sides say besides tasks and batches."""

    NEW_PASS = enum.auto()  # to a worker: begin the dataset anew
    ENDED = enum.auto()  # in place of a batch: this worker's stream has no more


@dataclass
class Job:
    """What all workers of a loader get."""

    new_fetcher: Callable[[], Any]
    dataset: Any
    base_seed: int
    init_fn: Callable[[int], None] | None
    num_workers: int


@contextlib.contextmanager
def sigterm_waits() -> Iterator[None]:
    """In this block a worker is started: until it has its own handler, a SIGTERM waits, or the parent's might swallow it."""
    if not _CAN_WAIT:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_CAN_WAIT = hasattr(signal, "pthread_sigmask")  # (on Windows a process is ended without being asked)


def work(job: Job, worker_id: int, channel: Channel) -> None:
    """A worker's life."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a handler of the parent's, which a fork inherits, might keep it alive
    if _CAN_WAIT:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    channel.socket.settimeout(PATIENCE)
    # When nobody waits for more, it ends. A Ctrl-C is the loader's process' to report.
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):
        _serve(_Fetching(job, worker_id), Loader(channel))


class Loader:
    """The loader, as a worker sees it: EOFError when it is gone."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._parent = os.getppid()

    def ask(self) -> Any:
        """Wait for a message."""
        return self._patiently(self._channel.receive)

    def answer(self, number: int, data: Any, where: str) -> None:
        """Send a batch; if that cannot be pickled, why."""
        try:
            self._patiently(lambda: self._channel.send((number, data)))
        except (ConnectionError, EOFError):
            raise
        except Exception:
            failure = Failure.caught(where)
            self._patiently(lambda: self._channel.send((number, failure)))

    def _patiently(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except TimeoutError:
                if os.getppid() != self._parent:
                    raise EOFError("the loader's process has ended") from None


class _Fetching:
    """A worker's dataset, begun anew in every pass; what goes wrong comes out as a Failure in place of the batch."""

    def __init__(self, job: Job, worker_id: int) -> None:
        self.where = f"in DataLoader worker process {worker_id}"
        self._job = job
        seed = _seed_all(job.base_seed, worker_id)
        info.of_this_process = info.WorkerInfo(worker_id, job.num_workers, seed, job.dataset)
        self._broken: Failure | None = None
        try:
            if job.init_fn is not None:
                job.init_fn(worker_id)
        except Exception:
            self._broken = Failure.caught(self.where)
        else:
            self.new_pass()

    def new_pass(self) -> None:
        """Begin the dataset (again)."""
        self._ended = False
        try:
            self._fetcher = self._job.new_fetcher()
        except Exception:
            self._broken = Failure.caught(self.where)

    def fetch(self, index: Any) -> Any:
        """A batch, a Failure, or that the stream has ended."""
        if self._broken is not None:
            return self._broken
        try:
            return self._fetcher.fetch(index)
        except Exception as error:
            if isinstance(error, StopIteration) and self._fetcher.is_stream:
                return Signal.ENDED
            return Failure.caught(self.where)


def _serve(fetching: _Fetching, loader: Loader) -> NoReturn:
    ended = False  # then the tasks that were sent beforehand are left undone
    while True:
        message = loader.ask()
        if message is Signal.NEW_PASS:
            fetching.new_pass()
            ended = False
        elif not ended:
            number, index = message
            data = fetching.fetch(index)
            ended = data is Signal.ENDED
            loader.answer(number, data, fetching.where)
            del data  # before the next is made


def _seed_all(base_seed: int, worker_id: int) -> int:
    """Seed everything that draws, each worker otherwise: this library and `random` with base_seed + worker_id, NumPy with words of both."""
    from ....kernels.cpu.blocks import (
        set_num_threads,  # not above: the kernels know the optimizers, and so nn, which is to be first
    )

    set_num_threads(1)  # the workers themselves are what runs side by side
    default_generator.lock = threading.RLock()  # when this process was forked, a thread that is not here may have held it
    seed = base_seed + worker_id
    random.seed(seed)
    manual_seed(seed)
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))
    return seed


# ---- exceptions that go from one process to the other ----


class _AsItIs(str):
    """A message that KeyError shows as it is, with line breaks: it shows the repr of its argument."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass
class Failure:
    """An exception in another process: its type, and its traceback as a text (a traceback itself cannot be sent)."""

    kind: type[BaseException]
    name: str
    text: str
    where: str

    @classmethod
    def caught(cls, where: str) -> Failure:
        """The exception that is being handled. A class that cannot be sent, for it lies in a function, keeps its name."""
        kind, error, trace = sys.exc_info()
        assert kind is not None
        text = "".join(traceback.format_exception(kind, error, trace))
        try:
            pickle.dumps(kind)
        except Exception:
            return cls(RuntimeError, kind.__name__, text, where)
        return cls(kind, kind.__name__, text, where)

    def reraise(self) -> NoReturn:
        """Raise an exception of that type whose message is the traceback; a RuntimeError if the type takes something else."""
        message = f"Caught {self.name} {self.where}.\nOriginal {self.text}"
        try:
            again = self._made(message)
        except Exception:
            again = RuntimeError(message)
        raise again

    def _made(self, message: str) -> BaseException:
        kind: Any = self.kind
        if kind is KeyError:
            return KeyError(_AsItIs(message))
        return kind(message=message) if getattr(kind, "message", None) else kind(message)
