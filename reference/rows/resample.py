"""Rows of `ops/resample.py`: every mode, to smaller, larger and equal sizes, given as sizes or as factors.

A factor that leaves a size as it is (3 · 1.2) is left out where torch's backward is not the derivative of its forward: of "bicubic"
and of all with antialias.
"""

from __future__ import annotations

import functools

import numpy as np
import torch.nn.functional as F

from minitorch.nn import functional as ours

from ..strategies import booleans, floats, ints, of
from ..table import pair

resized = functools.partial(pair, "interpolate", F.interpolate, ours.interpolate)
nearest, whether = of("nearest", "nearest-exact"), of(None, False, True)

# ---- one, two, three dimensions ----

resized(x=floats("N C 5"), size=of(1, 3, 5, 8, (9,), 0, (2, 2)), mode=nearest)
resized(x=floats("N C L"), size=of(1, 4), mode=of("nearest", "linear", "bilinear", "cubic"))
resized(x=floats("N C 6"), scale_factor=of(0.5, 1.3, 2, (1 / 3,), 0.1, -1.0), mode=nearest, recompute_scale_factor=whether)
resized(x=floats("N C 5"), size=of(1, 3, 5, 8), mode="linear", align_corners=whether)
resized(
    x=floats("N C 6"), scale_factor=of(0.5, 1.3, 2.7), mode="linear", align_corners=booleans, recompute_scale_factor=whether
)

resized(x=floats("N C 4 3"), size=of((2, 5), (4, 3), 6, 1), mode=nearest)
resized(x=floats("N C 4 3"), scale_factor=of((0.5, 1.7), 2.5, (1, 0.7)), mode=nearest)
for mode in ("bilinear", "bicubic"):
    for antialias, on_gpu in [(False, ""), (True, "takes half")]:
        resized(x=floats("N C 5 3"), size=of((2, 5), (5, 3), 1, (4, 2), (9, 3)), mode=mode, align_corners=whether,
            antialias=antialias, expand=False, gpu=on_gpu)  # fmt: skip
        resized(x=floats("N C 5 4"), scale_factor=of((0.5, 1.7), 2.3, (1, 0.6)), mode=mode, align_corners=booleans,
            recompute_scale_factor=whether, antialias=antialias, gpu=on_gpu)  # fmt: skip
        # (Bytes of one place are left out: torch fails in an assertion of its own.)
        resized(x=ints("N C 5 4", 0, 256, dtype=np.uint8), size=of((2, 5), (5, 3), (1, 2), (7, 8)), mode=mode, align_corners=booleans,
            antialias=antialias)  # fmt: skip
resized(
    x=floats("N C 7 4"),
    size=of((2, 5), (7, 3), 1),
    mode="lanczos",
    antialias=booleans,
    align_corners=whether,
    gpu="takes half",
)
resized(x=ints("N 1 7 4", 0, 256, dtype=np.uint8), size=of((2, 5), (9, 3)), mode="lanczos", antialias=True)

resized(x=floats("N C 2 4 3"), size=of((3, 2, 5), (2, 4, 3), 2), mode=nearest)
resized(x=floats("N C 2 4 3"), scale_factor=of((1, 0.5, 1.7), 1.5), mode=of("nearest", "nearest-exact", "trilinear"))
resized(x=floats("N C 2 4 3"), size=of((3, 2, 5), (2, 4, 3), 1), mode="trilinear", align_corners=whether)

# ---- the means of what lies within ----

resized(x=floats("N C 5"), size=of(1, 3, 5, 8), mode="area", align_corners=of(None, True))
resized(x=floats("N C 4 3"), size=of((2, 5), (4, 3), 1), mode="area")
resized(x=floats("N C 4 3"), scale_factor=of((0.5, 1.7), 2.5), mode="area", recompute_scale_factor=whether)
resized(x=floats("N C 2 4 3"), size=of((3, 2, 5), (2, 4, 3), 2), mode="area")

# ---- mistakes, and other dtypes ----

resized(x=floats("N C 3 3"), size=of(None, 2, (2,)), scale_factor=of(None, 2.0, (1, 2, 3)), mode=of("nearest", "trilinear"),
    antialias=booleans)  # fmt: skip
resized(x=floats("N C"), size=of(2), mode=of("nearest", "linear"))
resized(x=ints("N C 3", 0, 9, dtype=np.uint8), size=of(2, 5), mode=of("nearest", "nearest-exact", "linear"))
resized(x=ints("N C 3 3"), size=2, mode=of("nearest", "bilinear", "bicubic"))

# ---- by their old names ----

pair("upsample", F.upsample, ours.upsample, x=floats("N C 3 2"), size=of((2, 4), 3), mode=of("nearest", "bilinear"))
pair("upsample_nearest", F.upsample_nearest, ours.upsample_nearest, x=floats("N C 3 2"), scale_factor=of(2, (0.5, 1.5)))
pair("upsample_bilinear", F.upsample_bilinear, ours.upsample_bilinear, x=floats("N C 3 2"), size=of((2, 4), 3))
