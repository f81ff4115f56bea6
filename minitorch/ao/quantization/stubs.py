"""`QuantStub` and `DeQuantStub`: where floats become integers in a model, and where they are floats again.

A float model passes through them as if they were not there. `convert` makes `Quantize` and `DeQuantize` of them.
"""

from __future__ import annotations

from typing import Any

from minitorch.nn import Module
from minitorch.tensor import Tensor

__all__ = ["DeQuantStub", "QuantStub", "QuantWrapper"]


class QuantStub(Module):
    """Stands before the first layer that is to be quantized, and is where the input is observed. qconfig: its own, or its parent's."""

    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        """x itself."""
        return x


class DeQuantStub(Module):
    """Stands behind the last layer that is to be quantized."""

    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        """x itself."""
        return x


class QuantWrapper(Module):
    """A module between a QuantStub and a DeQuantStub."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        qconfig = getattr(module, "qconfig", None)
        self.add_module("quant", QuantStub(qconfig))
        self.add_module("dequant", DeQuantStub(qconfig))
        self.add_module("module", module)
        self.train(module.training)

    def forward(self, X: Tensor) -> Any:
        """module(X)"""
        return self.dequant(self.module(self.quant(X)))
