"""`minitorch.backends.c`: whether ops may call loops in C, where the machine has a C compiler. (torch has no such switch.)

Read next: `../kernels/c/library.py`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from ..arrays.device import shortcuts
from ..kernels.c import library
from .switches import check_bool, switched, with_attributes


def is_available() -> bool:
    """Whether there are a C compiler and a folder to keep what it makes (~/.cache/minitorch, or where XDG_CACHE_HOME says).

    A library of loops is made at its first use on a machine, which takes about a second, and kept. Where that has failed this is False
    from then on, and NumPy computes.
    """
    return shortcuts.enabled and library.is_available()


def flags(enabled: bool = False) -> AbstractContextManager[None]:
    """In the block, loops in C are called, or not.

    >>> with minitorch.backends.c.flags(enabled=False):
    ...     minitorch.nn.LSTM(2, 3)(minitorch.zeros(5, 1, 2))[0].shape
    minitorch.Size([5, 1, 3])
    """
    return switched(__name__, {"enabled": enabled})


class _Enabled:
    """The switch lies in `kernels/c`, where it is looked at."""

    def __get__(self, module: Any, kind: type) -> bool:
        return library.state.enabled

    def __set__(self, module: Any, on: bool) -> None:
        check_bool("set_enabled_c", on)
        library.state.enabled = on


with_attributes(__name__, enabled=_Enabled())
