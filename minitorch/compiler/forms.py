"""What an instruction computes, as loops see it: of each number a formula in C, or a sum over some dimensions, or a product of matrices.

Each form is told by a table; an instruction that is in none of them stays a NumPy call. Read next: `c/nests.py`, `cuda/formula.py`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .graph import Graph, Instruction, Ref

TYPES: dict[np.dtype, str] = {
    np.dtype("float32"): "float", np.dtype("float64"): "double", np.dtype("bool"): "bool8", np.dtype("int8"): "int8_t",
    np.dtype("uint8"): "uint8_t", np.dtype("int16"): "int16_t", np.dtype("int32"): "int32_t", np.dtype("int64"): "int64_t",
}  # fmt: skip

# Of floats and of whole numbers. {0} and {1} are the operands, {f} is f for float32: C's sqrtf beside sqrt.
_EVERYWHERE = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "negative": "-{0}", "square": "{0} * {0}",
    "maximum": "({0} >= {1} || {0} != {0}) ? {0} : {1}", "minimum": "({0} <= {1} || {0} != {0}) ? {0} : {1}",
    "positive": "{0}",
}  # fmt: skip
_OF_FLOATS = {
    "divide": "{0} / {1}", "reciprocal": "1 / {0}", "absolute": "fabs{f}({0})", "sqrt": "sqrt{f}({0})", "log": "log{f}({0})",
    "log1p": "log1p{f}({0})", "expm1": "expm1{f}({0})", "log2": "log2{f}({0})", "sin": "sin{f}({0})", "cos": "cos{f}({0})",
    "power": "pow{f}({0}, {1})", "floor": "floor{f}({0})", "ceil": "ceil{f}({0})", "rint": "rint{f}({0})",
    "trunc": "trunc{f}({0})", "copysign": "copysign{f}({0}, {1})", "exp2": "exp2{f}({0})",
    "sign": "({0} != {0}) ? {0} : ({0} > 0) - ({0} < 0)", "log10": "log10{f}({0})", "tan": "tan{f}({0})", "arcsin": "asin{f}({0})",
    "arccos": "acos{f}({0})", "arctan": "atan{f}({0})", "sinh": "sinh{f}({0})", "cosh": "cosh{f}({0})", "arcsinh": "asinh{f}({0})",
    "arccosh": "acosh{f}({0})", "arctanh": "atanh{f}({0})", "arctan2": "atan2{f}({0}, {1})", "hypot": "hypot{f}({0}, {1})",
    "fmod": "fmod{f}({0}, {1})", "fmax": "fmax{f}({0}, {1})", "fmin": "fmin{f}({0}, {1})", "erfc": "erfc{f}({0})",
    "logaddexp": "({0} == {1}) ? {0} + log{f}(2.0) : fmax{f}({0}, {1}) + log1p{f}(exp{f}(-fabs{f}({0} - {1})))",
}  # fmt: skip
_BY_TYPE = {
    "exp": ("exp_float({0})", "exp({0})"), "tanh": ("tanh_float({0})", "tanh({0})"), "erf": ("erf_float({0})", "erf({0})"),
    "expit": ("sigmoid_float({0})", "sigmoid_double({0})"),
}  # fmt: skip
_QUESTIONS = {
    "less": "{0} < {1}", "less_equal": "{0} <= {1}", "greater": "{0} > {1}", "greater_equal": "{0} >= {1}", "equal": "{0} == {1}",
    "not_equal": "{0} != {1}", "isnan": "{0} != {0}", "isinf": "isinf({0}) != 0", "isfinite": "isfinite({0}) != 0",
    "logical_and": "({0} != 0) && ({1} != 0)", "logical_or": "({0} != 0) || ({1} != 0)", "logical_not": "{0} == 0",
    "logical_xor": "({0} != 0) != ({1} != 0)",
}  # fmt: skip
_OF_BITS = {"bitwise_and": "{0} & {1}", "bitwise_or": "{0} | {1}", "bitwise_xor": "{0} ^ {1}"}
_OF_NUMBERS = {
    operator.add: "{0} + {1}", operator.sub: "{0} - {1}", operator.mul: "{0} * {1}", operator.truediv: "{0} / {1}",
    operator.pow: "pow({0}, {1})", operator.neg: "-{0}",
}  # fmt: skip
_COPIES = {
    np.copy, np.ndarray.copy, np.generic.copy, np.ndarray.astype, np.generic.astype, np.asarray, np.array, np.ascontiguousarray,
}  # fmt: skip
_MAKERS = {"zeros": 0, "zeros_like": 0, "ones": 1, "ones_like": 1}
_SUMS = {
    np.ndarray.sum: "sum", np.sum: "sum", np.add.reduce: "sum", np.ndarray.mean: "mean", np.mean: "mean", np.ndarray.max: "max",
    np.max: "max", np.maximum.reduce: "max", np.ndarray.min: "min", np.min: "min", np.minimum.reduce: "min",
    np.ndarray.any: "any", np.any: "any", np.logical_or.reduce: "any", np.ndarray.all: "all", np.all: "all",
    np.logical_and.reduce: "all",
}  # fmt: skip
_BY_UFUNCS = {np.add.reduce, np.maximum.reduce, np.minimum.reduce, np.logical_or.reduce, np.logical_and.reduce}
SMALL = 40_000  # multiplications: larger products are BLAS's


@dataclass(frozen=True)
class Operand:
    """What a formula takes: a value, or a number; in which dtype."""

    value: Any  # a Ref, a Python number, or Picked
    dtype: np.dtype


@dataclass(frozen=True)
class Picked:
    """The elements of a value that index arrays name, in its first dimensions."""

    place: int
    keys: tuple[Ref, ...]


@dataclass(frozen=True)
class Map:
    """Each number of `target` by a formula, of the numbers in the same place."""

    text: str
    operands: tuple[Operand, ...]
    dtype: np.dtype  # of the formula; the target's may be another
    target: int
    key: Any = None  # what of the target's array is written, if not all: an index of NumPy's, or Picked


@dataclass(frozen=True)
class Reduce:
    """The sum, mean or largest over dimensions `axes` of the operand."""

    how: str
    operand: int
    axes: tuple[int, ...]
    keepdims: bool
    target: int


@dataclass(frozen=True)
class Product:
    """A small product of two matrices."""

    a: int
    b: int
    target: int


Form = Map | Reduce | Product


def form_of(i: Instruction, graph: Graph, types: Container[np.dtype] = TYPES) -> Form | None:
    """The instruction as a form; None if it has none here. types: what values may be; they are computed with in those of `TYPES`."""
    if i.effect or i.opaque or i.views or i.decides or i.picks is not None or len(i.results) > 1:
        return None
    written = i.results[0] if i.results else i.writes
    if hasattr(i.function, "means"):
        i = i.changed(function=i.function.means)
    if written is None or graph.values[written].dtype not in types:
        return None
    if any(graph.values[p].dtype not in types or not _is_regular(graph.values[p]) for p in [*i.reads(), written]):
        return None
    form = _of_instruction(i, graph, written)
    return None if form is None or _overlaps(form, graph) else form


def reads_of(form: Form) -> list[int]:
    """The values that a form reads."""
    if isinstance(form, Map):
        picked = [o.value for o in form.operands if isinstance(o.value, Picked)]
        keys = [key.place for p in [*picked, form.key] if isinstance(p, Picked) for key in p.keys]
        return [*(o.value.place for o in form.operands if isinstance(o.value, Ref)), *(p.place for p in picked), *keys]
    return [form.operand] if isinstance(form, Reduce) else [form.a, form.b]


def _overlaps(form: Form, graph: Graph) -> bool:
    """Whether it reads what it writes, but in other places: numbers would be overwritten before they are read."""
    in_place = isinstance(form, Map) and form.key is None
    same = [p for p in reads_of(form) if graph.memory(p) == graph.memory(form.target)]
    return any(p != form.target or not in_place for p in same)


def _is_regular(v: Any) -> bool:
    """Whether its strides are whole numbers of elements."""
    return all(s % v.dtype.itemsize == 0 for s in v.strides)


def _of_instruction(i: Instruction, graph: Graph, target: int) -> Form | None:
    function, name = i.function, getattr(i.function, "__name__", "")
    if function is np.matmul and set(i.options) <= {"out"}:
        return _product(i, graph, target)
    if isinstance(function, np.ufunc):
        return _ufunc(i, graph, target) if set(i.options) <= {"out"} and function.signature is None else None
    if function in _SUMS:
        return _reduce(i, graph, target)
    if function in _OF_NUMBERS:
        return _of_numbers(i, graph, target)
    if function in (np.ndarray.item, np.generic.item):
        return Map("{0}", (Operand(i.args[0], np.dtype("float64")),), np.dtype("float64"), target)
    dtype = graph.values[target].dtype
    if function is np.where and len(i.args) == 3 and all(map(_is_simple, i.args)):
        flag = Operand(i.args[0], np.dtype("bool"))
        return Map("{0} ? {1} : {2}", (flag, *(Operand(a, dtype) for a in i.args[1:])), dtype, target)
    if function in _COPIES:
        return Map("{0}", (Operand(i.args[0], dtype),), dtype, target) if _is_simple(i.args[0]) and i.results else None
    if function is operator.getitem and (picked := _picked(i.args, graph)) is not None:
        return Map("{0}", (Operand(picked, dtype),), dtype, target)
    if function is operator.setitem and _is_simple(i.args[2]) and (picked := _picked(i.args, graph)) is not None:
        return Map("{0}", (Operand(i.args[2], dtype),), dtype, target, picked)
    if function is operator.setitem and _is_basic(i.args[1]) and _is_simple(i.args[2]):
        return Map("{0}", (Operand(i.args[2], dtype),), dtype, target, _of_a_view(i.args[1]))
    if function is np.ndarray.fill and _is_simple(i.args[1]):
        return Map("{0}", (Operand(i.args[1], dtype),), dtype, target)
    if function is np.copyto and len(i.args) == 2 and _is_simple(i.args[1]) and set(i.options) <= {"where", "casting"}:
        return _copyto(i, dtype, target)
    if name in _MAKERS and i.results:
        return Map(str(_MAKERS[name]), (), dtype, target)
    return None


def _picked(args: tuple, graph: Graph) -> Picked | None:
    """What x[i, j] means of index arrays."""
    keys = args[1] if isinstance(args[1], tuple) else (args[1],)
    if not isinstance(args[0], Ref) or not all(isinstance(k, Ref) and graph.values[k.place].dtype.kind == "i" for k in keys):
        return None
    x = graph.values[args[0].place]
    return Picked(x.place, keys) if 0 < len(keys) <= x.ndim and 0 not in x.shape else None


def picked_shape(picked: Picked, graph: Graph) -> tuple[int, ...]:
    """How many elements are picked."""
    chosen = np.broadcast_shapes(*(graph.values[k.place].shape for k in picked.keys))
    return (*chosen, *graph.values[picked.place].shape[len(picked.keys) :])


def _copyto(i: Instruction, dtype: np.dtype, target: int) -> Form | None:
    new = Operand(i.args[1], dtype)
    if "where" not in i.options:
        return Map("{0}", (new,), dtype, target)
    flag = i.options["where"]
    if not _is_simple(flag):
        return None
    return Map("{0} ? {1} : {2}", (Operand(flag, np.dtype("bool")), new, Operand(i.args[0], dtype)), dtype, target)


def _ufunc(i: Instruction, graph: Graph, target: int) -> Form | None:
    ufunc: Any = i.function
    args = i.args[: ufunc.nin]
    if not all(map(_is_simple, args)) or ufunc.nout != 1:
        return None
    try:
        *types, gives = ufunc.resolve_dtypes((*(type_of(a, graph) for a in args), None))
    except TypeError:
        return None
    text = _formula(ufunc.__name__, types, gives)
    if text is None or any(t not in TYPES for t in [*types, gives]):
        return None
    return Map(text, tuple(map(Operand, args, types)), gives, target)


def _formula(name: str, types: Sequence[np.dtype], gives: np.dtype) -> str | None:
    kind, suffix = gives.kind, "f" if gives == np.float32 else ""
    if name in _QUESTIONS:
        return _QUESTIONS[name]
    if kind == "f" and name in _BY_TYPE:
        return _BY_TYPE[name][gives != np.float32]
    if kind == "f" and name in _OF_FLOATS:
        return _OF_FLOATS[name].replace("{f}", suffix)
    if kind in "fi" and name in _EVERYWHERE:
        return _EVERYWHERE[name]
    if kind in "bi" and name in _OF_BITS:
        return _OF_BITS[name]
    if name == "invert":
        return "!{0}" if kind == "b" else "~{0}" if kind == "i" else None
    return None


def _of_numbers(i: Instruction, graph: Graph, target: int) -> Form | None:
    """Python's operators: between numbers that change from step to step, or a power of an array."""
    double = np.dtype("float64")
    if all(graph.values[p].weak for p in i.reads()):
        return Map(_OF_NUMBERS[i.function], tuple(Operand(a, double) for a in i.args), double, target)
    dtype = graph.values[target].dtype
    if i.function is not operator.pow or dtype.kind != "f" or not isinstance(i.args[0], Ref) or not _is_simple(i.args[1]):
        return None
    base, power = Operand(i.args[0], dtype), i.args[1]
    known = {2: "{0} * {0}", 0.5: "sqrt{f}({0})", -1: "1 / {0}", 1: "{0}"} if not isinstance(power, Ref) else {}
    text = known.get(power, "pow{f}({0}, {1})").replace("{f}", "f" if dtype == np.float32 else "")
    return Map(text, (base, Operand(power, dtype)), dtype, target)


