"""A script, run on both libraries statement by statement; what differs; the shortest script that still does.

    python -m reference scripts --count 1000

writes and runs a thousand. The libraries share nothing but the text: each has its own names, `torch` stands for one or the other.
"""

from __future__ import annotations

import copy
import gc
import importlib
import io
import pickle
import re
import warnings
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import torch

import minitorch
from minitorch.arrays.layout import memory_order

from .compare import LARGE, LIBRARIES, TOLERANCE, Difference, array_of, compare, precision, version
from .explained import Before, at, explanation
from .grammar import PRELUDE, statement
from .pen import MOST, Pen, is_tensor

PRELUDE_CODE = compile(PRELUDE, "<prelude>", "exec")
torch.set_warn_always(True)


class Found(NamedTuple):
    """A difference, with the statements that lead to it."""

    script: list[str]
    difference: Difference

    @property
    def kind(self) -> str:
        """Alike for what is probably the same fault."""
        last = re.sub(r"\b[a-z]\d?\b", "x", re.sub(r"-?\d[\d.e-]*", "0", self.script[-1]))
        return f"{self.difference.what}: {last}"

    def __str__(self) -> str:
        return "\n".join([*self.script, f"    # {self.difference}"])


class Sides:
    """The names of a script, on both sides."""

    def __init__(self) -> None:
        precision.tolerance = TOLERANCE["float64"]
        self.names: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        for library, names in zip(LIBRARIES, self.names):
            names.update(torch=library, nn=library.nn, F=library.nn.functional, np=np, copy=copy, pickle=pickle, io=io)
            names.update(checkpoint=importlib.import_module(f"{library.__name__}.utils.checkpoint").checkpoint)
            exec(PRELUDE_CODE, names)
            names["__warningregistry__"] = {}
            library.manual_seed(0)
            library.set_grad_enabled(True)
        self.known = set(self.names[1]) - {"seen"}
        self.texts: list[str] = []
        self.born: dict[str, tuple[Any, int, int]] = {}  # what a name was first seen bound to, and the versions it had

    def mine(self, side: int) -> dict[str, Any]:
        """What the script itself has bound."""
        return {name: value for name, value in self.names[side].items() if name not in self.known}

    def do(self, text: str) -> str:
        """Run one statement on both and compare: "same", "raised" on both, or "undecided"; else Difference."""
        code = compile(text, "<script>", "exec")
        before, earlier = self.named(text), [*self.texts]
        self.texts.append(text)
        errors = [self.attempt(code, side) for side in (0, 1)]
        ours, theirs = (self.mine(side) for side in (0, 1))
        try:
            compare(errors[0], errors[1], "the statement")
            if list(ours) != list(theirs):
                raise Difference("the script", "names", list(ours), list(theirs))
            for name in theirs:
                compare(ours[name], theirs[name], name)
                self.compare_versions(name, ours[name], theirs[name])
            if (a := objects(ours)) != (b := objects(theirs)):
                raise Difference("the script", "which names are one object", a, b)
        except Difference as difference:
            if why := explanation(text, difference, errors, before, earlier, self.names):
                return why
            raise
        return "same" if errors[1] is None else "raised"

    def compare_versions(self, name: str, ours: Any, theirs: Any) -> None:
        """How often it has been written to, since it was first seen."""
        if not is_tensor(theirs):
            return
        mine, their = version(ours), version(theirs)
        if (born := self.born.get(name)) is None or born[0] is not theirs:
            self.born[name] = (theirs, mine, their)
        elif "not tracked" in (mine, their, born[1], born[2]):
            if mine != their:
                raise Difference(name, "version", mine, their)
        elif mine - born[1] != their - born[2]:
            raise Difference(name, "version", mine - born[1], their - born[2])

    def attempt(self, code: Any, side: int) -> Any:
        try:
            exec(code, self.names[side])
        except Exception as error:
            return error.with_traceback(None)
        return None

    def named(self, text: str) -> list[Before]:
        """The tensors that the statement names, as they are before it."""
        found = []
        for expression in set(re.findall(r"(?<![.\w])[A-Za-z_]\w*(?:\.grad\b|\.weight\b|\.bias\b|\[\d\])?", text)):
            ours, theirs = (at(expression, names) for names in self.names)
            if is_tensor(theirs):
                a, b = array_of(ours), array_of(theirs)
                found.append(
                    Before(
                        expression, ours, theirs, ours.detach()._array, str(theirs.dtype), tuple(theirs.shape), a.tobytes(), b.tobytes(),
                        memory_order(b), 0 in theirs.stride() and b.size > 1,
                    )
                )  # fmt: skip
        return found

    def large(self) -> bool:
        """Whether a number has grown beyond what is compared."""
        for value in self.mine(1).values():
            for t in value if isinstance(value, (tuple, list)) else [value]:
                if is_tensor(t) and t.is_floating_point() and t.numel():
                    size = t.detach().abs().double()
                    if bool(((size > LARGE) & size.isfinite()).any()):
                        return True
        return False


