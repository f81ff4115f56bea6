"""What a script's code refers to while it is compiled: values of the graph, and what is known beforehand."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import minitorch
from minitorch.arrays import dtypes
from minitorch.arrays.device import device
from minitorch.nn import functional
from minitorch.nn.modules.module import Module
from minitorch.op import registry

from . import operators
from .graph import Value


@dataclass
class Thing:
    """A Python object that the code names: a package, a function, a class, a constant."""

    value: Any
    name: str


@dataclass
class Of:
    """A module within the script, and where the graph has it."""

    value: Value
    module: Module


@dataclass
class Method:
    """A method of a value, or of a module of the script, that is about to be called."""

    of: Value | Of
    name: str


@dataclass
class Several:
    """Things in a row that are known beforehand: the layers of a ModuleList, pairs of enumerate."""

    items: list[Any]


@dataclass
class Missing:
    """A name that has no value on every way here, and why."""

    words: str


def kind_of(function: Any) -> str | None:
    """The kind of node that calls a function: `aten::relu`, `functional::dropout`, `math::sqrt`; None if no script may call it."""
    name = getattr(function, "__name__", "")
    for candidate in (name, *(n for n, f in _others() if f is function)):
        if operators.is_aten(candidate) and (
            getattr(minitorch, candidate, None) is function or registry.get(candidate) is function
        ):
            return f"aten::{candidate}"
        if operators.is_functional(candidate) and getattr(functional, candidate, None) is function:
            return f"functional::{candidate}"
        if candidate in operators.MATH and getattr(math, candidate, None) is function:
            return f"math::{candidate}"
    return None


def _others() -> list[tuple[str, Any]]:
    """Functions that have another name than their own: conv2d is a function made for two dimensions."""
    return [
        (n, f) for space in (minitorch, functional) for n, f in vars(space).items() if callable(f) and not n.startswith("_")
    ]


def is_the_librarys(module: Module) -> bool:
    """Whether a layer, and all in it, is minitorch's own: it is called as it stands, a script need not know how it works."""
    return all(
        type(m).__module__.startswith("minitorch.") and ".examples" not in type(m).__module__ for m in module.modules()
    )


def is_constant(value: Any) -> bool:
    """Whether a Python value may stand in a graph as a constant."""
    if isinstance(value, tuple):
        return all(map(is_constant, value))
    return value is None or isinstance(value, (bool, int, float, str, dtypes.dtype, device)) or value in MARKS


MARKS = (minitorch.contiguous_format, minitorch.channels_last, minitorch.preserve_format, minitorch.strided)


def variables_of(function: Callable) -> dict[str, Any]:
    """The names that a function sees: of its file, and of the functions around it."""
    found = dict(vars(__import__("builtins")))
    found.update(getattr(function, "__globals__", {}))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # it is empty
            continue
    return found


def is_namespace(value: Any) -> bool:
    """Whether its attributes are names of a package."""
    return inspect.ismodule(value)
