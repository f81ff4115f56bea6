"""Modules that have switches: attributes which scripts set, `backends.cudnn.benchmark = True`, and which refuse what is none.

Most of them have nothing to switch here: they remember what they were set to, so that a script reads back what it wrote.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class Switch:
    """An attribute that takes bools only; `setter` is torch's name for what sets it."""

    def __init__(self, setter: str, on: bool) -> None:
        self.setter, self.on = setter, on

    def __get__(self, module: Any, kind: type) -> Any:
        return self.on

    def __set__(self, module: Any, on: bool) -> None:
        check_bool(self.setter, on)
        self.on = on


def check_bool(setter: str, on: Any) -> None:
    """RuntimeError, as torch's setters have it, for what is no bool."""
    if not isinstance(on, bool):
        raise RuntimeError(f"{setter} expects a bool, but got {type(on).__name__}")


def with_attributes(module: str, **attributes: Any) -> None:
    """Give the module of that name attributes that are looked up as those of a class are."""
    here: Any = sys.modules[module]
    here.__class__ = type("Module", (ModuleType,), attributes)


@contextmanager
def switched(module: str, settings: dict[str, Any]) -> Iterator[None]:
    """In the block, these attributes of the module are so; afterwards they are as they were."""
    here = sys.modules[module]
    before = {name: getattr(here, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(here, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(here, name, value)
