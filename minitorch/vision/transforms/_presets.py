"""How an image is made ready for a network that was trained on ImageNet: what `weights.transforms()` returns."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...arrays.dtypes import float32
from ...tensor import Tensor


class ImageClassification(nn.Module):
    """Resize the shorter side to `resize_size`, cut `crop_size` × `crop_size` from the middle, (x/255 − mean) / std per channel.

    Takes a PIL image, or a tensor (…, C, H, W), uint8 or floats from 0 to 1; returns float32 (…, C, crop_size, crop_size). mean and std
    are ImageNet's unless told.
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        interpolation: Any = None,
        antialias: bool | None = True,
    ) -> None:
        from . import InterpolationMode

        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = InterpolationMode.BILINEAR if interpolation is None else interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Tensor:
        from . import functional as F

        img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, float32), mean=self.mean, std=self.std)

    def __repr__(self) -> str:
        shown = ("crop_size", "resize_size", "mean", "std", "interpolation")
        return "\n    ".join([f"{type(self).__name__}(", *(f"{name}={getattr(self, name)}" for name in shown)]) + "\n)"

    def describe(self) -> str:
        """What it takes and does, in words."""
        return (
            "Accepts ``PIL.Image``, batched ``(B, C, H, W)`` and single ``(C, H, W)`` image ``minitorch.Tensor`` objects. "
            f"The shorter side becomes {self.resize_size} pixels ({self.interpolation}), a square of {self.crop_size} is cut from the "
            f"middle, and the values, from 0 to 1, are normalized with mean {self.mean} and std {self.std}."
        )
