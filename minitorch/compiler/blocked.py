"""A pass: instructions that treat each row by itself are done together, a block of rows at a time.

Each NumPy call goes over its arrays once; ten of them on 16 MB read and write 16 MB ten times. Done for 256 rows, and then for the next,
they find their operands in a core's cache, and threads share the blocks (`kernels/cpu/blocks.py` has the sizes, and why). What is
needed within a block alone is never made as a whole. The calls are the same on each row, so the numbers are, to the last bit.

What is a row: the first dimension of all arrays of a group is cut, each into the same number of parts. An array of more rows has several in
each part: x.reshape(-1), of a matrix x, as many as x has columns. Read next: `numpy_blocks.py`, which prints them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..kernels.cpu.blocks import LEAST
from .forms import _SUMS as REDUCTIONS
from .graph import Graph, Instruction, Ref, Value
from .passes import constants

LARGE = 2 * LEAST  # numbers: fewer are not worth two blocks
MAKERS = {np.empty, np.empty_like}  # of memory whose numbers are written later
COPIES = {np.ndarray.copy, np.copy, np.copyto, np.zeros_like, np.ones_like}
VIEWS = {np.ndarray.reshape, np.reshape, np.ndarray.view, operator.getitem}


@dataclass(eq=False)
class Blocked:
    """A group of instructions, and the number of parts that their arrays can be cut into."""

    instructions: list[Instruction] = field(default_factory=list)
    parts: int = 0
    size: int = 0  # how many numbers the largest of its arrays has
    inside: set[int] = field(default_factory=set)  # the memories that are needed within a block alone
    whole: set[int] = field(default_factory=set)  # values that are read as they are, in each block
    same: list[int] = field(default_factory=list)  # for each value the first of the same numbers in the same order

    told = "groups of calls on blocks of rows"  # in `explain()`

    @property
    def does(self) -> int:
        """How many instructions it stands for."""
        return len(self.instructions)

    def through_memory(self, graph: Graph) -> tuple[set[int], set[int]]:
        """The values that it reads from memory, and those that it writes there: what stays within a block is not among them."""
        written = {graph.memory(place) for place in self.results} - self.inside
        return {graph.memory(place) for place in self.reads()} - self.inside - written, written

    def reads(self) -> list[int]:
        """The values that it reads, as of an instruction."""
        return [place for i in self.instructions for place in i.reads()]

    @property
    def results(self) -> tuple[int, ...]:
        """The values that it makes or writes to."""
        return tuple(p for i in self.instructions for p in (*i.results, *(() if i.writes is None else (i.writes,))))

    @property
    def of(self) -> str:
        """The ops that it computes."""
        return ", ".join(dict.fromkeys(i.of for i in self.instructions))


def blocked(graph: Graph) -> list[Instruction | Blocked]:
    """The graph's instructions in their order, as many as can be in groups."""
    if not any(math.prod(v.shape) >= LARGE for v in graph.values):
        return [*graph.instructions]
    grouping = _Grouping(graph)
    for i in graph.instructions:
        grouping.take(_without_an_example(i, graph))
    grouping.close()
    inside = _find_what_stays_inside(graph, grouping)
    return [
        step
        for step in grouping.done
        if isinstance(step, Blocked) or not _is_no_call(step) or graph.memory(step.results[0]) not in inside
    ]


def _without_an_example(i: Instruction, graph: Graph) -> Instruction:
    """`empty_like(x)` as `empty(shape, dtype)`: it does not read x."""
    if i.function is np.empty_like and graph.values[i.results[0]].is_in_rows:
        v = graph.values[i.results[0]]
        return i.changed(function=np.empty, args=(v.shape, v.dtype), options={})
    return i


def _is_no_call(i: Instruction) -> bool:
    """Whether it names memory, and does not touch the numbers in it."""
    return len(i.results) == 1 and (i.views or i.function in MAKERS)


