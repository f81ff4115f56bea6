"""What a record holds: values and the instructions that made them, in the order in which the step computed.

A value is an array of known shape, dtype and strides, in some memory: views of one another are of the same memory. An instruction is
a NumPy call; it makes new values, views of a value, or writes into a value's memory. Read next: `record.py`, which writes this list;
`passes.py`, which shortens it; `numpy_source.py`, which prints it as a program.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(slots=True, unsafe_hash=True)  # (a frozen one takes three times as long to make, and there are thousands)
class Ref:
    """A value, among the arguments of an instruction. Nobody changes one."""

    place: int


@dataclass
class Value:
    """An array: what is known of it without its numbers."""

    place: int
    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...]
    memory: int  # the first value in the same memory
    name: str = ""
    kind: str = "computed"  # or: input (of the step), state (known before it), gradient (in .grad before it), option (a number of an optimizer), upstream, saved
    weak: bool = False  # a Python number: it takes the dtype of the array that it meets
    is_number: bool = False  # np.generic: NumPy computes with these by other loops than with arrays, and may round otherwise
    array: Any = None  # of a state: the array itself, which every run of the program reads
    owner: Any = None  # of a gradient: whose it is; of an option: its group and key

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return len(self.shape)

    @property
    def is_in_rows(self) -> bool:
        """Whether its numbers lie row by row, without gaps."""
        return np.empty(self.shape, self.dtype).strides == self.strides

    @property
    def has_no_gaps(self) -> bool:
        """Whether its numbers lie side by side, row by row or column by column."""
        return self.is_in_rows or self.strides == np.empty(self.shape[::-1], self.dtype).strides[::-1]

    def changed(self, **changes: Any) -> Value:
        """A value like it but for these."""
        return _changed(self, changes)

    def empty(self) -> np.ndarray:
        """New memory for it, laid out as it was."""
        order = sorted(range(len(self.shape)), key=lambda d: -self.strides[d])
        return np.empty([self.shape[d] for d in order], self.dtype).transpose(np.argsort(order))

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}{list(self.shape)}"


@dataclass(eq=False)
class Instruction:
    """`results = function(*args, **options)`, where Refs stand for values."""

    function: Callable
    args: tuple
    options: dict[str, Any]
    results: tuple[int, ...]
    of: str  # the op it belongs to
    writes: int | None = None  # the value whose memory it changes
    views: bool = False  # whether its result is in the memory of an argument
    opaque: bool = False  # a whole op, taken as one call
    whole: str = ""  # which, if a backend may know how it is computed (`c/handwritten.py`)
    picks: tuple[int, ...] | None = (
        None  # which entries of the tuple it returns the results are; None: it returns the result
    )
    decides: bool = False  # whether it looks if an op takes the course that it took
    late: bool = False  # whether it belongs to the half that a backward outside runs
    effect: Effect | None = None  # what it does beside computing
    part: tuple[int, int] | None = None  # of an optimizer's rule: which step it belongs to, and the parameter

    @functools.cached_property
    def _reads(self) -> list[int]:
        return [ref.place for ref in refs((self.args, self.options))]

    def reads(self) -> list[int]:
        """The values among its arguments."""
        return self._reads

    def changed(self, **changes: Any) -> Instruction:
        """An instruction like it but for these."""
        made = _changed(self, changes)
        made.__dict__.pop("_reads", None)
        return made

    @property
    def name(self) -> str:
        """What it calls."""
        if self.opaque or self.effect:
            return self.whole or self.of
        owner = getattr(self.function, "__self__", None)
        name = self.function.__name__
        return f"{owner.__name__}.{name}" if isinstance(owner, np.ufunc) else _PLAIN.get(name, name)


_PLAIN = {"getitem": "index", "setitem": "write"}


@dataclass
class Effect:
    """A call that changes more than arrays, an optimizer's step: the program makes it as it stands.

    gradients: what `.grad` of these tensors must hold by then.
    """

    call: functools.partial  # of a method and its object
    gradients: list[tuple[Any, int]] = field(default_factory=list)


@dataclass
class Graph:
    """A recorded step."""

    values: list[Value] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)  # values that the step hands out: results and gradients

    def memory(self, place: int) -> int:
        """The memory that a value is in."""
        return self.values[place].memory

    def written(self) -> set[int]:
        """The memories that something is written to. An effect may write to all states."""
        written = {self.memory(i.writes) for i in self.instructions if i.writes is not None}
        if any(i.effect for i in self.instructions):
            written |= {v.memory for v in self.values if v.kind in ("state", "gradient")}
        return written

    def handed_out(self) -> set[int]:
        """The memories that are the user's after a run: results and gradients."""
        places = [*self.outputs, *(p for i in self.instructions if i.effect for _, p in i.effect.gradients)]
        return {self.memory(p) for p in places}

    def __str__(self) -> str:
        lines, of = [], None
        for i in self.instructions:
            if i.of != of:
                lines.append(f"# {i.of}")
                of = i.of
            lines.append(self.line(i))
        return "\n".join(lines)

    def line(self, i: Instruction) -> str:
        """An instruction in words."""
        call = f"{i.name}({', '.join(self._arguments(i))})"
        if i.effect:
            return f"{i.of}()"
        if i.function is operator.setitem:
            target, key, value = (self._text(a) for a in i.args)
            return f"{target}[{key}] = {value}"
        if not i.results:
            return call
        made = ", ".join(str(self.values[r]) for r in i.results)
        note = "   (a view)" if i.views else f"   (in the memory of {self._name(i.writes)})" if i.writes is not None else ""
        return f"{made} = {call}{note}"

    def _arguments(self, i: Instruction) -> Iterator[str]:
        yield from (self._text(a) for a in i.args)
        yield from (f"{k}={self._text(v)}" for k, v in i.options.items() if k != "out")

    def _text(self, value: Any) -> str:
        if isinstance(value, Ref):
            return self._name(value.place)
        if isinstance(value, tuple):
            return f"({', '.join(map(self._text, value))}{',' * (len(value) == 1)})"
        if isinstance(value, list):
            return f"[{', '.join(map(self._text, value))}]"
        if isinstance(value, np.ndarray):
            return f"{value.dtype}{list(value.shape)}"
        return slice_text(value) if isinstance(value, slice) else getattr(value, "__name__", str(value))

    def _name(self, place: int | None) -> str:
        return "" if place is None else self.values[place].name


