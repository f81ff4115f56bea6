"""`docs/derivatives.md`, made from the registry: every op's formula and the derivative with respect to each input.

A named derivative is shown by its docstring (the last line of its derivation), a lambda in a row by its own code.
`python -m reference derivatives` writes the page; a test keeps it current.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import minitorch  # noqa: F401 — importing it fills the registry
from minitorch.op import Op, ops
from minitorch.op.plan import Derivative
from minitorch.utils.source import lambda_body

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
    return f"`{lambda_body(function)}`"


def first_line(documented: Callable) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(documented) or "").splitlines()[0]


def cell(text: str) -> str:
    """Text that does not end its table cell."""
    return text.replace("|", "\\|")


def write() -> int:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}: {len(ops)} ops")
    return 0
