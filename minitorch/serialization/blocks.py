"""Blocks of memory that were read, the tensors that show them, and `map_location`, which moves each block once.

Read next: `torch_files.py` and `checkpoints.py`, which read both kinds of files.
"""

from __future__ import annotations

import math
from typing import Any

from ..arrays import dtypes
from ..arrays.device import as_device
from ..arrays.memory import strided
from ..tensor import Tensor


class Blocks:
    """Arrays, each with the name that the file gives it, and the tensors that show the whole of one or a place in it."""

    def __init__(self) -> None:
        self.arrays: dict[Any, Any] = {}
        self._shown: dict[int, tuple[Tensor, Any, str, Any]] = {}  # id -> tensor, block, the device it was saved from, place

    def show(self, tensor: Tensor, name: Any, saved_on: str, place: Any) -> None:
        """`tensor` shows that block."""
        self._shown[id(tensor)] = (tensor, name, saved_on, place)

    def show_too(self, tensor: Tensor, other: Tensor) -> None:
        """`tensor` shows what the other, which came from the file, does."""
        self.show(tensor, *self._shown[id(other)][1:])

    def move(self, wanted: Any) -> None:
        """Move the tensors to where `map_location` wants them, each block once."""
        moved: dict[Any, Tensor] = {}
        for tensor, name, saved_on, place in self._shown.values():
            if name not in moved:
                moved[name] = _moved(Tensor._wrap(self.arrays[name]), saved_on, wanted)
            array = moved[name]._array
            if array is not self.arrays[name]:
                tensor._array = array if place is None else placed(array, *place)


def placed(block: Any, start: int, shape: Any, strides: Any) -> Any:
    """The view of a block of memory with that shape and these strides, in elements, which must not reach out of it."""
    if any(type(n) is not int or n < 0 for n in (start, *shape, *strides)) or len(shape) != len(strides):
        raise ValueError(f"a tensor of shape {shape} with strides {strides} from {start}")
    last = (
        start + sum((n - 1) * stride for n, stride in zip(shape, strides)) if math.prod(shape) else -1
    )  # of nothing: anywhere
    if block.ndim != 1 or not block.flags.c_contiguous or last >= block.size:
        raise ValueError(
            f"a tensor of shape {shape} with strides {strides} from {start} reaches out of its block, {block.shape}"
        )
    return strided(block[start:], tuple(shape), tuple(stride * block.itemsize for stride in strides))


def _moved(tensor: Tensor, saved_on: str, wanted: Any) -> Tensor:
    """The tensor where `map_location` wants it."""
    if callable(wanted):
        found = wanted(tensor, saved_on)
        if found is not None and not isinstance(found, Tensor):
            raise TypeError(f"load: map_location must return a Tensor or None, got {type(found).__name__}")
        return tensor.to(as_device(saved_on)) if found is None else found
    place = wanted.get(saved_on, saved_on) if isinstance(wanted, dict) else wanted
    return tensor.to(as_device(saved_on if place is None else place))


def dtype_named(name: str) -> dtypes.dtype:
    """The dtype of that name."""
    return next(d for d in (*dtypes.ALL, *dtypes.QUANTIZED) if d.name == name)
