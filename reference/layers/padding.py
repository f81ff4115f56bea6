"""Rows of padding layers, and of those that rearrange channels."""

from __future__ import annotations

from typing import Any

from .drawing import one_of, required, shaped
from .run import Row

# The last has another number of dimensions than the layer takes, if it is no constant.
PLANES: dict[int, Any] = {
    1: shaped((2, 3, 5), (3, 4), (5,)),
    2: shaped((2, 3, 4, 5), (3, 4, 4), (4, 4)),
    3: shaped((2, 2, 4, 3, 4), (2, 4, 3, 4), (4, 4, 4)),
}


def of_dimension(n: int) -> list[Row]:
    """The rows for n dimensions; a padding of 4 is too much for mirrors and rings."""
    padding = one_of([1, 2, (1, 2, 0, 1, 2, 1)[: 2 * n], (2, -1, 1, 1, -1, 0)[: 2 * n], 4, (1,)])
    around = [f"{mode}Pad{n}d" for mode in ("Zero", "Reflection", "Replication", "Circular")]
    constant = required({"padding": padding, "value": one_of([0.0, 1.5, -2, 3])})
    return [
        Row(f"ConstantPad{n}d", constant, PLANES[n]),
        *(Row(name, required({"padding": padding}), PLANES[n]) for name in around),
    ]


ROWS = [
    *(row for n in (1, 2, 3) for row in of_dimension(n)),
    Row("PixelShuffle", required({"upscale_factor": one_of([1, 2, 3])}), shaped((2, 8, 3, 2), (9, 2, 2), (4, 2))),
    Row("PixelUnshuffle", required({"downscale_factor": one_of([1, 2, 3])}), shaped((2, 2, 6, 6), (1, 4, 2), (4, 2))),
    Row("ChannelShuffle", required({"groups": one_of([1, 2, 3])}), shaped((2, 6, 3), (2, 6, 2, 2), (6, 6, 2), (4, 2))),
]