def objects(names: dict[str, Any]) -> list[list[str]]:
    """The names that stand for one tensor, where several do."""
    found: dict[int, list[str]] = {}
    for name, value in names.items():
        if isinstance(value, (torch.Tensor, minitorch.Tensor)):
            found.setdefault(id(value), []).append(name)
    return [each for each in found.values() if len(each) > 1]


def write_and_run(seed: int, length: int, counts: Counter) -> Found | None:
    """One script of at most `length` statements, written while it runs; its difference, if there is one."""
    sides, script = Sides(), []
    pen = Pen(seed, {})
    for _ in range(length):
        pen.names = sides.mine(1)
        if len(pen.names) > MOST:
            text = f"del {pen.one(list(pen.names)[: MOST // 2])}"
        else:
            text = statement(pen)
        script.append(text)
        try:
            outcome = sides.do(text)
        except Difference as difference:
            return Found(script, difference)
        counts[outcome] += 1
        if outcome not in ("same", "raised") or sides.large():
            break
    return None


def replay(script: list[str]) -> Found | None:
    """The first difference of a script that is already written."""
    sides = Sides()
    for n, text in enumerate(script):
        try:
            outcome = sides.do(text)
        except Difference as difference:
            return Found(script[: n + 1], difference)
        if outcome not in ("same", "raised"):
            return None
    return None


def shrink(found: Found) -> Found:
    """The same difference with as few statements as possible: what can be left out is left out."""
    n = len(found.script) - 2
    while n >= 0:
        shorter = replay(found.script[:n] + found.script[n + 1 :])
        if shorter and shorter.difference.what == found.difference.what and shorter.script[-1] == found.script[-1]:
            found = shorter
        n = min(n, len(found.script) - 1) - 1
    return found


def scripts(count: int, seed: int, length: int = 12, most: int = 1) -> int:
    """Write and run many; print each kind of difference once, shrunk, `most` of them, and what was counted."""
    from tqdm import tqdm

    counts: Counter = Counter()
    kinds: dict[str, list] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "Use of .* on expanded tensors is deprecated")  # it is refused here
        for n in tqdm(range(seed, seed + count), unit="script", disable=None):
            found = write_and_run(n, length, counts)
            if n % 200 == 0:
                gc.collect()
            if found is None:
                continue
            found = shrink(found)
            if found.kind not in kinds:
                tqdm.write(f"script {n} differs:\n{found}\n")
            kinds.setdefault(found.kind, []).append(n)
            if len(kinds) >= most:
                break
    torch.set_grad_enabled(True), minitorch.set_grad_enabled(True)
    print(
        f"{count} scripts: {counts.pop('same', 0)} statements did the same, {counts.pop('raised', 0)} raised the same type of error"
    )
    print(f"{counts.total()} scripts end at a difference that is explained:")
    print("\n".join(f"{n:8} {why}" for why, n in counts.most_common()))
    if kinds:
        print(f"{sum(map(len, kinds.values()))} differ, in {len(kinds)} kinds")
    return int(bool(kinds))