class _Grouping:
    """The group that is open, and what is done."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.constants = graph, constants(graph)
        self.same = same_ranges(graph)
        self.done: list[Any] = []
        self._begin()

    def _begin(self) -> None:
        self.open = Blocked()
        self.after: list[Instruction] = []  # views of what the group makes
        self.outside: set[int] = set()  # and their places, which nothing in the group may read
        self.made: set[int] = set()  # the values that the group makes
        self.read: dict[int, set[int]] = {}  # by memory: which ranges of it are read,
        self.written: dict[int, set[int]] = {}  # and which are written

    def close(self) -> None:
        """The open group is done."""
        calls = [i for i in self.open.instructions if not i.views]
        size = max((math.prod(self.graph.values[p].shape) for i in calls for p in [*i.reads(), *i.results]), default=0)
        self.open.size = size
        if len(calls) > 1 and size >= LARGE and self.open.parts > 1:
            self.done += [self.open, *self.after]
        else:
            self.done += [*self.open.instructions, *(i for i in self.after if i not in self.open.instructions)]
        self._begin()

    def take(self, i: Instruction) -> None:
        """The next instruction."""
        lone = len(i.results) == 1 and i.writes is None and not (i.opaque or i.effect or i.decides)
        depends = self._depends(i)
        if lone and not depends and (i.views or i.function in MAKERS or i.results[0] in self.constants):
            self.done.append(i)
        elif lone and i.views:
            if not self._add(i):
                self.outside |= set(i.results)
            self.after.append(i)  # (for who reads it outside)
        elif self._add(i):
            return
        elif lone and not depends and self.open.instructions:  # it may as well come before
            self.done.append(i)
        else:
            self.close()
            if not self._add(i):
                self.done.append(i)

    def _depends(self, i: Instruction) -> bool:
        """Whether it reads what the open group makes or writes, or a view of it."""
        memories = {self.graph.memory(p) for p in self.made} | set(self.written)
        views = {r for a in self.after for r in a.results}
        return any(p in self.made or p in views or self.graph.memory(p) in memories for p in i.reads())

    def _add(self, i: Instruction) -> bool:
        """Add it to the open group, if it fits there."""
        shapes = self._rows_of(i)
        if shapes is None or any(p in self.outside for p in i.reads()):
            return False
        rows, whole = shapes
        parts = min([n for n in (self.open.parts, *(self.graph.values[p].shape[0] for p in rows)) if n])
        known = {p for j in self.open.instructions for p in (*j.reads(), *j.results)} - self.open.whole - whole
        cut = [self.graph.values[p].shape[0] for p in (known | rows) if self.graph.values[p].shape]
        if parts < 2 or any(n % parts for n in cut) or (self.open.whole & rows) or (whole & known):
            return False
        reads = [p for p in i.reads() if p in rows]
        writes = [*i.results] if i.writes is None else [i.writes]
        if not i.views and not self._are_apart(reads, whole, writes):
            return False
        self.open.instructions.append(i)
        self.open.parts, self.open.whole = parts, self.open.whole | whole
        self.made |= set(i.results)
        if not i.views:
            for p in reads:
                self.read.setdefault(self.graph.memory(p), set()).add(self.same[p])
            for p in writes:
                self.written.setdefault(self.graph.memory(p), set()).add(self.same[p])
        return True

    def _are_apart(self, reads: Iterable[int], whole: Iterable[int], writes: Iterable[int]) -> bool:
        """Whether blocks do not get in each other's way: of memory that is written all is in one range, cut in the same places."""
        read = {m: set(ranges) for m, ranges in self.read.items()}
        written = {m: set(ranges) for m, ranges in self.written.items()}
        for p in reads:
            read.setdefault(self.graph.memory(p), set()).add(self.same[p])
        for p in whole:
            read.setdefault(self.graph.memory(p), set()).add(-1)
        for p in [*whole, *self.open.whole]:
            read.setdefault(self.graph.memory(p), set()).add(-1)
        for p in writes:
            written.setdefault(self.graph.memory(p), set()).add(self.same[p])
        return all(len(ranges | read.get(m, set())) == 1 for m, ranges in written.items())

    # ---- which instructions ----

    def _rows_of(self, i: Instruction) -> tuple[set[int], set[int]] | None:
        """The values whose rows it takes or makes one by one, and those that it reads as a whole; None if it does something else."""
        if i.effect or i.opaque or i.decides or i.picks is not None or len(i.results) + (i.writes is not None) != 1:
            return None
        target = self.graph.values[i.results[0] if i.results else i.writes]  # type: ignore[index]
        if target.is_number or target.weak or not target.ndim or 0 in target.shape:
            return None
        if i.views:
            return self._rows_of_a_view(i, target)
        if i.function in REDUCTIONS or i.function is np.einsum:
            return self._rows_of_a_sum(i, target)
        if i.function is operator.setitem:
            v = i.args[2]
            of_all = isinstance(v, Ref) and self.graph.values[v.place].shape == target.shape and is_all(i.args[1], target)
            return ({target.place, v.place}, set()) if of_all else None
        by_number = (isinstance(i.function, np.ufunc) and i.function.signature is None and i.function.nout == 1) or (
            i.function in COPIES or (i.function is np.where and len(i.args) == 3)
        )
        if not by_number or not set(i.options) <= {"out", "where", "casting"}:
            return None
        if "where" in i.options and i.function is not np.copyto:
            return None
        rows, whole = {target.place}, set()
        for p in i.reads():
            v = self.graph.values[p]
            if v.ndim == target.ndim and v.shape[0] == target.shape[0]:
                rows.add(p)
            elif v.ndim < target.ndim or v.shape[0] == 1:
                whole.add(p)
            else:
                return None
        return rows, whole

    def _rows_of_a_view(self, i: Instruction, target: Value) -> tuple[set[int], set[int]] | None:
        """A view of the same numbers in the same order."""
        ref = i.args[0] if i.args else None
        if (
            not isinstance(ref, Ref)
            or self.same[ref.place] != self.same[target.place]
            or i.reads() != [ref.place]
            or i.options
        ):
            return None
        return {ref.place, target.place}, set()

    def _rows_of_a_sum(self, i: Instruction, target: Value) -> tuple[set[int], set[int]] | None:
        """A sum along the last dimensions, or of products: `einsum("...i,...i->...", x, y)`."""
        values = [self.graph.values[p] for p in i.reads()]
        if i.function is np.einsum:
            text, n = i.args[0], len(i.args) - 1
            fits = text == ",".join(["...i"] * n) + "->..." and len(values) == n and not i.options
            return ({target.place, *i.reads()}, set()) if fits and len({v.shape for v in values}) == 1 else None
        if len(i.args) > 2 or not set(i.options) <= {"axis", "keepdims"} or len(values) != 1:
            return None
        axis = i.args[1] if len(i.args) > 1 else i.options.get("axis", 0 if hasattr(i.function, "__self__") else None)
        axes = axis if isinstance(axis, tuple) else (axis,)
        along_rows = all(type(a) is int and a % values[0].ndim for a in axes)
        return ({target.place, values[0].place}, set()) if axes and along_rows else None


