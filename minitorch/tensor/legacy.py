"""How tensors were made before `tensor` and dtypes: `Tensor(2, 3)`, `FloatTensor([1.0])`, `x.new(3)`, and types by name.

A number stands for a size here, and only a sequence for data: `Tensor(3)` has three elements, which hold whatever was in memory.
Read next: `creation.py`, what to write instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import as_device
from ..arrays.dtypes import dtype as DType


class OfDtype(type):
    """The type of `FloatTensor` and its kin: called, it makes a tensor of that dtype; and those of that dtype are its instances."""

    dtype: DType

    def __call__(cls, *data: Any, device: Any = None) -> Any:
        return made(cls.dtype, data, device)

    def __instancecheck__(cls, x: Any) -> bool:
        return hasattr(x, "_array") and x.dtype is cls.dtype and x.is_cpu


def made(wanted: DType | None, data: tuple, device: Any = None) -> Any:
    """`FloatTensor(2, 3)`, of whatever was in memory; `FloatTensor([1, 2])`, of these numbers; `FloatTensor(x)`, an alias of x.

    wanted: its dtype; None stands for the default dtype, or that of x.
    """
    from ..ops.index import basic_index
    from .creation import empty
    from .reading import is_sequence, read_data
    from .tensor import Size, Tensor

    only = data[0] if len(data) == 1 else None
    if isinstance(only, Tensor):
        if wanted not in (None, only.dtype):
            raise TypeError(f"expected a tensor of dtype {wanted!r}, got {only.dtype!r}; convert it with .to(dtype)")
        return basic_index(only, (Ellipsis,))
    dtype = wanted or dtypes.get_default_dtype()
    if not data:
        return empty(0, dtype=dtype, device=device)
    if isinstance(only, Size) or all(_is_size(n) for n in data):
        return empty(*data, dtype=dtype, device=device)
    if len(data) > 1:
        wrong = next(i for i, n in enumerate(data, start=1) if not _is_size(n))
        raise TypeError(f"new(): argument 'size' must be ints, but found {type(data[wrong - 1]).__name__} at pos {wrong}")
    if (not is_sequence(only) and not hasattr(only, "__array__")) or isinstance(only, np.generic):
        raise TypeError(f"new(): data must be a sequence (got {type(only).__name__})")
    return Tensor._wrap(as_device(device).xp.asarray(read_data(only, dtype)))


def _is_size(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool)


class ByteTensor(metaclass=OfDtype):
    """`ByteTensor(…)`: a tensor of uint8."""

    dtype = dtypes.uint8


class CharTensor(metaclass=OfDtype):
    """`CharTensor(…)`: a tensor of int8."""

    dtype = dtypes.int8


class ShortTensor(metaclass=OfDtype):
    """`ShortTensor(…)`: a tensor of int16."""

    dtype = dtypes.int16


class IntTensor(metaclass=OfDtype):
    """`IntTensor(…)`: a tensor of int32."""

    dtype = dtypes.int32


class LongTensor(metaclass=OfDtype):
    """`LongTensor(…)`: a tensor of int64."""

    dtype = dtypes.int64


class BoolTensor(metaclass=OfDtype):
    """`BoolTensor(…)`: a tensor of bools."""

    dtype = dtypes.bool_


class HalfTensor(metaclass=OfDtype):
    """`HalfTensor(…)`: a tensor of float16."""

    dtype = dtypes.float16


class BFloat16Tensor(metaclass=OfDtype):
    """`BFloat16Tensor(…)`: a tensor of bfloat16."""

    dtype = dtypes.bfloat16


class FloatTensor(metaclass=OfDtype):
    """`FloatTensor(…)`: a tensor of float32."""

    dtype = dtypes.float32


class DoubleTensor(metaclass=OfDtype):
    """`DoubleTensor(…)`: a tensor of float64."""

    dtype = dtypes.float64


def type_name(x: Any) -> str:
    """`minitorch.FloatTensor`, or `minitorch.cuda.FloatTensor` on a GPU."""
    return f"minitorch.{'cuda.' if x.is_cuda else ''}{dtypes.SCALAR_NAMES[x.dtype.name]}Tensor"


def dtype_of(kind: Any) -> DType:
    """The dtype that a dtype, a class such as FloatTensor, or the name of one stands for; ValueError if it stands for none."""
    from .tensor import Tensor

    if kind is Tensor:
        return dtypes.get_default_dtype()
    if isinstance(kind, (DType, OfDtype)):
        return kind if isinstance(kind, DType) else kind.dtype
    library, _, name = kind.rpartition(".") if isinstance(kind, str) else ("", "", "")
    scalars = {f"{scalar}Tensor": name for name, scalar in dtypes.SCALAR_NAMES.items()}
    if library not in ("minitorch", "torch") or name not in scalars:
        raise ValueError(f"invalid type: {getattr(kind, '__name__', kind)!r}; give a dtype, e.g. minitorch.float32")
    return dtypes.from_numpy_dtype(scalars[name])
