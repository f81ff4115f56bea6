"""The classes of `minitorch.ao.nn.intrinsic.quantized`."""

from __future__ import annotations

from typing import Any, ClassVar

from minitorch.ao.nn import intrinsic as nni
from minitorch.ao.nn.quantized import modules as nnq

__all__ = ["BNReLU2d", "BNReLU3d", "ConvReLU1d", "ConvReLU2d", "ConvReLU3d", "LinearReLU"]


class LinearReLU(nnq.Linear):
    """max(x Wᵀ + b, 0)"""

    relu = True
    _FLOAT_MODULE: ClassVar[Any] = nni.LinearReLU

    def _get_name(self) -> str:
        return "QuantizedLinearReLU"


class ConvReLU1d(nnq.Conv1d):
    """max(conv(x), 0)"""

    relu = True
    _FLOAT_MODULE: ClassVar[Any] = nni.ConvReLU1d


class ConvReLU2d(nnq.Conv2d):
    """max(conv(x), 0)"""

    relu = True
    _FLOAT_MODULE: ClassVar[Any] = nni.ConvReLU2d


class ConvReLU3d(nnq.Conv3d):
    """max(conv(x), 0)"""

    relu = True
    _FLOAT_MODULE: ClassVar[Any] = nni.ConvReLU3d


class BNReLU2d(nnq.BatchNorm2d):
    """max(bn(x), 0)"""

    relu = True


class BNReLU3d(nnq.BatchNorm3d):
    """max(bn(x), 0)"""

    relu = True