def is_all(key: Any, v: Value) -> bool:
    """Whether an index names all rows, as they are."""
    return key is Ellipsis or (isinstance(key, slice) and key.indices(v.shape[0]) == (0, v.shape[0], 1))


def _has_no_gaps(v: Value) -> bool:
    """Whether its numbers lie row by row, without gaps. (It does not matter what the stride of a dimension of one is.)"""
    rows = np.empty(v.shape, v.dtype).strides
    return all(a == b for n, a, b in zip(v.shape, v.strides, rows) if n != 1)


def same_ranges(graph: Graph) -> list[int]:
    """For each value the first that has the same numbers in the same order: of x that is x itself for x.reshape(-1)."""
    same = list(range(len(graph.values)))
    for i in graph.instructions:
        if i.views and len(i.results) == 1 and i.function in VIEWS and isinstance(i.args[0], Ref):
            v, w = graph.values[i.args[0].place], graph.values[i.results[0]]
            is_all = _has_no_gaps(v) and _has_no_gaps(w) and math.prod(v.shape) == math.prod(w.shape)
            if is_all and v.dtype.itemsize == w.dtype.itemsize:
                same[w.place] = same[v.place]
    return same


def _find_what_stays_inside(graph: Graph, grouping: _Grouping) -> set[int]:
    """Memories that are made and read by one group alone need no more than a block's room."""
    users: dict[int, set[int]] = {}
    touched: dict[int, set[int]] = {}
    for step in grouping.done:
        if isinstance(step, Blocked) or not _is_no_call(step):  # (a view that nobody reads is not made)
            written = [step.writes] if isinstance(step, Instruction) and step.writes is not None else []
            for p in [*step.reads(), *step.results, *written]:
                users.setdefault(graph.memory(p), set()).add(id(step))
                touched.setdefault(graph.memory(p), set()).add(grouping.same[p])
    stays = graph.handed_out() | {v.memory for v in graph.values if v.kind != "computed"}
    found: set[int] = set()
    for step in grouping.done:
        if isinstance(step, Blocked):
            lone = {
                m for m in map(graph.memory, step.results) if users[m] == {id(step)} and touched[m] == {m} and m not in stays
            }
            step.inside = {m for m in lone if graph.values[m].is_in_rows}
            step.same = grouping.same
            found |= step.inside
    return found
