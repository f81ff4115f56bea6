"""A pass: small parameters side by side, so that an optimizer's rule runs once over all of them, as one array.

    of each parameter                        of all
    multiply(exp_avg_of_w, 0.9, out=…)       multiply(exp_avg, 0.9, out=…)
    subtract(w, change_of_w, out=w)          subtract(w, change[0:12].reshape(3, 4), out=w), …

On a small array a call costs more than its numbers, and Adam makes 13 calls for each parameter. A rule treats each number by itself, so
the numbers are the same, bit by bit. What is remembered lies side by side already (`kernels/cpu/optim.py` has moved it there), gradients
are copied into one array by one call, and a parameter stays where it is: its last operation is done in its own memory.
Read next: `updates.py`, which records the rule.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..arrays.recorded import Deviates
from ..kernels.cpu.optim import FEW, SERVED, SMALL, joined
from .graph import Graph, Instruction, Ref, Value, mapped
from .passes import key_of

_OF_NUMBERS = {operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.neg, np.ndarray.item}
_BY_NUMBER = {
    operator.pow,
    np.empty_like,
    np.zeros_like,
    np.ones_like,
    np.copyto,
    np.ndarray.copy,
    np.where,
    operator.setitem,
}

_SERVING = _OF_NUMBERS | _BY_NUMBER


def side_by_side(graph: Graph) -> Graph:
    """Put together what a rule does to parameters that are small, of one dtype, in the same step, and in memories of their own."""
    parts: dict[tuple[int, int], Part] = {}
    for i in graph.instructions:
        if i.part is not None and i.part[1] >= 0:
            parts.setdefault(i.part, Part(graph, i.part[1])).add(i)
    groups: dict[Any, list[Part]] = {}
    for (which, _), part in parts.items():
        if part.is_small and part.key is not None:
            groups.setdefault((which, *part.key), []).append(part)
    together = [group for group in groups.values() if len(group) > FEW and _gains(group[0])]
    if not together or not _lie_apart(graph, parts):
        return graph
    values = [*graph.values]
    begins = {id(group[0].instructions[0]): _Merger(graph, values, group).run() for group in together}
    gone = {id(i) for group in together for part in group for i in part.instructions}
    checks = [check for _, checks in begins.values() for check in checks]
    instructions = [*checks]
    for i in graph.instructions:
        instructions += begins[id(i)][0] if id(i) in begins else [] if id(i) in gone else [i]
    return replace(graph, values=values, instructions=instructions)


@dataclass
class Part:
    """What the rule does to one parameter, and what it has in common with what it does to others."""

    graph: Graph
    parameter: int
    instructions: list[Instruction] = field(default_factory=list)
    made: dict[int, int] = field(default_factory=dict)  # by value: the place, in the list, of the instruction that makes it
    columns: list[int] = field(default_factory=list)  # arrays of the parameter's shape that were there before
    numbers: list[int] = field(default_factory=list)  # and numbers: how many steps there were
    key: list | None = field(default_factory=list)  # the instructions without the values' own names; None: it goes alone

    @property
    def value(self) -> Value:
        """The parameter."""
        return self.graph.values[self.parameter]

    @property
    def is_small(self) -> bool:
        """Whether a call costs more than the numbers."""
        v = self.value
        return v.ndim > 0 and v.is_in_rows and v.dtype in SERVED and 0 < math.prod(v.shape) * v.dtype.itemsize < SMALL

    def add(self, i: Instruction) -> None:
        """One more instruction."""
        serves = (isinstance(i.function, np.ufunc) and i.function.signature is None) or i.function in _SERVING
        fills = i.function is np.ndarray.fill and self._is_a_number(i.args[0].place)
        whole = i.function is not operator.setitem or i.args[1] is Ellipsis
        if self.key is None or not ((serves and whole) or fills) or i.picks is not None or i.opaque or i.decides:
            self.key = None
            self.instructions.append(i)
            return
        told = key_of((i.args, i.options), self._known_as)
        self.key.append((i.function, told, i.writes is not None, [self._kind(r) for r in i.results] == ["?"]))
        for r in i.results:
            self.made[r] = len(self.instructions)
        self.instructions.append(i)
        if "?" in map(self._kind, [*i.reads(), *i.results]):
            self.key = None

    def _is_a_number(self, place: int) -> bool:
        return self.graph.values[place].shape == ()

    def _kind(self, place: int) -> str:
        v = self.graph.values[place]
        is_known = v.kind in ("state", "option", "computed")
        return "number" if is_known and v.shape == () else "column" if is_known and v.shape == self.value.shape else "?"

    def _known_as(self, ref: Ref) -> tuple:
        """A value as it is told in the key."""
        v = self.graph.values[ref.place]
        if v.place in self.made:
            return "made", self.made[v.place]
        if v.kind == "option":
            return "option", v.place
        if self._is_a_number(v.place):
            if v.place not in self.numbers:
                self.numbers.append(v.place)
            now = v.array.item() if v.kind == "state" else None  # (of a number that the step computes: it is not known)
            return "number", self.numbers.index(v.place), repr(now) if now is not None else v.place
        if v.place not in self.columns:
            self.columns.append(v.place)
        return "column", self.columns.index(v.place), v.dtype, v.kind == "state"


def _gains(part: Part) -> bool:
    """Whether there is more to do with an array of all than to make it: to copy gradients, and views of what is made."""
    return len(part.instructions) > 4


def _lie_apart(graph: Graph, parts: Iterable[tuple[int, int]]) -> bool:
    """Whether what is written for one parameter, once, is nothing that is read or written for another."""
    known = set(parts)
    owners: dict[int, set[Any]] = {}
    written = set()
    for i in graph.instructions:
        part = i.part if i.part in known else None
        if i.writes is not None:
            owners.setdefault(graph.memory(i.writes), set()).add(part)
        if part is not None:
            written |= {graph.memory(i.writes)} if i.writes is not None else set()
            for place in i.reads():
                owners.setdefault(graph.memory(place), set()).add(part)
    return all(len(owners[memory]) == 1 for memory in written)


def in_one_step(*steps: np.ndarray) -> None:
    """Refuse if the parameters are not in the same step any more."""
    first = steps[0].item()
    for step in steps:
        if step.item() != first:
            raise Deviates


def _instead(places: dict, value: Any) -> Any:
    """A value, or what stands in for it."""
    return Ref(places.get(value.place, value.place)) if isinstance(value, Ref) else value


class _Merger:
    """The instructions of some parts as those of all."""

    def __init__(self, graph: Graph, values: list[Value], parts: list[Part]) -> None:
        self.graph, self.values, self.parts, self.first = graph, values, parts, parts[0]
        self.names = {v.name for v in values} - {values[place].name for place in parts[0].made}
        self.ends = np.cumsum([math.prod(part.value.shape) for part in parts]).tolist()
        self.all: dict[int, int] = {}  # the value of all, by that of the first
        self.done: list[Instruction] = []
        self.copied: list[int] = []  # columns that are copied, by their place in the list
        self.views: dict[tuple[int, int], Ref] = {}

    def run(self) -> tuple[list[Instruction], list[Instruction]]:
        """The instructions, and checks that belong before all others."""
        self.own = {n for n in range(len(self.first.columns)) if self._is_changed_alone(n)}
        for n in range(len(self.first.columns)):
            if n not in self.own:
                self._column(n)
        for nr, i in enumerate(self.first.instructions):
            self._instruction(nr, i)
        for n in self.copied:
            whole = self.all[self.first.columns[n]]
            if any(i.writes == self.first.columns[n] for i in self.first.instructions):
                for k, part in enumerate(self.parts):
                    target = part.columns[n]
                    self.done.append(self._new(np.copyto, (Ref(target), self._part_of(whole, k)), writes=target))
        checks = [
            self._new(in_one_step, tuple(Ref(part.numbers[n]) for part in self.parts), decides=True)
            for n in range(len(self.first.numbers))
            if self.graph.values[self.first.numbers[n]].kind == "state"
        ]
        return self.done, checks

    # ---- values ----

    def _value(self, name: str, dtype: np.dtype, **known: Any) -> int:
        n, fresh = 1, name
        while fresh in self.names:
            n += 1
            fresh = f"{name}_{n}"
        self.names.add(fresh)
        place = len(self.values)
        self.values.append(Value(place, (self.ends[-1],), dtype, (dtype.itemsize,), place, fresh, **known))
        return place

    def _new(self, function: Any, args: tuple, results: tuple = (), **more: Any) -> Instruction:
        return Instruction(function, args, more.pop("options", {}), results, self.first.instructions[0].of, **more)

    def _is_changed_alone(self, n: int) -> bool:
        """Whether a column is nothing but written to in place, once or twice: that is done where it lies."""
        place = self.first.columns[n]
        if self._joined(n) is not None:
            return False
        uses = [i for i in self.first.instructions if place in i.reads() or i.writes == place]
        in_place = [i for i in uses if i.writes == place and isinstance(i.function, np.ufunc)]
        return len(uses) == len(in_place) <= 2

    def _joined(self, n: int) -> np.ndarray | None:
        """The arrays of a column as one, if they lie one after another."""
        column = [self.graph.values[part.columns[n]] for part in self.parts]
        is_known = all(v.kind == "state" and v.is_in_rows for v in column)
        return joined([v.array for v in column]) if is_known else None

    def _column(self, n: int) -> None:
        """One value for a column: the memory in which it lies, or a copy of it."""
        v, whole = self.graph.values[self.first.columns[n]], self._joined(n)
        name = v.name.split("_of_")[0] if v.kind == "state" else "gradients"
        name = "parameters" if v.place == self.first.parameter else name
        if whole is not None:
            self.all[v.place] = place = self._value(name, v.dtype, kind="state", array=whole)
            inside = {self.graph.memory(part.columns[n]) for part in self.parts}
            self.values[:] = [w.changed(memory=place) if w.memory in inside else w for w in self.values]
            return
        self.all[v.place] = place = self._value(name, v.dtype)
        column = tuple(Ref(part.columns[n]) for part in self.parts)
        self.done.append(self._new(np.concatenate, (column,), (place,), options={"axis": None}))
        self.copied.append(n)

    def _part_of(self, whole: int, k: int) -> Ref:
        """What belongs to a parameter, of a value of all."""
        if (whole, k) not in self.views:
            v, w, start = self.parts[k].value, self.values[whole], self.ends[k - 1] if k else 0
            views: list[tuple[Any, Any, tuple[int, ...]]] = [
                (operator.getitem, slice(start, self.ends[k]), (self.ends[k] - start,))
            ]
            views += [(np.ndarray.reshape, v.shape, v.shape)] * (v.ndim > 1)
            place = whole
            for function, how, shape in views:
                name = f"{w.name}_of_{v.name}" if shape == v.shape else f"{w.name}_{start}_{self.ends[k]}"
                made = self._value(name, w.dtype)
                strides = v.strides if shape == v.shape else (w.dtype.itemsize,)
                self.values[made] = self.values[made].changed(shape=shape, strides=strides, memory=w.memory)
                self.done.append(self._new(function, (Ref(place), how), (made,), views=True))
                place = made
            self.views[whole, k] = Ref(place)
        return self.views[whole, k]

    # ---- instructions ----

    def _instruction(self, nr: int, i: Instruction) -> None:
        """An instruction of numbers is that of the first; one that changes a number is done for each; others are those of all."""
        touched = [*i.reads(), *i.results, *([] if i.writes is None else [i.writes])]
        if all(self.graph.values[place].shape == () for place in touched):
            self.done += [i] if i.writes is None else list(self._each_number(nr))
        elif i.writes in [self.first.columns[n] for n in self.own]:
            self.done += list(self._each_column(nr))
        else:
            for r in i.results:
                self.all[r] = self._value(self.graph.values[r].name, self.graph.values[r].dtype)
            args, options = mapped(
                lambda a: Ref(self.all.get(a.place, a.place)) if isinstance(a, Ref) else a, (i.args, i.options)
            )
            writes = None if i.writes is None else self.all[i.writes]
            self.done.append(
                i.changed(args=args, options=options, results=tuple(self.all[r] for r in i.results), writes=writes)
            )

    def _each_number(self, nr: int) -> Iterator[Instruction]:
        for part in self.parts:
            i, target = self.first.instructions[nr], part.instructions[nr].writes
            args, options = mapped(
                partial(_instead, {i.writes: target}), (i.args, i.options)
            )  # (all else is a number of the first)
            yield i.changed(args=args, options=options, writes=target)

    def _each_column(self, nr: int) -> Iterator[Instruction]:
        i = self.first.instructions[nr]
        for k, part in enumerate(self.parts):
            target = part.instructions[nr].writes

            def own(a: Any, k: int = k, target: Any = target) -> Any:
                if not isinstance(a, Ref):
                    return a
                return (
                    Ref(target) if a.place == i.writes else self._part_of(self.all[a.place], k) if a.place in self.all else a
                )

            args, options = mapped(own, (i.args, i.options))
            yield i.changed(args=args, options=options, writes=target)
