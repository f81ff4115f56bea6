"""What a NumPy call does beside computing, as far as a record must know: what it writes into, and whether numbers decide on shapes.

Read next: `record.py`, which asks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.recorded import Recorded

# NumPy functions that write into their first argument, beside those that are told to by `out=`.
_WRITING = {
    operator.setitem, np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis,
    np.ndarray.fill, np.ndarray.put, np.ndarray.sort, np.ndarray.partition,
}  # fmt: skip


# Those whose results have as many numbers as their arguments' numbers say.
_COUNTING = {
    np.flatnonzero, np.nonzero, np.argwhere, np.unique, np.extract, np.compress, np.ndarray.compress, np.bincount, np.trim_zeros,
    np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d, np.ediff1d, np.histogram_bin_edges,
}  # fmt: skip


def counts(function: Callable, args: tuple) -> bool:
    """Whether the shape of what a call gives, or takes, depends on numbers in its arguments."""
    if function in (operator.getitem, operator.setitem):
        keys = args[1] if isinstance(args[1], tuple) else args[1:2]
        masked = any(getattr(getattr(k, "dtype", None), "kind", "") == "b" and k.ndim for k in keys)
        return masked and (function is operator.getitem or getattr(args[2], "ndim", 0) > 0)
    if function in (np.repeat, np.ndarray.repeat):
        return isinstance(args[1] if len(args) > 1 else None, Recorded)
    return function in _COUNTING or (function is np.where and len(args) == 1)


def written_by(function: Callable, args: tuple, options: dict) -> Any:
    """The array among the arguments that the call writes into; None if it makes a new one."""
    out = options.get("out")
    out = out[0] if isinstance(out, tuple) else out
    if out is not None:
        return out
    if isinstance(function, np.ufunc) and len(args) > function.nin:
        return args[function.nin]
    if function is np.nan_to_num and options.get("copy") is False:
        return args[0]
    is_at = isinstance(getattr(function, "__self__", None), np.ufunc) and function.__name__ == "at"
    return args[0] if is_at or function in _WRITING else None
