"""`docs/derivatives.md`, made from the registry: every op's formula, the derivative with respect to each input, what it makes a call keep.

A named derivative is shown by its docstring (the last line of its derivation), a lambda in a row by its own code. The errors are those of
`docs/parity.md`, which `python -m reference report --markdown docs/parity.md` measures; nothing is measured here.
`python -m reference derivatives` writes the page; a test keeps it current. The site shows the same entries with typeset formulas.
"""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import minitorch  # noqa: F401 — importing it fills the registry
from minitorch.op import Op, ops, registry
from minitorch.op.plan import Derivative
from minitorch.utils.source import lambda_body

from .definitions_in_files import defined_in

DOCS = Path(__file__).parent.parent / "docs"
PAGE, PARITY = DOCS / "derivatives.md", DOCS / "parity.md"

HEAD = """# Every derivative

Made from the registry by `python -m reference derivatives`; a test keeps it current. `g` is the gradient that arrives at the
output, `out` the output. A name leads to the lines that define it.

- **keeps** is what the derivative names, and so what a call keeps for backward, and nothing else. Tensors are printed as code; options
  and shapes, which cost nothing, stand in parentheses. A tensor that several derivatives name is kept once.
- **error** is the worst distance from torch, in float64: of the value / the gradient / the second derivative, over the size of the
  result. They are copied from [how far from torch](parity.md), which also has float32 and the command that measured it. A dash: there is nothing
  to measure; no entry: the op is no public function, and is measured in those that call it.

Broadcasting is undone by the engine ([`minitorch/autograd/engine.py`](../minitorch/autograd/engine.py)). Functions that are
made of other ops have no derivative of their own: they stand [at the end](#made-of-other-ops), with what they are made of.
"""
COMPOSITES = """
## Made of other ops

These call other ops, and what backward meets are the nodes of those. "Made of" lists what their code calls, depending on the arguments;
operators such as `+` are the ops `add`, `mul` and so on.
"""


@dataclass(frozen=True)
class Entry:
    """One derivative of an op; those after the op's first have no name and no formula."""

    name: str
    link: str  # from docs/
    formula: str
    of: str
    derivative: str
    is_code: bool  # the derivative is an expression in Python, not a docstring
    kept: tuple[str, ...]  # tensors
    beside: tuple[str, ...]  # options, shapes
    error: str


@dataclass(frozen=True)
class Composite:
    """A function made of other ops."""

    name: str
    link: str
    formula: str
    parts: tuple[str, ...]
    error: str


def page() -> str:
    """The whole page as Markdown."""
    tables = [table(module, members) for module, members in families().items()]
    return HEAD + "".join(tables) + COMPOSITES + "\n" + "\n".join(composite_lines()) + "\n"


def families() -> dict[str, list[Entry]]:
    """By the file they stand in: the entries of every op that has derivatives."""
    found: dict[str, list[Entry]] = {}
    errors = measured()
    for op in sorted(ops, key=lambda op: op.__module__):  # (sorting keeps the order within a file)
        if op.derivatives and op.__module__.startswith("minitorch."):
            found.setdefault(file_of(op.__module__), []).extend(entries(op, errors))
    return found


def entries(op: Op, errors: dict[str, str]) -> Iterator[Entry]:
    """A line for each derivative of an op."""
    name, link, formula = op.__name__, link_to(op, op.declaration.forward), first_line(op)
    error = errors.get(name, "") if registry.get(name) is op else ""
    values = {*op.declaration.inputs, *op.declaration.outputs}
    for derivative in op.derivatives:
        text, is_code = shown(derivative)
        kept = tuple(n for n in derivative.names if n in values)
        beside = tuple(n for n in derivative.names if n not in values)
        yield Entry(name, link, formula, ", ".join(derivative.of), text, is_code, kept, beside, error)
        name = formula = error = ""


