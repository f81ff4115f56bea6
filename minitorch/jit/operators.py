"""What the nodes of a graph do: `aten::relu` is `minitorch.relu`, or Tensor's method of that name; and of which type the result is.

Only names of this table are called, whatever a file says: ops, functions that make tensors, a tensor's own questions. Nothing here reads a
file, sets a mode or runs code that it is given.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import minitorch
from minitorch.nn import functional
from minitorch.op import registry
from minitorch.tensor import Tensor

from . import types
from .types import ANY, BOOL, DEVICE, DTYPE, FLOAT, INT, NONE, NUMBER, STR, TENSOR, Type, joined, list_of, optional, tuple_of

# Functions and methods that are no registered ops: those that make tensors, other names, and what a tensor tells of itself.
_MADE = """abs_ absolute arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh as_tensor bartlett_window bernoulli blackman_window
    clip detach divide empty empty_like exp2_ eye fix full full_like greater greater_equal hamming_window hann_window kaiser_window
    less less_equal linspace logspace multinomial multiply negative normal not_equal ones ones_like poisson rand rand_like randint
    randint_like randn randn_like randperm scalar_tensor subtract tensor tril_indices triu_indices zeros zeros_like is_tensor is_nonzero
    is_same_size is_grad_enabled"""
_METHODS = """bernoulli_ bool byte cauchy_ char copy_ cpu cuda detach_ dim double element_size expand_as exponential_ fill_ float
    geometric_ half int is_contiguous item long log_normal_ ndimension nelement new_empty new_full new_ones new_zeros normal_ random_
    requires_grad_ reshape_as fill_diagonal_ resize_ resize_as_ short size storage_offset stride sum_to_size to tolist type_as unfold
    uniform_ view_as zero_ bfloat16 backward"""
_ATTRIBUTES = """H T mH mT data device dtype grad is_cpu is_cuda is_leaf is_quantized itemsize layout nbytes ndim requires_grad shape"""

ATTRIBUTES = {
    **dict.fromkeys(_ATTRIBUTES.split(), BOOL), **dict.fromkeys(("H", "T", "mH", "mT", "data"), TENSOR),
    "shape": list_of(INT), "ndim": INT, "itemsize": INT, "nbytes": INT, "grad": optional(TENSOR), "dtype": DTYPE, "device": DEVICE, "layout": ANY,
}  # fmt: skip

# Python's operators, on numbers, strings, lists and tensors alike.
OPERATORS: dict[str, Callable] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "floordiv": operator.floordiv,
    "remainder": operator.mod, "pow": lambda a, b: float(a**b) if _are_ints(a, b) else a**b,  # torch's power of ints is a float
    "matmul": operator.matmul, "neg": operator.neg, "bitwise_not": operator.invert,
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
    "__and__": operator.and_, "__or__": operator.or_, "__xor__": operator.xor, "__lshift__": operator.lshift,
    "__rshift__": operator.rshift,
}  # fmt: skip
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
# Their forms that write into the left operand, if it is a tensor or a list.
IN_PLACE: dict[str, Callable] = {
    "add_": operator.iadd, "sub_": operator.isub, "mul_": operator.imul, "div_": operator.itruediv, "pow_": operator.ipow,
    "floordiv_": operator.ifloordiv, "remainder_": operator.imod,
}  # fmt: skip
OTHERS: dict[str, Callable] = {
    "__not__": operator.not_, "__is__": operator.is_, "__isnot__": operator.is_not, "__contains__": operator.contains, "len": len,
    "Int": int, "Float": float, "Bool": bool, "str": str, "format": lambda text, *args: _formatted(text, args),
    "__getitem__": operator.getitem, "_set_item": operator.setitem, "__delitem__": operator.delitem, "slice": slice,
    "prim::min": min, "prim::max": max, "prim::abs": abs, "prim::sum": sum, "prim::round": round, "range": lambda *a: list(range(*a)), "sorted": sorted,
    "list": list,
}  # fmt: skip
MATH = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "copysign",
    "cos",
    "cosh",
    "degrees",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "fabs",
    "factorial",
    "floor",
    "fmod",
    "gamma",
    "gcd",
    "hypot",
    "isfinite",
    "isinf",
    "isnan",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "pow",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
]

# Methods of lists, dicts and strings: the type of the result, by the type of the object.
LIST_METHODS: dict[str, Callable[[Type], Type]] = {
    "append": lambda t: NONE, "extend": lambda t: NONE, "insert": lambda t: NONE, "reverse": lambda t: NONE, "sort": lambda t: NONE,
    "clear": lambda t: NONE, "remove": lambda t: NONE, "pop": lambda t: t.of[0], "copy": lambda t: t, "index": lambda t: INT, "count": lambda t: INT,
}  # fmt: skip
DICT_METHODS: dict[str, Callable[[Type], Type]] = {
    "keys": lambda t: list_of(t.of[0]), "values": lambda t: list_of(t.of[1]), "items": lambda t: list_of(tuple_of(*t.of)),
    "get": lambda t: optional(t.of[1]), "pop": lambda t: t.of[1], "update": lambda t: NONE, "clear": lambda t: NONE, "copy": lambda t: t,
    "setdefault": lambda t: t.of[1],
}  # fmt: skip
STR_METHODS: dict[str, Type] = {
    **dict.fromkeys(["upper", "lower", "strip", "lstrip", "rstrip", "replace", "capitalize", "title", "join", "format", "zfill"], STR),
    **dict.fromkeys(["startswith", "endswith", "isdigit", "isalpha", "isalnum", "isupper", "islower"], BOOL),
    "split": list_of(STR), "splitlines": list_of(STR), "find": INT, "count": INT,
}  # fmt: skip


def _are_ints(*numbers: Any) -> bool:
    return all(isinstance(n, int) for n in numbers)


# ---- what a node calls ----


def function_of(kind: str) -> Callable | None:
    """What a node of this kind calls; None if nothing is to be called by that name."""
    space, _, name = kind.partition("::")
    if space == "aten":
        if name in OPERATORS:
            return _operator(name)
        if name in IN_PLACE:
            return _in_place(name)
        if name in OTHERS:
            return OTHERS[name]
        return public(name) or _method(name)
    if space == "prim":
        return OTHERS.get(kind) or (_attribute(name) if name in ATTRIBUTES else None)
    if space == "functional":
        return getattr(functional, name) if is_functional(name) else None
    if space == "math":
        return getattr(math, name) if name in MATH else None
    if space in ("list", "dict", "str"):
        known: Any = {"list": LIST_METHODS, "dict": DICT_METHODS, "str": STR_METHODS}[space]
        return _copied(getattr({"list": list, "dict": dict, "str": str}[space], name)) if name in known else None
    return None


def _operator(name: str) -> Callable:
    """Python's operator for two operands; what has more, `add(x, y, alpha)`, is the op."""
    two, more = OPERATORS[name], registry.get(name)
    return lambda *args, **options: two(*args) if not options and len(args) <= 2 else more(*args, **options)  # type: ignore[misc]


