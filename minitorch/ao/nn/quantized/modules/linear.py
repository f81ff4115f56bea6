"""A linear layer of integers: y = x Wᵀ + b, where x, W and y are quantized. The arithmetic is in `../../../../ops/quantized.py`.

Read next: `conv.py`; `../dynamic/modules/linear.py`, whose input and output are floats.
"""

from __future__ import annotations

from typing import Any, ClassVar

import minitorch
from minitorch import nn
from minitorch.ao.nn.intrinsic import LinearReLU
from minitorch.nn.modules.linear import NonDynamicallyQuantizableLinear
from minitorch.nn.utils.fusion import fuse_linear_bn_weights
from minitorch.ops.quantized import linear
from minitorch.tensor import Tensor

from .utils import (
    KeepsMore,
    WeightedQuantizedModule,
    _quantize_weight,
    array_of,
    check_weight,
    empty_weight,
    output_params,
    refuse_unless,
)

__all__ = ["Linear", "LinearPackedParams"]


class LinearPackedParams(KeepsMore):
    """The weight and the bias of a quantized linear layer: in torch packed for the processor, here as they are."""

    _version = 3

    def __init__(self, dtype: Any = minitorch.qint8) -> None:
        super().__init__()
        self.dtype = dtype
        self.set_weight_bias(empty_weight(1, 1) if dtype is minitorch.qint8 else minitorch.zeros(1, 1), None)

    def set_weight_bias(self, weight: Tensor, bias: Tensor | None) -> None:
        """Take these; the weight of qint8, or floats for a layer of float16, which are rounded to it."""
        if self.dtype is minitorch.qint8:
            check_weight(weight, "quantized linear layer")
        elif self.dtype is minitorch.float16:
            weight = weight.detach().half().float()
        else:
            raise RuntimeError(f"Unsupported dtype on dynamic quantized linear! It is qint8 or float16, got {self.dtype!r}")
        self._weight_and_bias = weight, bias

    def _weight_bias(self) -> tuple[Tensor, Tensor | None]:
        return self._weight_and_bias

    def forward(self, x: Tensor) -> Tensor:
        """x itself."""
        return x

    def _more_state(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "_packed_params": self._weight_bias()}

    def _take_state(self, given: dict[str, Any]) -> None:
        weight, bias = given["_packed_params"]
        before, self.dtype = self.dtype, given["dtype"]
        try:
            self.set_weight_bias(weight, bias)
        except RuntimeError:
            self.dtype = before
            raise

    def __repr__(self) -> str:
        return repr(self._weight_bias())


class Linear(WeightedQuantizedModule):
    """y = x Wᵀ + b of quantized tensors (…, in_features) → (…, out_features), with a scale and a zero point of its own for y."""

    _version = 3
    _FLOAT_MODULE: ClassVar[Any] = (nn.Linear, NonDynamicallyQuantizableLinear)
    relu = False

    def __init__(self, in_features: int, out_features: int, bias_: bool = True, dtype: Any = minitorch.qint8) -> None:
        super().__init__()
        if dtype not in (minitorch.qint8, minitorch.float16):
            raise RuntimeError(f"Unsupported dtype specified for quantized Linear! It is qint8 or float16, got {dtype!r}")
        self.in_features, self.out_features = in_features, out_features
        shape = out_features, in_features
        self._packed_params = LinearPackedParams(dtype)
        self._packed_params.set_weight_bias(
            empty_weight(*shape) if dtype is minitorch.qint8 else minitorch.zeros(shape),
            minitorch.zeros(out_features) if bias_ else None,
        )
        self.scale, self.zero_point = 1.0, 0

    def _get_name(self) -> str:
        return "QuantizedLinear"

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, scale={self.scale}, zero_point={self.zero_point}, "
            f"qscheme={self.weight().qscheme()}"
        )

    def __repr__(self) -> str:
        return f"{self._get_name()}({self.extra_repr()})"

    def forward(self, x: Tensor) -> Tensor:
        """The output, quantized."""
        weight, bias = self._weight_bias()
        return Tensor._wrap(linear(x._array, weight._array, array_of(bias), self._params(), self.relu))

    def _weight_bias(self) -> tuple[Tensor, Tensor | None]:
        return self._packed_params._weight_bias()

    def weight(self) -> Tensor:
        """The quantized weight."""
        return self._weight_bias()[0]

    def bias(self) -> Tensor | None:
        """The bias, in float32."""
        return self._weight_bias()[1]

    def set_weight_bias(self, w: Tensor, b: Tensor | None) -> None:
        """Take another weight and bias."""
        self._packed_params.set_weight_bias(w, b)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Linear:
        """The quantized layer of a float one that was observed, or trained with fake quantization.

        use_precomputed_fake_quant: take the scales that a fake quantizer has, without another look at the weight.
        """
        observer = mod.activation_post_process if hasattr(mod, "activation_post_process") else None
        weight, bias = (mod[0] if type(mod) is LinearReLU else mod).weight, (mod[0] if type(mod) is LinearReLU else mod).bias
        if hasattr(mod, "weight_fake_quant"):
            if hasattr(mod, "bn"):
                bn = mod.bn
                weight, bias = fuse_linear_bn_weights(
                    weight, bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
                )
            of_weight = mod.weight_fake_quant
        else:
            kinds = cls._FLOAT_MODULE if isinstance(cls._FLOAT_MODULE, tuple) else (cls._FLOAT_MODULE,)
            names = ", ".join(kind.__name__ for kind in kinds)
            refuse_unless(type(mod) in kinds, f"nnq.{cls.__name__}.from_float only works for {names}, but got: {type(mod)}")
            refuse_unless(hasattr(mod, "qconfig"), "Input float module must have qconfig defined")
            of_weight = mod.qconfig.weight()
        refuse_unless(
            observer is not None,
            f"nnq.{cls.__name__}.from_float: the module has no observer; prepare() the model, and let it see data",
        )
        if not use_precomputed_fake_quant:
            of_weight(weight)
        refuse_unless(of_weight.dtype is minitorch.qint8, f"Weight observer must have dtype qint8, got {of_weight.dtype!r}")
        made = cls(weight.shape[1], weight.shape[0])
        made.set_weight_bias(_quantize_weight(weight.float(), of_weight), None if bias is None else bias.detach())
        made.scale, made.zero_point = output_params(observer)
        return made
