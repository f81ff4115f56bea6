"""`minitorch.ao.nn.quantized.functional`: functions of quantized tensors, with the scale of the result as an argument."""

from __future__ import annotations

from typing import Any

from minitorch.arrays.quantized import PerTensor, quantized
from minitorch.nn import functional as F
from minitorch.nn.modules.conv import _ntuple
from minitorch.ops import quantized as arithmetic
from minitorch.tensor import Tensor

from .modules.utils import array_of

__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "clamp", "conv1d", "conv2d", "conv3d", "elu", "hardswish", "hardtanh", "leaky_relu", "linear",
    "max_pool1d", "max_pool2d",
]  # fmt: skip


def linear(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, scale: float | None = None, zero_point: int | None = None
) -> Tensor:
    """x Wᵀ + b; without scale and zero point, with the input's."""
    out = _like_input(input, scale, zero_point)
    return Tensor._wrap(arithmetic.linear(input._array, weight._array, array_of(bias), out))


def _convolution(
    n: int, input: Tensor, weight: Tensor, bias: Tensor | None, steps: tuple, groups: int, out: PerTensor
) -> Tensor:
    each = tuple(_ntuple(step, n) for step in steps)
    return Tensor._wrap(arithmetic.convolution(input._array, weight._array, array_of(bias), out, each, groups))


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    padding_mode: str = "zeros", scale: float = 1.0, zero_point: int = 0, dtype: Any = None
) -> Tensor:  # fmt: skip
    """A convolution over one spatial dimension."""
    return _convolution(1, input, weight, bias, (stride, padding, dilation), groups, PerTensor(scale, zero_point))


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    padding_mode: str = "zeros", scale: float = 1.0, zero_point: int = 0, dtype: Any = None
) -> Tensor:  # fmt: skip
    """A convolution over two spatial dimensions."""
    return _convolution(2, input, weight, bias, (stride, padding, dilation), groups, PerTensor(scale, zero_point))


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    padding_mode: str = "zeros", scale: float = 1.0, zero_point: int = 0, dtype: Any = None
) -> Tensor:  # fmt: skip
    """A convolution over three spatial dimensions."""
    return _convolution(3, input, weight, bias, (stride, padding, dilation), groups, PerTensor(scale, zero_point))


def _like_input(input: Tensor, scale: float | None, zero_point: int | None) -> PerTensor:
    return PerTensor(input.q_scale() if scale is None else scale, input.q_zero_point() if zero_point is None else zero_point)


def _through_numbers(function: Any, input: Tensor, scale: float, zero_point: int, *options: Any) -> Tensor:
    numbers = function(input.dequantize(), *options)
    return Tensor._wrap(quantized(numbers._array, PerTensor(scale, zero_point), input.dtype))


def elu(input: Tensor, scale: float, zero_point: int, alpha: float = 1.0) -> Tensor:
    """ELU, with a scale for the result."""
    return _through_numbers(F.elu, input, scale, zero_point, alpha)


def hardswish(input: Tensor, scale: float, zero_point: int) -> Tensor:
    """hardswish, with a scale for the result."""
    return _through_numbers(F.hardswish, input, scale, zero_point)


def leaky_relu(
    input: Tensor,
    negative_slope: float = 0.01,
    inplace: bool = False,
    scale: float | None = None,
    zero_point: int | None = None,
) -> Tensor:
    """LeakyReLU; without scale and zero point, with the input's."""
    return _through_numbers(F.leaky_relu, input, *_like_input(input, scale, zero_point), negative_slope)


def clamp(input: Tensor, min_: float, max_: float) -> Tensor:
    """The numbers moved into [min_, max_], on the integers."""
    return input.clamp(min_, max_)


hardtanh, max_pool1d, max_pool2d = F.hardtanh, F.max_pool1d, F.max_pool2d
avg_pool2d, adaptive_avg_pool2d = F.avg_pool2d, F.adaptive_avg_pool2d
