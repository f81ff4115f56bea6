"""`Variable`: the old name of what is a Tensor; and its `_execution_engine`, through which callbacks wait for the end of a backward.

Read next: `engine.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import hooks
from .engine import running


class _Engine:
    """The walk that runs in this thread, for users."""

    def queue_callback(self, callback: Callable[[], Any]) -> None:
        """Call `callback()` when the backward that is running has come to its end, with no node waiting any more."""
        if running.walk is None:
            raise RuntimeError("Final callbacks can only be installed during backward pass.")
        running.walk.callbacks.append(callback)


class _OfTensors(type):
    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, hooks.Tensor)


class Variable(metaclass=_OfTensors):
    """`Variable(tensor, requires_grad)`: the tensor's memory as a new leaf. Every Tensor is a Variable."""

    _execution_engine = _Engine()

    def __new__(cls, data: Any = None, requires_grad: bool = False) -> Any:
        if data is None:
            from ..tensor.creation import empty

            data = empty(0)
        if not isinstance(data, hooks.Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)
