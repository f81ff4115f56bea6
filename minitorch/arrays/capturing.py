"""Work captured as one CUDA graph: a stream that captures, memory of its own, and numbers that are others at each replay.

While a stream captures nothing runs: CUDA writes down each launch with the addresses and numbers that it is given, and a replay launches all
of it again, for the host the work of one launch. So what the graph computes with must lie where it lay, and a number that changes from
replay to replay (a count of steps, a learning rate, a place in a stream of random numbers) is read from memory, where it is put before
each. Read next: `cuda/graphs.py`, what users call; `compiler/cuda/captured.py`, a compiled step.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .threads import of_each_thread

CELL = 8  # bytes for each number that changes
CELLS = 512  # numbers in a block of memory
AHEAD = 4  # replays that the host may be ahead with before it must not overwrite what it has written for them


class Now(threading.local):
    """What this thread captures; or that it runs what will be captured, to warm up."""

    capture: Capture | None = None
    warming: Warming | None = None
    held: Any = None  # the launches that are held back, to be joined with what follows (`compiler/cuda/fusing.py`)


now = of_each_thread(Now())


class NotCapturable(RuntimeError):
    """What cannot be part of a graph, in words."""


class Warming:
    """A run of what will be captured: products take the way that they will take then, and what cannot be captured is noted."""

    def __init__(self, strict: bool = False) -> None:
        self.strict, self.refusal = strict, ""  # strict: whether that is an error at once

    def refuse(self, words: str) -> None:
        """Note it; the first reason stays."""
        self.refusal = self.refusal or words
        if self.strict:
            raise RuntimeError(f"compile, fullgraph=True: {words}")


def refuse(words: str) -> None:
    """RuntimeError if this thread captures: `words` say what would have to wait for the GPU, or to copy to it."""
    settle()
    if now.capture is not None:
        raise NotCapturable(f"CUDA error: operation not permitted when stream is capturing: {words}")
    if now.warming is not None:
        now.warming.refuse(words)


# ---- launches held back ----


def settle(reads: Sequence[Any] | None = None, writes: Sequence[Any] = ()) -> None:
    """What follows reads and writes these arrays, or, if nothing is said, any: the launches held back that it depends on are made now."""
    if now.held is not None:
        now.held.settle(reads, writes)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """In the block nothing is held back, and before it all is launched: what it reads and writes is not said."""
    held = now.held
    if held is None:
        yield
        return
    held.settle(None, ())
    now.held = None
    try:
        yield
    finally:
        now.held = held


def in_turn(call: Callable[[], Any], reads: Sequence[Any], writes: Sequence[Any]) -> None:
    """Make a call that launches, and reads and writes these arrays: now, or in its turn among the launches held back."""
    if now.held is None:
        call()
    else:
        now.held.hold_call(call, reads, writes)


def empty(xp: Any, shape: Any, dtype: Any) -> Any:
    """`xp.empty` for the result of a launch that says itself what it reads and writes: no launch held back is made for it."""
    if now.held is None:
        return xp.empty(shape, dtype)
    with now.held.told():
        return xp.empty(shape, dtype)


# ---- memory ----

_pools: list[Any] = []  # those in which something may lie still: arrays do not keep the pool that they are in


def new_pool(xp: Any) -> Any:
    """A pool of memory."""
    _pools[:] = [pool for pool in _pools if pool.used_bytes()]
    return xp.cuda.MemoryPool()


@contextlib.contextmanager
def allocating_in(xp: Any, pool: Any) -> Iterator[None]:
    """In the block memory comes from the pool, which stays as long as anything is in it, whoever holds that."""
    if all(known is not pool for known in _pools):
        _pools.append(pool)
    malloc = pool.malloc if now.held is None else now.held.watched(pool.malloc)
    with xp.cuda.using_allocator(malloc):
        yield


@contextlib.contextmanager
def aside(xp: Any, stream: Any) -> Iterator[None]:
    """In the block work is given to that stream: it runs after what the current one has been given, and what that is given later after it."""
    outside = xp.cuda.get_current_stream()
    _after(xp, outside, stream)
    with stream:
        try:
            yield
        finally:
            _after(xp, stream, outside)


def _after(xp: Any, first: Any, then: Any) -> None:
    event = xp.cuda.Event(disable_timing=True)
    event.record(first)
    then.wait_event(event)


@contextlib.contextmanager
def warming(noted: Warming) -> Iterator[None]:
    """In the block what runs will be captured later."""
    before, now.warming = now.warming, noted
    try:
        yield
    finally:
        now.warming = before


def holders(array: Any) -> tuple[int, int, int]:
    """How many hold the array, the place where it begins, and the memory that it is in: views hold one of the two."""
    return sys.getrefcount(array), sys.getrefcount(array.data), sys.getrefcount(array.data.mem)


# ---- numbers that change ----


class Block:
    """Memory for numbers that change, on the GPU, and on the host as often as it may be ahead."""

    def __init__(self, xp: Any, on_gpu: Any, pinned: Callable[[int], np.ndarray]) -> None:
        self.xp, self.on_gpu, self.used = xp, on_gpu, 0
        self.numbers = np.zeros(CELL * CELLS, np.uint8)
        self.written = [(pinned(CELL * CELLS), xp.cuda.Event(disable_timing=True)) for _ in range(AHEAD)]
        self.turn = 0

    def cell(self, dtype: Any) -> tuple[Any, np.ndarray]:
        """One more number, as an array on the GPU and as the array that it is copied from."""
        at = slice(self.used, self.used + np.dtype(dtype).itemsize)
        self.used += CELL
        return self.on_gpu[at].view(dtype), self.numbers[at].view(dtype)

    def copy(self) -> None:
        """Copy the numbers to the GPU, in the turn of the current stream, and without waiting."""
        host, event = self.written[self.turn % AHEAD]
        if self.turn >= AHEAD and not event.done:
            event.synchronize()
        self.turn += 1
        host[: self.used] = self.numbers[: self.used]
        self.on_gpu[: self.used].set(host[: self.used])
        event.record()


class Capture:
    """What one stream captures, and what belongs to it: memory, numbers that change, tables, flags. Afterwards it can be replayed."""

    def __init__(self, xp: Any, pool: Any, pinned: Callable[[int], np.ndarray], effects: Any = None) -> None:
        """pinned(bytes) makes memory of the host from which the GPU copies by itself. effects.effect(name, call) makes the calls that
        change more than arrays (`recorded.an_effect`); without it they are made as they stand, once."""
        self.xp, self.pool, self.pinned, self.effects = xp, pool, pinned, effects
        self.graph: Any = None
        self.lasting_ones: list[Any] = []
        self.blocks: list[Block] = []
        self.changing: list[tuple[Callable[[], Sequence[Any]], list[np.ndarray]]] = []
        self.tables: list[tuple[Any, np.ndarray]] = []
        self.flags: list[tuple[Any, type, str]] = []

    # ---- the capture ----

    def begin(self, stream: Any) -> None:
        """Let the stream, the current one, capture from here on. What is allocated until the end is allocated in the pool."""
        if now.capture is not None:
            raise RuntimeError("a capture is under way in this thread already")
        self.stream, self.outside = stream, self.xp.cuda.get_allocator()
        self._allocating = allocating_in(self.xp, self.pool)
        self._allocating.__enter__()
        try:
            stream.begin_capture()  # (relaxed, CuPy's default: in other modes the pool could not grow)
        except BaseException:
            self._allocating.__exit__(None, None, None)
            raise
        now.capture = self

    def end(self) -> None:
        """No more: what has been captured becomes a graph that can be replayed. CuPy raises what CUDA says of a capture that failed."""
        try:
            settle()
        finally:
            now.capture = None
            self._end()

    def _end(self) -> None:
        try:
            self.graph = self.stream.end_capture()
        finally:
            self._allocating.__exit__(None, None, None)
        if self.tables:
            for array, host in self.tables:
                array.set(host)
            self.stream.synchronize()  # they are there before the first replay, wherever that is
            self.tables = []

    def replay(self) -> None:
        """Launch it again, in the current stream, with the numbers of now."""
        for compute, cells in self.changing:
            for cell, number in zip(cells, compute()):
                cell[...] = number
        for block in self.blocks:
            block.copy()
        self.graph.launch()

    # ---- while it is under way ----

    def lasting(self, shape: Any, dtype: Any) -> Any:
        """An array outside of the pool, whose memory is nobody else's as long as the graph is there.

        (In the pool it could get what an array before it has left, and a replay would write that array again.)
        """
        with self.xp.cuda.using_allocator(self.outside):
            made = empty(self.xp, shape, dtype)
        self.lasting_ones.append(made)
        return made

    def numbers(self, dtypes: Sequence[Any], compute: Callable[[], Sequence[Any]]) -> list[Any]:
        """Arrays of one number each, on the GPU: at each replay they hold what compute() returns then. All are computed in the order in
        which they were asked for."""
        cells = []
        for dtype in dtypes:
            if not self.blocks or self.blocks[-1].used == CELL * CELLS:
                self.blocks.append(Block(self.xp, self.lasting(CELL * CELLS, np.uint8), self.pinned))
            cells.append(self.blocks[-1].cell(dtype))
        self.changing.append((compute, [host for _, host in cells]))
        return [on_gpu for on_gpu, _ in cells]

    def at_each_replay(self, call: Callable[[], Any]) -> None:
        """Call it before each replay, in its turn among the numbers."""
        self.changing.append((lambda: (call(), ())[1], []))

    def table(self, host: np.ndarray) -> Any:
        """An array on the GPU with these numbers, which are copied there when the capture has ended."""
        made = self.lasting(host.shape, host.dtype)
        self.tables.append((made, host))
        return made

    def watch(self, flag: Any, error: type, words: str) -> None:
        """A flag that is False after a replay in which something was wrong, until somebody looks (`device.must_hold`)."""
        held = self.table(np.ones((1,), bool))
        settle([flag], [held])
        self.xp.logical_and(held, flag, out=held)
        self.flags.append((held, error, words))
