"""Capture of a stream, as strict as CUDA's: nothing runs meanwhile, what would wait or copy from the host is refused, and memory is reused.

`do(function, …)` is how everything on a strict array is computed. While the current stream captures, it notes the call with the memory that it
touches (addresses, as CUDA does, not arrays), and leaves all memory as it was; `Graph.launch` makes the calls again, on that memory. What is
allocated comes from blocks of the pool that is given, which are handed out again as soon as no array is in them: who relies on memory that
the graph has given to others finds other numbers there. Outside of the pool a graph may touch only what is still there when it is launched.
Read next: `minitorch/arrays/capturing.py`.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch.arrays.capturing import now

ROUND = 512  # bytes, as CuPy's pool rounds
IDLE = 3  # references to a block in no use: the pool's list, the loop's name, getrefcount's argument
GARBAGE = 0xFF  # as floats nan
recording: list[Recording | None] = [None]  # what the current stream captures
launching: list[Recording] = []  # the graph that is launched at the moment


class CUDARuntimeError(RuntimeError):
    """What CuPy raises for an error of CUDA's."""


# ---- memory ----


class Block(np.ndarray):
    """Memory of a pool: it is nobody's base, as CuPy's is not."""


class MemoryPool:
    """A stand-in for `cupy.cuda.MemoryPool`: blocks of bytes, each used again when no array is in it any more."""

    def __init__(self, allocator: Any = None):
        self.blocks: list[np.ndarray] = []

    def malloc(self, size: int) -> np.ndarray:
        """A block, free or new."""
        size = -(-max(size, 1) // ROUND) * ROUND
        for block in self.blocks:
            if block.size >= size and sys.getrefcount(block) == IDLE:
                return block
        self.blocks.append(Block(size, np.uint8))  # (which owns its memory: a base that does not is passed over)
        self.blocks[-1][...] = GARBAGE
        return self.blocks[-1]

    def used_bytes(self) -> int:
        return sum(block.size for block in self.blocks if sys.getrefcount(block) > IDLE)

    def total_bytes(self) -> int:
        return sum(block.size for block in self.blocks)

    def free_all_blocks(self) -> None:
        self.blocks = [block for block in self.blocks if sys.getrefcount(block) > IDLE]

    def __del__(self, garbage: int = GARBAGE) -> None:
        for block in self.blocks:  # CUDA gives the memory to others, whoever is in it
            block[...] = garbage


default_pool = MemoryPool()
allocators: list[Callable] = [default_pool.malloc]


@contextlib.contextmanager
def using_allocator(allocator: Callable) -> Iterator[None]:
    """In the block memory comes from there."""
    allocators.append(allocator)
    try:
        yield
    finally:
        allocators.pop()


def owner_of(host: np.ndarray) -> np.ndarray:
    """The array whose memory it is: of a pool's, the block."""
    owner = part = host
    while (part := getattr(part, "base", None)) is not None:  # (what `as_strided` makes stands between arrays)
        owner = part if isinstance(part, np.ndarray) else owner
    return owner


def holders(array: Any) -> tuple[int, int, int]:
    """As `capturing.holders`: how many hold the strict array, its numbers, and their memory."""
    host = array._host
    return sys.getrefcount(array), sys.getrefcount(host), sys.getrefcount(owner_of(host))


class Place:
    """Where an array lies, which holds none of its memory."""

    def __init__(self, host: np.ndarray, strict: type | None = None):
        self.low, self.high = np.lib.array_utils.byte_bounds(host)
        self.offset, self.strict = host.ctypes.data - self.low, strict
        self.layout = host.shape, host.dtype, host.strides
        self.owner = weakref.ref(owner_of(host))

    def array(self) -> Any:
        """The array there."""
        if self.owner() is None:
            raise RuntimeError(f"a graph touches memory that has been freed: an array of shape {self.layout[0]} was there")
        shape, dtype, strides = self.layout
        if self.high == self.low:
            host = np.empty(shape, dtype)
        else:
            memory = (ctypes.c_uint8 * (self.high - self.low)).from_address(self.low)
            host = np.ndarray(shape, dtype, memory, self.offset, strides)
        return host if self.strict is None else self.strict(host)


# ---- what is captured ----


class Recording:
    """The calls of a capture."""

    def __init__(self, stream: Any):
        self.stream, self.depth = stream, len(allocators)
        self.calls: list[tuple[Callable, tuple, dict, list[Place | None]]] = []
        self.exposed: dict[int, Place] = {}  # by the pointers that were asked for
        self.outside = allocators[-1]

    def note(self, function: Callable, args: tuple, kwargs: dict, writes: Any, runs: bool) -> Any:
        """A call. It is made for the shapes of what it gives; what it writes is put back. runs: whether it is made now at all."""
        places = mapped(_place, args), mapped(_place, kwargs)
        result = None
        if runs:
            target = None if writes is None else getattr(writes, "_host", writes)
            before = None if target is None else target.copy()
            result = function(*args, **kwargs)
            if target is not None:
                target[...] = before
        given = [a for a in flat([args, kwargs]) if isinstance(a, np.ndarray)]
        result = mapped(lambda r: self._placed(r, given), result)
        into = [Place(r) if _is_fresh(r, given) else None for r in flat(result)]
        if writes is not None or not runs or any(place is not None for place in into):
            refuse_what_is_not_there(given)
            self.calls.append((function, *places, into))
        return result

    def _placed(self, result: Any, given: list) -> Any:
        """A new array in memory of the pool."""
        result = np.asarray(result) if isinstance(result, np.generic) else result
        if not isinstance(result, np.ndarray) or not _is_fresh(result, given):
            return result
        return self.allocated(result)

    def allocated(self, host: np.ndarray) -> np.ndarray:
        """The array as one in memory that the current allocator gives."""
        if allocators[-1] != self.outside and len(allocators) > self.depth:
            return host  # the capture's own, which keeps it
        if getattr(allocators[-1], "__self__", default_pool) is default_pool:
            raise RuntimeError(
                "memory is allocated outside the pool of the capture: another array may get it before a replay"
            )
        low, high = np.lib.array_utils.byte_bounds(host)
        block = allocators[-1](high - low)
        made = np.ndarray(host.shape, host.dtype, block, host.ctypes.data - low, host.strides)
        made[...] = host
        return made

    def launch(self) -> None:
        """Make the calls again."""
        for function, args, kwargs, into in self.calls:
            result = function(*mapped(_array, args), **mapped(_array, kwargs))
            for place, value in zip(into, flat(result)):
                if place is not None:
                    place.array()[...] = value


class Graph:
    """A stand-in for `cupy.cuda.graph.Graph`."""

    def __init__(self, made: Recording):
        self._made = made
        spoil(made)

    def launch(self, stream: Any = None) -> None:
        launching.append(self._made)
        try:
            self._made.launch()
        finally:
            launching.pop()


def spoil(made: Recording) -> None:
    """Nothing has run yet: where results will be there is something else."""
    for *_, into in made.calls:
        for place in into:
            if place is not None and place.owner() is not None:
                host = place.array()
                host[...] = np.full(host.nbytes, GARBAGE, np.uint8).view(host.dtype).reshape(host.shape)


def do(function: Callable, *args: Any, writes: Any = None, runs: bool = True, **kwargs: Any) -> Any:
    """function(*args, **kwargs), noted if the current stream captures. writes: the array that it writes to."""
    if recording[-1] is not None:
        return recording[-1].note(function, args, kwargs, writes, runs)
    if now.held is None or not now.held.groups:
        return function(*args, **kwargs)
    # Launches are held back: what makes new memory asks the allocator for it before it computes, as CuPy does.
    given = [a for a in flat([args, kwargs]) if isinstance(a, np.ndarray)]
    changes = writes is not None or not runs
    result = None if changes else function(*args, **kwargs)
    fresh = [r for r in flat(result) if _is_fresh(r, given)]
    if fresh:
        allocators[-1](sum(r.nbytes for r in fresh))
    if fresh or changes:
        refuse_what_is_not_there(given)
        result = function(*args, **kwargs)
    return result


def refuse_what_is_not_there(given: list[np.ndarray]) -> None:
    """RuntimeError for arrays that a launch held back has still to write: whoever touches them must say so before (`capturing.settle`)."""
    for group in now.held.groups if now.held is not None else ():
        for low, end, (_, _, shape, _) in group.writes:
            if any(low < a_end and a_low < end for a_low, a_end in map(np.lib.array_utils.byte_bounds, given)):
                raise RuntimeError(f"an array of shape {shape} is touched before it is written: its launch is held back")


def refuse(what: str) -> None:
    """RuntimeError if the current stream captures."""
    if recording[-1] is not None:
        raise RuntimeError(f"the current stream is capturing, so {what} is disallowed")


# ---- streams ----


def begin(stream: Any, current: Any) -> None:
    """`Stream.begin_capture`"""
    if stream.ptr in (0, 1):
        raise RuntimeError("cannot capture on the default (legacy) stream")
    if recording[-1] is not None:
        raise CUDARuntimeError("cudaErrorIllegalState: the stream is capturing")
    if stream is not current:
        raise NotImplementedError("the stand-in captures the current stream only")
    recording[-1] = Recording(stream)


def end(stream: Any) -> Graph:
    """`Stream.end_capture`"""
    made = recording[-1]
    if made is None or made.stream is not stream:
        raise CUDARuntimeError("cudaErrorIllegalState: the stream is not capturing")
    recording[-1] = None
    return Graph(made)


# ---- values that hold arrays ----


def mapped(change: Callable, value: Any) -> Any:
    """The value, `change` applied to each leaf of its lists, tuples and dicts."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(change, each) for each in value))
    if type(value) in (tuple, list):
        return type(value)(mapped(change, each) for each in value)
    if type(value) is dict:
        return {k: mapped(change, v) for k, v in value.items()}
    return change(value)


def flat(value: Any) -> list:
    """The leaves of a value; strict arrays as what they hold."""
    if isinstance(value, (tuple, list)):
        return [leaf for each in value for leaf in flat(each)]
    if isinstance(value, dict):
        return flat(list(value.values()))
    return [getattr(value, "_host", value)]


def _place(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return Place(value)
    return Place(value._host, type(value)) if hasattr(value, "_host") else value


def _array(value: Any) -> Any:
    return value.array() if isinstance(value, Place) else value


def _is_fresh(result: Any, given: list[np.ndarray]) -> bool:
    """Whether a result is an array in memory of its own."""
    return isinstance(result, np.ndarray) and not any(a is result or np.may_share_memory(a, result) for a in given)