def _in_place(name: str) -> Callable:
    """Python's operator that writes; what has more, `add_(x, y, alpha=2)`, is the method."""
    two, method = IN_PLACE[name], getattr(Tensor, name, None)
    return lambda *args, **options: two(*args) if not options and len(args) == 2 else method(*args, **options)  # type: ignore[misc]


def public(name: str) -> Callable | None:
    """The function of tensors by this name: `minitorch.relu`; `minitorch.linalg.inv` is `linalg_inv`."""
    if name in registry or name in _MADE.split():
        return getattr(minitorch, name, None) or registry[name]
    of_linalg = name.removeprefix("linalg_")
    return getattr(minitorch.linalg, of_linalg) if of_linalg != name and of_linalg in minitorch.linalg.__all__ else None


def _method(name: str) -> Callable | None:
    known = name in registry or public(name.removesuffix("_")) is not None or name in _METHODS.split()
    return getattr(Tensor, name, None) if known else None


def _attribute(name: str) -> Callable:
    return lambda tensor: list(tensor.shape) if name == "shape" else getattr(tensor, name)


def _formatted(text: str, args: tuple) -> str:
    """text.format(*args), where a template can ask the arguments for nothing."""
    return text.format(*(a if isinstance(a, (bool, int, float, str)) else str(a) for a in args))


def _copied(method: Callable) -> Callable:
    """A method whose result is a list where Python has a view of a dict, or a tuple."""

    def call(*args: Any, **options: Any) -> Any:
        result = method(*args, **options)
        return list(result) if type(result).__name__.startswith("dict_") else result

    return call


def is_functional(name: str) -> bool:
    """Whether `minitorch.nn.functional` has a public function of this name."""
    found = getattr(functional, name, None)
    room = (getattr(found, "__module__", None) or "").split(".")
    return not name.startswith("_") and callable(found) and not isinstance(found, type) and room[:2] in (
        ["minitorch", "nn"], ["minitorch", "ops"], ["minitorch", "op"], ["minitorch", "kernels"],
    )  # fmt: skip


def is_aten(name: str) -> bool:
    """Whether there is a function of tensors by this name."""
    return public(name) is not None


