"""A program as mathematics is true: its text, run by Python with NumPy's names, gives what the program gives."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
import minitorch.nn.functional as F
from minitorch import Tensor, nn
from minitorch.compiler.mathematics import Mathematics
from minitorch.compiler.step import Compiled, Variant
from reference.layers.run import flat as leaves_of
from reference.table import Row, table
from test_compile import has_program, mostly_slow, of_row

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def namespace(variant: Variant, inputs: list[np.ndarray], text: Mathematics) -> dict[str, Any]:
    """What the text may name: NumPy's functions, whole ops, and copies of the arrays that the step finds."""
    names = {**vars(np), "bool": bool, **text.things}
    for i in variant.graph.instructions:
        if i.effect:
            names[i.of.replace(".", "_")] = lambda: None
    given = iter(inputs)
    arrays: dict[Any, np.ndarray] = {}
    for v in variant.graph.values:
        if v.kind == "state":
            arrays[v.place] = v.array
        elif v.kind == "input":
            arrays[v.place] = next(given)
        elif v.kind == "gradient" and v.owner._grad is not None:
            arrays[v.place] = v.owner._grad._array
        elif v.kind == "upstream":
            names[v.name] = np.ones(v.shape, v.dtype)
    for memory in {variant.graph.memory(place) for place in arrays}:
        there = [place for place in arrays if variant.graph.memory(place) == memory]
        names.update(zip((variant.graph.values[p].name for p in there), copies([arrays[p] for p in there])))
    return names


def copies(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Copies of arrays in one memory, laid out in one memory as they are."""
    bounds = [np.lib.array_utils.byte_bounds(a) for a in arrays]
    start, end = min(low for low, _ in bounds), max(high for _, high in bounds)
    memory = bytearray(ctypes.string_at(start, end - start))
    places = [a.__array_interface__["data"][0] - start for a in arrays]
    return [np.ndarray(a.shape, a.dtype, memory, at, a.strides) if a.size else a for a, at in zip(arrays, places)]


def assert_true(run: Compiled, *args: Tensor) -> Mathematics:
    """The next call of a compiled function does what its text says."""
    variant = run._latest
    text = Mathematics(variant.short, variant.calls)  # type: ignore[arg-type]
    names = namespace(variant, [t._array for t in args], text)
    exec(text.text, names)
    out = run(*args)
    results = [t for t in leaves_of(out) if isinstance(t, Tensor)]
    alive = [t for t in results if t.requires_grad]
    if variant.calls.alive_at:
        minitorch.autograd.backward(alive, [minitorch.ones_like(t) for t in alive])
    told = names["result"]
    told = list(leaves_of(told)) if isinstance(told, (list, tuple, dict)) else [told]
    assert len(told) == len(results)
    for t, found in zip(results, told):
        same(t._array, found)
    effects = any(i.effect for i in variant.graph.instructions)
    for v in variant.graph.values:
        if v.kind == "state" and not effects:
            same(v.array, names[v.name])
        if v.kind == "gradient" and v.owner._grad is not None and v.name in names:
            same(v.owner._grad._array, names[v.name])
    return text


def same(wanted: np.ndarray, found: Any) -> None:
    found = getattr(found, "_array", found)
    assert np.shape(found) == wanted.shape and np.asarray(found).dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def compiled(step: Callable, *args: Tensor) -> Compiled:
    """A compiled function after two calls, and one that runs its program."""
    run = minitorch.compile(step)
    for _ in range(3):
        run(*args)
    return run


@pytest.mark.parametrize("row", mostly_slow(table(), 16))
def test_ops(row: Row) -> None:
    for seed, outside in ((0, False), (1, False), (0, True), (1, True)):
        step, _, between, *after = of_row(row, seed, outside)()
        run = minitorch.compile(step)
        try:
            for k in range(3):
                minitorch.manual_seed(0)
                between(k)
                out = run()
                for act in after:
                    act(out)
        except Exception:  # refused, or a leaf that may not be written to
            continue
        if has_program(run):
            for t in (t for v in run._latest.graph.values if (t := v.owner) is not None):
                t.grad = None
            minitorch.manual_seed(0)
            assert_true(run)
