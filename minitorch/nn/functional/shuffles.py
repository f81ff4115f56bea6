"""Rearranging channels; all are ops of `minitorch/ops/shuffle.py`."""

from minitorch.ops.shuffle import channel_shuffle, native_channel_shuffle, pixel_shuffle, pixel_unshuffle

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]
