"""Every elementwise op on the GPU, forward and backward, in float32 and float16; copies and casts; sums and gradients of biases.

    python -m reference bench --device cuda --only "row mul"       one op
    python -m reference bench --device cuda --only "float16"       everything in half precision
    python -m reference bench --device cuda --only "copy: "        copies and casts; "sum: " what adds up; "row " all ops

An op moves at least each input and each result once, backward also what its derivatives ask for; no op computes for so long that
moving would not be what counts. Read next: `bench_cuda.py`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import minitorch
from minitorch.op import Op, ops, registry
from minitorch.op.declaration import Index

from .cuda_work import Run, Sizes, Work, both_ways, on

DTYPES = {"float32": 4, "float16": 2}
MOST, SHARE = 1.1, 0.9  # of torch's time; of the rate of copying, at least


def all_work(s: Sizes) -> Iterator[Work]:
    """All of it: ops, copies, sums."""
    for op in timed_ops():
        for dtype in DTYPES:
            yield from over_an_op(op, s, dtype)
    yield from copies(s)
    for dtype in DTYPES:
        yield from sums(s, dtype)


def square(library: Any, device: Any, s: Sizes, dtype: str, seed: int = 0) -> Any:
    """A square array of numbers between 0.1 and 0.9; few are drawn, and repeated on the card."""
    side = math.isqrt(s.numbers)
    few = np.random.default_rng(seed).uniform(0.1, 0.9, (1, side)).astype(np.float32)
    return on(library, device, few).to(getattr(library, dtype)).repeat(side, 1)


# ---- every op ----


@functools.cache
def timed_ops() -> tuple[Op, ...]:
    """The public elementwise ops of one result that take nothing but floats and masks, and that torch has, too."""
    return tuple(op for op in ops if op.declaration.elementwise and registry.get(op.__name__) is op and _runs_in_both(op))


def _runs_in_both(op: Op) -> bool:
    if len(op.declaration.outputs) > 1 or any(
        p.name not in op.inputs and p.name not in op.declaration.defaults for p in op.declaration.parameters
    ):
        return False
    try:
        for library in (minitorch, torch):
            function_of(library, op)(*_inputs(op, library, "cpu", Sizes(numbers=4), "float32"))
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False
    return True


def function_of(library: Any, op: Op) -> Callable:
    """The function of that name, in either library."""
    return getattr(library, op.__name__, None) or getattr(library.nn.functional, op.__name__)


def _inputs(op: Op, library: Any, device: Any, s: Sizes, dtype: str) -> list:
    roles = {p.name: p.role for p in op.declaration.parameters}
    made = [square(library, device, s, dtype, seed) for seed, _ in enumerate(op.inputs)]
    return [x > 0.5 if roles[name] is Index else x for name, x in zip(op.inputs, made)]


def over_an_op(op: Op, s: Sizes, dtype: str) -> Iterator[Work]:
    """Both directions, by what they move."""
    size, count = DTYPES[dtype] * s.numbers, len(op.inputs)
    name = f"row {op.__name__}, {dtype}"

    def prepared(library: Any, device: Any) -> tuple[Run, Run]:
        inputs = _inputs(op, library, device, s, dtype)
        differentiable = {n for d in op.derivatives for n in d.of}
        leaves = [x.requires_grad_() for x, name in zip(inputs, op.inputs) if name in differentiable]
        upstream = square(library, device, s, dtype, seed=9)
        return both_ways(lambda: function_of(library, op)(*inputs), upstream, *leaves)

    def forward(library: Any, device: Any) -> Run:
        inputs = _inputs(op, library, device, s, dtype)
        return lambda: function_of(library, op)(*inputs)

    yield Work(f"{name}, forward", forward, (count + 1.0) * size, "copy", most=MOST)
    if op.derivatives and not op.declaration.discrete:
        moved = passes_of_backward(op)
        yield Work(f"{name}, backward", lambda lib, dev: prepared(lib, dev)[1], float(moved) * size, "copy", most=MOST)


def passes_of_backward(op: Op) -> int:
    """How often the derivatives pass over an array at least: the upstream gradient, what they ask for, and what they give.

    >>> passes_of_backward(registry["mul"]), passes_of_backward(registry["exp"])
    (5, 3)
    """
    asked = {n for d in op.derivatives for n in d.names if n in (*op.inputs, *op.declaration.outputs)}
    return 1 + len(asked) + len({n for d in op.derivatives for n in d.of})


# ---- copies ----


def copies(s: Sizes) -> Iterator[Work]:
    """What moves numbers and computes nothing, or hardly anything, into memory that is there or new."""

    def work(name: str, dtype: str, moved: float, run: Callable[[Any, Any, Any], Any], **target: float) -> Work:
        def make(library: Any, device: Any) -> Run:
            x, y = (square(library, device, s, dtype, seed) for seed in (0, 1))
            return lambda: run(library, x, y)

        return Work(f"copy: {name}", make, moved * s.numbers, "copy", **(target or {"share": SHARE}))

    for dtype, size in DTYPES.items():
        yield work(f"copy_ {dtype}", dtype, 2 * size, lambda lib, x, y: y.copy_(x))
        yield work(f"clone {dtype}", dtype, 2 * size, lambda lib, x, y: x.clone())
        yield work(f"contiguous of x.t() {dtype}", dtype, 2 * size, lambda lib, x, y: x.t().contiguous(), most=MOST)
        yield work(f"relu_ {dtype}", dtype, 2 * size, lambda lib, x, y: x.relu_())
        yield work(f"x += y {dtype}", dtype, 3 * size, lambda lib, x, y: x.add_(y))
        yield work(f"add(x, y, out=x) {dtype}", dtype, 3 * size, lambda lib, x, y: lib.add(x, y, out=x))
        yield work(f"x * 2.5 {dtype}", dtype, 2 * size, lambda lib, x, y: x * 2.5)
        yield work(f"x + row {dtype}", dtype, 2 * size, lambda lib, x, y: x + y[0], most=MOST)
    yield work("float32 → float16", "float32", 6, lambda lib, x, y: x.half())
    yield work("float32 → bfloat16", "float32", 6, lambda lib, x, y: x.bfloat16())
    yield work("float16 → float32", "float16", 6, lambda lib, x, y: x.float())
    yield work("copy_ float16 ← float32", "float32", 6, lambda lib, x, y: y.half().copy_(x), most=MOST)


# ---- sums ----


def sums(s: Sizes, dtype: str) -> Iterator[Work]:
    """Sums and means over all, the first and the last dimension; gradients of what was broadcast over either."""
    size = DTYPES[dtype] * s.numbers

    def of(name: str, run: Callable[[Any], Any]) -> Work:
        def make(library: Any, device: Any) -> Run:
            x = square(library, device, s, dtype)
            return lambda: run(x)

        return Work(f"sum: {name} {dtype}", make, float(size), "copy", most=MOST)

    yield of("x.sum()", lambda x: x.sum())
    yield of("x.sum(0)", lambda x: x.sum(0))
    yield of("x.sum(1)", lambda x: x.sum(1))
    yield of("x.mean()", lambda x: x.mean())

    def gradients(name: str, moved: int, shape: Callable[[int], tuple], call: Callable, of_x: bool) -> Work:
        def make(library: Any, device: Any) -> Run:
            x, side = square(library, device, s, dtype), math.isqrt(s.numbers)
            b = square(library, device, s, dtype, seed=1).reshape(-1)[:side].clone().reshape(shape(side)).requires_grad_()
            leaves = [x.requires_grad_(), b] if of_x else [b]
            return both_ways(lambda: call(x, b), square(library, device, s, dtype, seed=9), *leaves)[1]

        return Work(f"sum: {name} {dtype}", make, float(moved * size), "copy", most=MOST)

    def row(side: int) -> tuple:
        return (side,)

    def column(side: int) -> tuple:
        return (side, 1)

    yield gradients("backward of x + bias, by bias", 1, row, lambda x, b: x + b, False)
    yield gradients("backward of x * scale", 3, row, lambda x, b: x * b, True)
    yield gradients("backward of x * column", 3, column, lambda x, b: x * b, True)
