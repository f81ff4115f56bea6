"""`python -m reference bench --device cuda`: the same work in minitorch and in torch on one GPU, beside what the card can do.

Times are medians, measured on the card by events; the libraries take turns, after a warm-up. What a row achieves is the least
it must move (each number read or written once) or compute, over its time. It stands beside the card's ceilings, which are
measured first: copying within its memory, and a large matrix product in each precision, in whichever library is faster.
Read next: `bench_cuda_rows.py`, every elementwise op, copies and sums; docs/gpu.md, where the figures go.
"""

from __future__ import annotations

import contextlib
import datetime
import gc
import itertools
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import minitorch
from minitorch.arrays.device import as_device

from . import bench_cuda_rows
from .bench import mlp_step
from .bench_graphs import of_gpt, of_mlp
from .cuda_work import Run, Sizes, Work, both_ways, leaf, numbers, on

WARM_UP = 3


class Line(NamedTuple):
    """A row of the table: milliseconds of both, the share of the ceiling, or what went wrong."""

    work: Work
    ours: float | None
    theirs: float | None
    share: float | None
    wrong: str = ""

    @property
    def missed(self) -> bool:
        w, ratio = self.work, self.ratio
        if self.ours is None:
            return True
        too_slow = w.most is not None and ratio is not None and ratio > w.most
        return too_slow or (w.share is not None and self.share is not None and self.share < w.share)

    @property
    def ratio(self) -> float | None:
        return self.ours / self.theirs if self.ours is not None and self.theirs is not None else None

    def cells(self) -> list[str]:
        """The row's texts, without the name."""
        if self.ours is None:
            return [f"not run: {self.wrong}", "", "", "", "", self.work.target, "no"]
        return [
            f"{shown(self.ours)} ms",
            "" if self.theirs is None else f"{shown(self.theirs)} ms",
            "" if self.ratio is None else f"{self.ratio:.2f}",
            f"{shown(self.work.rate(self.ours))} {self.work.unit}",
            "" if self.share is None else f"{self.share:.0%} of {self.work.ceiling}",
            self.work.target,
            "" if not self.work.target else "no" if self.missed else "yes",
        ]


HEADINGS = ["minitorch", "torch", "ratio", "achieved", "of the ceiling", "target", "met"]


def bench(
    rounds: int,
    only: str | None = None,
    markdown: str | None = None,
    sizes: Sizes | None = None,
    torch_on: str | None = "cuda" if torch.cuda.is_available() else None,
) -> int:
    """Run, print, write as Markdown if asked, and return 1 if a target was missed or something did not run."""
    try:
        as_device("cuda")
    except RuntimeError as error:
        raise SystemExit(f"reference bench: {error}") from None
    sizes = sizes or Sizes()
    works = [*ceilings(sizes), *(w for w in all_work(sizes) if only is None or only in w.name)]
    if len(works) == len(ceilings(sizes)):
        names = "; ".join(w.name for w in all_work(sizes))
        raise SystemExit(f"reference bench: no benchmark's name contains {only!r}; there are: {names}")
    title = headline(rounds, torch_on)
    print(title)
    print(aligned("", HEADINGS))
    lines: list[Line] = []
    best: dict[str, float] = {}
    for work in works:
        lines.append(measured(work, rounds, sizes.repeat, torch_on, best))
        print(aligned(work.name, lines[-1].cells()), flush=True)
    if markdown:
        Path(markdown).write_text("\n".join(as_markdown(title, lines)) + "\n", encoding="utf-8")
    return int(any(line.missed for line in lines))


def headline(rounds: int, torch_on: str | None) -> str:
    """The card, the date and the versions."""
    cupy = as_device("cuda").xp
    there = {"cuda": "", "cpu": " on the CPU", None: " not timed: it sees no GPU"}[torch_on]
    return (
        f"{minitorch.cuda.get_device_name()}, {datetime.date.today()}: minitorch {minitorch.__version__}, CuPy {cupy.__version__}, "
        f"torch {torch.__version__}{there}; medians of {rounds}"
    )


# ---- timing ----


