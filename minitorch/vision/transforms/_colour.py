"""Colours of tensors (…, C, H, W), C = 1 or 3.

Most are a blend of the image with another one, ratio · image + (1 − ratio) · other, cut to the dtype's range: black for brightness, its
mean for contrast, its grey for saturation, its blur for sharpness. Hue turns the colour wheel of HSV. Values of integers are cut
off and not rounded when they go back, as in torchvision.
"""

from __future__ import annotations

from typing import Any

import minitorch
import minitorch.nn.functional as nnf
from minitorch.tensor import Tensor

from ._ranges import check_channels, convert_image_dtype, dimensions, in_floats, largest


def rgb_to_grayscale(img: Tensor, num_output_channels: int = 1) -> Tensor:
    """0.2989 R + 0.587 G + 0.114 B: the brightness that an eye sees (the weights of ITU-R 601-2)."""
    _at_least_3_dimensions(img)
    channels = check_channels(img)
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels should be either 1 or 3, got {num_output_channels}")
    if channels == 3:
        r, g, b = img.unbind(-3)
        grey = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    else:
        grey = img.clone()
    return grey.expand(img.shape) if num_output_channels == 3 else grey


def adjust_brightness(img: Tensor, brightness_factor: float) -> Tensor:
    _not_negative("brightness_factor", brightness_factor)
    check_channels(img)
    return _blend(img, minitorch.zeros_like(img), brightness_factor)


