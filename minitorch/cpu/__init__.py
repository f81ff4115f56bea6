"""`minitorch.cpu`: what `minitorch.cuda` answers about a GPU, about the CPU. There is one, and nothing to wait for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..rooms import when_used as _when_used

with _when_used(__name__):
    from . import amp  # the old names


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """Its name, "cpu"."""
    return "cpu"


def set_device(device: Any) -> None:
    """Nothing: there is but one."""


def synchronize(device: Any = None) -> None:
    """Nothing: an op has computed when it returns."""


class Stream:
    """Work here is done at once, so a stream of work is nothing."""

    def __init__(self, priority: int = -1) -> None:
        pass


def current_stream(device: Any = None) -> Stream:
    """The stream that ops are given to: a name for nothing."""
    return Stream()


def stream(stream: Stream | None) -> AbstractContextManager[None]:
    """A block in which nothing changes."""
    return nullcontext()
