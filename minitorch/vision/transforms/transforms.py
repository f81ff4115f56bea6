"""Changes to images as objects, which are called with a PIL image or a tensor and return one: what a dataset takes as `transform=`.

Here is what holds others together (`Compose`, `RandomApply`, …) and what converts. The others are in `_crops.py` (sizes, crops, flips),
`_turns.py` (rotations) and `_colours.py` (colours, blur, erasing). Each draws its numbers, in a static method `get_params` if there is
more than one, and then calls `functional.py`, where it is said what is done.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import minitorch
from minitorch.arrays.dtypes import dtype as Dtype
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

from . import functional as F
from ._colours import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomErasing,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from ._crops import (
    CenterCrop,
    FiveCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
    TenCrop,
)
from ._draws import lines
from ._modes import InterpolationMode
from ._turns import RandomAffine, RandomPerspective, RandomRotation

__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "FiveCrop", "GaussianBlur", "Grayscale", "InterpolationMode", "Lambda",
    "Normalize", "PILToTensor", "Pad", "RandomAdjustSharpness", "RandomAffine", "RandomApply", "RandomAutocontrast", "RandomChoice",
    "RandomCrop", "RandomEqualize", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomOrder",
    "RandomPerspective", "RandomPosterize", "RandomResizedCrop", "RandomRotation", "RandomSolarize", "RandomVerticalFlip", "Resize",
    "TenCrop", "ToPILImage", "ToTensor",
]  # fmt: skip

Image = Any  # a PIL image or a Tensor


# ---- several ----


class Compose:
    """One transform after the other.

    >>> Compose([CenterCrop(4), ConvertImageDtype(minitorch.float32)])(minitorch.zeros(3, 9, 8, dtype=minitorch.uint8)).shape
    minitorch.Size([3, 4, 4])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return lines(f"{type(self).__name__}(", self.transforms)


class Lambda:
    """Any function of an image as a transform. (Worker processes that are spawned need one they can import: no lambda.)"""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"lambd should be callable, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomApply(Module):
    """All of the transforms with probability `p`, else none of them. Drawn: one number; then what the transforms draw."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if self.p < minitorch.rand(1):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return lines(f"{type(self).__name__}(\n    p={self.p}", self.transforms)


class RandomTransforms:
    """What `RandomOrder` and `RandomChoice` have in common. They draw from Python's `random`, as in torchvision: seed that too."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError(f"transforms should be a sequence, got {type(transforms).__name__}")
        self.transforms = transforms

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say which transforms to take, and in which order")

    def __repr__(self) -> str:
        return lines(f"{type(self).__name__}(", self.transforms)


class RandomOrder(RandomTransforms):
    """All of the transforms, in an order that is drawn by Python's `random.shuffle`."""

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of the transforms, drawn by Python's `random.choices` with the weights `p`."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError(f"p should be a sequence of weights, got {p!r}")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


# ---- conversions ----


class ToTensor:
    """A PIL image or an ndarray (H, W, C) as a tensor (C, H, W); bytes become floats in 0 to 1. See `functional.to_tensor`."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL image as a tensor (C, H, W) of the same numbers."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor (C, H, W) or an ndarray (H, W, C) as a PIL image; floats are taken to be in 0 to 1. See `functional.to_pil_image`."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(Module):
    """A tensor image in another dtype, its range with it: uint8 0 to 255 ↔ floats 0 to 1. See `functional.convert_image_dtype`."""

    def __init__(self, dtype: Dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(Module):
    """(x − mean) / std, with one mean and one std for each channel of a float tensor (…, C, H, W).

    >>> Normalize([0.5], [0.25])(minitorch.tensor([[[0.0, 0.5, 1.0]]]))
    tensor([[[-2.,  0.,  2.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"
