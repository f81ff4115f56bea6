"""The formula of an elementwise function: what it computes of each number, followed by the recorder on a few numbers.

The function is a forward or a derivative, as it stands in `ops/`. It runs once on small arrays of the dtypes in question; what it does to
them is written down, and if each step is a formula of the numbers in one place, so is the whole. Python's floats become numbers of the
kernel, or are burned in where the function asks which number one is. Read next: `../forms.py`, the table of steps; `source.py`, which prints a formula.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays.device import shortcuts
from ...arrays.dtypes import bfloat16
from ...arrays.recorded import Recorded, array_of, library, running
from ...op.listening import unheard
from ..forms import Map, form_of
from ..graph import Graph, Ref
from ..record import Record, in_backward

# The dtypes of arrays, as CUDA calls them; halves are only read and written.
TYPES: dict[np.dtype, str] = {
    np.dtype("float32"): "float", np.dtype("float64"): "double", np.dtype("bool"): "bool", np.dtype("int8"): "signed char",
    np.dtype("uint8"): "unsigned char", np.dtype("int16"): "short", np.dtype("int32"): "int", np.dtype("int64"): "int64",
    np.dtype("float16"): "__half", bfloat16.numpy: "__nv_bfloat16",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """`name` = `form`, in a dtype. The operands are names of steps and inputs, or numbers."""

    name: str
    dtype: np.dtype
    form: Map
    operands: tuple[Any, ...]
    of: str = ""  # the op that it belongs to, where there are several


@dataclass(frozen=True)
class Formula:
    """What a kernel computes: of arrays and numbers, step by step, one or several results."""

    arrays: tuple[tuple[str, np.dtype], ...]  # names and dtypes, as they are computed with
    numbers: tuple[str, ...]  # Python's floats, which change from call to call
    steps: tuple[Step, ...]
    results: tuple[str, ...]  # each a step, or an array: that is given back as it is
    called: tuple[str, ...]  # the results' names
    order: tuple[int, ...]  # the dimensions of results, from the outermost in memory to the innermost
    summed: tuple[str, ...] = ()  # by name, the results that are wanted as sums over some dimensions

    def written(self) -> dict[str, Step]:
        """The results that a kernel writes number by number: those that are computed and not summed, each once."""
        steps = {s.name: s for s in self.steps}
        pairs = [(name, value) for name, value in zip(self.called, self.results) if name not in self.summed]
        first = {value: name for name, value in reversed(pairs)}
        return {first[value]: steps[value] for value in dict.fromkeys(v for _, v in pairs) if value in steps}

    def sums(self) -> dict[str, str]:
        """What is added up for each of the summed results: a step, or an array."""
        return {name: value for name, value in zip(self.called, self.results) if name in self.summed}

    def read(self) -> dict[str, np.dtype]:
        """The arrays that a step reads, or that are added up, with the dtypes that they are computed with."""
        used = {o for s in self.steps for o in s.operands if isinstance(o, str)} | {*self.sums().values()}
        return {name: dtype for name, dtype in self.arrays if name in used}

    def dtype_of(self, name: str) -> np.dtype:
        """That of a step or an array."""
        return next((s.dtype for s in self.steps if s.name == name), None) or dict(self.arrays)[name]


def formula_of(
    function: Callable, given: Sequence[tuple[str, Any]], called: tuple[str, ...], derives: bool, hold_numbers: bool
) -> Formula | None:
    """function(xp, *given) as a formula, whose results are called so; None if it has none.

    given: names, and what stands for each: an array of the kind that will come, a float that may change, anything else, which is burned
    in. derives: the function is a derivative, in which ops compute with arrays. hold_numbers: floats are burned in, too.
    """
    record = Record({}, for_loops=True)
    try:
        result, arrays, numbers = _followed(record, function, given, derives, hold_numbers)
    except Exception:  # the function refuses these arguments, and will say so itself
        return None
    finally:
        record.end()
    return _told(record.graph, result, called, arrays, numbers) if record.failed is None else None


def _followed(
    record: Record, function: Callable, given: Sequence[tuple[str, Any]], derives: bool, hold_numbers: bool
) -> tuple[Any, dict[int, str], dict[int, str]]:
    """What the function gives of recorded arguments, and the places of arrays and numbers in the record."""
    arrays, numbers, args = {}, {}, []
    for name, value in given:
        if isinstance(value, np.ndarray):
            value = record.lift(value, "input", name)
            arrays[value.place] = name
        elif type(value) is float and not hold_numbers:
            value = record.option({name: value}, name)
            numbers[value.place] = name
        args.append(value)
    before = shortcuts.enabled, running.record
    shortcuts.enabled, running.record = False, record
    try:
        with np.errstate(all="ignore"), unheard(), in_backward() if derives else contextlib.nullcontext():
            return record.traced(function, "a formula", library, tuple(args), {}), arrays, numbers
    finally:
        shortcuts.enabled, running.record = before


def _told(
    graph: Graph, result: Any, called: tuple[str, ...], arrays: dict[int, str], numbers: dict[int, str]
) -> Formula | None:
    """The record as a formula; None if a step is none, or a result is not made of the arrays."""
    names = {**arrays, **numbers}  # of values, as they are at the moment
    steps: list[Step] = []
    for instruction in graph.instructions:
        form = form_of(instruction, graph, TYPES)
        if not isinstance(form, Map) or form.key is not None:
            return None
        try:
            operands = tuple(names[o.value.place] if isinstance(o.value, Ref) else o.value for o in form.operands)
        except (KeyError, AttributeError):  # elements picked by index arrays
            return None
        if form.target in arrays or graph.memory(form.target) != form.target:
            return None  # it writes to what it was given, or to a view
        name = f"v{len(steps) + 1}"
        steps.append(Step(name, graph.values[form.target].dtype, form, operands))
        names[form.target] = name
    several = result if isinstance(result, (tuple, list)) else (result,)
    if not all(isinstance(r, Recorded) and r.place in names for r in several):
        return None
    shape = np.broadcast_shapes(*(graph.values[p].shape for p in arrays))
    orders = {_order(array_of(r)) for r in several if names[r.place] not in arrays.values()}
    if len(orders) > 1 or any(array_of(r).shape != shape for r in several):
        return None
    kinds = tuple((name, graph.values[place].dtype) for place, name in arrays.items())
    results = tuple(names[r.place] for r in several)
    order = next(iter(orders), ())
    return Formula(kinds, tuple(numbers.values()), tuple(steps), results, called, order)


def _order(array: np.ndarray) -> tuple[int, ...]:
    return tuple(sorted(range(array.ndim), key=lambda d: -array.strides[d]))
