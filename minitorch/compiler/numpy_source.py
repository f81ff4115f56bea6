"""From a graph to a NumPy program: straight lines, as one would write them by hand to be fast.

Memory is laid out when the program is made: every value that stays within it has a buffer, which another takes over when nobody reads it
any more; calls write there (`out=`), and views of buffers are made once. What is handed out, results and gradients, is new in every
run. Read next: `step.py`, which runs the program.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Tensor
from .graph import Graph, Instruction, Ref, Value, slice_text
from .passes import constants

LARGE = 1 << 16  # bytes: what is as large is deleted when nobody reads it any more
_REDUCTIONS = {
    np.ndarray.sum: np.add, np.ndarray.max: np.maximum, np.ndarray.min: np.minimum, np.ndarray.prod: np.multiply,
    np.ndarray.any: np.logical_or, np.ndarray.all: np.logical_and, np.sum: np.add, np.max: np.maximum, np.min: np.minimum,
    np.prod: np.multiply, np.any: np.logical_or, np.all: np.logical_and,
}  # fmt: skip
_TAKE_OUT = {
    "concatenate", "stack", "take", "mean", "cumsum", "cumprod", "argmax", "argmin", "clip", "accumulate", "std", "var",
}  # fmt: skip
_OF_NOTHING = {"empty": None, "empty_like": None, "zeros": 0, "zeros_like": 0, "ones": 1, "ones_like": 1}


class Program:
    """The source of a graph, and the function made of it: `run(*arrays of the inputs)` → what the step returns."""

    def __init__(self, graph: Graph, calls: Any, also: list[int] | None = None, bare: bool = False, **helpers: Any) -> None:
        """also: values that are returned beside the result, as arrays. bare: the results are arrays, too."""
        self.graph = graph
        self.env: dict[str, Any] = {"wrap": Tensor._wrap, **helpers, **calls.things}
        self.functions: dict[Callable, str] = {}
        self.taken = {v.name for v in graph.values}
        self.lines: list[str] = []
        self.arrays: dict[int, np.ndarray] = {}  # of values whose memory is fixed
        self.owned: dict[int, np.ndarray] = {}  # buffers, by the memory that they are at the moment
        self.free: list[np.ndarray] = []
        self.large: dict[int, list[str]] = {}  # the names of what a run makes anew, by their memory
        self.bytes = 0
        self.last_use: dict[int, float] = {}
        self.constants = constants(graph)
        self._lay_out()
        inputs = [v for v in graph.values if v.kind in ("input", "saved")]
        for v in graph.values:
            self._begin(v)
        of = None
        for k, i in enumerate(self.work):
            if i.of != of:
                self.lines.append(f"# {i.of}")
                of = i.of
            self._instruction(i, k)
            self._let_go(k)
        self._finish()
        for tensor, place in calls.last:
            name = self.tensor(tensor)
            self.lines.append(f"{name}._grad = " + ("None" if place is None else f"wrap({self._handed(place)})"))
        for tensor in calls.bumped:
            self.lines.append(f"{self.tensor(tensor)}._bump()")
        results = [self._handed(p) if bare else f"wrap({self._handed(p)})" for p in graph.outputs]
        result = calls.result.format(*results)
        if also is not None:
            result = f"{result}, [{', '.join(map(self._handed, also))}]"
        self.lines.append(f"return {result}")
        head = f"def program({', '.join(v.name + '_new' * (v.kind == 'input') for v in inputs)}):"
        self.source = "\n    ".join([head, *self.lines])
        namespace = dict(self.env)
        exec(compile(self.source, "<compiled step>", "exec"), namespace)
        self.run: Callable[..., Any] = namespace["program"]

    # ---- names ----

    def thing(self, value: Any, like: str) -> str:
        """The name under which the program knows a thing that is no value."""
        for name, known in self.env.items():
            if known is value:
                return name
        name, n = like, 1
        while name in self.env or name in self.taken:
            n += 1
            name = f"{like}_{n}"
        self.env[name] = value
        return name

    def tensor(self, tensor: Any) -> str:
        """The name of a tensor that was known before the step."""
        name = next((v.name for v in self.graph.values if v.owner is tensor or v.array is tensor._array), "tensor")
        return self.thing(tensor, f"{name.removeprefix('grad_of_')}_tensor")

    def name(self, place: int) -> str:
        """The name of a value; an array of fixed memory is known to the program under it."""
        name = self.graph.values[place].name
        if place in self.arrays:
            self.env.setdefault(name, self.arrays[place])
        return name

    def text(self, value: Any) -> str:
        """An argument as it stands in the source."""
        if isinstance(value, Ref):
            v = self.graph.values[value.place]
            if v.place in self.arrays and (v.weak or v.is_number):
                return f"{self.name(v.place)}{'.item()' if v.weak else '[()]'}"
            return self.name(v.place)
        if type(value) is tuple:
            return f"({', '.join(map(self.text, value))}{',' * (len(value) == 1)})"
        if type(value) is list:
            return f"[{', '.join(map(self.text, value))}]"
        if type(value) in (int, bool, str, type(None)) or (type(value) is float and abs(value) < float("inf")):
            return repr(value)
        if value is Ellipsis:
            return "..."
        if isinstance(value, np.dtype):
            return self.thing(value, value.name)
        if callable(value):
            return self.thing(value, getattr(value, "__name__", "function"))
        return self.thing(value, "constant")

    def key(self, value: Any) -> str:
        """An index as it stands within brackets."""
        keys = value if isinstance(value, tuple) else (value,)
        return ", ".join(slice_text(k) if isinstance(k, slice) else self.text(k) for k in keys) or "()"

    # ---- memory ----

    @property
    def work(self) -> list[Any]:
        """What the program does, in its order."""
        return self.graph.instructions

    def _finish(self) -> None:
        """All instructions are written."""

    def _lay_out(self) -> None:
        """When each memory is read for the last time; what is handed out, and what was there before, stays."""
        for k, i in enumerate(self.work):
            for place in [*i.reads(), *i.results]:
                self.last_use[self.graph.memory(place)] = k
        self.lasting = self.graph.handed_out() | {v.memory for v in self.graph.values if v.kind != "computed"}
        self.handed = self.graph.handed_out()

    def _begin(self, v: Value) -> None:
        """Where a value that is there before the program is found."""
        if v.kind == "state":
            self.arrays[v.place] = v.array
        elif v.kind == "option":
            group, key, index = v.owner
            entry = "" if index is None else f"[{index}]"
            self.arrays[v.place] = np.zeros(())
            self.lines.append(f"{self.name(v.place)}[()] = {self.thing(group, 'group')}[{key!r}]{entry}")
        elif v.kind == "input" and v.memory not in self.last_use:
            return
        elif v.kind == "input" and v.memory not in self.graph.written() | self.handed and v.is_in_rows:
            self.arrays[v.place] = v.empty()
            self.lines.append(f"copyto({self.name(v.place)}, {v.name}_new)")
            self.env["copyto"] = np.copyto
        elif v.kind == "input":
            self.lines.append(f"{v.name} = {v.name}_new")
        elif v.kind == "gradient" and v.memory in self.last_use:
            self.lines.append(f"{v.name} = {self.tensor(v.owner)}._grad._array")

    def _buffer(self, i: Instruction, k: int) -> np.ndarray | None:
        """Memory for the result of an instruction: that of an operand it may overwrite, or what is free, or new; None if it is handed out."""
        place = i.results[0]
        v = self.graph.values[place]
        if v.memory in self.handed:
            return None
        if isinstance(i.function, np.ufunc) and i.function.signature is None and i.function.nout == 1:
            for operand in i.reads():
                memory = self.graph.memory(operand)
                here = self.owned.get(memory)
                if here is not None and self.last_use[memory] == k and _fits(here, v) and self.arrays.get(operand) is here:
                    del self.owned[memory]
                    self.owned[v.memory] = here
                    return here
        for n, buffer in enumerate(self.free):
            if _fits(buffer, v):
                self.owned[v.memory] = self.free.pop(n)
                return self.owned[v.memory]
        self.owned[v.memory] = made = v.empty()
        self.bytes += made.nbytes
        return made

    def _let_go(self, k: int) -> None:
        """Give back the memory of what has just been read for the last time; what is large and has no buffer is deleted."""
        for memory in [m for m in self.owned if self.last_use[m] == k and m not in self.lasting]:
            self.free.append(self.owned.pop(memory))
        for memory in [m for m in self.large if self.last_use[m] == k and m not in self.lasting]:
            self.lines.append(f"del {', '.join(self.large.pop(memory))}")

    # ---- instructions ----

    def _instruction(self, i: Instruction, k: int) -> None:
        if i.effect:
            for tensor, place in i.effect.gradients:
                self.lines.append(f"{self.tensor(tensor)}._grad = wrap({self._handed(place)})")
            self.lines.append(f"{self.thing(i.effect.call, i.of.replace('.', '_'))}()")
        elif i.writes is not None or not i.results:
            self._write(i)
        elif len(i.results) == 1 and i.picks is None and not i.opaque:
            self._one(i, k)
        else:
            self._several(i)

    def _write(self, i: Instruction) -> None:
        if i.function is operator.setitem:
            target, key, value = i.args
            self.lines.append(f"{self.text(target)}[{self.key(key)}] = {self.text(value)}")
            return
        out = i.options.get("out")
        if isinstance(i.function, np.ufunc) and out is not None and set(i.options) == {"out"}:
            out = out[0] if isinstance(out, tuple) else out
            self.lines.append(self._ufunc(i.function, self._operands(i), self.text(out)))
            return
        self.lines.append(self._call(i))

    def _one(self, i: Instruction, k: int) -> None:
        """An instruction with one result."""
        (place,) = i.results
        fixed = all(p in self.arrays for p in i.reads())
        if (i.views and fixed) or place in self.constants:
            made = i.function(*self._values(i.args), **self._values(i.options))
            self.arrays[place] = made
            if i.views:
                assert any(np.may_share_memory(made, a) for p in i.reads() for a in [self.arrays[p]]) or not made.size
                self.lines.append(f"# {self.graph.line(i)}, made once")
            return
        if i.views:
            self._assign(place, self._call(i))
            return
        into = None if self.graph.values[place].is_number else self._line_into(i)
        buffer = self._buffer(i, k) if into is not None else None
        if buffer is None or into is None:
            reduces = i.function in _REDUCTIONS and not i.options.get("out")
            into = self._line_into(i) if reduces else None
            call = into("None") if into is not None else self._call(i)
            self._assign(place, call)
            return
        self.arrays[place] = buffer
        line = into(self.name(place))
        if line:
            self.lines.append(line)

    def _line_into(self, i: Instruction) -> Callable[[str], str] | None:
        """How the call is written so that its result goes into a buffer; None if it cannot."""
        name, options = getattr(i.function, "__name__", ""), i.options
        if isinstance(i.function, np.ufunc) and not options and i.function.nout == 1:
            operands = self._operands(i)
            return lambda out: self._ufunc(i.function, operands, out)
        if i.function in _REDUCTIONS or (name == "reduce" and set(options) <= {"axis", "keepdims", "dtype"}):
            reduce = _REDUCTIONS[i.function].reduce if i.function in _REDUCTIONS else i.function
            if len(i.args) > 2 or not set(options) <= {"axis", "keepdims", "dtype"}:
                return None
            axis = i.args[1] if len(i.args) > 1 else options.get("axis", None if i.function in _REDUCTIONS else 0)
            told = [self.text(v) for v in (i.args[0], axis, options.get("dtype"))]
            keep = bool(options.get("keepdims", False))
            return lambda out: f"{self.function(reduce)}({', '.join(told)}, {out}, {keep})"
        if name in _OF_NOTHING:
            fill = _OF_NOTHING[name]
            return lambda out: "" if fill is None else f"{out}.fill({fill})"
        if i.function is np.ndarray.copy or (i.function is np.ndarray.astype and isinstance(i.args[0], Ref)):
            self.env["copyto"] = np.copyto
            return lambda out: f"copyto({out}, {self.text(i.args[0])}, 'unsafe')"
        if name in _TAKE_OUT and "out" not in options:
            return lambda out: f"{self._call(i, f'out={out}')}"
        return None

    def _ufunc(self, ufunc: Any, operands: list[str], out: str) -> str:
        """A call that writes into `out`. (Of maximum and minimum NumPy wants that said by name.)"""
        out = f"out={out}" if ufunc in (np.maximum, np.minimum) else out
        return f"{self.function(ufunc)}({', '.join([*operands, out])})"

    def _operands(self, i: Instruction) -> list[str]:
        """The operands of a ufunc; a Python number beside floats as an array of theirs, which is quicker and gives the same."""
        arrays = [self.graph.values[ref.place] for ref in i.args if isinstance(ref, Ref)]
        kinds = {v.dtype for v in arrays}
        if len(kinds) != 1 or (dtype := kinds.pop()).kind != "f":
            return list(map(self.text, i.args))
        return [
            self.text(a)
            if isinstance(a, (Ref, np.ndarray, np.generic)) or type(a) not in (int, float)
            else self._number(a, dtype)
            for a in i.args
        ]

    def _number(self, value: float, dtype: np.dtype) -> str:
        with np.errstate(all="ignore"):
            array = np.asarray(value, dtype)
        name = f"c{value!r}_{dtype}".translate(str.maketrans("-.+", "m__"))
        return name if name in self.env else self.thing(array, name)

    def _several(self, i: Instruction) -> None:
        """An op taken as one call, or one with several results."""
        if i.picks is None:
            self._assign(i.results[0], self._call(i))
            return
        self.lines.append(f"results = {self._call(i)}")
        for place, k in zip(i.results, i.picks):
            self._assign(place, f"results[{k}]")
        self.lines.append("del results")

    def _assign(self, place: int, expression: str) -> None:
        """A value that every run makes anew."""
        v = self.graph.values[place]
        self.lines.append(f"{v.name} = {expression}")
        root = self.graph.values[v.memory]
        if root.kind == "computed" and v.memory not in self.owned and math.prod(root.shape) * root.dtype.itemsize >= LARGE:
            self.large.setdefault(v.memory, []).append(v.name)

    def _call(self, i: Instruction, *more: str) -> str:
        args = [self.text(a) for a in i.args]
        if i.function is operator.getitem:
            return f"{args[0]}[{self.key(i.args[1])}]"
        options = [f"{k}={self.text(v)}" for k, v in i.options.items()]
        if i.opaque:
            return f"{self.thing(i.function, i.of.replace(' ', '_'))}({', '.join([*args, *options])})"
        return f"{self.function(i.function)}({', '.join([*args, *options, *more])})"

    def function(self, function: Callable) -> str:
        """The name of a NumPy function in the program."""
        owner = getattr(function, "__self__", None)
        name = f"{owner.__name__}_{function.__name__}" if isinstance(owner, np.ufunc) else function.__name__
        if function not in self.functions:
            self.functions[function] = self.thing(function, name)
        return self.functions[function]

    def _values(self, value: Any) -> Any:
        if isinstance(value, Ref):
            found = self.arrays.get(value.place)
            return self.graph.values[value.place].empty() if found is None else found  # (of which the shape alone is asked)
        if type(value) in (tuple, list):
            return type(value)(map(self._values, value))
        return {k: self._values(v) for k, v in value.items()} if type(value) is dict else value

    def _handed(self, place: int) -> str:
        """A value as it is handed out: never a buffer of the program's."""
        v = self.graph.values[place]
        if place in self.arrays and self.graph.values[v.memory].kind != "state":
            return f"{self.name(place)}.copy({'' if v.is_in_rows else repr('K')})"
        return self.name(place)


def _fits(buffer: np.ndarray, v: Value) -> bool:
    return buffer.shape == v.shape and buffer.dtype == v.dtype and buffer.strides == v.strides
