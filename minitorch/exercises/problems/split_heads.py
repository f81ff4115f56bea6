"""Split the features into heads

Multi-head attention works on H parts of the features side by side.

Given x (N, T, H * D) and H, return an array (N, H, T, D) in which [n, h, t] are the features h * D to (h + 1) * D of position t of
example n. NumPy alone.
"""

import numpy as np

from ..truth import value

HINTS = (
    "Two steps: cut the last dimension into (H, D), then move the heads forward.",
    "reshape(N, T, H, D) does the first.",
    "transpose(0, 2, 1, 3) does the second. reshape alone cannot: it does not move numbers.",
)


def inputs(s):
    def x(case, source):
        return s.floats(f"N T {case['H'] * source.integer(1, 3)}")(source, case)

    return {"H": s.of(1, 2, 3), "x": s.given(x)}


def split_heads(x: np.ndarray, H: int) -> np.ndarray:
    """(N, H, T, D)"""
    N, T, _ = x.shape
    return x.reshape(N, T, H, -1).transpose(0, 2, 1, 3)


def expected(x, H):
    return value(lambda t: t.unflatten(-1, (H, -1)).transpose(1, 2), x)


def wrong_reshape(x, H):
    """reshape alone gives the shape but mixes positions and heads: it keeps the order of the numbers. Reshape, then transpose."""
    N, T, F = x.shape
    return x.reshape(N, H, T, F // H)


def wrong_interleaved(x, H):
    """The heads take every H-th feature here: head h has the features h * D to (h + 1) * D, side by side."""
    N, T, F = x.shape
    return x.reshape(N, T, F // H, H).transpose(0, 3, 1, 2)


def wrong_not_moved(x, H):
    """The heads stand after the positions: move them forward, to (N, H, T, D)."""
    N, T, F = x.shape
    return x.reshape(N, T, H, F // H)
