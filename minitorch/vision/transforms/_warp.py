"""Rotations, affine maps, perspectives and waves of tensors: for each pixel of the result, the place in the image that it is taken from.

The places are a grid (1, H, W, 2) of (x, y), −1 at the left and upper border and 1 at the right and lower, which `grid_sample` reads.
What is outside the image becomes `fill`: a mask of ones is moved along with the image, and is zero there.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import minitorch
import minitorch.nn.functional as nnf
from minitorch.arrays.dtypes import dtype as Dtype
from minitorch.tensor import Tensor

from ._ranges import dimensions, in_floats, listed


def inverse_affine_matrix(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """The first two rows of M⁻¹, M = T · C · R · Sy · Sx · s · C⁻¹; angles in degrees.

    C moves the origin to `center`, T by `translate`; R rotates, Sx and Sy shear, s scales. It tells where a pixel of the result is from.
    """
    rotation, shear_x, shear_y = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(rotation - shear_y) / math.cos(shear_y)
    b = -math.cos(rotation - shear_y) * math.tan(shear_x) / math.cos(shear_y) - math.sin(rotation)
    c = math.sin(rotation - shear_y) / math.cos(shear_y)
    d = -math.sin(rotation - shear_y) * math.tan(shear_x) / math.cos(shear_y) + math.cos(rotation)
    # R · Sy · Sx = [[a, b], [c, d]] has determinant 1, so that its inverse is [[d, −b], [−c, a]].
    p, q, r, s = d / scale, -b / scale, -c / scale, a / scale
    (cx, cy), (tx, ty) = center, translate
    return [p, q, p * (-cx - tx) + q * (-cy - ty) + cx, r, s, r * (-cx - tx) + s * (-cy - ty) + cy]


def perspective_coeffs(startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]) -> list[float]:
    """a, …, h with X = (a x + b y + c) / (g x + h y + 1), Y = (d x + e y + f) / (g x + h y + 1), from end (x, y) to start (X, Y)."""
    rows = []
    for (x, y), (X, Y) in zip(endpoints, startpoints):
        rows.append([x, y, 1, 0, 0, 0, -X * x, -X * y])
        rows.append([0, 0, 0, x, y, 1, -Y * x, -Y * y])
    equations = minitorch.tensor(rows, dtype=minitorch.float64)
    solution = minitorch.linalg.lstsq(
        equations, minitorch.tensor(startpoints, dtype=minitorch.float64).view(8), driver="gels"
    ).solution
    return solution.to(minitorch.float32).tolist()


def rotate(
    img: Tensor, matrix: list[float], interpolation: str = "nearest", expand: bool = False, fill: Any = None
) -> Tensor:
    _check(img, interpolation, fill)
    _, H, W = dimensions(img)
    size = _holding_all(matrix, H, W) if expand else (H, W)
    return _sample(img, _affine_grid(matrix, (H, W), size, _dtype(img)), interpolation, fill)


def affine(img: Tensor, matrix: list[float], interpolation: str = "nearest", fill: Any = None) -> Tensor:
    _check(img, interpolation, fill)
    _, H, W = dimensions(img)
    return _sample(img, _affine_grid(matrix, (H, W), (H, W), _dtype(img)), interpolation, fill)


def perspective(img: Tensor, coeffs: list[float], interpolation: str = "bilinear", fill: Any = None) -> Tensor:
    """From x' = (a x + b y + c) / (g x + h y + 1), y' = (d x + e y + f) / (g x + h y + 1) of the 8 `coeffs` a, …, h."""
    _check(img, interpolation, fill)
    _, H, W = dimensions(img)
    return _sample(img, _perspective_grid(coeffs, H, W, _dtype(img)), interpolation, fill)


def elastic_transform(img: Tensor, displacement: Tensor, interpolation: str = "bilinear", fill: Any = None) -> Tensor:
    """From where a pixel is plus its `displacement` (1, H, W, 2), in halves of the image's sides; in the dtype of `displacement`."""
    _, H, W = dimensions(img)
    y, x = (minitorch.linspace((1 - size) / size, (size - 1) / size, size) for size in (H, W))
    grid = minitorch.stack([x.expand(H, W), y[:, None].expand(H, W)], -1)[None]
    return _sample(img, grid.to(img.device) + displacement.to(img.device), interpolation, fill)


