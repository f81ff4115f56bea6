"""Random rotations, affine maps and perspectives. What each draws is in its docstring, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import minitorch
from minitorch.nn.modules.module import Module

from . import functional as F
from ._draws import angles_of, check_length, fill_for, fill_of, happens, uniform
from ._modes import InterpolationMode, interpolation_mode

Image = Any  # a PIL image or a Tensor


class RandomRotation(Module):
    """Turned by an angle from (min, max) = `degrees`, or from (−a, a) of one number. Drawn: the angle. See `functional.rotate`."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.interpolation = _mode(interpolation)
        self.degrees = angles_of(degrees, "degrees")
        if center is not None:
            check_length(center, "center")
        self.center = center
        self.expand = expand
        self.fill = fill_of(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle."""
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Image) -> Image:
        fill = fill_for(img, self.fill, F.get_dimensions(img)[0])
        return F.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill})"
        )


class RandomAffine(Module):
    """Turned, moved, scaled and sheared at random around the middle.

    Drawn: the angle; with `translate` (parts of the width and height) the way in x, then in y; with `scale` the factor; with `shear` the
    angle in x (of a number or two), then in y (of four). See `functional.affine`.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.interpolation = _mode(interpolation)
        self.degrees = angles_of(degrees, "degrees")
        if translate is not None:
            check_length(translate, "translate")
            if not all(0.0 <= part <= 1.0 for part in translate):
                raise ValueError(f"translate should be parts of the sides, between 0 and 1, got {translate}")
        if scale is not None:
            check_length(scale, "scale")
            if not all(factor > 0 for factor in scale):
                raise ValueError(f"scale should be positive, got {scale}")
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else angles_of(shear, "shear", (2, 4))
        self.fill = fill_of(fill)
        if center is not None:
            check_length(center, "center")
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """(angle, (x, y) in pixels, scale, (shear in x, shear in y)); `img_size` is (W, H)."""
        angle = uniform(degrees[0], degrees[1])
        translation = (0, 0)
        if translate is not None:
            most_x, most_y = (float(part * side) for part, side in zip(translate, img_size))
            x = round(uniform(-most_x, most_x))
            translation = (x, round(uniform(-most_y, most_y)))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear_x = 0.0 if shears is None else uniform(shears[0], shears[1])
        shear_y = uniform(shears[2], shears[3]) if shears is not None and len(shears) == 4 else 0.0
        return angle, translation, scale, (shear_x, shear_y)

    def forward(self, img: Image) -> Image:
        channels, H, W = F.get_dimensions(img)
        fill = fill_for(img, self.fill, channels)
        angle, translation, scale, shear = self.get_params(self.degrees, self.translate, self.scale, self.shear, [W, H])
        return F.affine(img, angle, translation, scale, shear, self.interpolation, fill, self.center)

    def __repr__(self) -> str:
        said = {
            "translate": self.translate,
            "scale": self.scale,
            "shear": self.shear,
            "interpolation": None if self.interpolation == InterpolationMode.NEAREST else self.interpolation.value,
            "fill": None if self.fill == 0 else self.fill,
            "center": self.center,
        }
        return (
            f"{type(self).__name__}(degrees={self.degrees}{''.join(f', {k}={v}' for k, v in said.items() if v is not None)})"
        )


class RandomPerspective(Module):
    """Seen aslant with probability `p`: each corner moved inwards, by at most `distortion_scale` of half the image.

    Drawn: whether; then x and y of the upper left, the upper right, the lower right and the lower left corner.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.p = p
        self.interpolation = _mode(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = fill_of(fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """(corners, where they come to lie), each (x, y), from the upper left one clockwise."""
        most_x, most_y = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))

        def corner(right: bool, lower: bool) -> list[int]:
            x = (width - most_x - 1, width) if right else (0, most_x + 1)
            y = (height - most_y - 1, height) if lower else (0, most_y + 1)
            return [int(minitorch.randint(low, high, (1,)).item()) for low, high in (x, y)]

        ends = [corner(right=False, lower=False), corner(right=True, lower=False)]
        ends += [corner(right=True, lower=True), corner(right=False, lower=True)]
        return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], ends

    def forward(self, img: Image) -> Image:
        channels, H, W = F.get_dimensions(img)
        fill = fill_for(img, self.fill, channels)
        if not happens(self.p):
            return img
        starts, ends = self.get_params(W, H, self.distortion_scale)
        return F.perspective(img, starts, ends, self.interpolation, fill)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


def _mode(interpolation: Any) -> Any:
    return interpolation_mode(interpolation) if isinstance(interpolation, int) else interpolation
