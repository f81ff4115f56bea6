"""What a program knows of its arguments beside their numbers: which are one tensor, and which lie in one another's memory.

Read next: `calls.py`, which asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays.memory import owner
from ..autograd.leaves import gradient_edge
from ..tensor import Tensor
from .state import State

Found = tuple[str, Tensor, str]  # an expression, the tensor that is found there, its name


def told_apart(found: list[Found], state: State) -> list[Found]:
    """The tensors among the arguments that nothing else leads to; which are one and the same is a condition."""
    places = {id(tensor): state.guard.thing(tensor) for tensor in state.tensors.values()}
    apart = []
    for place, tensor, name in found:
        first = places.setdefault(id(tensor), place)
        if first is place:
            apart.append((place, tensor, name))
        else:
            state.guard.add(f"{place} is {first}", f"which tensor {name} is")
    return apart


class Overlaps:
    """Which tensors lie in one another's memory, or in that of some that were there before, and whether writes to both are counted
    together."""

    def __init__(self, known: list[Tensor]) -> None:
        self.known: dict[int, list[tuple[Tensor, np.ndarray]]] = {}
        for tensor in known:
            self.known.setdefault(id(owner(tensor._array)), []).append((tensor, tensor._array))

    def __call__(self, *tensors: Tensor) -> list[tuple[int, int, bool]]:
        met: dict[int, list[tuple[Tensor, np.ndarray]]] = {}
        found = []
        for k, tensor in enumerate(tensors):
            array = tensor._array
            whose = id(owner(array))
            for n, (other, its) in enumerate([*self.known.get(whose, ()), *met.setdefault(whose, [])]):
                together = tensor._counter is not None and tensor._counter is other._counter
                if together or np.may_share_memory(array, its):
                    found.append((k, n, together))
            met[whose].append((tensor, array))
        return found


def history(tensor: Tensor) -> Any:
    """Where its gradient goes: (node, output number), or None; what cannot be asked for, in words."""
    try:
        return gradient_edge(tensor)
    except RuntimeError as error:  # a view that has lost it
        return str(error)


def version(tensor: Tensor) -> int:
    """How often it has been written to, if that is counted."""
    return 0 if tensor.is_inference() else tensor._version
