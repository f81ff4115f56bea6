"""Layers in a row that a quantized model computes as one: a convolution, the batch norm after it, the ReLU after that.

Between them no number is rounded. As floats they compute one after the other, as in a `Sequential`; `convert` makes one quantized layer
of them. Read next: `../../../quantization/fuse_modules.py`, which makes them.
"""

from __future__ import annotations

from typing import Any

from minitorch import nn

__all__ = [
    "BNReLU2d", "BNReLU3d", "ConvBn1d", "ConvBn2d", "ConvBn3d", "ConvBnReLU1d", "ConvBnReLU2d", "ConvBnReLU3d", "ConvReLU1d",
    "ConvReLU2d", "ConvReLU3d", "LinearBn1d", "LinearReLU",
]  # fmt: skip


class _FusedModule(nn.Sequential):
    """Layers that are taken for one. `kinds`: of which class each of them is."""

    kinds: tuple[type, ...] = ()

    def __init__(self, *layers: Any) -> None:
        for layer, kind in zip(layers, self.kinds, strict=bool(self.kinds)):
            if type(layer) is not kind and not (kind is nn.Linear and isinstance(layer, nn.Linear)):
                expected = ", ".join(k.__name__ for k in self.kinds)
                raise AssertionError(
                    f"Incorrect types for input modules: {type(self).__name__} takes {expected}, got "
                    f"{', '.join(type(each).__name__ for each in layers)}"
                )
        super().__init__(*layers)


class ConvReLU1d(_FusedModule):
    """max(conv(x), 0)"""

    kinds = nn.Conv1d, nn.ReLU


class ConvReLU2d(_FusedModule):
    """max(conv(x), 0)"""

    kinds = nn.Conv2d, nn.ReLU


class ConvReLU3d(_FusedModule):
    """max(conv(x), 0)"""

    kinds = nn.Conv3d, nn.ReLU


class LinearReLU(_FusedModule):
    """max(linear(x), 0)"""

    kinds = nn.Linear, nn.ReLU


class ConvBn1d(_FusedModule):
    """bn(conv(x)): while it is trained; for evaluation both are one convolution"""

    kinds = nn.Conv1d, nn.BatchNorm1d


class ConvBn2d(_FusedModule):
    """bn(conv(x)): while it is trained; for evaluation both are one convolution"""

    kinds = nn.Conv2d, nn.BatchNorm2d


class ConvBn3d(_FusedModule):
    """bn(conv(x)): while it is trained; for evaluation both are one convolution"""

    kinds = nn.Conv3d, nn.BatchNorm3d


class ConvBnReLU1d(_FusedModule):
    """max(bn(conv(x)), 0)"""

    kinds = nn.Conv1d, nn.BatchNorm1d, nn.ReLU


class ConvBnReLU2d(_FusedModule):
    """max(bn(conv(x)), 0)"""

    kinds = nn.Conv2d, nn.BatchNorm2d, nn.ReLU


class ConvBnReLU3d(_FusedModule):
    """max(bn(conv(x)), 0)"""

    kinds = nn.Conv3d, nn.BatchNorm3d, nn.ReLU


class BNReLU2d(_FusedModule):
    """max(bn(x), 0)"""

    kinds = nn.BatchNorm2d, nn.ReLU


class BNReLU3d(_FusedModule):
    """max(bn(x), 0)"""

    kinds = nn.BatchNorm3d, nn.ReLU


class LinearBn1d(_FusedModule):
    """bn(linear(x)): while it is trained"""

    kinds = nn.Linear, nn.BatchNorm1d
