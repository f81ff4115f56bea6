"""From a graph to a NumPy program: straight lines, as one would write them by hand to be fast.

Memory is laid out when the program is made: every value that stays within it has a buffer, which another takes over when nobody reads it
any more; calls write there (`out=`), and views of buffers are made once. What is handed out, results and gradients, is new in every
run. Read next: `step.py`, which runs the program.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..kernels.cpu.optim import SERVED
from ..tensor import Tensor
from . import numpy_blocks
from .blocked import Blocked, blocked
from .graph import Graph, Instruction, Ref, Value, slice_text
from .passes import constants

COPIED = 1 << 18  # bytes: an input that has as many is read where it lies
SMALL_PRODUCT = 1 << 17  # multiplications: in larger ones the call does not count
LARGE = 1 << 16  # bytes: what is as large is deleted when nobody reads it any more
_REDUCTIONS = {
    np.ndarray.sum: np.add, np.ndarray.max: np.maximum, np.ndarray.min: np.minimum, np.ndarray.prod: np.multiply,
    np.ndarray.any: np.logical_or, np.ndarray.all: np.logical_and, np.sum: np.add, np.max: np.maximum, np.min: np.minimum,
    np.prod: np.multiply, np.any: np.logical_or, np.all: np.logical_and,
}  # fmt: skip
_TAKE_OUT = {
    "concatenate", "stack", "take", "mean", "cumsum", "cumprod", "argmax", "argmin", "clip", "accumulate", "std", "var",
}  # fmt: skip
_INFIX = {operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.pow: "**"}
_BETWEEN_NUMBERS = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.less: "<", np.less_equal: "<=", np.greater: ">",
    np.greater_equal: ">=",
}  # fmt: skip
_OF_NOTHING = {"empty": None, "empty_like": None, "zeros": 0, "zeros_like": 0, "ones": 1, "ones_like": 1}


class Program:
    """The source of a graph, and the function made of it: `run(*arrays of the inputs)` → what the step returns."""

    def __init__(self, graph: Graph, calls: Any, also: list[int] | None = None, bare: bool = False, **helpers: Any) -> None:
        """also: values that are returned beside the result, as arrays. bare: the results are arrays, too."""
        self.graph = replace(graph, values=[*graph.values])  # (a value may get another name)
        self.env: dict[str, Any] = {"wrap": Tensor._wrap, **helpers, **calls.things}
        self.known_as = {id(value): name for name, value in reversed(self.env.items())}
        self.tensors = {id(of): v.name for v in graph.values for of in (v.owner, v.array) if of is not None}
        self.functions: dict[Callable, str] = {}
        self.taken = {v.name for v in graph.values}
        self.lines: list[str] = []
        self.arrays: dict[int, np.ndarray] = {}  # of values whose memory is fixed
        self.owned: dict[int, np.ndarray] = {}  # buffers, by the memory that they are at the moment
        self.free: list[np.ndarray] = []
        self.large: dict[int, list[str]] = {}  # the names of what a run makes anew, by their memory
        self.changing: dict[tuple[str, np.dtype], str] = {}  # arrays for numbers that change from run to run
        self.bytes = 0
        self.last_use: dict[int, float] = {}
        self.constants = constants(graph)
        self.local: dict[int, str] = {}  # what values are called within a block
        self.steps = self._steps()
        self._lay_out()
        inputs = [v for v in graph.values if v.kind in ("input", "saved")]
        inputs.sort(key=lambda v: v.owner == "upstream")  # what is saved comes first
        for v in graph.values:
            self._begin(v)
        of = None
        for k, i in enumerate(self.steps):
            if i.of != of:
                self.lines.append(f"# {i.of}")
                of = i.of
            self._instruction(i, k)
            self._let_go(k)
        self._finish()
        for tensor, place in calls.last:
            name = self.tensor(tensor)
            self.lines.append(f"{name}._grad = " + ("None" if place is None else f"wrap({self._handed(place)})"))
        if calls.bumped:
            self.env["written_to"] = tuple(calls.bumped)
            self.lines.append("for tensor in written_to: tensor._bump()")
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
        if id(value) in self.known_as:
            return self.known_as[id(value)]
        name, n = like, 1
        while name in self.taken or self.env.get(name, value) is not value:
            n += 1
            name = f"{like}_{n}"
        self.env[name] = value  # which keeps it alive, and its id its own
        self.known_as[id(value)] = name
        return name

    def tensor(self, tensor: Any) -> str:
        """The name of a tensor that was known before the step."""
        name = self.tensors.get(id(tensor)) or self.tensors.get(id(tensor._array), "tensor")
        return self.thing(tensor, f"{name.removeprefix('grad_of_')}_tensor")

    def name(self, place: int) -> str:
        """The name of a value; an array of fixed memory is known to the program under it."""
        name = self.graph.values[place].name
        if place in self.local:
            return self.local[place]
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

    def _steps(self) -> list[Any]:
        """What the program does, in its order."""
        return blocked(self.graph)
        """What the program does, in its order."""
        return self.steps

    def make_room(self, place: int) -> None:
        """Memory for a value that blocks write: new in every run if it is handed out, else the program's."""
        v = self.graph.values[place]
        if v.memory in self.handed:
            self._assign(place, f"{self.thing(v.empty, f'new_{v.name}')}()")
        else:
            self.arrays[place] = self._room(v)

    def _finish(self) -> None:
        """All instructions are written."""

    def _lay_out(self) -> None:
        """When each memory is read for the last time; what is handed out, and what was there before, stays."""
        for k, i in enumerate(self.steps):
            for place in [*i.reads(), *i.results]:
                self.last_use[self.graph.memory(place)] = k
        self.lasting = self.graph.handed_out() | {v.memory for v in self.graph.values if v.kind != "computed"}
        self.handed = self.graph.handed_out()

    def _begin(self, v: Value) -> None:
        """Where a value that is there before the program is found."""
        if v.kind == "state":
            self.arrays[v.place] = v.array
        elif v.kind == "option":
            self._begin_option(v)
        elif v.kind == "input" and v.memory not in self.last_use:
            return
        elif self._is_copied(v):
            self.arrays[v.place] = v.empty()
            self.lines.append(f"copyto({self.name(v.place)}, {v.name}_new)")
            self.env["copyto"] = np.copyto
        elif v.kind == "input":
            self.lines.append(f"{v.name} = {v.name}_new")
        elif v.kind == "gradient" and v.memory in self.last_use:
            self.lines.append(f"{v.name} = {self.tensor(v.owner)}._grad._array")

    def _is_copied(self, v: Value) -> bool:
        """Whether an input is copied to where its views are made once: not if it is large, or is written to."""
        small = v.is_in_rows and math.prod(v.shape) * v.dtype.itemsize < COPIED
        return v.kind == "input" and small and v.memory not in self.graph.written() | self.handed

    def _begin_option(self, v: Value) -> None:
        self.lines.append(f"{v.name} = {self._option(v)}")

    def _option(self, v: Value) -> str:
        """Where an option of an optimizer is found: an entry of its group, or one of a tuple there."""
        group, key, index = v.owner
        return f"{self.thing(group, 'group')}[{key!r}]" + ("" if index is None else f"[{index}]")

    def _buffer(self, i: Instruction, k: int) -> np.ndarray | None:
        """Memory for the result of an instruction: that of an operand it may overwrite, or what is free, or new; None if it is handed out."""
        place = i.results[0]
        v = self.graph.values[place]
        if v.memory in self.handed:
            return None
        by_number = isinstance(i.function, np.ufunc) and i.function.signature is None and i.function.nout == 1
        if by_number or i.function is np.where:
            for operand in i.reads() if by_number else [ref.place for ref in i.args[2:] if isinstance(ref, Ref)]:
                memory = self.graph.memory(operand)
                here = self.owned.get(memory)
                if here is not None and self.last_use[memory] == k and _fits(here, v) and self.arrays.get(operand) is here:
                    del self.owned[memory]
                    self.owned[v.memory] = here
                    self._call_alike(v, self.graph.values[operand])
                    return here
        return self._room(v)

    def _call_alike(self, v: Value, operand: Value) -> None:
        """Let x_2, which is x written over (`new_values.py`), be called x where it is in x's place."""
        if re.fullmatch(re.escape(operand.name) + r"_\d+", v.name):
            self.graph.values[v.place] = v.changed(name=operand.name)

    def _room(self, v: Value) -> np.ndarray:
        """Memory that is free, or new."""
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

    def _instruction(self, i: Any, k: int) -> None:
        if isinstance(i, Blocked):
            numpy_blocks.write(self, i)
        elif i.effect:
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
        self.lines.append(self.call_text(i))

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
        if i.views or i.function in _INFIX or self._is_between_numbers(i):
            self._assign(place, self.call_text(i))
            return
        into = None if self.graph.values[place].is_number else self.line_into(i)
        buffer = self._buffer(i, k) if into is not None else None
        if buffer is None or into is None:
            reduces = i.function in _REDUCTIONS and not i.options.get("out")
            into = self.line_into(i) if reduces else None
            call = into("None") if into is not None else self.call_text(i)
            self._assign(place, call)
            return
        self.arrays[place] = buffer
        line = into(self.name(place))
        if line:
            self.lines.append(line)

    def line_into(self, i: Instruction) -> Callable[[str], str] | None:
        """How the call is written so that its result goes into a buffer; None if it cannot."""
        name, options = getattr(i.function, "__name__", ""), i.options
        if isinstance(i.function, np.ufunc) and not options and i.function.nout == 1:
            operands, function = self._operands(i), np.dot if self._is_plain_product(i) else i.function
            return lambda out: self._ufunc(function, operands, out)
        if i.function in _REDUCTIONS or (name == "reduce" and set(options) <= {"axis", "keepdims", "dtype"}):
            reduce = _REDUCTIONS[i.function].reduce if i.function in _REDUCTIONS else i.function
            if len(i.args) > 2 or not set(options) <= {"axis", "keepdims", "dtype"}:
                return None
            axis = i.args[1] if len(i.args) > 1 else options.get("axis", None if i.function in _REDUCTIONS else 0)
            axis = axis[0] if type(axis) is tuple and len(axis) == 1 else axis  # (which NumPy takes in faster)
            told = [self.text(v) for v in (i.args[0], axis, options.get("dtype"))]
            keep = bool(options.get("keepdims", False))
            return lambda out: f"{self.function(reduce)}({', '.join(told)}, {out}, {keep})"
        if name in _OF_NOTHING:
            fill = _OF_NOTHING[name]
            return lambda out: "" if fill is None else f"{out}.fill({fill})"
        if i.function is np.ndarray.copy or (i.function is np.ndarray.astype and isinstance(i.args[0], Ref)):
            self.env["copyto"] = np.copyto
            return lambda out: f"copyto({out}, {self.text(i.args[0])}, 'unsafe')"
        if i.function is np.where and len(i.args) == 3 and self._fills(i):
            return lambda out: self._choice(i, out)
        if name in _TAKE_OUT and "out" not in options:
            return lambda out: f"{self.call_text(i, f'out={out}')}"
        return None

    def _choice(self, i: Instruction, out: str) -> str:
        """`where(flag, a, b)`: a written over b, or over a copy of it."""
        self.env["copyto"] = np.copyto
        flag, a, b = map(self.text, i.args)
        choice = f"copyto({out}, {a}, where={flag})"
        is_there = self.arrays.get(i.args[2].place) is self.arrays[i.results[0]]
        return choice if is_there else f"copyto({out}, {b}); {choice}"

    def _is_plain_product(self, i: Instruction) -> bool:
        """Whether it is a small product of two matrices, which `dot` hands to the same function of BLAS as `matmul`, in half the time."""
        if i.function is not np.matmul or i.options or len(i.args) != 2 or not all(isinstance(a, Ref) for a in i.args):
            return False
        a, b = (self.graph.values[ref.place] for ref in i.args)
        if not (a.ndim == b.ndim == 2 and a.dtype == b.dtype and a.dtype in SERVED and min(*a.shape, *b.shape) > 1):
            return False
        is_small = a.shape[0] * a.shape[1] * b.shape[1] <= SMALL_PRODUCT
        return is_small and a.has_no_gaps and b.has_no_gaps and self.graph.values[i.results[0]].is_in_rows

    def _fills(self, i: Instruction) -> bool:
        """Whether a choice can be written over its last operand: a or b, with b's shape and dtype, and a's dtype the same."""
        r, flag, a, b = (self.graph.values[p.place] if isinstance(p, Ref) else None for p in (Ref(i.results[0]), *i.args))
        if flag is None or b is None or r is None or flag.dtype.kind != "b" or (b.shape, b.dtype) != (r.shape, r.dtype):
            return False
        return a is None or (a.dtype == r.dtype and not a.weak)

    def ufunc_text(self, i: Instruction, out: str) -> str:
        """A ufunc's call as it stands in the source."""
        return self._ufunc(i.function, self._operands(i), out)

    def _ufunc(self, ufunc: Any, operands: list[str], out: str) -> str:
        """A call that writes into `out`. (Of maximum and minimum NumPy wants that said by name.)"""
        out = f"out={out}" if ufunc in (np.maximum, np.minimum) else out
        return f"{self.function(ufunc)}({', '.join([*operands, out])})"

    def _operands(self, i: Instruction) -> list[str]:
        """The operands of a ufunc; a Python number beside floats as an array of theirs, which is quicker and gives the same."""
        arrays = [self.graph.values[ref.place] for ref in i.args if isinstance(ref, Ref)]
        kinds = {v.dtype for v in arrays if not v.weak}
        if len(kinds) != 1 or (dtype := kinds.pop()).kind != "f":
            return list(map(self.text, i.args))
        return [self._operand(a, dtype) for a in i.args]

    def _operand(self, value: Any, dtype: np.dtype) -> str:
        if type(value) in (int, float):
            return self._number(value, dtype)
        if isinstance(value, Ref) and self.graph.values[value.place].weak and value.place not in self.arrays:
            return self._changing_number(self.name(value.place), dtype)
        return self.text(value)

    def _changing_number(self, number: str, dtype: np.dtype) -> str:
        """An array for a Python number that is another one in each run."""
        if (number, dtype) not in self.changing:
            self.changing[number, dtype] = name = self.thing(np.zeros((), dtype), f"{number}_{dtype}")
            self.lines.append(f"{name}[()] = {number}")
        return self.changing[number, dtype]

    def _number(self, value: float, dtype: np.dtype) -> str:
        with np.errstate(all="ignore"):
            array = np.asarray(value, dtype)
        name = f"c{value!r}_{dtype}".translate(str.maketrans("-.+", "m__"))
        return name if name in self.env else self.thing(array, name)

    def _several(self, i: Instruction) -> None:
        """An op taken as one call, or one with several results."""
        if i.picks is None:
            self._assign(i.results[0], self.call_text(i))
            return
        self.lines.append(f"results = {self.call_text(i)}")
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

    def _is_between_numbers(self, i: Instruction) -> bool:
        """Whether it is plain arithmetic of NumPy's numbers: an operator is ten times as fast as a ufunc, and gives the same."""
        if (
            i.function not in _BETWEEN_NUMBERS
            or len(i.args) != 2
            or i.options
            or not self.graph.values[i.results[0]].is_number
        ):
            return False
        values = [self.graph.values[a.place] for a in i.args if isinstance(a, Ref)]
        rest = [a for a in i.args if not isinstance(a, Ref)]
        alike = all(v.is_number and v.place not in self.arrays and v.dtype == values[0].dtype for v in values)
        return alike and values[0].dtype.kind in "fu" and all(type(a) is int and 0 <= a < 1 << 16 for a in rest)

    def call_text(self, i: Instruction, *more: str) -> str:
        args = [self.text(a) for a in i.args]
        if i.function is operator.getitem:
            return f"{args[0]}[{self.key(i.args[1])}]"
        if i.function in _INFIX or self._is_between_numbers(i):
            return f" {(_INFIX | _BETWEEN_NUMBERS)[i.function]} ".join(f"({a})" if a[0] == "-" else a for a in args)
        if i.function in (np.ndarray.item, np.ndarray.fill):
            return f"{args[0]}.{i.name}({', '.join(args[1:])})"
        options = [f"{k}={self.text(v)}" for k, v in i.options.items()]
        if i.opaque:
            return f"{self.thing(i.function, i.of.replace(' ', '_'))}({', '.join([*args, *options])})"
        function = np.dot if self._is_plain_product(i) else i.function
        return f"{self.function(function)}({', '.join([*args, *options, *more])})"

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
