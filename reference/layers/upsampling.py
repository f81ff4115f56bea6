"""Rows of layers that make images larger."""

from __future__ import annotations

from .drawing import flags, one_of, optional, required, shaped
from .run import Row

images = shaped((2, 3, 4, 5), (1, 2, 1, 3), (0, 2, 3, 3), (2, 3, 4))
factors = one_of([2, 1.5, (2, 0.5), (1.0, 3), None, "a"])

ROWS = [
    Row(
        "Upsample",
        optional(
            size=one_of([3, (2, 5), (4,)]),
            scale_factor=factors,
            mode=one_of(["nearest", "bilinear", "bicubic", "nearest-exact", "linear"]),
            align_corners=flags,
            recompute_scale_factor=flags,
        ),
        images,
    ),
    Row(
        "Upsample",
        required({"scale_factor": one_of([2, 1.5, (0.5, 2)]), "mode": one_of(["bilinear", "bicubic"])}, align_corners=flags),
        images,
    ),
    Row("Upsample", required({"size": one_of([3, (7,)]), "mode": one_of(["linear", "nearest"])}), shaped((2, 3, 4))),
    Row(
        "Upsample",
        required({"size": one_of([3, (2, 4, 1)]), "mode": "trilinear"}, align_corners=flags),
        shaped((2, 1, 3, 2, 4)),
    ),
    *[
        Row(name, optional(size=one_of([3, (2, 5)]), scale_factor=factors), images)
        for name in ["UpsamplingNearest2d", "UpsamplingBilinear2d"]
    ],
]
