"""How tensors were made before `tensor` and dtypes: `Tensor(2, 3)`, `FloatTensor([1.0])`, `x.new(3)`, and types by name.

A number stands for a size here, and only a sequence for data: `Tensor(3)` has three elements, which hold whatever was in memory.
Read next: `creation.py`, what to write instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import as_device, set_default_device
from ..arrays.dtypes import dtype as DType
from ..arrays.size import Size
from ..arrays.warning import warn_once


class OfDtype(type):
    """The type of `FloatTensor` and its kin: called, it makes a tensor of that dtype; and those of that dtype are its instances."""

    dtype: DType
    is_cuda: bool

    def __new__(cls, name: str, bases: tuple, members: dict[str, Any], is_cuda: bool = False) -> OfDtype:
        members["__module__"] = "minitorch.cuda" if is_cuda else "minitorch"
        return super().__new__(cls, name, bases, members | {"is_cuda": is_cuda})

    def __init__(cls, *declared: Any, is_cuda: bool = False) -> None:
        super().__init__(*declared)

    def __call__(cls, *data: Any, device: Any = None) -> Any:
        cls.check_available()
        return made(cls.dtype, data, "cuda" if cls.is_cuda and device is None else device)

    def __instancecheck__(cls, x: Any) -> bool:
        return hasattr(x, "_array") and x.dtype is cls.dtype and x.is_cuda == cls.is_cuda

    def check_available(cls) -> None:
        """TypeError for a type of GPU tensors where there is no GPU."""
        if cls.is_cuda:
            try:
                as_device("cuda")
            except RuntimeError as error:
                raise TypeError(f"type {cls.__module__}.{cls.__name__} not available: {error}") from None


def made(wanted: DType | None, data: tuple, device: Any = None) -> Any:
    """`FloatTensor(2, 3)`, of whatever was in memory; `FloatTensor([1, 2])`, of these numbers; `FloatTensor(x)`, an alias of x.

    wanted: its dtype; None stands for the default dtype, or that of x.
    """
    from ..ops.index import basic_index
    from .creation import empty
    from .reading import is_sequence, read_data
    from .tensor import Tensor

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


KINDS = (ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, BoolTensor, HalfTensor, BFloat16Tensor, FloatTensor,
         DoubleTensor)  # fmt: skip


def on_cuda(kind: OfDtype) -> OfDtype:
    """The type of the same tensors on a GPU: `minitorch.cuda.FloatTensor`."""
    members = {"dtype": kind.dtype, "__doc__": f"`cuda.{kind.__name__}(…)`: a tensor of {kind.dtype.name} on the GPU."}
    return OfDtype(kind.__name__, (), members, is_cuda=True)


ON_CUDA = {kind.__name__: on_cuda(kind) for kind in KINDS}


def type_name(x: Any) -> str:
    """`minitorch.FloatTensor`, or `minitorch.cuda.FloatTensor` on a GPU."""
    return f"minitorch.{'cuda.' if x.is_cuda else ''}{dtypes.SCALAR_NAMES[x.dtype.name]}Tensor"


def converted(x: Any, wanted: Any) -> Any:
    """x in the dtype, and if a class or its name says it on the device, that `wanted` stands for: `x.type("torch.FloatTensor")`."""
    if isinstance(wanted, DType):
        return x.to(wanted)
    kind = _kind(wanted)
    if kind is None:
        raise ValueError(f"invalid type: {getattr(wanted, '__name__', wanted)!r}; give a dtype, e.g. minitorch.float32")
    return x.to(device="cuda" if kind.is_cuda else "cpu", dtype=kind.dtype)


def set_default_tensor_type(t: Any, /) -> None:
    """`set_default_dtype` and `set_default_device` in one, as it was once said: of a class such as DoubleTensor, or its name."""
    _warn_that_it_is_deprecated()
    if isinstance(t, str) and "." not in t:
        raise ModuleNotFoundError(f"No module named {t!r}: say minitorch.{t}")
    kind = _kind(t) if isinstance(t, (str, OfDtype)) else None
    if kind is None:
        raise TypeError(f"invalid type object: only floating-point types are supported as the default type, got {t!r}")
    if not kind.dtype.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {t!r}")
    kind.check_available()
    dtypes.set_default_dtype(kind.dtype)
    set_default_device("cuda" if kind.is_cuda else None)


def _warn_that_it_is_deprecated() -> None:
    warn_once(
        "minitorch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use minitorch.set_default_dtype() and "
        "minitorch.set_default_device() as alternatives."
    )


def _kind(wanted: Any) -> OfDtype | None:
    """The class that a class or a name such as "torch.cuda.FloatTensor" stands for."""
    from .tensor import Tensor

    if wanted is Tensor:
        return next(kind for kind in KINDS if kind.dtype is dtypes.get_default_dtype())
    if isinstance(wanted, OfDtype):
        return wanted
    if not isinstance(wanted, (str, type)):
        raise TypeError(f"dtype must be a type, str, or dtype object, got {type(wanted).__name__}")
    library, _, name = wanted.rpartition(".") if isinstance(wanted, str) else ("", "", "")
    if library in ("minitorch.cuda", "torch.cuda"):
        return ON_CUDA.get(name)
    return next((kind for kind in KINDS if kind.__name__ == name), None) if library in ("minitorch", "torch") else None
