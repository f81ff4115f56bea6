"""Convolutions with a batch norm, trained so that the *folded* weight is rounded: the one that will be quantized in the end.

In evaluation, bn(conv(x)) is the convolution with the weight W γ/σ, σ = √(running var + ε) (`../../../../../nn/utils/fusion.py`). It is that
weight whose rounding must be learned to be stood. So the layer computes

    y = conv(x, round(W γ/σ)) · σ/γ + b,      out = bn(y)

divides the factor out again, and lets the batch norm do what it does: with the statistics of the batch, or, once they are frozen, with
the running ones (Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only inference").
"""

from __future__ import annotations

from typing import Any, ClassVar

import minitorch
from minitorch import nn
from minitorch.ao.nn import intrinsic as nni
from minitorch.ao.nn.qat.modules.layers import CONV_OPTIONS, Conv1d, Conv2d, Conv3d
from minitorch.nn.utils.fusion import fuse_conv_bn_weights
from minitorch.tensor import Tensor

__all__ = [
    "ConvBn1d", "ConvBn2d", "ConvBn3d", "ConvBnReLU1d", "ConvBnReLU2d", "ConvBnReLU3d", "ConvReLU1d", "ConvReLU2d", "ConvReLU3d",
    "freeze_bn_stats", "update_bn_stats",
]  # fmt: skip

NORMS: dict[int, Any] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class FreezesItsNorm(nn.Module):
    """A layer with a batch norm, whose statistics move or are frozen, whatever `train()` says."""

    freeze_bn = False
    bn: Any

    def _norm_by(self, bn: Any, freeze_bn: bool) -> None:
        rounding = self._modules.pop("weight_fake_quant")
        self.bn, self.weight_fake_quant = bn, rounding  # in a state dict the batch norm comes first
        self.freeze_bn_stats() if freeze_bn or not self.training else self.update_bn_stats()

    def update_bn_stats(self) -> Any:
        """Normalize by the statistics of the batch, and let the running ones move."""
        self.freeze_bn = False
        self.bn.training = True
        return self

    def freeze_bn_stats(self) -> Any:
        """Normalize by the running statistics, as they are."""
        self.freeze_bn = True
        self.bn.training = False
        return self

    def reset_running_stats(self) -> None:
        """The running statistics of a new batch norm."""
        self.bn.reset_running_stats()

    def train(self, mode: bool = True) -> Any:
        """Training or evaluation; a frozen batch norm stays in evaluation."""
        self.training = mode
        if not self.freeze_bn:
            for module in self.children():
                module.train(mode)
        return self


class _ConvBn(FreezesItsNorm):
    """What all of them are."""

    _version = 2
    _FLOAT_MODULE: ClassVar[Any] = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: Any = None,
        padding_mode: str = "zeros",
        eps: float = 1e-05,
        momentum: float = 0.1,
        freeze_bn: bool = False,
        qconfig: Any = None,
    ) -> None:
        options: Any = in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bool(bias), padding_mode
        initialize: Any = super().__init__  # the convolution's, which comes after this class
        initialize(*options, qconfig)
        self._norm_by(NORMS[self.dims](out_channels, eps, momentum), freeze_bn)  # type: ignore[attr-defined]

    def forward(self: Any, input: Tensor) -> Tensor:
        """The output, in floats."""
        factor = self.bn.weight / minitorch.sqrt(self.bn.running_var + self.bn.eps)
        after = [1] * (self.weight.ndim - 2)
        rounded = self.weight_fake_quant(self.weight * factor.reshape(-1, 1, *after))
        y = self._conv_forward(input, rounded, None) / factor.reshape(1, -1, *after)
        return self.bn(y if self.bias is None else y + self.bias.reshape(1, -1, *after))

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The layer of a fused float one, with its parameters and statistics themselves."""
        conv = cls._checked(mod)  # type: ignore[attr-defined]
        bn = mod[1]
        options: Any = [getattr(conv, name) for name in CONV_OPTIONS]
        kind: Any = cls
        made = kind(*options, conv.bias is not None, conv.padding_mode, bn.eps, bn.momentum, False, mod.qconfig)
        made.weight, made.bias = conv.weight, conv.bias
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(made.bn, name, getattr(bn, name))
        return made

    def to_float(self: Any) -> Any:
        """The float convolution with the batch norm folded into it."""
        made = super().to_float()  # type: ignore[misc]
        bn = self.bn
        made.weight, made.bias = fuse_conv_bn_weights(
            made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
        )
        return made


class ConvBn1d(_ConvBn, Conv1d):
    """bn(conv(x)) with the folded weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.ConvBn1d


class ConvBn2d(_ConvBn, Conv2d):
    """bn(conv(x)) with the folded weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.ConvBn2d


class ConvBn3d(_ConvBn, Conv3d):
    """bn(conv(x)) with the folded weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.ConvBn3d


class ConvBnReLU1d(ConvBn1d):
    """max(bn(conv(x)), 0) with the folded weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.ConvBnReLU1d

    def forward(self, input: Tensor) -> Tensor:
        """The output, in floats."""
        return super().forward(input).relu()


class ConvBnReLU2d(ConvBn2d):
    """max(bn(conv(x)), 0) with the folded weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.ConvBnReLU2d

    def forward(self, input: Tensor) -> Tensor:
        """The output, in floats."""
        return super().forward(input).relu()


class ConvBnReLU3d(ConvBn3d):
    """max(bn(conv(x)), 0) with the folded weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.ConvBnReLU3d

    def forward(self, input: Tensor) -> Tensor:
        """The output, in floats."""
        return super().forward(input).relu()


class ConvReLU1d(Conv1d):
    """max(conv(x), 0) with the weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.ConvReLU1d

    def forward(self, input: Tensor) -> Tensor:
        """The output, in floats."""
        return super().forward(input).relu()


class ConvReLU2d(Conv2d):
    """max(conv(x), 0) with the weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.ConvReLU2d

    def forward(self, input: Tensor) -> Tensor:
        """The output, in floats."""
        return super().forward(input).relu()


class ConvReLU3d(Conv3d):
    """max(conv(x), 0) with the weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nni.ConvReLU3d

    def forward(self, input: Tensor) -> Tensor:
        """The output, in floats."""
        return super().forward(input).relu()


def update_bn_stats(mod: Any) -> None:
    """Let a layer's running statistics move: `model.apply(update_bn_stats)`."""
    if isinstance(mod, FreezesItsNorm):
        mod.update_bn_stats()


def freeze_bn_stats(mod: Any) -> None:
    """Let a layer's running statistics stay as they are: `model.apply(freeze_bn_stats)`."""
    if isinstance(mod, FreezesItsNorm):
        mod.freeze_bn_stats()
