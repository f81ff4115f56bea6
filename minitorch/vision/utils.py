"""Many images as one: `make_grid`, and `save_image`, which writes it to a file."""

from __future__ import annotations

import math
import os
from typing import Any

import minitorch
from minitorch.tensor import Tensor
from minitorch.utils.files import replacing
from minitorch.utils.optional import needed

__all__ = ["make_grid", "save_image"]


@minitorch.no_grad()
def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """The images (N, C, H, W), or a list of (C, H, W), as one image (C, H', W'): `nrow` in a row, `padding` pixels of `pad_value` around each.

    Grey images get three channels. `normalize` maps `value_range`, or else the least and largest value (of each image by itself if
    `scale_each`), to 0 to 1. A single image comes back without a border.

    >>> make_grid(minitorch.zeros(10, 1, 5, 4), nrow=4).shape
    minitorch.Size([3, 23, 26])
    """
    images = _three_channels(_batch(tensor))
    if normalize:
        images = _normalized(images, value_range, scale_each)
    if len(images) == 1:
        return images.squeeze(0)
    N, C, H, W = images.shape
    columns = min(nrow, N)
    rows = math.ceil(N / columns)
    grid = images.new_full((C, rows * (H + padding) + padding, columns * (W + padding) + padding), pad_value)
    for n, image in enumerate(images):
        top, left = padding + n // columns * (H + padding), padding + n % columns * (W + padding)
        grid[:, top : top + H, left : left + W] = image
    return grid


def _batch(images: Any) -> Tensor:
    """(N, C, H, W)"""
    if isinstance(images, list):
        for each in images:
            if not isinstance(each, Tensor):
                raise TypeError(f"make_grid: expected a tensor or a list of tensors, got a list with {type(each)}")
        images = minitorch.stack(images)
    if not isinstance(images, Tensor):
        raise TypeError(f"make_grid: expected a tensor or a list of tensors, got {type(images)}")
    images = images[None] if images.dim() == 2 else images
    return images[None] if images.dim() == 3 else images


def _three_channels(images: Tensor) -> Tensor:
    return images.repeat(1, 3, 1, 1) if images.dim() == 4 and images.shape[1] == 1 else images


def _normalized(images: Tensor, value_range: Any, scale_each: bool) -> Tensor:
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError(f"value_range should be a tuple (min, max), got {value_range!r}")
    if scale_each:
        return minitorch.stack([_normalized(image, value_range, scale_each=False) for image in images])
    low, high = value_range if value_range is not None else (float(images.min()), float(images.max()))
    return images.clamp(low, high).sub_(low).div_(max(high - low, 1e-5))


@minitorch.no_grad()
def save_image(tensor: Tensor | list[Tensor], fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """`make_grid(tensor, **kwargs)`, whose values are in 0 to 1, as a picture: `fp` is a path, which appears once it is complete, or an open file.

    `format` ("png", "jpeg", …) is told by the path's end unless it is given. ValueError if neither tells it.
    """
    grid = make_grid(tensor, **kwargs)
    array = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", minitorch.uint8).numpy()
    image = needed("PIL.Image", "vision", by="save_image")
    picture = image.fromarray(array)
    if not isinstance(fp, (str, os.PathLike)):
        picture.save(fp, format=format)
        return
    ending = os.path.splitext(os.fspath(fp))[1].lower()
    format = format or image.registered_extensions().get(ending)
    if format is None:
        raise ValueError(
            f"save_image: no format of Pillow is known by the ending of {os.fspath(fp)!r}; name one: format='png'"
        )
    with replacing(fp) as file:
        picture.save(file, format=format)
