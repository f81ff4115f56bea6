"""The picture of `docs/vision.md`: each row is one transform, on the picture at the left, drawn six times. `python -m reference.vision.picture docs/augmented.png`"""

from __future__ import annotations

import sys
from typing import Any

from PIL import Image, ImageDraw

import minitorch
from minitorch.vision import transforms as T
from minitorch.vision.utils import make_grid, save_image

ROWS: list[Any] = [
    T.Compose([T.RandomResizedCrop(72), T.RandomHorizontalFlip()]),
    T.ColorJitter(0.5, 0.5, 0.5, 0.3),
    T.RandomRotation(40, T.InterpolationMode.BILINEAR),
    T.RandomAffine(15, (0.1, 0.1), (0.7, 1.1), 20, T.InterpolationMode.BILINEAR),
    T.RandomPerspective(0.6, p=1.0),
    T.GaussianBlur(9, (0.1, 4.0)),
    T.RandomErasing(p=1.0, value="random"),
]


def house(side: int = 72) -> Image.Image:
    """Something with an upper side, a left side and colours."""
    image = Image.new("RGB", (side, side), (150, 200, 240))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, side * 3 // 4, side, side), fill=(90, 160, 70))
    draw.rectangle((16, 34, 46, 60), fill=(225, 190, 140))
    draw.polygon([(11, 34), (31, 14), (51, 34)], fill=(180, 60, 50))
    draw.rectangle((36, 42, 43, 60), fill=(110, 70, 40))
    draw.rectangle((20, 40, 29, 48), fill=(250, 240, 150), outline=(70, 70, 70))
    draw.ellipse((52, 6, 66, 20), fill=(255, 225, 60))
    return image


def main() -> None:
    minitorch.manual_seed(0)
    original = T.ToTensor()(house())
    rows = [[original, *(transform(original) for _ in range(6))] for transform in ROWS]
    save_image(make_grid([image for row in rows for image in row], nrow=7, pad_value=1.0), sys.argv[1])


if __name__ == "__main__":
    main()