def adjust_contrast(img: Tensor, contrast_factor: float) -> Tensor:
    _not_negative("contrast_factor", contrast_factor)
    grey = rgb_to_grayscale(img) if check_channels(img) == 3 else img
    grey = grey if grey.is_floating_point() else grey.to(minitorch.float32)
    return _blend(img, grey.mean((-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(img: Tensor, saturation_factor: float) -> Tensor:
    _not_negative("saturation_factor", saturation_factor)
    return _blend(img, rgb_to_grayscale(img), saturation_factor) if check_channels(img) == 3 else img


def _blend(img: Tensor, other: Tensor, ratio: float) -> Tensor:
    """ratio · img + (1 − ratio) · other, cut to the range of the dtype."""
    ratio = float(ratio)
    return (ratio * img + (1.0 - ratio) * other).clamp(0, largest(img.dtype)).to(img.dtype)


# ---- hue ----


def adjust_hue(img: Tensor, hue_factor: float) -> Tensor:
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5]")
    if check_channels(img) == 1:
        return img
    h, s, v = _hsv(*convert_image_dtype(img, minitorch.float32).unbind(-3))
    return convert_image_dtype(_rgb((h + hue_factor) % 1.0, s, v), img.dtype)


def _hsv(r: Tensor, g: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (red 0, green 1/3, blue 2/3), saturation and value, each in 0 to 1."""
    v = minitorch.maximum(minitorch.maximum(r, g), b)
    chroma = v - minitorch.minimum(minitorch.minimum(r, g), b)
    grey = chroma == 0
    s = chroma / minitorch.where(grey, 1.0, v)
    to_r, to_g, to_b = ((v - channel) / minitorch.where(grey, 1.0, chroma) for channel in (r, g, b))
    sixths = minitorch.where(v == r, to_b - to_g, minitorch.where(v == g, 2.0 + to_r - to_b, 4.0 + to_g - to_r))
    return minitorch.fmod(sixths / 6.0 + 1.0, 1.0), s, v


def _rgb(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """(…, 3, H, W): in each sixth of the wheel one colour is full, one empty, and one rises (`t`) or falls (`q`)."""
    sixth = (h * 6.0).floor()
    part = h * 6.0 - sixth
    p, q, t = ((v * (1.0 - s * x)).clamp(0.0, 1.0) for x in (1.0, part, 1.0 - part))
    which = (sixth.to(minitorch.int64) % 6).unsqueeze(0)

    def among(*six: Tensor) -> Tensor:
        return minitorch.stack(six).gather(0, which).squeeze(0)

    return minitorch.stack([among(v, q, p, p, t, v), among(t, v, v, q, p, p), among(p, p, t, v, v, q)], -3)


# ---- value by value ----


def adjust_gamma(img: Tensor, gamma: float, gain: float = 1) -> Tensor:
    """gain · xᵞ of x in 0 to 1"""
    check_channels(img)
    if gamma < 0:
        raise ValueError(f"gamma should be a non-negative number, got {gamma}")
    floats = img if img.is_floating_point() else convert_image_dtype(img, minitorch.float32)
    return convert_image_dtype((gain * floats.pow(gamma)).clamp(0, 1), img.dtype)


def invert(img: Tensor) -> Tensor:
    _at_least_3_dimensions(img)
    check_channels(img)
    return largest(img.dtype) - img


def posterize(img: Tensor, bits: int) -> Tensor:
    _at_least_3_dimensions(img)
    _only_bytes(img)
    check_channels(img)
    return img & (256 - 2 ** (8 - bits))


def solarize(img: Tensor, threshold: float) -> Tensor:
    inverted = invert(img)
    if threshold > largest(img.dtype):
        raise TypeError(f"threshold {threshold} is above {largest(img.dtype)}, white in {img.dtype}")
    return minitorch.where(img >= threshold, inverted, img)


def autocontrast(img: Tensor) -> Tensor:
    """Each channel stretched from its least and largest to the whole range; one of a single value stays."""
    _at_least_3_dimensions(img)
    check_channels(img)
    bound, dtype = largest(img.dtype), img.dtype if img.is_floating_point() else minitorch.float32
    low, high = (extreme((-2, -1), keepdim=True).to(dtype) for extreme in (img.amin, img.amax))
    scale = bound / (high - low)
    flat = ~scale.isfinite()
    low, scale = minitorch.where(flat, 0.0, low), minitorch.where(flat, 1.0, scale)
    return ((img - low) * scale).clamp(0, bound).to(img.dtype)


def equalize(img: Tensor) -> Tensor:
    """Each channel mapped so that all values are about equally common."""
    if not 3 <= img.ndim <= 4:
        raise TypeError(f"equalize: expected a tensor with 3 or 4 dimensions, got {img.ndim}")
    _only_bytes(img)
    check_channels(img)
    channels = [_equalized(channel) for channel in img.reshape(-1, *img.shape[-2:])]
    return minitorch.stack(channels).view(img.shape)


def _equalized(channel: Tensor) -> Tensor:
    counts = minitorch.bincount(channel.reshape(-1), minlength=256)
    step = int(counts[counts != 0][:-1].sum()) // 255  # all pixels but the brightest, spread over 255 steps
    if step == 0:
        return channel
    table = (minitorch.cumsum(counts, 0) + step // 2).div(step, rounding_mode="floor")
    table = nnf.pad(table, [1, 0])[:-1].clamp(0, 255)
    return table[channel.to(minitorch.int64)].to(minitorch.uint8)


def adjust_sharpness(img: Tensor, sharpness_factor: float) -> Tensor:
    _not_negative("sharpness_factor", sharpness_factor)
    check_channels(img)
    return img if min(img.shape[-2:]) <= 2 else _blend(img, _smoothed(img), sharpness_factor)


def _smoothed(img: Tensor) -> Tensor:
    """Each pixel the mean of itself (5 times) and its 8 neighbours; those at the border stay."""
    dtype = img.dtype if img.is_floating_point() else minitorch.float32
    kernel = minitorch.ones((3, 3), dtype=dtype, device=img.device)
    kernel[1, 1] = 5.0
    channels = dimensions(img)[0]
    floats, back = in_floats(img, dtype)
    inner = back(nnf.conv2d(floats, (kernel / kernel.sum()).expand(channels, 1, 3, 3), groups=channels))
    smoothed = img.clone()
    smoothed[..., 1:-1, 1:-1] = inner
    return smoothed


# ---- checks ----


def _at_least_3_dimensions(img: Tensor) -> None:
    if img.ndim < 3:
        raise TypeError(f"a tensor image with at least 3 dimensions, (…, C, H, W), is expected, got {tuple(img.shape)}")


def _not_negative(name: str, value: Any) -> None:
    if value < 0:
        raise ValueError(f"{name} ({value}) is negative")


def _only_bytes(img: Tensor) -> None:
    if img.dtype != minitorch.uint8:
        raise TypeError(f"only uint8 tensors are supported, got {img.dtype}")
