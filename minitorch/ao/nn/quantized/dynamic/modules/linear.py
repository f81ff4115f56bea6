"""A linear layer with a weight of 8 bits that takes floats and gives floats.

Each time, the input is quantized with the scale that suits it, the sums are of integers, and the output is floats. So nothing need be
calibrated; it pays where reading the weight takes longer than computing with it. Read next: `rnn.py`.
"""

from __future__ import annotations

from typing import Any

import minitorch
from minitorch import nn
from minitorch.ao.nn import intrinsic as nni
from minitorch.nn import functional as F
from minitorch.ops.quantized import linear_dynamic
from minitorch.tensor import Tensor

from ...modules.linear import Linear as StaticLinear
from ...modules.utils import _quantize_weight, array_of, refuse_unless

__all__ = ["Linear"]


class Linear(StaticLinear):
    """y = x Wᵀ + b of floats (…, in_features), with W of qint8 (or rounded to float16)."""

    _version = 4

    def _get_name(self) -> str:
        return "DynamicQuantizedLinear"

    def extra_repr(self) -> str:
        dtype = self._packed_params.dtype
        words = f"in_features={self.in_features}, out_features={self.out_features}, dtype={dtype}"
        return words + f", qscheme={self.weight().qscheme()}" if dtype is minitorch.qint8 else words

    def forward(self, x: Tensor) -> Tensor:
        """The output, in the dtype of the input."""
        weight, bias = self._weight_bias()
        if self._packed_params.dtype is minitorch.float16:
            out = F.linear(x.float(), weight, None if bias is None else bias.detach())
        else:
            _check_floats(x)
            out = Tensor._wrap(linear_dynamic(x.detach()._array, weight._array, array_of(bias)))
        return self._finished(out.to(x.dtype))

    def _finished(self, out: Tensor) -> Tensor:
        return out.relu() if self.relu else out

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a float one: its weight is looked at, and that is all."""
        refuse_unless(
            isinstance(mod, nn.Linear) or type(mod) is nni.LinearReLU,
            f"nn.quantized.dynamic.Linear.from_float only works for Linear and LinearReLU, got {type(mod)}",
        )
        refuse_unless(hasattr(mod, "qconfig"), "Input float module must have qconfig defined")
        observer = mod.qconfig.weight()
        layer = mod[0] if type(mod) is nni.LinearReLU else mod
        refuse_unless(
            observer.dtype in (minitorch.qint8, minitorch.float16),
            f"The only supported dtypes for dynamic quantized linear are qint8 and float16, got: {observer.dtype!r}",
        )
        observer(layer.weight)
        made = cls(layer.in_features, layer.out_features, dtype=observer.dtype)
        weight = (
            layer.weight.float() if observer.dtype is minitorch.float16 else _quantize_weight(layer.weight.float(), observer)
        )
        made.set_weight_bias(weight, None if layer.bias is None else layer.bias.detach())
        return made


def _check_floats(x: Tensor) -> None:
    """RuntimeError for what is no float32."""
    if x.dtype is not minitorch.float32:
        raise RuntimeError(
            f"expected scalar type Float but found {x.dtype!r}: a dynamically quantized layer takes float32, and quantizes it itself"
        )