def table(path: str, members: list[Entry]) -> str:
    """One file's ops as a table."""
    lines = [
        f"\n## [`{path}`](../{path})\n",
        "| op | formula | with respect to | derivative | keeps | error |",
        "|---" * 6 + "|",
    ]
    for e in members:
        name = f"[`{e.name}`]({e.link})" if e.name else ""
        derivative = f"`{cell(e.derivative)}`" if e.is_code else cell(e.derivative)
        lines.append(f"| {name} | {cell(e.formula)} | {e.of} | {derivative} | {keeps(e)} | {e.error} |")
    return "\n".join(lines) + "\n"


def keeps(entry: Entry) -> str:
    """What a derivative keeps: `a`, `out` (dim)."""
    tensors = ", ".join(f"`{name}`" for name in entry.kept) or "no tensor"
    return tensors + (f" ({', '.join(entry.beside)})" if entry.beside else "")


def composite_lines() -> Iterator[str]:
    """The table of functions that are made of other ops."""
    yield "| function | formula | made of | error |"
    yield "|---|---|---|---|"
    for c in composites():
        yield f"| [`{c.name}`]({c.link}) | {cell(c.formula)} | {', '.join(f'`{p}`' for p in c.parts) or 'operators'} | {c.error} |"


def composites() -> list[Composite]:
    """Every public function that is made of ops and so differentiable."""
    errors, found = measured(), []
    for name, thing in sorted(registry.items()):
        if not isinstance(thing, Op):
            function = inspect.unwrap(thing)
            parts = tuple(dict.fromkeys(made_of(function)))
            found.append(Composite(name, link_to(thing, function), first_line(thing), parts, errors.get(name, "")))
    return [c for c in found if "/" in c.error and "/ – /" not in c.error]  # it has a gradient


def made_of(function: Callable, depth: int = 3) -> Iterator[str]:
    """The ops and functions that its code calls: those of the registry by name, its helpers by what they call."""
    for called in global_values(function):
        if isinstance(called, Op):
            yield called.__name__
        elif not isinstance(called, FunctionType) or inspect.unwrap(called) is function:
            continue
        elif registry.get(called.__name__.rstrip("_")) is called:
            yield called.__name__.rstrip("_")
        elif depth and called.__module__.startswith("minitorch.ops"):
            yield from made_of(inspect.unwrap(called), depth - 1)


def global_values(function: Callable) -> Iterator[Any]:
    """What a function's code reads by name from its module, in the order in which it stands there."""
    codes: list[CodeType] = [function.__code__]
    for code in codes:  # grows: lambdas and comprehensions are codes among the constants
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for instruction in dis.get_instructions(code):
            if instruction.opname == "LOAD_GLOBAL" and instruction.argval in function.__globals__:
                yield function.__globals__[instruction.argval]


def measured() -> dict[str, str]:
    """The worst errors in float64 that the report's page holds: value / gradient / second derivative."""
    rows = re.findall(r"^\| (\w+) \| (\S+) \| (\S+) \| (\S+) \|", PARITY.read_text(encoding="utf-8"), re.M)
    return {name: " / ".join(errors) for name, *errors in rows}


def shown(derivative: Derivative) -> tuple[str, bool]:
    """The derivative in one line: its docstring, or the code of its lambda, and whether it is code."""
    function = derivative.function
    if isinstance(function, Op) or function.__name__ != "<lambda>":
        return first_line(function), False
    return lambda_body(function), True


def link_to(thing: Any, function: Callable) -> str:
    """The file, from docs/, and in it the name of the definition: a function's own, or that of the row."""
    path = file_of(thing.__module__)
    source, names = (DOCS.parent / path).read_text(encoding="utf-8"), defined_in(DOCS.parent / path)
    row = re.search(rf'^(\w+) = \w+\(\s*"{thing.__name__}"', source, re.M)
    wanted = [row[1] if row else "", function.__name__, f"{thing.__name__}_", thing.__name__]
    return f"../{path}" + next((f"#{name}" for name in wanted if name in names), "")


def file_of(module: str) -> str:
    """The file of a module, from the root of the checkout."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (DOCS.parent / path).is_dir() else f"{path}.py"


def first_line(documented: Callable) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(documented) or "").splitlines()[0]


def cell(text: str) -> str:
    """Text that does not end its table cell."""
    return text.replace("|", "\\|")


def write() -> int:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}: {len(ops)} ops")
    return 0
