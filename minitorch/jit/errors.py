"""What is said of code that is no script: where it stands, and what to write instead."""

from __future__ import annotations

import ast
from dataclasses import dataclass


class FrontendError(Exception):
    """Code that cannot be read as a script."""


class NotSupportedError(FrontendError):
    """Python that scripts do not have."""


class UnsupportedNodeError(NotSupportedError):
    """A statement or an expression that scripts do not have."""


@dataclass(frozen=True)
class Source:
    """Where a function stands."""

    file: str
    lines: tuple[str, ...]
    first: int  # the number of its first line in the file
    indent: int  # how far it is indented there

    def place(self, node: ast.AST) -> str:
        """file:line:column of a piece of it."""
        return f"{self.file}:{self.first + getattr(node, 'lineno', 1) - 1}:{self.indent + getattr(node, 'col_offset', 0)}"

    def shown(self, node: ast.AST) -> str:
        """The line, and a mark below what is meant."""
        number, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        line = self.lines[number - 1]
        end = getattr(node, "end_col_offset", column + 1) if getattr(node, "end_lineno", number) == number else len(line)
        return f'  File "{self.file}", line {self.first + number - 1}\n{line}\n{" " * column}{"~" * max(1, end - column)} <--- HERE'

    def error(self, node: ast.AST, words: str, kind: type[Exception] = RuntimeError) -> Exception:
        """An error about a piece of it."""
        return kind(f"{words}:\n{self.shown(node)}")


INSTEAD = {
    "Try": "try blocks aren't supported; test beforehand what may fail",
    "With": "with statements aren't supported",
    "Lambda": "Lambda aren't supported; write a function",
    "ClassDef": "class definitions aren't supported within a script",
    "FunctionDef": "function definitions aren't supported within a script; define it outside",
    "AsyncFunctionDef": "async functions aren't supported",
    "Yield": "generators aren't supported; return a list",
    "YieldFrom": "generators aren't supported; return a list",
    "Await": "await isn't supported",
    "Global": "global variables aren't supported; give the value as an argument",
    "Nonlocal": "nonlocal variables aren't supported; give the value as an argument",
    "Import": "import statements aren't supported; import outside of the script",
    "ImportFrom": "import statements aren't supported; import outside of the script",
    "Delete": "only an item of a list or dict can be deleted",
    "Match": "match statements aren't supported; write if and elif",
    "SetComp": "set comprehensions aren't supported; use a list or a dict",
    "Set": "sets aren't supported; use a list or a dict",
    "GeneratorExp": "generator expressions aren't supported; write a list",
    "DictComp": "dict comprehensions aren't supported; write a loop",
    "NamedExpr": "assignments within expressions aren't supported; assign beforehand",
    "Starred": "* of arguments isn't supported; write them out",
    "Raise": "",
}


def unsupported(source: Source, node: ast.AST) -> Exception:
    """The error for a kind of node that scripts do not have."""
    name = type(node).__name__
    return source.error(node, INSTEAD.get(name) or f"{name} aren't supported", UnsupportedNodeError)
