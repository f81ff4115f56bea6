"""Bad calls: a good case of a row with one argument spoiled, and what both libraries make of it.

Where torch raises, ours must raise the same type, in words of its own, and leave its arguments as they were; where torch
does not mind, ours must not either. What is spoiled depends on what stands there: a tensor gets another shape, another
dtype or is no tensor at all; a dim goes out of range or becomes a float; a flag becomes a word; an argument is left out,
given twice or unknown.
"""

from __future__ import annotations

import linecache
import re
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import minitorch

from . import layers, optimizers
from .strategies import Source
from .table import Row

HERE = str(Path(__file__).parent)


class Call(NamedTuple):
    """One call that can be made in either library; NumPy arrays stand for tensors."""

    positional: list[Any]
    keywords: dict[str, Any]
    mistake: str = ""
    grad: bool = True  # whether floats want a gradient

    def on(self, function: Callable, library: Any) -> Outcome:
        """Make the call with fresh tensors of `library`."""
        positional = [_tensors(v, library, self.grad) for v in self.positional]
        keywords = {n: _tensors(v, library, self.grad) for n, v in self.keywords.items()}
        given = [t for v in (*positional, *keywords.values()) for t in _flat(v, library)]
        before = [state(t) for t in given]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result = function(*positional, **keywords)
            except Exception as error:
                return Outcome(None, error, [state(t) for t in given] == before, False)
        empty = any(not t.numel() for t in [*given, *_flat(result, library)])
        return Outcome(result, None, True, empty)

    def __repr__(self) -> str:
        told = [_told(v) for v in self.positional] + [f"{n}={_told(v)}" for n, v in self.keywords.items()]
        return f"({', '.join(told)})  [{self.mistake}]"


class Outcome(NamedTuple):
    """What a call came to, and whether its arguments are as they were."""

    result: Any
    error: Exception | None
    untouched: bool
    empty: bool  # whether some tensor that came or went has no elements


class NotATensor:
    """A NumPy array that stays one: the array itself is handed to the library."""

    def __init__(self, array: np.ndarray):
        self.array = array

    def __repr__(self) -> str:
        return f"NumPy{self.array.shape}"


def state(tensor: Any) -> Any:
    """All of a tensor that a call must not change when it raises."""
    grad = None if not tensor.is_leaf or tensor.grad is None else tensor.grad.tolist()
    array = tensor.detach().numpy()
    return array.tobytes(), array.shape, array.dtype, tensor._version, tensor.requires_grad, grad


# ---- what both make of it ----

# Where torch does not agree with itself, or says it too late: rows (in place too), their mistake, both as patterns, and why.
EXCUSED = {
    ("broadcast_shapes", "in place of"): "the type of the error depends on which of the shapes comes first",
    (
        "index_add",
        "in place of",
    ): "IndexError or RuntimeError for an index out of range: it depends on the number of dimensions",
    ("round", "in place of float"): "round(x) takes integers, round(x, decimals=0) does not",
    ("lerp", "position 2"): "a weight of another dtype is refused unless it is 0-d",
    (
        "scatter|var|std|var_mean|std_mean|max|min|median|repeat_interleave|squeeze|count_nonzero|clamp_min|clamp_max",
        r"None\]? in place of",
    ): "None stands for the default in ours",
    ("prod", "keepdim|dim: None"): "without a dim, keepdim is ignored, whatever it is",
    ("b?addbmm|norm", "shape"): "the size of a dimension that is not there is read first, or that it is empty",
    ("tensordot", "dims"): "lists of other than two dims fail in unpacking",
    ("flip", "shape"): "of two mistakes in dims, which is told is no promise",
    ("(feature_)?(alpha_)?dropout", "p: nan"): "nan passes the first check, which is a ValueError, and not the second",
    (
        "setitem",
        "position [02]",
    ): "a write of a value that requires grad is refused late, by autograd; so is a mask of uint8",
    (
        "nll_loss|cross_entropy",
        r"shape \(\) in",
    ): "a size of a 0-d target is read before its number of dimensions is looked at",
    ("kron", "shape"): "what cannot be viewed is refused, whether or not it could be copied",
    ("kthvalue", "bool"): "a bool without dimensions is taken",
    ("unflatten", "sizes: {}"): "an empty dict is taken for an empty tuple",
    (
        "index_fill|index_select|index_put.*",
        "shape",
    ): "what is wrong with an empty tensor, or a matrix of indices, is found deep inside",
    ("scatter|scatter_add", "shape"): "a size of src is read before its number of dimensions is looked at",
    ("batch_norm|instance_norm", r"shape \((1, \d+)?\) in place of"): "ranks are looked at by accident, deep inside",
    ("take_along_dim", "shape|None"): "an index out of range is not noticed; without dim, x must be contiguous",
    (
        "nll_loss|cross_entropy|NLLLoss|CrossEntropyLoss",
        "uint8",
    ): "targets of uint8 are taken for (N, C) and refused for (N, C, d)",
    ("linear", "position 2"): "a bias of another dtype is taken or refused by the number of dimensions of x",
    ("clamp", "1.5|2|True"): "a bound that is a number beside one that is a tensor is refused",
    (
        r"(sum|prod|cumsum|cumprod) \(dtype\)",
        "float(16|32|64) in place of",
    ): "a sum of floats to integers cannot be recorded",
    ("(index|masked)_fill", "position 0: .*(int|bool)"): "a value is refused late, by autograd, or as too large for uint8",
}


