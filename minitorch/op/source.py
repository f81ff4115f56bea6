"""The source of an op: the statement that declares it, with the functions it names and its derivatives after it.

So `inspect.getsource(minitorch.sub)` and IPython's `minitorch.sub??` show what a reader of the file has to look for in several places.
It is read when somebody asks, from where the op was declared. Read next: `door.py`, whose `__wrapped__` this is.
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import textwrap
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .door import Op

Place = tuple[str, int]  # a file and a line


def place_of_the_caller() -> Place:
    """Where the first caller outside this package stands: the place of a declaration."""
    frame = sys._getframe(1)
    while frame.f_globals.get("__package__") == __package__ and frame.f_back:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def page_of(op: Op) -> ModuleType | None:
    """A stand-in whose source, to `inspect`, is the op's: a module that is nowhere imported, in a file named "path:line"."""
    text = source(op)
    if not text:
        return None
    page = ModuleType(op.__name__)
    page.__file__ = "{}:{}".format(*op.declared_at)
    linecache.cache[page.__file__] = (len(text), None, text.splitlines(keepends=True), page.__file__)
    return page


def derivatives_told(op: Op, lambdas: bool = True) -> str:
    """A line for each derivative: its docstring's first, or its call; of a lambda what it computes, which is read in its file."""
    lines = []
    for derivative in op.derivatives:
        if derivative.function.__doc__:
            lines.append(derivative.function.__doc__.strip().partition("\n")[0])
        elif lambdas:
            from ..utils.source import call

            lines.append(f"∂L/∂{', ∂L/∂'.join(derivative.of)} = {call(derivative.function)}")
    return "\n".join(dict.fromkeys(lines))


def source(op: Op) -> str:
    """The declaration, its forward and its derivatives, each once and in this order; "" if the file cannot be read."""
    functions = [op.forward, *(derivative.function for derivative in op.derivatives)]
    first, *others = (_statement(place) for place in [op.declared_at, *map(_place, functions)])
    return "\n\n".join(text for text in dict.fromkeys([first, *others]) if text) if first else ""


def _place(function: Any) -> Place:
    code = function.__code__
    return code.co_filename, code.co_firstlineno


def _statement(place: Place) -> str:
    """The statement around a place: the smallest, but of a lambda that a function returns, that function."""
    path, line = place
    lines = linecache.getlines(path)
    around = [n for n in _statements("".join(lines)) if _first(n) <= line <= (n.end_lineno or 0)]
    if not around:
        return ""
    smallest = min(around, key=lambda n: (n.end_lineno or 0) - _first(n))
    return textwrap.dedent("".join(lines[_first(smallest) - 1 : smallest.end_lineno])).rstrip() + "\n"


@functools.lru_cache(maxsize=4)
def _statements(text: str) -> list[ast.stmt]:
    """All statements of a file but `return`; none if it is no Python any more."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    return [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and not isinstance(n, ast.Return)]


def _first(statement: Any) -> int:
    """The line where a statement begins, decorators included."""
    return min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
