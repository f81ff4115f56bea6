"""One formula of many: that of a kernel which does what several launches would do, one after the other, for each place.

What one op gives another stays a value of the formula, rounded as memory would have rounded it: halves to halves, and a product is rounded
before another op adds to it (CUDA would join both to one instruction that rounds once). What is not wanted later is not written, and what
only that needed is not computed. Read next: `formula.py`, the formulas; `source.py`, which prints them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..forms import Map, Operand
from .formula import Formula, Step
from .launching import Made, Sums

if TYPE_CHECKING:
    from .fusing import Group, Launch

Found = tuple[Made, list[Any], list[Any], list[float], Sums | None]
_made: dict[tuple, Made] = {}  # by the formula: each is compiled once
_PRODUCTS = {"{0} * {1}": "product({0}, {1})", "{0} * {0}": "product({0}, {0})"}


def joined(group: Group) -> Found | None:
    """A kernel for all launches of a group, and what it is given; None if nothing that it computes is wanted."""
    joint = Joint()
    for launch in group.launches:
        joint.take(launch, group.launches)
    return joint.kernel(group)


class Joint:
    """The formula under way: its steps, and which value is in which memory by now."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self.arrays: dict[tuple, tuple[str, np.dtype, Any]] = {}  # what is read: name, dtype to compute with, the array
        self.numbers: dict[str, float] = {}
        self.values: dict[tuple, str] = {}  # what is written, by where
        self.wanted: dict[tuple, Any] = {}  # of these the arrays that somebody reads later
        self.added: list[tuple[str, Any]] = []  # what is added up, and where to

    # ---- launch by launch ----

    def take(self, launch: Launch, together: list[Launch]) -> None:
        """Its steps after those that are there."""
        formula, name = launch.made.formula, launch.made.name
        known = {n: self._read(x, dtype) for (n, dtype), x in zip(formula.read().items(), launch.reads)}
        for n, number in zip(formula.numbers, launch.numbers):
            known[n] = f"n{len(self.numbers) + 1}"
            self.numbers[known[n]] = number
        for step in formula.steps:
            operands = tuple(known[o] if isinstance(o, str) else o for o in step.operands)
            known[step.name] = self._step(step.dtype, step.form, operands, name)
        for step, out, needed in zip(formula.written().values(), launch.outs, launch.needed(together)):
            key = where(out)
            self.values[key] = self._stored(known[step.name], out.dtype, name)
            if needed:
                self.wanted[key] = out
        if launch.sums is not None:
            for value, total in zip(formula.sums().values(), launch.sums.totals):
                self.added.append((self._as(known[value], formula.dtype_of(value), name), total))

    def _step(self, dtype: np.dtype, form: Map, operands: tuple[Any, ...], of: str) -> str:
        name = f"v{len(self.steps) + 1}"
        self.steps[name] = Step(name, dtype, form, operands, of)
        return name

    def _read(self, array: Any, dtype: np.dtype) -> str:
        """What is there: a value that was written before, or the array itself."""
        key = where(array)
        if key in self.values:
            self._round(self.values[key])
            return self.values[key]
        name, _, _ = self.arrays.setdefault((key, dtype), (f"x{len(self.arrays) + 1}", dtype, array))
        return name

    def _stored(self, value: str, dtype: np.dtype, of: str) -> str:
        """The value as memory of that dtype keeps it; each thing that is written is a step of its own."""
        taken = value not in self.steps or value in self.values.values()
        return self._step(dtype, _same(self._dtype(value)), (value,), of) if taken else self._as(value, dtype, of)

    def _as(self, value: str, dtype: np.dtype, of: str) -> str:
        have = self._dtype(value)
        return value if have == dtype else self._step(dtype, _same(have), (value,), of)

    def _dtype(self, value: str) -> np.dtype:
        if value in self.steps:
            return self.steps[value].dtype
        return next(dtype for name, dtype, _ in self.arrays.values() if name == value)

    def _round(self, value: str) -> None:
        """Let a product that another op reads be rounded; one whose sign was changed, or that was copied, too."""
        step = self.steps.get(value)
        if step is None or step.form.dtype != step.dtype or step.dtype.kind != "f" or step.dtype.itemsize < 4:
            return
        if step.form.text in _PRODUCTS:
            self.steps[value] = replace(step, form=replace(step.form, text=_PRODUCTS[step.form.text]))
        elif step.form.text in ("{0}", "-{0}") and isinstance(step.operands[0], str):
            self._round(step.operands[0])

    # ---- the whole ----

    def kernel(self, group: Group) -> Found | None:
        """What is wanted, of what that needs."""
        written = [(self.values[key], out) for key, out in self.wanted.items()]
        given = written + self.added
        if not given:
            return None
        needed = {value for value, _ in given}
        for step in reversed(self.steps.values()):
            if step.name in needed:
                needed |= {o for o in step.operands if isinstance(o, str)}
        steps = tuple(step for step in self.steps.values() if step.name in needed)
        arrays = [(name, dtype, x) for name, dtype, x in self.arrays.values() if name in needed]
        numbers = {n: number for n, number in self.numbers.items() if n in needed}
        called = [f"out{k}" for k in range(1, len(given) + 1)]
        summed = called[len(written) :]
        kinds = tuple((name, dtype) for name, dtype, _ in arrays)
        formula = Formula(kinds, tuple(numbers), steps, tuple(v for v, _ in given), tuple(called), (), tuple(summed))
        stored = {name: x.dtype for name, _, x in arrays} | {name: x.dtype for name, (_, x) in zip(called, given)}
        sums = None if group.sums is None else group.sums._replace(totals=[x for _, x in self.added])
        made = _known(formula, stored, list(dict.fromkeys(each.made.name for each in group.launches)))
        return made, [x for *_, x in arrays], [x for _, x in written], list(numbers.values()), sums


def where(array: Any) -> tuple:
    """Where an array lies, and how."""
    return array.data.ptr, array.dtype, array.shape, array.strides


def _same(dtype: np.dtype) -> Map:
    """The step that only converts."""
    return Map("{0}", (Operand(None, dtype),), dtype, -1)


def _known(formula: Formula, stored: dict[str, np.dtype], ops: list[str]) -> Made:
    """The kernels of that formula, which may have been made before."""
    steps = tuple(
        (s.name, s.dtype, s.form.text, s.form.dtype, tuple(o.dtype for o in s.form.operands), s.operands)
        for s in formula.steps
    )
    key = (
        formula.arrays,
        formula.numbers,
        repr(steps),
        formula.results,
        formula.called,
        formula.summed,
        tuple(stored.items()),
    )
    if key not in _made:
        name = "_".join(ops) if len(ops) < 4 else f"{ops[0]}_and_{len(ops) - 1}_more"
        _made[key] = Made(name, " · ".join(ops), formula, (*dict(formula.arrays), *formula.numbers), stored)
    return _made[key]
