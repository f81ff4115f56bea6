"""Layers' functions with a derivative of their own, as a user would write them: `autograd.Function`.

Batch norm over the batches of all processes of a group gathers every process's mean, variance and count: with n = Σ nᵣ,
mean = Σ nᵣ mᵣ / n and var = Σ nᵣ (vᵣ + (mᵣ − mean)²) / n, whatever the counts are. The gradient of x needs two sums over the whole batch,
which backward adds up over the group; those of w and b are this process's share, as every parameter's are.
Read next: `batchnorm.py`; `ops/normalize.py`, the same in one process.
"""

from __future__ import annotations

from typing import Any

import minitorch
from minitorch.autograd import Function
from minitorch.autograd.function import once_differentiable
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


class SyncBatchNorm(Function):
    """y = (x − mean) / √(var + ε) · w + b, with the mean and the variance of all processes' x (N, C, …)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Any,
        bias: Any,
        running_mean: Any,
        running_var: Any,
        eps: float,
        momentum: float,
        group: Any,
    ) -> Tensor:
        wide = x if x.dtype in (minitorch.float32, minitorch.float64) else x.float()
        rest = _all_but_channels(x)
        mean, var, n = _over_the_group(wide, rest, group)
        if n == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {tuple(x.shape)}")
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * (n / (n - 1))).to(running_var.dtype), momentum)
        scale = (var + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.n, ctx.group = n, group
        out = (wide - _along(mean, x)) * _along(scale, x)
        out = out if weight is None else out * _along(weight.to(wide.dtype), x)
        out = out if bias is None else out + _along(bias.to(wide.dtype), x)
        return out.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        """∂L/∂x = (h − Σh / n − x̂ Σ(h x̂) / n) / √(var + ε), h = g · w, the sums over the whole batch"""
        from minitorch import distributed as dist

        x, weight, mean, scale = ctx.saved_tensors
        rest, channels = _all_but_channels(x), x.shape[1]
        g, z = g.to(mean.dtype), (x.to(mean.dtype) - _along(mean, x)) * _along(scale, x)
        sums = minitorch.cat([g.sum(rest), (g * z).sum(rest)])
        grad_bias, grad_weight = sums.clone().split(channels)
        grad_x = None
        if ctx.needs_input_grad[0]:
            dist.all_reduce(sums, group=ctx.group)
            all_g, all_gz = (sums / ctx.n).split(channels)
            factor = scale if weight is None else scale * weight.to(scale.dtype)
            grad_x = ((g - _along(all_g, x) - z * _along(all_gz, x)) * _along(factor, x)).to(x.dtype)
        wants_weight, wants_bias = ctx.needs_input_grad[1:3]
        return (
            grad_x,
            grad_weight.to(weight.dtype) if wants_weight else None,
            grad_bias.to(weight.dtype if weight is not None else mean.dtype) if wants_bias else None,
            *[None] * 5,
        )


def _over_the_group(x: Tensor, rest: list[int], group: Any) -> tuple[Tensor, Tensor, int]:
    """Mean, biased variance and count per channel, of all processes' batches. One may be empty."""
    from minitorch import distributed as dist

    count = x.numel() // x.shape[1]
    mean = x.mean(rest) if count else x.new_zeros(x.shape[1])
    var = x.var(rest, correction=0) if count else x.new_zeros(x.shape[1])
    mine = minitorch.cat([mean, var, mean.new_full((1,), count)])
    everyone = [minitorch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(everyone, mine, group=group)
    means, variances, counts = minitorch.stack(everyone).split([x.shape[1], x.shape[1], 1], dim=1)
    n = counts.sum()
    mean = (counts * means).sum(0) / n
    return mean, (counts * (variances + (means - mean) ** 2)).sum(0) / n, int(n)


def _all_but_channels(x: Tensor) -> list[int]:
    return [d for d in range(x.ndim) if d != 1]


def _along(channel: Tensor, x: Tensor) -> Tensor:
    """A number for each channel, to broadcast with x."""
    return channel.view(1, -1, *[1] * (x.ndim - 2))
