"""How a quantized tensor is made: q = clamp(round(x / s) + z). The formula itself is in `arrays/quantized.py`.

Read next: `methods/quantized.py`, what it is asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.quantized import (
    PerChannel,
    PerTensor,
    QArray,
    limits,
    per_channel_affine,
    per_channel_affine_float_qparams,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
    quantized,
)
from ..arrays.warning import warn_once
from ..op.signature import checked
from .tensor import Tensor

__all__ = [
    "dequantize", "int_repr", "per_channel_affine", "per_channel_affine_float_qparams", "per_channel_symmetric", "per_tensor_affine",
    "per_tensor_symmetric", "q_per_channel_axis", "q_per_channel_scales", "q_per_channel_zero_points", "q_scale", "q_zero_point",
    "quantize_per_channel", "quantize_per_tensor", "quantize_per_tensor_dynamic",
]  # fmt: skip


@checked
def quantize_per_tensor(input: Any, scale: Any, zero_point: Any, dtype: dtypes.dtype) -> Any:
    """The numbers as integers of `dtype` (quint8, qint8, qint32), all with one scale. Of a list of tensors: a tuple.

    >>> q = minitorch.quantize_per_tensor(minitorch.tensor([-1.0, 0.0, 0.26]), 0.5, 2, minitorch.quint8)
    >>> q.int_repr(), q.dequantize()
    (tensor([0, 2, 3], dtype=minitorch.uint8), tensor([-1.0000,  0.0000,  0.5000]))
    """
    if isinstance(input, (list, tuple)):
        return tuple(quantize_per_tensor(x, s, z, dtype) for x, s, z in zip(input, scale, zero_point, strict=True))
    array = _floats("quantize_per_tensor", input, dtype)
    params = PerTensor(float(scale), int(zero_point))
    _check_zero_point("quantize_tensor_per_tensor_affine", params.zero_point, dtype)
    _deprecated()
    return Tensor._wrap(quantized(array, params, dtype))


@checked
def quantize_per_channel(input: Tensor, scales: Tensor, zero_points: Tensor, axis: int, dtype: dtypes.dtype) -> Tensor:
    """The numbers as integers, with a scale and a zero point for each index of the dimension `axis`; floats may be zero points."""
    array = _floats("quantize_per_channel", input, dtype)
    if not 0 <= axis < array.ndim:
        raise RuntimeError(
            f"Channel axis out of range in per channel affine quantization. Got: {axis}Expected: [0, {array.ndim})"
        )
    if scales.ndim != 1 or zero_points.ndim != 1 or scales.numel() != zero_points.numel():
        raise RuntimeError(
            f"number of elements in scales and zero_points must match: both are vectors, got shapes {tuple(scales.shape)} and "
            f"{tuple(zero_points.shape)}"
        )
    if scales.numel() != array.shape[axis]:
        raise RuntimeError(f"length of scales must equal to channel, expected {array.shape[axis]} got, {scales.numel()}")
    floats = zero_points.dtype.is_floating_point
    params = PerChannel(
        scales.detach()._array.astype(np.float32 if floats else np.float64),
        zero_points.detach()._array.astype(np.float32 if floats else np.int64),
        axis,
    )
    for zero_point in () if floats else params.zero_points.tolist():
        _check_zero_point("quantize_tensor_per_channel_affine", zero_point, dtype)
    _deprecated()
    return Tensor._wrap(quantized(array, params, dtype))


@checked
def quantize_per_tensor_dynamic(input: Tensor, dtype: dtypes.dtype, reduce_range: bool) -> Tensor:
    """`quantize_per_tensor` with the scale and the zero point that the smallest and the largest number ask for.

    reduce_range: use half of the integers, so that the sums of products of some processors' instructions do not overflow.
    """
    from ..ops.quantized import chosen_for

    array = _floats("quantize_per_tensor_dynamic", input, dtype)
    _deprecated()
    return Tensor._wrap(quantized(array, chosen_for(array, dtype, reduce_range), dtype))


def _floats(name: str, input: Any, dtype: dtypes.dtype) -> np.ndarray:
    """The numbers to be quantized, which must be float32; the dtype must be a quantized one."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if isinstance(input._array, QArray):
        raise NotImplementedError(
            f"Could not run '{name}' with arguments from the 'QuantizedCPU' backend: it is quantized already"
        )
    if input.dtype is not dtypes.float32:
        name = dtypes.SCALAR_NAMES[input.dtype.name]
        raise RuntimeError(f"Quantize only works on Float Tensor, got {name}; convert it with .float()")
    if dtype.integers is None:
        raise RuntimeError(
            f"ScalarType {dtypes.SCALAR_NAMES[dtype.name]} is not supported in new_qtensor: choose quint8, qint8 or qint32"
        )
    if input.is_cuda:
        raise NotImplementedError(f"{name}: quantized tensors are on the CPU only; move it with .cpu()")
    return input.detach()._array


def _check_zero_point(name: str, zero_point: int, dtype: dtypes.dtype) -> None:
    low, high = limits(dtype)
    if zero_point > high:
        raise RuntimeError(f"{name} zero_point {zero_point} is above upper bound {high} of {dtype!r}.")
    if zero_point < low:
        raise RuntimeError(f"{name} zero_point {zero_point} is below lower bound {low} of {dtype!r}.")


def _deprecated() -> None:
    """torch's quantized tensors are to go, in favour of a package of their own; torch says so once in a process."""
    warn_once(
        "quantize_per_tensor, quantize_per_channel and other quantized tensor creation functions that produce tensors with dtype quint8, "
        "qint8, and qint32 are deprecated in torch and will be removed in a future release of it."
    )


# ---- methods as functions ----


@checked
def dequantize(input: Tensor) -> Tensor:
    """The numbers, in float32: (q − z) · s."""
    return input.dequantize()


@checked
def int_repr(input: Tensor) -> Tensor:
    """The integers, in a copy."""
    return input.int_repr()


@checked
def q_scale(input: Tensor) -> float:
    """The scale of a tensor with one."""
    return input.q_scale()


@checked
def q_zero_point(input: Tensor) -> int:
    """The zero point of a tensor with one."""
    return input.q_zero_point()


@checked
def q_per_channel_scales(input: Tensor) -> Tensor:
    """The scales, one for each channel."""
    return input.q_per_channel_scales()


@checked
def q_per_channel_zero_points(input: Tensor) -> Tensor:
    """The zero points, one for each channel."""
    return input.q_per_channel_zero_points()


@checked
def q_per_channel_axis(input: Tensor) -> int:
    """The dimension that the channels are."""
    return input.q_per_channel_axis()
