"""Convolutions of integers. The arithmetic is in `../../../../ops/quantized.py`.

Read next: `linear.py`, which is the same with fewer options.
"""

from __future__ import annotations

from typing import Any, ClassVar

import minitorch
from minitorch import nn
from minitorch.ao.nn import intrinsic as nni
from minitorch.nn.modules.conv import _ntuple
from minitorch.nn.utils.fusion import fuse_conv_bn_weights
from minitorch.ops.quantized import convolution
from minitorch.tensor import Tensor

from .utils import (
    WeightedQuantizedModule,
    _quantize_weight,
    array_of,
    check_weight,
    empty_weight,
    output_params,
    refuse_unless,
)

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvNd(WeightedQuantizedModule):
    """What all have: steps, groups, a weight of qint8, a bias of floats, and the scale of the output."""

    dims = 0
    transposed = False
    relu = False
    _FLOAT_MODULE: ClassVar[Any] = None
    _weight_and_bias: tuple[Tensor, Tensor | None]

    def _set_up(self, channels: tuple[int, int], steps: dict[str, Any], groups: int, bias: bool, padding_mode: str) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f"'padding_mode' {padding_mode} is not supported by quantized convolution: it pads with zeros")
        if isinstance(steps["padding"], str):
            raise NotImplementedError(
                f"a quantized convolution takes its padding as numbers, got padding={steps['padding']!r}; write them out"
            )
        self.in_channels, self.out_channels = channels
        for name, count in zip(("in_channels", "out_channels"), channels):
            if count % groups:
                raise ValueError(f"{name} must be divisible by groups, got {count} and {groups}")
        for name, value in steps.items():
            setattr(self, name, _ntuple(value, self.dims))
        self.groups, self.padding_mode = groups, padding_mode
        first, second = (channels[0], channels[1]) if self.transposed else (channels[1], channels[0])
        self.scale, self.zero_point = 1.0, 0
        made = minitorch.zeros(self.out_channels) if bias else None
        self.set_weight_bias(empty_weight(first, second // groups, *self.kernel_size), made)

    def forward(self, input: Tensor) -> Tensor:
        """The output, quantized."""
        weight, bias = self._weight_and_bias
        steps = self.stride, self.padding, self.dilation
        more = self.output_padding if self.transposed else None
        out = convolution(input._array, weight._array, array_of(bias), self._params(), steps, self.groups, self.relu, more)
        return Tensor._wrap(out)

    def _weight_bias(self) -> tuple[Tensor, Tensor | None]:
        return self._weight_and_bias

    def weight(self) -> Tensor:
        """The quantized weight."""
        return self._weight_and_bias[0]

    def bias(self) -> Tensor | None:
        """The bias, in float32."""
        return self._weight_and_bias[1]

    def set_weight_bias(self, w: Tensor, b: Tensor | None) -> None:
        """Take another weight and bias."""
        check_weight(w, "quantized convolution")
        self._weight_and_bias = w, b

    def _more_state(self) -> dict[str, Any]:
        weight, bias = self._weight_and_bias
        return {"weight": weight, "bias": bias, **super()._more_state()}

    def _take_state(self, given: dict[str, Any]) -> None:
        self.set_weight_bias(given["weight"], given["bias"])
        super()._take_state(given)

    def _get_name(self) -> str:
        return f"Quantized{type(self).__name__}"

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}", f"stride={self.stride}"]
        parts += [f"scale={self.scale}, zero_point={self.zero_point}"]
        usual = {"padding": 0, "dilation": 1, "output_padding": 0}
        parts += [f"{name}={getattr(self, name)}" for name, n in usual.items() if getattr(self, name) != (n,) * self.dims]
        parts += [f"groups={self.groups}"] * (self.groups != 1) + ["bias=False"] * (self.bias() is None)
        return ", ".join(parts)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a float one that was observed, or trained with fake quantization; a batch norm is folded into it."""
        observer = getattr(mod, "activation_post_process", None)
        conv = mod[0] if isinstance(mod, nni._FusedModule) and not hasattr(mod, "weight_fake_quant") else mod
        weight, bias = conv.weight, conv.bias
        if hasattr(mod, "weight_fake_quant"):
            if hasattr(mod, "bn"):
                bn = mod.bn
                weight, bias = fuse_conv_bn_weights(
                    weight, bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
                )
            of_weight = mod.weight_fake_quant
        else:
            name = cls._FLOAT_MODULE.__name__
            words = f"nnq.{cls.__name__}.from_float only works for {name} but got: {type(mod).__name__}"
            refuse_unless(type(mod) is cls._FLOAT_MODULE, words)
            refuse_unless(hasattr(mod, "qconfig"), "Input float module must have qconfig defined.")
            of_weight = mod.qconfig.weight()
        refuse_unless(
            observer is not None,
            f"nnq.{cls.__name__}.from_float: the module has no observer; prepare() the model, and let it see data",
        )
        of_weight(weight)
        refuse_unless(
            of_weight.dtype is minitorch.qint8, f"Weight observer must have a dtype of qint8, got {of_weight.dtype!r}"
        )
        made = cls._like(conv, bias is not None)
        made.set_weight_bias(_quantize_weight(weight.float(), of_weight), None if bias is None else bias.detach())
        made.scale, made.zero_point = output_params(observer)
        return made

    @classmethod
    def _like(cls, conv: Any, bias: bool) -> Any:
        """A layer with the options of a float one."""
        more = (
            (conv.output_padding, conv.groups, bias, conv.dilation) if cls.transposed else (conv.dilation, conv.groups, bias)
        )
        return cls(
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, *more, conv.padding_mode
        )


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        steps = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation, "output_padding": 0}
        self._set_up((in_channels, out_channels), steps, groups, bias, padding_mode)


class Conv1d(_Conv):
    """A convolution over one spatial dimension of a quantized tensor (N, C, L)."""

    dims = 1
    _FLOAT_MODULE: ClassVar[Any] = nn.Conv1d


class Conv2d(_Conv):
    """A convolution over two spatial dimensions of a quantized tensor (N, C, H, W)."""

    dims = 2
    _FLOAT_MODULE: ClassVar[Any] = nn.Conv2d


class Conv3d(_Conv):
    """A convolution over three spatial dimensions of a quantized tensor (N, C, D, H, W)."""

    dims = 3
    _FLOAT_MODULE: ClassVar[Any] = nn.Conv3d


class _ConvTranspose(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        steps = {
            "kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation, "output_padding": output_padding
        }  # fmt: skip
        self._set_up((in_channels, out_channels), steps, groups, bias, padding_mode)


class ConvTranspose1d(_ConvTranspose):
    """A transposed convolution over one spatial dimension; its weight has one scale."""

    dims = 1
    _FLOAT_MODULE: ClassVar[Any] = nn.ConvTranspose1d


class ConvTranspose2d(_ConvTranspose):
    """A transposed convolution over two spatial dimensions; its weight has one scale."""

    dims = 2
    _FLOAT_MODULE: ClassVar[Any] = nn.ConvTranspose2d


class ConvTranspose3d(_ConvTranspose):
    """A transposed convolution over three spatial dimensions; its weight has one scale."""

    dims = 3
    _FLOAT_MODULE: ClassVar[Any] = nn.ConvTranspose3d
