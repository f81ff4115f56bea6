"""What `tensor(data)` makes of its data: numbers, sequences of them nested in each other, arrays, tensors.

The shape is read off the first element of each level, the dtype off all that is there, and each number is then stored as
`arrays/numbers.py` says. Lists of plain numbers go through NumPy at once; the slow way, number by number, is for the others and to
say what is wrong. Read next: `creation.py`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import to_numpy
from ..arrays.dtypes import dtype as DType
from ..arrays.numbers import limits, stored
from ..arrays.quiet import silent
from ..arrays.warning import warn_once
from .tensor import Tensor

PLAIN = (bool, int, float)


@silent
def read_data(data: Any, wanted: DType | None) -> np.ndarray:
    """The data as a new NumPy array, of the wanted dtype or of the one that torch would infer."""
    if isinstance(data, np.ndarray) or (hasattr(data, "__array__") and not isinstance(data, (np.generic, Tensor))):
        array = np.asarray(data)
        inferred = dtypes.from_numpy_dtype(array.dtype)
        return array.astype((wanted or inferred).numpy)
    shape = _shape(data)
    dtype = inferred_dtype(data) if wanted is None else wanted
    leaves: list[Any] = []
    if 0 not in shape:
        _collect(data, shape, 0, leaves)
    return _converted(leaves, dtype.numpy).reshape(shape)


def is_sequence(x: Any) -> bool:
    """Whether torch looks into it: a list, a tuple, a range, a deque, an array of any library."""
    return hasattr(type(x), "__getitem__") and not isinstance(x, (dict, np.generic, Tensor)) and hasattr(type(x), "__len__")


def _shape(data: Any) -> tuple[int, ...]:
    """The length at each level, by its first element."""
    shape: list[int] = []
    while is_sequence(data):
        if isinstance(data, (str, bytes)) and not shape:
            inferred_dtype(data)  # it refuses text
        if isinstance(data, str):
            raise ValueError("too many dimensions 'str': a tensor holds bools, integers or floats, no text")
        shape.append(len(data))
        if not shape[-1]:
            break
        if isinstance(data[0], np.ndarray):
            warn_once(
                "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list to a "
                "single numpy.ndarray with numpy.array() before converting to a tensor."
            )
        data = data[0]
    return tuple(shape)


def inferred_dtype(data: Any) -> DType:
    """The smallest dtype for all the numbers in the data; the default dtype if there are none."""
    if isinstance(data, Tensor):
        return data.dtype
    if isinstance(data, (np.ndarray, np.generic)) and not isinstance(data, float):
        return dtypes.from_numpy_dtype(data.dtype)
    if isinstance(data, np.float64):
        return dtypes.float64
    if isinstance(data, PLAIN):
        return dtypes.scalar_dtype(data)
    if isinstance(data, (str, bytes)):
        raise TypeError(
            f"new(): invalid data type '{type(data).__name__}'; a tensor holds bools, integers or floats, no text"
        )
    if not is_sequence(data):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}; a tensor holds bools, integers or floats")
    kinds = set(map(type, data))
    found = [dtypes.scalar_dtype(kind()) for kind in PLAIN if kind in kinds]
    if not kinds.issubset(PLAIN):
        found += {inferred_dtype(x) for x in data if type(x) not in PLAIN}
    return functools.reduce(dtypes.promote_types, found) if found else dtypes.get_default_dtype()


def _collect(data: Any, shape: tuple[int, ...], level: int, leaves: list) -> None:
    """Append the numbers in row-major order; ValueError if a level is ragged."""
    if level == len(shape):
        leaves.append(data)
        return
    if not is_sequence(data):
        raise TypeError(f"not a sequence: {type(data).__name__} where a sequence of length {shape[level]} was expected")
    if len(data) != shape[level]:
        raise ValueError(f"expected sequence of length {shape[level]} at dim {level} (got {len(data)})")
    if level + 1 == len(shape):
        leaves.extend(data)
        return
    for part in data:
        _collect(part, shape, level + 1, leaves)


def _converted(leaves: list, dtype: np.dtype) -> np.ndarray:
    """The numbers as a vector of that dtype, each held to what `stored` holds it to."""
    kinds = set(map(type, leaves))
    whole = kinds <= {int, bool}
    if kinds <= set(PLAIN) and (dtype.kind in "fV" or whole or kinds == {float}):
        array = np.array(leaves)
        if dtype.kind in "fV":
            return _rounded(array.astype(np.float64), dtype)
        if array.dtype.kind != "O" and (dtype.kind == "b" or _all_fit(array, dtype)):
            return array.astype(dtype)
    if any(isinstance(x, Tensor) and x.requires_grad for x in leaves):
        warn_once(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior. Consider using "
            "tensor.detach() first."
        )
    values = [stored(to_numpy(x._array).item() if isinstance(x, Tensor) and _is_one(x, dtype) else x, dtype) for x in leaves]
    return _rounded(np.array(values, np.float64), dtype) if dtype.kind in "fV" else np.array(values, dtype)


def _is_one(x: Tensor, dtype: np.dtype) -> bool:
    """True if the tensor is a number that this dtype takes; an error if it is not."""
    if dtype.kind not in "iub" and x._array.size != 1:
        raise ValueError(f"only one element tensors can be converted to Python scalars, got one of shape {tuple(x.shape)}")
    if x._array.size != 1 or (dtype.kind in "iub" and x.is_floating_point()):
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return True


def _all_fit(array: np.ndarray, dtype: np.dtype) -> bool:
    """Whether an integer dtype holds all of these numbers (nan is held by none)."""
    lowest, highest = limits(dtype)
    if not array.size:
        return True
    least, most = array.min().item(), array.max().item()
    return bool(lowest <= least and most <= highest)


def _rounded(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float64 numbers in a float dtype; half precision by way of float32, as in torch."""
    return (array.astype(np.float32) if dtype.itemsize == 2 else array).astype(dtype, copy=False)
