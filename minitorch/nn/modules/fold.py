"""`Unfold` and `Fold`: an image to the columns that a sliding kernel sees, and back. See `minitorch/ops/fold.py`."""

from __future__ import annotations

from collections.abc import Sequence

from minitorch.nn import functional as F
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

__all__ = ["Fold", "Unfold"]

Size = int | Sequence[int]


class Unfold(Module):
    """x (N, C, H, W) → (N, C · kH · kW, L): what a sliding kernel sees at each of its L places, as a column.

    >>> minitorch.nn.Unfold((2, 3))(minitorch.zeros(2, 5, 3, 4)).shape
    minitorch.Size([2, 30, 4])
    """

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return _told(self, "kernel_size", "dilation", "padding", "stride")


class Fold(Module):
    """Columns (N, C · kH · kW, L) → (N, C, H, W): each element added to the pixel from which `Unfold` takes it.

    >>> minitorch.nn.Fold((4, 5), kernel_size=2)(minitorch.zeros(1, 12, 12)).shape
    minitorch.Size([1, 3, 4, 5])
    """

    def __init__(
        self, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return _told(self, "output_size", "kernel_size", "dilation", "padding", "stride")


def _told(layer: Module, *names: str) -> str:
    return ", ".join(f"{name}={getattr(layer, name)}" for name in names)
