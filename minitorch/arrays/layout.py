"""In which order the dimensions of an array lie in memory, and new arrays that lie in the same.

A transposed tensor is filled with random numbers as its buffer lies, column by column; a new tensor "like" it has its strides.
Read next: `memory.py`; `ops/sampling.py`, where tensors are filled.
"""

from __future__ import annotations

from typing import Any

Array = Any


def memory_order(array: Array) -> list[int]:
    """The dimensions of an array, outermost in memory first, as torch's iterator sorts them.

    An expanded dimension (stride 0) compares with none and stays where it is; of two with one stride the longer is outer.
    """
    if array.flags.c_contiguous:
        return list(range(array.ndim))
    stride, size = array.strides, array.shape
    order = list(range(array.ndim))[::-1]  # innermost first
    for i in range(1, len(order)):
        k = i
        for j in range(i - 1, -1, -1):
            inner, outer = order[j], order[k]
            if stride[inner] == 0 or stride[outer] == 0:
                continue
            if stride[inner] < stride[outer]:
                break
            if stride[inner] > stride[outer] or size[inner] > size[outer]:
                order[j], order[k] = outer, inner
                k = j
    return order[::-1]


def laid_out_like(array: Array, numbers: Array) -> Array:
    """As many numbers in the array's shape: the first comes first in memory. No copy: a view with the right strides."""
    order = memory_order(array)
    return numbers.reshape([array.shape[d] for d in order]).transpose([order.index(d) for d in range(array.ndim)])


def empty_like(xp: Any, array: Array, numpy_dtype: Any) -> Array:
    """New memory in the array's shape and memory order."""
    return laid_out_like(array, xp.empty(array.size, numpy_dtype))


def copied(xp: Any, array: Array, like: Array | None = None) -> Array:
    """A copy that lies in memory as the array, or as another of its shape, does."""
    out = empty_like(xp, array if like is None else like, array.dtype)
    out[...] = array
    return out
