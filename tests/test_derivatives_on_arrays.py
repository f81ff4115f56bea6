"""A derivative is written in operators and ops, so it computes with whatever it is given: arrays in an ordinary backward, Tensors
in one that is recorded.

Two tests hold that: one reads each derivative, and what it calls, for methods and attributes that only a Tensor has; the other runs
each derivative on Tensors and on arrays, and compares.
"""

from __future__ import annotations

import dis
import importlib
import inspect
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest

import minitorch
from minitorch.autograd.grad_mode import grad_mode
from minitorch.autograd.node import OpNode
from minitorch.op import Op, ops
from minitorch.op import Row as OpRow
from minitorch.op.plan import Derivative
from reference.far import Words, worst_error
from reference.strategies import Source
from reference.table import Row, flat, table, tensors

pytestmark = pytest.mark.formulas

OURS = [op for op in ops if op.__module__.startswith("minitorch.ops.") and op.derivatives]
SEEDS = 4  # of each row: the last draws special values
OF_BATCHES = "batches"  # these take what a vmap has on either side: tests/test_vmap.py
EMPTY_ONLY = {
    "unreflected"
}  # no row draws them, as all their inputs but one are empty: torch's samples, tests/test_opinfo.py

# ---- what a derivative may ask of a value: its shape ----

BOTH_HAVE = {"shape", "ndim"}
OF_LISTS = {*dir(list), *dir(slice)} - {*dir(minitorch.Tensor), *dir(np.ndarray)}  # neither has: `append`, `start`
NUMBERS_ONLY = ("minitorch.ops.dims",)  # helpers that see dims and sizes, never a value
# "function: attribute" → why a derivative may load it all the same. Empty, if possible.
EXCEPTIONS = {
    "_numbers: dtype": "both have one, and its text ends alike",
    "_numbers: endswith": "of that text",
    "prod_grad: enabled": "with two zeros torch gives zeros, beside ∞ too, unless it records: then the gradient depends on x",
}


def reached(derivative: Callable) -> list[types.FunctionType]:
    """The derivative and the plain functions of minitorch.ops that it calls, composites too; ops not, whose forwards see arrays."""
    found: list[Any] = [inspect.unwrap(derivative)]
    for function in found:
        for called in map(inspect.unwrap, functions_named(function)):
            home = getattr(called, "__module__", "")
            if home.startswith("minitorch.ops.") and home not in NUMBERS_ONLY and called not in found:
                found.append(called)
    return found


def functions_named(function: Any) -> Iterator[types.FunctionType]:
    """The plain functions that a function's code names: globals, what it encloses, what it imports itself."""
    named = [cell.cell_contents for cell in function.__closure__ or ()]
    for code in codes(function.__code__):
        package = ""
        for step in dis.get_instructions(code):
            if step.opname == "LOAD_GLOBAL":
                named.append(function.__globals__.get(step.argval))
            elif step.opname == "IMPORT_NAME":
                package = f"{function.__module__.rpartition('.')[0]}.{step.argval}"
            elif step.opname == "IMPORT_FROM":
                named.append(getattr(importlib.import_module(package), step.argval))
    return (thing for thing in named if isinstance(thing, types.FunctionType))


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and those inside it: lambdas, comprehensions."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def attributes(function: types.FunctionType) -> Iterator[str]:
    """The attributes that a function loads of anything but a module, those it asks `hasattr` and `getattr` for included."""
    for code in codes(function.__code__):
        before, asked = None, False
        for step in dis.get_instructions(code):
            of_a_module = before and isinstance(function.__globals__.get(before.argval), types.ModuleType)
            if step.opname in ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR") and not of_a_module:
                yield step.argval
            if asked and step.opname == "LOAD_CONST":
                yield str(step.argval)
                asked = False
            before = step if step.opname == "LOAD_GLOBAL" else None
            asked = asked or (before is not None and step.argval in ("getattr", "hasattr", "setattr"))


def tensors_only(derivative: Callable) -> list[str]:
    """What the derivative, or a helper it calls, loads that an array has not, as `function: attribute`."""
    loaded = (
        f"{f.__name__}: {name}" for f in reached(derivative) for name in attributes(f) if name not in BOTH_HAVE | OF_LISTS
    )
    return [what for what in dict.fromkeys(loaded) if what not in EXCEPTIONS]


@pytest.mark.parametrize("op", OURS, ids=lambda op: op.__name__)
def test_is_written_in_operators_and_ops(op: Op) -> None:
    found = [what for d in op.derivatives if not isinstance(d.function, Op) for what in tensors_only(d.function)]
    assert not found, f"the derivative of {op.__name__} uses {found}: write an op there, e.g. sum_(x, dim) for x.sum(dim)"


def test_a_method_is_noticed() -> None:
    helper = types.FunctionType((lambda g: g.T).__code__, {"__name__": "minitorch.ops.planted"}, "helper")

    def calls_it(g: Any) -> Any:
        return helper(g)

    for fault in (
        lambda g: g.sum(),
        lambda g, x: [row.t() for row in x],
        lambda g, x: hasattr(x, "_array") and np.sqrt(g),
        calls_it,
    ):
        assert tensors_only(fault)
    assert not tensors_only(lambda g, x: np.sqrt(g) * x.ndim)


# ---- on arrays it gives what it gives on Tensors ----


