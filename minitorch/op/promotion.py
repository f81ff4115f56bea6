"""One dtype for the inputs of a call, by torch's rules: tensors with dimensions decide, then those without, then numbers.

The rules themselves are `dtypes.result_dtype`. Read next: `door.py`, whose door promotes before it runs a forward.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import dtypes
from ..arrays.memory import order_of_a_copy

if TYPE_CHECKING:
    from .door import Op


def only_numbers_beside(dtype: np.dtype, args: tuple, positions: Iterable[int]) -> bool:
    """Whether the inputs are tensors of that float dtype and Python numbers: then NumPy promotes as torch does."""
    for i in positions:
        x = args[i]
        kind = type(x)
        if kind is not float and kind is not int and not (hasattr(x, "_array") and x._array.dtype is dtype):
            return False
    return True


def promoted(op: Op, args: tuple, arrays: list, positions: Iterable[int]) -> list:
    """`arrays`, with the `Array` inputs brought to one dtype; Python numbers become numbers of its kind."""
    ranks: tuple[list, list, list] = ([], [], [])  # dtypes of tensors with dimensions, of those without, of numbers
    inputs = [i for i in positions if args[i] is not None and (op.variadic or i not in op.indices)]
    for i in inputs:
        is_bool = isinstance(arrays[i], bool) or getattr(arrays[i], "dtype", None) == "bool"
        if op.promote == "no bool" and is_bool:
            raise RuntimeError(
                f"{op.__name__} with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
                "`logical_not()` operator instead."
            )
        if hasattr(args[i], "_array"):
            ranks[0 if arrays[i].ndim else 1].append(dtypes.from_numpy_dtype(arrays[i].dtype))
        else:
            ranks[2].append(dtypes.scalar_dtype(arrays[i]))
    dtype = dtypes.result_dtype(*ranks)
    if op.promote == "float" and not dtype.is_floating_point:
        dtype = dtypes.get_default_dtype()
    for i in inputs:
        if not hasattr(args[i], "_array"):
            arrays[i] = _number(arrays[i], dtype.numpy)
        elif arrays[i].dtype != dtype.numpy:
            arrays[i] = arrays[i].astype(dtype.numpy, order=order_of_a_copy(arrays[i]))
    return arrays


def _number(value: Any, numpy_dtype: np.dtype) -> Any:
    """A Python number as NumPy's weak scalars want it, so that it takes the arrays' dtype."""
    if numpy_dtype.kind == "b":
        return bool(value)
    if numpy_dtype.kind == "u":
        return int(value) % 2 ** (8 * numpy_dtype.itemsize)  # −1 is 255, as in C
    if numpy_dtype.kind == "i":
        return int(value)
    return float(value)
