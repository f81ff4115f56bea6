"""Spoiling a good call: one or two of its arguments become what users give by mistake.

`VALUES` are wrong values by their kind, tried in place of anything; a tensor also gets another shape or dtype, a number goes out of
range. `COUNTS` change how many arguments there are and how they come. Read next: `bad_calls.py`, which makes the call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .good_calls import Code
from .strategies import Source


class NotATensor:
    """A NumPy array that stays one: the array itself is handed to the library."""

    def __init__(self, array: np.ndarray):
        self.array = array

    def __repr__(self) -> str:
        return f"NumPy{self.array.shape}"


VALUES: dict[str, list[Any]] = {
    "None": [None],
    "str": ["a", "", "0", "mean"],
    "float": [1.5, -1.0, 2.0, 0.0],
    "nan or inf": [float("nan"), float("inf"), -float("inf")],
    "int": [1, 0, -1, 7, -8, 100],
    "huge int": [2**62, 2**64, -(2**63) - 1],
    "bool": [True, False],
    "tuple": [(), (0,), (1, 0), (0, 0), (1.5,), ("a",), (None,), (-1, 2), (100,)],
    "list": [[], [0], [1, 0], [1.5], ["a"], [None], [True], [[1, 2], [3, 4]]],
    "set or dict": [{1}, {}, {"a": 1}, range(2)],
    "NumPy number": [np.int64(1), np.int64(0), np.int32(-1), np.float64(0.5), np.float32(0.5), np.bool_(True)],
    "NumPy array": [NotATensor(np.ones((2, 3))), NotATensor(np.array([0, 1])), NotATensor(np.array(1))],
    "0-d tensor": [Code(f"torch.tensor({n})") for n in ("1", "0", "0.5", "True", "1.0, requires_grad=True")],
    "tensor": [Code("torch.tensor([0, 1])"), Code("torch.ones(2, 3)"), Code("torch.zeros(0)"), Code("torch.tensor([1])")],
    "dtype or type": [Code("torch.float32"), Code("torch.int64"), float, int, bool, str, np.float64, np.dtype("int64")],
    "something else": [1j, b"a", slice(None), ..., len, Code("torch.device('cpu')"), Code("torch.nn.ReLU()"), Code("torch.Generator()")],
}  # fmt: skip


def spoil(call: Any, source: Source) -> Any:
    """The call with one of its arguments made wrong; now and then two."""
    spoiled = _spoil_one(call, source)
    return _spoil_one(spoiled, source) if source.integer(0, 9) == 0 else spoiled


def _spoil_one(call: Any, source: Source) -> Any:
    positional, keywords = call.positional, call.keywords
    before = f"{call.mistake}; " if call.mistake else ""
    chosen = source.integer(0, len(positional) + len(keywords) - 1)
    if chosen < len(positional):
        value, mistake, kind = _spoil(positional[chosen], source)
        changed = [*positional[:chosen], value, *positional[chosen + 1 :]]
        return call._replace(positional=changed, mistake=f"{before}position {chosen}: {mistake}", kind=kind)
    name = list(keywords)[chosen - len(positional)]
    value, mistake, kind = _spoil(keywords[name], source)
    return call._replace(keywords={**keywords, name: value}, mistake=f"{before}{name}: {mistake}", kind=kind)


# ---- how many arguments there are, and how they come ----


def recount(call: Any, source: Source) -> Any:
    """An argument left out, one too many, given twice, an unknown keyword, an option by position or two in the wrong order."""
    kind = source.choice(list(COUNTS))
    return COUNTS[kind](call, source)._replace(kind=kind, mistake=kind)


def _unknown(call: Any, source: Source) -> Any:
    names = list(call.keywords)
    if names and source.integer(0, 1):
        name = source.choice(names)
        return call._replace(keywords={f"{n}s" if n == name else n: v for n, v in call.keywords.items()})
    return call._replace(
        keywords={**call.keywords, source.choice(["dimension", "dims", "dim", "axis", "size", "inplace"]): 1}
    )


def _missing(call: Any, source: Source) -> Any:
    if not call.positional:
        return call._replace(keywords=dict(list(call.keywords.items())[1:]))
    return call._replace(positional=call.positional[:-1])


def _by_position(call: Any, source: Source) -> Any:
    return call._replace(positional=[*call.positional, *call.keywords.values()], keywords={})


def _too_many(call: Any, source: Source) -> Any:
    more = [1, "2", None, 3.0, (), {}]
    return call._replace(positional=[*call.positional, *call.keywords.values(), *more], keywords={})


def _one_more(call: Any, source: Source) -> Any:
    return call._replace(positional=[*call.positional, source.choice([1, True, None, 0.5, Code("torch.float32")])])


def _twice(call: Any, source: Source) -> Any:
    name = source.choice(["input", "dim", "size", "other", "dtype", "params", "lr"])
    return call._replace(keywords={**call.keywords, name: call.positional[0] if call.positional else 0})


def _swapped(call: Any, source: Source) -> Any:
    return call._replace(positional=[*call.positional[1:2], *call.positional[:1], *call.positional[2:]])


COUNTS: dict[str, Callable[[Any, Source], Any]] = {
    "an unknown keyword": _unknown,
    "an argument missing": _missing,
    "options by position": _by_position,
    "too many arguments": _too_many,
    "one argument too many": _one_more,
    "given twice": _twice,
    "swapped": _swapped,
}


# ---- values ----


def _spoil(value: Any, source: Source) -> tuple[Any, str, str]:
    """A wrong value in place of `value`, what is wrong with it, and the kind of mistake."""
    if isinstance(value, np.ndarray) and source.integer(0, 1):
        return source.choice([_another_shape, _another_dtype])(value, source)
    if isinstance(value, (list, tuple)) and value and source.integer(0, 2):
        return _spoil_element(value, source)
    kind = source.choice(list(VALUES))
    if kind == "NumPy array" and isinstance(value, np.ndarray):
        other: Any = NotATensor(value)
    elif kind == "list" and isinstance(value, np.ndarray) and source.integer(0, 1):
        other = value.tolist()
    else:
        other = source.choice(VALUES[kind])
    return other, f"{other!r} in place of {_shortly(value)}", kind


def _spoil_element(values: Any, source: Source) -> tuple[Any, str, str]:
    """One element wrong, missing or one too many."""
    k = source.integer(0, len(values) - 1)
    if source.integer(0, 3) == 0:
        return type(values)([*values[:k], *values[k + 1 :]]), f"without element {k}", "element missing"
    if source.integer(0, 3) == 0:
        return type(values)([*values, values[k]]), f"element {k} twice", "element twice"
    value, mistake, kind = _spoil(values[k], source)
    return type(values)([*values[:k], value, *values[k + 1 :]]), f"element {k}: {mistake}", f"element: {kind}"


def _another_shape(x: np.ndarray, source: Source) -> tuple[Any, str, str]:
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
    return np.asarray(y, x.dtype), f"shape {tuple(shape)} in place of {x.shape}", "shape"


def _another_dtype(x: np.ndarray, source: Source) -> tuple[Any, str, str]:
    dtype = source.choice([t for t in (np.int64, np.bool_, np.float32, np.float64, np.uint8) if t != x.dtype])
    made = np.asarray(x.clip(0, 3) if x.dtype != bool else x).astype(dtype)
    return made, f"{dtype.__name__} in place of {x.dtype}", "dtype"


def _shortly(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "a tensor"
    if isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
        return "a list of tensors"
    return repr(value)
