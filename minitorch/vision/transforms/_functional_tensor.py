"""What `functional.py` does to tensors (…, C, H, W): cropping, padding, resizing, blurring, and the range of a dtype.

Everything is made of ops, so that gradients flow through it. Integers are computed with as float32 and rounded, as in torchvision, so
that the numbers are its numbers. Read next: `_warp.py` (rotations) and `_colour.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import minitorch
import minitorch.nn.functional as nnf
from minitorch.arrays.dtypes import dtype as Dtype
from minitorch.tensor import Tensor

from ._colour import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
)
from ._ranges import dimensions, in_floats
from ._warp import affine, elastic_transform, perspective, rotate

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "adjust_sharpness", "affine",
    "autocontrast", "crop", "elastic_transform", "equalize", "erase", "gaussian_blur", "get_dimensions", "get_image_num_channels", "get_image_size", "hflip",
    "invert", "normalize", "pad", "perspective", "posterize", "resize", "rgb_to_grayscale", "rotate", "solarize", "vflip",
]  # fmt: skip


def get_dimensions(img: Tensor) -> list[int]:
    """[C, H, W]; C = 1 of a tensor (H, W)."""
    return dimensions(img)


def get_image_size(img: Tensor) -> list[int]:
    """[W, H]"""
    return dimensions(img)[:0:-1]


def get_image_num_channels(img: Tensor) -> int:
    return dimensions(img)[0]


def hflip(img: Tensor) -> Tensor:
    dimensions(img)
    return img.flip(-1)


def vflip(img: Tensor) -> Tensor:
    dimensions(img)
    return img.flip(-2)


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The window; a view if all of it is in the image, else with zeros outside."""
    _, H, W = dimensions(img)
    rows, above, below = _inside(top, height, H)
    columns, before, after = _inside(left, width, W)
    inside = img[..., rows, columns]
    return pad(inside, [before, above, after, below]) if above or below or before or after else inside


def _inside(start: int, length: int, size: int) -> tuple[slice, int, int]:
    """What of start, …, start + length − 1 is in 0, …, size − 1; and how many are before and after it."""
    first = min(max(start, 0), size)
    last = max(min(start + length, size), first)
    before = min(max(-start, 0), length)
    return slice(first, last), before, length - before - (last - first)


# ---- padding ----


