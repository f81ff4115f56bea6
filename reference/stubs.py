"""`minitorch/_functions.pyi`: the public functions with their types, for editors and type checkers.

`minitorch/__init__.py` makes them out of the registry, where no type checker can see them. The stub is what `inspect.signature` says of
each. `python -m reference stubs` writes it; a test keeps it current. Read next: `Declaration.signature` in `minitorch/op/declaration.py`.
"""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minitorch
from minitorch.op import Op, registry
from minitorch.ops.by_number import BY_NUMBER
from minitorch.tensor.functions import FUNCTIONS

STUB = Path(minitorch.__file__).with_name("_functions.pyi")

HEAD = '''# fmt: off
"""The public functions, written by `python -m reference stubs`: only type checkers and editors read this file."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .arrays import dtypes
from .arrays.layout import memory_format
from .random import Generator
from .tensor import Tensor

Number: TypeAlias = float | Tensor  # a tensor of one element and no dimensions stands for a number
Dims: TypeAlias = int | Sequence[int]
Sizes: TypeAlias = Sequence[int]
Flag: TypeAlias = bool
FlagByPosition: TypeAlias = bool
Reduction: TypeAlias = str

'''


def stub() -> str:
    """The whole file."""
    names = sorted(name for name in vars(minitorch) if is_from_the_registry(name))
    exported = textwrap.fill(", ".join(f'"{name}"' for name in names), 125, initial_indent="    ", subsequent_indent="    ")
    return f"{HEAD}__all__ = [\n{exported}\n]\n" + "".join(map(entry, sorted(names, key=is_second)))


def is_from_the_registry(name: str) -> bool:
    """Whether `minitorch.<name>` is made where type checkers do not see it: by its own name or as a second one."""
    thing = getattr(minitorch, name)
    made = name in FUNCTIONS or name in BY_NUMBER or (callable(thing) and registry.get(first_name(thing)) is thing)
    return made and not name.startswith("_")


def is_second(name: str) -> bool:
    """Whether it is another name of a function: those come last."""
    return name not in FUNCTIONS and name != first_name(getattr(minitorch, name))


def first_name(thing: Any) -> str:
    """The name it is registered by."""
    return getattr(thing, "__name__", "").rstrip("_")


def entry(name: str) -> str:
    """One function: its signature, with the formula as docstring."""
    thing = getattr(minitorch, name)
    if is_second(name):
        return f"\n{name} = {first_name(thing)}\n"
    signature, result = inspect.signature(thing), ""
    if isinstance(thing, Op) and len(thing.declaration.outputs) > 1:
        result = "\n" + named_tuple(name, thing.declaration.outputs)
        signature = signature.replace(return_annotation=f"_{name}")
    return f'{result}\ndef {name}{written(signature)}:\n    """{first_line(thing)}"""\n'


def named_tuple(name: str, outputs: tuple[str, ...]) -> str:
    """The class of several results."""
    return f"class _{name}(NamedTuple):\n" + "".join(f"    {output}: Tensor\n" for output in outputs)


def first_line(thing: Callable) -> str:
    """The first line of its docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0].replace("\\", "\\\\").replace('"', '\\"')


class Bare:
    """Text that prints without quotes."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def written(signature: inspect.Signature) -> str:
    """The signature as source: annotations are strings already; of a default, what is a literal."""
    parameters = [
        p.replace(annotation=Bare(p.annotation), default=p.default if is_literal(p.default) else Bare("..."))
        for p in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters, return_annotation=Bare(signature.return_annotation)))


def is_literal(default: Any) -> bool:
    """Whether a default, or the lack of one, can be written as it prints."""
    if isinstance(default, float):
        return math.isfinite(default)
    return default in (inspect.Parameter.empty, None, ()) or isinstance(default, (bool, int, str))


def write() -> int:
    """Write the file."""
    STUB.write_text(stub(), encoding="utf-8")
    print(f"wrote {STUB.relative_to(Path.cwd()) if STUB.is_relative_to(Path.cwd()) else STUB}")
    return 0