def is_array(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic))


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{k}-{row}") for k, row in enumerate(table()) if row.inputs()])
@pytest.mark.parametrize(
    "seeds", [range(SEEDS), pytest.param(range(SEEDS, 8 * SEEDS), marks=pytest.mark.exhaustive)], ids=["few", "all"]
)
def test_computes_the_same_on_arrays(row: Row, seeds: range) -> None:
    for seed in seeds:
        source = Source(seed)
        source.special = row.special and seed % 4 == 3
        dtype = (np.float64, np.float32)[seed % 2]
        for node in nodes_of(row, row.draw(source), dtype):
            for derivative in run_by(node):
                compare(derivative, node, source, dtype)


def test_every_derivative_is_run_on_arrays() -> None:
    seen = {
        derivative.function
        for row in table()
        if row.inputs()
        for seed in range(SEEDS)
        for node in nodes_of(row, row.draw(Source(seed)), np.float64)
        for derivative in run_by(node)
    }
    refusals = {d.function for op in OURS for d in op.derivatives if (d.function.__doc__ or "").startswith("None is")}
    ours = [op for op in OURS if not op.__module__.endswith(OF_BATCHES) and op.__name__ not in EMPTY_ONLY]
    assert [(op, d.of) for op in ours for d in op.derivatives if d.function not in seen | refusals] == []


def nodes_of(row: Row, case: dict, dtype: Any) -> list[OpNode]:
    """The nodes of ops that a case leaves behind, those of its first backward too; none where the call is refused."""
    made = tensors(case, minitorch, dtype, row.inputs())
    leaves = [t for n in row.inputs() for t in (made[n] if isinstance(made[n], list) else [made[n]])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outputs = [t for t in flat(row.call(row.ours, made)) if getattr(t, "requires_grad", False)]
        except Exception:
            return []
        if not outputs:
            return []
        upstream = [minitorch.ones_like(o).requires_grad_() for o in outputs]
        first = minitorch.autograd.grad(outputs, leaves, upstream, create_graph=True, allow_unused=True)
    found = [t.grad_fn for t in (*outputs, *first) if t is not None]
    for node in found:
        found.extend(n for n, _ in getattr(node, "next_functions", ()) if n is not None and n not in found)
    return [node for node in found if isinstance(node, OpNode) and node.op in OURS]


def run_by(node: OpNode) -> list[Derivative]:
    """The derivatives of the node's op that its backward runs."""
    wanted = {node.op.parameters[i] for i in node.plan.targets if i < len(node.op.parameters)}
    return [d for d in node.op.derivatives if node.op.declaration.variadic or wanted.intersection(d.of)]


def compare(derivative: Derivative, node: OpNode, source: Source, dtype: Any) -> None:
    """Run it on Tensors and on arrays: the same shapes, dtypes and numbers, and what it was given is as it was."""
    upstream = [source.rng.standard_normal(shape).astype(kind) for shape, kind in node.output_specs]
    if len(upstream) > 1 and source.rng.random() < 0.3:  # an output that nobody uses
        upstream[source.rng.integers(len(upstream))] = None  # type: ignore[call-overload]
    names = ["g", *(f"g_{n}" for n in node.op.declaration.outputs[1:])]
    by_name = dict(zip(names, upstream)) if node.op.declaration.outputs else {"g": upstream}
    given = {n: by_name[n] for n in derivative.grads} | {n: node.saved_value(n) for n in derivative.names}
    if all(given[n] is None for n in derivative.grads):
        return
    results = []
    for convert in (as_tensor, as_array):
        values = [convert(given[n], n in derivative.grads) for n in derivative.parameters]
        before = [as_array(v).copy() if isinstance(as_array(v), np.ndarray) else None for v in values]
        with minitorch.no_grad(), warnings.catch_warnings(), mock.patch.object(grad_mode, "on_arrays", convert is as_array):
            warnings.simplefilter("ignore")
            found = found_or_refused(derivative, values)
        for name, old, value in zip(derivative.parameters, before, values):
            unchanged = old is None or np.array_equal(old, as_array(value), equal_nan=old.dtype.kind == "f")
            assert unchanged, f"the derivative of {node.op} changed its {name}"
        results.append(list(found) if isinstance(found, (tuple, list)) else [found])
    on_tensors, on_arrays = results
    assert len(on_tensors) == len(on_arrays)
    for a, b in zip(on_arrays, on_tensors):
        told = "the derivative of {} with respect to {}: on arrays {!r}, on Tensors {!r}"
        where = Words(told.format, node.op, derivative.of, a, b)
        if b is None or isinstance(b, str):
            assert a == b, str(where)
            continue
        assert is_array(a), str(where)
        if isinstance(node.op, OpRow) and any(getattr(as_array(v), "dtype", a.dtype).kind in "iu" for v in values):
            a = a.astype(b._array.dtype)  # a row's g · b, b of integers, is float64 in NumPy; the engine converts what comes
        assert (a.shape, a.dtype) == (b._array.shape, b._array.dtype), str(where)
        assert worst_error(np.asarray(a), b._array, dtype) <= 1, str(where)


def found_or_refused(derivative: Derivative, values: list) -> Any:
    """What the derivative gives; of one that torch lacks too, in words, that it refuses."""
    try:
        return derivative.function(*values)
    except RuntimeError as refused:
        if not isinstance(refused, NotImplementedError) and "Double backward is unsupported" not in str(refused):
            raise
        return str(refused)


def as_tensor(value: Any, upstream: bool) -> Any:
    """A gradient as a Tensor; what a node keeps is as it should be already."""
    if isinstance(value, list):
        return [as_tensor(v, upstream) for v in value]
    return minitorch.from_numpy(value.copy()) if upstream and value is not None else value


def as_array(value: Any, upstream: bool = True) -> Any:
    """A Tensor's array, anything else as it is."""
    if isinstance(value, list):
        return [as_array(v) for v in value]
    return getattr(value, "_array", value)
