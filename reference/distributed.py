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
OF_A_STEP = 11_653_160  # bytes: the gradients of `distributed_worker.network`
BACKWARD = 0.1  # seconds, for the reckoning with overlap
TEN_GIGABIT = 50e-6, 8 / 10e9  # α and β of a network of 10 Gbit/s


KINDS = [
    ("gloo", 1, 1),
    ("gloo", 1, 2),
    ("mpi", 2, 1),
    ("gloo", 2, 1),
    ("mpi", 4, 1),
    ("gloo", 4, 1),
]  # backend, n, threads of each


def distributed(rounds: int, turns: int, markdown: str | None) -> int:
    """Measure, print the tables, and write them into a page if told."""
    calls = {backend: [run("calls", backend, 2, 1, rounds, *SIZES) for _ in range(turns)] for backend in ("mpi", "gloo")}
    steps: dict[tuple[str, int, int], dict[str, list[float]]] = {kind: {"step": [], "processor": []} for kind in KINDS}
    for _ in range(turns):  # by turns, so that what else the machine does disturbs all alike
        for kind, found in steps.items():
            for name, seconds in run("steps", *kind, rounds, BATCH).items():
                found[name] += seconds
    fast = {backend: merged(runs) for backend, runs in calls.items()}
    tables = "\n\n".join([calls_table(fast), steps_table(steps, *fitted(fast["mpi"])), reckoned_table(fast["mpi"])])
    print(tables)
    if markdown is not None:
        write(Path(markdown), tables)
    return 0


def run(what: str, backend: str, n: int, threads: int, rounds: int, *numbers: int) -> Any:
    """What rank 0 of n processes prints."""
    command = [
        sys.executable,
        "-m",
        "minitorch.distributed.run",
        "--backend",
        backend,
        "-n",
        str(n),
        "--threads",
        str(threads),
    ]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    asked = [*command, WORKER, what, backend, str(rounds), *map(str, numbers)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=600, env=environ, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(asked)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def undisturbed(seconds: list[float]) -> float:
    """The tenth percentile: what it takes when other programs leave the processors alone."""
    return sorted(seconds)[len(seconds) // 10]


def merged(runs: list[dict[str, list[float]]]) -> dict[int, float]:
    """The time for each number of bytes, over all runs."""
    return {int(size): undisturbed([t for run in runs for t in run[size]]) for size in runs[0]}


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
    """A reduction up a binomial tree and a broadcast down it, each message whole."""
    return 2 * math.log2(p) * (alpha + beta * n)


def hidden(seconds: float, bucket: float) -> float:
    """What is seen of the communication when it runs beside a backward of BACKWARD seconds: all but that, at least the last bucket."""
    return max(seconds - BACKWARD, bucket)


# ---- tables ----


def calls_table(calls: dict[str, dict[int, float]]) -> str:
    """Times by size, and the line fitted."""
    lines = ["| bytes | mpi | GB/s | gloo | GB/s |", "|---:|---:|---:|---:|---:|"]
    for size in SIZES:
        cells = [f"{told(t)} | {size / t / 1e9:.2f}" for t in (calls["mpi"][size], calls["gloo"][size])]
        lines.append(f"| {size:,} | {cells[0]} | {cells[1]} |")
    for backend, medians in calls.items():
        alpha, beta = fitted(medians)
        lines += ["", f"{backend}: α = {alpha * 1e6:.1f} µs for a message, 1/β = {1 / beta / 1e9:.2f} GB/s."]
    return "\n".join(lines)


def steps_table(steps: dict[tuple[str, int, int], dict[str, list[float]]], alpha: float, beta: float) -> str:
    """The time of a step by number of processes, and the speed-up over one with one thread: as seen, and with a core for each.

    The latter is reckoned from the processor time of a share, and a ring after it (the first figure) or hidden behind it.
    """
    lines = [
        "| processes | threads of each | backend | step | median step | speed-up | processor time of a share | with a core for each |",
        "|---:|---:|---|---:|---:|---:|---:|---:|",
    ]
    one, alone = (undisturbed(steps[KINDS[0]][name]) for name in ("step", "processor"))
    for (backend, n, threads), found in steps.items():
        step, processor = undisturbed(found["step"]), undisturbed(found["processor"])
        reckoned = [alone / (processor + ring(n, OF_A_STEP, alpha, beta)), alone / processor]
        cells = [told(step), told(statistics.median(found["step"])), f"{one / step:.2f}", told(processor)]
        cells.append(" – ".join(f"{r:.2f}" for r in reckoned) if n > 1 else "")
        lines.append(f"| {n} | {threads} | {backend if n > 1 else '–'} | {' | '.join(cells)} |")
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
