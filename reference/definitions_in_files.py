"""Where a Python file defines what: the names that a link may end in, as in `engine.py#walk` or `door.py#Op.__call__`.

A link by name stays right when lines move, which a number does not. The site makes an anchor of each; a test of the documents' links asks here.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path


@functools.cache
def defined_in(path: Path) -> dict[str, int]:
    """The names that a file defines, with the line each begins in: functions, classes, their methods, and what is assigned."""
    found: dict[str, int] = {}
    for name, line in _definitions(ast.parse(path.read_text(encoding="utf-8")).body, ""):
        found.setdefault(name, line)
    return found


def _definitions(statements: list[ast.stmt], prefix: str) -> Iterator[tuple[str, int]]:
    for statement in statements:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                first = min([statement.lineno, *(d.lineno for d in statement.decorator_list)])
                yield prefix + name, first
                if isinstance(statement, ast.ClassDef):
                    yield from _definitions(statement.body, f"{prefix}{name}.")
            case ast.Assign(targets=targets):
                yield from ((prefix + target.id, statement.lineno) for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name, statement.lineno
            case ast.If() | ast.Try():
                yield from _definitions([*statement.body, *statement.orelse], prefix)