def is_method(name: str) -> bool:
    """Whether a tensor has a method of this name that a script may call."""
    return _method(name) is not None


# ---- the types of results ----

_PAIRS = {
    "topk",
    "sort",
    "kthvalue",
    "mode",
    "cummax",
    "cummin",
    "aminmax",
    "std_mean",
    "var_mean",
    "frexp",
    "slogdet",
    "qr",
    "lu",
}
_PAIRS_BY_DIM = {"max", "min", "median", "nanmedian"}  # with a dimension they give values and places
_LISTS = {
    "split",
    "chunk",
    "unbind",
    "tensor_split",
    "split_with_sizes",
    "hsplit",
    "vsplit",
    "dsplit",
    "meshgrid",
    "broadcast_tensors",
}
_TOLD = {
    "dim": INT, "ndimension": INT, "numel": INT, "nelement": INT, "element_size": INT, "storage_offset": INT, "item": NUMBER,
    "is_contiguous": BOOL, "is_floating_point": BOOL, "is_complex": BOOL, "is_nonzero": BOOL, "is_same_size": BOOL, "equal": BOOL,
    "allclose": BOOL, "is_tensor": BOOL, "is_grad_enabled": BOOL, "backward": NONE,
    "len": INT, "Int": INT, "Float": FLOAT, "Bool": BOOL, "str": STR, "format": STR, "__not__": BOOL, "__is__": BOOL, "__isnot__": BOOL,
    "__contains__": BOOL, "range": list_of(INT), "slice": ANY, "_set_item": NONE, "__delitem__": NONE,
}  # fmt: skip


def result_type(kind: str, given: Sequence[Type], names: Sequence[str] = (), in_place: bool = False) -> Type:
    """The type of what a node of this kind gives, by the types of its inputs."""
    space, _, name = kind.partition("::")
    if space == "math":
        return INT if name in ("ceil", "floor", "trunc", "factorial", "gcd") else BOOL if name.startswith("is") else FLOAT
    if space == "str":
        return STR_METHODS[name]
    if space in ("list", "dict"):
        return (LIST_METHODS if space == "list" else DICT_METHODS)[name](given[0])
    if space == "prim" and name in ATTRIBUTES:
        return ATTRIBUTES[name]
    bare = name.removesuffix("_") if name in IN_PLACE else name
    if bare in OPERATORS and (TENSOR not in given):
        return _of_numbers(bare, list(given))
    if name == "__getitem__":
        return _of_item(given)
    if name == "size":
        return INT if len(given) > 1 else list_of(INT)
    if name == "stride":
        return INT if len(given) > 1 else list_of(INT)
    if kind in ("prim::min", "prim::max", "prim::abs", "prim::sum", "prim::round", "aten::sorted", "aten::list"):
        return _of_python(name, list(given))
    if name in _TOLD:
        return _TOLD[name]
    if name in _PAIRS or (name in _PAIRS_BY_DIM and ((len(given) > 1 and given[1] is not TENSOR) or "dim" in names)):
        return tuple_of(TENSOR, TENSOR)
    return list_of(TENSOR) if name in _LISTS else TENSOR


def _of_numbers(name: str, given: list[Type]) -> Type:
    """Operators on what is no tensor."""
    if name in COMPARISONS:
        return BOOL
    if name in ("div", "pow"):
        return FLOAT
    if len(given) == 1 or name in (
        "__and__",
        "__or__",
        "__xor__",
        "__lshift__",
        "__rshift__",
        "floordiv",
        "remainder",
        "add",
        "sub",
        "mul",
    ):
        first, last = given[0], given[-1]
        if (first.name == "List" and last is INT) or first is STR:
            return first
        if FLOAT in (first, last):
            return FLOAT
        if NUMBER in (first, last):
            return NUMBER
        if first is BOOL and last is BOOL and not name.startswith("__"):
            return INT
        return joined(INT if first is BOOL and last is INT else first, INT if last is BOOL and first is INT else last) or ANY
    return ANY


def _of_item(given: Sequence[Type]) -> Type:
    """x[i] of a tensor, list, dict, string or a slice of one. (Of a tuple the front end knows which.)"""
    of, key = given
    if of.name == "List":
        return of if key is ANY else of.of[0]
    return of.of[1] if of.name == "Dict" else STR if of is STR else TENSOR


def _of_python(name: str, given: list[Type]) -> Type:
    inner = given[0].of[0] if given[0].name == "List" and name not in ("sorted", "list") else given[0]
    found: Type = inner
    for other in given[1:]:
        found = FLOAT if FLOAT in (found, other) else joined(found, other) or ANY
    return INT if name == "round" and len(given) == 1 and types.fits(inner, FLOAT) else found
