"""A layer's function with a derivative of its own, as a user would write it: `autograd.Function`."""

from __future__ import annotations

from typing import Any

from minitorch.autograd import Function
from minitorch.ops.normalize import windows
from minitorch.tensor import Tensor


class CrossMapLRN2d(Function):
    """x_c · s_c^(−β), s_c = k + α/n · Σ_j x²_j over the channels j around c; written here because torch's is not quite that.

    torch keeps a sum that goes from channel to channel, and never takes the first channel out of it. Its derivative takes the
    window one channel too early. Networks were trained with both.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> Tensor:
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        share, reach = alpha / size, (size + 1) // 2  # so far to both sides, the channel itself among them
        squares = input * input
        sums = windows(squares, reach - 1, reach - 1)
        sums[:, reach:] += squares[:, :1]
        scale = sums * share + k
        output = input * scale**-beta
        ctx.save_for_backward(input, output, scale)
        ctx.size, ctx.alpha, ctx.beta = size, alpha, beta
        return output

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """∂L/∂x_c = g_c s_c^(−β) − 2αβ/n · x_c Σ_j g_j y_j / s_j"""
        input, output, scale = ctx.saved_tensors
        reach = (ctx.size + 1) // 2
        if ctx.size < 2:
            raise RuntimeError("CrossMapLRN2d has a derivative for windows of size 2 and more, got size 1")
        sums = windows(grad_output * output / scale, reach, ctx.size - 1 - reach)
        factor = 2 * ctx.alpha * ctx.beta / ctx.size
        return grad_output * scale**-ctx.beta - factor * input * sums, None, None, None, None
