"""`python -m reference ranks`: runs of several processes of which one is killed, or stopped, at a random moment.

Every other rank must end with an error that names it, soon, and no process may be left over. A run begins, joins, calls and leaves in a loop, so that the moment falls into each of these.
Read next: `tests/test_distributed.py`, which does it once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import time
from datetime import timedelta
from multiprocessing.connection import wait
from typing import Any

import minitorch
import minitorch.distributed as dist

TIMEOUT = 2.0  # seconds that a call waits for the others
AT_ONCE = 6.0  # seconds after which what is not over hangs
FAULTS = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}


def ranks(tries: int, seed: int) -> int:
    """Try everything, and print how often it was tried and what went wrong; 1 if something did."""
    if sys.platform != "linux":
        raise SystemExit("reference ranks: what is left of a program is looked for in /proc, which only Linux has")
    chance = random.Random(seed)
    well = True
    for fault, times in ("killed", tries), ("stopped", max(1, tries // 10)):
        start = time.monotonic()
        wrong = [complaint for _ in range(times) if (complaint := attempt(chance, FAULTS[fault]))]
        each = (time.monotonic() - start) / times
        print(
            f"a rank is {fault:8} {times:4} tries, {len(wrong)} went wrong, {each:.2f} s each",
            *wrong[:5],
            sep="\n    ",
            flush=True,
        )
        well &= not wrong
    return int(not well)


def attempt(chance: random.Random, fault: int) -> str:
    """One run. What is wrong with how it ended, or nothing."""
    world_size = chance.randint(2, 4)
    victim, moment = chance.randrange(world_size), chance.uniform(0, 0.7)
    context: Any = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        tempfile.tempdir, usual = folder, tempfile.tempdir
        stack.callback(setattr, tempfile, "tempdir", usual)
        pipes, processes = [], []
        for rank in range(world_size):
            receiver, sender = context.Pipe(duplex=False)
            processes.append(context.Process(target=_run, args=(rank, world_size, os.path.join(folder, "store"), sender)))
            processes[-1].start()
            sender.close()
            pipes.append(receiver)
        time.sleep(moment)
        os.kill(processes[victim].pid, fault)
        start, said = time.monotonic(), {}
        for rank in (rank for rank in range(world_size) if rank != victim):
            ready = wait([pipes[rank]], max(0.0, TIMEOUT + AT_ONCE - (time.monotonic() - start)))
            said[rank] = pipes[rank].recv() if ready else "it hangs"
        processes[victim].kill()
        for process in processes:
            process.join(AT_ONCE)
        left = [name for name in os.listdir(folder) if name != "store"]
    where = f"{world_size} ranks, {victim} at {moment:.2f} s"
    unnamed = [
        f"{where}: rank {rank}: {words}"
        for rank, words in said.items()
        if not re.search(rf"\b{victim}\b|holds the lock", words)
    ]
    alive = [process.pid for process in processes if process.is_alive()]
    # a rank that is killed while it listens leaves its socket's folder, which the next run on the machine clears away
    many = [f"{where}: left: {left}"] if len(left) > 1 else []
    return "; ".join([*unnamed[:1], *([f"{where}: still there: {alive}"] if alive else []), *many])


def _run(rank: int, world_size: int, path: str, report: Any) -> None:
    """A rank's life, which ends by an error."""
    try:
        while True:
            dist.init_process_group("gloo", f"file://{path}", timedelta(seconds=TIMEOUT), world_size, rank)
            for turn in range(30):
                dist.all_reduce(minitorch.ones((3, 5000, 200_000)[turn % 3]))
                dist.broadcast(minitorch.ones(1000), turn % world_size)
                sent = dist.isend(minitorch.ones(10), (rank + 1) % world_size)
                dist.recv(minitorch.ones(10), (rank - 1) % world_size)
                assert sent is not None
                sent.wait()
            dist.barrier()
            dist.destroy_process_group()
    except Exception as error:
        report.send(f"{type(error).__name__}: {error}")