def measured(work: Work, rounds: int, repeat: int, torch_on: str | None, best: dict[str, float]) -> Line:
    """The work in both libraries; a ceiling's own work makes that ceiling, in `best`."""
    places = [(minitorch, "cuda"), (torch, torch_on)][: 1 if torch_on is None else 2]
    try:
        with products_in(work.precision):
            times = by_turns(rounds, repeat, *(work.make(*place) for place in places))
    except Exception as error:  # the other rows are worth having all the same
        return Line(work, None, None, None, f"{type(error).__name__}: {error}".partition("\n")[0])
    finally:
        gc.collect()
        minitorch.cuda.empty_cache()
        torch.cuda.empty_cache()
    if work.name.startswith(CEILING):
        best[work.ceiling] = work.rate(min(times))
    ceiling = best.get(work.ceiling)
    ours, theirs = (*times, None)[:2]
    return Line(work, ours, theirs, None if ceiling is None else work.rate(times[0]) / ceiling)


def by_turns(rounds: int, repeat: int, *runs: Run) -> list[float]:
    """The median milliseconds of each, from event to event on the card.

    Both libraries give their work to the default stream, so the same events measure both.
    """
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        for _ in range(WARM_UP):
            run()
    for _ in range(rounds):
        for run, taken in zip(runs, times):
            start, end = (minitorch.cuda.Event(enable_timing=True) for _ in range(2))
            minitorch.cuda.synchronize()
            start.record()
            for _ in range(repeat):
                run()
            end.record()
            end.synchronize()
            taken.append(start.elapsed_time(end) / repeat)
    return [statistics.median(taken) for taken in times]


@contextlib.contextmanager
def products_in(precision: str) -> Iterator[None]:
    """In the block, both libraries compute products of float32 so ("high": TF32)."""
    before = [library.get_float32_matmul_precision() for library in (minitorch, torch)]
    for library in (minitorch, torch):
        library.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        for library, old in zip((minitorch, torch), before):
            library.set_float32_matmul_precision(old)


# ---- the work ----

CEILING = "ceiling: "


def ceilings(s: Sizes) -> list[Work]:
    """What the card can do: copy, and multiply matrices in each precision."""

    def copy(library: Any, device: Any) -> Run:
        a, b = (library.zeros(s.copied, device=device) for _ in range(2))
        return lambda: b.copy_(a)

    def product(dtype: str) -> Callable[[Any, Any], Run]:
        def make(library: Any, device: Any) -> Run:
            kind = getattr(library, dtype)
            a, b = (on(library, device, numbers(s.product, s.product)).to(kind) for _ in range(2))
            return lambda: a @ b

        return make

    flops = 2.0 * s.product**3
    side = f"{s.product}×{s.product}"
    return [
        Work(f"{CEILING}copy of {s.copied * 4 / 1e9:.3g} GB", copy, 2.0 * 4 * s.copied, "copy"),
        Work(f"{CEILING}product {side}, float32", product("float32"), flops, "float32"),
        Work(f"{CEILING}product {side}, TF32", product("float32"), flops, "TF32", "high"),
        Work(f"{CEILING}product {side}, float16", product("float16"), flops, "float16"),
        Work(f"{CEILING}product {side}, bfloat16", product("bfloat16"), flops, "bfloat16"),
    ]


def all_work(s: Sizes) -> list[Work]:
    """What is compared with torch and with the ceilings."""
    mlp = f"step {'-'.join(map(str, s.layers))}, batch {s.batch}, "
    flops = step_flops(s.layers, s.batch)
    steps = [
        Work(mlp + name, step(s, dtype), flops, name, precision, most=1.15)
        for name, dtype, precision in (
            ("float32", "float32", "highest"), ("TF32", "float32", "high"),
            ("float16", "float16", "highest"), ("bfloat16", "bfloat16", "highest"),
        )
    ]  # fmt: skip
    captured = [
        Work(
            f"captured step {'-'.join(map(str, layers))}, batch {n}",
            of_mlp(layers, n),
            step_flops(layers, n),
            "float32",
            most=1.0,
        )
        for layers, n in s.captured
    ]
    captured += [Work(f"captured step {gpt}", of_gpt(gpt), gpt.flops(), "float32", most=1.0) for gpt in s.gpts]
    count = int(np.prod(s.parameters))
    size = f"{s.rows}×{s.columns}"

    def over_rows(name: str, forward: int, backward: int) -> list[Work]:
        """Both directions of a function, by how often each passes over the array."""
        prepare = PREPARED[name]
        one = 4.0 * s.rows * s.columns
        return [
            Work(f"{name} {size}, forward", lambda lib, dev: prepare(lib, dev, s)[0], forward * one, "copy", share=0.85),
            Work(f"{name} {size}, backward", lambda lib, dev: prepare(lib, dev, s)[1], backward * one, "copy", share=0.85),
        ]

    return [
        *steps,
        *captured,
        Work(f"Adam, {count / 1e6:g} million parameters", adam(s), adam_bytes(count), "copy", most=1.0),
        *over_rows("softmax", 2, 3),  # x → y; g, y → dx
        *over_rows("cross_entropy", 2, 2),  # x → ln p; ln p → dx
        *over_rows("layer_norm", 2, 3),  # x → y; g, x → dx
        *bench_cuda_rows.all_work(s),
    ]


