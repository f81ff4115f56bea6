"""Augmentations that choose among fourteen changes, each with a strength: `RandAugment`, `TrivialAugmentWide`, and the found rules of `AutoAugment`.

A strength is one of some equally spaced magnitudes, and for what has two directions the sign is drawn. `_strengths` says how far each
change goes, `_apply` what it is. On tensors they need bytes, (…, 1 or 3, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import minitorch
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

from . import functional as F
from ._arguments import fill_for
from ._draws import below
from ._modes import InterpolationMode

__all__ = ["AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

Image = Any  # a PIL image or a Tensor
Strengths = dict[str, tuple[Tensor | None, bool]]  # the magnitudes (None: there is but one), and whether the sign is drawn


class AutoAugmentPolicy(Enum):
    """The data sets on which the rules of `AutoAugment` were found."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Cubuk et al. (2019), tables 7 to 9: 25 pairs of (change, probability, number of the magnitude).
_POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
    Posterize 0.4 8 + Rotate 0.6 9, Solarize 0.6 5 + AutoContrast 0.6, Equalize 0.8 + Equalize 0.6,
    Posterize 0.6 7 + Posterize 0.6 6, Equalize 0.4 + Solarize 0.2 4, Equalize 0.4 + Rotate 0.8 8,
    Solarize 0.6 3 + Equalize 0.6, Posterize 0.8 5 + Equalize 1, Rotate 0.2 3 + Solarize 0.6 8,
    Equalize 0.6 + Posterize 0.4 6, Rotate 0.8 8 + Color 0.4 0, Rotate 0.4 9 + Equalize 0.6, Equalize 0 + Equalize 0.8,
    Invert 0.6 + Equalize 1, Color 0.6 4 + Contrast 1 8, Rotate 0.8 8 + Color 1 2, Color 0.8 8 + Solarize 0.8 7,
    Sharpness 0.4 7 + Invert 0.6, ShearX 0.6 5 + Equalize 1, Color 0.4 0 + Equalize 0.6, Equalize 0.4 + Solarize 0.2 4,
    Solarize 0.6 5 + AutoContrast 0.6, Invert 0.6 + Equalize 1, Color 0.6 4 + Contrast 1 8, Equalize 0.8 + Equalize 0.6""",
    AutoAugmentPolicy.CIFAR10: """
    Invert 0.1 + Contrast 0.2 6, Rotate 0.7 2 + TranslateX 0.3 9, Sharpness 0.8 1 + Sharpness 0.9 3,
    ShearY 0.5 8 + TranslateY 0.7 9, AutoContrast 0.5 + Equalize 0.9, ShearY 0.2 7 + Posterize 0.3 7,
    Color 0.4 3 + Brightness 0.6 7, Sharpness 0.3 9 + Brightness 0.7 9, Equalize 0.6 + Equalize 0.5,
    Contrast 0.6 7 + Sharpness 0.6 5, Color 0.7 7 + TranslateX 0.5 8, Equalize 0.3 + AutoContrast 0.4,
    TranslateY 0.4 3 + Sharpness 0.2 6, Brightness 0.9 6 + Color 0.2 8, Solarize 0.5 2 + Invert 0,
    Equalize 0.2 + AutoContrast 0.6, Equalize 0.2 + Equalize 0.6, Color 0.9 9 + Equalize 0.6,
    AutoContrast 0.8 + Solarize 0.2 8, Brightness 0.1 3 + Color 0.7 0, Solarize 0.4 5 + AutoContrast 0.9,
    TranslateY 0.9 9 + TranslateY 0.7 9, AutoContrast 0.9 + Solarize 0.8 3, Equalize 0.8 + Invert 0.1,
    TranslateY 0.7 9 + AutoContrast 0.9""",
    AutoAugmentPolicy.SVHN: """
    ShearX 0.9 4 + Invert 0.2, ShearY 0.9 8 + Invert 0.7, Equalize 0.6 + Solarize 0.6 6, Invert 0.9 + Equalize 0.6,
    Equalize 0.6 + Rotate 0.9 3, ShearX 0.9 4 + AutoContrast 0.8, ShearY 0.9 8 + Invert 0.4,
    ShearY 0.9 5 + Solarize 0.2 6, Invert 0.9 + AutoContrast 0.8, Equalize 0.6 + Rotate 0.9 3,
    ShearX 0.9 4 + Solarize 0.3 3, ShearY 0.8 8 + Invert 0.7, Equalize 0.9 + TranslateY 0.6 6,
    Invert 0.9 + Equalize 0.6, Contrast 0.3 3 + Rotate 0.8 4, Invert 0.8 + TranslateY 0 2,
    ShearY 0.7 6 + Solarize 0.4 8, Invert 0.6 + Rotate 0.8 4, ShearY 0.3 7 + TranslateX 0.9 3,
    ShearX 0.1 6 + Invert 0.6, Solarize 0.7 2 + TranslateY 0.6 7, ShearY 0.8 4 + Invert 0.8,
    ShearX 0.7 9 + TranslateY 0.8 3, ShearY 0.8 5 + AutoContrast 0.7, ShearX 0.7 2 + Invert 0.1""",
}


def _pairs(table: str) -> list[tuple[tuple[str, float, int | None], ...]]:
    def one(text: str) -> tuple[str, float, int | None]:
        name, p, *magnitude = text.split()
        return name, float(p), int(magnitude[0]) if magnitude else None

    return [tuple(one(text) for text in pair.split("+")) for pair in table.split(",")]


class AutoAugment(Module):
    """One of 25 pairs of changes, of which each is made with its own probability (Cubuk et al., 2019).

    Drawn: the pair; two numbers, whether; two signs.
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        if not isinstance(policy, AutoAugmentPolicy):
            raise ValueError(f"policy should be one of {[str(each) for each in AutoAugmentPolicy]}, got {policy!r}")
        self.policy = policy
        self.interpolation = interpolation
        self.fill = fill
        self.policies = _pairs(_POLICIES[policy])

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """(which pair, two numbers in 0 to 1, two signs)"""
        pair = below(transform_num)
        return pair, minitorch.rand(2), minitorch.randint(2, (2,))

    def forward(self, img: Image) -> Image:
        fill = _fill(img, self.fill)
        _, H, W = F.get_dimensions(img)
        pair, chances, signs = self.get_params(len(self.policies))
        strengths = _strengths(10, H, W)
        for i, (name, p, number) in enumerate(self.policies[pair]):
            if bool(chances[i] <= p):
                magnitudes, signed = strengths[name]
                magnitude = 0.0 if number is None or magnitudes is None else float(magnitudes[number].item())
                img = _apply(img, name, -magnitude if signed and not signs[i] else magnitude, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(Module):
    """`num_ops` changes, one after the other, all of one `magnitude` of `num_magnitude_bins` (Cubuk et al., 2020).

    Drawn for each: which, and if it has one its sign.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def forward(self, img: Image) -> Image:
        fill = _fill(img, self.fill)
        _, H, W = F.get_dimensions(img)
        strengths = _strengths(self.num_magnitude_bins, H, W)
        for _ in range(self.num_ops):
            name = _ORDER[below(len(_ORDER))]
            magnitude = _drawn(strengths[name], lambda magnitudes: self.magnitude)
            img = _apply(img, name, magnitude, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_ops={self.num_ops}, magnitude={self.magnitude}, "
            f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, fill={self.fill})"
        )


class TrivialAugmentWide(Module):
    """One change of a random magnitude, from ranges wider than the others' (Müller and Hutter, 2021): nothing is left to tune.

    Drawn: which, and if it has them its magnitude and its sign.
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def forward(self, img: Image) -> Image:
        fill = _fill(img, self.fill)
        name = _ORDER[below(len(_ORDER))]
        strengths = _strengths(self.num_magnitude_bins, wide=True)
        magnitude = _drawn(strengths[name], lambda magnitudes: below(len(magnitudes)))
        return _apply(img, name, magnitude, self.interpolation, fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_magnitude_bins={self.num_magnitude_bins}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


# ---- the changes ----

# What is drawn from, in this order; `AutoAugment` has Invert beside it.
_ORDER = [
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness", "Posterize",
    "Solarize", "AutoContrast", "Equalize",
]  # fmt: skip


def _strengths(bins: int, H: int = 0, W: int = 0, wide: bool = False) -> Strengths:
    """For each change its `bins` magnitudes, from none to the most."""

    def up_to(most: float) -> tuple[Tensor, bool]:
        return minitorch.linspace(0.0, most, bins), True

    shear, turn, factor = (0.99, 135.0, 0.99) if wide else (0.3, 30.0, 0.9)
    far_x, far_y = (32.0, 32.0) if wide else (150.0 / 331.0 * W, 150.0 / 331.0 * H)
    bits = 8 - (minitorch.arange(bins) / ((bins - 1) / (6 if wide else 4))).round().int()
    return {
        **dict.fromkeys(("ShearX", "ShearY"), up_to(shear)),
        "TranslateX": up_to(far_x),
        "TranslateY": up_to(far_y),
        "Rotate": up_to(turn),
        **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), up_to(factor)),
        "Posterize": (bits, False),
        "Solarize": (minitorch.linspace(255.0, 0.0, bins), False),
        **dict.fromkeys(("Identity", "AutoContrast", "Equalize", "Invert"), (None, False)),
    }


