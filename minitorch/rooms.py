"""Rooms that are entered when they are used: `import minitorch` does not import what a program may never ask for.

A package says what it offers by import statements, as ever, which type checkers, editors and readers follow. Those that stand in a block
`with when_used(__name__):` wait: the module is imported when somebody looks for one of the names. (Python 3.15 has `lazy import` for it.)
Read next: `minitorch/__init__.py`, which has such a block.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from types import ModuleType
from typing import Any, NamedTuple

waiting: dict[str, dict[str, Later]] = {}  # by package: the names it offers and has not yet, and where each is found


class Later(NamedTuple):
    """Where a name is found: in a module, or, if it is a module itself, in none."""

    module: str
    name: str | None

    def now(self) -> Any:
        """What it stands for."""
        module = importlib.import_module(self.module)
        return module if self.name is None else getattr(module, self.name)


class when_used:
    """In this block the package's own `from … import …` import nothing yet.

    A name that is also the name of its module is refused: to import the module would put the module in its place.
    """

    def __init__(self, package: str) -> None:
        self.names = vars(sys.modules[package])
        self.package = package
        self.open = True

    def __enter__(self) -> None:
        self.importing = builtins.__import__
        builtins.__import__ = self._noted  # type: ignore[assignment]

    def __exit__(self, *exc: Any) -> None:
        builtins.__import__ = self.importing
        self.open = False  # (another thread's block, which began in this one, puts its `_noted` back when it ends)
        found = {name: thing for name, thing in self.names.items() if isinstance(thing, Later)}
        for name in found:
            del self.names[name]
        waiting.setdefault(self.package, {}).update(found)
        answer_for_what_is_missing(self.package)

    def _noted(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        """What `import` calls, here and, meanwhile, everywhere: other modules' imports are none of our business."""
        if globals is not self.names or not self.open:
            return self.importing(name, globals, locals, fromlist, level)
        if level:  # so many packages up, from this one
            above = self.package.rsplit(".", level - 1)[0]
            name = f"{above}.{name}" if name else above
        if not fromlist or "*" in fromlist:
            raise ImportError(f"when_used: {self.package} has to name what it imports from {name}")
        if name == self.package:
            return _Offers({each: Later(f"{name}.{each}", None) for each in fromlist})
        if name.rpartition(".")[2] in fromlist and name.rpartition(".")[0] == self.package:
            raise ImportError(f"when_used: {name} offers a thing of its own name, which cannot wait")
        return _Offers({each: Later(name, each) for each in fromlist})


class _Offers:
    """What stands for a module in the block."""

    def __init__(self, names: dict[str, Later]) -> None:
        self.__dict__.update(names)


def answer_for_what_is_missing(module: str) -> None:
    """Let a module import what waits in it when it is looked for, and say of other names that they are not there yet, and which are near."""
    here, waits = vars(sys.modules[module]), waiting.setdefault(module, {})

    def __getattr__(name: str) -> Any:
        if name in waits:
            here[name] = found = waits[name].now()
            return found
        hint = ""
        # (`from . import …` looks here before it imports, and reads no hints.)
        if not name.startswith("__") and sys._getframe(1).f_code.co_name != "_handle_fromlist":
            from .tensor.absent import not_there_yet

            hint = not_there_yet(name, names_of(module))
        raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}")

    def __dir__() -> list[str]:
        return sorted({*here, *waits})

    here["__getattr__"], here["__dir__"] = __getattr__, __dir__


def names_of(module: str) -> list[str]:
    """The public names of a module, those that wait too, but no other modules'."""
    found = {**waiting.get(module, {}), **vars(sys.modules[module])}
    return [name for name, thing in found.items() if not (name.startswith("_") or _is_module(thing))]


def _is_module(thing: Any) -> bool:
    return isinstance(thing, ModuleType) or (isinstance(thing, Later) and thing.name is None)