def step_flops(layers: tuple[int, ...], batch: int) -> float:
    """2 B Σ nm for each of: forward, the gradient of the weights, and of the inputs (of all layers but the first).

    >>> step_flops((2, 3, 5), 10)  # 2·10·(6 + 15) + 2·10·(6 + 15) + 2·10·15
    1140.0
    """
    products = [n * m for n, m in itertools.pairwise(layers)]
    return 2.0 * batch * (3 * sum(products) - products[0])


def adam_bytes(parameters: int) -> float:
    """Four arrays are read (p, g, m, v), three written (p, m, v), of 4 bytes a number.

    >>> adam_bytes(100)
    2800.0
    """
    return 7.0 * 4 * parameters


def step(s: Sizes, dtype: str) -> Callable[[Any, Any], Run]:
    """A training step: forward, cross-entropy, backward, Adam."""
    return lambda library, device: mlp_step(library, s.layers, s.batch, device, dtype)


def adam(s: Sizes) -> Callable[[Any, Any], Run]:
    """The step of Adam alone; torch's is its fused one."""

    def make(library: Any, device: Any) -> Run:
        count, *shape = s.parameters
        params = [library.zeros(*shape, device=device, requires_grad=True) for _ in range(count)]
        for p in params:
            p.grad = library.full(shape, 1e-3, device=device)
        return library.optim.Adam(params, **({"fused": True} if library is torch else {})).step

    return make


def softmax(library: Any, device: Any, s: Sizes) -> tuple[Run, Run]:
    x, g = leaf(library, device, s), on(library, device, numbers(s.rows, s.columns))
    return both_ways(lambda: library.nn.functional.softmax(x, dim=-1), g, x)


def cross_entropy(library: Any, device: Any, s: Sizes) -> tuple[Run, Run]:
    x = leaf(library, device, s)
    classes = on(library, device, np.random.default_rng(1).integers(0, s.columns, s.rows))
    return both_ways(lambda: library.nn.functional.cross_entropy(x, classes), library.ones((), device=device), x)


def layer_norm(library: Any, device: Any, s: Sizes) -> tuple[Run, Run]:
    x, g = leaf(library, device, s), on(library, device, numbers(s.rows, s.columns))
    w, b = (make(s.columns, device=device, requires_grad=True) for make in (library.ones, library.zeros))
    return both_ways(lambda: library.nn.functional.layer_norm(x, (s.columns,), w, b), g, x, w, b)


PREPARED = {"softmax": softmax, "cross_entropy": cross_entropy, "layer_norm": layer_norm}


# ---- printing ----

WIDTHS = (11, 11, 7, 19, 18, 17, 5)


def shown(number: float) -> str:
    """Three digits, or all before the point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def aligned(name: str, cells: list[str]) -> str:
    """A row for a terminal."""
    return (f"{name:46}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS))).rstrip()


def as_markdown(title: str, lines: list[Line]) -> Iterator[str]:
    """The table as it stands in docs/gpu.md."""
    yield title
    yield ""
    yield "| | " + " | ".join(HEADINGS) + " |"
    yield "|---" * (len(HEADINGS) + 1) + "|"
    for line in lines:
        yield f"| {line.work.name} | " + " | ".join(line.cells()) + " |"
