"""How far apart two arrays are, over what their dtype allows, and a case in words: without torch.

Read next: `checks.py`, which judges minitorch by it, and `grading.py`, which judges a learner's answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# dtype → (relative to the value, relative to the output's scale)
TOLERANCE = {np.float64: (0.0, 1e-9), np.float32: (1.3e-6, 1e-5), np.float16: (1e-3, 1e-3)}


def worst_error(a: np.ndarray, b: np.ndarray, dtype: Any, least: float = 1.0) -> float:
    """max |a − b| over what the dtype allows: 1 is the limit. Infinities and nans must stand in the same places."""
    if a.dtype.kind != "f":
        return 0.0 if np.array_equal(a, b) else np.inf
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return np.inf
    if not finite.any():
        return 0.0
    relative, of_scale = TOLERANCE[dtype]
    a, b = a[finite], b[finite]
    return float((np.abs(a - b) / (relative * np.abs(b) + of_scale * scale_of(b, least))).max())


def scale_of(b: np.ndarray, least: float = 1.0) -> float:
    """The size errors in `b` are measured by: its largest finite element, and at least 1."""
    finite = np.abs(b[np.isfinite(b)])
    return max(least, float(finite.max())) if finite.size else least


def too_far(error: float) -> str:
    """An error over the limit, in words."""
    return f"error is {error:.3g} times what is allowed"


class Words:
    """A failure's message that is made when it is read: the text of arrays takes longer than most checks of them."""

    def __init__(self, words: Callable[..., str], *given: Any) -> None:
        self.words, self.given = words, given

    def __str__(self) -> str:
        return self.words(*self.given)


def describe(case: dict) -> str:
    """The case in a few lines, for a failure's message."""
    return "\n".join(f"  {name} = {_shown(value, len(name) + 5)}" for name, value in case.items())


def _shown(value: Any, indent: int) -> str:
    """An array without the word `array`, its further rows below the first."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    return np.array2string(value, threshold=50, prefix=" " * indent) if value.size else f"[], of shape {value.shape}"
