"""`minitorch.compiler`: nothing is compiled here, and programs that ask are told so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def is_compiling() -> bool:
    """Whether this runs while a graph is made of it: False."""
    return False


def is_dynamo_compiling() -> bool:
    """The same."""
    return False


def is_exporting() -> bool:
    """Whether a program is being exported: False."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function as it is; without one, a decorator that leaves functions as they are."""
    return _as_it_is if fn is None else fn


def reset() -> None:
    """Nothing: there is nothing to forget."""


def _as_it_is(fn: Callable) -> Callable:
    return fn
