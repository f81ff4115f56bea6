"""From PIL images and ndarrays (H, W, C) to tensors (C, H, W), and back.

The one trap is the range: `to_tensor` divides bytes by 255 and leaves all else as it is; `pil_to_tensor` leaves bytes too;
`to_pil_image` multiplies floats by 255 and cuts the rest off.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import minitorch
from minitorch.tensor import Tensor
from minitorch.utils.optional import needed

__all__ = ["is_pil_image", "pil_to_tensor", "to_pil_image", "to_tensor"]

_DTYPES = {"I": np.int32, "I;16": np.int16, "I;16B": np.int16, "F": np.float32}  # of all other modes uint8
_MODES = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}  # the first is what bytes become
_MODES_OF_ONE_CHANNEL = {"uint8": ("L",), "int16": ("I;16",), "int32": ("I",), "float32": ("F",)}


def is_pil_image(img: Any) -> bool:
    """Pillow is not imported for the question: before it is, there are no images of its kind."""
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(img, pil.Image)


def to_tensor(pic: Any) -> Tensor:
    """A PIL image or an ndarray (H, W) or (H, W, C) as a tensor (C, H, W).

    Bytes become floats of the default dtype in 0 to 1; of a PIL image with mode "1" 0 and 1 too. Other numbers stay as they are
    (mode "I" int32, "I;16" int16, "F" float32).
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"to_tensor: expected an ndarray with 2 or 3 dimensions, got {pic.ndim}")
        array = pic
    elif is_pil_image(pic):
        array = np.array(pic, _DTYPES.get(pic.mode, np.uint8))
        array = array * np.uint8(255) if pic.mode == "1" else array
    else:
        already = "; it is one already, and ConvertImageDtype changes its range" if isinstance(pic, Tensor) else ""
        raise TypeError(f"to_tensor: expected a PIL image or an ndarray, got {type(pic)}{already}")
    img = _channels_first(array).contiguous()
    return img.to(minitorch.get_default_dtype()).div(255) if img.dtype == minitorch.uint8 else img


def pil_to_tensor(pic: Any) -> Tensor:
    """A PIL image as a tensor (C, H, W) of the same numbers, a copy."""
    if not is_pil_image(pic):
        raise TypeError(f"pil_to_tensor: expected a PIL image, got {type(pic)}")
    return _channels_first(np.array(pic))


def _channels_first(array: np.ndarray[Any, Any]) -> Tensor:
    """(H, W, C) or (H, W) → (C, H, W)"""
    return minitorch.from_numpy(array if array.ndim == 3 else array[:, :, None]).permute(2, 0, 1)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or (H, W), or an ndarray (H, W, C) or (H, W), as a PIL image.

    Floats are taken to be in 0 to 1, unless `mode` is "F". Without a mode the number of channels tells it: 1 is L, or I;16, I and F by
    the dtype; 2 LA, 3 RGB, 4 RGBA. ValueError if `mode` does not fit, TypeError of numbers that no mode has.
    """
    if isinstance(pic, Tensor):
        array = (pic.permute(1, 2, 0) if pic.ndim == 3 else pic).numpy(force=True)
    elif isinstance(pic, np.ndarray):
        array = pic
    else:
        raise TypeError(f"to_pil_image: expected a tensor or an ndarray, got {type(pic)}")
    if array.ndim not in (2, 3):
        raise ValueError(f"to_pil_image: expected 2 or 3 dimensions, got {array.ndim}; of a batch, take one image")
    array = array[:, :, None] if array.ndim == 2 else array
    if array.shape[2] > 4:
        raise ValueError(
            f"to_pil_image: expected at most 4 channels, got {array.shape[2]}; a tensor has them first, an ndarray last"
        )
    if np.issubdtype(array.dtype, np.floating) and mode != "F":
        array = (array * 255).astype(np.uint8)
    mode = _mode_of(array, mode)
    array = array[:, :, 0] if array.shape[2] == 1 else array
    image = needed("PIL.Image", "vision", by="to_pil_image")
    return image.frombuffer(mode, (array.shape[1], array.shape[0]), array.tobytes(), "raw", mode, 0, 1)


def _mode_of(array: np.ndarray[Any, Any], mode: str | None) -> str:
    """The mode of an image with these channels and numbers; `mode` if it is one of them."""
    channels, dtype = array.shape[2], array.dtype.name
    allowed = _MODES_OF_ONE_CHANNEL.get(dtype, ()) if channels == 1 else _MODES.get(channels, ())
    if mode is not None and mode not in allowed:
        raise ValueError(f"mode {mode!r} does not fit {channels} channels of {dtype}: one of {list(allowed)} does")
    if not allowed or (channels > 1 and dtype != "uint8"):
        raise TypeError(f"to_pil_image: no mode of Pillow has {channels} channels of {dtype}")
    return mode or allowed[0]
