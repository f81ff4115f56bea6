"""`docs/derivatives.md`, made from the registry: every op's formula and the derivative with respect to each input.

A named derivative is shown by its docstring (the last line of its derivation), a lambda in a row by its own code.
`python -m reference derivatives` writes the page; a test keeps it current.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from pathlib import Path

import minitorch  # noqa: F401 — importing it fills the registry
from minitorch.op import Derivative, Op, ops

PAGE = Path(__file__).parent.parent / "docs" / "derivatives.md"

HEAD = """# Every derivative

Made from the registry by `python -m reference derivatives`; a test keeps it current. `g` is the gradient that arrives at the
output, `out` the output. What an expression names is what the node keeps for backward, and nothing else. Broadcasting is
undone by the engine. Functions made of other ops have no derivative of their own and are not listed.
"""


def page() -> str:
    """The whole page as Markdown."""
    families: dict[str, list[Op]] = {}
    for op in ops:
        if op.derivatives and op.__module__.startswith("minitorch."):
            families.setdefault(op.__module__, []).append(op)
    return HEAD + "".join(family(module, families[module]) for module in sorted(families))


def family(module: str, members: list[Op]) -> str:
    """One module's ops as a table: name, formula, and a line for each input's derivative."""
    path = module.replace(".", "/") + ".py"
    lines = [f"\n## `{path}`\n", "| op | formula | with respect to | derivative |", "|---|---|---|---|"]
    for op in members:
        name, formula = f"`{op.__name__}`", cell(first_line(op))
        for derivative in op.derivatives:
            lines.append(f"| {name} | {formula} | {', '.join(derivative.of)} | {cell(shown(derivative))} |")
            name = formula = ""
    return "\n".join(lines) + "\n"


def shown(derivative: Derivative) -> str:
    """The derivative in one line: its docstring, or the code of its lambda."""
    function = derivative.function
    if isinstance(function, Op) or function.__name__ != "<lambda>":
        return first_line(function)
    return f"`{lambda_source(function)}`"


def first_line(documented: Callable) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(documented) or "").splitlines()[0]


def cell(text: str) -> str:
    """Text that does not end its table cell."""
    return text.replace("|", "\\|")


def lambda_source(function: Callable) -> str:
    """What a lambda computes, in its own words: the expression in its file from which all its instructions came."""
    path = inspect.getsourcefile(function)
    assert path is not None
    _, *places = dict.fromkeys(function.__code__.co_positions())  # the first is the lambda's beginning, not its body
    spans = [((line, column), (end, end_column)) for line, end, column, end_column in places]
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    (body,) = [b for b in bodies(path) if (b.lineno, b.col_offset) <= first and last <= (b.end_lineno, b.end_col_offset)]
    return ast.unparse(body)


@functools.cache
def bodies(path: str) -> list[ast.expr]:
    """The body of every lambda in a file."""
    return [node.body for node in ast.walk(ast.parse(Path(path).read_text())) if isinstance(node, ast.Lambda)]


def write() -> int:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}: {len(ops)} ops")
    return 0
