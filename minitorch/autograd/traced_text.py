"""A trace as text: the table of its steps. Read next: `tracing.py`, which makes them."""

from __future__ import annotations

from typing import Any

from .pictures import number

START = 0  # the "step" that the first gradient comes from


def table(trace: Any) -> str:
    """A line or more for each step, under one head."""
    heads = ("step", "node", "op", "gradient of", "from", "adds to", "keeps")
    rows = [tuple(column.split("\n") for column in _columns(step)) for step in trace]
    lines = [line for row in rows for line in zip(*(_filled(cell, max(map(len, row))) for cell in row))]
    widths = [max(map(len, column)) for column in zip(heads, *lines)]
    table = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in (heads, *lines)]
    return "\n".join([f"backward of {trace.root or 'the result'}: {len(trace)} steps", "", *table, "", memory(trace)])


def memory(trace: Any) -> str:
    """In words: what is kept for backward, and what is only referred to."""
    text = f"Kept until backward has passed: {trace.saved_bytes:,} bytes"
    if trace.shared_bytes:
        text += f" (what several steps keep is counted once; it would be {trace.saved_bytes + trace.shared_bytes:,})"
    if trace.held_bytes:
        kinds = {
            "leaf": "leaves",
            "result": "the result",
            "constant": "constants (which go too if nobody else holds them)",
        }
        present = {s.held for step in trace for s in step.saved}
        owners = " and ".join(kinds[kind] for kind in kinds if kind in present)
        text += f"\nOnly referred to: {trace.held_bytes:,} bytes of {owners}"
    if any(step.freed for step in trace):
        text += "\nAn earlier backward has freed what was saved: backward would raise."
    hooked = [str(step.number) for step in trace if step.hooked and not all(h.called for h in step.hooks)]
    if hooked:
        text += f"\nHooks at step {', '.join(hooked)} may change what passes; they are not called here."
    return text


def _columns(step: Any) -> tuple[str, ...]:
    """The cells of a step's row; a cell may have several lines."""
    many = len(step.arrivals) > 1 or any(a.output for a in step.arrivals)
    gradients = [f"{f'[{a.output}] ' if many else ''}{labelled(a.tensor, a.shape)}{_equals(a.value)}" for a in step.arrivals]
    sums = [" + ".join(map(str, a.sources)) if a.sources != (START,) else "start" for a in step.arrivals]
    sends = [f"{s.input} → {s.to}{f' [{s.output}]' if s.output else ''}{_equals(s.value)}" for s in step.sends]
    if step.leaf is not None:
        sends = [f"{step.leaf or 'leaf'}.grad"]
    keeps = ["freed"] if step.freed else [kept(s) for s in step.saved]
    return str(step.number).rjust(4), step.node, step.op, *("\n".join(c) for c in (gradients, sums, sends, keeps))


def _equals(value: Any) -> str:
    return "" if value is None else f" = {number(value)}"


def labelled(name: str, shape: tuple[int, ...]) -> str:
    """`w (2, 3)`"""
    return f"{name} {shape}" if name else str(shape)


def kept(saved: Any) -> str:
    """One saved tensor: what the derivative calls it, what the user does, its shape and bytes, and whose they are."""
    alias = f" is {saved.tensor}" if saved.tensor else ""
    text = f"{saved.name}{alias} {saved.shape}, {'view of ' if saved.part else ''}{saved.nbytes:,} B"
    if saved.held:
        return f"{text}, {saved.held}"
    return f"{text}, as step {saved.same_as}" if saved.same_as else text


def _filled(cell: list[str], height: int) -> list[str]:
    return cell + [""] * (height - len(cell))
