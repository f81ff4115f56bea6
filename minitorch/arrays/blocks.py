"""Large arrays in blocks of rows that stay in the CPU's cache, so that not every step of a formula goes out to memory.

A formula of six steps on 16 MB reads and writes 16 MB six times; in blocks it reads its inputs and writes its result once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.grad_mode import grad_mode

BLOCK = 1 << 16  # elements of a block: several such arrays fit in a core's own cache


def by_rows(function: Callable, *arrays: Any) -> Any:
    """function(*arrays), of the first's shape and dtype, where a row (entry of dimension 0) comes from the same row of each array."""
    first = arrays[0]
    if type(first) is not np.ndarray or first.size <= BLOCK:
        return function(*arrays)
    out = np.empty(first.shape, first.dtype)
    rows = max(1, BLOCK * len(first) // first.size)
    for start in range(0, len(first), rows):
        block = slice(start, start + rows)
        out[block] = function(*(a[block] for a in arrays))
    return out


def by_elements(function: Callable, x: Any) -> Any:
    """function(x) for an elementwise function, of a contiguous array in blocks."""
    return by_rows(function, x.reshape(-1)).reshape(x.shape) if x.flags.c_contiguous else function(x)


def derivative_by_rows(function: Callable, dim: int, *tensors: Any) -> Any:
    """function(*tensors), a derivative in which only the elements along `dim` meet: in blocks, unless its steps are recorded."""
    first = tensors[0]
    if grad_mode.enabled or dim in (0, -first.ndim):
        return function(*tensors)
    arrays = [t._array for t in tensors]
    return first._wrap(by_rows(lambda *blocks: function(*map(first._wrap, blocks))._array, *arrays))
