"""What a trace warns of: numbers that Python looked at, which stay in the graph as they were."""

from __future__ import annotations

import sys

from minitorch.arrays import warning


class TracerWarning(Warning):
    """The trace may be right for the example alone."""


class TracingCheckError(Exception):
    """A second trace of the same function is another graph."""


LOST = (
    "might cause the trace to be incorrect. We can't record the data flow of Python values, so this value will be treated as a constant in "
    "the future. This means that the trace might not generalize to other inputs!"
)
ITERATED = (
    "Iterating over a tensor might cause the trace to be incorrect. Passing a tensor of different shape won't change the number of "
    "iterations executed (and might lead to errors or silently give incorrect results)."
)
MEASURED = (
    "Using len to get tensor shape might cause the trace to be incorrect. Recommended usage would be tensor.shape[0]. Passing a tensor of "
    "different shape might lead to errors or silently give incorrect results."
)


def warn_of(what: str) -> None:
    """A tensor became a Python boolean, integer, float, number, list …"""
    warning.warn(f"Converting a tensor to a Python {what} {LOST}", TracerWarning)


def warn_user(what: str) -> None:
    """The same, unless this library's own code looks at a size, to check it."""
    if not sys._getframe(2).f_globals.get("__name__", "").startswith("minitorch."):
        warn_of(what)
