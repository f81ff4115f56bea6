"""Rows of `ops/grid.py`: grids of any numbers, and of those between which torch's formulas change.

Grids that hold nan or ∞ are left out: torch reads memory that is not its own, and crashes.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F

from minitorch.nn import functional as ours

from ..strategies import booleans, floats, of
from ..table import pair

anywhere = functools.partial(floats, low=-2.5, high=2.5, specials=False)
# Whole places, the middles between, the outermost edges and beyond: exact in every size up to 4.
kinks = functools.partial(
    floats, among=(-3.0, -2.0, -1.5, -1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 2.0, 5.0), specials=False
)
paddings = of("zeros", "border", "reflection")
align = of(None, False, True)
sampled = functools.partial(pair, "grid_sample", F.grid_sample, ours.grid_sample, padding_mode=paddings, align_corners=align)

for mode in ("bilinear", "nearest", "bicubic"):
    sampled(x=floats("N C 4 3"), grid=anywhere("N 2 3 2"), mode=mode)
    sampled(x=floats("N C H W"), grid=kinks("N 3 4 2"), mode=mode, smooth={"grid": anywhere("N 3 4 2")}, second_order=False)
for mode in ("bilinear", "nearest"):
    sampled(x=floats("N C 2 4 3"), grid=anywhere("N 2 1 3 3"), mode=mode)
    sampled(
        x=floats("N C H W 3"), grid=kinks("N 3 2 1 3"), mode=mode, smooth={"grid": anywhere("N 3 2 1 3")}, second_order=False
    )

sampled(x=floats("N C H W"), grid=anywhere("M H W 2"), mode=of("bilinear", "cubic"))
sampled(x=floats("N C 2 2 2"), grid=anywhere("N 2 2 2 3"), mode="bicubic")
sampled(x=floats("N C 2 2"), grid=anywhere("N 2 2 3"))
pair(
    "grid_sample",
    F.grid_sample,
    ours.grid_sample,
    x=floats("N C 2 2"),
    grid=anywhere("N 2 2 2"),
    padding_mode=of("border", "mirror"),
)

for name, image, grid in (("grid_sampler_2d", "N C 4 3", "N 2 3 2"), ("grid_sampler_3d", "N C 2 4 3", "N 2 1 3 3")):
    pair(name, getattr(torch, name), x=floats(image), grid=anywhere(grid), interpolation_mode=of(0, 1), padding_mode=of(0, 1, 2),
        align_corners=booleans)  # fmt: skip
pair("grid_sampler", torch.grid_sampler, x=floats("N C 4 3"), grid=anywhere("N 2 3 2"), interpolation_mode=of(0, 1, 2),
    padding_mode=of(0, 1, 2), align_corners=booleans)  # fmt: skip

pair("affine_grid", F.affine_grid, ours.affine_grid, theta=floats("N 2 3"), size=of((1, 2, 3, 4), (2, 1, 1, 2), (1, 1, 2, 2), (3, 1, 4, 2)),
    align_corners=align)  # fmt: skip
pair("affine_grid", F.affine_grid, ours.affine_grid, theta=floats("N 3 4"), size=of((1, 1, 2, 3, 4), (2, 1, 2, 1, 3), (1, 2, 3)),
    align_corners=align)  # fmt: skip
pair("affine_grid_generator", torch.affine_grid_generator, theta=floats("N 2 3"), size=of((1, 2, 3, 4), (3, 1, 1, 2)),
    align_corners=booleans)  # fmt: skip
