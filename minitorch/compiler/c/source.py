"""A nest of loops, printed in C.

Loops run over as few dimensions as memory allows: two that lie behind each other in every operand are one. What is added up is added in
float64. A function gets a table of addresses `p`, the range `lo` to `hi` of its outermost loop, and which part of the work that is:
sums over all parts come together in a second function. Read next: `program.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..forms import (
    TYPES,
    Map,
    Operand,
    Picked,
    Product,
    Reduce,
    cast,
    in_brackets,
    literal,
    picked_shape,
)
from ..graph import Graph, Ref
from .nests import Nest, Stage

_START = {"sum": "0", "mean": "0", "any": "0", "all": "1", "max": "-INFINITY", "min": "INFINITY"}
_CLAUSE = {"sum": "+", "mean": "+", "any": "|", "all": "&", "max": "max", "min": "min"}


class Dimension:
    """A loop: how often it runs, and by how many elements that moves on in each array."""

    def __init__(self, size: int, steps: dict[str, int], of_row: bool) -> None:
        self.size, self.steps, self.of_row = size, steps, of_row
        self.name = ""


class NestSource:
    """The C functions of a nest: `name` computes a range, `name_end` brings sums together."""

    def __init__(self, nest: Nest, name: str, graph: Graph, memory: Any) -> None:
        """memory: where values are, and the table of addresses (`program.py`)."""
        self.nest, self.name, self.graph, self.memory = nest, name, graph, memory
        self.arrays: dict[str, tuple[str, int, tuple[int, ...]]] = {}  # by name: C type, place in the table, steps
        self.lines: list[str] = []
        self.ends: list[str] = []
        self.emitted: set[int] = set()  # what has been made so far
        self.sums = 0  # how many doubles a part leaves for the end
        self.columns: dict[int, int] = {}  # where among them those of a column sum begin
        self.values: dict[int, str] = {}  # names of what is known in the loop that is printed
        self.count_of_keys = 0
        self.outside: dict[int, str] = {}  # names of what is known in the whole row, or everywhere
        if isinstance(nest.stages[0].form, Product):
            self._product(nest.stages[0])
        else:
            self._loops()

    def _name(self, place: int) -> str:
        return self.graph.values[place].name

    def _variable(self, stage: Stage) -> str:
        """The name of what a stage computes; of a value that is written to, each version has its own."""
        versions = [s for s in self.nest.stages if s.form.target == stage.form.target]
        number = versions.index(stage) + (not versions[0].is_new)
        return self._name(stage.form.target) + (f"_v{number}" if number else "")

    # ---- memory ----

    def _array(self, place: int, key: Any = None) -> str:
        """The name of a value's array in the function, with its steps over the nest's shape."""
        name = f"{'p' if key is None else 'part'}_{self._name(place)}"
        if name not in self.arrays:
            array = self.memory.like(place)
            self._add_array(name, place, array if key is None else array[key], key=key)
        return name

    def _add_array(
        self, name: str, place: int, array: np.ndarray, strides: tuple[int, ...] | None = None, key: Any = None
    ) -> None:
        """Take an array up: where it begins, and its steps, which are those of its strides over the nest's shape unless they are given."""
        if strides is None:
            strides = np.broadcast_to(array, self.nest.shape).strides if array.size else ()
        missing, where = len(self.nest.shape) - len(strides), self.memory.address(self.nest, place, key)
        self.arrays[name] = (TYPES[array.dtype], where, (0,) * missing + tuple(s // array.dtype.itemsize for s in strides))

    def _picked_arrays(self, picked: Picked) -> None:
        """The arrays of an index: its keys, over the dimensions that they choose, and the value, over those that are left."""
        shape, x = picked_shape(picked, self.graph), self.memory.like(picked.place)
        left, chosen = x.ndim - len(picked.keys), len(shape) - (x.ndim - len(picked.keys))
        for key in picked.keys:
            array = self.memory.like(key.place)
            array = np.broadcast_to(array, shape[:chosen]).reshape(shape[:chosen] + (1,) * left) if left else array
            self._add_array(self._key_name(picked, key), key.place, array, np.broadcast_to(array, shape).strides)
        steps = (*(0,) * chosen, *x.strides[len(picked.keys) :])
        self._add_array(self._picked_name(picked), picked.place, x, steps)

    def _picked_name(self, picked: Picked) -> str:
        """The name of an array that elements are picked from; its steps depend on how many dimensions the keys choose in."""
        return f"from{len(picked.keys)}_{self._name(picked.place)}"

    def _key_name(self, picked: Picked, key: Ref) -> str:
        """The name of a key; its steps depend on how many dimensions it leaves alone."""
        left = self.graph.values[picked.place].ndim - len(picked.keys)
        return f"key{left}_{self._name(key.place)}"

    def _picked(self, picked: Picked, depth: int) -> str:
        """The element that the keys name where the loops are; one that is not there is noticed, and the first taken instead."""
        x = self.memory.like(picked.place)
        parts = []
        for d, key in enumerate(picked.keys):
            name, n, step = f"at{self.count_of_keys}", x.shape[d], x.strides[d] // x.dtype.itemsize
            self.count_of_keys += 1
            self._line(f"long {name} = {self._at(self._key_name(picked, key))};", depth)
            self._line(f"{name} += {name} < 0 ? {n} : 0;", depth)
            self._line(f"bad |= {name} < 0 || {name} >= {n};", depth)
            self._line(f"{name} = {name} < 0 || {name} >= {n} ? 0 : {name};", depth)
            parts.append(f"{name} * {step}")
        at = self._at(self._picked_name(picked))
        return f"{at[:-1]} + {' + '.join(parts)}]"

    def _at(self, name: str) -> str:
        """The element of an array that the loops are at."""
        return f"{name}[{_sum([(d.name, d.steps[name]) for d in self.dims])}]"

    # ---- the loops ----

    def _loops(self) -> None:
        nest = self.nest
        for stage in nest.stages:  # all arrays, before the loops are laid out
            picked = _picked_in(stage.form)
            for p in picked:
                self._picked_arrays(p)
            for place in stage.reads:
                if any(place == p.place or Ref(place) in p.keys for p in picked):
                    continue
                if (place not in self.emitted or place in nest.stored) and self._literal(place) is None:
                    self._array(place)
            self.emitted.add(stage.form.target)
            if isinstance(getattr(stage.form, "key", None), Picked):
                continue
            if stage.form.target in nest.stored and stage.role in ("full", "row", "row sum", "scalar"):
                self._target(stage)
        self.emitted = set()
        self.dims = _merged(list(self._dimensions()))
        outer = [d for d in self.dims if not d.of_row]
        inner = [d for d in self.dims if d.of_row]
        if nest.row is None and self.dims:
            outer, inner = self.dims[:-1], self.dims[-1:]
        for k, d in enumerate([*outer, *inner]):
            d.name = f"i{k}"
        self.dims = [*outer, *inner]
        self.first = self.dims[0] if self.dims and (outer or nest.row is None) else None
        self.count = self.first.size if self.first else 1
        for stage in nest.stages:
            if stage.role == "scalar":
                self._map(stage, 1)
        self.outside.update(self.values)
        self._begin_sums(("total", "column sum"), None, 1)
        if nest.picks:
            self._line("int bad = 0;", 1)
        for depth, d in enumerate(outer, start=1):
            self._for(d, depth)
        self._row(inner, len(outer) + 1)
        for depth in range(len(outer), 0, -1):
            self._line("}", depth)
        self._end_sums()
        if nest.picks:
            self._line(f"if (bad) *(int64_t *)p[{self.memory.flag}] = 1;", 1)

    def _target(self, stage: Stage) -> str:
        """The name of the array that a stage writes to."""
        form = stage.form
        if isinstance(form, Reduce) and not form.keepdims:  # as if it had kept them
            name = f"p_{self._name(form.target)}"
            self._add_array(name, form.target, np.expand_dims(self.memory.like(form.target), form.axes))
            return name
        return self._array(form.target, form.key if isinstance(form, Map) else None)

    def _dimensions(self) -> Iterator[Dimension]:
        nest, like = self.nest, self._largest()
        order = sorted(range(len(nest.shape)), key=lambda d: (d in (nest.row or ()), -abs(like[d])))
        for d in order:
            if nest.shape[d] != 1:
                steps = {name: array[2][d] for name, array in self.arrays.items()}
                yield Dimension(nest.shape[d], steps, d in (nest.row or ()))

    def _largest(self) -> tuple[int, ...]:
        """The steps of an array that has an element in each place: loops run as it lies. (Without one, in their order.)"""
        for _, _, steps in reversed(self.arrays.values()):
            if all(s or n == 1 for s, n in zip(steps, self.nest.shape)):
                return steps
        return tuple(range(len(self.nest.shape), 0, -1))

    def _for(self, d: Dimension, depth: int) -> None:
        bounds = ("lo", "hi") if d is self.first else ("0", str(d.size))
        self._line(f"for (long {d.name} = {bounds[0]}; {d.name} < {bounds[1]}; {d.name}++) {{", depth)

    def _row(self, inner: list[Dimension], depth: int) -> None:
        """All loops over a row, one after another: what they add up, then the next, which may know the sums."""
        for level in range(max(s.level for s in self.nest.stages) + 2):
            stages = [s for s in self.nest.stages if s.level == level]
            for stage in stages:
                if stage.role == "row":
                    self._map(stage, depth)
            self._keep_values()
            looped = [s for s in stages if s.role in ("full", "row sum", "column sum", "total")]
            if not looped:
                continue
            self._begin_sums(("row sum",), level, depth)
            within = depth
            for d in inner:
                if d is inner[-1] and not any(isinstance(getattr(s.form, "key", None), Picked) for s in looped):
                    self._line(f"#pragma omp simd{self._clauses(looped)}", within)
                self._for(d, within)
                within += 1
            for stage in looped:
                if isinstance(stage.form, Map):
                    self._map(stage, within)
                else:
                    self._add_up(stage, within)
            for k in range(len(inner), 0, -1):
                self._line("}", depth + k - 1)
            self.values = {}
            for stage in looped:
                if stage.role == "row sum":
                    self._row_sum_is_known(stage, depth)

    def _keep_values(self) -> None:
        self.outside.update(self.values)
        self.values = {}

    # ---- formulas ----

    def _map(self, stage: Stage, depth: int) -> None:
        form = stage.form
        assert isinstance(form, Map)
        dtype = self.graph.values[form.target].dtype
        text = form.text.format(*(self._operand(o, depth) for o in form.operands))
        name = self._variable(stage)
        self._line(f"const {TYPES[dtype]} {name} = {cast(text, form.dtype, dtype)};", depth)
        if isinstance(form.key, Picked):
            self._line(f"{self._picked(form.key, depth)} = {name};", depth)
        elif form.target in self.nest.stored:
            self._line(f"{self._at(self._target(stage))} = {name};", depth)
        elif stage.role == "full" and self._is_read_later(stage):
            self._line(f"{self._kept(stage)} = {name};", depth)
        self.emitted.add(form.target)
        if form.key is None:
            self.values[form.target] = name

    def _operand(self, operand: Operand, depth: int) -> str:
        value = operand.value
        if isinstance(value, Picked):
            return in_brackets(cast(self._picked(value, depth), self.graph.values[value.place].dtype, operand.dtype))
        if not isinstance(value, Ref):
            return literal(value, operand.dtype)
        known = self._literal(value.place)
        if known is not None and value.place not in self.nest.made:
            return literal(known, operand.dtype)
        return in_brackets(cast(self._value(value.place), self.graph.values[value.place].dtype, operand.dtype))

    def _value(self, place: int) -> str:
        """A value as it is known in this loop."""
        name = self.values.get(place) or self.outside.get(place)
        if name:
            return name
        if place in self.emitted and place not in self.nest.stored:
            return self._kept(self.nest.made[place])
        return self._at(self._array(place))

    def _literal(self, place: int) -> Any:
        """The number that all elements of a constant are; None if it is none."""
        array = self.memory.constant(place)
        if array is None or not array.size:
            return None
        first = np.asarray(array).flat[0]
        return first if np.all((array == first) | ((array != array) & (first != first))) else None

    def _is_read_later(self, stage: Stage) -> bool:
        return any(s.level > stage.level and stage.form.target in s.reads for s in self.nest.stages)

    def _kept(self, stage: Stage) -> str:
        """An element of the row of a value that has no memory in the step: it waits on the stack for the next loop."""
        name, size = f"row_{self._name(stage.form.target)}", math.prod(d.size for d in self.dims if d.of_row)
        declared = f"    {TYPES[self.graph.values[stage.form.target].dtype]} {name}[{size}];"
        if declared not in self.lines:
            self.lines.insert(0, declared)
        return f"{name}[{self._place_in_row()}]"

    def _place_in_row(self) -> str:
        parts, size = [], 1
        for d in reversed([d for d in self.dims if d.of_row]):
            parts.append((d.name, size))
            size *= d.size
        return _sum(parts[::-1])

    # ---- sums ----

    def _begin_sums(self, roles: tuple[str, ...], level: int | None, depth: int) -> None:
        for stage in self.nest.stages:
            form = stage.form
            if stage.role in roles and (level is None or stage.level == level) and isinstance(form, Reduce):
                if stage.role == "column sum":
                    size = math.prod(d.size for d in self.dims if d.of_row)
                    self._line(f"double *s_{self._name(form.target)} = sums + {self.sums};", depth)
                    self._line(f"for (long i = 0; i < {size}; i++) s_{self._name(form.target)}[i] = 0;", depth)
                    self.columns[form.target] = self.sums
                    self.sums += size
                else:
                    self._line(f"{self._sum_type(form)} s_{self._name(form.target)} = {self._start(form)};", depth)
                    if form.how in ("max", "min"):
                        self._line(f"int n_{self._name(form.target)} = 0;", depth)

    def _sum_type(self, form: Reduce) -> str:
        if form.how in ("sum", "mean"):
            return "double"
        return "int" if form.how in ("any", "all") else TYPES[self.graph.values[form.operand].dtype]

    def _start(self, form: Reduce) -> str:
        return _START[form.how]

    def _clauses(self, stages: list[Stage]) -> str:
        found = " reduction(|:bad)" if any(_picked_in(s.form) for s in stages) else ""
        for stage in stages:
            form = stage.form
            if isinstance(form, Reduce) and stage.role != "column sum":
                found += f" reduction({_CLAUSE[form.how]}:s_{self._name(form.target)})"
                if form.how in ("max", "min"):
                    found += f" reduction(|:n_{self._name(form.target)})"
        return found

    def _add_up(self, stage: Stage, depth: int) -> None:
        form = stage.form
        assert isinstance(form, Reduce)
        operand = Operand(Ref(form.operand), self.graph.values[form.operand].dtype)
        s, v = f"s_{self._name(form.target)}", self._operand(operand, depth)
        if stage.role == "column sum":
            self._line(f"{s}[{self._place_in_row()}] += {v};", depth)
        elif form.how in ("sum", "mean"):
            self._line(f"{s} += {v};", depth)
        elif form.how in ("any", "all"):
            self._line(f"{s} {'|' if form.how == 'any' else '&'}= {v} != 0;", depth)
        else:
            self._line(f"{s} = {v} {'>' if form.how == 'max' else '<'} {s} ? {v} : {s};", depth)
            self._line(f"n_{self._name(form.target)} |= {v} != {v};", depth)

    def _row_sum_is_known(self, stage: Stage, depth: int) -> None:
        form = stage.form
        assert isinstance(form, Reduce)
        kind, name = TYPES[self.graph.values[form.target].dtype], self._variable(stage)
        s, n = (f"{letter}_{self._name(form.target)}" for letter in "sn")
        self._line(f"const {kind} {name} = {self._of_sum(form, s, n)};", depth)
        if form.target in self.nest.stored:
            self._line(f"{self._at(self._target(stage))} = {name};", depth)
        self.outside[form.target] = name

    def _of_sum(self, form: Reduce, s: str, n: str) -> str:
        """What has been added up, as it is handed on; n: whether there was a nan among what max or min has seen."""
        dtype = self.graph.values[form.target].dtype
        text = f"{s} / {math.prod(self.nest.shape[d] for d in form.axes)}" if form.how == "mean" else s
        if form.how in ("max", "min"):
            return f"{n} ? NAN : {s}"
        return f"({TYPES[dtype]})({text})"

    def _end_sums(self) -> None:
        """What each part leaves, and how the parts come together."""
        for stage in self.nest.stages:
            form = stage.form
            if stage.role not in ("total", "column sum") or not isinstance(form, Reduce):
                continue
            s, dtype = f"s_{self._name(form.target)}", self.graph.values[form.target].dtype
            where = self.memory.address(self.nest, form.target)
            target = f"(({TYPES[dtype]} *)p[{where}])"
            if stage.role == "column sum":
                size = math.prod(d.size for d in self.dims if d.of_row)
                self.ends += [
                    f"    for (long i = 0; i < {size}; i++) {{",
                    f"        double s = 0; for (long k = 0; k < parts; k++) s += sums[k * SUMS + {self.columns[form.target]} + i];",
                    f"        {target}[i] = {self._of_sum(form, 's', '')};",
                    "    }",
                ]
                continue
            at = self.sums
            self.sums += 2
            self._line(f"sums[{at}] = {s};", 1)
            if form.how in ("max", "min"):
                self._line(f"sums[{at + 1}] = n_{self._name(form.target)};", 1)
            self.ends += [f"    {{ double s = sums[{at}], n = sums[{at + 1}];"]
            self.ends.append(f"      for (long k = 1; k < parts; k++) {{ double t = sums[k * SUMS + {at}];")
            self.ends.append(f"        {_joined(form.how)} n += sums[k * SUMS + {at + 1}]; }}")
            self.ends.append(f"      *{target} = {self._of_sum(form, 's', 'n')}; }}")

    # ---- products ----

    def _product(self, stage: Stage) -> None:
        """c = a b, for small matrices: in each row a sum of b's rows, or products of rows where b lies transposed."""
        form = stage.form
        assert isinstance(form, Product)
        a, b, c = (self.memory.like(p) for p in (form.a, form.b, form.target))
        size, (rows, inner), columns = a.dtype.itemsize, a.shape, b.shape[1]
        names = []
        for place, array in ((form.a, a), (form.b, b), (form.target, c)):
            names.append(f"p_{self._name(place)}")
            self.arrays[names[-1]] = (TYPES[array.dtype], self.memory.address(self.nest, place), ())
        (ai, ak), (bk, bj), (ci, cj) = (tuple(s // size for s in m.strides) for m in (a, b, c))
        kind, x, y, z = TYPES[a.dtype], *names
        self.first, self.count = None, 1
        self._line(f"for (long i = 0; i < {rows}; i++)", 1)
        if bj == 1 or columns == 1:
            self._line("{", 1)
            self._line(f"{kind} sum[{columns}]; for (long j = 0; j < {columns}; j++) sum[j] = 0;", 2)
            self._line(f"for (long k = 0; k < {inner}; k++) {{", 2)
            self._line(f"const {kind} v = {x}[{_sum([('i', ai), ('k', ak)])}];", 3)
            self._line("#pragma omp simd", 3)
            self._line(f"for (long j = 0; j < {columns}; j++) sum[j] += v * {y}[{_sum([('k', bk), ('j', bj)])}];", 3)
            self._line("}", 2)
            self._line(f"for (long j = 0; j < {columns}; j++) {z}[{_sum([('i', ci), ('j', cj)])}] = sum[j];", 2)
            self._line("}", 1)
            return
        self._line(f"for (long j = 0; j < {columns}; j++) {{", 2)
        self._line(f"{kind} sum = 0;", 3)
        self._line("#pragma omp simd reduction(+:sum)", 3)
        at = _sum([("i", ai), ("k", ak)]), _sum([("k", bk), ("j", bj)])
        self._line(f"for (long k = 0; k < {inner}; k++) sum += {x}[{at[0]}] * {y}[{at[1]}];", 3)
        self._line(f"{z}[{_sum([('i', ci), ('j', cj)])}] = sum;", 3)
        self._line("}", 2)

    # ---- text ----

    def _line(self, text: str, depth: int) -> None:
        self.lines.append("    " * depth + text)

    def text(self, note: Callable[[Nest], str]) -> str:
        """Both functions."""
        head = [f"/* {note(self.nest)} */", f"static void {self.name}(char **p, long lo, long hi, double *sums) {{"]
        for name, (kind, where, _) in self.arrays.items():
            head.append(f"    {kind} *const {name} = ({kind} *)p[{where}];")
        lines = [*head, *self.lines, "}"]
        if self.ends:
            ends = [line.replace("SUMS", str(self.sums)) for line in self.ends]
            lines += [f"static void {self.name}_end(char **p, long parts, double *sums) {{", *ends, "}"]
        return "\n".join(lines)


def _picked_in(form: Any) -> list[Picked]:
    """What a form picks by index arrays, or writes to by them."""
    if not isinstance(form, Map):
        return []
    return [p for p in [*(o.value for o in form.operands), form.key] if isinstance(p, Picked)]


def _merged(dims: list[Dimension]) -> list[Dimension]:
    """The loops, where those whose elements lie behind each other in all arrays are one."""
    done: list[Dimension] = []
    for d in dims:
        last = done[-1] if done else None
        if last and last.of_row == d.of_row and all(last.steps[n] == d.steps[n] * d.size for n in d.steps):
            done[-1] = Dimension(last.size * d.size, d.steps, d.of_row)
        else:
            done.append(d)
    return done


def _joined(how: str) -> str:
    """How two parts' sums become one."""
    return {
        "sum": "s += t;", "mean": "s += t;", "any": "s = s != 0 || t != 0;", "all": "s = s != 0 && t != 0;",
        "max": "s = t > s ? t : s;", "min": "s = t < s ? t : s;",
    }[how]  # fmt: skip


def _sum(parts: list[tuple[str, int]]) -> str:
    """Σ index · step."""
    return " + ".join(name if step == 1 else f"{name} * {step}" for name, step in parts if step) or "0"
