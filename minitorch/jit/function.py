"""A compiled function: its graph, and what it is called with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import interpreter, types
from .code import code_of
from .graph import Graph
from .types import Type


@dataclass(frozen=True)
class Parameter:
    """What a function takes."""

    name: str
    type: Type
    default: Any = None
    has_default: bool = False

    def told(self) -> str:
        return f"{self.name}: {self.type.annotation}" + (f"={self.default!r}" if self.has_default else "")


@dataclass(eq=False)
class Function:
    """A graph with parameters and the type of what it returns; a method's first input is the module it belongs to."""

    name: str
    graph: Graph
    parameters: list[Parameter]
    returns: Type

    def __call__(self, args: tuple, kwargs: dict[str, Any], of: Any = None) -> Any:
        """Run it. TypeError-like words, as torch's RuntimeError, for arguments that it does not take."""
        given = self._bound(args, kwargs)
        return interpreter.run(self.graph, tuple(given) if of is None else (of, *given))

    def _bound(self, args: tuple, kwargs: dict[str, Any]) -> list[Any]:
        names = [p.name for p in self.parameters]
        if len(args) > len(names):
            raise RuntimeError(
                f"{self.name}() Expected at most {len(names)} argument(s) but received {len(args)} argument(s). {self}"
            )
        given = dict(zip(names, args))
        for name, value in kwargs.items():
            if name not in names or name in given:
                words = "specified twice" if name in names else "unknown"
                raise RuntimeError(f"{self.name}(): keyword argument '{name}' is {words}. {self}")
            given[name] = value
        return [self._checked(p, given) for p in self.parameters]

    def _checked(self, p: Parameter, given: dict[str, Any]) -> Any:
        if p.name not in given:
            if not p.has_default:
                raise RuntimeError(f"{self.name}() is missing value for argument '{p.name}'. {self}")
            return p.default
        value = given[p.name]
        value = float(value) if p.type is types.FLOAT and type(value) is int else value
        value = list(value) if p.type.name == "List" and isinstance(value, tuple) else value
        if not _is(value, p.type):
            raise RuntimeError(
                f"{self.name}() Expected a value of type '{p.type.annotation}' for argument '{p.name}' but instead found type "
                f"'{type(value).__name__}'. {self}"
            )
        return value

    def __str__(self) -> str:
        return f"Declaration: {self.name}({', '.join(p.told() for p in self.parameters)}) -> {self.returns.annotation}"

    @property
    def code(self) -> str:
        """The function as code."""
        return code_of(self.name, self.graph, [p.told() for p in self.parameters], self.returns)


def _is(value: Any, wanted: Type) -> bool:
    try:
        return types.fits(types.of_value(value), wanted) or (
            wanted.name in ("List", "Dict") and not value and type(value).__name__ == wanted.name.lower()
        )
    except TypeError:
        return False
