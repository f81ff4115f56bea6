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
    work = [step for program in programs for step in program.work]
    read, written, held = traffic(left, work)
    buffers = sum(program.bytes for program in programs)
    times = f": {(read + written) / held:.1f} times the {held} bytes of its inputs and states" if held else ""
    effects = "".join(f"; {i.of} is not counted" for i in left.instructions if i.effect)
    lines = [
        f"a program: {counts}",
        f"left out by the passes: {left_out(recorded)}; computed once, with the program: {once}",
        passages(left, work),
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


def passages(graph: Graph, work: list[Any]) -> str:
    """How often a run goes over memory: once for each NumPy call, and for each nest of loops in C, whatever it computes."""
    known = constants(graph)
    calls = [
        i
        for i in work
        if isinstance(i, Instruction) and not i.views and not i.effect and not known.issuperset(i.results or (-1,))
    ]
    nests = [step for step in work if not isinstance(step, Instruction)]
    loops = (
        f" and {len(nests)} nests of loops in C, which do {sum(len(n.stages) for n in nests)} instructions" if nests else ""
    )
    effects = sum(isinstance(i, Instruction) and i.effect is not None for i in work)
    return f"passages over memory: {len(calls)} NumPy calls{loops}" + (
        f"; steps called as they stand: {effects}" if effects else ""
    )


def traffic(graph: Graph, work: list[Any]) -> tuple[int, int, int]:
    """The bytes that the work reads and writes in a run, and those of inputs and states; effects are not looked into.

    What a nest of loops makes and uses itself does not go through memory.
    """
    known = constants(graph)
    read = written = 0
    for nest in work:
        if not isinstance(nest, Instruction):
            read += sum(_bytes(graph.values[place]) for place in set(nest.reads()) - set(nest.made))
            stored = {s.form.target for s in nest.stages if not s.is_new} | nest.stored
            written += sum(_bytes(graph.values[place]) for place in stored)
    alone = {id(step) for step in work if isinstance(step, Instruction)}
    held: dict[int, int] = {}
    for i in graph.instructions:
        for v in (graph.values[place] for place in i.reads()):
            root = graph.values[v.memory]
            if root.kind != "computed":
                held[v.memory] = max(held.get(v.memory, 0), _bytes(root))
        if id(i) in alone and not i.views and not i.effect and not (i.results and known.issuperset(i.results)):
            read += _read(graph, i)
            written += _written(graph, i)
    return read, written, sum(held.values())


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
