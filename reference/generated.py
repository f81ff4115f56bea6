"""Generated kernels (`minitorch/compiler/cuda`) executed on the CPU: rows of the table, beside our own CPU.

    compare([(row, seed, dtype), …])                    rows of the table, beside our own CPU
    compare_calls(in_place(op, dtype), …)               ops written in place in every layout, beside their plain formulas
    compare_calls(broadcast(op, dtype), …)              gradients of what was broadcast, in every way, beside the same

Each case runs twice: first to see which kernels it launches, which are then compiled together, and then for real.
Read next: `on_device.py`, which compares; `cuda_on_cpu`, which executes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import minitorch
from minitorch.op.declaration import Array, Index, Operand

from .cuda_on_cpu import compile_together
from .kernels import TOLERANCE
from .on_device import beside_the_cpu, forget_what_was_noted
from .strategies import Source
from .strict_cupy import standing_in
from .strict_cupy.kernels import noting
from .table import Row

Case = tuple[Row, int, Any]  # a row, the seed of what it is drawn from, the dtype of its floats


def compare(cases: Sequence[Case]) -> dict[tuple[str, str], int]:
    """AssertionError if a case is not as on the CPU; (source, name) of the kernels that ran, and how often."""
    with standing_in(generated=True):
        with noting() as met:
            for row, seed, dtype in cases:
                with contextlib.suppress(Exception):  # what is computed of numbers that are none may be refused
                    beside_the_cpu(row, Source(seed), dtype)
                forget_what_was_noted()
        compile_together(met)
        for row, seed, dtype in cases:
            beside_the_cpu(row, Source(seed), dtype)
    return met


# ---- ops in place, and sums: beside the plain formulas ----


class Call(NamedTuple):
    """Something to run on the GPU, with tensors of a dtype, or with the same numbers in float64; it gives tensors."""

    what: str
    run: Callable[[bool], list]
    dtype: str


def compare_calls(calls: Iterable[Call]) -> dict[tuple[str, str], int]:
    """AssertionError if generated kernels are not as the plain formulas in float64; (source, name) of those that ran."""
    calls = list(calls)
    with standing_in(generated=True):
        with noting() as met:
            for call in calls:
                with contextlib.suppress(Exception):
                    call.run(False)
        compile_together(met)
        for call in calls:
            have = _outcome(call, wide=False)
            with minitorch.op.plain():
                want = _outcome(call, wide=True)
            _same(call, have, want)
    return met


def _outcome(call: Call, wide: bool) -> Any:
    try:
        return [t.detach().cpu() for t in call.run(wide)]
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        return error


def _same(call: Call, have: Any, want: Any) -> None:
    if isinstance(have, Exception) or isinstance(want, Exception):
        assert type(have) is type(want), f"{call.what}: {have!r}, not {want!r}"
        return
    for k, (a, b) in enumerate(zip(have, want, strict=True)):
        assert a.shape == b.shape, f"{call.what}, {k}: {a.shape}, not {b.shape}"
        if not b.dtype.is_floating_point:
            assert a.dtype is b.dtype and (a == b).all(), f"{call.what}, {k}: {a}, not {b}"
            continue
        assert a.dtype.name == call.dtype, f"{call.what}, {k}: {a.dtype}"
        x, y = a.double().numpy(), b.numpy()
        bound = TOLERANCE[call.dtype] * max(1.0, float(np.abs(y[np.isfinite(y)]).max(initial=0)))
        assert np.allclose(x, y, rtol=0, atol=bound, equal_nan=True), f"{call.what}, {k}: {x}, not {y}"


# How the tensor lies that is written to: the shape of what holds it, and the view that it is. All have the shape (4, 8).
LAYOUTS: dict[str, tuple[tuple[int, int], Callable[[Any], Any]]] = {
    "rows": ((4, 8), lambda base: base.view(4, 8)),
    "columns": ((8, 4), lambda base: base.t()),
    "gaps": ((4, 16), lambda base: base[:, ::2]),
    "part": ((6, 11), lambda base: base[1:5, 2:10]),
    "aligned part": ((5, 16), lambda base: base[1:, :8]),
}
# What stands beside it, by its shape, or as a part of it.
BESIDE: dict[str, Any] = {
    "as many": (4, 8), "a row": (8,), "a column": (4, 1), "one": (), "itself": lambda x: x, "its first row": lambda x: x[0],
    "all of it, turned": lambda x: x.reshape(4, 8).flip(1),
}  # fmt: skip


def can_be_called(op: Any) -> bool:
    """Whether an op needs nothing but tensors."""
    return all(p.name in op.inputs or p.name in op.declaration.defaults for p in op.declaration.parameters)


def _tensors(op: Any, first: Any, shape: Any, drawn: Callable) -> list:
    """The op's inputs: the first, and others of that shape, or made of the first."""
    found = [first]
    for role in [p.role for p in op.declaration.parameters if p.name in op.inputs][1:]:
        if role is Index:
            found.append(drawn(() if callable(shape) else shape) > 0.5)
        elif callable(shape):
            found.append(shape(first))
        else:
            found.append(drawn(shape))
    return found


