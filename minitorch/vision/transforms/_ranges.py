"""What a tensor image is: its dimensions, and the range that its dtype stands for.

Floats are in 0 to 1, integers in 0 to the largest of their dtype. The files beside this one compute in floats, `in_floats`, and
go back.
"""

from __future__ import annotations

from typing import Any, Protocol

import minitorch
from minitorch.arrays.dtypes import dtype as Dtype
from minitorch.tensor import Tensor


def dimensions(img: Tensor) -> list[int]:
    """[C, H, W]; TypeError of a tensor that has no H and W."""
    if img.ndim < 2:
        raise TypeError(f"a tensor image has the shape (…, C, H, W) or (H, W), got {tuple(img.shape)}")
    return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]


def check_channels(img: Tensor) -> int:
    """C, which must be 1 or 3."""
    channels = dimensions(img)[0]
    if channels not in (1, 3):
        raise TypeError(f"a tensor image with 1 or 3 channels is expected, got {channels} in the shape {tuple(img.shape)}")
    return channels


def largest(dtype: Dtype) -> int:
    """White, in numbers of that dtype."""
    return 1 if dtype.is_floating_point or dtype == minitorch.bool else int(minitorch.iinfo(dtype).max)


_TOO_FEW_DIGITS = {
    (minitorch.float32, minitorch.int32),
    (minitorch.float32, minitorch.int64),
    (minitorch.float64, minitorch.int64),
}


def convert_image_dtype(image: Tensor, dtype: Dtype = minitorch.float32) -> Tensor:
    """The image in `dtype`, with black and white where they are in its range.

    Floats become integers by ⌊x · (largest + 0.999)⌋, which gives every integer an equally wide piece of 0 to 1. Integers become larger
    or smaller ones by a whole factor. RuntimeError where the floats have too few digits for the integers.
    """
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        if (image.dtype, dtype) in _TOO_FEW_DIGITS:
            raise RuntimeError(f"the cast from {image.dtype} to {dtype} cannot be performed safely: it has too few digits")
        return image.mul(largest(dtype) + 1.0 - 1e-3).to(dtype)
    before, after = float(largest(image.dtype)), float(largest(dtype))
    if dtype.is_floating_point:
        return image.to(dtype) / before
    if before > after:
        return minitorch.div(image, int((before + 1) // (after + 1)), rounding_mode="floor").to(dtype)
    return image.to(dtype) * int((after + 1) // (before + 1))


class Back(Protocol):
    def __call__(self, result: Tensor, rounded: bool = True) -> Tensor: ...


def in_floats(img: Tensor, dtype: Dtype | None = None) -> tuple[Tensor, Back]:
    """(the image as a batch (…, C, H, W) of `dtype`, the way back); without `dtype` float32, or float64 if it is that.

    Back means: to the image's dtype, whole numbers rounded, and without the dimension that was added.
    """
    batch = img.unsqueeze(0) if img.ndim < 4 else img
    if dtype is None:
        dtype = img.dtype if img.dtype in (minitorch.float32, minitorch.float64) else minitorch.float32

    def back(result: Tensor, rounded: bool = True) -> Tensor:
        result = result.squeeze(0) if img.ndim < 4 else result
        if result.dtype == img.dtype:
            return result
        whole = rounded and not img.dtype.is_floating_point and img.dtype != minitorch.bool
        return (result.round() if whole else result).to(img.dtype)

    return batch.to(dtype), back


def listed(number_or_sequence: Any) -> list[Any]:
    return list(number_or_sequence) if isinstance(number_or_sequence, (tuple, list)) else [number_or_sequence]
