"""The clock: the same work in several libraries, each in a process of its own, by turns.

Two thread pools in one process disturb each other: torch once looked four times slower there than it is. So a library works in
a `Worker`, a child process that never sees the other one. It prepares its work, then sleeps on a pipe and works only when it is
asked for a turn; nobody is asked before all threads of all workers sleep. All get the same number of threads, and all keep the
memory they have freed.
Nothing here imports a library that is timed. Read next: `bench.py`, what is timed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Work = Callable[[], Any]
Prepare = Callable[[Any], Work]  # of a library
Measure = Callable[[Work, Any], list[float]]  # of the work and its library

RIVALS = {"minitorch", "torch"}  # a worker may see one of them

# Seconds.
PAUSE = 0.02 if sys.platform == "linux" else 0.15  # between two looks whether all threads sleep; elsewhere nobody can look
WARM_UP = 0.2  # before the first turn
LEAD = 0.015  # not timed, at the beginning of a turn: the threads were asleep, the caches belonged to the other
BATCH = 0.04
LEAST = 3  # calls in a batch

# How long threads waited for a processor that another had, as a share of a turn. Below QUIET nobody disturbed it; above DISTURBED
# others did, and its times mean nothing. Between the two may be what a library's own threads do to each other.
QUIET, DISTURBED = 0.02, 0.2

# Freed memory goes back to the system or stays, by the luck of what lies above it; then each large array costs its page faults
# again. The same torch program took 7 ms a call, or 25. Here it stays, for all. (Settings of glibc; others ignore them.)
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Turn(NamedTuple):
    """When a library worked, by the clock that all processes share; how long its threads waited for a processor; the figures."""

    library: str
    start: float
    end: float
    waited: float
    figures: list[float]

    @property
    def figure(self) -> float:
        """The median of the batch: what a call takes, collections of garbage included, a neighbour's interruption not."""
        return statistics.median(self.figures)


# ---- how a turn is measured ----


def times(work: Work, library: Any) -> list[float]:
    """The milliseconds of each call in a short batch."""
    for _ in calls_for(LEAD, 1):
        work()
    taken = []
    for start in calls_for(BATCH, LEAST):
        work()
        taken.append((time.perf_counter() - start) * 1e3)
    return taken


def calls_for(seconds: float, least: int) -> Iterator[float]:
    """The time now, again and again until `seconds` are over, but at least so often."""
    now = time.perf_counter()
    end = now + seconds
    while now < end or least > 0:
        yield now
        least -= 1
        now = time.perf_counter()


# ---- the parent's side ----


class Worker:
    """A child process with one library, ready to work; `start` and `end` of its first turn are those of the preparation."""

    def __init__(self, library: str, prepare: Prepare, measure: Measure = times, threads: int = 1):
        self.library = library
        self.said = tempfile.TemporaryFile()  # noqa: SIM115  its stderr; a pipe that nobody reads would block it when full
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()", library],  # the library: for whoever reads `ps`
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, env=settings(threads)
        )  # fmt: skip
        self.first = self.ask((library, prepare, measure, threads))

    def turn(self) -> Turn:
        """Let it work, and wait until it has."""
        return self.ask("turn")

    def ask(self, message: Any) -> Turn:
        """Send a message, and wait for the answer."""
        with contextlib.suppress(BrokenPipeError):  # it has ended: the answer will be missing
            pickle.dump(message, self.process.stdin)  # type: ignore[arg-type]
            self.process.stdin.flush()  # type: ignore[union-attr]
        try:
            return pickle.load(self.process.stdout)  # type: ignore[arg-type]
        except EOFError:
            self.process.wait()
            self.said.seek(0)
            said = self.said.read().decode(errors="replace").strip()
            self.close()
            raise RuntimeError(f"the worker of {self.library} ended with code {self.process.returncode}:\n{said}") from None

    def awake(self) -> bool:
        """Whether one of its threads runs or wants to (False where the system is not Linux)."""
        return any(status.rpartition(")")[2].split()[0] != "S" for status in of_threads(self.process.pid, "stat"))

    def close(self) -> None:
        """Nobody will ask any more: it ends."""
        self.process.communicate()
        self.said.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def settings(threads: int) -> dict[str, str]:
    """A worker's environment: ours, with the number of threads, and with our modules. What the user says of memory is kept."""
    pools = dict.fromkeys(POOLS, str(threads))
    return {**KEEP_MEMORY, **os.environ, **pools, "PYTHONPATH": os.pathsep.join(sys.path)}


def by_turns(workers: Sequence[Worker], rounds: int) -> list[list[Turn]]:
    """A B A B …: in each round one turn of each. More rounds, up to three times as many, if some were not quiet."""
    done: list[list[Turn]] = []
    while len(done) < 3 * rounds and sum(disturbance(turns) < QUIET for turns in done) < rounds:
        done.append([])
        for worker in workers:
            settle(workers)
            done[-1].append(worker.turn())
    return done


def settle(workers: Sequence[Worker]) -> None:
    """Wait until all threads sleep. A pool spins for a while after its last task, in case of another: OpenBLAS' for 0.1 s."""
    time.sleep(PAUSE)
    while any(worker.awake() for worker in workers):
        time.sleep(PAUSE)


def quietest(done: list[list[Turn]], rounds: int) -> list[list[Turn]]:
    """So many of the rounds, those that were disturbed least."""
    return sorted(done, key=disturbance)[:rounds]


def disturbance(turns: list[Turn]) -> float:
    """The share of the turn that threads waited, where it was worst."""
    return max(turn.waited / (turn.end - turn.start) for turn in turns)


# ---- the child's side ----


def serve() -> None:
    """A worker's life: prepare, and work when asked, until nobody can ask any more."""
    start, before = time.perf_counter(), waited()
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    name, prepare, measure, threads = pickle.load(asked)
    library = importlib.import_module(name)
    if hasattr(library, "set_num_threads"):
        library.set_num_threads(threads)
    work = prepare(library)
    for _ in calls_for(WARM_UP, LEAST):
        work()
    gc.collect()
    figures: list[float] = []
    while True:
        if strangers := (RIVALS - {name}) & sys.modules.keys():
            raise RuntimeError(
                f"a worker has one library to itself, but that of {name} has imported {', '.join(strangers)} too"
            )
        pickle.dump(Turn(name, start, time.perf_counter(), waited() - before, figures), answers)
        answers.flush()
        try:
            pickle.load(asked)
        except EOFError:
            return
        start, before = time.perf_counter(), waited()
        figures = measure(work, library)


def waited() -> float:
    """The seconds that this process' threads were ready to run and found no processor free (0 where the system is not Linux)."""
    return sum(int(line.split()[1]) for line in of_threads(os.getpid(), "schedstat")) / 1e9


# ---- both sides ----


def of_threads(process: int, file: str) -> Iterator[str]:
    """What Linux tells of each thread of a process; elsewhere nothing."""
    for path in Path(f"/proc/{process}/task").glob(f"*/{file}"):
        with contextlib.suppress(OSError):  # it has just ended
            yield path.read_text()
