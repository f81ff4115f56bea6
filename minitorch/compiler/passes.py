"""Passes: functions from graph to graph, each of which leaves what the step computes as it is.

A step is recorded as it was written, and NumPy's calls are few: what is left to find are values computed twice, and values that
nobody reads. Read next: `numpy_source.py`, which prints what is left and lays it out in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .graph import Graph, Instruction, Ref, mapped

_UNDEFINED = {np.empty}  # whose numbers may be any
_MAKERS = {np.zeros, np.ones, np.full, np.arange, np.eye, np.zeros_like, np.ones_like, np.tri}  # of numbers that are known


def without_the_dead(graph: Graph) -> Graph:
    """Leave out instructions whose results nobody reads: neither the step's results, nor states, nor an effect.

    Backward through the list: an instruction is needed if it makes or changes memory that is read later.
    """
    needed = graph.handed_out()
    lasting = {v.memory for v in graph.values if v.kind != "computed"}
    kept: list[Instruction] = []
    for i in reversed(graph.instructions):
        changed = {graph.memory(r) for r in i.results} | ({graph.memory(i.writes)} if i.writes is not None else set())
        if (
            i.effect
            or not changed
            or not changed.isdisjoint(needed)
            or (i.writes is not None and graph.memory(i.writes) in lasting)
        ):
            kept.append(i)
            needed |= {graph.memory(place) for place in i.reads()}
    return replace(graph, instructions=kept[::-1])


def without_repetition(graph: Graph) -> Graph:
    """Compute once what was computed twice of the same values, none of which has been written to in between.

    Random numbers are drawn within opaque ops, which are left alone.
    """
    known: dict[Any, int] = {}
    instead: dict[int, int] = {}
    changing = graph.written() | graph.handed_out()
    states = {v.memory for v in graph.values if v.kind in ("state", "gradient")}
    writes: Counter[int] = Counter()  # so far, to each memory
    kept = []
    for i in graph.instructions:
        if not instead.keys().isdisjoint(i.reads()) or i.writes in instead:
            args, options = mapped(lambda a: _instead(a, instead), (i.args, i.options))
            i = i.changed(args=args, options=options, writes=instead.get(i.writes, i.writes))  # type: ignore[arg-type]
        is_new = len(i.results) == 1 and graph.memory(i.results[0]) not in changing
        if len(i.results) == 1 and not i.opaque and not i.effect and (i.views or is_new):
            versions = tuple(writes[graph.memory(p)] for p in i.reads()) if not i.views else ()
            key = (i.function, key_of((i.args, i.options)), versions)
            if key in known:
                instead[i.results[0]] = known[key]
                continue
            known[key] = i.results[0]
        if i.writes is not None:
            writes[graph.memory(i.writes)] += 1
        if i.effect:
            writes.update(states)
            gradients = [(t, instead.get(p, p)) for t, p in i.effect.gradients]
            i = i.changed(effect=replace(i.effect, gradients=gradients))
        kept.append(i)
    outputs = [instead.get(place, place) for place in graph.outputs]
    return replace(graph, instructions=kept, outputs=outputs, values=_joined(graph, instead))


def _joined(graph: Graph, instead: dict[int, int]) -> list:
    """The values, where views of what is left out are in the memory of what stands in for it."""
    memory = {a: graph.memory(b) for a, b in instead.items() if graph.memory(a) == a}
    return [v.changed(memory=memory[v.memory]) if v.memory in memory else v for v in graph.values]


def _instead(value: Any, instead: dict[int, int]) -> Any:
    return Ref(instead[value.place]) if isinstance(value, Ref) and value.place in instead else value


def _place(ref: Ref) -> Any:
    return ref.place


def key_of(value: Any, known_as: Callable[[Ref], Any] = _place) -> Any:
    """Arguments as something that is equal if they are the same to the last bit. known_as: what a value is told by."""
    kind = type(value)
    if kind is Ref:
        return kind, known_as(value)
    if kind is int or kind is str or kind is bool or value is None:
        return kind, value
    if isinstance(value, (tuple, list)):
        return kind, tuple([key_of(each, known_as) for each in value])
    if isinstance(value, dict):
        return tuple([(k, key_of(v, known_as)) for k, v in value.items()])
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, slice):
        return "slice", key_of((value.start, value.stop, value.step), known_as)
    if isinstance(value, (bool, int, float, str, type(None), np.dtype, type, Ref)) or value is Ellipsis:
        return type(value), repr(value)
    return id(value)


def constants(graph: Graph) -> set[int]:
    """The values that are the same numbers in every run: made of nothing but numbers, written to by nobody, and not handed out."""
    changing = graph.written() | graph.handed_out()
    found: set[int] = set()
    for i in graph.instructions:
        read, lone = i.reads(), len(i.results) == 1 and not i.opaque and graph.memory(i.results[0]) not in changing
        if lone and (i.function in _MAKERS or found.issuperset(read)) and (read or i.function not in _UNDEFINED):
            found.update(i.results)
    return found


def courses_first(graph: Graph) -> Graph:
    """Put first what decides whether the program holds, before it has changed anything, and what that is made of."""
    makers = {r: i for i in graph.instructions for r in i.results}
    first: set[int] = set()
    stack = [i for i in graph.instructions if i.decides]
    while stack:
        i = stack.pop()
        if id(i) not in first:
            first.add(id(i))
            stack += [makers[place] for place in i.reads() if place in makers]
    return replace(graph, instructions=sorted(graph.instructions, key=lambda i: id(i) not in first))


PASSES = [without_repetition, without_the_dead, courses_first]


def shortened(graph: Graph) -> Graph:
    """The graph after all passes."""
    for shorten in PASSES:
        graph = shorten(graph)
    return graph
