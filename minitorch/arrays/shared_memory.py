"""Arrays in memory that several processes see.

The memory has no name, only file descriptors: a process that is given one maps the same memory. The system frees it with the last
process that holds it, however that ends, so nothing can be left over. Small arrays lie together in one block, for a process may
have only some thousand descriptors. Read next: `multiprocessing/reductions.py`, which sends them; `tensor/sharing.py`.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

ALIGNED = 64  # where an array may begin: at a line of the cache
TOGETHER = 1 << 20  # bytes up to which an array shares a block with others
BLOCK = 1 << 23  # bytes of a block of small arrays; only those that are written to take memory


@contextlib.contextmanager
def unnamed() -> Iterator[int]:
    """A new, empty piece of memory: its descriptor, open within `with`."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("minitorch")
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    else:  # a file that is removed from its folder at once
        import tempfile  # not at the start: `import minitorch` is to be quick

        with tempfile.TemporaryFile() as file:
            yield file.fileno()


def write(descriptor: int, view: memoryview, at: int) -> None:
    """Write all of it (a call writes 2 GB at most). Where memory is short this is an OSError; writing to mapped memory would kill."""
    while view:
        count = os.pwrite(descriptor, view, at)
        view, at = view[count:], at + count


class Block(mmap.mmap):
    """A piece of shared memory, mapped, with a descriptor to send. The same memory is one Block in a process, however it came in."""

    descriptor: int
    key: tuple[int, int]  # the system's number for it

    @classmethod
    def of(cls, descriptor: int) -> Block:
        """The block of a descriptor, which stays the caller's."""
        about = os.fstat(descriptor)
        key = about.st_dev, about.st_ino
        with _lock:
            block = _blocks.get(key)
            if block is None:
                block = cls(descriptor, about.st_size)
                block.key, block.descriptor = key, os.dup(descriptor)
                weakref.finalize(block, os.close, block.descriptor).atexit = False
                _blocks[key] = block
        return block

    def array(self, offset: int, nbytes: int) -> Any:
        """The bytes from `offset` on, as an array; the same object for those who ask again."""
        with _lock:
            found = _arrays.get((self.key, offset, nbytes))
            if found is None:
                found = np.frombuffer(self, np.uint8, nbytes, offset)
                _arrays[self.key, offset, nbytes] = found
        return found


_lock = threading.RLock()
_blocks: weakref.WeakValueDictionary[tuple[int, int], Block] = weakref.WeakValueDictionary()
_arrays: weakref.WeakValueDictionary[tuple[tuple[int, int], int, int], Any] = weakref.WeakValueDictionary()


class _Filling:
    """The block that small arrays are put into, and where it is free."""

    def __init__(self) -> None:
        self.block: Block | None = None
        self.free = 0

    def forget(self) -> None:
        """In a fork: the rest of the block is the parent's."""
        self.block = None


_filling = _Filling()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_filling.forget)


def copy_to_shared(whole: Any) -> Any:
    """The same bytes as an array in shared memory: of dtype uint8 and one dimension. `whole` is contiguous."""
    data = memoryview(whole.reshape(-1).view(np.uint8))
    with _lock:
        if len(data) > TOGETHER:
            block, at = _new_block(len(data)), 0
        else:
            if _filling.block is None or _filling.free + len(data) > BLOCK:
                _filling.block, _filling.free = _new_block(BLOCK), 0
            block, at = _filling.block, _filling.free
            _filling.free += -(-len(data) // ALIGNED) * ALIGNED
        write(block.descriptor, data, at)
        return block.array(at, len(data))


def _new_block(size: int) -> Block:
    with unnamed() as descriptor:
        os.truncate(descriptor, size)
        return Block.of(descriptor)


def place(whole: Any) -> tuple[Block, int] | None:
    """The block that an array, the owner of its memory, lies in, and where; None if it is in this process's own memory."""
    view = getattr(whole, "base", None)
    if not isinstance(view, memoryview) or not isinstance(view.obj, Block):
        return None
    start = np.frombuffer(view.obj, np.uint8, 1).ctypes.data
    return view.obj, whole.ctypes.data - start
