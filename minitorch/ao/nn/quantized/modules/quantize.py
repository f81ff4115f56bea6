"""The two ends of what is quantized in a model: from floats to integers, and back."""

from __future__ import annotations

from typing import Any

import minitorch
from minitorch.arrays.quantized import PerTensor, quantized
from minitorch.nn import Module
from minitorch.tensor import Tensor
from minitorch.tensor.quantizing import _floats

from .utils import output_params

__all__ = ["DeQuantize", "Quantize"]


class Quantize(Module):
    """Quantizes what comes in. A QuantStub becomes one, with the scale that its observer found."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, scale: float, zero_point: int, dtype: Any, factory_kwargs: dict | None = None) -> None:
        super().__init__()
        self.register_buffer("scale", minitorch.tensor([scale], **(factory_kwargs or {})))
        self.register_buffer("zero_point", minitorch.tensor([zero_point], dtype=minitorch.int64))
        self.dtype = dtype

    def forward(self, X: Tensor) -> Tensor:
        """X, quantized."""
        array = _floats("Quantize", X, self.dtype)
        return Tensor._wrap(quantized(array, PerTensor(float(self.scale), int(self.zero_point)), self.dtype))

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> Quantize:
        """The one of a QuantStub that was observed."""
        if not hasattr(mod, "activation_post_process"):
            raise AssertionError(
                f"Module {type(mod).__name__} must have activation_post_process attribute: prepare() the model first"
            )
        return Quantize(*output_params(mod.activation_post_process), mod.activation_post_process.dtype)

    def extra_repr(self) -> str:
        return f"scale={self.scale}, zero_point={self.zero_point}, dtype={self.dtype}"


class DeQuantize(Module):
    """Gives the numbers of what comes in."""

    def forward(self, Xq: Tensor) -> Tensor:
        """The numbers, in float32."""
        return Xq.dequantize()

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> DeQuantize:
        """The one of a DeQuantStub."""
        return DeQuantize()
