"""The memory of the GPU that is not there: a pool as CuPy's, an allocator around it, and an end to it.

Arrays are NumPy's, wherever these lie. Within `memory_of(size)` each new one asks the allocator for a block of its size, which goes back to
the pool when the array goes; so a count of bytes, a peak and an error can be seen. Read next: `minitorch/arrays/gpu_memory.py`.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

total = 0  # bytes of the GPU; 0: nothing is counted
allocator: Callable[[int], Any] | None = None
_blocks: dict[int, Any] = {}  # the address of a NumPy array object -> its block


class OutOfMemoryError(MemoryError):
    """What CuPy raises."""


class Block:
    """A piece of the pool's memory."""

    def __init__(self, pool: Pool, size: int):
        self.pool, self.size, self.device_id = pool, size, 0
        self.ptr = id(self)

    def __del__(self) -> None:
        self.pool.used -= self.size


class MemoryPointer:
    """`cupy.cuda.MemoryPointer`"""

    def __init__(self, mem: Any, offset: int):
        self.mem, self.ptr = mem, mem.ptr + offset


class UnownedMemory:
    """`cupy.cuda.UnownedMemory`: somebody else's, who is kept."""

    def __init__(self, ptr: int, size: int, owner: object, device_id: int = -1):
        self.ptr, self.size, self._owner, self.device_id = ptr, size, owner, device_id


class Pool:
    """`cupy.cuda.MemoryPool`: what was taken once is kept, until it is asked to give back what is free."""

    def __init__(self) -> None:
        self.used = self.taken = 0

    def malloc(self, size: int) -> MemoryPointer:
        """A block of at least that size, a multiple of 512."""
        size = -(-size // 512) * 512
        if total and self.used + size > total:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes (allocated so far: {self.used:,} bytes).")
        self.used += size
        self.taken = max(self.taken, self.used)
        return MemoryPointer(Block(self, size), 0)

    def used_bytes(self) -> int:
        return self.used

    def total_bytes(self) -> int:
        return self.taken

    def free_all_blocks(self, stream: Any = None) -> None:
        self.taken = self.used


pool = Pool()


def set_allocator(chosen: Callable[[int], Any] | None = None) -> None:
    """`cupy.cuda.set_allocator`"""
    global allocator
    allocator = chosen


def ask_for(host: np.ndarray) -> None:
    """A block for the memory of a NumPy array, unless there is one; it goes when that memory does."""
    owner = host
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if id(owner) not in _blocks and owner.nbytes:
        _blocks[id(owner)] = (allocator or pool.malloc)(owner.nbytes)
        weakref.finalize(owner, _blocks.pop, id(owner), None)


@contextlib.contextmanager
def memory_of(size: int) -> Iterator[None]:
    """In the block the GPU has so many bytes, and what arrays take of them is counted."""
    global total
    before, total = total, size
    pool.taken = pool.used
    try:
        yield
    finally:
        total = before


def info() -> tuple[int, int]:
    """`cudaMemGetInfo`: (free, total)"""
    return max(total - pool.taken, 0), total


NAMES = {
    "MemoryPointer": MemoryPointer, "UnownedMemory": UnownedMemory, "MemoryPool": Pool, "set_allocator": set_allocator,
    "memory": SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
}  # fmt: skip
