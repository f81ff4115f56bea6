"""A trace as JSON: boxes for the graph, steps to go through, and the lines of the program that they came from.

Boxes are calls (`op`), leaves and constants. A step is in one of four phases: `given`, `forward`, `backward`, `update`.
Numbers come as text, as the trace writes them. Read next: `page.js`, which shows this.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from ...autograd.pictures import Picture, number
from ...autograd.traced_text import START
from .. import source
from .folds import tree_of

WHOLE, AROUND = 150, 3  # a program of so many lines is shown whole, of a longer one so many lines around each


class Update(NamedTuple):
    """What an optimizer's step did after backward."""

    optimizer: str  # its class and options
    line: Any
    parameters: tuple[tuple[str, Picture | None, Picture | None], ...]  # name, before and after


def data_of(trace: Any, title: str = "", update: Update | None = None) -> dict[str, Any]:
    """All that the page shows."""
    constants = {c.number: c for step in trace for c in step.call.constants}
    boxes = [_box(step) for step in trace] + [_constant(c) for c in constants.values()]
    calls = sorted((step for step in trace if step.leaf is None), key=lambda step: step.call.birth)
    writes = _writes(calls)
    steps = [_given(boxes), *(_forward(s, k, len(calls), writes[k - 1]) for k, s in enumerate(calls, 1))]
    steps += [_backward(s, trace) for s in trace]
    steps += [_updated(update, boxes)] if update else []
    lines = {step.call.line for step in trace} | {w.line for step in trace for w in step.call.writes}
    lines |= {hook.line for step in trace for hook in step.hooks}
    lines |= {update.line} if update else set()
    return {
        "title": title or f"backward of {trace.root or 'the result'}",
        "boxes": boxes,
        "steps": steps,
        "tree": tree_of([f"s{s.number}" for s in calls], {f"s{s.number}": s for s in trace}, boxes),
        "files": _files(line for line in lines if line is not None),
        "memory": trace.memory(),
        "values": any(a.picture for step in trace for a in step.arrivals),
    }


# ---- boxes ----


def _box(step: Any) -> dict[str, Any]:
    call, outputs = step.call, [_output(o) for o in step.call.outputs]
    inputs = [{"name": s.input, "from": f"s{s.to}", "output": s.output} for s in step.sends]
    inputs += [{"name": c.input, "from": f"c{c.number}", "output": 0} for c in call.constants]
    return {
        "id": f"s{step.number}",
        "kind": "op" if step.leaf is None else "leaf",
        "name": ", ".join(o["name"] for o in outputs if o["name"]),
        "op": step.op or "leaf",
        "formula": step.formula,
        "node": step.node,
        "outputs": outputs,
        "inputs": inputs,
        "line": _line(call.line),
        "number": step.number,
        "keeps": [_kept(s) for s in step.saved],
        "freed": step.freed,
    }


def _constant(constant: Any) -> dict[str, Any]:
    shape = constant.picture.shape if constant.picture else ()
    output = {"name": constant.tensor, "shape": list(shape), "value": _picture(constant.picture)}
    kind = {"kind": "constant", "op": "constant", "formula": "", "node": "", "number": 0, "line": None}
    return {"id": f"c{constant.number}", "name": constant.tensor, "outputs": [output], "inputs": [], "keeps": [], **kind}


def _output(output: Any) -> dict[str, Any]:
    return {"name": output.tensor, "shape": list(output.shape), "value": _picture(output.picture)}


def _picture(picture: Picture | None) -> dict[str, Any] | None:
    return None if picture is None else picture.data()


def _kept(saved: Any) -> dict[str, Any]:
    names = {"name": saved.name, "tensor": saved.tensor, "shape": list(saved.shape), "bytes": saved.nbytes}
    return {**names, "part": saved.part, "held": saved.held, "sameAs": saved.same_as, "freedAt": saved.freed_at}


def _line(line: Any) -> dict[str, Any] | None:
    return None if line is None else {"file": short(line.file), "nr": line.nr, "text": line.text}


def short(file: str) -> str:
    """The name of a file without its folder; a notebook's cell is just that."""
    return "cell" if "ipykernel" in file or file.startswith("<ipython") else os.path.basename(file)


def _files(lines: Iterable[Any]) -> dict[str, dict[str, str]]:
    """By file and number: the lines around those that are pointed at."""
    found: dict[str, dict[str, str]] = {}
    for file, nr, _ in sorted(set(lines)):
        all_lines = linecache.getlines(file)
        near = range(1, len(all_lines) + 1)
        if len(all_lines) > WHOLE:
            near = range(max(1, nr - AROUND), min(len(all_lines), nr + AROUND) + 1)
        found.setdefault(short(file), {}).update({str(k): all_lines[k - 1].rstrip() for k in near})
    return found


# ---- steps ----


def _given(boxes: list[dict]) -> dict[str, Any]:
    kinds = [b["kind"] for b in boxes]
    leaves, constants = kinds.count("leaf"), kinds.count("constant")
    there = ["1 leaf that wants a gradient" if leaves == 1 else f"{leaves} leaves that want a gradient"]
    there += [f"{constants} constant{'s' * (constants > 1)}"] if constants else []
    say = f"What is there before the first call: {' and '.join(there)}."
    return {"phase": "given", "box": None, "title": "Given", "say": say}


def _writes(calls: list) -> list[list]:
    """For each call the writes that are done when it is: a line that writes in place may make several calls."""
    found: list[list] = [[] for _ in calls]
    for k, step in enumerate(calls):
        last = k
        while last + 1 < len(calls) and calls[last + 1].call.line == step.call.line and not calls[last + 1].call.writes:
            last += 1
        for write in step.call.writes:
            found[last if write.line == step.call.line else k].append(write)
    return found


