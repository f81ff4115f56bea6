"""What `explain()` tells of a program beside the program itself: what the passes left out, memory, what was burned in."""

from __future__ import annotations

import math
import operator
import re
import textwrap
from collections import Counter
from typing import Any

from .graph import Graph, Instruction, Ref, Value, refs
from .numpy_source import Program
from .passes import PASSES, constants
from .state import Guard

WIDTH = 96
_ABOUT = re.compile(r"the (shape|dtype|strides|kind|memory|history) of|(hooks) of|(requires_grad)$|(training)$")


def explained(recorded: Graph, left: Graph, programs: list[Program], guard: Guard) -> str:
    """Some lines. recorded, left: the graph before the passes and after them; programs: forward and backward, or one."""
    views = sum(i.views for i in left.instructions)
    counts = f"{len(recorded.instructions)} instructions recorded, {len(left.instructions)} left, of which {views} are views"
    known = constants(left)
    once = sum(bool(i.results) and known.issuperset(i.results) for i in left.instructions)
    (read, written), held = traffic(programs), held_before(left)
    buffers = sum(program.bytes for program in programs)
    times = f": {(read + written) / held:.1f} times the {held} bytes of its inputs and states" if held else ""
    effects = "".join(f"; {i.of} is not counted" for i in left.instructions if i.effect)
    lines = [
        f"a program: {counts}",
        f"left out by the passes: {left_out(recorded)}; computed once, with the program: {once}",
        passages(programs),
        f"memory: {buffers} bytes of buffers, which stay from run to run",
        f"a run reads {read} bytes and writes {written}{times}{effects}",
        f"{len(guard.conditions)} conditions, looked at before each run: {burned_in(guard)}",
    ]
    return "\n   ".join(part for line in lines for part in textwrap.wrap(line, WIDTH))


def left_out(graph: Graph) -> str:
    """How many instructions each pass leaves out."""
    counts = []
    for shorten in PASSES:
        before, graph = len(graph.instructions), shorten(graph)
        if before != len(graph.instructions):
            counts.append(f"{before - len(graph.instructions)} {shorten.__name__}")
    return ", ".join(counts) or "none"


def burned_in(guard: Guard) -> str:
    """How many conditions there are on what."""
    kinds: Counter[str] = Counter()
    for condition, about in guard.told.items():
        found = _ABOUT.search(about)
        if found:
            kinds[found[found.lastindex]] += 1  # type: ignore[index]
        else:
            kinds["identity" if re.search(r" is t\d+$", condition) else "numbers and modes"] += 1
    return ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())


def passages(programs: list[Program]) -> str:
    """How often a run goes over memory: once for each NumPy call, and for what is done together in one passage."""
    calls = sum(len(_calls(program)) for program in programs)
    together: dict[str, list[int]] = {}
    for step in (step for program in programs for step in program.steps if not isinstance(step, Instruction)):
        together.setdefault(step.told, []).append(step.does)
    loops = "".join(f" and {len(each)} {told}, which do {sum(each)} instructions" for told, each in together.items())
    effects = sum(isinstance(i, Instruction) and i.effect is not None for program in programs for i in program.steps)
    return f"passages over memory: {calls} NumPy calls{loops}" + (
        f"; steps called as they stand: {effects}" if effects else ""
    )


def traffic(programs: list[Program]) -> tuple[int, int]:
    """The bytes that the programs read and write in a run; effects are not looked into."""
    read = written = 0
    for program in programs:
        graph = program.graph
        for i in _calls(program):
            read += _read(graph, i)
            written += _written(graph, i)
        for step in program.steps:
            if not isinstance(step, Instruction):
                reads, writes = step.through_memory(graph)
                read += sum(_bytes(graph.values[place]) for place in reads)
                written += sum(_bytes(graph.values[place]) for place in writes)
    return read, written


def _calls(program: Program) -> list[Instruction]:
    """The NumPy calls that compute something in each run: no views, nor what is always the same."""
    known, steps = constants(program.graph), [step for step in program.steps if isinstance(step, Instruction)]
    return [i for i in steps if not i.views and not i.effect and not (i.results and known.issuperset(i.results))]


def held_before(graph: Graph) -> int:
    """The bytes of inputs and states that are read."""
    held: dict[int, int] = {}
    for v in (graph.values[place] for i in graph.instructions for place in i.reads()):
        root = graph.values[v.memory]
        if root.kind != "computed":
            held[v.memory] = max(held.get(v.memory, 0), _bytes(root))
    return sum(held.values())


def _read(graph: Graph, i: Instruction) -> int:
    """The bytes of its operands; of what it takes a part of, those of the part."""
    if i.function is operator.getitem:
        return _sum(graph, i.args[1]) + min(_sum(graph, i.args[0]), sum(_bytes(graph.values[r]) for r in i.results))
    if i.function is operator.setitem:
        return _sum(graph, i.args[1:])
    return _sum(graph, (i.args, {k: v for k, v in i.options.items() if k != "out"}))


def _written(graph: Graph, i: Instruction) -> int:
    if i.function is operator.setitem and isinstance(i.args[2], Ref) and graph.values[i.args[2].place].shape:
        return _sum(graph, i.args[2])
    return sum(_bytes(graph.values[place]) for place in [*i.results, *([] if i.writes is None else [i.writes])])


def _sum(graph: Graph, value: Any) -> int:
    return sum(_bytes(graph.values[place]) for place in {ref.place for ref in refs(value)})


def _bytes(v: Value) -> int:
    """Of the numbers that lie in memory: one that is broadcast lies there once."""
    return math.prod(n for n, stride in zip(v.shape, v.strides) if stride) * v.dtype.itemsize