class Verdict(NamedTuple):
    """What comparing the two outcomes of a call showed."""

    difference: str  # in words, "" if none
    raised: bool  # on both sides
    excuse: Any = None  # the key in EXCUSED that explains the difference


def compare(row: Any, call: Call) -> Verdict:
    """Make the call in both libraries. `row` has a name and the functions `theirs` and `ours`."""
    theirs, ours = call.on(row.theirs, torch), call.on(row.ours, minitorch)
    difference = _difference(theirs, ours, isinstance(row, Row))
    raised = theirs.error is not None and ours.error is not None
    if not difference:
        return Verdict("", raised)
    excuse = next((k for k in EXCUSED if re.fullmatch(k[0], row.name.rstrip("_")) and re.search(k[1], call.mistake)), None)
    return Verdict(f"{difference}: {row.name}{call!r}\n    torch: {told(theirs)}\n    ours:  {told(ours)}", raised, excuse)


def _difference(theirs: Outcome, ours: Outcome, in_words: bool) -> str:
    """In a few words; "" if there is none. A function's error must be in our own words, a layer's may be Python's."""
    if not ours.untouched:
        return "ours changed its arguments"
    if ours.error is None:
        return "ours accepts" if theirs.error is not None else ""
    if theirs.error is None:
        # torch often does not look at its arguments when there is nothing to compute
        return "" if theirs.empty and in_our_words(ours.error) else "ours refuses"
    alike = type(ours.error) is type(theirs.error) and str(ours.error) == str(theirs.error)
    if alike or origin(ours.error)[0].startswith(HERE):  # from the row's own lines
        return ""
    if not isinstance(ours.error, kinds_of(theirs.error)):
        return "another type"
    return "" if not in_words or in_our_words(ours.error) else "not in our words"


def told(outcome: Outcome) -> str:
    """An outcome in a line."""
    if outcome.error is None:
        return f"returned a {type(outcome.result).__name__}"
    return f"{type(outcome.error).__name__}: {str(outcome.error).splitlines()[0] if str(outcome.error) else ''}"


def kinds_of(error: Exception) -> tuple[type, ...]:
    """The built-in types that ours may have where torch raises `error`.

    Where torch is written in Python and does not check, a value of the wrong type ends in an AttributeError or an
    UnboundLocalError of some line inside; in ours that is a TypeError, as everywhere else in torch, or Python's own too. And where torch reads a
    size of a 0-d tensor before it says how many dimensions it wants (an IndexError), ours may say so (RuntimeError).
    """
    if isinstance(error, (AttributeError, UnboundLocalError)):
        return TypeError, AttributeError
    built_in = next(t for t in type(error).__mro__ if t.__module__ == "builtins")
    trips = "tensor has no dimensions" in str(error)
    return (built_in, RuntimeError, ValueError) if trips else (built_in,)