def _drawn(strength: tuple[Tensor | None, bool], choose: Callable[[Tensor], int]) -> float:
    """The magnitude with the number that `choose` tells; then its sign, if it has one."""
    magnitudes, signed = strength
    magnitude = 0.0 if magnitudes is None else float(magnitudes[choose(magnitudes)].item())
    return -magnitude if signed and below(2) else magnitude


def _fill(img: Image, fill: Any) -> Any:
    return None if fill is None else fill_for(img, fill, F.get_dimensions(img)[0])


def _apply(img: Image, name: str, magnitude: float, interpolation: InterpolationMode, fill: Sequence[float] | None) -> Image:
    """The change of that name."""
    if name in ("ShearX", "ShearY"):
        degrees = math.degrees(math.atan(magnitude))
        shear = [degrees, 0.0] if name == "ShearX" else [0.0, degrees]
        return F.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, center=[0, 0])
    if name in ("TranslateX", "TranslateY"):
        way = [int(magnitude), 0] if name == "TranslateX" else [0, int(magnitude)]
        return F.affine(img, 0.0, way, 1.0, [0.0, 0.0], interpolation, fill)
    if name == "Rotate":
        return F.rotate(img, magnitude, interpolation, fill=fill)
    if name in _BY_FACTOR:
        return _BY_FACTOR[name](img, 1.0 + magnitude)
    if name == "Posterize":
        return F.posterize(img, int(magnitude))
    if name == "Solarize":
        return F.solarize(img, magnitude)
    return img if name == "Identity" else _WITHOUT_STRENGTH[name](img)


_BY_FACTOR: dict[str, Callable[[Image, float], Image]] = {
    "Brightness": F.adjust_brightness,
    "Color": F.adjust_saturation,
    "Contrast": F.adjust_contrast,
    "Sharpness": F.adjust_sharpness,
}
_WITHOUT_STRENGTH: dict[str, Callable[[Image], Image]] = {
    "AutoContrast": F.autocontrast,
    "Equalize": F.equalize,
    "Invert": F.invert,
}
