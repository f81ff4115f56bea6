"""What is shown of a tensor: its numbers if they are few, else a grid that a heat map is drawn from. The tensor itself is not kept.

Read next: `tracing.py`, which takes pictures while a program and its backward run; `minitorch/utils/html.py`, which draws them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..arrays.device import to_numpy

FEW = 36  # so many numbers, and no more, are shown as numbers
SIDE = 32  # a grid has at most so many rows and columns


class Picture(NamedTuple):
    """A tensor as it was at one moment."""

    shape: tuple[int, ...]
    dtype: str
    numbers: Any = None  # a number or nested lists, if there are at most FEW
    grid: tuple[tuple[float, ...], ...] = ()  # else the means of blocks of its rows and columns
    block: tuple[int, int] = (1, 1)  # how many rows and columns a cell of the grid stands for
    low: float = math.nan  # the least, the largest and the mean of the numbers that are finite
    high: float = math.nan
    mean: float = math.nan
    not_finite: int = 0  # how many are nan or infinite

    def data(self) -> dict[str, Any]:
        """The same for JSON: numbers as they are written, nothing that is left out."""
        found: dict[str, Any] = {"shape": list(self.shape), "dtype": self.dtype}
        if self.numbers is not None:
            found["numbers"] = written(self.numbers)
        if self.grid:
            found["grid"] = [[float(f"{x:.3g}") if math.isfinite(x) else None for x in row] for row in self.grid]
            found["block"] = list(self.block)
        if self.grid or self.numbers is not None:
            found |= {"low": number(self.low), "high": number(self.high), "mean": number(self.mean)}
            found |= {"notFinite": self.not_finite} if self.not_finite else {}
        return found


def picture_of(value: Any) -> Picture | None:
    """The picture of a tensor or an array; None where there is none (an option, a tensor within a vmap or one that is being compiled)."""
    array = getattr(value, "_array", value)
    if type(array).__module__.partition(".")[0] not in ("numpy", "cupy") or not hasattr(array, "dtype"):
        return None
    shape, name = tuple(array.shape), str(array.dtype)
    if array.size == 0:
        return Picture(shape, name)
    values = to_numpy(array)
    as_floats = values.astype(np.float64)
    finite = as_floats[np.isfinite(as_floats)]
    low, high, mean = (float(f(finite)) if finite.size else math.nan for f in (np.min, np.max, np.mean))
    strange = int(values.size - finite.size)
    if values.size <= FEW:
        return Picture(shape, name, values.tolist(), (), (1, 1), low, high, mean, strange)
    grid, block = _grid(_in_rows(as_floats))
    return Picture(shape, name, None, grid, block, low, high, mean, strange)


def _in_rows(values: np.ndarray) -> np.ndarray:
    """As a matrix: the last dimension lies in a row; a long vector is broken into rows."""
    if values.ndim == 1:
        columns = min(SIDE, len(values))
        filled = np.full(-(-len(values) // columns) * columns, np.nan)
        filled[: len(values)] = values
        return filled.reshape(-1, columns)
    return values.reshape(-1, values.shape[-1])


def _grid(matrix: np.ndarray) -> tuple[tuple[tuple[float, ...], ...], tuple[int, int]]:
    """The mean of each block; blocks are as large as it takes for at most SIDE rows and columns."""
    rows, columns = (-(-n // SIDE) for n in matrix.shape)
    edges = [np.arange(0, n, step) for n, step in zip(matrix.shape, (rows, columns))]
    sums, count = np.nan_to_num(matrix, nan=0.0, posinf=0.0, neginf=0.0), np.isfinite(matrix).astype(float)
    for axis, starts in enumerate(edges):
        sums, count = np.add.reduceat(sums, starts, axis), np.add.reduceat(count, starts, axis)
    with np.errstate(all="ignore"):
        means = sums / count
    return tuple(tuple(row) for row in means.tolist()), (rows, columns)


def number(value: Any) -> str:
    """Numbers as one writes them: `80`, `[1, 0.3333]`.

    >>> number([[1.0, 2 / 3]])
    '[[1, 0.6667]]'
    """
    if isinstance(value, list):
        return f"[{', '.join(map(number, value))}]"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def written(value: Any) -> Any:
    """The numbers of nested lists as text, in the same lists."""
    return [written(x) for x in value] if isinstance(value, list) else number(value)
