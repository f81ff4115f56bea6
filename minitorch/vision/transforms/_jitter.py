"""Random colours, blur and erased pieces. What each draws is in its docstring, in order. Read next: `functional.py`."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import minitorch
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

from . import functional as F
from ._arguments import check_ranges, size_of
from ._draws import area_and_ratio, below, happens, rounded_sqrt, uniform

Image = Any  # a PIL image or a Tensor
Range = Sequence[float] | None


class ColorJitter(Module):
    """Brightness, contrast, saturation and hue changed by random factors, in a random order.

    A number x stands for the range (1 − x, 1 + x), not below 0; for hue for (−x, x), at most 0.5; what has the range (1, 1), or (0, 0) for
    hue, is left out. Drawn: the order, as a permutation of four; then brightness, contrast, saturation and hue, as far as they are
    not left out.
    """

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        self.hue = _factors("hue", hue, center=0.0, bound=(-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Range, contrast: Range, saturation: Range, hue: Range
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """(order, brightness, contrast, saturation, hue)"""
        order = minitorch.randperm(4)
        b, c, s, h = (None if r is None else uniform(r[0], r[1]) for r in (brightness, contrast, saturation, hue))
        return order, b, c, s, h

    def forward(self, img: Image) -> Image:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        adjust = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            factor = factors[i]
            if factor is not None:
                img = adjust[i](img, factor)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


def _factors(
    name: str, value: Any, center: float = 1.0, bound: tuple[float, float] = (0.0, float("inf"))
) -> tuple[float, float] | None:
    """The range that `value` stands for; None if it is `center` alone."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"if {name} is a single number, it must not be negative, got {value}")
        low, high = center - float(value), center + float(value)
        low = max(low, 0.0) if name != "hue" else low
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(f"{name} should be a single number or a list or tuple (min, max), got {value!r}")
    if not bound[0] <= low <= high <= bound[1]:
        raise ValueError(f"{name} should be (min, max) between {bound[0]} and {bound[1]}, got {(low, high)}")
    return None if low == high == center else (low, high)


class Grayscale(Module):
    """Grey, with one channel or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Image) -> Image:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomGrayscale(Module):
    """Grey, of as many channels as the image has, with probability `p`. Drawn: one number."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Image) -> Image:
        channels = F.get_dimensions(img)[0]
        return F.rgb_to_grayscale(img, channels) if happens(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class GaussianBlur(Module):
    """Blurred by a Gauss curve whose σ is from (min, max) = `sigma`. Drawn: σ, also when it is fixed. See `functional.gaussian_blur`."""

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = size_of(kernel_size)
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError(f"kernel_size should be odd and positive, got {kernel_size}")
        if isinstance(sigma, numbers.Real):
            if sigma <= 0:
                raise ValueError(f"if sigma is a single number, it must be positive, got {sigma}")
            sigma = (sigma, sigma)  # type: ignore[assignment]
        elif not (isinstance(sigma, Sequence) and len(sigma) == 2):
            raise ValueError(f"sigma should be a single number or a list or tuple (min, max), got {sigma!r}")
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError(f"sigma should be positive and of the form (min, max), got {sigma}")
        self.sigma: Any = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """σ"""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Image) -> Image:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class RandomErasing(Module):
    """A rectangle of a *tensor* image (…, C, H, W) overwritten with probability `p` (Zhong et al., 2017).

    `value`: a number, one for each channel, or "random" for normal noise. Drawn: whether; then, at most ten times until it is smaller
    than the image: the area, as a part `scale` of the image's, and height / width from `ratio`, logarithmically; then the noise,
    the row and the column. If none fits, nothing is erased.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, (numbers.Number, str, tuple, list)):
            raise TypeError(f"value should be a number, a sequence of them or 'random', got {value!r}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"if value is a str, it should be 'random', got {value!r}")
        check_ranges(scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"scale should be between 0 and 1, got {scale}")
        if p < 0 or p > 1:
            raise ValueError(f"the probability p should be between 0 and 1, got {p}")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value: Any = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """(top, left, h, w, what is put there)"""
        C, H, W = img.shape[-3:]
        for _ in range(10):
            area, aspect = area_and_ratio(H * W, scale, ratio)
            h, w = rounded_sqrt(area * aspect), rounded_sqrt(area / aspect)
            if h < H and w < W:
                v = minitorch.empty(C, h, w).normal_() if value is None else minitorch.tensor(value)[:, None, None]
                top = below(H - h + 1)
                return top, below(W - w + 1), h, w, v
        return 0, 0, H, W, img

    def forward(self, img: Tensor) -> Tensor:
        if not happens(self.p):
            return img
        if not isinstance(img, Tensor):
            raise AttributeError(f"RandomErasing takes tensors, got {type(img)}: put it behind ToTensor")
        value = None
        if isinstance(self.value, (int, float)):
            value = [float(self.value)]
        elif not isinstance(self.value, str):
            value = [float(v) for v in self.value]
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(
                f"value should have one number, or one for each of the {img.shape[-3]} channels; it has {len(value)}"
            )
        return F.erase(img, *self.get_params(img, self.scale, self.ratio, value), self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, inplace={self.inplace})"


# ---- one function, with probability p ----


class _Perhaps(Module):
    """A function of `functional.py` with probability `p`: one number is drawn, and compared in float64."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def perhaps(self, change: Callable[..., Image], img: Image, *arguments: Any) -> Image:
        return change(img, *arguments) if minitorch.rand(1).item() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomInvert(_Perhaps):
    """`functional.invert` with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def forward(self, img: Image) -> Image:
        return self.perhaps(F.invert, img)


class RandomAutocontrast(_Perhaps):
    """`functional.autocontrast` with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def forward(self, img: Image) -> Image:
        return self.perhaps(F.autocontrast, img)


class RandomEqualize(_Perhaps):
    """`functional.equalize` with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def forward(self, img: Image) -> Image:
        return self.perhaps(F.equalize, img)


class RandomPosterize(_Perhaps):
    """`functional.posterize` to `bits` with probability `p`."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def forward(self, img: Image) -> Image:
        return self.perhaps(F.posterize, img, self.bits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(bits={self.bits},p={self.p})"


class RandomSolarize(_Perhaps):
    """`functional.solarize` from `threshold` on with probability `p`."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def forward(self, img: Image) -> Image:
        return self.perhaps(F.solarize, img, self.threshold)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(_Perhaps):
    """`functional.adjust_sharpness` by `sharpness_factor` with probability `p`."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def forward(self, img: Image) -> Image:
        return self.perhaps(F.adjust_sharpness, img, self.sharpness_factor)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sharpness_factor={self.sharpness_factor},p={self.p})"
