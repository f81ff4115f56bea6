"""Instructions put together in nests of loops: what is computed in one passage over the numbers, and need not go through memory.

A nest has a shape, over which its loops run, and may have *rows*: the numbers that are added up together. Softmax of a matrix is one
nest whose rows are the matrix's: in each row a loop for the maximum, one for exp and its sum, one for the quotient.

    role        of shape          computed
    full        the nest's        in the inner loop
    row sum     1 along the row   by the inner loop, and known after it
    row         1 along the row   once in each row
    scalar      ()                once, before the loops
    column sum  the rows' number  by all rows together, and known after the nest; total: of all numbers

Instructions are taken in their order; one that does not fit into the open nest closes it. Read next: `source.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ..forms import Form, Map, Picked, Product, Reduce, form_of, picked_shape, reads_of
from ..graph import Graph, Instruction
from ..passes import constants
from .handwritten import Call, call_of

MANY = 300  # stages in a nest at most: a C compiler's time grows with a function's length
KEPT = 1 << 18  # bytes on the stack for what a row keeps from one loop over it to the next


@dataclass
class Stage:
    """One instruction within a nest."""

    form: Form
    role: str
    level: int  # which of the loops over a row it is in
    of: str
    is_new: bool  # whether it makes a value; else it writes to one that was there
    reads: list[int]  # the values that its form reads


@dataclass(eq=False)
class Nest:
    """What runs in one passage."""

    shape: tuple[int, ...]
    row: tuple[int, ...] | None = None  # the dimensions of a row, once there are rows
    stages: list[Stage] = field(default_factory=list)
    made: dict[int, Stage] = field(default_factory=dict)  # the stage that made a value last
    read: dict[int, set[int]] = field(default_factory=dict)  # by memory: which values of it are read
    written: dict[int, set[int]] = field(default_factory=dict)  # by memory: which are written; −1 is a part of one
    stored: set[int] = field(default_factory=set)  # the values that memory is needed for
    told = "nests of loops in C"  # in `explain()`

    @property
    def does(self) -> int:
        """How many instructions it stands for."""
        return len(self.stages)

    def through_memory(self, graph: Graph) -> tuple[set[int], set[int]]:
        """The values that it reads from memory, and those that it writes there: what it makes and uses itself is not among them."""
        return set(self.reads()) - set(self.made), {s.form.target for s in self.stages if not s.is_new} | self.stored

    def reads(self) -> list[int]:
        """The values that it reads, as of an instruction."""
        return [place for stage in self.stages for place in stage.reads]

    @property
    def results(self) -> tuple[int, ...]:
        """The values that it makes or writes to."""
        return tuple(stage.form.target for stage in self.stages)

    @property
    def work(self) -> int:
        """How many numbers it goes over."""
        return math.prod(self.shape)

    @property
    def made_in_memory(self) -> list[int]:
        """The values that it makes, and that memory is needed for."""
        return [s.form.target for s in self.stages if s.is_new and s.form.target in self.stored]

    @property
    def picks(self) -> bool:
        """Whether it uses index arrays, whose numbers may be out of bounds."""
        return any(_picked_from(s.form) or isinstance(getattr(s.form, "key", None), Picked) for s in self.stages)

    @property
    def of(self) -> str:
        """The ops that it computes."""
        return ", ".join(dict.fromkeys(stage.of for stage in self.stages))

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of a value that a row has one of."""
        return tuple(1 if d in (self.row or ()) else n for d, n in enumerate(self.shape))


def nested(graph: Graph) -> list[Instruction | Nest | Call]:
    """The graph's instructions in their order, as many as can be in nests or as calls of what is written by hand."""
    builder = _Builder(graph)
    for k, i in enumerate(graph.instructions):
        builder.take(k, i)
    builder.close()
    _find_stored(graph, builder)
    return builder.done


