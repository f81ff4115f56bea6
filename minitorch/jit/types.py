"""The types of a script: what a name may hold, from the first assignment to the end.

A script has no Python objects but these: tensors, numbers, strings, None, devices and dtypes, and lists, tuples and dicts of them. A type is
read off an annotation, or it follows from what is assigned. It is written two ways: `int[]` in a graph, `List[int]` in code.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from dataclasses import dataclass
from typing import Any

from minitorch.arrays import dtypes
from minitorch.arrays.device import device
from minitorch.tensor import Tensor


@dataclass(frozen=True)
class Type:
    """A type, and the types within it: `Type("List", (INT,))`."""

    name: str
    of: tuple[Type, ...] = ()

    def __str__(self) -> str:
        """As in a graph."""
        if self.name == "List":
            return f"{self.of[0]}[]"
        if self.name == "Optional":
            return f"{self.of[0]}?"
        if self.name == "Tuple":
            return f"({', '.join(map(str, self.of))})"
        return f"{self.name}({', '.join(map(str, self.of))})" if self.of else self.name

    @property
    def annotation(self) -> str:
        """As in code."""
        name = "None" if self is NONE else self.name
        return f"{name}[{', '.join(t.annotation for t in self.of)}]" if self.of else name


TENSOR, INT, FLOAT, BOOL, STR = map(Type, ("Tensor", "int", "float", "bool", "str"))
NONE, DEVICE, DTYPE, ANY = map(Type, ("NoneType", "Device", "dtype", "Any"))
NUMBER = Type("number")  # of which kind the numbers themselves tell: x.item()
UNSET = Type("Unset")  # of a name that has not been given anything yet: it takes any type

_OF_PYTHON: dict[Any, Type] = {
    Tensor: TENSOR, int: INT, float: FLOAT, bool: BOOL, str: STR, None: NONE, type(None): NONE, device: DEVICE, dtypes.dtype: DTYPE,
    Any: ANY,
}  # fmt: skip
_NUMBERS = (INT, FLOAT, BOOL, NUMBER)


def list_of(t: Type) -> Type:
    return Type("List", (t,))


def tuple_of(*of: Type) -> Type:
    return Type("Tuple", of)


def dict_of(key: Type, value: Type) -> Type:
    return Type("Dict", (key, value))


def optional(t: Type) -> Type:
    return t if t is NONE or t.name == "Optional" else Type("Optional", (t,))


def of_annotation(annotation: Any) -> Type:
    """The type that an annotation names; TypeError for one that no script knows."""
    if annotation in _OF_PYTHON:
        return _OF_PYTHON[annotation]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (list, collections.abc.Sequence) and len(args) == 1:
        return list_of(of_annotation(args[0]))
    if origin is tuple and Ellipsis not in args:
        return tuple_of(*map(of_annotation, args))
    if origin is dict and len(args) == 2:
        return dict_of(*map(of_annotation, args))
    if origin in (typing.Union, types.UnionType) and type(None) in args and len(args) == 2:
        return optional(of_annotation(next(a for a in args if a is not type(None))))
    raise TypeError(
        f"Unknown type name {getattr(annotation, '__name__', annotation)!r}: a script knows Tensor, int, float, bool, str, None, and "
        "List, Tuple, Dict and Optional of them"
    )


def of_value(value: Any) -> Type:
    """The type of a value; TypeError for what no script can hold."""
    if isinstance(value, Tensor):
        return TENSOR
    if value is None or type(value) in _OF_PYTHON:
        return _OF_PYTHON[None if value is None else type(value)]
    if isinstance(value, tuple):
        return tuple_of(*map(of_value, value))
    if isinstance(value, list):
        return list_of(_all_of(value)) if value else list_of(TENSOR)
    if isinstance(value, dict):
        return dict_of(_all_of(value), _all_of(value.values())) if value else dict_of(STR, TENSOR)
    raise TypeError(f"a script cannot hold a {type(value).__name__}")


def _all_of(values: Any) -> Type:
    first, *others = map(of_value, values)
    for other in others:
        both = joined(first, other)
        if both is None:
            raise TypeError(f"a list or dict in a script holds one type, got {first} and {other}")
        first = both
    return first


def joined(a: Type, b: Type) -> Type | None:
    """The type of what may be either; None if there is none."""
    if a == b or b is UNSET or b is ANY:
        return a
    if a is UNSET or a is ANY:
        return b
    if (a is NUMBER and b in _NUMBERS) or (b is NUMBER and a in _NUMBERS):
        return NUMBER
    if NONE in (a, b):
        return optional(b if a is NONE else a)
    if "Optional" in (a.name, b.name):
        inner = joined(a.of[0] if a.name == "Optional" else a, b.of[0] if b.name == "Optional" else b)
        return None if inner is None else optional(inner)
    if a.name == b.name and len(a.of) == len(b.of) and a.of:
        parts = [joined(x, y) for x, y in zip(a.of, b.of)]
        return None if None in parts else Type(a.name, tuple(p for p in parts if p is not None))
    return None


def fits(value: Type, wanted: Type) -> bool:
    """Whether what is of one type may be given where the other is wanted."""
    if wanted in (ANY, value) or value in (ANY, UNSET) or (value is NUMBER and wanted in _NUMBERS):
        return True
    if wanted.name == "Optional":
        return value is NONE or fits(value.of[0] if value.name == "Optional" else value, wanted.of[0])
    if wanted is NUMBER:
        return value in _NUMBERS
    return (
        value.name == wanted.name
        and len(value.of) == len(wanted.of)
        and bool(value.of)
        and all(map(fits, value.of, wanted.of))
    )
