"""Large arrays in blocks that stay in a core's cache, by as many threads as there are cores.

A formula of six steps on 16 MB reads and writes 16 MB six times; in blocks it reads its inputs and writes its result once. The
steps write to memory made beforehand (`out=`), for new arrays in each block would cost more than blocks save. NumPy computes
outside Python's lock but takes it for each call, so that threads gain only if calls are long: on less than LEAST numbers they
mostly wait for each other. Read next: `softmax.py`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from ...arrays.quiet import silent
from ...arrays.recorded import NotTraceable, Recorded, first_of, library, running
from ..c.library import address, kernel

LEAST = 1 << 17  # numbers in a block at least: half a MB of float32
BLOCK = 1 << 18  # and at most, if several threads share the work


def in_blocks(work: Callable[..., Any], like: np.ndarray, *scratch: Any) -> list[Any]:
    """work(rows, …) for slices of the rows (dimension 0) of an array that is not empty, and what it returned, in their order.

    scratch: dtypes of arrays that `work` gets besides, of the shape of those rows; what is in them is undefined. Or a function that
    makes, for so many rows at most, what a thread has beside it all the time.
    """
    count = len(like)
    if running.record is not None:
        return _recorded(work, like, scratch)
    if like.size <= LEAST:
        return [work(slice(0, count), *_scratch(count, like, scratch))]
    rows, threads = rows_and_threads(count, like.size)
    if rows >= count:
        return [work(slice(0, count), *_scratch(count, like, scratch))]
    results: list[Any] = [None] * -(-count // rows)
    numbered = iter(range(len(results)))  # every thread takes the next

    def take() -> None:
        memory = _scratch(rows, like, scratch)
        for k in numbered:
            block = slice(k * rows, min(k * rows + rows, count))
            results[k] = work(block, *(m[: block.stop - block.start] if type(m) is np.ndarray else m for m in memory))

    in_threads([take] * threads)
    return results


def in_threads(calls: list[Callable[[], None]]) -> None:
    """Make these calls, which share some work: the first in this thread, the others by helpers."""
    helpers = [_pool().submit(silent(call)) for call in calls[1:]]  # (what NumPy is told is told to a thread)
    try:
        calls[0]()
    finally:
        for helper in helpers:
            if not helper.cancel():  # if it has not begun, nothing is left for it to do
                helper.result()


def rows_and_threads(count: int, size: int) -> tuple[int, int]:
    """How many of `count` rows, which have `size` numbers in all, a block has, and how many threads share the work."""
    threads = max(1, min(get_num_threads(), size // LEAST))
    numbers = LEAST if threads == 1 else min(BLOCK, max(LEAST, size // threads))
    return -(-count * numbers // size), threads


def _recorded(work: Callable[..., Any], like: Any, scratch: tuple) -> list[Any]:
    """The work on all rows at once, which a record can follow: the program finds blocks of its own.

    Sums over the rows of a block, which `work` returns, are not the sum over all rows to the last bit: what gives some goes untraced.
    """
    if any(isinstance(make, FunctionType) for make in scratch):
        raise NotTraceable
    result = work(slice(0, len(like)), *(library.empty(like.shape, dtype) for dtype in scratch))
    if rows_and_threads(len(like), like.size)[0] < len(like) and like.size > LEAST and first_of(result) is not None:
        raise NotTraceable
    return [result]


def _scratch(rows: int, like: np.ndarray, wanted: tuple) -> list[Any]:
    """What `work` gets besides, for so many rows."""
    return [make(rows) if isinstance(make, FunctionType) else np.empty((rows, *like.shape[1:]), make) for make in wanted]


def run_at_once(function: Callable, each: list[tuple]) -> None:
    """function(*args) for each of these arguments, by a thread of its own; it must not need Python's lock."""
    helpers = [_pool().submit(function, *args) for args in each[1:]]
    try:
        function(*each[0])
    finally:
        for helper in helpers:
            helper.result()