def in_our_words(error: Exception) -> bool:
    """Whether a `raise` of ours said it, or Python about missing and unknown arguments; not NumPy from somewhere within."""
    file, line = origin(error)
    raised = "minitorch" in file and line.startswith("raise ")
    return raised or bool(re.search(r"\(\) (missing|takes|got an unexpected keyword|got multiple values)", str(error)))


def origin(error: Exception) -> tuple[str, str]:
    """The file and the source line an error came from."""
    trace: Any = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename
    return file, linecache.getline(file, trace.tb_lineno).strip()


# ---- spoiling ----


def spoiled(row: Row, source: Source, grad: bool = True) -> Call | None:
    """A drawn case of the row with one drawn mistake in it; None if the case was bad already."""
    case = row.draw(source)
    positional = [case[n] for n in case if row.is_positional(n)]
    keywords = {n: v for n, v in case.items() if not row.is_positional(n)}
    call = Call(positional, keywords, grad=grad)
    if call.on(row.theirs, torch).error is not None or not (positional or keywords):
        return None
    lambda_row = isinstance(row.theirs, types.FunctionType) and "reference" in row.theirs.__module__
    return _another_count(call, source) if not lambda_row and source.integer(0, 7) == 0 else spoil(call, source)


def spoil(call: Call, source: Source) -> Call:
    """The call with one of its arguments made wrong."""
    positional, keywords = call.positional, call.keywords
    chosen = source.integer(0, len(positional) + len(keywords) - 1)
    if chosen < len(positional):
        value, mistake = _spoil(positional[chosen], source)
        changed = [*positional[:chosen], value, *positional[chosen + 1 :]]
        return call._replace(positional=changed, mistake=f"position {chosen}: {mistake}")
    name = list(keywords)[chosen - len(positional)]
    value, mistake = _spoil(keywords[name], source)
    return call._replace(keywords={**keywords, name: value}, mistake=f"{name}: {mistake}")


def method_rows(rows: list[Row]) -> list[Row]:
    """The rows that are methods of Tensor too, called as such: `x.add(y)`, and `x.add_(y)` where there is one."""
    found = []
    for row in rows:
        first = next(iter(row.arguments), "")
        for name in (row.name, f"{row.name}_"):
            if first and row.is_positional(first) and hasattr(torch.Tensor, name) and hasattr(minitorch.Tensor, name):
                theirs, ours = _method(torch, name), _method(minitorch, name)
                found.append(Row(name, theirs, ours, broadcast=row.broadcast, positional=row.positional, **row.arguments))
    return found


class Built(NamedTuple):
    """Stands for a Row where a layer is made and called, or an optimizer made and stepped."""

    name: str
    theirs: Callable
    ours: Callable

    @classmethod
    def layer(cls, row: layers.Row) -> Built:
        """The layer of the given options, called once."""

        def on(library: Any) -> Callable:
            return lambda *inputs, **options: row.build(library, options, "float64")(*inputs)

        return cls(row.name, on(torch), on(minitorch))

    @classmethod
    def optimizer(cls, row: optimizers.Row) -> Built:
        """The optimizer with the given options, stepped once."""

        def on(library: Any) -> Callable:
            return lambda params, **options: getattr(library.optim, row.name)(params, **options).step()

        return cls(row.name, on(torch), on(minitorch))

    def spoiled(self, inputs: list, options: dict, source: Source) -> Call | None:
        """The case with one drawn mistake; None if it was bad already, or there is nothing to spoil."""
        call = Call(inputs, options, grad=isinstance(inputs[0], list))
        bad = not (inputs or options) or call.on(self.theirs, torch).error is not None
        return None if bad else spoil(call, source)


def _method(library: Any, name: str) -> Callable:
    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(x, library.Tensor):
            raise TypeError("only a tensor has the method")
        return getattr(x, name)(*args, **kwargs)

    return call


def _another_count(call: Call, source: Source) -> Call:
    """An argument left out, one too many, an unknown keyword."""
    how = source.choice(["missing", "unknown", "extra"])
    if how == "unknown":
        return call._replace(keywords={**call.keywords, "dimension": 1}, mistake="an unknown keyword")
    if how == "missing":
        return call._replace(positional=call.positional[:-1], mistake="an argument missing")
    more = [*call.positional, *call.keywords.values(), 1, "2", None, 3.0, (), {}]
    return call._replace(positional=more, keywords={}, mistake="too many arguments")


