"""A convolution's two derivatives as functions of their own, by torch's names: `conv2d_input`, `conv2d_weight` and their kin.

They are ops of `minitorch/ops/convolution.py`: the transposed convolution, and the convolution of images with upstreams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.op.signature import Dims, checked
from minitorch.ops.convolution import conv_transpose, conv_weight, sliding
from minitorch.tensor import Tensor


def _of_input(n: int) -> Any:
    """`conv1d_input`, `conv2d_input` or `conv3d_input`."""

    def of_input(
        input_size: Sequence[int],
        weight: Tensor,
        grad_output: Tensor,
        stride: Dims = 1,
        padding: Dims = 0,
        dilation: Dims = 1,
        groups: int = 1,
    ) -> Tensor:
        how = sliding(input_size[2:], weight.shape[2:], stride, padding, dilation)
        return conv_transpose(grad_output, weight, None, how, groups)

    of_input.__doc__ = (
        f"""∂L/∂x of `conv{n}d` from ∂L/∂y: the transposed convolution; `input_size` is the whole shape of x."""
    )
    of_input.__name__ = f"conv{n}d_input"
    return checked(of_input)


def _of_weight(n: int) -> Any:
    """`conv1d_weight`, `conv2d_weight` or `conv3d_weight`."""

    def of_weight(
        input: Tensor,
        weight_size: Sequence[int],
        grad_output: Tensor,
        stride: Dims = 1,
        padding: Dims = 0,
        dilation: Dims = 1,
        groups: int = 1,
    ) -> Tensor:
        how = sliding(input.shape[2:], weight_size[2:], stride, padding, dilation)
        return conv_weight(input, grad_output, how, groups)

    of_weight.__doc__ = f"""∂L/∂w of `conv{n}d` from ∂L/∂y; `weight_size` is the whole shape of w."""
    of_weight.__name__ = f"conv{n}d_weight"
    return checked(of_weight)


conv1d_input, conv2d_input, conv3d_input = map(_of_input, (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = map(_of_weight, (1, 2, 3))