def served(*arrays: Any) -> bool:
    """Whether the arrays (those that are not None) are of one dtype, float32 or float64: others are left to the formula."""
    dtype = arrays[0].dtype
    for a in arrays:
        if a is not None and a.dtype != dtype:
            return False
    return dtype in _SERVED


def by_loop(name: str, like: Any, *told: Any, into: tuple) -> bool:
    """Compute the rows of `like` by a loop of `../c/rows.h`; False, and nothing done, where NumPy is to compute.

    told: arrays in any layout, numbers, None; into: new arrays in rows, which it is told after these. In a recorded step all of it is one
    call: a program, which is compared with eager bit by bit, calls the very same loop.
    """
    compute = kernel("rows", name, into[0].dtype) if into[0].size >= SMALL else None
    if compute is None:
        return False
    as_one_call(*told)
    held = [_in_order(a) if isinstance(a, np.ndarray) else a for a in told]
    where = [address(a) if isinstance(a, np.ndarray) else a for a in (*held, *into)]
    in_blocks(lambda rows: compute(rows.start, rows.stop, *where), like)
    return True


def _in_order(x: np.ndarray) -> np.ndarray:
    """x as loops in C take it: row by row without gaps, each number at an address that its size divides."""
    flags = x.flags
    return x if flags.c_contiguous and flags.aligned else x.copy("C")


def as_one_call(*arrays: Any) -> None:
    """What follows cannot be written down step by step: in a recorded step it is one call."""
    if any(type(a) is Recorded for a in arrays):
        raise NotTraceable


_SERVED = frozenset(map(np.dtype, ("float32", "float64")))
SMALL = 1 << 12  # on fewer numbers NumPy's calls cost, not the passes: most formulas are as fast there


def in_a_row(x: np.ndarray) -> Any:
    """x's numbers as they lie in memory, a view; None if there are gaps between them or some stand for several."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    row = x.ravel(order="K")
    return row if np.may_share_memory(row, x) else None


def contiguous(x: Any) -> Any:
    """x row by row without gaps: itself, if it is so. (`np.ascontiguousarray` would not hand a recorded array over.)"""
    return x if x.flags.c_contiguous else x.copy()


def laid_out_as(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`other`, of x's shape, in memory as x is."""
    if other.strides == x.strides:
        return other
    copy = np.empty_like(x, dtype=other.dtype)
    copy[...] = other
    return copy


def along_rows(*factors: np.ndarray) -> np.ndarray:
    """Σ of an array, or of the product of two, along the last dimension, which stays, of size 1.

    einsum is several times faster there than `sum`, and BLAS, which `vecdot` calls for each row, than einsum if rows are not short. But
    they add one number after another, so long rows are added up in stretches.
    """
    n = factors[0].shape[-1]
    sums = np.vecdot if len(factors) == 2 and n >= SHORT else partial(np.einsum, ",".join(["...i"] * len(factors)) + "->...")
    if n <= STRETCH:
        return sums(*factors)[..., None]
    parts = [sums(*(f[..., k : k + STRETCH] for f in factors)) for k in range(0, n, STRETCH)]
    return np.stack(parts, -1).sum(-1, keepdims=True)


SHORT, STRETCH = 1 << 6, 1 << 10


# ---- threads ----


def get_num_threads() -> int:
    """How many threads large arrays are computed by: as many as cores, or fewer if OMP_NUM_THREADS or OPENBLAS_NUM_THREADS say so.

    Matrix products are NumPy's BLAS's own affair.
    """
    return _threads


def set_num_threads(number: int) -> None:
    """Compute large arrays by that many threads from now on. Matrix products do not change: BLAS looks at the environment, once."""
    global _threads
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(number).__name__}")
    if number < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, got {number}")
    _threads = int(number)


def _threads_at_first() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = [os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
    return min([cores, *(int(n) for n in asked if n.isdecimal() and int(n))])


_threads = _threads_at_first()


@functools.cache
def _pool() -> Any:
    """Threads that wait for work; they are started when there is some."""
    from concurrent.futures import ThreadPoolExecutor  # it takes longer than all else here, and small arrays do without

    return ThreadPoolExecutor(max_workers=64, thread_name_prefix="minitorch")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
