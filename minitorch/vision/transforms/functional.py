"""What one can do to an image, as functions: `resize(img, 224)`, `rotate(img, 30)`, `adjust_hue(img, 0.1)`, …

An image is a PIL image or a tensor (…, C, H, W); the result is of the same kind. A function here checks what is common to both and hands
the image to the function of its name in `_functional_pil.py` or `_functional_tensor.py`. Nothing here is random: that is in
`transforms.py`. Sizes are (H, W), points (x, y), angles in degrees.
"""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import minitorch
from minitorch.arrays.dtypes import dtype as Dtype
from minitorch.tensor import Tensor

from . import _functional_tensor, _ranges
from ._conversion import is_pil_image, pil_to_tensor, to_pil_image, to_tensor
from ._modes import PIL_NUMBERS, InterpolationMode, interpolation_mode
from ._warp import inverse_affine_matrix, perspective_coeffs

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "adjust_sharpness",
    "affine", "autocontrast", "center_crop", "convert_image_dtype", "crop", "equalize", "erase", "five_crop", "gaussian_blur",
    "get_dimensions", "get_image_num_channels", "get_image_size", "hflip", "invert", "normalize", "pad", "perspective", "pil_to_tensor",
    "posterize", "resize", "resized_crop", "rgb_to_grayscale", "rotate", "solarize", "ten_crop", "to_grayscale", "to_pil_image",
    "to_tensor", "vflip",
]  # fmt: skip

Image = Any  # a PIL image or a Tensor: Pillow need not be installed


def _kind(img: Any) -> Any:
    """The module that knows images of this kind."""
    if isinstance(img, Tensor):
        return _functional_tensor
    if is_pil_image(img):
        from . import _functional_pil

        return _functional_pil
    raise TypeError(f"expected a PIL image or a tensor, got {type(img)}; to_tensor and to_pil_image make one of an ndarray")


def _tensor(img: Any, by: str) -> Tensor:
    if not isinstance(img, Tensor):
        raise TypeError(f"{by}: expected a tensor image, got {type(img)}; to_tensor makes one")
    return img


def get_dimensions(img: Image) -> list[int]:
    """[C, H, W]"""
    return _kind(img).get_dimensions(img)


def get_image_size(img: Image) -> list[int]:
    """[W, H]"""
    return _kind(img).get_image_size(img)


def get_image_num_channels(img: Image) -> int:
    return _kind(img).get_image_num_channels(img)


# ---- numbers, of tensors alone ----


def convert_image_dtype(image: Tensor, dtype: Dtype = minitorch.float32) -> Tensor:
    """The image in another dtype, its range with it: uint8 0 to 255, floats 0 to 1, …

    >>> convert_image_dtype(minitorch.tensor([[0, 128, 255]], dtype=minitorch.uint8))
    tensor([[0.0000, 0.5020, 1.0000]])
    """
    return _ranges.convert_image_dtype(_tensor(image, "convert_image_dtype"), dtype)


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """(x − mean) / std for each channel, of a float tensor (…, C, H, W)."""
    return _functional_tensor.normalize(_tensor(tensor, "normalize"), mean, std, inplace)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """The tensor with `v` in the place of h rows from i on, and of w columns from j on."""
    return _functional_tensor.erase(_tensor(img, "erase"), i, j, h, w, v, inplace)


# ---- size and place ----


