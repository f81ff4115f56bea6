"""Padding layers: `F.pad` with a mode and sizes. What each mode puts around x is in `minitorch/ops/pad.py`.

The one idea: a class names its mode and how many dimensions it pads; `_Pad` keeps the sizes, two for each dimension.
"""

from __future__ import annotations

from typing import Any

from minitorch.nn import functional as F
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d",
    "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    """More around x: `padding` is (before, after) of the last dimension, then of the one before it; one int stands for all."""

    dimensions: int
    mode: str

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        given: Any = padding
        self.padding = tuple(given) if hasattr(given, "__iter__") else (given,) * (2 * self.dimensions)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


# ---- a number around x ---------------------------------------------------------------------------------------------


class ConstantPad1d(_Pad):
    """`value` around x along its last dimension: (…, L) → (…, before + L + after); a negative size cuts

    >>> minitorch.nn.ConstantPad1d((1, 2), 7.0)(minitorch.tensor([0.0, 1.0]))
    tensor([7., 0., 1., 7., 7.])
    """

    dimensions, mode = 1, "constant"

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """`value` around x along its last two dimensions; padding: (left, right, top, bottom)"""

    dimensions = 2


class ConstantPad3d(ConstantPad1d):
    """`value` around x along its last three dimensions; padding: (left, right, top, bottom, front, back)"""

    dimensions = 3


class ZeroPad1d(ConstantPad1d):
    """0 around x along its last dimension: (…, L) → (…, before + L + after); a negative size cuts"""

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ZeroPad1d, ConstantPad2d):
    """0 around x along its last two dimensions; padding: (left, right, top, bottom)"""


class ZeroPad3d(ZeroPad1d, ConstantPad3d):
    """0 around x along its last three dimensions; padding: (left, right, top, bottom, front, back)"""


# ---- what x holds, around x ----------------------------------------------------------------------------------------


class ReflectionPad1d(_Pad):
    """x mirrored at its ends, which are not repeated: x (N, C, L) or (C, L), sizes below L

    >>> minitorch.nn.ReflectionPad1d(2)(minitorch.tensor([[0.0, 1.0, 2.0]]))
    tensor([[2., 1., 0., 1., 2., 1., 0.]])
    """

    dimensions, mode = 1, "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """x mirrored at its edges: x (N, C, H, W) or (C, H, W); padding: (left, right, top, bottom)"""

    dimensions = 2


class ReflectionPad3d(ReflectionPad1d):
    """x mirrored at its faces: x (N, C, D, H, W) or (C, D, H, W); padding: (left, right, top, bottom, front, back)"""

    dimensions = 3


class ReplicationPad1d(_Pad):
    """The ends of x again and again: x (N, C, L) or (C, L)

    >>> minitorch.nn.ReplicationPad1d(2)(minitorch.tensor([[0.0, 1.0, 2.0]]))
    tensor([[0., 0., 0., 1., 2., 2., 2.]])
    """

    dimensions, mode = 1, "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """The edges of x again and again: x (N, C, H, W) or (C, H, W); padding: (left, right, top, bottom)"""

    dimensions = 2


class ReplicationPad3d(ReplicationPad1d):
    """The faces of x again and again: x (N, C, D, H, W) or (C, D, H, W); padding: (left, right, top, bottom, front, back)"""

    dimensions = 3


class CircularPad1d(_Pad):
    """Around x its other end, as if it were a ring: x (N, C, L) or (C, L), sizes up to L

    >>> minitorch.nn.CircularPad1d(2)(minitorch.tensor([[0.0, 1.0, 2.0]]))
    tensor([[1., 2., 0., 1., 2., 0., 1.]])
    """

    dimensions, mode = 1, "circular"

    def forward(self, input: Tensor) -> Tensor:
        n = self.dimensions
        if input.ndim not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {input.ndim}D input)")
        return super().forward(input)


class CircularPad2d(CircularPad1d):
    """Around x its other edges, as if it were a torus: x (N, C, H, W) or (C, H, W); padding: (left, right, top, bottom)"""

    dimensions = 2


class CircularPad3d(CircularPad1d):
    """Around x its other faces: x (N, C, D, H, W) or (C, D, H, W); padding: (left, right, top, bottom, front, back)"""

    dimensions = 3
