"""Arguments that may come in several forms, and what is said of those that may not."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import minitorch


def size_of(size: Any) -> Sequence[int]:
    """(h, w) of a number or a sequence of one; a sequence of two as it is."""
    if isinstance(size, numbers.Real):
        return int(size), int(size)  # type: ignore[call-overload]
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


def number(name: str, value: Any) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} should be an int or a float, got {value!r}")


def check_center(center: Any) -> None:
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError(f"center should be a sequence (x, y), got {center!r}")


def shears(shear: Any) -> Sequence[float]:
    if isinstance(shear, numbers.Number):
        return shear, 0.0  # type: ignore[return-value]
    if not isinstance(shear, (list, tuple)):
        raise TypeError(f"shear should be a number or a sequence (x, y), got {shear!r}")
    if len(shear) == 1:
        return shear[0], shear[0]
    if len(shear) != 2:
        raise ValueError(f"shear should be a number or a sequence (x, y), got {len(shear)} numbers")
    return shear


def sizes_of_kernel(size: Any) -> list[int]:
    if not isinstance(size, (int, list, tuple)):
        raise TypeError(f"kernel_size should be an int or a sequence (x, y) of them, got {size!r}")
    sizes = [size, size] if isinstance(size, int) else list(size)
    if len(sizes) != 2:
        raise ValueError(f"kernel_size should be an int or a sequence (x, y), got {len(sizes)} numbers")
    if any(each % 2 == 0 or each < 0 for each in sizes):
        raise ValueError(f"kernel_size should be odd and positive, got {size}")
    return sizes


def sigmas(sigma: Any) -> list[float]:
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be a number or a sequence (x, y) of them, got {sigma!r}")
    sigmas = [sigma] if isinstance(sigma, (int, float)) else list(sigma)
    sigmas = sigmas * 2 if len(sigmas) == 1 else sigmas
    if len(sigmas) != 2:
        raise ValueError(f"sigma should be a number or a sequence (x, y), got {len(sigmas)} numbers")
    if not all(each > 0 for each in sigmas):
        raise ValueError(f"sigma should be positive, got {sigma}")
    return sigmas


def lines(opening: str, things: Sequence[Any]) -> str:
    """A repr that has each thing in a line of its own."""
    return "\n".join([opening, *(f"    {thing}" for thing in things), ")"])
