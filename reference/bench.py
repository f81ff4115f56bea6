"""`python -m reference bench`: the same work in minitorch and in torch, by turns, and the medians beside the targets.

All are times but the last two: the cost of `import minitorch` over `import numpy`, and the peak memory of a training step.
For the training steps a hand-written NumPy version shows what the arithmetic alone costs. With `--device cuda` it is
`bench_cuda.py` that runs.
"""

from __future__ import annotations

import gc
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

import minitorch

Work = Callable[[], Any]


class Result(NamedTuple):
    """One benchmark: how ours compares, in a unit, and what it must not exceed."""

    name: str
    ours: float
    theirs: float | None
    unit: str
    target: float | None  # of ours / theirs; of ours where there is no theirs
    numpy: float | None = None

    @property
    def figure(self) -> float:
        """What is compared with the target."""
        return self.ours if self.theirs is None else self.ours / self.theirs


def bench(rounds: int, only: str | None = None) -> int:
    """Run, print, and return 1 if a target was missed."""
    chosen = {name: run for name, run in BENCHMARKS.items() if only is None or only in name}
    if not chosen:
        raise SystemExit(f"reference bench: no benchmark's name contains {only!r}; there are: {'; '.join(BENCHMARKS)}")
    print(f"torch {torch.__version__} ({torch.get_num_threads()} threads), NumPy {np.__version__}; medians of {rounds}")
    print(f"\n{'':50}{'minitorch':>12}{'torch':>12}{'NumPy':>12}{'ratio':>8}{'target':>8}")
    missed = 0
    for name, run in chosen.items():
        r = run(name, rounds)
        late = r.target is not None and r.figure > r.target
        missed += late
        cells = "".join(f"{'' if v is None else f'{v:.3g} {r.unit}':>12}" for v in (r.ours, r.theirs, r.numpy))
        figure = f"{r.figure:8.2f}" if r.theirs is not None else f"{'':8}"
        print(f"{r.name:50}{cells}{figure}{r.target if r.target is not None else '':>8}{'   missed' * late}", flush=True)
    return 1 if missed else 0


def by_turns(rounds: int, repeat: int, *works: Work) -> list[float]:
    """The median milliseconds of each work; the works take turns, so that all meet the same weather."""
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    gc.collect()
    for _ in range(rounds):
        for work, taken in zip(works, times):
            start = time.perf_counter()
            for _ in range(repeat):
                work()
            taken.append((time.perf_counter() - start) / repeat * 1e3)
    return [statistics.median(taken) for taken in times]


# ---- a thousand small ops ----


def chain(name: str, rounds: int, weights_too: bool = False) -> Result:
    """x ← x · w + b, five hundred times: what an op costs besides its arithmetic. `weights_too`: w and b want gradients."""

    def work(library: Any) -> Work:
        x = library.full((8,), 1.0, requires_grad=True)
        w, b = (library.full((8,), v, requires_grad=weights_too) for v in (0.999, 0.001))

        def run() -> None:
            y = x
            for _ in range(500):
                y = y * w + b
            y.sum().backward()

        return run

    return Result(name, *by_turns(rounds, 1, work(minitorch), work(torch)), "ms", None if weights_too else 1.0)


# ---- training steps ----


def training_step(sizes: tuple[int, ...], batch: int, target: float, repeat: int) -> Callable[[str, int], Result]:
    """The benchmark of one Adam step of an MLP."""

    def run(name: str, rounds: int) -> Result:
        works = *(mlp_step(library, sizes, batch) for library in (minitorch, torch)), numpy_step(sizes, batch)
        ours, theirs, numpy = by_turns(rounds, repeat, *works)
        return Result(name, ours, theirs, "ms", target, numpy)

    return run


def mlp_step(library: Any, sizes: tuple[int, ...], batch: int, device: Any = "cpu", dtype: str = "float32") -> Work:
    """Forward, cross-entropy, backward, Adam; parameters and inputs in `dtype`."""
    nn = library.nn
    pairs = list(itertools.pairwise(sizes))
    layers = [layer for n, m in pairs[:-1] for layer in (nn.Linear(n, m), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(*pairs[-1])).to(device, getattr(library, dtype))
    optimizer = library.optim.Adam(model.parameters(), eps=1e-4 if dtype == "float16" else 1e-8)  # 1e-8 is 0 in float16
    inputs, labels = data(sizes, batch)
    x, t = library.from_numpy(inputs).to(device, getattr(library, dtype)), library.from_numpy(labels).to(device)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), t).backward()
        optimizer.step()

    return step


