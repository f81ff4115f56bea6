"""A fault planted in a function: one piece of its text replaced, for as long as a test lasts."""

from __future__ import annotations

import functools
import importlib
import inspect
import textwrap
from typing import Any

import pytest


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
