"""Channels into pixels and back; the permutations are in `minitorch/ops/shuffle.py`."""

from __future__ import annotations

from minitorch.nn import functional as F
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """out[c, h r + i, w r + j] = x[c r² + i r + j, h, w], r = upscale_factor: (…, C r², H, W) → (…, C, H r, W r)

    A convolution before it makes a picture r times larger without a transposed convolution (Shi et al., 2016).
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """out[c r² + i r + j, h, w] = x[c, h r + i, w r + j], r = downscale_factor: (…, C, H r, W r) → (…, C r², H, W)

    The inverse of `PixelShuffle`.
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
