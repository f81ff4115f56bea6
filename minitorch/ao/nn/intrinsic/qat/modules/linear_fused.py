"""Linear layers with a ReLU or a batch norm, their weights rounded. Read next: `conv_fused.py`, which tells the idea."""

from __future__ import annotations

from typing import Any, ClassVar

import minitorch
from minitorch import nn
from minitorch.ao.nn import intrinsic as nni
from minitorch.ao.nn.qat.modules.layers import Linear
from minitorch.nn import functional as F
from minitorch.nn.utils.fusion import fuse_linear_bn_weights
from minitorch.tensor import Tensor

from .conv_fused import FreezesItsNorm

__all__ = ["LinearBn1d", "LinearReLU"]


class LinearReLU(Linear):
    """max(x W'ᵀ + b, 0), W' the rounded weight"""

    _FLOAT_MODULE: ClassVar[Any] = nni.LinearReLU

    def forward(self, input: Tensor) -> Tensor:
        """The output, in floats."""
        return super().forward(input).relu()


class LinearBn1d(FreezesItsNorm, Linear):
    """bn(x Wᵀ + b) with the folded weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.LinearBn1d

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        eps: float = 1e-05,
        momentum: float = 0.1,
        freeze_bn: bool = False,
        qconfig: Any = None,
    ) -> None:
        Linear.__init__(self, in_features, out_features, bias, qconfig)
        self._norm_by(nn.BatchNorm1d(out_features, eps, momentum), freeze_bn)

    def forward(self, input: Tensor) -> Tensor:
        """The output, in floats."""
        factor = self.bn.weight / minitorch.sqrt(self.bn.running_var + self.bn.eps)
        y = F.linear(input, self.weight_fake_quant(self.weight * factor.reshape(-1, 1))) / factor
        return self.bn(y if self.bias is None else y + self.bias)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The layer of a fused float one, with its parameters and statistics themselves."""
        linear, bn = cls._checked(mod), mod[1]
        made = cls(linear.in_features, linear.out_features, linear.bias is not None, bn.eps, bn.momentum, False, mod.qconfig)
        made.weight, made.bias = linear.weight, linear.bias
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(made.bn, name, getattr(bn, name))
        return made

    def to_float(self) -> Any:
        """The float layer with the batch norm folded into it."""
        made, bn = super().to_float(), self.bn
        made.weight, made.bias = fuse_linear_bn_weights(
            made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
        )
        return made
