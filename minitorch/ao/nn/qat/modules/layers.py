"""Linear layers and convolutions that compute with their weight as it will be once it is quantized.

The weight itself stays float32 and learns; `weight_fake_quant` rounds it on its way into the product. Read next:
`../../intrinsic/qat/modules/conv_fused.py`, where a batch norm follows.
"""

from __future__ import annotations

from typing import Any, ClassVar

from minitorch import nn
from minitorch.ao.nn import intrinsic as nni
from minitorch.nn import functional as F
from minitorch.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d", "Embedding", "Linear"]

CONV_OPTIONS = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")


class RoundsItsWeight(nn.Module):
    """A float layer with a fake quantizer on its weight; `qconfig` says of which kind."""

    _FLOAT_MODULE: ClassVar[Any] = None
    qconfig: Any
    weight_fake_quant: Any

    def _rounds_by(self, qconfig: Any) -> None:
        if not qconfig:
            raise AssertionError("qconfig must be provided for QAT module")
        self.qconfig = qconfig
        self.weight_fake_quant = qconfig.weight()

    @classmethod
    def _checked(cls, mod: Any) -> Any:
        """The layer whose weight it is, of a float module that has a qconfig."""
        kinds = cls._FLOAT_MODULE if isinstance(cls._FLOAT_MODULE, tuple) else (cls._FLOAT_MODULE,)
        if type(mod) not in kinds and not (nn.Linear in kinds and isinstance(mod, nn.Linear)):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise AssertionError(f"qat.{cls.__name__}.from_float only works for {names}, got {type(mod).__name__}")
        if not getattr(mod, "qconfig", None):
            raise AssertionError("Input float module must have a valid qconfig")
        return mod[0] if isinstance(mod, nni._FusedModule) else mod


class Linear(RoundsItsWeight, nn.Linear):
    """y = x W'ᵀ + b, W' the rounded weight"""

    _FLOAT_MODULE: ClassVar[Any] = nn.Linear

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        nn.Linear.__init__(self, in_features, out_features, bias, device, dtype)
        self._rounds_by(qconfig)

    def forward(self, input: Tensor) -> Tensor:
        """The output, in floats."""
        return F.linear(input, self.weight_fake_quant(self.weight), self.bias)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """A layer with the same weight and bias: the same tensors, so that an optimizer that knows them goes on."""
        layer = cls._checked(mod)
        made = cls(layer.in_features, layer.out_features, layer.bias is not None, qconfig=mod.qconfig)
        made.weight, made.bias = layer.weight, layer.bias
        return made

    def to_float(self) -> Any:
        """The float layer with the weight that was learned."""
        made = nn.Linear(self.in_features, self.out_features, self.bias is not None)
        made.weight = nn.Parameter(self.weight.detach())
        if self.bias is not None:
            made.bias = nn.Parameter(self.bias.detach())
        return made.train(self.training)


class _Conv(RoundsItsWeight):
    """A convolution with its weight rounded; subclasses say over how many dimensions."""

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
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        options: Any = in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode
        _float_class(type(self)).__init__(self, *options, device, dtype)
        self._rounds_by(qconfig)

    def forward(self: Any, input: Tensor) -> Tensor:
        """The output, in floats."""
        return self._conv_forward(input, self.weight_fake_quant(self.weight), self.bias)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """A layer with the same weight and bias: the same tensors, so that an optimizer that knows them goes on."""
        conv = cls._checked(mod)
        options: Any = [getattr(conv, name) for name in CONV_OPTIONS]
        kind: Any = cls
        made = kind(*options, conv.bias is not None, conv.padding_mode, qconfig=mod.qconfig)
        made.weight, made.bias = conv.weight, conv.bias
        return made

    def to_float(self: Any) -> Any:
        """The float layer with the weight that was learned."""
        kind: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[self.dims]
        made = kind(*[getattr(self, name) for name in CONV_OPTIONS], self.bias is not None, self.padding_mode)
        made.weight = nn.Parameter(self.weight.detach())
        if self.bias is not None:
            made.bias = nn.Parameter(self.bias.detach())
        return made.train(self.training)


def _float_class(kind: type) -> Any:
    """The class of `minitorch.nn` that a class is made from."""
    return next(base for base in kind.__mro__ if base.__module__.startswith("minitorch.nn.") and hasattr(base, "dims"))


class Conv1d(_Conv, nn.Conv1d):
    """A convolution over one spatial dimension, its weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nn.Conv1d


class Conv2d(_Conv, nn.Conv2d):
    """A convolution over two spatial dimensions, its weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nn.Conv2d


class Conv3d(_Conv, nn.Conv3d):
    """A convolution over three spatial dimensions, its weight rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nn.Conv3d


class Embedding(RoundsItsWeight, nn.Embedding):
    """Rows of a table whose numbers are rounded"""

    _FLOAT_MODULE: ClassVar[Any] = nn.Embedding

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, qconfig: Any = None) -> None:
        nn.Embedding.__init__(self, num_embeddings, embedding_dim, padding_idx)
        self._rounds_by(qconfig)

    def forward(self, input: Tensor) -> Tensor:
        """The rows, in floats."""
        return F.embedding(input, self.weight_fake_quant(self.weight), self.padding_idx)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """A layer with the same table."""
        layer = cls._checked(mod)
        made = cls(layer.num_embeddings, layer.embedding_dim, layer.padding_idx, qconfig=mod.qconfig)
        made.weight = layer.weight
        return made