def _dtype(img: Tensor) -> Dtype:
    return img.dtype if img.is_floating_point() else minitorch.float32


def _affine_grid(matrix: list[float], size: tuple[int, int], new_size: tuple[int, int], dtype: Dtype) -> Tensor:
    """x' = M (x, y, 1) of pixels counted from the middle of the new image, in halves of the old one's sides."""
    (H, W), (h, w) = size, new_size
    places = _places(h, w, (1 - h) / 2, (1 - w) / 2, dtype)
    theta = minitorch.tensor(matrix, dtype=dtype).reshape(1, 2, 3)
    halves = minitorch.tensor([0.5 * W, 0.5 * H], dtype=dtype)
    return places.bmm(theta.transpose(1, 2) / halves).view(1, h, w, 2)


def _perspective_grid(coeffs: list[float], H: int, W: int, dtype: Dtype) -> Tensor:
    places = _places(H, W, 0.5, 0.5, dtype)
    above = minitorch.tensor([coeffs[:3], coeffs[3:6]], dtype=dtype)[None]
    below = minitorch.tensor([[*coeffs[6:], 1.0]] * 2, dtype=dtype)[None]
    halves = minitorch.tensor([0.5 * W, 0.5 * H], dtype=dtype)
    grid = places.bmm(above.transpose(1, 2) / halves) / places.bmm(below.transpose(1, 2)) - 1.0
    return grid.view(1, H, W, 2)


def _places(H: int, W: int, top: float, left: float, dtype: Dtype) -> Tensor:
    """(1, H · W, 3): (x, y, 1) of each pixel, the first at (left, top)."""
    y = (minitorch.arange(H, dtype=dtype) + top)[:, None].expand(H, W)
    x = (minitorch.arange(W, dtype=dtype) + left).expand(H, W)
    return minitorch.stack([x, y, minitorch.ones_like(x)], -1).view(1, H * W, 3)


def _holding_all(matrix: list[float], H: int, W: int) -> tuple[int, int]:
    """(h, w) of the smallest image that the whole rotated one fits into, less what is only rounding."""
    corners = minitorch.tensor([[x * W, y * H, 1.0] for x, y in ((-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5))])
    rotated = corners.matmul(minitorch.tensor(matrix).view(2, 3).T)
    middle = minitorch.tensor([W * 0.5, H * 0.5])
    last = (((rotated.amax(0) + middle) / 1e-4).trunc() * 1e-4).ceil()
    first = (((rotated.amin(0) + middle) / 1e-4).trunc() * 1e-4).floor()
    w, h = (last - first).tolist()
    return int(h), int(w)


def _sample(img: Tensor, grid: Tensor, interpolation: str, fill: Any) -> Tensor:
    """The image at the places of the grid, computed in its dtype."""
    batch, back = in_floats(img, grid.dtype)
    grid = grid.to(img.device).expand(batch.shape[0], -1, -1, -1)
    if fill is None:
        return back(nnf.grid_sample(batch, grid, mode=interpolation, padding_mode="zeros", align_corners=False))
    with_mask = minitorch.cat([batch, minitorch.ones_like(batch[:, :1])], 1)
    sampled = nnf.grid_sample(with_mask, grid, mode=interpolation, padding_mode="zeros", align_corners=False)
    values, mask = sampled[:, :-1], sampled[:, -1:]
    fills = minitorch.tensor([float(f) for f in listed(fill)], dtype=grid.dtype, device=img.device)
    outside = fills.view(1, -1, 1, 1).expand_as(values)
    if interpolation == "nearest":
        return back(minitorch.where(mask < 0.5, outside, values))
    # At a border the values have the zeros outside in them already, and are multiplied by the mask once more: torchvision's numbers.
    return back(values * mask + (1.0 - mask) * outside)


def _check(img: Tensor, interpolation: str, fill: Any) -> None:
    if fill is not None and not isinstance(fill, (int, float, tuple, list)):
        warnings.warn(f"fill should be a number or a tuple or list of them, got {type(fill).__name__}")
    channels = dimensions(img)[0]
    if isinstance(fill, (tuple, list)) and len(fill) not in (1, channels):
        raise ValueError(f"fill has {len(fill)} numbers, which cannot be spread over the image's {channels} channels")
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"interpolation mode {interpolation!r} is unsupported with tensors: take nearest or bilinear")
