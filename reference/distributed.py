"""What several processes cost: measured on this machine with 1, 2 and 4, reckoned for 8 to 1,024.

An all_reduce of n bytes is timed for many n, and t(n) = a + b·n is fitted. Between two processes a ring sends two messages of n/2 bytes:
so a message of m bytes takes α + β·m with α = a/2, β = b. From these follow the times of a ring and of trees of p processes.
`python -m reference distributed --markdown docs/distributed.md` writes the tables into that page. Read next: `distributed_worker.py`.
"""

from __future__ import annotations

import json
import math
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from minitorch.utils.files import replacing

ROOT = Path(__file__).parent.parent
WORKER = str(Path(__file__).with_name("distributed_worker.py"))
SIZES = [4, 1024, 16 * 1024, 256 * 1024, 2**20, 4 * 2**20, 16 * 2**20, 64 * 2**20]
BATCH = 512
WORKERS = [8, 16, 64, 256, 1024]
GRADIENTS = 102_228_128  # bytes: ResNet-50's 25,557,032 parameters in float32
BACKWARD = 0.1  # seconds, for the reckoning with overlap
TEN_GIGABIT = 50e-6, 8 / 10e9  # α and β of a network of 10 Gbit/s


def distributed(rounds: int, turns: int, markdown: str | None) -> int:
    """Measure, print the tables, and write them into a page if told."""
    calls = {
        backend: merged([run("calls", backend, 2, rounds, *SIZES) for _ in range(turns)]) for backend in ("mpi", "gloo")
    }
    steps = {(b, n): {"step": [], "alone": []} for b in ("mpi", "gloo") for n in (1, 2, 4)}
    for _ in range(turns):  # by turns, so that what else the machine does disturbs all alike
        for (backend, n), found in steps.items():
            for name, seconds in run("steps", backend, n, rounds, BATCH).items():
                found[name] += seconds
    tables = "\n\n".join([calls_table(calls), steps_table(steps), reckoned_table(calls["mpi"])])
    print(tables)
    if markdown is not None:
        write(Path(markdown), tables)
    return 0


def run(what: str, backend: str, n: int, rounds: int, *numbers: int) -> Any:
    """What rank 0 of n processes prints. Each has one thread, so that no two share a core where there are as many cores."""
    command = [sys.executable, "-m", "minitorch.distributed.run", "--backend", backend, "-n", str(n), "--threads", "1"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    asked = [*command, WORKER, what, backend, str(rounds), *map(str, numbers)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=600, env=environ, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(asked)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def merged(runs: list[dict[str, list[float]]]) -> dict[int, float]:
    """The median for each number of bytes, over all runs."""
    return {int(size): statistics.median(t for run in runs for t in run[size]) for size in runs[0]}


def fitted(medians: dict[int, float]) -> tuple[float, float]:
    """α and β, in seconds and seconds for a byte: relative errors count, so that small messages have their say."""
    rows = [(1 / t, n / t) for n, t in medians.items()]  # a·(1/t) + b·(n/t) = 1
    aa, ab, bb = sum(u * u for u, _ in rows), sum(u * v for u, v in rows), sum(v * v for _, v in rows)
    sa, sb = sum(u for u, _ in rows), sum(v for _, v in rows)
    determinant = aa * bb - ab * ab
    a, b = (sa * bb - sb * ab) / determinant, (sb * aa - sa * ab) / determinant
    return a / 2, b


# ---- reckoning ----


def ring(p: int, n: int, alpha: float, beta: float) -> float:
    """Reduce-scatter and all-gather around a ring: 2(p − 1) messages of n/p bytes, one after the other."""
    return 2 * (p - 1) * (alpha + beta * n / p)


def halving(p: int, n: int, alpha: float, beta: float) -> float:
    """Recursive halving and doubling: 2 log₂ p messages, of n/2, n/4, … bytes and back."""
    return 2 * math.log2(p) * alpha + 2 * (p - 1) / p * beta * n


def tree(p: int, n: int, alpha: float, beta: float) -> float:
    """A reduction up a binary tree and a broadcast down it, each message whole."""
    return 2 * math.log2(p) * (alpha + beta * n)


def hidden(seconds: float, bucket: float) -> float:
    """What is seen of the communication when it runs beside a backward of BACKWARD seconds: all but that, at least the last bucket."""
    return max(seconds - BACKWARD, bucket)


# ---- tables ----


def calls_table(calls: dict[str, dict[int, float]]) -> str:
    """Medians by size, and the line fitted."""
    lines = ["| bytes | mpi | GB/s | gloo | GB/s |", "|---:|---:|---:|---:|---:|"]
    for size in SIZES:
        cells = [f"{told(t)} | {size / t / 1e9:.2f}" for t in (calls["mpi"][size], calls["gloo"][size])]
        lines.append(f"| {size:,} | {cells[0]} | {cells[1]} |")
    for backend, medians in calls.items():
        alpha, beta = fitted(medians)
        lines += ["", f"{backend}: α = {alpha * 1e6:.1f} µs for a message, 1/β = {1 / beta / 1e9:.2f} GB/s."]
    return "\n".join(lines)


def steps_table(steps: dict[tuple[str, int], dict[str, list[float]]]) -> str:
    """Medians of a step by number of processes, and the speed-up over one."""
    lines = [
        "| processes | backend | step | without averaging | speed-up |",
        "|---:|---|---:|---:|---:|",
    ]
    one = statistics.median(steps["mpi", 1]["step"])
    for (backend, n), found in sorted(steps.items(), key=lambda item: (item[0][1], item[0][0])):
        step, alone = statistics.median(found["step"]), statistics.median(found["alone"])
        lines.append(f"| {n} | {backend} | {told(step)} | {told(alone)} | {one / step:.2f} |")
    return "\n".join(lines)


def reckoned_table(mpi: dict[int, float]) -> str:
    """Times of an all_reduce of ResNet-50's gradients among p processes."""
    lines = []
    for name, (alpha, beta) in {
        "the memory of this machine": fitted(mpi),
        "a network of 10 Gbit/s, 50 µs": TEN_GIGABIT,
    }.items():
        lines += [
            *([""] if lines else []),
            f"With α and β of {name}:",
            "",
            "| p | sent by each | ring | halving | tree | ring, seen beside a backward of 100 ms | small: 1 kB by ring | by halving |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for p in WORKERS:
            whole = [f(p, GRADIENTS, alpha, beta) for f in (ring, halving, tree)]
            seen = hidden(whole[0], ring(p, 25 * 2**20, alpha, beta))
            small = [f(p, 1000, alpha, beta) for f in (ring, halving)]
            sent = f"{2 * (p - 1) / p * GRADIENTS / 1e6:.0f} MB"
            lines.append(f"| {p:,} | {sent} | {' | '.join(map(told, [*whole, seen, *small]))} |")
    return "\n".join(lines)


def told(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def write(page: Path, tables: str) -> None:
    """Put the tables between the page's two marks."""
    text = page.read_text(encoding="utf-8")
    marks = "<!-- measured -->", "<!-- end of what was measured -->"
    new = re.sub(f"{marks[0]}.*{marks[1]}", lambda found: f"{marks[0]}\n\n{tables}\n\n{marks[1]}", text, flags=re.S)
    with replacing(page) as file:
        file.write(new.encode())
