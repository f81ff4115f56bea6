"""`python -m reference bench`: what is timed in minitorch and in torch, and the table of it beside the targets.

A benchmark is a small function of a library that prepares its work and returns it as a call. `clock.py` runs it in each library,
by turns, in processes of their own; so neither library is imported here. All figures are times but the last one, the peak memory
of a training step. For training steps a hand-written NumPy version shows what the arithmetic alone costs. With
`--device cuda` it is `bench_cuda.py` that runs. Read next: `clock.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import itertools
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from . import bench_jax
from .bench_making import in_steps
from .clock import DISTURBED, Measure, Prepare, Turn, Work, Worker, by_turns, disturbance, quietest, times
from .examples import example
from .vision.speed import resnet18

# ---- a thousand small ops ----


def chain(library: Any, weights_too: bool = False) -> Work:
    """x ← x · w + b, five hundred times: what an op costs besides its arithmetic. `weights_too`: w and b want gradients."""
    x = library.full((8,), 1.0, requires_grad=True)
    w, b = (library.full((8,), v, requires_grad=weights_too) for v in (0.999, 0.001))

    def run() -> None:
        y = x
        for _ in range(500):
            y = y * w + b
        y.sum().backward()

    return run


# ---- training steps ----


def training_step(library: Any, sizes: tuple[int, ...], batch: int) -> Work:
    """One step of an MLP with Adam; by hand where the library is NumPy."""
    if library.__name__ == "jax":
        return bench_jax.training_step(library, parameters_of(sizes), *data(sizes, batch))
    return numpy_step(sizes, batch) if library is np else mlp_step(library, sizes, batch)


def mlp_step(
    library: Any, sizes: tuple[int, ...], batch: int, device: Any = "cpu", dtype: str = "float32", options: Any = None
) -> Work:
    """Forward, cross-entropy, backward, Adam; parameters and inputs in `dtype`. options: more of Adam's."""
    nn = library.nn
    pairs = list(itertools.pairwise(sizes))
    layers = [layer for n, m in pairs[:-1] for layer in (nn.Linear(n, m), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(*pairs[-1]))
    with library.no_grad():
        for p, value in zip(model.parameters(), parameters_of(sizes)):
            p.copy_(library.from_numpy(value))
    model.to(device, getattr(library, dtype))
    optimizer = library.optim.Adam(
        model.parameters(), eps=1e-4 if dtype == "float16" else 1e-8, **options or {}
    )  # 1e-8 is 0 in float16
    inputs, labels = data(sizes, batch)
    x, t = library.from_numpy(inputs).to(device, getattr(library, dtype)), library.from_numpy(labels).to(device)

    def step() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step


def data(sizes: tuple[int, ...], batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs and labels, the same in all processes."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, sizes[0]), dtype=np.float32), rng.integers(0, sizes[-1], batch)


def parameters_of(sizes: tuple[int, ...]) -> list[np.ndarray]:
    """W₁, b₁, W₂, b₂, … at the start, the same in all processes."""
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal((m, n), dtype=np.float32) / np.float32(n**0.5) for n, m in itertools.pairwise(sizes)]
    return [p for w in weights for p in (w, np.zeros(len(w), np.float32))]


def lstm_step(library: Any) -> Work:
    """A training step of an LSTM(32 → 64) on 32 sequences of 32 steps, with SGD."""
    library.manual_seed(0)
    net = library.nn.LSTM(32, 64)
    optimizer = library.optim.SGD(net.parameters(), lr=0.1)
    x, target = library.randn(32, 32, 32), library.randn(32, 32, 64)

    def step() -> Any:
        optimizer.zero_grad()
        loss = library.nn.functional.mse_loss(net(x)[0], target)
        loss.backward()
        optimizer.step()
        return loss

    return step


def numpy_step(sizes: tuple[int, ...], batch: int) -> Work:
    """The same step by hand: no graph, no tensors, the derivative written out."""
    parameters = parameters_of(sizes)
    m, v = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    x, labels = data(sizes, batch)
    rows, last = np.arange(batch), len(sizes) - 2
    steps = 0

    def step() -> Any:
        nonlocal steps
        steps += 1
        kept, h = [x], x
        for k in range(last + 1):
            h = h @ parameters[2 * k].T + parameters[2 * k + 1]
            if k < last:
                h = np.maximum(h, 0)
            kept.append(h)
        p = np.exp(h - h.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        loss = -np.log(p[rows, labels]).mean()
        p[rows, labels] -= 1
        g = p / batch
        gradients: list[np.ndarray] = []
        for k in reversed(range(last + 1)):
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
        return loss

    return step


def gpt_step(library: Any) -> Work:
    """A step of the GPT of `minitorch/examples/names.py` with AdamW: 2 blocks, 64 wide, 4 heads, 16 × 64 of 65 letters."""
    library.manual_seed(0)
    model = example("names", library).GPT(letters=65, length=64)
    optimizer = library.optim.AdamW(model.parameters(), lr=1e-3)
    text = library.from_numpy(np.random.default_rng(0).integers(0, 65, (16, 65)))

    def step() -> Any:
        optimizer.zero_grad()
        loss = library.nn.functional.cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        return loss

    return step


def cnn_step(library: Any) -> Work:
    """One step of two convolutions with batch norm, relu and pooling, on 64 images of 28 × 28 pixels, with Adam."""
    nn = library.nn
    library.manual_seed(0)  # the same weights in both
    blocks = [
        layer
        for before, after in ((1, 16), (16, 32))
        for layer in (nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2))
    ]
    model = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(32 * 7 * 7, 10))
    optimizer = library.optim.Adam(model.parameters())
    numbers, labels = data((28 * 28, 10), 64)
    x, t = library.from_numpy(numbers).reshape(64, 1, 28, 28), library.from_numpy(labels)

    def step() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step


