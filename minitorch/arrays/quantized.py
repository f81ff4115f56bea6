"""Arrays of quantized numbers: small integers, and what they stand for.

An integer q stands for the number  x = (q − z) · s.  The scale s is the step from one number to the next, and the zero point z is the
integer that stands for 0, exactly. So the way there is  q = round(x / s + z), cut off at the ends of the dtype; x comes back with an
error of s/2 at most, unless it was cut off.

A `QArray` is no NumPy array, and refuses to become one: no op computes with the bare integers by accident. Which ops take it, and what
they do, stands in `op/quantized.py`. Read next: `ops/quantized.py`, the arithmetic of layers.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import numpy as np

from .dtypes import dtype, quint8

f32 = np.float32


class qscheme:
    """How the numbers of a tensor share scales: `minitorch.per_tensor_affine` and its kin."""

    __module__ = "minitorch"  # where users find it

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"minitorch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


per_tensor_affine = qscheme("per_tensor_affine")
per_channel_affine = qscheme("per_channel_affine")
per_tensor_symmetric = qscheme("per_tensor_symmetric")  # the zero point is the middle: 0 for signed integers
per_channel_symmetric = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams = qscheme("per_channel_affine_float_qparams")  # zero points are floats: for embeddings
SCHEMES = (
    per_tensor_affine, per_channel_affine, per_tensor_symmetric, per_channel_symmetric, per_channel_affine_float_qparams,
)  # fmt: skip


class PerTensor(NamedTuple):
    """One scale and one zero point for all numbers."""

    scale: float
    zero_point: int

    @property
    def scheme(self) -> qscheme:
        """How the numbers share the scale."""
        return per_tensor_affine

    def along(self, ndim: int) -> tuple[Any, Any]:
        """Scale and zero point as they are computed with."""
        return f32(self.scale), self.zero_point


class PerChannel:
    """A scale and a zero point for each index of the dimension `axis`: float64 and int64, or both float32 with float zero points."""

    def __init__(self, scales: np.ndarray, zero_points: np.ndarray, axis: int) -> None:
        self.scales, self.zero_points, self.axis = scales, zero_points, axis

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PerChannel)
            and self.axis == other.axis
            and np.array_equal(self.scales, other.scales)
            and np.array_equal(self.zero_points, other.zero_points)
        )

    @property
    def scheme(self) -> qscheme:
        """Floats for zero points are a scheme of their own."""
        return per_channel_affine_float_qparams if self.zero_points.dtype.kind == "f" else per_channel_affine

    def along(self, ndim: int) -> tuple[Any, Any]:
        """Scales and zero points, shaped so that they broadcast over an array of `ndim` dimensions."""
        shape = [1] * ndim
        shape[self.axis] = -1
        return self.scales.astype(f32).reshape(shape), self.zero_points.reshape(shape)


Params = PerTensor | PerChannel


class QArray:
    """Integers, and the scale and zero point that say what they stand for."""

    __slots__ = ("dtype", "integers", "params")
    __array_ufunc__ = None  # an operator with a NumPy array on its left comes here, where there is none

    def __init__(self, integers: np.ndarray, params: Params, dtype: dtype) -> None:
        self.integers, self.params, self.dtype = integers, params, dtype

    shape = property(lambda self: self.integers.shape)
    ndim = property(lambda self: self.integers.ndim)
    size = property(lambda self: self.integers.size)
    strides = property(lambda self: self.integers.strides)
    itemsize = property(lambda self: self.integers.itemsize)
    nbytes = property(lambda self: self.integers.nbytes)
    flags = property(lambda self: self.integers.flags)
    base = property(lambda self: self.integers.base)
    ctypes = property(lambda self: self.integers.ctypes)  # where it lies

    def like(self, integers: np.ndarray) -> QArray:
        """Other integers that stand for numbers in the same way."""
        return QArray(np.asarray(integers), self.params, self.dtype)

    def dequantized(self) -> np.ndarray:
        """The numbers, in float32:  (q − z) · s."""
        scale, zero_point = self.params.along(self.ndim)
        return np.asarray((self.integers.astype(f32) - np.asarray(zero_point, f32)) * scale)

    def copy(self, order: Any = "C") -> QArray:
        """The same numbers in memory of their own."""
        return self.like(self.integers.copy(order))

    def __len__(self) -> int:
        return len(self.integers)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write other quantized numbers into it: they must be of the same scale and zero point."""
        if not isinstance(value, QArray) or value.params != self.params or value.dtype is not self.dtype:
            self.get()
        self.integers[key] = value.integers

    def get(self, *dtype: Any, **options: Any) -> NoReturn:
        """What would make an array of it."""
        raise RuntimeError(
            "a quantized tensor is not computed with as it is, for its integers are not its numbers: dequantize() gives the numbers, "
            "int_repr() the integers"
        )

    __array__ = __int__ = __float__ = __index__ = __bool__ = item = tolist = __getitem__ = get


def limits(dtype: dtype) -> tuple[int, int]:
    """The smallest and the largest integer of a quantized dtype."""
    info = np.iinfo(dtype.integers)  # type: ignore[type-var]
    return int(info.min), int(info.max)


def quantized(x: np.ndarray, params: Params, dtype: dtype = quint8) -> QArray:
    """The numbers as integers:  clamp(round(x / s + z)).  A tie goes to the even integer.

    The scale is inverted in float32, as in torch's kernels. The one for a single scale multiplies and adds z in one rounding, which float64
    gives too; the one for channels rounds the product first.
    """
    low, high = limits(dtype)
    scale, zero_point = params.along(x.ndim)
    with np.errstate(all="ignore"):
        inverse = f32(1) / scale
        if isinstance(params, PerTensor):
            places = np.rint((x.astype(np.float64) * np.float64(inverse) + zero_point).astype(f32))
        else:
            places = np.rint(x * inverse + np.asarray(zero_point, f32))
        places = np.where(np.isnan(places), high, places)  # torch's kernels make the largest integer of nan
    return QArray(np.clip(places.astype(np.float64), low, high).astype(dtype.integers), params, dtype)


ENGINES = ("qnnpack", "onednn", "x86", "fbgemm")


class _State:
    """Which of torch's kernels layers compute the numbers of: `minitorch.backends.quantized.engine` sets it."""

    engine = "x86"


state = _State()


def integers_of(array: Any) -> Any:
    """The integers of a quantized array; any other array as it is."""
    return array.integers if isinstance(array, QArray) else array
