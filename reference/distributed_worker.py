"""What `reference/distributed.py` starts as several processes: it times calls, and rank 0 prints what they took, as JSON.

`distributed_worker.py calls BACKEND ROUNDS BYTES…`: an all_reduce of so many bytes. `distributed_worker.py steps BACKEND ROUNDS BATCH`:
a step of training with so many samples in all, and the same step without averaging.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import minitorch
from minitorch import distributed as dist
from minitorch import nn
from minitorch.nn import functional as F
from minitorch.nn.parallel import DistributedDataParallel

WIDTH = 1024


def main(what: str, backend: str, rounds: str, *numbers: str) -> None:
    dist.init_process_group(backend)
    minitorch.manual_seed(0)
    found = (calls if what == "calls" else steps)(int(rounds), *map(int, numbers))
    if dist.get_rank() == 0:
        print(json.dumps(found))
    dist.destroy_process_group()


def calls(rounds: int, *sizes: int) -> dict[int, list[float]]:
    """Seconds of an all_reduce, for each number of bytes."""
    found: dict[int, list[float]] = {}
    for size in sizes:
        data = minitorch.ones(max(1, size // 4))
        dist.all_reduce(data)
        found[size] = [timed(lambda data=data: dist.all_reduce(data)) for _ in range(rounds)]
    return found


def network() -> nn.Module:
    """Three layers, 2.9 million parameters: 11.5 MB of gradients."""
    return nn.Sequential(
        nn.Linear(784, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10)
    )  # fmt: skip


def steps(rounds: int, batch: int) -> dict[str, list[float]]:
    """Seconds of a step on this process's share of the batch, and its processor time when no gradients are averaged."""
    share = batch // dist.get_world_size()
    x, y = minitorch.randn(share, 784), minitorch.randint(10, (share,))
    model = DistributedDataParallel(network())
    optimizer = minitorch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    def alone() -> None:
        with model.no_sync():
            step()

    for work in (step, step, alone):
        work()
    found: dict[str, list[float]] = {"step": [], "processor": []}
    for _ in range(rounds):
        found["step"].append(timed(step))
        before = time.thread_time()
        timed(alone)
        found["processor"].append(time.thread_time() - before)  # what the barrier takes of it is some µs
    return found


def timed(work: Callable[[], Any]) -> float:
    """Seconds, from a moment when all processes are ready."""
    dist.barrier()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
