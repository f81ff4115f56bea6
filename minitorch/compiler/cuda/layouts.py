"""How arrays lie in memory, as generated kernels need to know it: which way each lies, what may be taken for one dimension, what lies apart.

Read next: `launching.py`, which asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import capturing
from ...arrays.memory import address, flat, same_data
from .source import MOST_DIMS

FLOAT32 = np.dtype("float32")


def serves(xp: Any, given: list) -> bool:
    """Whether kernels know these arrays: on the GPU, of a dtype that C has, not empty, no step backwards."""
    return all(
        type(x) is xp.ndarray
        and x.size
        and x.ndim <= MOST_DIMS
        and x.dtype.kind in "fbiuV"
        and min(x.strides, default=0) >= 0
        for x in given
    )


def kind(x: Any, alike: bool) -> Any:
    """What of an argument decides which kernel serves."""
    if not hasattr(x, "strides"):
        return type(x) if type(x) in (int, float) else (type(x), x)
    shape = tuple([min(n, 2) for n in x.shape])
    return x.dtype, shape, None if alike else order(x)


def order(x: Any) -> tuple[int, ...]:
    """The dimensions from the outermost in memory to the innermost, and after them those that repeat one element."""
    moving = [d for d in range(x.ndim) if x.strides[d] or x.shape[d] == 1]
    return (*sorted(moving, key=lambda d: -x.strides[d]), -1, *(d for d in range(x.ndim) if d not in moving))


def half_of(args: Sequence[Any]) -> np.dtype | None:
    """The dtype of half precision among the arrays, if all floats are of it."""
    floats = {x.dtype for x in args if hasattr(x, "strides") and x.dtype.kind in "fV"}
    return floats.pop() if len(floats) == 1 and next(iter(floats)).itemsize == 2 else None


def example(x: Any, half: np.dtype | None) -> np.ndarray:
    """A small array on the CPU of the same kind, laid out alike; half precision is computed with in float32."""
    shape, dims = [min(n, 2) for n in x.shape], order(x)
    moving = dims[: dims.index(-1)]
    small = np.full([shape[d] for d in moving], 0.5).astype(FLOAT32 if half is not None and x.dtype == half else x.dtype)
    steps = dict(zip(moving, small.strides))
    return np.lib.stride_tricks.as_strided(small, shape, [steps.get(d, 0) for d in range(x.ndim)])


def empty(xp: Any, shape: Sequence[int], dtype: np.dtype, dims: Sequence[int]) -> Any:
    """New memory, its dimensions in that order."""
    made = capturing.empty(xp, [shape[d] for d in dims], dtype)
    return made if tuple(dims) == tuple(range(len(shape))) else made.transpose(np.argsort(dims).tolist())


def steps_of(x: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The array's steps over the dimensions of a shape that it broadcasts to, in elements; 0 where it has one element, or repeats one."""
    steps = (0 if n == 1 else s // x.itemsize for n, s in zip(x.shape, x.strides))
    return (*(0 for _ in range(len(shape) - x.ndim)), *steps)


def outermost_first(x: Any, shape: tuple[int, ...]) -> list[int]:
    """The dimensions of a shape, in the order in which the array has them in memory."""
    steps = steps_of(x, shape)
    return sorted(range(len(shape)), key=lambda d: -steps[d])


def merged(
    shape: tuple[int, ...], steps: Sequence[tuple[int, ...]], dims: Sequence[int]
) -> tuple[list[int], list[list[int]]]:
    """The sizes of as few dimensions as the arrays' steps allow, and these over them. dims: their order, the outermost first."""
    sizes: list[int] = []
    made: list[list[int]] = [[] for _ in steps]
    for d in dims:
        if shape[d] == 1:
            continue
        if sizes and all(mine[-1] == given[d] * shape[d] for mine, given in zip(made, steps)):
            sizes[-1] *= shape[d]
            for mine, given in zip(made, steps):
                mine[-1] = given[d]
        else:
            sizes.append(shape[d])
            for mine, given in zip(made, steps):
                mine.append(given[d])
    return sizes or [1], [mine or [0] for mine in made]


def as_one_row(x: Any) -> Any:
    """The array as a kernel is given it: all that lies from its first element to its last."""
    return x if x.flags.c_contiguous else flat(x)


def may_write(into: Any, reads: Sequence[Any]) -> bool:
    """Whether a kernel may write to this memory while it reads those arrays: each lies apart, or is it, element by element."""
    return _holds_each_once(into) and all(same_data(x, into) or _apart(x, into) for x in reads)


def _holds_each_once(x: Any) -> bool:
    """Whether no element stands for two: each step goes beyond the reach of the shorter ones. (No step goes backwards.)"""
    reach = 0
    for step, n in sorted((s, n) for s, n in zip(x.strides, x.shape) if n > 1):
        if step <= reach:
            return False
        reach += step * (n - 1)
    return True


def _apart(a: Any, b: Any) -> bool:
    (low, end), (first, last) = bounds(a), bounds(b)
    return end <= first or last <= low


def bounds(x: Any) -> tuple[int, int]:
    """The address of the first byte of an array without steps backwards, and the one after the last."""
    low = address(x)
    return low, low + x.itemsize + sum((n - 1) * s for n, s in zip(x.shape, x.strides))