def resize(
    img: Image,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Image:
    """To (h, w); or, if `size` is one number, so that the shorter side has that length, the longer in proportion.

    `max_size` bounds the longer side then. With `antialias` a shrunken tensor averages what it leaves out, as PIL images always do
    unless the mode is nearest. Nearest to a PIL image is not bit for bit that of a tensor.
    """
    mode = interpolation_mode(interpolation)
    if isinstance(size, (list, tuple)) and len(size) not in (1, 2):
        raise ValueError(f"size should be an int or a sequence of 1 or 2 of them, got {len(size)}")
    if isinstance(size, (list, tuple)) and len(size) == 2 and max_size is not None:
        raise ValueError("max_size goes with a size of one number, the length of the shorter side")
    _, H, W = get_dimensions(img)
    target = _resized_size(H, W, [size] if isinstance(size, int) else list(size), max_size)
    if target == [H, W]:
        return img
    if isinstance(img, Tensor):
        return _functional_tensor.resize(img, target, mode.value, antialias)
    if antialias is False:
        warnings.warn("PIL images are always resized with antialiasing; antialias=False is ignored")
    return _kind(img).resize(img, target, PIL_NUMBERS[mode])


def _resized_size(H: int, W: int, size: list[int], max_size: int | None) -> list[int]:
    if len(size) == 2:
        return size
    shorter, longer = size[0], int(size[0] * max(H, W) / min(H, W))
    if max_size is not None and max_size <= shorter:
        raise ValueError(f"max_size = {max_size} must be greater than the length of the shorter side, {shorter}")
    if max_size is not None and longer > max_size:
        shorter, longer = int(max_size * shorter / longer), max_size
    return [longer, shorter] if W <= H else [shorter, longer]


def pad(img: Image, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Image:
    """`padding`: one number for all sides, (left and right, top and bottom), or (left, top, right, bottom); negative ones cut off.

    `padding_mode`: "constant" (with `fill`: a number, for PIL images also one for each channel), "edge" (the last pixel), "reflect" (mirrored without
    it) or "symmetric" (mirrored with it). A tensor can be mirrored by no more than its own size.
    """
    return _kind(img).pad(img, padding, fill, padding_mode)


def crop(img: Image, top: int, left: int, height: int, width: int) -> Image:
    """The window with that upper left corner; what of it lies outside of the image is 0."""
    return _kind(img).crop(img, top, left, height, width)


def center_crop(img: Image, output_size: int | Sequence[int]) -> Image:
    """The middle (h, w) of the image, which is padded with 0 where it is smaller."""
    height, width = _pair(output_size)
    _, H, W = get_dimensions(img)
    more_height, more_width = max(height - H, 0), max(width - W, 0)
    if more_height or more_width:
        img = pad(img, [more_width // 2, more_height // 2, (more_width + 1) // 2, (more_height + 1) // 2])
        H, W = H + more_height, W + more_width
        if (height, width) == (H, W):
            return img
    return crop(img, round((H - height) / 2), round((W - width) / 2), height, width)


def resized_crop(
    img: Image,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Image:
    """`crop`, then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Image, size: int | Sequence[int]) -> tuple[Image, Image, Image, Image, Image]:
    """Upper left, upper right, lower left and lower right corner, and the middle."""
    height, width = _pair(size)
    _, H, W = get_dimensions(img)
    if width > W or height > H:
        raise ValueError(f"five_crop: the crop {(height, width)} is bigger than the image {(H, W)}")
    upper_left, upper_right, lower_left, lower_right = (
        crop(img, top, left, height, width) for top in (0, H - height) for left in (0, W - width)
    )
    return upper_left, upper_right, lower_left, lower_right, center_crop(img, [height, width])


def ten_crop(img: Image, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Image, ...]:
    """`five_crop` of the image and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def _pair(size: Any) -> Sequence[int]:
    """(h, w) of a number, of a sequence of one, or of two."""
    if isinstance(size, numbers.Real):
        return int(size), int(size)
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(f"size should be a number or a sequence (h, w), got {len(size)} numbers")
    return size


def hflip(img: Image) -> Image:
    """Left becomes right."""
    return _kind(img).hflip(img)


def vflip(img: Image) -> Image:
    """Upper becomes lower."""
    return _kind(img).vflip(img)


# ---- rotations and the like ----


def rotate(
    img: Image,
    angle: float,
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[int] | None = None,
    fill: Any = None,
) -> Image:
    """Turned counter-clockwise by `angle` degrees around `center` (x, y), the middle if it is None.

    `expand` makes the image as large as it must be to hold all (around the middle). `fill` is what is seen behind it, a number or one
    for each channel; None is 0.
    """
    mode = interpolation_mode(interpolation)
    _number("angle", angle)
    if not isinstance(img, Tensor):
        _check_center(center)
        return _kind(img).rotate(img, angle, PIL_NUMBERS[mode], expand, center, fill)
    matrix = inverse_affine_matrix(_from_the_middle(img, center), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    return _functional_tensor.rotate(img, matrix, mode.value, expand, fill)


def affine(
    img: Image,
    angle: float,
    translate: Sequence[int],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[int] | None = None,
) -> Image:
    """Turned *clockwise* by `angle`, scaled, sheared by degrees (x, or (x, y)) and moved by pixels (x, y)."""
    mode = interpolation_mode(interpolation)
    _number("angle", angle)
    if not isinstance(translate, (list, tuple)):
        raise TypeError(f"translate should be a sequence (x, y), got {translate!r}")
    if len(translate) != 2:
        raise ValueError(f"translate should be a sequence (x, y), got {len(translate)} numbers")
    if scale <= 0:
        raise ValueError(f"scale should be positive, got {scale}")
    shears = _shears(shear)
    _check_center(center)
    if isinstance(img, Tensor):
        matrix = inverse_affine_matrix(_from_the_middle(img, center), angle, translate, scale, shears)
        return _functional_tensor.affine(img, matrix, mode.value, fill)
    _, H, W = get_dimensions(img)
    matrix = inverse_affine_matrix((W * 0.5, H * 0.5) if center is None else center, angle, translate, scale, shears)
    return _kind(img).affine(img, matrix, PIL_NUMBERS[mode], fill)


def perspective(
    img: Image,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Image:
    """Seen so that the four corners `startpoints` come to lie at `endpoints`: (x, y), from the upper left one clockwise."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"perspective: expected four corners, got {len(startpoints)} startpoints and {len(endpoints)} endpoints"
        )
    mode = interpolation_mode(interpolation)
    coeffs = perspective_coeffs(startpoints, endpoints)
    if isinstance(img, Tensor):
        return _functional_tensor.perspective(img, coeffs, mode.value, fill)
    return _kind(img).perspective(img, coeffs, PIL_NUMBERS[mode], fill)


def _number(name: str, value: Any) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} should be an int or a float, got {value!r}")


def _check_center(center: Any) -> None:
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError(f"center should be a sequence (x, y), got {center!r}")


def _from_the_middle(img: Tensor, center: Any) -> tuple[float, float]:
    _check_center(center)
    _, H, W = get_dimensions(img)
    return (0.0, 0.0) if center is None else (center[0] - W * 0.5, center[1] - H * 0.5)


def _shears(shear: Any) -> Sequence[float]:
    if isinstance(shear, numbers.Number):
        return shear, 0.0  # type: ignore[return-value]
    if not isinstance(shear, (list, tuple)):
        raise TypeError(f"shear should be a number or a sequence (x, y), got {shear!r}")
    if len(shear) == 1:
        return shear[0], shear[0]
    if len(shear) != 2:
        raise ValueError(f"shear should be a number or a sequence (x, y), got {len(shear)} numbers")
    return shear


# ---- colour ----


def adjust_brightness(img: Image, brightness_factor: float) -> Image:
    """0 is black, 1 the image, 2 twice as bright."""
    return _kind(img).adjust_brightness(img, brightness_factor)


def adjust_contrast(img: Image, contrast_factor: float) -> Image:
    """0 is a uniform grey (the image's mean), 1 the image, 2 twice as far from that grey."""
    return _kind(img).adjust_contrast(img, contrast_factor)


def adjust_saturation(img: Image, saturation_factor: float) -> Image:
    """0 is black and white, 1 the image, 2 twice as colourful."""
    return _kind(img).adjust_saturation(img, saturation_factor)


def adjust_hue(img: Image, hue_factor: float) -> Image:
    """Every colour moved along the colour wheel by a part of it, −0.5 to 0.5. Grey images stay."""
    return _kind(img).adjust_hue(img, hue_factor)


def adjust_gamma(img: Image, gamma: float, gain: float = 1) -> Image:
    """gain · xᵞ, of x in 0 to 1: above 1 shadows get darker, below 1 lighter."""
    return _kind(img).adjust_gamma(img, gamma, gain)


def adjust_sharpness(img: Image, sharpness_factor: float) -> Image:
    """0 is blurred, 1 the image, 2 twice as sharp."""
    return _kind(img).adjust_sharpness(img, sharpness_factor)


def rgb_to_grayscale(img: Image, num_output_channels: int = 1) -> Image:
    """0.2989 R + 0.587 G + 0.114 B, once or three times."""
    return _kind(img).rgb_to_grayscale(img, num_output_channels)


def to_grayscale(img: Image, num_output_channels: int = 1) -> Image:
    """`rgb_to_grayscale` for PIL images alone, of any mode."""
    if not is_pil_image(img):
        raise TypeError(f"to_grayscale: expected a PIL image, got {type(img)}; rgb_to_grayscale takes tensors")
    return rgb_to_grayscale(img, num_output_channels)


def invert(img: Image) -> Image:
    """White − x"""
    return _kind(img).invert(img)


def posterize(img: Image, bits: int) -> Image:
    """Only the upper `bits` of each byte."""
    if not 0 <= bits <= 8:
        raise ValueError(f"posterize: bits should be between 0 and 8, got {bits}")
    return _kind(img).posterize(img, bits)


def solarize(img: Image, threshold: float) -> Image:
    """Inverted where a value is `threshold` or more."""
    return _kind(img).solarize(img, threshold)


def autocontrast(img: Image) -> Image:
    """Each channel stretched so that its darkest value is black and its brightest white."""
    return _kind(img).autocontrast(img)


def equalize(img: Image) -> Image:
    """Each channel of bytes mapped so that its values are about equally common."""
    return _kind(img).equalize(img)


# ---- blur ----


def gaussian_blur(img: Image, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Image:
    """Each pixel averaged with its neighbours, weighted by a Gauss curve; `kernel_size` and `sigma` are (x, y) or one number.

    Sizes are odd; σ = 0.15 · size + 0.35 unless it is given. Borders are mirrored.
    """
    sizes, sigmas = _kernel_size(kernel_size), _sigmas(sigma)
    sigmas = [size * 0.15 + 0.35 for size in sizes] if sigmas is None else sigmas
    if isinstance(img, Tensor):
        return _functional_tensor.gaussian_blur(img, sizes, sigmas)
    _kind(img)  # TypeError if it is no image
    return to_pil_image(_functional_tensor.gaussian_blur(pil_to_tensor(img), sizes, sigmas), img.mode)


def _kernel_size(size: Any) -> list[int]:
    if not isinstance(size, (int, list, tuple)):
        raise TypeError(f"kernel_size should be an int or a sequence (x, y) of them, got {size!r}")
    sizes = [size, size] if isinstance(size, int) else list(size)
    if len(sizes) != 2:
        raise ValueError(f"kernel_size should be an int or a sequence (x, y), got {len(sizes)} numbers")
    if any(each % 2 == 0 or each < 0 for each in sizes):
        raise ValueError(f"kernel_size should be odd and positive, got {size}")
    return sizes


def _sigmas(sigma: Any) -> list[float] | None:
    if sigma is None:
        return None
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be a number or a sequence (x, y) of them, got {sigma!r}")
    sigmas = [sigma] if isinstance(sigma, (int, float)) else list(sigma)
    sigmas = sigmas * 2 if len(sigmas) == 1 else sigmas
    if len(sigmas) != 2:
        raise ValueError(f"sigma should be a number or a sequence (x, y), got {len(sigmas)} numbers")
    if not all(each > 0 for each in sigmas):
        raise ValueError(f"sigma should be positive, got {sigma}")
    return sigmas
