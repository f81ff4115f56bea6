"""`minitorch explain`: run a small program, then show step by step how backward goes through the graph it left.

Here is only the showing: the schedule, the sums and the bytes are `autograd.trace`'s, the source is the derivatives' own.
The examples are the files of `minitorch/examples/explain/`; a file of yours goes the same way.
Read next: `autograd/tracing.py`.
"""

from __future__ import annotations

import runpy
import sys
import textwrap
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import Tensor, nn
from ..autograd.tracing import START, Arrival, Sending, Step, Trace, kept, number, trace
from ..examples import explain as examples
from ..utils import source
from .commands import UserError
from .ends import did_you_mean

FOLDER = Path(examples.__file__).parent
INDENT, WIDTH = 15, 100  # where a step's lines begin, and about how long they get


def explain(what: str | None, variable: str = "loss") -> str:
    """The text for an example's name or a file; for None, the list of the examples."""
    if what is None:
        return listing()
    if what in examples.NAMES:
        path = FOLDER / f"{what}.py"
        return f"{quoted(path)}\n\n{explained(traced(path, variable))}"
    if what in examples.COMPILED:
        raise UserError(f"{what} is an example of --compiled: minitorch explain --compiled {what}")
    return explained(traced(Path(what), variable))


def listing() -> str:
    """The examples, one a line."""
    return "\n".join(
        [
            "See how backward runs through an example, or through a file of yours that leaves a variable `loss`:",
            "  minitorch explain NAME",
            "  minitorch explain FILE.py [--variable loss]",
            "",
            *map(_listed, examples.NAMES),
            "",
            "See the program that compile makes of an example, or of a file of yours that leaves a function `step`:",
            "  minitorch explain --compiled NAME",
            "  minitorch explain --compiled FILE.py [--variable step]",
            "",
            *map(_listed, examples.COMPILED),
        ]
    )


def _listed(name: str) -> str:
    return f"  {name:<10} {_headline(FOLDER / f'{name}.py')}"


def quoted(path: Path) -> str:
    """The code of an example, indented."""
    return textwrap.indent(path.read_text(encoding="utf-8").rstrip(), "    ")


def _headline(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0]


# ---- running the program ----


def traced(path: Path, variable: str) -> Trace:
    """Run the file and trace its variable; whatever is wrong with either is a UserError."""
    namespace = left_by(path, examples.NAMES)
    tensors = {name: value for name, value in _public(namespace) if isinstance(value, Tensor)}
    if variable not in namespace:
        found = f"its tensors are {', '.join(tensors)}" if tensors else "it leaves no tensor at all"
        raise UserError(f"{path} leaves no variable {variable!r}; {found}; name one with --variable")
    root = namespace[variable]
    if not isinstance(root, Tensor):
        raise UserError(f"{path}: {variable} is of type {type(root).__name__}, expected a Tensor")
    names = {**tensors, **dict(_inside(namespace))}
    try:
        if any(step.freed for step in trace(root)):
            raise UserError(f"{path}: backward has already run from {variable} and freed its graph; leave out .backward()")
        return trace(root, names, run=True)
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: {variable}: {error}") from None


def _public(namespace: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in namespace.items() if not name.startswith("_")]