def slice_text(s: slice) -> str:
    """A slice as it is written within brackets."""
    bounds = ":".join("" if v is None else str(v) for v in (s.start, s.stop))
    return bounds if s.step is None else f"{bounds}:{s.step}"


def refs(value: Any) -> list[Ref]:
    """The Refs in a value that may be a list, tuple, dict or slice."""
    found: list[Ref] = []
    _find_refs((value,), found)
    return found


def _find_refs(value: Any, found: list[Ref]) -> None:
    for each in value.values() if isinstance(value, dict) else value:
        if type(each) is Ref:
            found.append(each)
        elif isinstance(each, (tuple, list, dict)):
            _find_refs(each, found)


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """The value, `change` applied to each leaf of its lists, tuples and dicts."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind([mapped(change, each) if isinstance(each, _NESTED) else change(each) for each in value])
    if kind is dict:
        return {k: mapped(change, v) for k, v in value.items()} if value else {}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return kind(*(mapped(change, each) for each in value))
    return change(value)


_NESTED = (tuple, list, dict)


def _changed(thing: Any, changes: dict[str, Any]) -> Any:
    """A copy with other attributes: what `dataclasses.replace` gives, in a quarter of the time."""
    made = object.__new__(type(thing))
    made.__dict__.update(thing.__dict__, **changes)
    return made


def same(a: Graph, b: Graph) -> str:
    """ "" if both are the same instructions on the same values; else the first difference, in words."""
    for one, two in zip(a.instructions, b.instructions):
        given = [[place for _, place in i.effect.gradients] if i.effect else () for i in (one, two)]
        is_other = (one.function is not two.function or one.opaque or one.effect) and one.name != two.name
        if is_other or one.results != two.results or one.writes != two.writes or given[0] != given[1]:
            return f"one has {a.line(one)}, the other {b.line(two)}"
        if not _alike((one.args, one.options), (two.args, two.options)) or not _same_effect(one.effect, two.effect):
            return f"one has {a.line(one)}, the other {b.line(two)}: numbers in it differ"
    if len(a.instructions) != len(b.instructions) or a.outputs != b.outputs:
        return f"one has {len(a.instructions)} instructions, the other {len(b.instructions)}"
    for v, w in zip(a.values, b.values):
        if (v.shape, v.dtype, v.strides, v.memory, v.kind) != (w.shape, w.dtype, w.strides, w.memory, w.kind):
            return f"{v} and {w}"
    return ""


def _same_effect(a: Any, b: Any) -> bool:
    """Whether two effects are one method of one object, called with the same arguments."""
    return a is None or (
        a.call.args[0] is b.call.args[0] and _alike((a.call.args[1:], a.call.keywords), (b.call.args[1:], b.call.keywords))
    )


def _alike(a: Any, b: Any) -> bool:
    """Whether two arguments are the same, arrays and numbers to the last bit."""
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is Ref:
        return a.place == b.place
    if kind is tuple or kind is list or isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(a[k], b[k]) for k in a)
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return a == b or (a != a and b != b)
    if isinstance(a, slice):
        return _alike([a.start, a.stop, a.step], [b.start, b.stop, b.step])
    return a is b or bool(a == b) or callable(a)
