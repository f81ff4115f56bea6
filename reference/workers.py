"""`python -m reference workers`: loaders whose workers, or whose whole program, are killed at random moments.

A worker that is killed must be an error that names it, at once. Whatever happens to a program, none of its processes may be there
afterwards, no block of shared memory and no semaphore. (What is left of a program is found by a word in the environment, which all
its descendants inherit.) Read next: `tests/test_workers.py`, which does it once, and compares with torch.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import minitorch
from minitorch.utils.data import DataLoader, Dataset, IterableDataset

MARK = "MINITORCH_REFERENCE_WORKERS"
AT_ONCE = 5.0  # seconds: what is not over by then, hangs
METHODS = ("fork", "spawn", "forkserver")


# ---- what is loaded ----


class Uneven(Dataset):
    """Samples that take a moment, some of them longer, some of them large."""

    def __len__(self) -> int:
        return 300

    def __getitem__(self, i: int) -> Any:
        if i % 7 == 0:
            time.sleep(0.002)
        return i, minitorch.full((5000 if i % 3 == 0 else 5,), float(i))


class Forever(IterableDataset):
    """The same, without an end."""

    def __iter__(self) -> Iterator[Any]:
        return (Uneven()[i % 300] for i in itertools.count())


def alone(batch: list) -> Any:
    """Samples as they are."""
    return batch


# ---- one worker is killed ----


def kill_a_worker(chance: random.Random, method: str) -> str:
    """Kill one at a random moment. What is wrong with how that ended, or nothing."""
    batches = iter(DataLoader(Forever(), 4, num_workers=2, collate_fn=alone, multiprocessing_context=method))
    victim = chance.choice(batches._workers).pid  # type: ignore[attr-defined]
    killed: list[float] = []

    def kill() -> None:
        killed.append(time.monotonic())
        os.kill(victim, signal.SIGKILL)

    killer = threading.Timer(chance.uniform(0, 0.3), kill)
    killer.start()
    try:
        collections.deque(batches, 0)
    except RuntimeError as error:
        late = time.monotonic() - killed[0]
        if f"pid(s) {victim})" not in str(error) or "killed by signal: Killed" not in str(error):
            return f"the error does not say that {victim} was killed: {error}"
        return f"the error came {late:.1f} s late" if late > AT_ONCE else ""
    finally:
        killer.join()
    return "it ended without an error"


def leave(chance: random.Random, method: str) -> str:
    """Stop after some batches and let go of the iterator, which may lie in a cycle, or be kept by its loader."""
    loader = DataLoader(Uneven(), 4, num_workers=2, collate_fn=alone, multiprocessing_context=method,
                        persistent_workers=chance.random() < 0.5)  # fmt: skip
    batches: Any = iter(loader)
    if chance.random() < 0.5:
        batches.itself = batches
    for _ in range(chance.randrange(10)):
        next(batches)
    del loader, batches
    gc.collect()
    return ""


# ---- the whole program ends ----


def program(method: str, then: str) -> None:
    """What runs in a process of its own: say that it begins, load for ever or a while, and end in some way."""
    print("begins", flush=True)
    loader = DataLoader(
        Forever(), 4, num_workers=2, collate_fn=alone, multiprocessing_context=method, persistent_workers=True
    )
    for count, _ in enumerate(loader):
        if then == "exit" and count == 10:
            return
        if then == "raise" and count == 10:
            raise ZeroDivisionError("in the program")


def end_a_program(chance: random.Random, method: str, how: str) -> str:
    """Run it, and end it at a random moment by a signal, or let it end. What is wrong with how that went, or nothing."""
    then = how if how in ("exit", "raise") else "go on"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from reference.workers import program; program({method!r}, {then!r})"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, MARK: str(os.getpid()), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(chance.uniform(0, 0.3 if method == "fork" else 2.0))
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the program
    elif how == "kill -9":
        process.kill()
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        return f"it did not end: {left_over()}"
    expected = {"Ctrl-C": -signal.SIGINT, "kill -9": -signal.SIGKILL, "exit": 0, "raise": 1}[how]
    if process.returncode != expected:
        return f"it ended with {process.returncode}, not {expected}: {said}"
    return f"it said {said!r}" if how == "exit" and said else ""


# ---- what is left ----


def left_over() -> list[int]:
    """Processes of a program that was run here, waited for as long as they may take to notice that it ended."""
    deadline = time.monotonic() + AT_ONCE
    while (found := marked()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def marked() -> list[int]:
    """Processes with our word in their environment."""
    word = f"{MARK}={os.getpid()}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if word in entry.read_bytes().split(b"\0") and "Z" not in state_of(entry.parent):
                found.append(int(entry.parent.name))
    return found


def state_of(process: Path) -> str:
    return (process / "stat").read_text().rpartition(")")[2].split()[0]


def children() -> list[int]:
    """Our own, but for those that `multiprocessing` itself keeps for the ways to start a process."""
    mine = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if entry.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                command = (entry.parent / "cmdline").read_bytes()
                if not any(word in command for word in (b"resource_tracker", b"forkserver")):
                    mine.append(int(entry.parent.name))
    return mine


def resources() -> tuple[int, list[str]]:
    """Open descriptors, and what has a name in shared memory (blocks and semaphores)."""
    return len(os.listdir("/proc/self/fd")), sorted(os.listdir("/dev/shm"))


# ---- the table ----


def workers(tries: int, seed: int) -> int:
    """Try everything, and print how often it was tried and what went wrong; 1 if something did."""
    if sys.platform != "linux":
        raise SystemExit("reference workers: what is left of a program is looked for in /proc, which only Linux has")
    chance = random.Random(seed)
    some, few = max(1, tries // 5), max(1, tries // 20)
    well = True
    for method in METHODS:
        here = tries if method == "fork" else some
        well &= report(f"{method}: a worker is killed", here, lambda m=method: kill_a_worker(chance, m), children)
        well &= report(
            f"{method}: a loader is left", some if method == "fork" else few, lambda m=method: leave(chance, m), children
        )
        for how in ("Ctrl-C", "kill -9", "exit", "raise"):
            times = some if method == "fork" else few
            well &= report(
                f"{method}: a program ends, {how}", times, lambda m=method, h=how: end_a_program(chance, m, h), left_over
            )
    return int(not well)


def report(name: str, tries: int, attempt: Callable[[], str], remaining: Callable[[], list[int]]) -> bool:
    """Do it so many times; whether all was well."""
    attempt()  # what a first time leaves for good: the helpers of `multiprocessing`, imports
    gc.collect()
    before = resources()
    wrong, start = [], time.monotonic()
    for _ in range(tries):
        complaint = attempt()
        gc.collect()
        if processes := remaining():
            complaint += f" processes are left: {processes}"
        if resources() != before:
            complaint += f" descriptors, shared memory: {resources()}, before {before}"
        wrong += [complaint] if complaint else []
    each = (time.monotonic() - start) / tries
    print(f"{name:36} {tries:4} tries, {len(wrong)} went wrong, {each:.2f} s each", *wrong[:3], sep="\n    ", flush=True)
    return not wrong
