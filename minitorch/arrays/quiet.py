"""Arithmetic as IEEE and torch have it: ∞ and nan come silently, though NumPy warns where they do.

What NumPy does then is state of the caller's, kept in a context variable, and it stays as it is: the user's own NumPy code warns as
before. Forwards run in a context beside the caller's, in which NumPy is told to say nothing; entering one costs a twentieth of what
`np.errstate` does, and whoever calls less often (a walk, an optimizer's step, `tensor(data)`) uses that: `silent`.
Read next: `op/door.py`.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable)
_context = contextvars.Context()
_context.run(np.seterr, all="ignore")

quiet = _context.run  # quiet(f, x, y) is f(x, y), and NumPy says nothing of ∞ and nan


def silent(function: F) -> F:
    """The function, during which NumPy says nothing of ∞ and nan."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def quiet_again(error: RuntimeError, function: Callable, *args: Any) -> Any:
    """`quiet` has raised this error: the function's own, or because the context is in use (by another thread, or further up)."""
    if not str(error).startswith("cannot enter context"):
        raise error
    with np.errstate(all="ignore"):
        return function(*args)
