"""Activations and norms of quantized tensors. What is no comparison computes with the numbers and quantizes the result.

torch's kernels compute some of these in another order, so that an integer may differ by one. Read next: `linear.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch
from minitorch import nn
from minitorch.arrays.quantized import PerTensor, quantized
from minitorch.nn import functional as F
from minitorch.ops.quantized import batch_norm
from minitorch.tensor import Tensor

from .utils import output_params

__all__ = [
    "BatchNorm2d", "BatchNorm3d", "Dropout", "ELU", "GroupNorm", "Hardswish", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d",
    "LayerNorm", "LeakyReLU", "ReLU6", "Sigmoid",
]  # fmt: skip


class ReLU6(nn.ReLU):
    """min(max(x, 0), 6), on the integers"""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace)

    def forward(self, input: Tensor) -> Tensor:
        """The output, quantized as the input is."""
        return F.hardtanh(input, 0.0, 6.0, self.inplace)

    def _get_name(self) -> str:
        return "QuantizedReLU6"

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> ReLU6:
        """The same layer."""
        return ReLU6(mod.inplace)


class Dropout(nn.Dropout):
    """x itself: a quantized model is not trained"""

    def forward(self, input: Tensor) -> Tensor:
        """The input."""
        return input

    def _get_name(self) -> str:
        return "QuantizedDropout"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Dropout:
        """The layer."""
        return cls(mod.p, mod.inplace)


class _ThroughNumbers(nn.Module):
    """A layer whose output has a scale of its own: it computes as its float class does, and quantizes.

    `takes`: which of the float layer's attributes its constructor takes.
    """

    takes: tuple[str, ...] = ()
    scale: Tensor
    zero_point: Tensor

    def _quantize_to(self, scale: float, zero_point: int) -> None:
        self.register_buffer("scale", minitorch.tensor(scale))
        self.register_buffer("zero_point", minitorch.tensor(zero_point))

    def forward(self, input: Tensor) -> Tensor:
        """The output, quantized."""
        numbers = super().forward(input.dequantize())
        params = PerTensor(float(self.scale), int(self.zero_point))
        return Tensor._wrap(quantized(numbers.detach()._array, params, input.dtype))

    def _get_name(self) -> str:
        return f"Quantized{type(self).__name__}"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a float one that was observed."""
        scale, zero_point = output_params(mod.activation_post_process)
        made = cls.__new__(cls)
        kind: Any = next(base for base in cls.__mro__ if base.__module__.startswith("minitorch.nn."))
        kind.__init__(made, *(getattr(mod, name) for name in cls.takes))
        made._quantize_to(scale, zero_point)
        for name, parameter in mod.named_parameters(recurse=False):
            setattr(made, name, parameter)
        return made


class Hardswish(_ThroughNumbers, nn.Hardswish):
    """hardswish, with a scale of its own"""

    def __init__(self, scale: float, zero_point: int, device: Any = None, dtype: Any = None) -> None:
        nn.Hardswish.__init__(self)
        self._quantize_to(scale, zero_point)


class ELU(_ThroughNumbers, nn.ELU):
    """ELU, with a scale of its own"""

    takes = ("alpha",)

    def __init__(self, scale: float, zero_point: int, alpha: float = 1.0) -> None:
        nn.ELU.__init__(self, alpha)
        self._quantize_to(scale, zero_point)


class LeakyReLU(_ThroughNumbers, nn.LeakyReLU):
    """LeakyReLU, with a scale of its own"""

    takes = ("negative_slope", "inplace")

    def __init__(
        self,
        scale: float,
        zero_point: int,
        negative_slope: float = 1e-2,
        inplace: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        nn.LeakyReLU.__init__(self, negative_slope, inplace)
        self._quantize_to(scale, zero_point)


class Sigmoid(_ThroughNumbers, nn.Sigmoid):
    """The sigmoid, with a scale of its own"""

    def __init__(self, output_scale: float, output_zero_point: int) -> None:
        nn.Sigmoid.__init__(self)
        self._quantize_to(output_scale, output_zero_point)


class LayerNorm(_ThroughNumbers, nn.LayerNorm):
    """Layer norm, with a scale of its own"""

    takes = ("normalized_shape", "eps", "elementwise_affine")


class GroupNorm(_ThroughNumbers, nn.GroupNorm):
    """Group norm, with a scale of its own"""

    takes = ("num_groups", "num_channels", "eps", "affine")


class InstanceNorm1d(_ThroughNumbers, nn.InstanceNorm1d):
    """Instance norm, with a scale of its own"""

    takes = ("num_features", "eps", "momentum", "affine", "track_running_stats")


class InstanceNorm2d(_ThroughNumbers, nn.InstanceNorm2d):
    """Instance norm, with a scale of its own"""

    takes = InstanceNorm1d.takes


class InstanceNorm3d(_ThroughNumbers, nn.InstanceNorm3d):
    """Instance norm, with a scale of its own"""

    takes = InstanceNorm1d.takes


class _BatchNorm:
    """Batch norm by its running statistics: one factor and one shift for each channel, which take integers to integers."""

    relu = False

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(num_features, eps, momentum, device=device, dtype=dtype)  # type: ignore[call-arg]
        self.register_buffer("scale", minitorch.tensor(1.0))  # type: ignore[attr-defined]
        self.register_buffer("zero_point", minitorch.tensor(0))  # type: ignore[attr-defined]

    def forward(self: Any, input: Tensor) -> Tensor:
        """The output, quantized."""
        arrays = [
            x.detach()._array.astype(np.float32) for x in (self.weight, self.bias, self.running_mean, self.running_var)
        ]
        out = PerTensor(float(self.scale), int(self.zero_point))
        return Tensor._wrap(batch_norm(input._array, arrays, self.eps, out, self.relu))

    def _get_name(self) -> str:
        return f"Quantized{type(self).__name__}"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a float one that was observed."""
        scale, zero_point = output_params(mod.activation_post_process)
        bn = mod if isinstance(mod, (nn.BatchNorm2d, nn.BatchNorm3d)) else mod[0]
        made: Any = cls(bn.num_features, bn.eps)
        made.weight, made.bias = bn.weight, bn.bias
        made.running_mean, made.running_var = bn.running_mean, bn.running_var
        made.scale, made.zero_point = minitorch.tensor(scale), minitorch.tensor(zero_point)
        return made


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """Batch norm of quantized images (N, C, H, W) by running statistics"""


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    """Batch norm of quantized volumes (N, C, D, H, W) by running statistics"""
