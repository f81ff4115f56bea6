"""A program as mathematics: the same instructions without `out=` and without buffers, one line for each value.

It is Python with the names of NumPy: operators where Python has them, methods where arrays have them. What is used once, and is short,
stands where it is used. Numbers that are the same in every run are numbers. A write stays a write (`w[...] -= 0.1 * g`), and a function that
is no NumPy function is called by its op's name. The program that runs is `numpy_source.py`'s; this one is to be read.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from .calls import Calls
from .graph import Graph, Instruction, Ref, Value, mapped, slice_text
from .passes import constants

FOLDED = 48  # characters: what is longer has a line of its own
COMMENTS = 72  # the last column where the shapes may begin
ATOM, POWER, UNARY, PRODUCT, SUM, SHIFT, AND, XOR, OR, COMPARISON = range(10, 0, -1)  # Python's precedence
_OPERATORS: dict[Callable, tuple[str, int]] = {
    operator.pow: ("**", POWER), np.multiply: ("*", PRODUCT), np.divide: ("/", PRODUCT), np.floor_divide: ("//", PRODUCT),
    np.remainder: ("%", PRODUCT), np.matmul: ("@", PRODUCT), np.add: ("+", SUM), np.subtract: ("-", SUM),
    np.left_shift: ("<<", SHIFT), np.right_shift: (">>", SHIFT), np.bitwise_and: ("&", AND), np.bitwise_xor: ("^", XOR),
    np.bitwise_or: ("|", OR), np.less: ("<", COMPARISON), np.less_equal: ("<=", COMPARISON), np.greater: (">", COMPARISON),
    np.greater_equal: (">=", COMPARISON), np.equal: ("==", COMPARISON), np.not_equal: ("!=", COMPARISON),
    operator.add: ("+", SUM), operator.sub: ("-", SUM), operator.mul: ("*", PRODUCT), operator.truediv: ("/", PRODUCT),
}  # fmt: skip
_SIGNS = {np.negative: "-", np.invert: "~"}
_COPIES = {
    np.asarray, np.array, np.ascontiguousarray, np.ndarray.copy, np.ndarray.astype, np.generic.copy, np.generic.astype,
}  # fmt: skip
_PARTS = {
    operator.getitem, np.ndarray.reshape, np.ndarray.squeeze, np.ndarray.view, np.broadcast_to, np.lib.stride_tricks.as_strided,
}  # fmt: skip


@dataclass(frozen=True)
class Expression:
    """A piece of Python, and the memories whose numbers it reads."""

    text: str
    level: int = ATOM
    sides: tuple[str, str, str] | None = None  # of an operator: what is left of it, itself, what is right of it
    reads: frozenset[int] = frozenset()

    def within(self, level: int) -> str:
        """Its text as an operand of something of this level."""
        return self.text if self.level >= level else f"({self.text})"


class Mathematics:
    """The text of a graph; and `things`, what is named in it beside values and NumPy's functions."""

    def __init__(self, graph: Graph, calls: Calls) -> None:
        self.graph, self.things = graph, dict(calls.things)
        self.lines: list[tuple[str, str, str]] = []  # (the op it belongs to, text, comment)
        self.names: dict[int, str] = {}  # of values that are handed out
        self.numbers: dict[int, np.ndarray] = {}  # values that are one number in every run
        self.short: dict[int, Expression] = {}  # what is written out wherever it is used
        self.held: dict[int, tuple[str, Expression]] = {}  # values that have no line yet, with their op
        self.lasting = graph.written() | graph.handed_out()
        self.same = _same_numbers(graph)
        self._constants()
        self.left = Counter(self._same(p) for i in graph.instructions for p in i.reads() if not self._is_known(i))
        self.taken = {graph.values[p].name for p in [*self.left, *(r for i in graph.instructions for r in i.results)]}
        self._now: list[int] = []  # what the instruction at hand reads
        self._read: set[int] = set()  # the memories that its expression has read so far
        given = self._handed_out(calls)
        for late, half in groupby(graph.instructions, key=lambda i: i.late):
            if calls.alive_at:
                self.lines.append(("", f"# ---- {'backward' if late else 'forward'} ----", ""))
            self._half(list(half))
        for name, text in given:
            self.lines.append(("step", f"{name} = {text()}", ""))
        self.text = "\n".join(self._laid_out())

    # ---- names ----

    def _same(self, place: int) -> int:
        return self.same.get(place, place)

    def _name(self, place: int) -> str:
        return self.names.get(place, self.graph.values[place].name)

    def _memory(self, place: int) -> int:
        return self.graph.memory(place)

    def _thing(self, value: Any, like: str) -> str:
        """The name of what is neither a value nor NumPy's."""
        name, n = like, 1
        while name in self.taken or self.things.get(name, value) is not value:
            n += 1
            name = f"{like}_{n}"
        self.things[name] = value
        return name

    def _handed_out(self, calls: Calls) -> list[tuple[str, Callable[[], str]]]:
        """Give results and gradients their names; returns those that need a line of their own at the end, and what that says."""
        gradients = [
            (_gradient_of(self.graph, t), p) for i in self.graph.instructions if i.effect for t, p in i.effect.gradients
        ]
        gradients += [(_gradient_of(self.graph, t), p) for t, p in calls.last if p is not None]
        gradients += [(f"grad_of_{leaf}", p) for leaf, p in zip(calls.leaves, calls.halves.gradients) if p is not None]
        results = self.graph.outputs[: len(calls.results)]
        template = re.sub(r"with_a_past\((\{\d+\})\)", r"\1", calls.result)
        rest: list[tuple[str, Callable[[], str]]] = []
        for name, place in [*gradients, *(("result", p) for p in results if template == "{0}")]:
            place = self._same(place)
            while name in self.taken:
                name = f"new_{name}"
            if self.graph.values[place].kind == "computed" and place not in self.names:
                self.names[place] = name
                self.taken.add(name)
            else:
                rest.append((name, partial(self._name, place)))
        if template != "{0}":
            rest.append(("result", lambda: template.format(*(self._name(self._same(p)) for p in results))))
        for _, place in [*gradients, *(("", p) for p in results)]:
            self.left[self._same(place)] += 2  # (so that they have lines)
        return rest

    # ---- numbers ----

    def _constants(self) -> None:
        """Compute what is the same in every run; keep what is one number."""
        made: dict[int, Any] = {}
        lasting = constants(self.graph)
        for i in self.graph.instructions:
            if len(i.results) == 1 and i.results[0] in lasting:
                args, options = mapped(lambda a: self._array_of(a, made), (i.args, i.options))
                with np.errstate(all="ignore"):
                    made[i.results[0]] = i.function(*args, **options)
        for place, value in made.items():
            value = np.asarray(value)
            if value.size and value.dtype.kind in "biuf" and (value == value.flat[0]).all():
                self.numbers[place] = value
        for i in self.graph.instructions:
            if i.function is np.lib.stride_tricks.as_strided and i.results[0] not in self.numbers:
                self.numbers.pop(i.args[0].place, None)  # (which reads what lies beside it, too)

    def _array_of(self, value: Any, made: dict[int, Any]) -> Any:
        """An argument of what makes a constant; of an array that is not one, the shape alone is asked."""
        if not isinstance(value, Ref):
            return value
        return made[value.place] if value.place in made else self.graph.values[value.place].empty()

    def _is_known(self, i: Instruction) -> bool:
        """Whether an instruction has no line: its result is a number, or has the numbers of another value."""
        return bool(i.results) and all(r in self.same or r in self.numbers for r in i.results)

    def _number(self, value: np.ndarray, bare: bool) -> Expression:
        """A constant. bare: Python's number does, for what stands beside it says of which dtype it is."""
        text = str(value.flat[0]).removesuffix(".0")
        if bare:
            return Expression(text, UNARY if text.startswith("-") else ATOM)
        dtype = self._value(value.dtype)
        return Expression(f"full({value.shape}, {text}, {dtype})" if value.ndim else f"{dtype}({text})")

    def _may_be_bare(self, i: Instruction, place: int) -> bool:
        """Whether a constant among operands may be Python's number: another one has the result's shape, and the constant's dtype."""
        result = self.graph.values[i.results[0] if i.results else i.writes]  # type: ignore[index]
        operands = i.args[1:] if i.function is np.where else i.args
        others = [
            self.graph.values[a.place] for a in operands if isinstance(a, Ref) and self._same(a.place) not in self.numbers
        ]
        elementwise = i.function is np.where or (isinstance(i.function, np.ufunc) and i.function is not np.matmul)
        dtype = self.graph.values[place].dtype
        return elementwise and any(v.dtype == dtype and v.shape == result.shape for v in others)

    # ---- lines ----

    def _half(self, instructions: list[Instruction]) -> None:
        for _, section in groupby(instructions, key=lambda i: i.of):
            several = [i for i in section if not self._is_known(i)]
            before = set(self.held)
            for i in several:
                self._instruction(i)
            flows = all(i.views or (i.function in _OPERATORS and i.function is not np.matmul) for i in several)
            self._write_down(p for p in self.held if p not in before and not (flows and self.left[p] == 1))
        self._write_down(self.held)

    def _instruction(self, i: Instruction) -> None:
        self._now, self._read = [self._same(p) for p in i.reads()], set()
        self.left.subtract(self._now)
        if i.effect:
            self._write_down(self.held)
            self.lines.append((i.of, f"{self._thing(i.effect.call, i.of.replace('.', '_'))}()", ""))
        elif i.writes is not None:
            self._write(i, self._same(i.writes))
        elif not i.results:
            self._check(i)
        elif i.picks is not None or i.opaque:
            self._several(i)
        else:
            self._make(i, i.results[0])

    def _make(self, i: Instruction, place: int) -> None:
        made = self._expression(i)
        if not i.reads() and len(made.text) <= FOLDED and self._memory(place) not in self.lasting:
            self.short[place] = made
        else:
            self.held[place] = i.of, made

    def _several(self, i: Instruction) -> None:
        """A whole op, or a function with several results."""
        call = self._expression(i).text
        shapes = ", ".join(_shape(self.graph.values[r]) for r in i.results)
        if i.picks is not None and len(i.picks) == 1:
            call = f"{call}[{i.picks[0]}]"
        if len(i.results) == 1:
            self.lines.append((i.of, f"{self._name(i.results[0])} = {call}", shapes))
            return
        of_pick = dict(zip(i.picks or (), i.results))
        names = [self._name(of_pick[k]) if k in of_pick else "_" for k in range(max(of_pick) + 1)]
        self.lines.append((i.of, f"{', '.join(names)}{', *_' * i.opaque} = {call}", shapes))

    def _check(self, i: Instruction) -> None:
        """What an op looks at before it goes on."""
        flag = self._operand(i.args[0])
        if i.decides:
            text = flag.text if i.args[1] else f"not {flag.within(COMPARISON)}"
            self.lines.append((i.of, f"assert {text}", "else it is recorded anew"))
        else:
            self.lines.append((i.of, f"assert {flag.text}, {i.args[2]!r}", ""))

    def _write(self, i: Instruction, target: int) -> None:
        """A write. One over a whole value that nobody has read yet makes the value."""
        if self._makes_anew(i, target):
            _, before = self.held.pop(target)
            self.short[target] = before
            made = self._expression(i)
            del self.short[target]
            self.held[target] = i.of, made
            return
        if i.function is operator.setitem:
            where = f"[{self._key(i.args[1])}]"
            value = self._operand(i.args[2])
            fits = (
                not isinstance(i.args[2], Ref) or self.graph.values[i.args[2].place].dtype == self.graph.values[target].dtype
            )
        elif isinstance(i.function, np.ufunc) and set(i.options) <= {"out"}:
            where, value, fits = "[...]", self._expression(i), True
        elif i.function in (np.ndarray.fill, np.copyto) and len(i.args) == 2 and not i.options:
            where, value, fits = "[...]", self._operand(i.args[1]), False
        else:
            where, value, fits = "", self._expression(i), False
        name = self._operand(Ref(target), fold=False).text
        if where and value.text == name:
            return
        self._write_down(p for p, (_, e) in self.held.items() if self._memory(target) in {*e.reads, self._memory(p)})
        self.lines.append((i.of, _assigned(name, where, value, fits) if where else value.text, ""))

    def _makes_anew(self, i: Instruction, target: int) -> bool:
        """Whether a write is of a whole value without a line yet, and computes what it holds in its own dtype and layout."""
        v = self.graph.values[target]
        if target not in self.held or not v.shape or not isinstance(i.function, np.ufunc) or set(i.options) != {"out"}:
            return False
        operands = [self.graph.values[a.place] for a in i.args if isinstance(a, Ref)]
        numbers = [a for a in i.args if not isinstance(a, Ref)]
        return (
            v.memory == target
            and v.dtype.kind == "f"
            and all(o.dtype == v.dtype for o in operands)
            and all(type(a) in (int, float) for a in numbers)
            and any((o.shape, o.strides) == (v.shape, v.strides) for o in operands)
            and len(self.held[target][1].text) <= FOLDED
        )

    def _write_down(self, places: Iterable[int]) -> None:
        """Give these values their lines."""
        for place in list(places):
            of, made = self.held.pop(place)
            self.lines.append((of, f"{self._name(place)} = {made.text}", _shape(self.graph.values[place])))

    def _laid_out(self) -> Iterable[str]:
        """The lines under the headings of their ops, with their comments in one column."""
        column = max((len(text) for _, text, comment in self.lines if comment and len(text) <= COMMENTS), default=0)
        last = ""
        for of, text, comment in self.lines:
            if of and of != last:
                yield f"# {of}"
            last = of
            yield f"{text:<{column}}  # {comment}" if comment else text

    # ---- expressions ----

    def _operand(self, value: Any, fold: bool = True, bare: bool = True) -> Expression:
        """An argument. bare: a constant may be Python's number."""
        if not isinstance(value, Ref):
            text = self._value(value)
            return Expression(text, UNARY if text.startswith("-") else ATOM)
        place = self._same(value.place)
        if place in self.numbers:
            return self._number(self.numbers[place], bare)
        if place in self.short:
            self._read |= self.short[place].reads
            return self.short[place]
        if place in self.held and fold and not self.left[place] and self._now.count(place) == 1:
            _, made = self.held[place]
            if len(made.text) <= FOLDED:
                del self.held[place]
                self._read |= made.reads
                return made
        if place in self.held:
            self._write_down([place])
        self._read.add(self._memory(place))
        return Expression(self._name(place))

    def _expression(self, i: Instruction) -> Expression:
        """What an instruction computes."""
        made = self._computed(i)
        return Expression(made.text, made.level, made.sides, frozenset(self._read))

    def _computed(self, i: Instruction) -> Expression:
        of_numpy = not i.opaque and set(i.options) <= {"out"}
        if isinstance(i.function, np.ufunc) or i.function in _OPERATORS or i.function is np.where:
            operands = [
                self._operand(a, bare=not isinstance(a, Ref) or self._may_be_bare(i, self._same(a.place))) for a in i.args
            ]
            if of_numpy and i.function in _OPERATORS:
                return _operator(*_OPERATORS[i.function], *operands)
            if of_numpy and i.function in _SIGNS:
                return Expression(_SIGNS[i.function] + operands[0].within(UNARY), UNARY)
            return Expression(self._call(i, [o.text for o in operands]))
        if i.function is operator.getitem:
            return Expression(f"{self._object(i)}[{self._key(i.args[1])}]")
        if not i.opaque and _is_method(i.function):
            return self._method(i)
        if (shape := _broadcast(i, self.graph)) is not None:
            return Expression(f"broadcast_to({self._value(i.args[0])}, {shape})")
        return Expression(self._call(i, [self._value(a) for a in i.args]))

    def _object(self, i: Instruction) -> str:
        """The array whose method an instruction calls, or of which it takes a part."""
        return self._operand(i.args[0], bare=False).within(ATOM)

    def _method(self, i: Instruction) -> Expression:
        name, rank = i.function.__name__, len(self.graph.values[i.args[0].place].shape)
        owner = self._object(i)
        if (name == "transpose" and len(i.args) == 1) or (name == "swapaxes" and rank == 2 and i.args[1] != i.args[2]):
            return Expression(f"{owner}.T")
        options = {k: v for k, v in i.options.items() if (k, v) != ("keepdims", False)}
        args = list(i.args[1:])
        if "keepdims" in i.options and args and type(args[0]) is tuple and len(args[0]) == 1:
            args[0] = args[0][0]
        return Expression(f"{owner}.{name}({', '.join([*map(self._value, args), *self._options(options)])})")

    def _call(self, i: Instruction, args: list[str]) -> str:
        name = self._opaque(i) if i.opaque else self._function(i.function)
        return f"{name}({', '.join([*args, *self._options(i.options)])})"

    def _options(self, options: dict[str, Any]) -> list[str]:
        return [f"{name}={self._value(v)}" for name, v in options.items() if name != "out"]

    def _opaque(self, i: Instruction) -> str:
        """The name of a whole op: the same one for the same function."""
        function = i.function
        for known in self.things.values():
            if isinstance(known, partial) and isinstance(function, partial) and known.func is function.func:
                function = known
        return self._thing(function, i.of.replace(" ", "_"))

    def _function(self, function: Any) -> str:
        owner, name = getattr(function, "__self__", None), function.__name__
        if isinstance(owner, np.ufunc):
            return f"{self._function(owner)}.{name}"
        if getattr(np, name, None) is function:
            return name if name not in self.taken else f"np.{name}"
        if getattr(np.linalg, name, None) is function:
            return f"linalg.{name}"
        return self._thing(function, name)

    def _value(self, value: Any) -> str:
        """An argument that is no operand, or is within a list."""
        if isinstance(value, Ref):
            return self._operand(value, bare=False).text
        if type(value) is tuple:
            return f"({', '.join(map(self._value, value))}{',' * (len(value) == 1)})"
        if type(value) is list:
            return f"[{', '.join(map(self._value, value))}]"
        if type(value) in (int, bool, str, float, type(None)):
            return repr(value)
        if value is Ellipsis:
            return "..."
        if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
            name = np.dtype(value).name
            return name if hasattr(np, name) else self._thing(value, name)
        if isinstance(value, (np.ndarray, np.generic)) and not value.shape and value.dtype.kind in "biuf":
            return self._number(np.asarray(value), bare=False).text
        return self._function(value) if callable(value) and hasattr(value, "__name__") else self._thing(value, "constant")

    def _key(self, key: Any) -> str:
        """An index, as it stands within brackets."""
        keys = key if isinstance(key, tuple) else (key,)
        return ", ".join(slice_text(k) if isinstance(k, slice) else self._value(k) for k in keys) or "()"