def _inside(namespace: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors in models, lists and dicts: `model.0.weight`, `layers[1]`, `params['w']`."""
    for name, value in _public(namespace):
        if isinstance(value, nn.Module):
            yield from ((f"{name}.{inner}", parameter) for inner, parameter in value.named_parameters())
        elif isinstance(value, (list, tuple, dict)):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}[{key!r}]", item) for key, item in items if isinstance(item, Tensor))


def left_by(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """The variables that a file leaves when it is run as a program. names: the examples that there are beside files."""
    if not path.exists():
        near = did_you_mean(str(path), names)
        raise UserError(f"{path} is neither a file nor an example ({', '.join(names)}){near}")
    if not path.is_file():
        raise UserError(f"{path} is a folder; name a Python file")
    argv, sys.argv = sys.argv, [str(path)]
    sys.path.insert(0, str(path.parent))
    try:
        return runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        raise UserError(f"{path} ends the program itself: exit({end.code!r})") from None
    except Exception as error:
        raise UserError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from None
    finally:
        sys.argv = argv
        sys.path.remove(str(path.parent))


def _line(error: Exception, path: Path) -> str:
    """The line of the file where it went wrong, if it did there."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f", line {line}" if line else ""


# ---- showing the trace ----


def explained(plan: Trace) -> str:
    """Every step: its gradient as a sum, what it keeps, what it sends where, and the derivatives' source."""
    shown: dict[Any, int] = {}
    head = (
        f"backward of {plan.root}: {len(plan)} steps, from the youngest node to the oldest. Whatever uses a tensor is\n"
        "younger than the node that made it: when a node's turn comes, all parts of its gradient g are there."
    )
    return "\n\n".join([head, *(_block(step, plan, shown) for step in plan), plan.memory()])


def _block(step: Step, plan: Trace, shown: dict[Any, int]) -> str:
    """One step; `shown` says at which step each function's source has been printed."""
    sections = {
        "forward": textwrap.wrap(f"{step.op}: {step.formula}".rstrip(": ."), WIDTH - INDENT),
        "gradient": [line for arrival in step.arrivals for line in _arrival(arrival)],
        "keeps": [kept(saved) for saved in step.saved],
        "sends": _sendings(step, plan),
        "adds": [f"g to {step.leaf or 'leaf'}.grad"] if step.leaf is not None else [],
    }
    lines = [f"{step.number:>3}  {step.node}"]
    for name, section in sections.items():
        lines += [f"{name if not k else '':>{INDENT - 2}}  {line}" for k, line in enumerate(section)]
    return "\n".join(lines + _definitions(step, shown))


def _arrival(arrival: Arrival) -> list[str]:
    """What arrived, as a sum, and the steps it came from; on several lines if it is long."""
    of = f"{arrival.gradient} of {arrival.tensor or 'the output'}, shape {arrival.shape}"
    sources = [str(s) for s in arrival.sources]
    origin = "the start" if arrival.sources == (START,) else f"step{'s' * (len(sources) > 1)} {_and(sources)}"
    if arrival.value is None:
        return [f"{of}, from {origin}"]
    total = number(arrival.value)
    if len(sources) == 1:
        return [f"{of}: {total}, from {origin}"]
    line = f"{of}: {' + '.join(map(number, arrival.parts))} = {total}, from {origin}"
    if INDENT + len(line) <= WIDTH:
        return [line]
    return [f"{of}:", *(f"  {number(part)} from step {s}" for part, s in zip(arrival.parts, sources)), f"  = {total}"]


def _sendings(step: Step, plan: Trace) -> list[str]:
    """To whom, for which input, by which derivative, with what result."""
    heads = _aligned([(f"to step {_receiver(sent, plan)}", f"for {sent.input}:") for sent in step.sends])
    lines = []
    for head, sent in zip(heads, step.sends):
        expression = source.call(sent.derivative)
        result = f" = {number(sent.value)}" if sent.value is not None else f", shape {sent.shape}"
        if sent.unreduced not in (None, sent.shape):
            result += f", summed from shape {sent.unreduced}"
        if INDENT + len(head) + 2 + len(expression + result) <= WIDTH:
            lines.append(f"{head}  {expression}{result}")
        else:
            lines += [f"{head}  {expression}", f"{'':{len(head)}}  {result.lstrip(', ')}"]
    return lines


def _receiver(sent: Sending, plan: Trace) -> str:
    """`3`, or `3 (w)` if the tensor has a name, or `3[1]` for the second of several outputs."""
    arrivals = plan[sent.to - 1].arrivals
    name = next(a.tensor for a in arrivals if a.output == sent.output)
    output = f"[{sent.output}]" if len(arrivals) > 1 or sent.output else ""
    return f"{sent.to}{output}" + (f" ({name})" if name else "")


def _definitions(step: Step, shown: dict[Any, int]) -> list[str]:
    """The lines of the derivatives that are more than a lambda, or where they have been printed."""
    lines = []
    for function in dict.fromkeys(sent.derivative for sent in step.sends):
        if function in shown:
            lines.append(f"{'':{INDENT}}{source.name(function)} is at step {shown[function]}")
        elif not source.is_lambda(function):
            shown[function] = step.number
            lines += ["", textwrap.indent(source.definition(function), " " * INDENT)]
    return lines


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [" ".join(cell.ljust(w) for cell, w in zip(row, widths)) for row in rows]


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
