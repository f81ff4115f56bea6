"""Pooling layers: a function of `minitorch.nn.functional` with its sizes, and nothing else.

The one idea: a base class for each kind keeps and prints the sizes, a class names the function for its number of dimensions.
The formulas and derivatives are in `minitorch/ops/pooling.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minitorch.nn import functional as F
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "FractionalMaxPool2d", "FractionalMaxPool3d",
    "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip

Size = int | tuple[int, ...]


def for_each(size: Any, n: int) -> tuple:
    """A size for each of n dimensions: one alone is for all."""
    return tuple(size) if hasattr(size, "__iter__") else (size,) * n


class _Pool(Module):
    """function(x, sizes); `shown` names the attributes that its repr shows."""

    function: Callable[..., Any]
    shown: tuple[str, ...]

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)


# ---- the largest ---------------------------------------------------------------------------------------------------


class _MaxPool(_Pool):
    """The largest of each window."""

    shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        sizes = self.kernel_size, self.stride, self.padding, self.dilation
        return type(self).function(input, *sizes, ceil_mode=self.ceil_mode, return_indices=self.return_indices)


class MaxPool1d(_MaxPool):
    """out_o = max over k of x at o · stride − padding + k · dilation, 0 ≤ k < kernel_size

    x (N, C, L) or (C, L) → (…, ⌊(L + 2 padding − dilation (kernel_size − 1) − 1) / stride⌋ + 1); with ceil_mode ⌈…⌉ + 1, if the
    last window begins before the end. The first of equal ones gets the gradient; padding is never the largest.

    return_indices: (out, the index of each in L), for `MaxUnpool1d`.
    """

    function = F.max_pool1d


class MaxPool2d(_MaxPool):
    """The largest of each window of kernel_size in the plane: x (N, C, H, W) or (C, H, W); sizes as for `MaxPool1d`

    >>> minitorch.nn.MaxPool2d(2)(minitorch.arange(16.0).reshape(1, 4, 4))
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """

    function = F.max_pool2d


class MaxPool3d(_MaxPool):
    """The largest of each window of kernel_size: x (N, C, D, H, W) or (C, D, H, W); sizes as for `MaxPool1d`"""

    function = F.max_pool3d


class _AdaptiveMaxPool(_Pool):
    """The largest of each of output_size windows."""

    shown = ("output_size",)

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """out_o = max of x from ⌊o L / output_size⌋ to before ⌈(o + 1) L / output_size⌉: x (N, C, L) or (C, L), L of any size"""

    function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest of each of output_size windows, as for `AdaptiveMaxPool1d` in H and W; None: as many as x has"""

    function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest of each of output_size windows, as for `AdaptiveMaxPool1d` in D, H and W; None: as many as x has"""

    function = F.adaptive_max_pool3d


class FractionalMaxPool2d(_Pool):
    """The largest of each of output_size windows of kernel_size, which lie at random in every call (Graham, 2014)

    x (N, C, H, W) or (C, H, W); output_ratio, in (0, 1): output_size as a part of the input's. Distances of windows are ⌊a⌋
    or ⌈a⌉, a = (size − kernel) / (output − 1). _random_samples (N, C, 2) in [0, 1) say where, instead of numbers drawn.
    """

    shown = ()
    dimensions = 2
    function = F.fractional_max_pool2d

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        n = self.dimensions
        self.kernel_size = for_each(kernel_size, n)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = for_each(output_size, n) if output_size is not None else None
        self.output_ratio = for_each(output_ratio, n) if output_ratio is not None else None
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{type(self).__name__} wants one of output_size and output_ratio, got {output_size} and {output_ratio}"
            )
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        sizes = self.kernel_size, self.output_size, self.output_ratio
        return type(self).function(input, *sizes, self.return_indices, _random_samples=self._random_samples)


class FractionalMaxPool3d(FractionalMaxPool2d):
    """The largest of each of output_size windows at random, as `FractionalMaxPool2d`: x (N, C, D, H, W) or (C, D, H, W)"""

    dimensions = 3
    function = F.fractional_max_pool3d

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        if min(for_each(kernel_size, 3)) <= 0:
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        super().__init__(kernel_size, output_size, output_ratio, return_indices, _random_samples)


class _MaxUnpool(_Pool):
    """x back at the indices that max pooling gave, zeros elsewhere."""

    shown = ("kernel_size", "stride", "padding")
    dimensions: int

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        self.kernel_size = for_each(kernel_size, self.dimensions)
        self.stride = for_each(kernel_size if stride is None else stride, self.dimensions)
        self.padding = for_each(padding, self.dimensions)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return type(self).function(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpool):
    """out = zeros, with x at `indices`: undoes `MaxPool1d(…, return_indices=True)` of the same sizes, but for what it lost

    x (N, C, L) or (C, L) → (…, (L − 1) stride − 2 padding + kernel_size), or output_size, which pooling may have rounded down.
    """

    dimensions = 1
    function = F.max_unpool1d


class MaxUnpool2d(_MaxUnpool):
    """out = zeros, with x at `indices` of the plane: undoes `MaxPool2d(…, return_indices=True)`; sizes as for `MaxUnpool1d`"""

    dimensions = 2
    function = F.max_unpool2d


class MaxUnpool3d(_MaxUnpool):
    """out = zeros, with x at `indices`: undoes `MaxPool3d(…, return_indices=True)`; sizes as for `MaxUnpool1d`"""

    dimensions = 3
    function = F.max_unpool3d


# ---- the mean ------------------------------------------------------------------------------------------------------


class AvgPool1d(_Pool):
    """out_o = (Σ_k x at o · stride − padding + k) / kernel_size, 0 ≤ k < kernel_size; padding counts as zeros

    x (N, C, L) or (C, L) → (…, ⌊(L + 2 padding − kernel_size) / stride⌋ + 1); with ceil_mode ⌈…⌉ + 1, if the last window begins
    before the end. count_include_pad=False: divided by how many elements of x it holds.
    """

    shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = for_each(kernel_size, 1)
        self.stride = for_each(kernel_size if stride is None else stride, 1)
        self.padding = for_each(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class _AvgPool(_Pool):
    """The mean of each window."""

    shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        sizes = self.kernel_size, self.stride, self.padding
        return type(self).function(input, *sizes, self.ceil_mode, self.count_include_pad, self.divisor_override)


class AvgPool2d(_AvgPool):
    """The mean of each window of kernel_size in the plane: x (N, C, H, W) or (C, H, W); sizes as for `AvgPool1d`

    divisor_override: what its sum is divided by instead of the number of elements.
    """

    function = F.avg_pool2d


class AvgPool3d(_AvgPool):
    """The mean of each window of kernel_size: x (N, C, D, H, W) or (C, D, H, W); sizes as for `AvgPool1d`

    divisor_override: what its sum is divided by instead of the number of elements.
    """

    function = F.avg_pool3d


class _AdaptiveAvgPool(_Pool):
    """The mean of each of output_size windows."""

    shown = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """out_o = mean of x from ⌊o L / output_size⌋ to before ⌈(o + 1) L / output_size⌉: x (N, C, L) or (C, L), L of any size"""

    function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The mean of each of output_size windows, as for `AdaptiveAvgPool1d` in H and W; None: as many as x has

    output_size 1 is global average pooling: the mean of each channel.
    """

    function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The mean of each of output_size windows, as for `AdaptiveAvgPool1d` in D, H and W; None: as many as x has"""

    function = F.adaptive_avg_pool3d


class _LPPool(_Pool):
    """(Σ xᵖ)^(1/p) of each window."""

    shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPool):
    """(Σ xᵖ)^(1/p) of each window, p = norm_type: 1 is the sum, ∞ the largest |x|; x (N, C, L) or (C, L)

    Sizes as for `AvgPool1d`, without padding. Where the sum is 0 its gradient is 0 too.
    """

    function = F.lp_pool1d


class LPPool2d(_LPPool):
    """(Σ xᵖ)^(1/p) of each window, as `LPPool1d` in H and W"""

    function = F.lp_pool2d


class LPPool3d(_LPPool):
    """(Σ xᵖ)^(1/p) of each window, as `LPPool1d` in D, H and W"""

    function = F.lp_pool3d
