"""`minitorch explain gelu`: one op on a screen: its call, formula and derivative, what it keeps, a plot, its row and its twins.

Everything is read from the op's declaration and from files; nothing here knows an op by name. Read next: `op/declaration.py`.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minitorch

from ..op import Op, ops, registry
from ..utils import source

ROOT = Path(minitorch.__file__).parent.parent
HEIGHT, COLUMNS = 13, 65
LOW, HIGH = -4.0, 4.0


def op_explained(name: str) -> str:
    """All that is to be told of a public op or composite."""
    thing: Any = registry[name]
    made_of = [thing] if isinstance(thing, Op) else _ops_in(thing)
    title = "op" if isinstance(thing, Op) else "composite, made of other ops"
    parts = [
        f"{name}{inspect.signature(thing)}\n    {title}, in {_place(inspect.unwrap(thing) if title != 'op' else thing.forward)}"
    ]
    parts.append(_section("formula", (inspect.getdoc(thing) or "").split("\n\n")[0]))
    if title != "op":
        parts.append(_section("source", _code(thing)))
    for op in made_of:
        head = "" if op is thing else f" of {op.__name__}"
        parts.append(_section(f"derivative{head}", _derivatives(op)))
        parts.append(_section(f"kept for backward{head}", _kept(op)))
    parts += [_section("plot", _plot(thing)), _section("row in the reference table", _rows(name))]
    parts.append(
        _section("kernel twins", "\n".join(line for op in made_of for line in _twins(op)) or "none: the formula itself runs")
    )
    return "\n\n".join(filter(None, parts))


def kernels_of(name: str) -> str:
    """The CUDA kernels that are made of an op's formula and derivatives, for float32."""
    from ..compiler.cuda.twins import printed

    thing: Any = registry[name]
    made = [text for op in ([thing] if isinstance(thing, Op) else _ops_in(thing)) for text in printed(op)]
    return (
        "\n\n".join(made)
        or f"{name} has no formula of each number by itself; its kernels, if it has any: minitorch explain {name}"
    )


def _section(title: str, text: str) -> str:
    return f"{title}\n{textwrap.indent(text, '    ')}" if text else ""


def _place(function: Any) -> str:
    """`minitorch/ops/activation.py:40`"""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return "no file"
    path = Path(code.co_filename)
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{code.co_firstlineno}"


def _code(thing: Any) -> str:
    return source.definition(inspect.unwrap(thing))


def _ops_in(composite: Callable) -> list[Op]:
    """The ops that a composite names, in the order of their names in its source; and a private one of its own name."""
    names = inspect.unwrap(composite).__code__.co_names
    found = [inspect.unwrap(composite).__globals__.get(n) for n in names]
    own = [op for op in ops if op.__name__ == composite.__name__]
    return list(dict.fromkeys([thing for thing in [*own, *found] if isinstance(thing, Op)]))


def _derivatives(op: Op) -> str:
    """Each derivative: its last line as mathematics, then its source."""
    if not op.derivatives:
        return "none: nothing flows back through it"
    texts = []
    for derivative in op.derivatives:
        if source.is_lambda(derivative.function):
            texts.append(f"∂L/∂{', ∂L/∂'.join(derivative.of)} = {source.call(derivative.function)}")
        else:
            texts.append(source.definition(derivative.function))
    return "\n\n".join(dict.fromkeys(texts))


def _kept(op: Op) -> str:
    """What each derivative names, and so is kept if that gradient is wanted."""
    lines = []
    for derivative in op.derivatives:
        arrays = [n for n in derivative.names if n in op.inputs or n in op.declaration.outputs]
        rest = [n for n in derivative.names if n not in arrays]
        told = (
            f"the tensors {', '.join(arrays)}" if len(arrays) > 1 else f"the tensor {arrays[0]}" if arrays else "no tensor"
        )
        lines.append(f"for {', '.join(derivative.of)}: {told}" + (f"; and {', '.join(rest)}" if rest else ""))
    return "\n".join(lines)


# ---- the plot ----


