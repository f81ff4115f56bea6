"""Tensors in memory that other processes see: `share_memory_`, `is_shared`.

A tensor moves there with all tensors that show the same memory, so that what was a view stays one. Read next:
`arrays/shared_memory.py`; `multiprocessing/reductions.py`, which sends tensors.
"""

from __future__ import annotations

import collections
import gc
import sys
from typing import Any

import numpy as np

from ..arrays.memory import address, flat, owner, strided
from ..arrays.shared_memory import copy_to_shared, place


class Sharing:
    """How a tensor's memory is shared with other processes."""

    _array: Any
    _counted: Any

    def is_shared(self) -> bool:
        """Whether its memory can be seen by other processes; a GPU's always."""
        return type(self._array) is not np.ndarray or place(owner(self._array)) is not None

    def share_memory_(self) -> Any:
        """Move the memory, and with it all tensors that show it, to where other processes can see it. Those on a GPU stay.

        NumPy arrays that show the memory stay behind: what is written through them is not seen any more.
        """
        if not self.is_shared():
            with self._counted().lock:
                _move(self)
        return self


def _move(tensor: Any) -> None:
    cell = [owner(tensor._array)]  # in a list, so that no name here counts as a holder of it
    new, start = copy_to_shared(flat(cell[0])), address(cell[0])
    for each in _showing(cell, tensor):
        array = each._array
        there = new[address(array) - start :][: flat(array).nbytes].view(array.dtype)
        each._array = strided(there, array.shape, array.strides)


def _showing(cell: list[Any], tensor: Any) -> list[Any]:
    """All tensors that show some of the memory that the array in the cell owns."""
    base = tensor if tensor._base is None else tensor._base
    known = {id(each): each for each in (tensor, base, *(base._views.alive() if base._views is not None else ()))}
    found = [each for each in known.values() if owner(each._array) is cell[0]]
    if _nobody_else_holds(cell, found):
        return found
    tensors = [each for each in gc.get_objects() if issubclass(type(each), Sharing) and "_array" in vars(each)]
    return [each for each in tensors if type(each._array) is np.ndarray and owner(each._array) is cell[0]]


def _nobody_else_holds(cell: list[Any], tensors: list[Any]) -> bool:
    """Whether the array, and those of these tensors that show it, are held by nobody but these tensors; False if that is hard to tell.

    To look through all objects for others takes as long as a thousand small ops.
    """
    owning = sum(each._array is cell[0] for each in tensors)
    showing = {id(each._array): [each._array] for each in tensors if each._array is not cell[0]}
    held = collections.Counter(id(each._array) for each in tensors)
    return (
        all(its[0].base is cell[0] and _holders(its) == held[key] for key, its in showing.items())
        and _holders(cell) == owning + len(showing)
    )  # fmt: skip


def _holders(cell: list[Any]) -> int:
    """How many references there are to the one element of a list, besides the list's."""
    return sys.getrefcount(cell[0]) - _ALONE


_ALONE = 0
_ALONE = _holders([np.empty(0)])
