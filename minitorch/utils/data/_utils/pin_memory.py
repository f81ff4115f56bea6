"""Pinned memory: pages that stay where they are, from which a GPU copies by itself while the program goes on.

Only with a GPU, which is asked for such memory through CuPy. Read next: `passes.py`, whose batches are pinned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .collate import mapping_like, sequence_like


def pin_memory(data: Any) -> Any:
    """The same sample or batch with what has a `pin_memory` method pinned: tensors, and what a collate_fn may have made.

    Only tensors on the CPU can be pinned: for others a RuntimeError.
    """
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