class _Builder:
    """The nest that is open, and what is done."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.constants = graph, constants(graph)
        self.handed_out = graph.handed_out()
        self.shared = _handed_out_as_several(graph)
        self.done: list[Instruction | Nest | Call] = []
        self.home: dict[int, Nest | None] = {}  # where each instruction has gone, by its place in the list
        self.open: Nest | None = None
        self.after: list[Instruction] = []  # views of what the open nest computes

    def close(self) -> None:
        """The open nest is done."""
        if self.open is not None:
            self.done.append(self.open)
        self.done += self.after
        self.open, self.after = None, []

    def take(self, k: int, i: Instruction) -> None:
        """The next instruction."""
        form = None if self._is_made_once(i) else form_of(i, self.graph)
        if form is not None and self.graph.memory(form.target) in self.shared:
            form = None
        self.home[k] = None
        if form is not None:
            self.home[k] = self._place(form, i)
        elif self._is_made_once(i):
            self.done.append(i)
        elif i.views and self.open is not None:
            (self.after if self._depends(i) else self.done).append(i)
        else:
            self.close()
            self.done.append(self._call(i) or i)

    def _call(self, i: Instruction) -> Call | None:
        call = call_of(i, self.graph)
        return call if call and self.shared.isdisjoint(map(self.graph.memory, call.results)) else None

    def _is_made_once(self, i: Instruction) -> bool:
        """Whether the program has no line for it: a constant, or memory that is written to later."""
        if len(i.results) != 1 or i.opaque:
            return False
        is_memory = getattr(i.function, "__name__", "") in ("empty", "empty_like")
        return i.results[0] in self.constants or (is_memory and self.graph.memory(i.results[0]) not in self.handed_out)

    def _depends(self, i: Instruction) -> bool:
        memory, places = self.graph.memory, {r for a in self.after for r in a.results}
        return any(memory(p) in self.open.written or p in places for p in i.reads())  # type: ignore[union-attr]

    def _place(self, form: Form, i: Instruction) -> Nest:
        if self.open is not None and self._add(form, i):
            return self.open
        self.close()
        self.open = Nest(_shape(form, self.graph))
        if not self._add(form, i):
            raise AssertionError(f"{form} fits into no nest")
        return self.open

    def _add(self, form: Form, i: Instruction) -> bool:
        """Add it to the open nest, if it fits there."""
        nest, values = self.open, self.graph.values
        assert nest is not None
        reads, target = reads_of(form), form.target
        if len(nest.stages) == MANY or (nest.stages and self._disturbs(nest, form, reads)):
            return False
        if nest.stages and (_is_alone(form) or _is_alone(nest.stages[0].form)):
            return False
        role = "full" if _is_alone(form) else _role(nest, form, self.graph)
        if role is None or (role == "scalar" and not i.results):  # (several parts of the work would each write)
            return False
        if not i.results and nest.picks:  # an index that is out of bounds is noticed at the end
            return False
        touched = [s for s in nest.stages if s.form.target == target or target in s.reads]
        if any(s.role != role for s in touched):  # what is done once cannot wait for what is done in a loop
            return False
        known = [_level(nest.made[p]) for p in reads if p in nest.made]
        stage = Stage(form, role, max([*known, *(s.level for s in touched)], default=0), i.of, bool(i.results), reads)
        nest.stages.append(stage)
        for p in reads:
            nest.read.setdefault(values[p].memory, set()).add(-1 if p in _picked_from(form) else p)
        part = isinstance(form, Map) and form.key is not None
        nest.written.setdefault(values[target].memory, set()).add(-1 if part else target)
        nest.made[target] = stage
        return True

    def _disturbs(self, nest: Nest, form: Form, reads: list[int]) -> bool:
        """Whether the order of numbers would matter: memory is read, and written, in other places than its own."""
        values, target = self.graph.values, form.target
        for p in reads:
            if nest.written.get(values[p].memory, {p}) != {p}:
                return True
            if p in nest.made and (p in _picked_from(form) or not _is_readable(nest, nest.made[p], values[p].shape)):
                return True
        memory = values[target].memory
        if isinstance(form, Map) and form.key is not None:
            return memory in nest.read or memory in nest.written
        own = nest.read.get(memory, set()) | nest.written.get(memory, set())
        return bool(own - {target}) or (target in nest.made and isinstance(form, Reduce))


def _handed_out_as_several(graph: Graph) -> set[int]:
    """Memories of which the user gets several values, or an effect gets one: they are made by NumPy, anew in each run."""
    given = [p for i in graph.instructions if i.effect for _, p in i.effect.gradients]
    places = {*graph.outputs, *given}
    memories = [graph.memory(p) for p in places]
    return {m for m in memories if memories.count(m) > 1} | {graph.memory(p) for p in given}


def _shape(form: Form, graph: Graph) -> tuple[int, ...]:
    """The numbers that a form goes over."""
    if isinstance(form, Reduce):
        return graph.values[form.operand].shape
    if isinstance(form, Map) and form.key is not None:
        return _written_shape(form, graph)
    return graph.values[form.target].shape


def _is_alone(form: Form) -> bool:
    """Whether it is a nest by itself: its numbers are not independent of each other."""
    return isinstance(form, Product) or (isinstance(form, Map) and isinstance(form.key, Picked))


def _picked_from(form: Form) -> list[int]:
    """The values that a form reads in other places than the loops are at, and the index arrays that name these."""
    picked = [o.value for o in form.operands if isinstance(o.value, Picked)] if isinstance(form, Map) else []
    return [place for p in picked for place in (p.place, *(key.place for key in p.keys))]


def _written_shape(form: Map, graph: Graph) -> tuple[int, ...]:
    if isinstance(form.key, Picked):
        return picked_shape(form.key, graph)
    return graph.values[form.target].empty()[form.key].shape


def _level(stage: Stage) -> int:
    """From which loop on a stage's value is known."""
    return stage.level + (stage.role == "row sum")


