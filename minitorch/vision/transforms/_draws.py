"""The draws that random transforms are made of.

A transform draws from minitorch's generator (`minitorch.manual_seed`), with the same calls in the same order as torchvision: so the same seed
gives the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import minitorch


def happens(p: float) -> bool:
    """True with probability `p`: one draw."""
    return bool(minitorch.rand(1) < p)


def uniform(low: Any, high: Any) -> float:
    """One draw from [low, high), in float32."""
    return minitorch.empty(1).uniform_(low, high).item()


def below(n: int) -> int:
    """0, …, n − 1, each as likely: one draw."""
    return int(minitorch.randint(0, n, (1,)).item())


def area_and_ratio(pixels: int, scale: Sequence[float], ratio: Sequence[float]) -> tuple[float, float]:
    """(area, ratio of the sides): a uniform part of `pixels`, then a ratio whose logarithm is uniform. Two draws."""
    low, high = minitorch.log(minitorch.tensor(ratio)).tolist()[:2]
    area = pixels * uniform(scale[0], scale[1])
    return area, minitorch.exp(minitorch.empty(1).uniform_(low, high)).item()


def rounded_sqrt(x: float) -> int:
    return round(math.sqrt(x))