def _reduce(i: Instruction, graph: Graph, target: int) -> Form | None:
    if not isinstance(i.args[0], Ref) or len(i.args) > 2 or not set(i.options) <= {"axis", "keepdims"} or not i.results:
        return None
    v, how = graph.values[i.args[0].place], _SUMS[i.function]
    axis = i.args[1] if len(i.args) > 1 else i.options.get("axis", 0 if i.function in _BY_UFUNCS else None)
    axes = tuple(range(v.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if not all(type(a) is int for a in axes) or 0 in v.shape:
        return None
    if how not in ("any", "all") and v.dtype.kind != "f":
        return None
    axes = tuple(sorted(a % v.ndim for a in axes)) if v.ndim else ()
    if not axes and v.ndim:
        return None
    return Reduce(how, v.place, axes, bool(i.options.get("keepdims", False)), target)


def _product(i: Instruction, graph: Graph, target: int) -> Form | None:
    if not all(isinstance(a, Ref) for a in i.args[:2]):
        return None
    a, b, out = (graph.values[p] for p in (i.args[0].place, i.args[1].place, target))
    if a.ndim != 2 or b.ndim != 2 or not a.dtype == b.dtype == out.dtype or out.dtype.kind != "f":
        return None
    return Product(a.place, b.place, target) if a.shape[0] * a.shape[1] * b.shape[1] <= SMALL else None


def type_of(value: Any, graph: Graph) -> Any:
    """A value's dtype as NumPy's rules of promotion see it: Python's numbers are weak."""
    if isinstance(value, Ref):
        v = graph.values[value.place]
        return float if v.weak else v.dtype
    if isinstance(value, (np.generic, np.ndarray)):
        return value.dtype
    return np.dtype("bool") if isinstance(value, bool) else type(value)


def _is_simple(value: Any) -> bool:
    """Whether it is a value or one number."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.ndim == 0 and value.dtype in TYPES
    return isinstance(value, (Ref, bool, int, float))


def _is_basic(key: Any) -> bool:
    """Whether an index names a view: slices, whole numbers, None, dots."""
    keys = key if isinstance(key, tuple) else (key,)
    return all(k is None or k is Ellipsis or type(k) is int or _is_a_slice_of_numbers(k) for k in keys)


def _of_a_view(key: Any) -> Any:
    """The index so that it gives a view, of one number too; None if it is of the whole array."""
    keys = key if isinstance(key, tuple) else (key,)
    keys = keys if any(k is Ellipsis for k in keys) else (*keys, Ellipsis)
    return None if keys == (Ellipsis,) else keys


def _is_a_slice_of_numbers(key: Any) -> bool:
    return isinstance(key, slice) and all(n is None or type(n) is int for n in (key.start, key.stop, key.step))


# ---- the text of a formula ----


def in_brackets(text: str) -> str:
    """An operand of a formula; a name, or an element of an array, needs no brackets."""
    return text if re.fullmatch(r"\w+(\[[^\]]*\])?", text) else f"({text})"


def cast(text: str, have: np.dtype, want: np.dtype, types: Mapping[np.dtype, str] = TYPES) -> str:
    """What is of one dtype, in another. types: how they are called."""
    if have == want:
        return text
    return f"(({text}) != 0)" if want.kind == "b" else f"({types[want]})({text})"


def literal(value: Any, dtype: np.dtype, types: Mapping[np.dtype, str] = TYPES) -> str:
    """A number in C, to the last bit."""
    with np.errstate(all="ignore"):
        number = np.asarray(value).astype(dtype)[()]
    if dtype.kind == "b":
        return str(int(number))
    if dtype.kind in "fV" and dtype.itemsize == 2:
        return f"{types[dtype]}({literal(number, np.dtype(np.float32))})"
    if dtype.kind != "f":
        least = number == np.iinfo(np.int64).min  # (which C reads as the negative of a number that is too large)
        return f"({int(number) + 1}LL - 1)" if least else f"(({types[dtype]})({int(number)}LL))"
    if not np.isfinite(number):
        return "NAN" if np.isnan(number) else "INFINITY" if number > 0 else "(-INFINITY)"
    text = f"{number!s}f" if dtype == np.float32 else repr(float(number))  # (as many digits as tell it from all others)
    return text if number > 0 or text[0] == "0" else f"({text})"
