"""The source of a derivative, as the reader of its file sees it: what `minitorch explain` and `docs/derivatives.md` show."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import textwrap
from collections.abc import Callable
from typing import Any


def is_lambda(function: Any) -> bool:
    """Whether it has no name of its own: a derivative in a row."""
    return getattr(function, "__name__", "") == "<lambda>"


def lambda_body(function: Callable) -> str:
    """What a lambda computes, in its own words: the expression in its file from which all its instructions came, or "" without one."""
    path = function.__code__.co_filename
    written = (place for place in function.__code__.co_positions() if None not in place)
    _, *places = dict.fromkeys(written)  # the first is the lambda's beginning, not its body
    spans = [((line, column), (end, end_column)) for line, end, column, end_column in places]
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    around = [b for b in _bodies(path) if (b.lineno, b.col_offset) <= first and last <= (b.end_lineno, b.end_col_offset)]
    return ast.unparse(around[-1]) if around else ""  # the innermost


@functools.cache
def _bodies(path: str) -> list[Any]:
    """The body of every lambda in a file, or in what was typed at a prompt; those inside others after them."""
    tree = ast.parse("".join(linecache.getlines(path)))
    return [node.body for node in ast.walk(tree) if isinstance(node, ast.Lambda)]


def call(function: Callable) -> str:
    """`softmax_grad(g, out, dim)`; of a lambda, its body."""
    if is_lambda(function):
        return lambda_body(function)
    return f"{name(function)}({', '.join(inspect.signature(function).parameters)})"


def name(function: Callable) -> str:
    """`softmax_grad`, or `Cube.backward` for what stands in a class."""
    return function.__qualname__.rpartition("<locals>.")[2]


def definition(function: Callable) -> str:
    """The lines that define a function, without the indentation they have in common; "" if there is no file."""
    try:
        return textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):
        return ""
