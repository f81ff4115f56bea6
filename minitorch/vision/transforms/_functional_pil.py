"""What `functional.py` does to PIL images: each is a call of Pillow, with torchvision's rules for what Pillow leaves open.

These rules are: how a fill becomes one number for each channel, and padding that repeats the image, which Pillow does not have.
This file needs Pillow, and is imported once there is an image of its kind.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch.utils.optional import needed

from ._functional_tensor import borders, check_padding_mode

needed("PIL", "vision", by="a transform of PIL images")
from PIL import Image, ImageEnhance, ImageOps  # noqa: E402
from PIL.Image import Image as PILImage  # noqa: E402


def get_dimensions(img: PILImage) -> list[int]:
    """[C, H, W]"""
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: PILImage) -> list[int]:
    """[W, H]"""
    return list(img.size)


def get_image_num_channels(img: PILImage) -> int:
    return len(img.getbands())


# ---- geometry ----


def hflip(img: PILImage) -> PILImage:
    return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(img: PILImage) -> PILImage:
    return img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def crop(img: PILImage, top: int, left: int, height: int, width: int) -> PILImage:
    """The window; black outside of the image."""
    return img.crop((left, top, left + width, top + height))


def resize(img: PILImage, size: Sequence[int], interpolation: int) -> PILImage:
    """To (H, W) = `size`. Pillow always averages when it shrinks, unless the mode is nearest."""
    height, width = size
    return img.resize((width, height), interpolation)


def rotate(img: PILImage, angle: float, interpolation: int, expand: bool, center: Any, fill: Any) -> PILImage:
    return img.rotate(angle, interpolation, expand, center, fillcolor=_fill_of(img, fill))


def affine(img: PILImage, matrix: list[float], interpolation: int, fill: Any) -> PILImage:
    return img.transform(img.size, Image.Transform.AFFINE, matrix, interpolation, fillcolor=_fill_of(img, fill))


def perspective(img: PILImage, coeffs: list[float], interpolation: int, fill: Any) -> PILImage:
    return img.transform(img.size, Image.Transform.PERSPECTIVE, coeffs, interpolation, fillcolor=_fill_of(img, fill))


def pad(img: PILImage, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> PILImage:
    if not isinstance(padding, (numbers.Number, tuple, list)):
        raise TypeError(f"padding should be an int, or 1, 2 or 4 of them, got {padding!r}")
    if fill is not None and not isinstance(fill, (numbers.Number, tuple, list)):
        raise TypeError(f"fill should be a number, or a tuple or list of one per channel, got {fill!r}")
    sides = borders(padding if isinstance(padding, (tuple, list)) else int(padding))  # type: ignore[call-overload]
    if check_padding_mode(padding_mode) != "constant":
        return _repeated(img, sides, padding_mode)
    color: Any = _fill_of(img, fill)
    padded = ImageOps.expand(img, border=sides, fill=color)
    if img.mode == "P":
        padded.putpalette(img.getpalette())  # type: ignore[arg-type]
    return padded


def _repeated(img: PILImage, sides: Sequence[int], padding_mode: Any) -> PILImage:
    """Padded by NumPy with what is in the image: its edge, or its mirror image, again and again. Negative sides cut off."""
    left, top, right, bottom = sides
    if min(sides) < 0:
        cut = [max(-side, 0) for side in sides]
        img = img.crop((cut[0], cut[1], img.width - cut[2], img.height - cut[3]))
    array = np.asarray(img)
    widths = [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)), (0, 0)][: array.ndim]
    padded = Image.fromarray(np.pad(array, widths, padding_mode))
    if img.mode == "P":
        padded.putpalette(img.getpalette())  # type: ignore[arg-type]
    return padded


def _fill_of(img: PILImage, fill: Any) -> Any:
    """`fill` as Pillow wants it: a number for an image with one channel, a tuple for more; whole numbers unless the mode is F."""
    channels = get_image_num_channels(img)
    fill = 0 if fill is None else fill
    if isinstance(fill, (int, float)) and channels > 1:
        fill = (fill,) * channels
    number = float if img.mode == "F" else int
    if not isinstance(fill, (tuple, list)):
        return number(fill)
    if len(fill) == 1:
        fill = tuple(fill) * channels
    if len(fill) != channels:
        raise ValueError(f"fill has {len(fill)} numbers, the image {channels} channels")
    return tuple(number(x) for x in fill)


# ---- colour ----


def adjust_brightness(img: PILImage, brightness_factor: float) -> PILImage:
    return ImageEnhance.Brightness(img).enhance(brightness_factor)


def adjust_contrast(img: PILImage, contrast_factor: float) -> PILImage:
    return ImageEnhance.Contrast(img).enhance(contrast_factor)


def adjust_saturation(img: PILImage, saturation_factor: float) -> PILImage:
    return ImageEnhance.Color(img).enhance(saturation_factor)


def adjust_sharpness(img: PILImage, sharpness_factor: float) -> PILImage:
    return ImageEnhance.Sharpness(img).enhance(sharpness_factor)


def adjust_hue(img: PILImage, hue_factor: float) -> PILImage:
    """Hue, of 0 to 255 in Pillow's HSV, is turned by ⌊255 · hue_factor⌋ steps (toward 0)."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5]")
    if img.mode in ("L", "1", "I", "F"):
        return img
    h, s, v = img.convert("HSV").split()
    turned = h.point([(hue + int(hue_factor * 255)) % 256 for hue in range(256)])
    return Image.merge("HSV", (turned, s, v)).convert(img.mode)


def adjust_gamma(img: PILImage, gamma: float, gain: float = 1.0) -> PILImage:
    if gamma < 0:
        raise ValueError(f"gamma should be a non-negative number, got {gamma}")
    table = [int((255 + 1 - 1e-3) * gain * pow(value / 255.0, gamma)) for value in range(256)]
    return img.convert("RGB").point(table * 3).convert(img.mode)


def rgb_to_grayscale(img: PILImage, num_output_channels: int = 1) -> PILImage:
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels should be either 1 or 3, got {num_output_channels}")
    grey = img.convert("L")
    return grey if num_output_channels == 1 else Image.merge("RGB", (grey, grey, grey))


def invert(img: PILImage) -> PILImage:
    return ImageOps.invert(img)


def posterize(img: PILImage, bits: int) -> PILImage:
    return ImageOps.posterize(img, bits)


def solarize(img: PILImage, threshold: int) -> PILImage:
    return ImageOps.solarize(img, threshold)


def autocontrast(img: PILImage) -> PILImage:
    return ImageOps.autocontrast(img)


def equalize(img: PILImage) -> PILImage:
    return ImageOps.equalize(img)