def _same_numbers(graph: Graph) -> dict[int, int]:
    """Of each value that is another one once more, which: a copy that nobody writes to, a view of all of it."""
    same: dict[int, int] = {}
    written = graph.written()
    for i in graph.instructions:
        if len(i.results) != 1 or not i.args or not isinstance(i.args[0], Ref):
            continue
        new, old = graph.values[i.results[0]], graph.values[i.args[0].place]
        if (new.shape, new.dtype, new.strides) != (old.shape, old.dtype, old.strides):
            continue
        is_copy = i.function in _COPIES and written.isdisjoint((new.memory, old.memory))
        if is_copy or (i.function in _PARTS and i.views and 0 not in new.shape):
            same[new.place] = same.get(old.place, old.place)
    return same


def _gradient_of(graph: Graph, tensor: Any) -> str:
    return next((v.name for v in graph.values if v.owner is tensor), "grad")


def _shape(v: Value) -> str:
    return f"{v.dtype}{list(v.shape)}"


def _operator(symbol: str, level: int, left: Expression, right: Expression) -> Expression:
    """Two operands; Python would take a row of comparisons, or of powers, otherwise than from the left."""
    first = left.within(level + (level in (COMPARISON, POWER)))
    return Expression(f"{first} {symbol} {right.within(level + 1)}", level, (left.text, symbol, right.text))


def _assigned(name: str, where: str, value: Expression, fits: bool) -> str:
    """A write of an expression: `x[0] += y` where it is `x[0] = x[0] + y`. fits: they have the same dtype."""
    if fits and value.sides is not None and value.level not in (COMPARISON, POWER):
        left, symbol, right = value.sides
        if left == f"{name}{where}" or (left == name and where == "[...]"):
            return f"{name}{where} {symbol}= {right}"
    return f"{name}{where} = {value.text}"


def _is_method(function: Any) -> bool:
    return getattr(function, "__objclass__", None) in (np.ndarray, np.generic)


def _broadcast(i: Instruction, graph: Graph) -> tuple[int, ...] | None:
    """The shape to which a call of as_strided broadcasts; None if it is, or does, something else."""
    if i.function is not np.lib.stride_tricks.as_strided or i.options or not isinstance(i.args[0], Ref):
        return None
    _, shape, strides = i.args
    try:
        fits = np.broadcast_to(graph.values[i.args[0].place].empty(), shape).strides == tuple(strides)
    except ValueError:
        return None
    return tuple(shape) if fits else None
