"""Warnings that point at the user's line, however deep in this package it is noticed that something looks wrong.

Read next: `../op/signature.py`, for what is refused.
"""

from __future__ import annotations

import sys
import warnings

PACKAGE = __name__.partition(".")[0]
OF_USERS = f"{PACKAGE}.examples"  # what stands there is written as users write


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn about the line outside this package that led here."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level + 1)


def warn_once(message: str) -> None:
    """The same, but only once in a process, as torch tells some things; each time if `state.always`."""
    if message not in _told or state.always:
        _told.add(message)
        warn(message)


class _State:
    always = False


state = _State()
_told: set[str] = set()


def _is_ours(module: str) -> bool:
    return (module == PACKAGE or module.startswith(f"{PACKAGE}.")) and not module.startswith(OF_USERS)