def data(sizes: tuple[int, ...], batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs and labels."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, sizes[0]), dtype=np.float32), rng.integers(0, sizes[-1], batch)


def numpy_step(sizes: tuple[int, ...], batch: int) -> Work:
    """The same step by hand: no graph, no tensors, the derivative written out."""
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((m, n), dtype=np.float32) / np.float32(n**0.5) for n, m in itertools.pairwise(sizes)]
    parameters = [p for w in weights for p in (w, np.zeros(len(w), np.float32))]
    m, v = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    x, labels = data(sizes, batch)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        kept, h = [x], x
        for k in range(len(weights)):
            h = h @ parameters[2 * k].T + parameters[2 * k + 1]
            if k < len(weights) - 1:
                h = np.maximum(h, 0)
            kept.append(h)
        p = np.exp(h - h.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(batch), labels] -= 1
        g = p / batch
        gradients: list[np.ndarray] = []
        for k in reversed(range(len(weights))):
            gradients = [g.T @ kept[k], g.sum(0), *gradients]
            if k:
                g = (g @ parameters[2 * k]) * (kept[k] > 0)
        c1, c2 = 1 - 0.9**steps, (1 - 0.999**steps) ** 0.5
        for θ, g, a, b in zip(parameters, gradients, m, v):
            a *= 0.9
            a += 0.1 * g
            b *= 0.999
            b += 0.001 * g * g
            θ -= (1e-3 / c1) * a / (np.sqrt(b) / c2 + 1e-8)

    return step


# ---- large arrays ----


def softmax_gelu_norm(name: str, rounds: int) -> Result:
    """softmax(gelu(layer_norm(x))) on 4096 × 1024, forward and backward."""
    numbers = np.random.default_rng(0).standard_normal((4096, 1024), dtype=np.float32)

    def work(library: Any) -> Work:
        x, F = library.from_numpy(numbers.copy()).requires_grad_(), library.nn.functional
        upstream = library.from_numpy(numbers)

        def run() -> None:
            x.grad = None
            F.softmax(F.gelu(F.layer_norm(x, (1024,))), dim=-1).backward(upstream)

        return run

    return Result(name, *by_turns(max(3, rounds // 3), 1, work(minitorch), work(torch)), "ms", 2.0)


# ---- random numbers ----


def draws(function: str, target: float) -> Callable[[str, int], Result]:
    """The benchmark of a million float32 of one distribution."""

    def run(name: str, rounds: int) -> Result:
        works = [partial(getattr(library, function), 10**6) for library in (minitorch, torch)]
        return Result(name, *by_turns(rounds, 1, *works), "ms", target)

    return run


def dropout(name: str, rounds: int) -> Result:
    """Dropout of 4096 × 1024 float32."""

    def work(library: Any) -> Work:
        return partial(library.nn.functional.dropout, library.ones(4096, 1024), 0.5)

    return Result(name, *by_turns(max(3, rounds // 3), 1, work(minitorch), work(torch)), "ms", 4.0)


# ---- import and memory ----

IMPORT = """
import time
import numpy
start = time.perf_counter()
import minitorch
print((time.perf_counter() - start) * 1e3)
"""


def import_time(name: str, rounds: int) -> Result:
    """What `import minitorch` costs after `import numpy`, in a fresh interpreter each time, compiled as an installed package is."""
    with tempfile.TemporaryDirectory() as bytecode:
        settings = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
        call = partial(subprocess.check_output, [sys.executable, "-c", IMPORT], env=settings)
        call()
        times = [float(call()) for _ in range(max(5, rounds // 3))]
    return Result(name, statistics.median(times), None, "ms", 50.0)


def peak_memory(name: str, rounds: int) -> Result:
    """The most that one training step allocates over what stands before it."""
    sizes, batch = (784, 512, 512, 10), 128
    ours, theirs = mlp_step(minitorch, sizes, batch), mlp_step(torch, sizes, batch)
    for step in (ours, theirs):  # the optimizer's state and the gradients exist from the first step on
        step()
    return Result(name, peak_of_ours(ours) / 2**20, peak_of_torch(theirs) / 2**20, "MiB", 1.2)


def peak_of_ours(step: Work) -> int:
    """By tracemalloc, which NumPy reports to. One step before is traced too: what it leaves is freed by the next."""
    gc.collect()
    tracemalloc.start()
    step()
    standing, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - standing


def peak_of_torch(step: Work) -> int:
    """By the profiler's record of every allocation and release on the CPU."""
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    changes = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    standing = peak = 0
    for event in sorted(changes, key=lambda e: e.start_ns()):
        standing += event.nbytes()
        peak = max(peak, standing)
    return peak


BENCHMARKS: dict[str, Callable[[str, int], Result]] = {
    "1,000 chained elementwise ops on 8 numbers": chain,
    "the same, with gradients for all operands": partial(chain, weights_too=True),
    "training step 64-128-128-10, batch 64": training_step((64, 128, 128, 10), 64, 0.8, 20),
    "training step 784-512-512-10, batch 128": training_step((784, 512, 512, 10), 128, 1.2, 2),
    "softmax(gelu(layer_norm(x))), 4096 × 1024": softmax_gelu_norm,
    "a million uniform numbers": draws("rand", 3.0),
    "a million normal numbers": draws("randn", 3.0),
    "dropout, 4096 × 1024": dropout,
    "import minitorch, after numpy": import_time,
    "peak memory of a step 784-512-512-10": peak_memory,
}
