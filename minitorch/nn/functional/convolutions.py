"""Convolutions, which are ops of `minitorch/ops/convolution.py`, and the columns they are made of: `unfold` and `fold`."""

from __future__ import annotations

from minitorch.op.signature import Dims, checked
from minitorch.ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_tbc,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from minitorch.ops.fold import folded, pair, unfolded
from minitorch.tensor import Tensor

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold", "unfold",
]  # fmt: skip


@checked
def unfold(input: Tensor, kernel_size: Dims, dilation: Dims = 1, padding: Dims = 0, stride: Dims = 1) -> Tensor:
    """x (N, C, H, W) → (N, C · kH · kW, L): what a sliding kernel sees at each of its L places, as a column.

    >>> x = minitorch.arange(6.0).reshape(1, 1, 2, 3)
    >>> minitorch.nn.functional.unfold(x, 2)
    tensor([[[0., 1.],
             [1., 2.],
             [3., 4.],
             [4., 5.]]])
    """
    return unfolded(input, pair(kernel_size), pair(dilation), pair(padding), pair(stride))


@checked
def fold(
    input: Tensor, output_size: Dims, kernel_size: Dims, dilation: Dims = 1, padding: Dims = 0, stride: Dims = 1
) -> Tensor:
    """(N, C · kH · kW, L) → (N, C, H, W): the columns that `unfold` makes, added up where their elements were seen.

    >>> x = minitorch.ones(1, 1, 2, 3)
    >>> F = minitorch.nn.functional
    >>> F.fold(F.unfold(x, 2), (2, 3), 2)
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    return folded(input, pair(output_size), pair(kernel_size), pair(dilation), pair(padding), pair(stride))
