"""`minitorch explain`: run a small program, then show step by step how backward goes through the graph it left.

Here is only the showing: the schedule, the sums and the bytes are `autograd.trace`'s, the source is the derivatives' own.
The examples are the files of `minitorch/examples/explain/`; a file of yours goes the same way.
Read next: `autograd/tracing.py`.
"""

from __future__ import annotations

import os
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from ..autograd.pictures import number
from ..autograd.traced_hooks import KINDS
from ..autograd.traced_text import kept
from ..autograd.tracing import START, Arrival, Sending, Step, Trace
from ..examples import explain as examples
from ..op import registry
from ..utils import source
from ..utils.page import page
from ..utils.page.data import short
from .ends import UserError, did_you_mean
from .one_op import kernels_of, op_explained
from .program import traced

FOLDER = Path(examples.__file__).parent
INDENT, WIDTH = 15, 100  # where a step's lines begin, and about how long they get


def explain(what: str | None, variable: str | None = None, html: str | None = None) -> str:
    """The text for an example's name, a file or an op; for None, the list of the examples. html: where to write the page instead."""
    if what is None:
        if html is not None:
            raise UserError("--html needs a file or an example to show, such as: minitorch explain mlp --html mlp.html")
        return listing()
    path = FOLDER / f"{what}.py" if what in examples.NAMES else Path(what)
    op = what.rpartition(".")[2]  # minitorch.softmax is an op, softmax an example
    if not path.exists() and op in registry:
        if html is not None:
            raise UserError(f"--html shows a program; {what} is an op: minitorch explain {what}")
        return op_explained(op)
    if what in examples.COMPILED and not path.exists():
        raise UserError(f"{what} is an example of --compiled: minitorch explain --compiled {what}")
    if not path.exists():
        near = did_you_mean(what, [*examples.NAMES, *registry])
        raise UserError(f"{what} is neither a file nor an example ({', '.join(examples.NAMES)}), nor an op{near}")
    if html is not None:
        _check_html(html, path)
    plan, update = traced(path, variable, examples.NAMES)
    if html is not None:
        return _written(html, page(plan, f"{short(str(path))}: backward of {plan.root or 'the result'}", update))
    return (f"{quoted(path)}\n\n" if what in examples.NAMES else "") + explained(plan)


def kernels(what: str) -> str:
    """The kernels of an op."""
    op = what.rpartition(".")[2]
    if op not in registry:
        raise UserError(f"--cuda: {what} is no op{did_you_mean(op, registry)}")
    return kernels_of(op)


def _check_html(out: str, program: Path) -> None:
    """Find out before the program runs whether the page can be written, and overwrite nothing but a page."""
    target = Path(out)
    if target.is_dir():
        raise UserError(f"--html {out}: is a folder; name a file in it")
    if not target.resolve().parent.is_dir():
        raise UserError(f"--html {out}: there is no folder {target.parent}")
    if target.exists() and (target.suffix not in (".html", ".htm") or target.samefile(program)):
        raise UserError(f"--html {out}: exists and is no .html file; name another file")


def _written(out: str, text: str) -> str:
    """Write the page at once or not at all."""
    folder = os.path.dirname(os.path.realpath(out))
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, suffix=".part", delete=False) as file:
            try:
                file.write(text)
                file.close()
                os.chmod(file.name, 0o666 & ~_umask())
                os.replace(file.name, os.path.realpath(out))
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise UserError(f"--html {out}: cannot write: {error.strerror}") from None
    return f"wrote {out} ({len(text.encode()) / 1024:.0f} kB); open it in a browser, and step with the arrow keys"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def listing() -> str:
    """The examples, one a line."""
    return "\n".join(
        [
            "See how backward runs through an example, or through a file of yours that leaves a variable `loss`:",
            "  minitorch explain NAME",
            "  minitorch explain FILE.py [--variable loss] [--html page.html]",
            "",
            *map(_listed, examples.NAMES),
            "",
            "See one op: its formula, its derivative, what it keeps, a plot of both:",
            "  minitorch explain gelu        (and, as there is an example of that name, minitorch.softmax)",
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
        "line": _line(step),
        "forward": _forward(step),
        "gradient": [line for arrival in step.arrivals for line in _arrival(arrival)],
        "hooks": _hooks(step),
        "keeps": [kept(saved) for saved in step.saved],
        "sends": _sendings(step, plan),
        "adds": [f"g to {step.leaf or 'leaf'}.grad"] if step.leaf is not None else [],
    }
    lines = [f"{step.number:>3}  {step.node}"]
    for name, section in sections.items():
        lines += [f"{name if not k else '':>{INDENT - 2}}  {line}" for k, line in enumerate(section)]
    return "\n".join(lines + _definitions(step, shown))


def _line(step: Step) -> list[str]:
    """The line of the program that made the node."""
    line = step.call.line
    if line is None or step.leaf is not None:
        return []
    return [textwrap.shorten(f"{short(line.file)}:{line.nr}: {line.text}", WIDTH - INDENT, placeholder=" …")]


def _forward(step: Step) -> list[str]:
    """What it computed: the formula and the values."""
    lines = textwrap.wrap(f"{step.op}: {step.formula}".rstrip(": ."), WIDTH - INDENT)
    for output in step.call.outputs:
        name = output.tensor or ("" if step.leaf is None else "leaf")
        shown = _value(output.picture)
        if shown and (step.leaf is None or name):
            lines += textwrap.wrap(f"{name or 'gives'} = {shown}" if name else f"gives {shown}", WIDTH - INDENT)
    for write in step.call.writes:
        lines.append(f"written in place: {write.tensor or 'a tensor'} is at version {write.version} now")
    return lines


def _value(picture: Any) -> str:
    """The numbers of a small tensor; of a larger one, how large they are."""
    if picture is None or (picture.numbers is None and not picture.grid):
        return ""
    numbers = number(picture.numbers) if picture.numbers is not None else ""
    if numbers and len(numbers) <= WIDTH - INDENT - 12:
        return numbers
    return f"shape {picture.shape}, from {number(picture.low)} to {number(picture.high)}, mean {number(picture.mean)}"


def _hooks(step: Step) -> list[str]:
    """Which hooks there are, and what they changed."""
    lines = []
    for hook in step.hooks:
        at = f", line {hook.line.nr}" if hook.line else ""
        told = KINDS[hook.kind]
        if hook.called and hook.before != hook.after:
            told += f": {', '.join(map(_value, hook.before))} became {', '.join(map(_value, hook.after))}"
        lines += textwrap.wrap(f"{hook.name}{at}: {told}{'' if hook.called else ' (not called here)'}", WIDTH - INDENT)
    return lines


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
        space = WIDTH - INDENT - len(head) - 2
        if len(expression + result) <= space:
            lines.append(f"{head}  {expression}{result}")
        elif max(len(expression), len(result)) <= space:
            lines += [f"{head}  {expression}", f"{'':{len(head)}}  {result.lstrip(', ')}"]
        else:
            lines.append(head)
            lines += [f"    {line}" for line in [*textwrap.wrap(expression, WIDTH - INDENT - 4), result.lstrip(", ")]]
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
