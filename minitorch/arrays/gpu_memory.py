"""The GPU's memory: CuPy's pool, and around it an allocator that counts what arrays hold and says in torch's words when there is no more.

The pool gives out blocks of memory, and takes them back without the GPU being asked. It knows what it holds, but not the most it has ever
held: each block is given out here with a `Held`, which is gone when the block is, so that a sum and its peak are kept on the way.
Read next: `cuda/memory.py`, what users ask.
"""

from __future__ import annotations

import threading
from typing import Any


class OutOfMemoryError(RuntimeError):
    """The GPU has no memory left for what was asked. Nothing has been changed."""

    __module__ = "minitorch"


class Count:
    """How much there is now, the most there was, and how much came and went in all."""

    __slots__ = ("allocated", "current", "first", "peak")

    def __init__(self) -> None:
        self.current = self.peak = self.allocated = self.first = 0

    @property
    def freed(self) -> int:
        """How much has gone."""
        return self.first + self.allocated - self.current

    def reset_peak(self) -> None:
        """Count the peak from here on."""
        self.peak = self.current

    def reset_sums(self) -> None:
        """Count what comes and goes from here on."""
        self.first, self.allocated = self.current, 0

    def become(self, current: int) -> None:
        """So much is there now."""
        self.allocated += max(current - self.current, 0)
        self.current, self.peak = current, max(self.peak, current)


class Meter:
    """What the arrays of one GPU hold: bytes, blocks, what the pool has taken, and how often memory was missing."""

    def __init__(self) -> None:
        self.bytes, self.blocks, self.reserved = Count(), Count(), Count()
        self.out_of_memory = 0
        self.lock = threading.RLock()  # a block may be freed, by the garbage collector, while one is given out


class Held:
    """A block of the pool while an array has it."""

    __slots__ = ("block", "meter", "size")

    def __init__(self, block: Any, size: int, meter: Meter) -> None:
        self.block, self.size, self.meter = block, size, meter
        with meter.lock:  # (written out, for it is done for every array)
            for count, by in ((meter.bytes, size), (meter.blocks, 1)):
                count.allocated += by
                count.current = now = count.current + by
                if now > count.peak:
                    count.peak = now

    def __del__(self) -> None:
        meter = self.meter
        with meter.lock:
            meter.bytes.current -= self.size
            meter.blocks.current -= 1


meters: dict[int, Meter] = {}  # of each GPU that has been used


def meter(gpu: int) -> Meter:
    """The meter of a GPU."""
    return meters.setdefault(gpu, Meter())


def counted(cupy: Any, pool: Any) -> Any:
    """An allocator for CuPy that takes from the pool, and counts."""
    cuda = cupy.cuda
    pointer, unowned, missing = cuda.MemoryPointer, cuda.UnownedMemory, cuda.memory.OutOfMemoryError

    def allocate(size: int) -> Any:
        try:
            found = pool.malloc(size)
        except missing:
            raise _none_left(cuda, pool, size) from None
        block = found.mem
        if not block.size:
            return found
        of_this = meter(block.device_id)
        held = Held(found, block.size, of_this)
        reserved = of_this.reserved
        if of_this.bytes.current > reserved.current:  # only then can the pool have taken more: to ask it takes time
            reserved.become(pool.total_bytes())
        return pointer(unowned(found.ptr, block.size, held, block.device_id), 0)

    return allocate


def watch(cupy: Any) -> None:
    """Give out the memory of CuPy's default pool by `counted`."""
    cupy.cuda.set_allocator(counted(cupy, cupy.get_default_memory_pool()))


def _none_left(cuda: Any, pool: Any, size: int) -> OutOfMemoryError:
    """torch's words."""
    gpu = cuda.Device().id
    free, total = cuda.runtime.memGetInfo()
    held = meter(gpu)
    held.out_of_memory += 1
    unused = pool.total_bytes() - held.bytes.current
    return OutOfMemoryError(
        f"CUDA out of memory. Tried to allocate {in_words(size)}. GPU {gpu} has a total capacity of {in_words(total)} of which "
        f"{in_words(free)} is free. Of the allocated memory {in_words(held.bytes.current)} is allocated by minitorch, and "
        f"{in_words(max(unused, 0))} is reserved by minitorch but unallocated."
    )


def in_words(size: int) -> str:
    """A number of bytes as torch writes it: 512 bytes, 20.00 MiB, 1.25 GiB."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.2f} {name}"
    return f"{size} bytes"
