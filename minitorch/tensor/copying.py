"""Copies of a tensor object: `copy.copy`, `copy.deepcopy` and pickle.

A deep copy copies the *memory* that a tensor shows, once for all tensors that show it, so that what was a view of another tensor is a
view of its copy. `copy.copy` shares the memory. pickle writes each tensor for itself. None of them copies history: what comes out is
a leaf. Hooks stay behind. Read next: `arrays/memory.py`; `minitorch/serialization/`, which writes tensors to files.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ..arrays.device import as_array, device, to_numpy
from ..arrays.memory import address, flat, owner, strided
from ..arrays.quantized import QArray, integers_of
from ..autograd.grad_mode import inference_blocks
from ..autograd.hooks import warn_if_has_hooks
from ..op import door
from ..op.door import new

if TYPE_CHECKING:
    pass


class Copying:
    """How a tensor is copied as an object."""

    _array: Any
    _grad: Any
    _requires_grad: bool
    is_leaf: Any
    device: Any

    def __copy__(self) -> Any:
        warn_if_has_hooks(self)
        return made_again(type(self), self._array, attributes(self) | {"_requires_grad": self._requires_grad})

    def __deepcopy__(self, memo: dict) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. "
                "Copy .detach() or .clone() instead."
            )
        made = made_again(type(self), _in_copied_memory(self._array, memo), {"_requires_grad": self._requires_grad})
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(attributes(self), memo))
        made._grad = copy.deepcopy(self._grad, memo)
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        warn_if_has_hooks(self)
        array = self._array
        state = attributes(self) | {"_requires_grad": self._requires_grad}
        parts = type(self), to_numpy(flat(integers_of(array))), str(self.device), state, array.shape, array.strides
        return _rebuild, (*parts, (array.params, array.dtype)) if isinstance(array, QArray) else parts


def attributes(tensor: Any) -> dict[str, Any]:
    """What users have hung on a tensor: whatever is no attribute of every tensor."""
    return {name: value for name, value in vars(tensor).items() if not is_our_own(name)}


def is_our_own(name: str) -> bool:
    """Whether an attribute of that name is a tensor's own."""
    return name == "_array" or (name.startswith("_") and hasattr(door.Tensor, name))


def made_again(cls: type, array: Any, state: dict[str, Any]) -> Any:
    """A leaf of that class around an array. To be given its memory counts as a write, as in torch: `_version` is 1."""
    made: Any = new(cls)
    made._array = array
    made._bump()
    if inference_blocks:
        made._mark_inference()
    made.__dict__.update(state)
    return made


def _in_copied_memory(array: Any, memo: dict) -> Any:
    """The same view of a copy of the memory, which is made once for all that `memo` has seen."""
    if isinstance(array, QArray):
        return array.like(_in_copied_memory(array.integers, memo))
    memory = owner(array)
    key = (type(memory), address(memory), memory.nbytes)
    if key not in memo:
        memo[key] = flat(memory).copy().view("uint8")
    start = address(array) - address(memory)
    size = flat(array).size * array.itemsize
    return strided(memo[key][start : start + size].view(array.dtype), array.shape, array.strides)


def _rebuild(
    cls: type,
    array: Any,
    device_name: str,
    state: dict,
    shape: tuple | None = None,
    strides: tuple[int, ...] = (),
    quantized: tuple | None = None,
) -> Any:
    """What unpickling calls: the tensor from its parts. Pickles of version 0.1.0 have no shape, and `array` has it."""
    array = as_array(device(device_name).xp, array)
    array = array if shape is None else strided(array, shape, strides)
    return made_again(cls, array if quantized is None else QArray(array, *quantized), state)
