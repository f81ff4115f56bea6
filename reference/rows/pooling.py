"""Rows of `ops/pooling.py` and `ops/shuffle.py`: ties, windows that begin in the padding or reach over the end, planes smaller than a window."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import minitorch
from minitorch.nn import functional as ours

from ..strategies import Source, booleans, floats, ints, of
from ..table import pair


class planes(floats):
    """Planes of one of several sizes; small whole numbers with `ties`."""

    def __init__(self, n: int, ties: bool = False):
        super().__init__("", *((-2, 2) if ties else (-3, 3)), ties=ties)
        self.patterns = PLANES[n]

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        return self.fill(source, source.shape(source.choice(self.patterns)))


PLANES = {1: ("N C 7", "C 6", "N 2 3"), 2: ("N 2 5 6", "C 3 4", "N 1 3 7"), 3: ("N 2 3 4 3", "C 3 2 3")}
SIZES = {
    1: {"kernel_size": of(2, (3,), 4), "stride": of(1, 2, (3,), None)},
    2: {"kernel_size": of(2, (3, 2), 3), "stride": of(1, 2, (3, 1), None)},
    3: {"kernel_size": of(2, (3, 2, 2), 3), "stride": of(1, 2, (3, 1, 2), None)},
}
# 7 is more windows than elements, None as many. 0 is left out: torch's backward refuses it.
COUNTS: dict[int, Any] = {
    1: of(1, 2, 3, (4,), 7),
    2: of(1, 2, (3, 4), (7, 1), (None, 2), (1, 1)),
    3: of(1, 2, (3, 4, 1), (None, 7, 2)),
}


def both(name: str) -> tuple[Any, Any]:
    """The two functions of that name: of the top level, or of nn.functional."""
    places = (torch, minitorch) if hasattr(torch, name) else (F, ours)
    return getattr(places[0], name), getattr(places[1], name)


for n in (1, 2, 3):
    chosen: dict[str, Any] = {"x": planes(n, ties=True), "smooth": {"x": planes(n)}}
    options: dict[str, Any] = {"padding": of(0, 1), "ceil_mode": booleans, **SIZES[n]}
    for name in (f"max_pool{n}d", f"max_pool{n}d_with_indices"):
        pair(name, *both(name), dilation=of(1, 2), **chosen, **options)
    pair(f"adaptive_max_pool{n}d", *both(f"adaptive_max_pool{n}d"), output_size=COUNTS[n], **chosen)
    if n > 1:
        options["divisor_override"] = of(None, 1, 5, -2)
        pair(f"max_pool{n}d", *both(f"max_pool{n}d"), x=ints(f"N 2 5 4{' 3' * (n - 2)}"), **SIZES[n], padding=of(0, 1))
    pair(f"avg_pool{n}d", *both(f"avg_pool{n}d"), x=planes(n), count_include_pad=booleans, **options)
    pair(f"avg_pool{n}d", *both(f"avg_pool{n}d"), x=ints(f"N 2 5{' 4' * (n - 1)}"), kernel_size=of(2, 3), padding=of(0, 1))
    pair(f"adaptive_avg_pool{n}d", *both(f"adaptive_avg_pool{n}d"), x=planes(n), output_size=COUNTS[n])
    pair(f"lp_pool{n}d", *both(f"lp_pool{n}d"), x=planes(n, ties=True), norm_type=of(1.0, 2.0, 3.0, np.inf, -np.inf),
        kernel_size=of(2, 3), stride=of(1, 2, None), ceil_mode=booleans, smooth={"x": floats(PLANES[n][1], 0.1, 2.0)})  # fmt: skip

# ---- shuffles ----

pair("pixel_shuffle", torch.pixel_shuffle, minitorch.pixel_shuffle, x=floats("* 4 H W"), upscale_factor=of(1, 2, 3, 0))
pair("pixel_unshuffle", torch.pixel_unshuffle, minitorch.pixel_unshuffle, x=floats("* C 4 2"), downscale_factor=of(1, 2, 4, -1),
    empty=False)  # fmt: skip
pair("pixel_unshuffle", torch.pixel_unshuffle, minitorch.pixel_unshuffle, x=floats("N 0 4 2"), downscale_factor=of(2),
    differentiable=False)  # fmt: skip
for name in ("channel_shuffle", "native_channel_shuffle"):
    pair(name, *both(name), x=floats("N 6 * W"), groups=of(1, 2, 3, 6, 4, 0), differentiable=name == "channel_shuffle")