def _is_readable(nest: Nest, stage: Stage, shape: tuple[int, ...]) -> bool:
    """Whether a value that the nest has made can be read within it."""
    if stage.role in ("column sum", "total"):
        return False
    return stage.role not in ("row", "row sum") or shape == nest.row_shape


def _role(nest: Nest, form: Form, graph: Graph) -> str | None:
    """The part that a form can have in a nest; None if there is none. A nest that is smaller may grow to the form's shape."""
    shape = _shape(form, graph)
    if isinstance(form, Reduce):
        return _role_of_sum(nest, form, shape)
    if shape == nest.shape:
        return "full"
    if nest.row is not None and shape == nest.row_shape:
        made = [nest.made[p].role for p in reads_of(form) if p in nest.made]
        return None if "full" in made else "row"
    if nest.row is None and (row := _row_that_leaves(shape, nest.shape)) is not None:
        if all(nest.made[p].role == "scalar" for p in reads_of(form) if p in nest.made):
            nest.row = row
            return "row"
        return None
    if shape == ():
        return "scalar" if all(nest.made[p].role == "scalar" for p in reads_of(form) if p in nest.made) else None
    return "full" if _grow(nest, shape) else None


def _role_of_sum(nest: Nest, form: Reduce, shape: tuple[int, ...]) -> str | None:
    if shape != nest.shape and not _grow(nest, shape):
        return None
    made, every = nest.made.get(form.operand), tuple(range(len(shape)))
    if made is not None and made.role != "full":
        return None
    if form.axes == every and not (nest.row == every and form.keepdims):
        return "total"
    if len(every) > 1 and form.axes == every[:-1] and shape[-1] > 1 and form.how in ("sum", "mean"):
        if nest.row in (None, every[-1:]):
            nest.row = every[-1:]
            return "column sum"
        return None
    if nest.row in (None, form.axes):
        nest.row = form.axes
        return "row sum"
    return None


def _grow(nest: Nest, shape: tuple[int, ...]) -> bool:
    """Make the nest run over a larger shape: what it has done so far is done once, or once in each row."""
    if nest.row is not None or any(s.role not in ("full", "scalar") for s in nest.stages):
        return False
    if nest.shape == ():
        if not all(stage.is_new for stage in nest.stages):
            return False
        for stage in nest.stages:
            stage.role = "scalar"
        nest.shape = shape
        return True
    row = _row_that_leaves(nest.shape, shape)
    if row is None:
        return False
    for stage in nest.stages:
        stage.role = "row" if stage.role == "full" else stage.role
    nest.shape, nest.row = shape, row
    return True


def _row_that_leaves(shape: tuple[int, ...], of: tuple[int, ...]) -> tuple[int, ...] | None:
    """The dimensions of a row, if there is a value of that shape for each row of a nest of another shape."""
    if len(shape) != len(of) or any(n not in (1, m) for n, m in zip(shape, of)):
        return None
    return tuple(d for d, (n, m) in enumerate(zip(shape, of)) if n != m) or None


def _find_stored(graph: Graph, builder: _Builder) -> None:
    """Which values of a nest memory is needed for: those that others read, or that were there before."""
    readers: dict[int, set[Any]] = {}  # by memory: who reads a value of it, and as which value
    for k, i in enumerate(graph.instructions):
        home = builder.home[k]
        gradients = [p for _, p in i.effect.gradients] if i.effect else []
        for p in [*i.reads(), *gradients]:
            readers.setdefault(graph.memory(p), set()).add((home if home is not None else k, p))
    handed_out = graph.handed_out()
    for nest in [step for step in builder.done if isinstance(step, Nest)]:
        room = KEPT
        for place, stage in nest.made.items():
            memory = graph.memory(place)
            alone = graph.values[memory].kind == "computed" and memory not in handed_out
            within = alone and all(r == (nest, place) for r in readers.get(memory, ()))
            if within and stage.role == "full" and _is_read_in_a_later_loop(nest, place):
                room -= math.prod(nest.shape[d] for d in nest.row or ()) * graph.values[place].dtype.itemsize
                within = room >= 0
            if not within or stage.role in ("column sum", "total"):
                nest.stored.add(place)


def _is_read_in_a_later_loop(nest: Nest, place: int) -> bool:
    return any(s.level > nest.made[place].level and place in s.reads for s in nest.stages)