def _plot(thing: Any) -> str:
    """A function of one number and its derivative by backward, as characters; a word for what has no such plot."""
    xs = [LOW + (HIGH - LOW) * k / (COLUMNS - 1) for k in range(COLUMNS)]
    x = minitorch.tensor(xs, dtype=minitorch.float64, requires_grad=True)
    try:
        y = _quietly(thing, x)
        if not isinstance(y, minitorch.Tensor) or y.shape != x.shape or not y.dtype.is_floating_point or _mixes(thing, xs):
            return "none: it is no function of a single number"
        slope = minitorch.autograd.grad(y.sum(), x)[0].tolist() if y.requires_grad else [math.nan] * COLUMNS
    except Exception:  # it takes more than one tensor
        return "none: it is no function of a single number"
    return drawn(y.tolist(), slope)


def _quietly(thing: Any, x: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return thing(x)


def _mixes(thing: Any, xs: list[float]) -> bool:
    """Whether a result hangs on the numbers beside it, or on chance."""
    whole, part = (_quietly(thing, minitorch.tensor(v, dtype=minitorch.float64)).tolist() for v in (xs, xs[:7]))
    return any(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in zip(whole, part))


def drawn(ys: list[float], slopes: list[float]) -> str:
    """Two curves over LOW…HIGH: `*` the function, `o` its derivative, `@` both. What is far away is left out."""
    seen = sorted(v for v in [*ys, *slopes] if math.isfinite(v) and abs(v) <= 10)
    if not seen:
        return "none: no number of it is finite and below 10"
    low, high = min(seen[0], 0.0), max(seen[-1], 0.0)
    high = high if high > low else low + 1.0
    row_of = lambda v: round((high - v) / (high - low) * (HEIGHT - 1))
    grid = [[" "] * COLUMNS for _ in range(HEIGHT)]
    grid[row_of(0.0)] = ["-"] * COLUMNS
    for row in grid:
        row[COLUMNS // 2] = "+" if row[COLUMNS // 2] == "-" else "|"
    for mark, values in (("o", slopes), ("*", ys)):
        for column, v in enumerate(values):
            if math.isfinite(v) and low <= v <= high:
                row = grid[row_of(v)]
                row[column] = "@" if mark == "*" and row[column] == "o" else mark
    labels = {0: f"{high:.3g}", row_of(0.0): "0", HEIGHT - 1: f"{low:.3g}"}
    lines = [f"{labels.get(k, ''):>7} {''.join(row)}".rstrip() for k, row in enumerate(grid)]
    ends = f"{'':>7} {f'{LOW:g}':<{COLUMNS // 2}}0{f'{HIGH:g}':>{COLUMNS // 2}}"
    return "\n".join([*lines, ends, f"{'':>7} * the function   o its derivative   @ both"])


# ---- the row and the twins ----


def _rows(name: str) -> str:
    """The statements of the reference table that declare the op, as they are written."""
    folder = ROOT / "reference" / "rows"
    if not folder.is_dir():
        return "the reference table is in the project's checkout, not in the package"
    return (
        "\n".join(_declarations(folder).get(name, ()))
        or "a loop or a helper in reference/rows/ declares it, which makes up its name"
    )


@functools.cache
def _declarations(folder: Path) -> dict[str, list[str]]:
    """By name: the statements in which a call has it as its first argument, or that go over a list of names which has it."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for statement in ast.parse(text).body:
            written = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
            for name in dict.fromkeys(name for node in ast.walk(statement) for name in _names(node)):
                found.setdefault(name, []).append(f"{path.relative_to(ROOT)}:{statement.lineno}\n{written}")
    return found


def _names(node: ast.AST) -> list[str]:
    """The names of ops that a call or a loop declares."""
    if isinstance(node, ast.For) and isinstance(node.iter, (ast.List, ast.Tuple)):
        things: list[Any] = node.iter.elts
    else:
        things = node.args[:1] if isinstance(node, ast.Call) else []
    return [thing.value for thing in things if isinstance(thing, ast.Constant) and isinstance(thing.value, str)]


def _twins(op: Op) -> list[str]:
    """What runs in place of the formula, where it serves."""
    from .. import kernels  # noqa: F401  (they are entered beside their ops when they are imported)

    twins = [(where, "forward", twin) for where, twin in op.twins.items()]
    twins += [(where, "backward", d.function) for where, ds in op.twin_derivatives.items() for d in ds]
    written = [(where, what, twin) for where, what, twin in twins if not hasattr(twin, "generated")]
    return [f"{where}: {what} in {_place(twin)}" for where, what, twin in written]
