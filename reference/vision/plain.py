"""Transforms written in plain torch from their definitions: obvious, pixel by pixel where that is clearer, and slow.

Images are tensors (C, H, W) of float64 in 0 to 1 unless it is said otherwise. What is drawn is drawn here by torch, in the order that
the transforms' docstrings promise.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# ---- where pixels come from ----


def at(img: Tensor, y: int, x: int, outside: Sequence[float]) -> Tensor:
    """The pixel (C,), or `outside`."""
    inside = 0 <= y < img.shape[1] and 0 <= x < img.shape[2]
    return img[:, y, x] if inside else torch.tensor(outside, dtype=img.dtype).expand(len(img))


def pad(img: Tensor, left: int, top: int, right: int, bottom: int, fill: float, mode: str) -> Tensor:
    """Each pixel of the result asks which row and column it is."""
    C, H, W = img.shape
    rows = [_source(y, H, mode) for y in range(-top, H + bottom)]
    columns = [_source(x, W, mode) for x in range(-left, W + right)]
    out = torch.empty(C, len(rows), len(columns), dtype=img.dtype)
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            out[:, i, j] = at(img, y, x, [fill])
    return out


def _source(i: int, n: int, mode: str) -> int:
    """Which of 0, …, n − 1 stands at i."""
    if mode == "edge":
        return min(max(i, 0), n - 1)
    if mode == "reflect":
        return -i if i < 0 else 2 * (n - 1) - i if i >= n else i
    if mode == "symmetric":
        return -1 - i if i < 0 else 2 * n - 1 - i if i >= n else i
    return i  # constant: outside


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    _, H, W = img.shape
    return pad(img, -left, -top, left + width - W, top + height - H, 0.0, "constant")


def mapped(
    img: Tensor,
    source: Callable[[float, float], tuple[float, float]],
    H: int,
    W: int,
    mode: str,
    fill: Sequence[float] | None,
) -> Tensor:
    """The image (C, H, W) whose pixel with its middle at (x, y) is that of `img` at source(x, y); both from the middle of their image.

    "bilinear": v = Σ w · p of the four pixels around, those that are in the image; m = Σ w of these; the value is m · v + (1 − m) · fill.
    (One m would do: torchvision's has two.) Without a fill it is v.
    """
    out = torch.empty(len(img), H, W, dtype=img.dtype)
    for i in range(H):
        for j in range(W):
            x, y = source(j - (W - 1) / 2, i - (H - 1) / 2)
            x, y = x + (img.shape[2] - 1) / 2, y + (img.shape[1] - 1) / 2
            if mode == "nearest":
                out[:, i, j] = at(img, round(y), round(x), fill or [0.0])
                continue
            left, top = math.floor(x), math.floor(y)
            value, inside = torch.zeros(len(img), dtype=img.dtype), 0.0
            for row in (top, top + 1):
                for column in (left, left + 1):
                    if 0 <= row < img.shape[1] and 0 <= column < img.shape[2]:
                        weight = (1 - abs(x - column)) * (1 - abs(y - row))
                        value, inside = value + weight * img[:, row, column], inside + weight
            out[:, i, j] = value if fill is None else inside * value + (1 - inside) * torch.tensor(fill, dtype=img.dtype)
    return out


def rotate(img: Tensor, angle: float, mode: str, fill: Sequence[float] | None) -> Tensor:
    """Counter-clockwise as one sees it, y pointing down: each pixel is from where the opposite rotation takes it."""
    turn = complex(math.cos(math.radians(angle)), math.sin(math.radians(angle)))

    def source(x: float, y: float) -> tuple[float, float]:
        z = complex(x, y) * turn
        return z.real, z.imag

    return mapped(img, source, *img.shape[1:], mode, fill)


def affine(
    img: Tensor,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    mode: str,
    fill: Sequence[float],
) -> Tensor:
    """The matrices one by one: shear in x, then in y, then rotate clockwise and scale; then move. Their product is inverted by torch."""
    a, sx, sy = (math.radians(each) for each in (angle, *shear))
    rotation = torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]], dtype=torch.float64)
    in_y = torch.tensor([[1, 0], [-math.tan(sy), 1]], dtype=torch.float64)
    in_x = torch.tensor([[1, -math.tan(sx)], [0, 1]], dtype=torch.float64)
    back = torch.linalg.inv(scale * rotation @ in_y @ in_x)

    def source(x: float, y: float) -> tuple[float, float]:
        there = back @ torch.tensor([x - translate[0], y - translate[1]], dtype=torch.float64)
        return float(there[0]), float(there[1])

    return mapped(img, source, *img.shape[1:], mode, fill)


def resize(img: Tensor, h: int, w: int, mode: str, antialias: bool) -> Tensor:
    smooth = mode in ("bilinear", "bicubic")
    return torch.nn.functional.interpolate(
        img[None], size=[h, w], mode=mode, align_corners=False if smooth else None, antialias=antialias and smooth
    )[0]


def gaussian_blur(img: Tensor, size_x: int, size_y: int, sigma_x: float, sigma_y: float) -> Tensor:
    """Σ over the neighbours, with weights e^(−d² / 2σ²) that are divided by their sum."""
    half_x, half_y = size_x // 2, size_y // 2
    wide = pad(img, half_x, half_y, half_x, half_y, 0.0, "reflect")
    weights = {
        (i, j): math.exp(-((i - half_y) ** 2) / (2 * sigma_y**2) - (j - half_x) ** 2 / (2 * sigma_x**2))
        for i in range(size_y)
        for j in range(size_x)
    }
    H, W = img.shape[1:]
    total = sum(weights.values())
    return sum(weight / total * wide[:, i : i + H, j : j + W] for (i, j), weight in weights.items())


# ---- colours ----


def grey(img: Tensor) -> Tensor:
    """(1, H, W)"""
    return img if len(img) == 1 else (0.2989 * img[0] + 0.587 * img[1] + 0.114 * img[2])[None]


def blend(img: Tensor, other: Tensor | float, ratio: float) -> Tensor:
    return (other + ratio * (img - other)).clamp(0, 1)


def adjust(img: Tensor, what: str, factor: float) -> Tensor:
    """What `what` names, by `factor`."""
    if what == "brightness":
        return blend(img, 0.0, factor)
    if what == "contrast":
        return blend(img, float(grey(img).mean()), factor)
    if len(img) == 1:
        return img
    return blend(img, grey(img), factor) if what == "saturation" else hue(img, factor)


def hue(img: Tensor, factor: float) -> Tensor:
    """Pixel by pixel, by Python's own colour conversions."""
    out = torch.empty_like(img)
    for i in range(img.shape[1]):
        for j in range(img.shape[2]):
            h, s, v = colorsys.rgb_to_hsv(*img[:, i, j].tolist())
            out[:, i, j] = torch.tensor(colorsys.hsv_to_rgb((h + factor) % 1.0, s, v), dtype=img.dtype)
    return out


# ---- what is drawn ----


def uniform(low: float, high: float) -> float:
    return torch.empty(1).uniform_(low, high).item()


def below(n: int) -> int:
    return int(torch.randint(0, n, (1,)))


def random_crop(H: int, W: int, h: int, w: int) -> tuple[int, int]:
    if (h, w) == (H, W):
        return 0, 0
    return below(H - h + 1), below(W - w + 1)


def random_resized_crop(H: int, W: int, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
    """(top, left, h, w)"""
    log_low, log_high = torch.tensor(ratio).log().tolist()
    for _ in range(10):
        area = H * W * uniform(scale[0], scale[1])
        aspect = torch.empty(1).uniform_(log_low, log_high).exp().item()
        w, h = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < w <= W and 0 < h <= H:
            return below(H - h + 1), below(W - w + 1), h, w
    w = min(W, round(H * max(ratio)))
    h = min(H, round(W / min(ratio)))
    return (H - h) // 2, (W - w) // 2, h, w


def color_jitter(img: Tensor, ranges: dict[str, tuple[float, float] | None]) -> Tensor:
    """`ranges` of brightness, contrast, saturation and hue; None: left out."""
    order = torch.randperm(4).tolist()
    factors = {name: None if of is None else uniform(*of) for name, of in ranges.items()}
    for i in order:
        name = list(ranges)[i]
        factor = factors[name]
        img = img if factor is None else adjust(img, name, factor)
    return img


def random_erasing(img: Tensor, p: float, scale: Sequence[float], ratio: Sequence[float], value: float | None) -> Tensor:
    """`value` None: normal noise."""
    if not torch.rand(1) < p:
        return img
    C, H, W = img.shape
    log_low, log_high = torch.tensor(ratio).log().tolist()
    for _ in range(10):
        area = H * W * uniform(scale[0], scale[1])
        aspect = torch.empty(1).uniform_(log_low, log_high).exp().item()
        h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if h < H and w < W:
            new = torch.randn(C, h, w) if value is None else value
            top = below(H - h + 1)
            left = below(W - w + 1)
            img = img.clone()
            img[:, top : top + h, left : left + w] = new
            return img
    return img


# ---- many in one ----


def make_grid(images: Tensor, nrow: int, padding: int, pad_value: float) -> Tensor:
    """(N, C, H, W) row by row, by joining strips of `pad_value`."""
    N, C, H, W = images.shape
    columns = min(nrow, N)
    rows = []
    for start in range(0, N, columns):
        strip = [torch.full((C, H, padding), pad_value)]
        for n in range(start, start + columns):
            here = images[n] if n < N else torch.full((C, H, W), pad_value)
            strip += [here, torch.full((C, H, padding), pad_value)]
        rows.append(torch.cat(strip, 2))
    line = torch.full((C, padding, rows[0].shape[2]), pad_value)
    return torch.cat([line, *(part for row in rows for part in (row, line))], 1)