def convolution(library: Any, batch: int = 16, channels: int = 16) -> Work:
    """A 3 × 3 convolution of `batch` images of 28 × 28 pixels, to 16 channels, forward and backward."""
    rng = np.random.default_rng(0)
    x = library.from_numpy(rng.standard_normal((batch, channels, 28, 28), dtype=np.float32)).requires_grad_()
    w = library.from_numpy(rng.standard_normal((16, channels, 3, 3), dtype=np.float32)).requires_grad_()
    upstream = library.from_numpy(rng.standard_normal((batch, 16, 28, 28), dtype=np.float32))

    def run() -> None:
        x.grad = w.grad = None
        library.nn.functional.conv2d(x, w, padding=1).backward(upstream)

    return run


# ---- large arrays ----


def softmax_gelu_norm(library: Any) -> Work:
    """softmax(gelu(layer_norm(x))) on 4096 × 1024, forward and backward."""
    numbers = np.random.default_rng(0).standard_normal((4096, 1024), dtype=np.float32)
    x, F = library.from_numpy(numbers.copy()).requires_grad_(), library.nn.functional
    upstream = library.from_numpy(numbers)

    def run() -> None:
        x.grad = None
        F.softmax(F.gelu(F.layer_norm(x, (1024,))), dim=-1).backward(upstream)

    return run


def matmul(library: Any) -> Work:
    """A B of 512 × 512 float32."""
    rng = np.random.default_rng(0)
    a, b = (library.from_numpy(rng.standard_normal((512, 512), dtype=np.float32)) for _ in range(2))
    return lambda: a @ b


# ---- compiled ----


def compiled(library: Any, prepare: Prepare, backend: str) -> Work:
    """The same work as a program where the library is ours, with jit in JAX, and as it is elsewhere: torch's eager mode, NumPy by hand."""
    if library.__name__ == "jax" and prepare in IN_JAX:
        return IN_JAX[prepare](library)
    run = prepare(library)
    return library.compile(run, backend=backend) if library.__name__ == "minitorch" else run


