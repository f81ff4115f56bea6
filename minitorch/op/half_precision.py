"""Half precision: float16 and bfloat16 are computed in float32 and rounded once, as torch's kernels do.

Step by step in half precision every step would round, and `1 − out²` near 1 would lose all its digits. (NumPy would not even
stay in bfloat16: it makes float32 of `array * 2.0`.) So wherever a forward computes, it gets float32 arrays and its results are
rounded to its inputs' dtype; a derivative gets float32 values, arrays or Tensors, in the same way. The door (`door.py`)
decides which calls these are. Matrix products do without: they are summed in float32 anyway (`arrays/blas.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.memory import order_of_a_copy, repeats
from ..arrays.numbers import fitting
from .declaration import Declaration

FLOAT32 = np.dtype(np.float32)
EXACT = 256  # integers up to it are numbers of half precision


def forward_in_float32(declaration: Declaration) -> Callable:
    """The forward, in float32 for float inputs that are all of one half-precision dtype, and as it is for any others.

    Its results then have their dtype, unless the caller asks for one.
    """
    forward, names = declaration.forward, declaration.names
    asked = names.index("dtype") if "dtype" in names else None

    @functools.wraps(forward)
    def in_float32(xp: Any, *args: Any, **options: Any) -> Any:
        kinds = {a.dtype for a in args if hasattr(a, "strides") and a.dtype.kind in "fV"}
        half = kinds.pop() if len(kinds) == 1 else FLOAT32
        if half.itemsize != 2:
            return forward(xp, *args, **options)
        given = [_wide(xp, a) if getattr(a, "dtype", None) == half else a for a in args]
        out = forward(xp, *numbers_rounded(declaration, given, half), **options)
        if asked is not None and args[asked] is not None:
            return out
        several = type(out) in (tuple, list)
        made = [_as(half, o) if getattr(o, "dtype", None) == FLOAT32 else o for o in (out if several else (out,))]
        return type(out)(made) if several else made[0]

    return in_float32


def numbers_rounded(declaration: Declaration, args: Sequence[Any], half: np.dtype) -> list:
    """The arguments of a forward, Python's numbers as half precision holds them, where torch rounds them."""
    numbers = {*declaration.inputs, "alpha"} - {*declaration.exact} if len(declaration.inputs) > 1 else set()
    given = list(args)
    for i, name in enumerate(declaration.names[: len(given)]):  # (those that are not given are defaults)
        if name in declaration.factors:
            fitting(given[i], half)
        if name in numbers and (type(given[i]) is float or (type(given[i]) is int and abs(given[i]) > EXACT)):
            held = float(half.type(float(given[i])))
            # An integer factor wraps as one.
            given[i] = int(held) if name in declaration.factors and type(given[i]) is int else held
    return given


def _wide(xp: Any, array: Any) -> Any:
    """The array in float32, expanded where it is: `sort` leaves equal elements in another order there."""
    if not repeats(array):
        return _as(FLOAT32, array)
    once = array[tuple(slice(1) if stride == 0 else slice(None) for stride in array.strides)]
    return xp.broadcast_to(_as(FLOAT32, once), array.shape)


def _as(dtype: np.dtype, array: Any) -> Any:
    return array.astype(dtype, order=order_of_a_copy(array)) if array.ndim else array.astype(dtype)


def derivative_in_float32(function: Callable) -> Callable:
    """The derivative, in float32 where a gradient or what was kept is of half precision; its results have the gradient's dtype."""

    @functools.wraps(function)
    def derivative(*values: Any) -> Any:
        dtype = next((dtype for v in values if (dtype := _half(v)) is not None), None)
        if dtype is None:
            return function(*values)
        found = function(*(v if _half(v) is None else _to(v, dtypes.float32) for v in values))
        if isinstance(found, (tuple, list)):
            return type(found)(g if g is None else _to(g, dtype) for g in found)
        return found if found is None else _to(found, dtype)

    return derivative


def _to(value: Any, dtype: dtypes.dtype) -> Any:
    """A Tensor or an array in that dtype."""
    return value.to(dtype) if hasattr(value, "_array") else _as(dtype.numpy, value)


def in_float32(function: Callable, gpu: bool = True) -> Callable:
    """A function of Tensors, in float32 if the first is of half precision and no other is of another float; rounded at its end.

    For what torch computes in one step and we in several. gpu: there too.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        dtype = _half(args[0]) if args else None
        if dtype is None or not hasattr(args[0], "_array") or (args[0].is_cuda and not gpu):
            return function(*args, **kwargs)
        floats = [v for v in (*args, *kwargs.values()) if getattr(getattr(v, "dtype", None), "is_floating_point", False)]
        if any(v.dtype is not dtype for v in floats):
            return function(*args, **kwargs)
        made = (_widened(v, dtype) for v in args)
        return function(*made, **{n: _widened(v, dtype) for n, v in kwargs.items()}).to(dtype)

    return call


def _widened(value: Any, dtype: dtypes.dtype) -> Any:
    """A Tensor of that dtype in float32; anything else as it is."""
    return value.to(dtypes.float32) if hasattr(value, "_array") and value.dtype is dtype else value


def _half(value: Any) -> Any:
    """The dtype of a Tensor or an array if it is float16 or bfloat16, else None."""
    found = getattr(getattr(value, "_array", value), "dtype", None)
    return dtypes.from_numpy_dtype(found) if found is not None and found.itemsize == 2 and found.kind in "fV" else None
