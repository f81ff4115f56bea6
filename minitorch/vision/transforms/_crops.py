"""Sizes, crops and flips. What each draws is in its docstring, in order. Read next: `functional.py`, which does the work."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from minitorch.nn.modules.module import Module

from . import functional as F
from ._draws import area_and_ratio, below, check_ranges, happens, rounded_sqrt, size_of
from ._modes import InterpolationMode, interpolation_mode

Image = Any  # a PIL image or a Tensor
Size = int | Sequence[int]


class Resize(Module):
    """To (h, w), or the shorter side to one number. See `functional.resize`."""

    def __init__(
        self,
        size: Size,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"size should be an int or a sequence (h, w), got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError(f"if size is a sequence, it should have 1 or 2 values, got {len(size)}")
        self.size = size
        self.max_size = max_size
        self.interpolation = _mode(interpolation)
        self.antialias = antialias

    def forward(self, img: Image) -> Image:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(Module):
    """The middle (h, w); an image that is smaller gets a border of 0."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size_of(size)

    def forward(self, img: Image) -> Image:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(Module):
    """A border: of `fill`, or ("edge", "reflect", "symmetric") of what is in the image. See `functional.pad`."""

    def __init__(self, padding: Size, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        if not isinstance(padding, (numbers.Number, tuple, list)):
            raise TypeError(f"padding should be an int, or 1, 2 or 4 of them, got {padding!r}")
        if not isinstance(fill, (numbers.Number, tuple, list)):
            raise TypeError(f"fill should be a number, or a tuple or list of one for each channel, got {fill!r}")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(f"padding_mode should be either constant, edge, reflect or symmetric, got {padding_mode!r}")
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ValueError(f"padding should be an int or a sequence of 1, 2 or 4 of them, got {len(padding)}")
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Image) -> Image:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class RandomCrop(Module):
    """A window (h, w) at a random place, of the image after `padding`.

    Drawn: the row, then the column of its corner; nothing if the image is of that size. `pad_if_needed` pads an image that is too small,
    by what it lacks on *both* sides.
    """

    @staticmethod
    def get_params(img: Image, output_size: Sequence[int]) -> tuple[int, int, int, int]:
        """(top, left, h, w); ValueError if the window is larger than the image."""
        _, H, W = F.get_dimensions(img)
        h, w = output_size
        if h > H or w > W:
            raise ValueError(f"the crop {(h, w)} is larger than the image {(H, W)}; pad_if_needed=True pads it")
        if (h, w) == (H, W):
            return 0, 0, h, w
        top = below(H - h + 1)
        return top, below(W - w + 1), h, w

    def __init__(
        self, size: Size, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        self.size = tuple(size_of(size))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Image) -> Image:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, H, W = F.get_dimensions(img)
        h, w = self.size
        if self.pad_if_needed and w > W:
            img = F.pad(img, [w - W, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and h > H:
            img = F.pad(img, [0, h - H], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop(Module):
    """A window of random area and shape, resized to (h, w): what networks for ImageNet are trained with (Szegedy et al., 2015).

    Drawn, at most ten times until the window fits into the image: the area, as a part `scale` of the image's; width / height, from
    `ratio`, logarithmically; then the row and the column of its corner. If none fits, the largest window in the middle is taken.
    """

    def __init__(
        self,
        size: Size,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = size_of(size)
        check_ranges(scale, ratio)
        self.interpolation = _mode(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img: Image, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """(top, left, h, w)"""
        _, H, W = F.get_dimensions(img)
        for _ in range(10):
            area, aspect = area_and_ratio(H * W, scale, ratio)
            w, h = rounded_sqrt(area * aspect), rounded_sqrt(area / aspect)
            if 0 < w <= W and 0 < h <= H:
                top = below(H - h + 1)
                return top, below(W - w + 1), h, w
        h, w = H, W
        if min(ratio) > W / H:
            h = round(W / min(ratio))
        elif max(ratio) < W / H:
            w = round(H * max(ratio))
        return (H - h) // 2, (W - w) // 2, h, w

    def forward(self, img: Image) -> Image:
        window = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *window, self.size, self.interpolation, antialias=self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, scale={tuple(round(s, 4) for s in self.scale)}, "
            f"ratio={tuple(round(r, 4) for r in self.ratio)}, interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class RandomHorizontalFlip(Module):
    """The mirror image with probability `p`. Drawn: one number."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Image) -> Image:
        return F.hflip(img) if happens(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(Module):
    """Upside down with probability `p`. Drawn: one number."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Image) -> Image:
        return F.vflip(img) if happens(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class FiveCrop(Module):
    """The four corners and the middle, a tuple of five images (stack them before the net, and average what it says of them)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size_of(size)

    def forward(self, img: Image) -> tuple[Image, ...]:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(Module):
    """`FiveCrop` of the image and of its mirror image (upside down if `vertical_flip`)."""

    def __init__(self, size: Size, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = size_of(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Image) -> tuple[Image, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


def _mode(interpolation: Any) -> Any:
    """Numbers of Pillow's become modes here; what is neither is refused when the transform is called, as in torchvision."""
    return interpolation_mode(interpolation) if isinstance(interpolation, int) else interpolation