def _forward(step: Any, k: int, n: int, done: list) -> dict[str, Any]:
    """An op's call."""
    made = " and ".join(filter(None, (o.tensor for o in step.call.outputs)))
    value = ", ".join(_words(o.picture, o.shape) for o in step.call.outputs)
    say = f"Forward {k} of {n}: {step.op} gives {made + ', ' if made else ''}{value}. "
    say += (
        f"For backward it keeps {_and([s.name for s in step.saved])}." if step.saved else "It keeps no tensor for backward."
    )
    writes = [{"tensor": w.tensor, "version": w.version, "line": _line(w.line)} for w in done]
    say += "".join(f" Written in place: {w.tensor or 'a tensor'} is now at version {w.version}." for w in done)
    title = f"{step.op}" + (f" makes {made}" if made else "")
    return {"phase": "forward", "box": f"s{step.number}", "title": title, "say": say, "writes": writes}


def _backward(step: Any, trace: Any) -> dict[str, Any]:
    """A node's turn."""
    sends = [_sent(s, trace) for s in step.sends]
    functions = dict.fromkeys(s.derivative for s in step.sends if not source.is_lambda(s.derivative))
    written = [{"name": source.name(f), "text": source.definition(f)} for f in functions]
    freed = [
        f"{s.tensor or s.name}, {s.nbytes:,} B"
        for k, s in enumerate(step.saved)
        if s.freed_at == step.number and not (s.same_as == step.number and k)
    ]
    freed = list(dict.fromkeys(freed))
    return {
        "phase": "backward",
        "box": f"s{step.number}",
        "title": step.node if step.leaf is None else f"{step.leaf or 'leaf'}.grad",
        "say": _said(step, sends, len(trace)),
        "arrivals": [_arrived(a) for a in step.arrivals],
        "sends": sends,
        "derivatives": [d for d in written if d["text"]],
        "freed": freed,
        "hooks": [_hook(h) for h in step.hooks],
    }


def _said(step: Any, sends: list[dict], n: int) -> str:
    """The step in one or two sentences."""
    came = "; ".join(f"{a.gradient} is {_words(a.picture, a.shape)}{_sum(a)}" for a in step.arrivals)
    say = f"Backward {step.number} of {n}: "
    if step.leaf is not None:
        return say + f"{step.leaf or 'a leaf'} is reached. Its {came}; it is added to {step.leaf or 'leaf'}.grad."
    told = [f"{_name_of(s)} gets {_in_words(s['value'], s['shape'])} for {s['input']}" for s in sends]
    return say + f"{step.node} of {step.op}. Its {came}. " + (f"{_and(told)}." if told else "Nothing is sent.")


def _sum(arrival: Any) -> str:
    if len(arrival.sources) == 1:
        return ""
    return f", the sum of what steps {_and([str(s) for s in arrival.sources])} sent"


def _arrived(arrival: Any) -> dict[str, Any]:
    origins = ["" if s == START else f"s{s}" for s in arrival.sources]
    parts = [{"from": origin, "value": _picture(p)} for origin, p in zip(origins, arrival.pictures)]
    of = {"output": arrival.output, "gradient": arrival.gradient, "tensor": arrival.tensor, "shape": list(arrival.shape)}
    return {**of, "parts": parts, "total": _picture(arrival.picture)}


def _sent(sending: Any, trace: Any) -> dict[str, Any]:
    arrivals = trace[sending.to - 1].arrivals
    found = {"input": sending.input, "to": f"s{sending.to}", "output": sending.output, "shape": list(sending.shape)}
    found["tensor"] = next(a.tensor for a in arrivals if a.output == sending.output)
    found["call"] = source.call(sending.derivative)
    found["summed"] = list(sending.unreduced) if sending.unreduced not in (None, sending.shape) else None
    return {**found, "value": _picture(sending.picture)}


def _hook(hook: Any) -> dict[str, Any]:
    told = {"kind": hook.kind, "name": hook.name, "line": _line(hook.line), "called": hook.called}
    return {**told, "before": [*map(_picture, hook.before)], "after": [*map(_picture, hook.after)]}


def _updated(update: Update, boxes: list[dict]) -> dict[str, Any]:
    """The optimizer's step."""
    leaves = {b["name"]: b["id"] for b in boxes if b["kind"] == "leaf"}
    rows = [
        {"name": name, "box": leaves.get(name), "before": _picture(before), "after": _picture(after)}
        for name, before, after in update.parameters
    ]
    say = f"Update: {update.optimizer} changes {len(rows)} parameters by their gradients."
    return {
        "phase": "update", "box": None, "title": "The optimizer's step", "say": say, "rows": rows, "line": _line(update.line),
        "optimizer": update.optimizer,
    }  # fmt: skip


# ---- words ----


def _words(picture: Picture | None, shape: Any) -> str:
    """A value to be heard: a number, or of what shape it is and how large its numbers are."""
    if picture is None or (picture.numbers is None and not picture.grid):
        return f"of shape {tuple(shape)}" if shape else "a number"
    if picture.numbers is not None and len(str(picture.numbers)) < 60:
        return number(picture.numbers)
    return f"of shape {tuple(shape)}, from {number(picture.low)} to {number(picture.high)}"


def _in_words(value: dict | None, shape: Any) -> str:
    if value is None or "low" not in value:
        return f"a gradient of shape {tuple(shape)}"
    numbers = value.get("numbers")
    if isinstance(numbers, str):
        return numbers
    if numbers is not None and len(str(numbers)) < 80:
        return str(numbers).replace("'", "")
    return f"a gradient of shape {tuple(shape)}"


def _name_of(sent: dict) -> str:
    return sent["tensor"] or f"step {sent['to'][1:]}"


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