def pad(img: Tensor, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Tensor:
    dimensions(img)
    fill = 0 if fill is None else fill
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError(f"padding should be an int, or 1, 2 or 4 of them, got {padding!r}")
    if not isinstance(fill, (int, float)):
        raise TypeError(f"fill should be a number for a tensor, got {fill!r}")
    left, top, right, bottom = borders(padding)
    if check_padding_mode(padding_mode) == "symmetric":
        return _pad_symmetric(img, left, top, right, bottom)
    sides = [left, right, top, bottom]
    if padding_mode == "constant":
        return nnf.pad(img, sides, value=float(fill))
    floats, back = in_floats(img)
    return back(nnf.pad(floats, sides, mode="replicate" if padding_mode == "edge" else "reflect"), rounded=False)


def borders(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of one number for all, of (left and right, top and bottom), or of four."""
    given = [padding] if isinstance(padding, int) else list(padding)
    if len(given) not in (1, 2, 4):
        raise ValueError(f"padding should be an int or a sequence of 1, 2 or 4 of them, got {len(given)}")
    left, top, right, bottom = given * (4 // len(given))
    return left, top, right, bottom


def check_padding_mode(padding_mode: Any) -> str:
    if not isinstance(padding_mode, str):
        raise TypeError(f"padding_mode should be a str, got {padding_mode!r}")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(f"padding_mode should be either constant, edge, reflect or symmetric, got {padding_mode!r}")
    return padding_mode


def _pad_symmetric(img: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """Mirrored with the edge doubled: 2 1 | 1 2 3 | 3 2. Negative padding cuts off."""
    H, W = img.shape[-2:]
    img = img[..., max(-top, 0) : H - max(-bottom, 0), max(-left, 0) : W - max(-right, 0)]
    if max(top, bottom) > img.shape[-2] or max(left, right) > img.shape[-1]:
        raise IndexError(
            f"pad: a tensor is mirrored by no more than its size, {tuple(img.shape[-2:])}; got {(left, top, right, bottom)}"
        )
    rows = _mirrored(img.shape[-2], max(top, 0), max(bottom, 0))
    columns = _mirrored(img.shape[-1], max(left, 0), max(right, 0))
    return img[..., minitorch.tensor(rows, device=img.device)[:, None], minitorch.tensor(columns, device=img.device)]


def _mirrored(size: int, before: int, after: int) -> list[int]:
    return [*reversed(range(before)), *range(size), *(-1 - i for i in range(after))]


# ---- resizing and blurring ----


def resize(img: Tensor, size: Sequence[int], interpolation: str = "bilinear", antialias: bool | None = True) -> Tensor:
    """To (H, W) = `size`. `antialias`: when shrinking, each new pixel averages all the old ones under it, as Pillow does."""
    dimensions(img)
    smooth = interpolation in ("bilinear", "bicubic")
    floats, back = in_floats(img)
    resized = nnf.interpolate(
        floats,
        size=list(size),
        mode=interpolation,
        align_corners=False if smooth else None,
        antialias=smooth and bool(antialias),
    )
    if interpolation == "bicubic" and img.dtype == minitorch.uint8:
        resized = resized.clamp(0, 255)  # a cubic overshoots at edges
    return back(resized)


def gaussian_blur(img: Tensor, kernel_size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    """Each channel * the kernel k[y, x] ∝ exp(−x²/2σ_x² − y²/2σ_y²), with the image reflected at its borders.

    The kernel is a product of one in x and one in y, so that the two of them in turn do the same, in k + k steps and not k · k.
    """
    channels = dimensions(img)[0]
    dtype = img.dtype if img.is_floating_point() else minitorch.float32
    along_x, along_y = (_gaussian(size, s, dtype).to(img.device) for size, s in zip(kernel_size, sigma))
    floats, back = in_floats(img, dtype)
    sides = [kernel_size[0] // 2] * 2 + [kernel_size[1] // 2] * 2
    if floats.ndim == 4 and (kernel_size[0] // 2 >= img.shape[-1] or kernel_size[1] // 2 >= img.shape[-2]):
        raise RuntimeError(
            f"gaussian_blur: a kernel (x, y) = {tuple(kernel_size)} reaches past the whole image (H, W) = {tuple(img.shape[-2:])}"
        )
    wide = nnf.pad(floats, sides, mode="reflect")
    in_x = nnf.conv2d(wide, along_x.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return back(nnf.conv2d(in_x, along_y.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels))


def _gaussian(size: int, sigma: float, dtype: Dtype) -> Tensor:
    """(size,), which sums to 1."""
    x = minitorch.linspace(-(size - 1) * 0.5, (size - 1) * 0.5, size, dtype=dtype)
    density = (-0.5 * (x / sigma).pow(2)).exp()
    return density / density.sum()


# ---- numbers ----


def normalize(tensor: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """(x − mean) / std, channel by channel."""
    dimensions(tensor)
    if not tensor.is_floating_point():
        raise TypeError(
            f"normalize: expected a float tensor, got {tensor.dtype}; convert it first, e.g. by convert_image_dtype"
        )
    if tensor.ndim < 3:
        raise ValueError(f"normalize: expected a tensor image of shape (…, C, H, W), got {tuple(tensor.shape)}")
    mean, std = (minitorch.as_tensor(each, dtype=tensor.dtype, device=tensor.device) for each in (mean, std))
    if (std == 0).any():
        raise ValueError(f"normalize: std is zero after conversion to {tensor.dtype}, which would divide by zero")
    for name, each in (("mean", mean), ("std", std)):
        if each.ndim == 1 and len(each) not in (1, tensor.shape[-3]) and tensor.shape[-3] != 1:
            raise RuntimeError(
                f"normalize: {name} has {len(each)} numbers, the image {tensor.shape[-3]} channels: {tuple(tensor.shape)}"
            )
    mean, std = (each.view(-1, 1, 1) if each.ndim == 1 else each for each in (mean, std))
    return (tensor if inplace else tensor.clone()).sub_(mean).div_(std)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """`v` in the place of the rows i, …, i + h − 1 and columns j, …, j + w − 1."""
    dimensions(img)
    img = img if inplace else img.clone()
    img[..., i : i + h, j : j + w] = v
    return img