def _spoil(value: Any, source: Source) -> tuple[Any, str]:
    """A wrong value in place of `value`, and what is wrong with it."""
    if isinstance(value, np.ndarray):
        return source.choice([_another_shape, _another_shape, _another_dtype, _no_tensor])(value, source)
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return _spoil_list(value, source)
    if isinstance(value, bool):
        return _replaced(value, source, [1.5, "yes", None, [True]])
    if isinstance(value, int):
        return _replaced(value, source, [7, -8, 100, 1.5, "0", None, [0], float("nan"), {}])
    if isinstance(value, float):
        return _replaced(value, source, ["a", None, [1.0], {}, -1.0, 2.0, float("nan")])
    if isinstance(value, str):
        return _replaced(value, source, ["unheard of", "", 3, None, [value]])
    if isinstance(value, (tuple, list)):
        some = list(value) or [0]
        return _replaced(
            value, source, [(*value, 7), (*some[:-1], 100), (*some[:-1], -9), (*some[:-1], 1.5), (*some[:-1], "0"), "a", 2.5,
                            (*some[:-1], None), {}],
        )  # fmt: skip
    return _replaced(value, source, ["a", 2.5, {}, [None]])


def _replaced(value: Any, source: Source, wrong: list) -> tuple[Any, str]:
    other = source.choice(wrong)
    return other, f"{other!r} in place of {value!r}"


def _another_shape(x: np.ndarray, source: Source) -> tuple[Any, str]:
    shape = list(x.shape)
    kind = source.choice(["longer", "shorter", "deeper", "flatter", "empty", "0-d"])
    d = source.integer(0, max(len(shape) - 1, 0))
    if kind == "longer" and shape:
        shape[d] += source.integer(1, 2)
    elif kind == "shorter" and shape:
        shape[d] = max(shape[d] - 1, 0)
    elif kind == "flatter" and shape:
        del shape[d]
    elif kind == "empty":
        shape = [0]
    elif kind == "0-d":
        shape = []
    else:
        shape.insert(d, source.integer(1, 2))
    y = np.resize(x, shape) if x.size else np.zeros(shape, x.dtype)
    return np.asarray(y, x.dtype), f"shape {tuple(shape)} in place of {x.shape}"


def _another_dtype(x: np.ndarray, source: Source) -> tuple[Any, str]:
    dtype = source.choice([t for t in (np.int64, np.bool_, np.float32, np.float64, np.uint8) if t != x.dtype])
    return np.asarray(x.clip(0, 3) if x.dtype != bool else x).astype(dtype), f"{dtype.__name__} in place of {x.dtype}"


def _no_tensor(x: np.ndarray, source: Source) -> tuple[Any, str]:
    other = source.choice([2, 1.5, True, "a", None, x.tolist(), (x,), {}, NotATensor(x), slice(None), ...])
    return other, f"{other!r} in place of a tensor"


def _spoil_list(tensors: list, source: Source) -> tuple[Any, str]:
    k = source.integer(0, len(tensors) - 1)
    if source.integer(0, 2):
        value, mistake = _spoil(tensors[k], source)
        return [*tensors[:k], value, *tensors[k + 1 :]], f"element {k}: {mistake}"
    other = source.choice([[], tensors[k], None, "a", 3])
    return other, f"{_told(other)} in place of a list of tensors"


def _tensors(value: Any, library: Any, grad: bool) -> Any:
    """The value with tensors of `library` for its arrays; with `grad`, floats want a gradient."""
    if isinstance(value, NotATensor):
        return value.array.copy()
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_tensors(v, library, grad) for v in value)
    if not isinstance(value, np.ndarray):
        return value
    made = library.from_numpy(np.array(value))
    return made.requires_grad_() if grad and value.dtype.kind == "f" else made


def _flat(value: Any, library: Any) -> list:
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in _flat(v, library)]
    return [value] if isinstance(value, library.Tensor) else []


def _told(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({', '.join(map(_told, value))})"
    return repr(value)
