"""Rearranging channels: into the pixels of a larger plane and back, or among groups. Each is a reshape, a transpose and a reshape.

A permutation's derivative is the permutation back. Read next: `pooling.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.layout import channels_last_3d, suggested
from ..op import Array, op
from .shape import reshape

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(promote=None, takes_out=False, format_of="x")
def pixel_shuffle(xp: Any, x: Array, upscale_factor: int) -> Array:
    """out[c, h r + i, w r + j] = x[c r² + i r + j, h, w]: (…, C r², H, W) → (…, C, H r, W r), r = upscale_factor (Shi et al., 2016)

    >>> minitorch.pixel_shuffle(minitorch.arange(4).reshape(4, 1, 1), 2)
    tensor([[[0, 1],
             [2, 3]]])
    """
    r = upscale_factor
    _refuse("pixel_shuffle", "upscale_factor", x, r)
    *before, channels, height, width = x.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            f"input.size(-3)={channels} is not divisible by {r * r}"
        )
    parts = x.reshape((*before, channels // (r * r), r, r, height, width))  # c i j h w
    n = len(before)
    out = parts.transpose((*range(n), n, n + 3, n + 1, n + 4, n + 2)).copy()  # c h i w j
    return out.reshape((*before, channels // (r * r), height * r, width * r))


@op(promote=None, takes_out=False, format_of="x")
def pixel_unshuffle(xp: Any, x: Array, downscale_factor: int) -> Array:
    """out[c r² + i r + j, h, w] = x[c, h r + i, w r + j]: (…, C, H r, W r) → (…, C r², H, W), r = downscale_factor

    >>> minitorch.pixel_unshuffle(minitorch.arange(4).reshape(1, 2, 2), 2).flatten()
    tensor([0, 1, 2, 3])
    """
    r = downscale_factor
    _refuse("pixel_unshuffle", "downscale_factor", x, r)
    *before, channels, height, width = x.shape
    for what, size, dim in (("height", height, -2), ("width", width, -1)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but input.size({dim})={size} is not "
                f"divisible by {r}"
            )
    if not x.size:
        return x.copy()  # torch's own shape for nothing
    parts = x.reshape((*before, channels, height // r, r, width // r, r))  # c h i w j
    n = len(before)
    out = parts.transpose((*range(n), n, n + 2, n + 4, n + 1, n + 3)).copy()  # c i j h w
    return out.reshape((*before, channels * r * r, height // r, width // r))


@pixel_shuffle.grad
def pixel_shuffle_grad(g: Tensor, x_shape: tuple, upscale_factor: int) -> Tensor:
    """∂L/∂x = g, each number back in its channel"""
    return reshape(pixel_unshuffle(g, upscale_factor), x_shape)


@pixel_unshuffle.grad
def pixel_unshuffle_grad(g: Tensor, downscale_factor: int) -> Tensor:
    """∂L/∂x = g, each number back at its pixel"""
    return g if 0 in g.shape else pixel_shuffle(g, downscale_factor)


def _refuse(name: str, factor: str, x: Array, r: int) -> None:
    if x.ndim < 3:
        raise RuntimeError(f"{name} expects input to have at least 3 dimensions (…, C, H, W), but got {list(x.shape)}")
    if r <= 0:
        raise RuntimeError(f"{name} expects a positive {factor}, but got {r}")
    if x.size and suggested(x) is channels_last_3d:
        raise RuntimeError(
            f"Unsupported memory format. Supports only ChannelsLast, Contiguous: {name} got volumes that lie in channels_last_3d; call "
            ".contiguous() first"
        )


def _shuffled(xp: Any, x: Array, groups: int) -> Array:
    """Channels (N, groups, C / groups, …) as (N, C / groups, groups, …), and these in a row."""
    if x.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims (N, C, …), but got input with sizes {list(x.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if x.shape[1] % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {x.shape[1]} channels and {groups} groups.")
    parts = x.reshape((x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return parts.swapaxes(1, 2).copy().reshape(x.shape)


@op(promote=None, takes_out=False, format_of="x")
def channel_shuffle(xp: Any, x: Array, groups: int) -> Array:
    """out[:, k groups + i] = x[:, i C / groups + k]: the channels of x (N, C, …) dealt from groups in turn (Zhang et al., 2018)

    >>> minitorch.channel_shuffle(minitorch.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    return _shuffled(xp, x, groups)


@channel_shuffle.grad
def channel_shuffle_grad(g: Tensor, groups: int) -> Tensor:
    """∂L/∂x = g, dealt back: as from C / groups groups"""
    return channel_shuffle(g, max(g.shape[1] // groups, 1))


@op(promote=None, takes_out=False, format_of="x", grad_fn="torch::autograd::NotImplemented")
def native_channel_shuffle(xp: Any, x: Array, groups: int) -> Array:
    """`channel_shuffle` without a derivative, as torch has it"""
    return _shuffled(xp, x, groups)