IN_JAX: dict[Prepare, Prepare] = {chain: bench_jax.chain, softmax_gelu_norm: bench_jax.softmax_gelu_norm}

# ---- random numbers ----


def draws(library: Any, function: str) -> Work:
    """A million float32 of one distribution."""
    return partial(getattr(library, function), 10**6)


def dropout(library: Any) -> Work:
    """Dropout of 4096 × 1024 float32."""
    return partial(library.nn.functional.dropout, library.ones(4096, 1024), 0.5)


# ---- data loading ----


def loading(library: Any, kind: str, workers: int = 0) -> Work:
    """A shuffled pass over 60,000 images of 28 × 28 in batches of 64. `kind`: a TensorDataset, or a class with rows of an array."""
    images, labels = data((28 * 28, 10), 60_000)
    images = images.reshape(-1, 28, 28)
    rows = images if kind == "array" else library.from_numpy(images)

    class Images(library.utils.data.Dataset):
        def __len__(self) -> int:
            return len(labels)

        def __getitem__(self, i: int) -> Any:
            return rows[i], int(labels[i])

    dataset = library.utils.data.TensorDataset(rows, library.from_numpy(labels)) if kind == "TensorDataset" else Images()
    loader = library.utils.data.DataLoader(dataset, 64, shuffle=True, num_workers=workers)

    def run() -> None:
        count = 0
        for x, t in loader:
            count += len(x) + len(t)
        assert count == 2 * len(labels)

    return run


def once(run: Work, library: Any) -> list[float]:
    """The milliseconds of one call, for what takes long."""
    start = time.perf_counter()
    run()
    return [(time.perf_counter() - start) * 1e3]


# ---- import ----

IMPORT = """
import time
import numpy
start = time.perf_counter()
import minitorch
print((time.perf_counter() - start) * 1e3)
"""


def fresh_import(library: Any) -> Work:
    """`import minitorch` after `import numpy`, in a new interpreter each time, compiled as an installed package is."""
    bytecode = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, bytecode)
    settings = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    return partial(subprocess.check_output, [sys.executable, "-c", IMPORT], env=settings)


def told(run: Work, library: Any) -> list[float]:
    """The milliseconds that the call itself prints."""
    return [float(run())]


# ---- memory ----


def peak_memory(step: Work, library: Any) -> list[float]:
    """MiB: the most that a call allocates over what stands before it."""
    return [(peak_of_torch(step, library) if library.__name__ == "torch" else peak_of_numpy(step)) / 2**20]


def peak_of_numpy(step: Work) -> int:
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


def peak_of_torch(step: Work, torch: Any) -> int:
    """By the profiler's record of every allocation and release on the CPU.

    It leaves out the release of what it has not seen allocated: so here too one step before is recorded.
    """
    for _ in range(2):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
            step()
    changes = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    standing = peak = 0
    for event in sorted(changes, key=lambda e: e.start_ns()):
        standing += event.nbytes()
        peak = max(peak, standing)
    return peak


# ---- the rows ----

BOTH = ("minitorch", "torch")
ALL = (*BOTH, "numpy")
COLUMNS = (*ALL, *(("jax",) if bench_jax.is_installed() else ()))


class Row(NamedTuple):
    """A line of the table: what is prepared, where, how it is measured, and what must not be exceeded."""

    name: str
    prepare: Prepare
    target: float | None = None  # of minitorch / torch; of minitorch's own figure where it is alone
    libraries: tuple[str, ...] = BOTH
    measure: Measure = times
    unit: str = "ms"


def step_row(sizes: tuple[int, ...], batch: int, target: float) -> Row:
    name = f"training step {'-'.join(map(str, sizes))}, batch {batch}"
    return Row(name, partial(training_step, sizes=sizes, batch=batch), target, ALL)


NAMES = {"minitorch": "minitorch", "torch": "torch", "numpy": "NumPy", "jax": "JAX, jit"}


