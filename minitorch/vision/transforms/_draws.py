"""The draws that random transforms are made of, and checks of their arguments that several share.

A transform draws from minitorch's generator (`minitorch.manual_seed`), with the same calls in the same order as torchvision: so the same seed
gives the same numbers.
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import minitorch


def happens(p: float) -> bool:
    """True with probability `p`: one draw."""
    return bool(minitorch.rand(1) < p)


def uniform(low: Any, high: Any) -> float:
    """One draw from [low, high), in float32."""
    return minitorch.empty(1).uniform_(float(low), float(high)).item()


def below(n: int) -> int:
    """0, …, n − 1, each as likely: one draw."""
    return int(minitorch.randint(0, n, (1,)).item())


def area_and_ratio(pixels: int, scale: Sequence[float], ratio: Sequence[float]) -> tuple[float, float]:
    """(area, ratio of the sides): a uniform part of `pixels`, then a ratio whose logarithm is uniform. Two draws."""
    low, high = minitorch.log(minitorch.tensor(ratio)).tolist()
    area = pixels * uniform(scale[0], scale[1])
    return area, minitorch.exp(minitorch.empty(1).uniform_(low, high)).item()


def rounded_sqrt(x: float) -> int:
    return round(math.sqrt(x))


# ---- arguments ----


def size_of(size: Any) -> Sequence[int]:
    """(h, w) of a number or a sequence of one; a sequence of two as it is."""
    if isinstance(size, numbers.Real):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(f"expected a number or a sequence (h, w), got {len(size)} numbers")
    return size


def check_length(value: Any, name: str, lengths: tuple[int, ...] = (2,)) -> None:
    wanted = " or ".join(map(str, lengths))
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length {wanted}, got {value!r}")
    if len(value) not in lengths:
        raise ValueError(f"{name} should be a sequence of length {wanted}, got {len(value)}")


def angles_of(value: Any, name: str, lengths: tuple[int, ...] = (2,)) -> list[float]:
    """[−a, a] of a number a; else the numbers given."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"if {name} is a single number, it must not be negative, got {value}")
        value = [-value, value]
    else:
        check_length(value, name, lengths)
    return [float(each) for each in value]


def check_ranges(scale: Any, ratio: Any) -> None:
    for name, value in (("scale", scale), ("ratio", ratio)):
        if not isinstance(value, Sequence):
            raise TypeError(f"{name} should be a sequence (min, max), got {value!r}")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warnings.warn("scale and ratio should be of the kind (min, max)")


def fill_of(fill: Any) -> Any:
    """`fill`, 0 for None."""
    if fill is not None and not isinstance(fill, (Sequence, numbers.Number)):
        raise TypeError(f"fill should be a number or a sequence of one for each channel, got {fill!r}")
    return 0 if fill is None else fill


def fill_for(img: Any, fill: Any, channels: int) -> Any:
    """`fill` as `functional.py` takes it: of a tensor one float for each channel."""
    if not isinstance(img, minitorch.Tensor):
        return fill
    return [float(fill)] * channels if isinstance(fill, (int, float)) else [float(each) for each in fill]


def lines(opening: str, things: Sequence[Any]) -> str:
    """A repr that has each thing in a line of its own."""
    return "\n".join([opening, *(f"    {thing}" for thing in things), ")"])
