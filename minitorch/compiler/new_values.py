"""A pass: what is written over becomes a new value, so that the same formula, written twice, is seen to be the same.

    multiply(x, x, out=a)          a_2 = multiply(x, x)
    add(a, 1, out=a)               a_3 = add(a_2, 1)

An op's faster form computes in one piece of memory; gelu's computes Φ(x) forward and again backward. As new values both are one
(`passes.without_repetition`), and a program lays them out in as little memory again (`numpy_source.py`): a result takes over an operand's.
This is done for memory that a step makes for itself, and writes as a whole.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy as np

from .blocked import MAKERS, is_all, same_ranges
from .forms import type_of
from .graph import Graph, Instruction, Ref, Value, mapped


def in_new_values(graph: Graph) -> Graph:
    """The graph with a new value for each write that can be one."""
    renewal = _Renewal(graph)
    if not renewal.served:
        return graph
    for i in graph.instructions:
        renewal.take(i)
    return replace(graph, values=renewal.values, instructions=renewal.done)


class _Renewal:
    """The instructions so far, and where the numbers of each memory are now."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.values, self.same = graph, [*graph.values], same_ranges(graph)
        self.served = self._serves()
        self.now = {memory: memory for memory in self.served}  # the value that has a memory's numbers
        self.views: dict[tuple[int, tuple[int, ...]], int] = {}
        self.names = {v.name for v in graph.values}
        self.unused = {
            graph.values[r].name for i in graph.instructions if i.function in MAKERS for r in i.results if r in self.served
        }
        self.done: list[Instruction] = []

    def _serves(self) -> set[int]:
        """The memories of which every value is the whole, and every write is an operation on numbers.

        They lie in rows, as a new value does: the last bit of a sum depends on the order in which numbers lie.
        """
        values, written = (
            self.graph.values,
            {self.graph.memory(i.writes) for i in self.graph.instructions if i.writes is not None},
        )
        made = {r for i in self.graph.instructions if len(i.results) == 1 and i.picks is None for r in i.results}
        written = {
            m
            for m in written - self.graph.handed_out()
            if values[m].kind == "computed" and values[m].is_in_rows and m in made
        }
        for v in values:
            if v.memory in written and (self.same[v.place] != v.memory or v.dtype != values[v.memory].dtype or v.is_number):
                written.discard(v.memory)
        for i in self.graph.instructions:
            if i.writes is not None and self._new_value(i) is None:
                written.discard(self.graph.memory(i.writes))
        return written

    def _new_value(self, i: Instruction) -> tuple | None:
        """The operands of a write that could as well make a new value of the same dtype and shape; None if it could not."""
        target = self.graph.values[i.writes]  # type: ignore[index]
        if i.function is operator.setitem and is_all(i.args[1], target) and isinstance(i.args[2], Ref):
            v = self.graph.values[i.args[2].place]
            return (i.args[2],) if (v.shape, v.dtype) == (target.shape, target.dtype) else None
        ufunc: Any = i.function
        if (
            not isinstance(ufunc, np.ufunc)
            or ufunc.signature is not None
            or ufunc.nout != 1
            or not set(i.options) <= {"out"}
        ):
            return None
        args = i.args[: ufunc.nin]
        try:
            *_, gives = ufunc.resolve_dtypes((*(type_of(a, self.graph) for a in args), None))
        except TypeError:
            return None
        shapes = [self.graph.values[a.place].shape for a in args if isinstance(a, Ref)]
        return args if gives == target.dtype and np.broadcast_shapes(*shapes) == target.shape else None

    # ---- instructions ----

    def take(self, i: Instruction) -> None:
        """The next instruction."""
        if i.views and len(i.results) == 1 and self.graph.memory(i.results[0]) in self.served:
            return  # (views are made for who reads them)
        if i.writes is not None and (memory := self.graph.memory(i.writes)) in self.served:
            args = tuple(self._read(a, i) for a in self._new_value(i) or ())
            function = np.ndarray.copy if i.function is operator.setitem else i.function
            self.now[memory] = self._make(i, function, args, self.graph.values[i.writes])
            return
        if not self.served.isdisjoint(map(self.graph.memory, i.reads())):
            args, options = mapped(lambda a: self._read(a, i), (i.args, i.options))
            i = i.changed(args=args, options=options)
        self.done.append(i)

    def _read(self, value: Any, i: Instruction) -> Any:
        """What an instruction reads, as it is now."""
        if not isinstance(value, Ref) or self.graph.memory(value.place) not in self.served:
            return value
        v, now = self.graph.values[value.place], self.now[self.graph.memory(value.place)]
        if self.values[now].shape == v.shape:
            return Ref(now)
        if (now, v.shape) not in self.views:
            self.views[now, v.shape] = self._make(i, np.ndarray.reshape, (Ref(now), v.shape), v, memory=now, views=True)
        return Ref(self.views[now, v.shape])

    def _make(
        self, i: Instruction, function: Any, args: tuple, like: Value, memory: int | None = None, views: bool = False
    ) -> int:
        place, n, name = len(self.values), 2, like.name
        while name in self.names - self.unused:
            name, n = f"{like.name}_{n}", n + 1
        self.names.add(name)
        self.unused.discard(name)
        strides = np.empty(like.shape, like.dtype).strides
        self.values.append(
            Value(place, like.shape, like.dtype, strides, self.values[memory].memory if memory is not None else place, name)
        )
        made = Instruction(function, args, {}, (place,), i.of, views=views, late=i.late, part=i.part)
        self.done.append(made)
        return place