def compiled_row(row: Row, backend: str, target: float | None) -> Row:
    """A row once more: a program of ours beside torch's eager mode."""
    name = "compiled" if backend == "numpy" else f"compiled, {backend.upper()}"
    in_jax = row.prepare in IN_JAX or "numpy" in row.libraries
    libraries = (*row.libraries, *(("jax",) if in_jax and "jax" in COLUMNS else ()))
    return Row(f"{name}: {row.name}", partial(compiled, prepare=row.prepare, backend=backend), target, libraries)


def loading_row(name: str, kind: str, workers: int, target: float | None) -> Row:
    where = f"{workers} workers, " if workers else ""
    return Row(f"60,000 images, {where}{name}", partial(loading, kind=kind, workers=workers), target, measure=once)


LARGE = (784, 512, 512, 10)

ROWS = [
    Row("1,000 chained elementwise ops on 8 numbers", chain, 0.9),
    Row("the same, with gradients for all operands", partial(chain, weights_too=True)),
    step_row((4, 16, 16, 3), 16, 0.6),
    step_row((64, 128, 128, 10), 64, 0.8),
    step_row(LARGE, 128, 1.0),
    Row("training step LSTM 32-64, 32 steps, batch 32, SGD", lstm_step, 1.2),
    Row("training step of a GPT, 16 × 64 letters", gpt_step, 1.2),
    Row("CNN step: 2 × Conv BN ReLU Pool, 64 × 1 × 28 × 28", cnn_step, 1.5),
    *(Row(f"convolution, batch {n}, 16 channels", partial(convolution, batch=n)) for n in (16, 32, 64, 128)),
    *(Row(f"convolution, batch 16, {c} channels", partial(convolution, channels=c)) for c in (32, 64, 128)),
    Row("ResNet-18, 8 × 3 × 64 × 64, forward and backward", partial(resnet18, batch=8, size=64)),
    Row("ResNet-18, 2 × 3 × 224 × 224, forward and backward", partial(resnet18, batch=2, size=224)),
    Row("ResNet-18, 1 × 3 × 224 × 224, forward in evaluation", partial(resnet18, batch=1, size=224, backward=False)),
    Row("softmax(gelu(layer_norm(x))), 4096 × 1024", softmax_gelu_norm, 1.5),
    Row("matrix product, 512 × 512", matmul),
    Row("a million uniform numbers", partial(draws, function="rand"), 3.0),
    Row("a million normal numbers", partial(draws, function="randn"), 3.0),
    Row("dropout, 4096 × 1024", dropout, 4.0),
    loading_row("TensorDataset", "TensorDataset", 0, 1.0),
    loading_row("class, arrays", "array", 0, 1.0),
    loading_row("class, tensors", "tensor", 0, None),  # each index makes a tensor, which in Python takes longer
    loading_row("TensorDataset", "TensorDataset", 2, 1.2),
    loading_row("class, arrays", "array", 2, 1.2),
    loading_row("class, tensors", "tensor", 2, 1.2),
    Row("import minitorch, after numpy", fresh_import, 50.0, ("minitorch",), told),
    Row(
        "peak memory of a step 784-512-512-10", partial(training_step, sizes=LARGE, batch=128), 1.2, ALL, peak_memory, "MiB"
    ),
]

MAKING = 30.0  # steps as they are: what it may take to make a program

COMPILED = {  # the targets of both backends
    "1,000 chained": (0.12, 0.12), "step 4-16": (0.12, 0.03), "step 64-128": (0.42, 0.3), "step 784": (0.8, 0.7),
    "step LSTM": (1.0, None), "step of a GPT": (0.8, None), "CNN step": (1.2, 0.8), "softmax(gelu": (1.1, 0.5),
}  # fmt: skip
ROWS += [
    compiled_row(row, backend, target)
    for part, targets in COMPILED.items()
    for backend, target in zip(("numpy", "c"), targets)
    for row in [row for row in ROWS if part in row.name and row.measure is times]
]
ROWS += [
    Row(row.name.replace("compiled", "making"), row.prepare, MAKING, ("minitorch",), in_steps, "steps")
    for row in ROWS
    if row.name.startswith("compiled") and "softmax" not in row.name
]


