"""Rows of `ops/fake_quantize.py`: numbers on the grid, between two of its points, at ties and beyond its ends.

A rounded number does not move with x, and its derivative is not what differences would tell: where the two are compared, x lies beyond
the ends, where both are 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import minitorch

from ..strategies import floats, of
from ..table import pair

x = floats(low=-4, high=4, ties=True)
beyond = {"x": floats(low=50, high=90)}
limits = {"quant_min": of(-8, -2), "quant_max": of(7, 3)}

pair("fake_quantize_per_tensor_affine", torch.fake_quantize_per_tensor_affine, x=x, scale=of(0.1, 0.25, 2.0), zero_point=of(0, 3, -2),
    **limits, smooth=beyond)  # fmt: skip


def with_tensors(library: Any) -> Callable:
    """The scale and the zero point as tensors."""

    def call(x: Any, scale: float, zero_point: int) -> Any:
        parameters = (
            library.tensor([scale], device=x.device),
            library.tensor([zero_point], dtype=library.int32, device=x.device),
        )
        return library.fake_quantize_per_tensor_affine(x, *parameters, -8, 7)

    call.__doc__ = minitorch.fake_quantize_per_tensor_affine.__doc__
    return call


pair("fake_quantize_per_tensor_affine (tensors)", with_tensors(torch), with_tensors(minitorch), covers="fake_quantize_per_tensor_affine",
    x=x, scale=of(0.1, 2.0), zero_point=of(0, 3), smooth=beyond)  # fmt: skip


def per_channel(library: Any) -> Callable:
    """Scales that grow from channel to channel, and zero points of integers, or of floats."""

    def call(x: Any, axis: int, floats: bool) -> Any:
        scale = 0.1 + 0.4 * library.arange(x.shape[axis], dtype=library.float32, device=x.device)
        zero_point = library.arange(x.shape[axis], dtype=library.int32, device=x.device)
        zero_point = zero_point.float() / 4 if floats else zero_point
        return library.fake_quantize_per_channel_affine(x, scale, zero_point, axis, -8, 7)

    call.__doc__ = minitorch.fake_quantize_per_channel_affine.__doc__
    return call


pair("fake_quantize_per_channel_affine", per_channel(torch), per_channel(minitorch), x=floats("N C *", low=-4, high=4, ties=True),
    axis=of(0, 1), floats=of(False, True), empty=False, smooth={"x": floats("N C *", low=50, high=90)})  # fmt: skip
