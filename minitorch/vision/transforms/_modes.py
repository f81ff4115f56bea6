"""How a pixel's value is made from those around it: the names of the ways, here and in Pillow."""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = ["PIL_NUMBERS", "InterpolationMode", "interpolation_mode"]


class InterpolationMode(Enum):
    """The ways to interpolate. Tensors take the first four of them (rotations: nearest and bilinear), PIL images all."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# The values of PIL.Image.Resampling.
PIL_NUMBERS = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.NEAREST_EXACT: 0,
}
_FROM_NUMBER = {number: mode for mode, number in reversed(PIL_NUMBERS.items())}  # 0 is NEAREST


def interpolation_mode(interpolation: Any) -> InterpolationMode:
    """An InterpolationMode as it is; of Pillow's number the mode of that name (KeyError if it has none). Else TypeError."""
    if isinstance(interpolation, int):
        if interpolation not in _FROM_NUMBER:
            raise KeyError(f"interpolation {interpolation} is none of Pillow's numbers: {sorted(_FROM_NUMBER)}")
        return _FROM_NUMBER[interpolation]
    if not isinstance(interpolation, InterpolationMode):
        raise TypeError(f"interpolation should be an InterpolationMode or one of Pillow's numbers, got {interpolation!r}")
    return interpolation
