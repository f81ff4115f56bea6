"""A fault planted in a function: one piece of its text replaced, for as long as a test lasts. Some check must then fail.

`Fault` and `assert_noticed` are for lists of faults, of logic above all; `plant` is for a fault in the midst of a test.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from minitorch.arrays.device import shortcuts
from minitorch.autograd import engine, graph, node
from minitorch.autograd.grad_mode import grad_mode
from minitorch.op import Row, half_precision, ops


def plant(monkeypatch: pytest.MonkeyPatch, module: str, name: str, piece: str, broken: str) -> None:
    """Let the function of that name, in a module of minitorch, be compiled with `broken` in the place of `piece`.

    Who has imported the function has it too: its code is replaced, not the function.
    """
    home = importlib.import_module(f"minitorch.{module}")
    function = functools.reduce(getattr, name.split("."), home)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(piece) == 1, f"{piece!r} is {source.count(piece)} times in {name}"
    made: dict[str, Any] = dict(vars(home))
    text = "from __future__ import annotations\n" + source.replace(piece, broken)
    exec(compile(text, function.__code__.co_filename, "exec"), made)
    broken_one = made[function.__name__]
    monkeypatch.setattr(
        function, "__code__", getattr(broken_one, "__func__", broken_one).__code__
    )  # of a staticmethod, its function


class Fault(NamedTuple):
    """`was`, which stands once in the function's source, becomes something else."""

    function: Any
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.function.__qualname__}: {self.was.strip()} -> {self.becomes.strip() or 'nothing'}"

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """In this block the function has the fault. Recipes are made anew, before and after: they are what the door has learned."""
        original = self.function.__code__
        modes = grad_mode.enabled, grad_mode.on_arrays, engine.running.walk, shortcuts.enabled
        try:
            self.function.__code__ = self._code()
            nothing_learned()
            yield
        finally:
            self.function.__code__ = original
            nothing_learned()
            grad_mode.enabled, grad_mode.on_arrays, engine.running.walk, shortcuts.enabled = modes

    def _code(self) -> types.CodeType:
        """The function's code with the fault. The shell around it gives it the names that the original has from outside."""
        source = textwrap.dedent(inspect.getsource(self.function))
        assert source.count(self.was) == 1, f"not one, but {source.count(self.was)} places read {self.was!r}"
        source = re.sub("^@.*\n", "", source.replace(self.was, self.becomes))
        free, name = self.function.__code__.co_freevars, self.function.__name__
        made: dict[str, Any] = {}
        if free:
            source = f"def shell({', '.join(free)}):\n{textwrap.indent(source, '    ')}\n    return {name}"
        exec(source, self.function.__globals__, made)
        return (made["shell"](*free) if free else made[name]).__code__


def nothing_learned() -> None:
    """As if no op had been called, and no tensor detached in place."""
    for op in ops:
        op.recipes.clear()
        op.in_float32 = half_precision.forward_in_float32(op.declaration)
        if isinstance(op, Row):
            op.lane.clear()
    node.in_place_detachments.clear()
    graph.before_writes.clear()


def fails(check: Callable[[], Any]) -> bool:
    try:
        check()
    except (Exception, pytest.fail.Exception):  # the latter is what pytest.raises raises
        return True
    return False


def assert_noticed(fault: Fault, checks: list[Callable[[], Any]], mend: Callable[[], Any] = lambda: None) -> None:
    """Some check fails with the fault, and not without it. It moves to the front of the list: faults near by are often noticed by the same.

    mend() undoes what a check leaves behind that ends in the midst.
    """
    try:
        with fault.planted():
            noticed = next((check for check in checks if fails(check)), None)
    finally:
        mend()
    assert noticed is not None, f"nothing needs the line that this changes: {fault}"
    assert not fails(noticed), f"{noticed} fails though nothing is broken any more: that would hide every other fault"
    checks.remove(noticed)
    checks.insert(0, noticed)
