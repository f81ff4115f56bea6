"""`overlay_mask`: a class activation map over its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minitorch.utils.optional import needed

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["overlay_mask"]


def overlay_mask(img: Image, mask: Image, colormap: str = "jet", alpha: float = 0.7) -> Image:
    """alpha · img + (1 − alpha) · colours of mask². The mask, grey, is resized to the picture first.

    Pillow and matplotlib are needed: extras `vision` and `viz`. TypeError if these are no PIL images, ValueError of an alpha outside [0, 1).
    """
    pil = needed("PIL.Image", "vision", by="overlay_mask")
    colormaps = needed("matplotlib", "viz", by="overlay_mask").colormaps
    if not isinstance(img, pil.Image) or not isinstance(mask, pil.Image):
        raise TypeError(f"img and mask arguments need to be PIL.Image, got {type(img).__name__} and {type(mask).__name__}")
    if not isinstance(alpha, float) or not 0 <= alpha < 1:
        raise ValueError(f"alpha argument is expected to be of type float between 0 and 1, got {alpha!r}")
    heat = np.asarray(mask.resize(img.size, resample=pil.Resampling.BICUBIC))
    heat = (heat / 255 if heat.dtype == np.uint8 else heat) ** 2
    coloured = (255 * colormaps.get_cmap(colormap)(heat)[:, :, :3]).astype(np.uint8)
    background = np.asarray(img if img.mode == "RGB" else img.convert("RGB"))
    return pil.fromarray((alpha * background + (1 - alpha) * coloured).astype(np.uint8))
