"""What a step calls, heard at the door while it runs as it is: two runs must call the same ops with the same numbers.

Numbers that a graph would hold, and that change from call to call, are found so. Read next: `captured.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...arrays.capturing import Warming
from ...op.listening import record_with, recorder
from ...ops.dropout import philox_dropout
from ...ops.gpu_draws import philox_floats, philox_integers
from ...tensor import Tensor
from ..graph import mapped


@contextlib.contextmanager
def listening(noted: Warming) -> Iterator[list]:
    """In the block all calls of ops are noted, with the numbers that they are given."""
    heard = Heard(noted)
    if recorder() is not None:  # somebody else does
        yield heard.calls
        return
    record_with(heard)
    try:
        yield heard.calls
    finally:
        record_with(None)


# How many of an op's last arguments say where it is in the stream of random numbers.
PLACES: dict[Any, int] = {philox_dropout: 2, philox_floats: 5, philox_integers: 5}


class Heard:
    """Notes what is called, for two runs to be compared."""

    def __init__(self, noted: Warming) -> None:
        self.noted = noted
        self.calls: list[tuple[str, Any]] = []
        self.is_busy = False

    def lets_pass(self, function: Any) -> bool:
        """Nothing."""
        return False

    def call(self, function: Any, args: tuple, kwargs: dict) -> Any:
        """Note it, and make it."""
        mapped(self._where, (args, kwargs))
        numbers = args[: -PLACES.get(function, 0) or None]  # (its place in the stream is another each time)
        self.calls.append((getattr(function, "__name__", str(function)), told_of((numbers, kwargs))))
        self.is_busy = True
        try:
            return function(*args, **kwargs)
        finally:
            self.is_busy = False

    def _where(self, value: Any) -> None:
        """A graph holds no work of the CPU."""
        if isinstance(value, Tensor) and not value.is_cuda:
            self.noted.refuse(
                f"it works on a tensor of the CPU, of shape {tuple(value.shape)}: move it to the GPU before the step"
            )


def told_of(value: Any) -> Any:
    """What of an argument must be the same in each run: numbers and words, and of tensors all but the numbers."""
    if isinstance(value, (tuple, list)):
        return [told_of(each) for each in value]
    if isinstance(value, dict):
        return [(k, told_of(each)) for k, each in value.items()]
    if isinstance(value, slice):
        return told_of([value.start, value.stop, value.step])
    array = value._array if isinstance(value, Tensor) else value
    if hasattr(array, "strides") and not isinstance(array, np.generic):
        return array.shape, array.dtype
    return repr(value) if isinstance(value, (bool, int, float, str, np.generic, type(None))) else type(value)
