"""How a Python or NumPy number comes into an array: torch has three rules, and the place where the number comes in chooses one.

`fitting`: the dtype must be able to hold it (`fill_`, `masked_fill`, bounds, factors such as `alpha`; `computing` and `filling` say
what is different in half precision). `wrapping`: it is cast as C does it, 300 is 44 in uint8 (operands beside a tensor). `stored`: data
for `tensor(…)`, where ∞ comes of 1e39; `assigned`: `x[i] = number`.
Read next: `op/promotion.py`, which asks here for the numbers among a call's inputs.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np

from .dtypes import from_numpy_dtype

FLOAT32 = np.dtype("float32")
WIDEST = 2**63  # int64 holds −WIDEST … WIDEST − 1
C_NAMES = {
    "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t",
    "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
}  # fmt: skip


def read(value: Any) -> Any:
    """The number as Python's own; OverflowError for an integer of more than 64 bits. (NumPy's bool is read as a float, as by torch.)"""
    if type(value) is float or isinstance(value, bool):
        return value
    if isinstance(value, (int, np.integer)):
        if not -WIDEST <= value < 2 * WIDEST:
            raise OverflowError(f"int too big to convert: {_short(value)} does not fit 64 bits; give a float")
        return int(value)
    if not isinstance(value, (float, np.floating, np.bool_)):
        raise TypeError(f"must be Number, not {type(value).__name__}")
    return float(value)


def fitting(value: Any, dtype: np.dtype) -> Any:
    """The number in that dtype; RuntimeError if the dtype cannot hold it. A fraction is cut off; ∞ and nan are held by floats only."""
    value = read(value)
    if dtype.kind == "b":
        return bool(value)
    lowest, highest = limits(dtype)
    if dtype.kind in "fV":
        held = lowest <= value <= highest or value != value or abs(value) == math.inf
    elif dtype.kind == "u" and not isinstance(value, float):
        held = abs(value) <= highest  # −1 is the largest, as in C
    else:
        held = (
            lowest <= value <= (float(highest) if isinstance(value, float) else highest)
        )  # a float beside a float, as in C
    if not held:
        raise RuntimeError(
            f"value cannot be converted to type {C_NAMES[dtype.name]} without overflow: {_short(value)} is not between {lowest} "
            f"and {highest}"
        )
    return wrapping(value, dtype)


def computing(value: Any, dtype: np.dtype) -> Any:
    """The number as `fitting` has it, for a kernel that computes half precision in float32."""
    return fitting(value, FLOAT32 if _is_half(dtype) else dtype)


def filling(value: Any, dtype: np.dtype) -> Any:
    """The number as `fitting` has it, but half precision makes ∞ of what is too large."""
    return wrapping(value, dtype) if _is_half(dtype) else fitting(value, dtype)


def wrapping(value: Any, dtype: np.dtype) -> Any:
    """The number in that dtype as C casts it: of an integer the bits that there is room for, of a large float ∞."""
    value = read(value)
    if dtype.kind == "b":
        return bool(value)
    if dtype.kind in "iu":
        bits = 8 * dtype.itemsize
        value = int(value) % 2**bits
        return value - 2**bits if dtype.kind == "i" and value >= 2 ** (bits - 1) else value
    return float(value)


def stored(value: Any, dtype: np.dtype) -> Any:
    """A number of the data of a tensor: ValueError for an integer beyond int64 that should become one, TypeError for no number."""
    if dtype.kind in "fV":
        if isinstance(value, (str, bytes)):
            raise TypeError(f"must be real number, not {type(value).__name__}")
        return float(value)
    if dtype.kind == "b":
        return bool(value) if isinstance(value, (float, np.bool_)) else bool(operator.index(value))
    if isinstance(value, float):
        return fitting(value, dtype)
    return fitting(of_64_bits(operator.index(value)), dtype)


def assigned(value: Any, dtype: np.dtype) -> Any:
    """A number for `x[i] = number`, where x is of that dtype: an integer must fit int64."""
    if isinstance(value, (int, np.integer)):
        of_64_bits(int(value))
    elif not isinstance(value, float):  # NumPy's other numbers too, as in torch
        name = from_numpy_dtype(dtype)
        raise TypeError(f"can't assign a {type(value).__name__} to a {name!r} tensor; minitorch.tensor(…) makes one")
    return filling(value, dtype)


def of_64_bits(value: int) -> int:
    """The integer, if int64 holds it; else ValueError."""
    if not -WIDEST <= value < WIDEST:
        raise ValueError(f"Overflow when unpacking long long: {_short(value)} does not fit int64; give a float")
    return value


@functools.cache
def limits(dtype: np.dtype) -> tuple[Any, Any]:
    """The least and the greatest finite number of a dtype of integers or floats."""
    if dtype.kind in "iu":
        info: Any = np.iinfo(dtype)
        return int(info.min), int(info.max)
    if dtype.kind == "V":
        import ml_dtypes

        info = ml_dtypes.finfo(dtype)
    else:
        info = np.finfo(dtype)
    return float(info.min), float(info.max)


def _is_half(dtype: np.dtype) -> bool:
    return dtype.itemsize == 2 and dtype.kind in "fV"


def _short(value: Any) -> str:
    """The number for a message: of a very long integer only its size."""
    if isinstance(value, (int, np.integer)) and int(value).bit_length() > 100:
        return f"an integer of {int(value).bit_length()} bits"
    return str(value)