# ---- the table ----


class Result(NamedTuple):
    """What the rounds of one row come to."""

    row: Row
    figures: dict[str, float]  # of each library, the median of its turns
    ratios: list[float]  # minitorch / torch of each round
    waited: float  # the disturbance that a round had in the middle

    @property
    def compared(self) -> float:
        """What the target is about."""
        return statistics.median(self.ratios) if self.ratios else self.figures["minitorch"]

    @property
    def verdict(self) -> str:
        """Empty if all is well. Nothing is said of the target where other programs had the processors."""
        if self.row.unit == "ms" and self.waited > DISTURBED:
            return "disturbed"
        return "missed" if self.row.target is not None and self.compared > self.row.target else ""

    def line(self) -> str:
        cells = [f"{self.figures[library]:.3g} {self.row.unit}" if library in self.figures else "" for library in COLUMNS]
        ratio = f"{self.compared:.2f}" if self.ratios else ""
        target = "" if self.row.target is None else f"{self.row.target:g}"
        return aligned(
            self.row.name, *cells, ratio, spread(self.ratios), f"{self.waited:.1%}", target, self.verdict
        ).rstrip()


def bench(rounds: int, threads: int | None = None, only: str | None = None) -> int:
    """Run, print, and return 1 if a target was missed or cannot be judged. The targets are for two threads."""
    threads = threads or min(2, os.cpu_count() or 1)
    chosen = [row for row in ROWS if only is None or only in row.name]
    if not chosen:
        raise SystemExit(
            f"reference bench: no benchmark's name contains {only!r}; there are: {'; '.join(r.name for r in ROWS)}"
        )
    print(headline(rounds, threads))
    print(aligned("", *(NAMES[library] for library in COLUMNS), "ratio", "quartiles", "waited", "target"))
    well = True
    for row in chosen:
        result = run(row, rounds, threads)
        print(result.line(), flush=True)
        well = well and not result.verdict
    return int(not well)


def run(row: Row, rounds: int, threads: int) -> Result:
    """A row in all its libraries, by turns."""
    rounds = rounds if row.unit == "ms" else 1  # memory is the same each time
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(lib, row.prepare, row.measure, threads)) for lib in row.libraries]
        return result_of(row, quietest(by_turns(workers, rounds), rounds))


def result_of(row: Row, rounds: Sequence[Sequence[Turn]]) -> Result:
    """The medians. A ratio is taken within a round, so that both sides have met the same weather."""
    figures = {turns[0].library: statistics.median(turn.figure for turn in turns) for turns in zip(*rounds)}
    ratios = [ours.figure / theirs.figure for ours, theirs, *_ in rounds] if "torch" in figures else []
    return Result(row, figures, ratios, statistics.median(map(disturbance, rounds)))


def spread(ratios: list[float]) -> str:
    """Between which two the middle half of them lies."""
    if len(ratios) < 2:
        return ""
    low, _, high = statistics.quantiles(ratios, method="inclusive")
    return f"{low:.2f}–{high:.2f}"


def headline(rounds: int, threads: int) -> str:
    """The machine, the versions, and how it is measured."""
    return (
        f"{platform.machine()}, {os.cpu_count()} CPUs, {threads} thread{'s' * (threads > 1)} for each library; Python {platform.python_version()}, "
        f"torch {version('torch')}, NumPy {np.__version__};\neach library in a process of its own, by turns; medians of {rounds} rounds.\n"
        "waited: how long threads waited for a processor that another had, as a share of the time\n"
    )


def aligned(name: str, *cells: str) -> str:
    widths = (*(12 for _ in COLUMNS), 8, 13, 8, 8, 12)
    return f"{name:44}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths))
