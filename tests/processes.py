"""Several processes that run one function, and what became of each. Nothing here can hang: after `seconds` all are killed.

They are forks of this process, so that nobody imports anything anew; or of one that has done nothing yet ("forkserver").
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """What became of a process: it "returned" something, "raised", "ended" without a word, or "hung"."""

    how: str
    value: Any = None  # what it returned; the type's name; the exit code
    words: str = ""

    @property
    def is_error_of(self) -> str:
        """The message, if it raised."""
        return self.words if self.how == "raised" else f"it {self.how}: {self.value}"


def run(
    function: Callable[..., Any],
    world_size: int,
    *args: Any,
    seconds: float = 30.0,
    meanwhile: Callable[[list[int]], None] | None = None,
    never_ends: int | None = None,
    start: str = "fork",
) -> list[Outcome]:
    """What became of `function(rank, world_size, *args)` in each process. `meanwhile(pids)` is called while they run.

    never_ends: a rank that nobody waits for; it is killed when all others have ended.
    """
    context = multiprocessing.get_context(start)
    pipes, processes = [], []
    for rank in range(world_size):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_report, args=(sender, function, rank, world_size, *args), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of a fork beside threads
            process.start()
        sender.close()
        pipes.append(receiver)
        processes.append(process)
    if meanwhile is not None:
        meanwhile([process.pid or 0 for process in processes])
    deadline = time.monotonic() + seconds
    outcomes = {}
    for rank in sorted(range(world_size), key=lambda rank: rank == never_ends):
        if rank == never_ends:
            processes[rank].kill()
        outcomes[rank] = _outcome(pipes[rank], processes[rank], deadline)
    for process in processes:
        _end(process)
    return [outcomes[rank] for rank in range(world_size)]


def _report(sender: Any, function: Callable[..., Any], *args: Any) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        outcome = Outcome("returned", function(*args))
    except BaseException as error:
        kind = "RuntimeError" if isinstance(error, RuntimeError) else type(error).__name__
        outcome = Outcome("raised", kind, str(error) or traceback.format_exc())
    sender.send_bytes(pickle.dumps(outcome))


def _outcome(pipe: Any, process: Any, deadline: float) -> Outcome:
    try:
        if not wait([pipe], max(0.0, deadline - time.monotonic())):
            process.kill()
            return Outcome("hung")
        return pickle.loads(pipe.recv_bytes())
    except EOFError:
        process.join(5)
        return Outcome("ended", process.exitcode)


def _end(process: Any) -> None:
    process.join(2)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
        process.join(5)
