"""How error messages name things: the type of an object (torch's `torch.typename`), a name that a module does not have."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from minitorch.tensor.absent import not_there_yet


def typename(obj: Any, /) -> str:
    """The type of `obj` as text: `minitorch.FloatTensor` for a tensor, `module.Class` otherwise; of a class or function its own name.

    >>> typename("a"), typename([1])
    ('str', 'list')
    """
    from minitorch.tensor import Tensor
    from minitorch.tensor.legacy import type_name

    if isinstance(obj, Tensor):
        return type_name(obj)
    named = obj if hasattr(obj, "__qualname__") or isinstance(obj, ModuleType) else type(obj)
    module = getattr(named, "__module__", None)
    name = getattr(named, "__qualname__", None) or named.__name__
    return name if module in (None, "", "builtins") else f"{module}.{name}"


def answer_for_what_is_missing(module: ModuleType, imported_when_used: tuple[str, ...] = ()) -> None:
    """Let the module say of a name it lacks that it is not there yet, and which names are near.

    imported_when_used: names of modules in it that nobody pays for before he asks for them.
    """

    def __getattr__(name: str) -> Any:
        if name in imported_when_used:
            return importlib.import_module(f"{module.__name__}.{name}")
        there = (each for each, thing in vars(module).items() if not isinstance(thing, ModuleType))
        hint = "" if name.startswith("__") else not_there_yet(name, there)
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}{hint}")

    made: Any = module
    made.__getattr__ = __getattr__