def _numbers(dtype: str, wide: bool) -> Callable[[tuple[int, ...]], Any]:
    """What draws tensors of a shape: numbers of that dtype, in float64 if they are to be wide."""
    rng = np.random.default_rng(0)

    def drawn(shape: tuple[int, ...]) -> Any:
        made = minitorch.from_numpy(np.asarray(rng.uniform(0.1, 0.9, shape))).to("cuda", getattr(minitorch, dtype))
        return made.double() if wide and made.is_floating_point() else made

    return drawn


def in_place(op: Any, dtype: str, layouts: Iterable[str] = LAYOUTS, beside: Iterable[str] = BESIDE) -> Iterator[Call]:
    """The op written into its first input, in every layout beside everything; recorded and not, with gradients."""
    for layout in layouts:
        for other in beside if len(op.inputs) > 1 else ["as many"]:
            for recorded in (False, True):
                what = f"{op.__name__}_ of {layout} and {other} in {dtype}{', recorded' * recorded}"
                yield Call(what, _in_place(op, dtype, layout, other, recorded), dtype)


def _in_place(op: Any, dtype: str, layout: str, other: str, recorded: bool) -> Callable[[bool], list]:
    def run(wide: bool) -> list:
        drawn = _numbers(dtype, wide)
        held, view = LAYOUTS[layout]
        leaf = drawn(held)
        leaf.requires_grad_(recorded and leaf.is_floating_point())
        base = leaf.clone()
        x = view(base)
        others = _tensors(op, x, BESIDE[other], drawn)[1:]
        if recorded and not callable(BESIDE[other]):
            others = [t.requires_grad_() if t.is_floating_point() else t for t in others]
        address = x.data_ptr()
        x._update(op, *others)
        assert x.data_ptr() == address
        wanted = [t for t in (leaf, *others) if t.requires_grad and t.is_leaf]
        return [base, *minitorch.autograd.grad(base, wanted, drawn(held), allow_unused=True)] if wanted else [base]

    return run


# Two shapes, of which the second is broadcast: over the first dimensions, the last, those around, all; over both in turns; in several
# parts that blocks share; with a dimension that no pack divides.
BROADCAST = [
    ((6, 8), (8,)), ((6, 8), (6, 1)), ((3, 4, 8), (4, 1)), ((3, 4, 8), (1, 4, 8)), ((6, 8), ()), ((6, 8), (1, 1)),
    ((3, 4, 5, 8), (3, 1, 5, 1)), ((700, 12), (12,)), ((2, 9000), (2, 1)), ((5, 7), (7,)), ((5, 7), (5, 1)), ((5, 1), (1, 7)),
    ((4, 8), (3, 4, 8)), ((1, 1), (1,)),
]  # fmt: skip
# How the upstream gradient lies.
UPSTREAM: dict[str, Callable[[Any], Any]] = {
    "rows": lambda g: g,
    "turned": lambda g: g.transpose(0, -1).contiguous().transpose(0, -1) if g.ndim else g,
    "expanded": lambda g: g.reshape(-1)[0].expand(g.shape),
    "gaps": lambda g: minitorch.stack([g, g], -1)[..., 0],
}


def broadcast(op: Any, dtype: str, shapes: Iterable = BROADCAST, upstream: Iterable[str] = UPSTREAM) -> Iterator[Call]:
    """The gradients of an op whose inputs broadcast, of all of them and of each alone."""
    several = [p.name for p in op.declaration.parameters if p.role in (Array, Operand)]
    for first, second in shapes:
        for lies in upstream:
            for wanted in {tuple(several), *((name,) for name in several)}:
                what = f"gradients of {op.__name__} by {', '.join(wanted)}: {first} and {second} in {dtype}, {lies}"
                yield Call(what, _broadcast(op, dtype, first, second, lies, wanted), dtype)


def _broadcast(op: Any, dtype: str, first: tuple, second: tuple, lies: str, wanted: tuple) -> Callable[[bool], list]:
    def run(wide: bool) -> list:
        drawn = _numbers(dtype, wide)
        inputs = _tensors(op, drawn(first), second, drawn)
        given = dict(zip(op.inputs, inputs))
        leaves = [given[name].requires_grad_() for name in wanted]
        out = op(*inputs)
        return list(minitorch.autograd.grad(out, leaves, UPSTREAM[lies](drawn(tuple(out.shape)))))

    return run
