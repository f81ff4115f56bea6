"""Pinned memory: pages that stay where they are, from which a GPU copies by itself while the program goes on.

Only with a GPU, which is asked for such memory through CuPy. Read next: `passes.py`, whose batches are pinned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....arrays.device import empty_pinned
from ....tensor import Tensor
from ....tensor.copying import made_again
from .collate import mapping_like, sequence_like


def pin_memory(data: Any) -> Any:
    """The same sample or batch with its tensors copied to pinned memory; objects of other types may have a `pin_memory` method.

    Only tensors on the CPU can be pinned: for others a RuntimeError.
    """
    if isinstance(data, Tensor):
        return _pinned(data)
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return mapping_like(data, {key: pin_memory(value) for key, value in data.items()})
    if isinstance(data, tuple):
        parts = [pin_memory(each) for each in data]
        return type(data)(*parts) if hasattr(data, "_fields") else type(data)(parts)
    if isinstance(data, Sequence):
        return sequence_like(data, [pin_memory(each) for each in data])
    return data


def _pinned(tensor: Tensor) -> Tensor:
    array = tensor._array
    if tensor.device.type != "cpu":
        raise RuntimeError(
            f"only tensors on the CPU can be pinned, got one on {tensor.device}; let the dataset give them there"
        )
    copy = empty_pinned(array.shape, array.dtype)
    copy[...] = array
    return made_again(type(tensor), copy, {})
