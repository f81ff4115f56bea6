"""How a tensor goes from one process to another: its memory stays where it is, and a descriptor of it is sent.

`multiprocessing` pickles what it sends by a pickler of its own, which is told here how to pickle tensors. The receiver gets the
descriptor from the sender's process, which must still run; after that either may end. Tensors on one memory stay so.
Read next: `arrays/shared_memory.py`.
"""

from __future__ import annotations

import os
import weakref
from multiprocessing.reduction import DupFd, ForkingPickler
from typing import Any

import numpy as np

from ..arrays.memory import address, flat, owner, strided
from ..arrays.shared_memory import Block, place
from ..nn.parameter import Buffer, Parameter
from ..tensor import Tensor
from ..tensor.copying import attributes, made_again


def init_reductions() -> None:
    """Tell multiprocessing's pickler. Objects of classes of the user's are copied, as pickle does it."""
    for cls in Tensor, Parameter, Buffer:
        ForkingPickler.register(cls, reduce_tensor)


def reduce_tensor(tensor: Any) -> tuple[Any, ...]:
    """The parts by which the receiver makes the tensor again; it moves to shared memory."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support crossing process "
            "boundaries.  If you just want to transfer the data, call detach() on the tensor before serializing (e.g., putting it on the "
            "queue)."
        )
    if type(tensor._array) is not np.ndarray:  # on a GPU, or quantized: a copy goes
        return tensor.__reduce_ex__(2)
    tensor.share_memory_()
    array = tensor._array
    whole = owner(array)
    found = place(whole)
    assert found is not None
    block, at = found
    state = attributes(tensor) | {"_requires_grad": tensor.requires_grad}
    return _rebuild, (
        type(tensor),
        _handle(block),
        at,
        flat(whole).nbytes,
        array.dtype,
        address(array) - address(whole),
        array.shape,
        array.strides,
        state,
    )


def _rebuild(
    cls: type,
    handle: _Handle,
    at: int,
    nbytes: int,
    dtype: np.dtype,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    state: dict[str, Any],
) -> Any:
    """The tensor, in the sender's memory."""
    whole = handle.block.array(at, nbytes)
    start = whole[offset : offset + (nbytes - offset) // dtype.itemsize * dtype.itemsize].view(dtype)
    return made_again(cls, strided(start, shape, strides), state)


class _Handle:
    """A block on its way. It is one object for all tensors of a message, so that one descriptor is sent for them."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def __getstate__(self) -> Any:
        return DupFd(self.block.descriptor)

    def __setstate__(self, descriptor: Any) -> None:
        number = descriptor.detach()
        try:
            self.block = Block.of(number)
        finally:
            os.close(number)


_handles: weakref.WeakValueDictionary[tuple[int, int], _Handle] = weakref.WeakValueDictionary()


def _handle(block: Block) -> _Handle:
    """The handle that a pickler which is at work may have seen already: it holds what it has seen."""
    return _handles.setdefault(block.key, _Handle(block))
