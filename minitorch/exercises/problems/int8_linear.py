"""A linear layer with weights in 8 bits

Each row of the weight W (O, I) gets a scale of its own, so that its largest number (in size) becomes 127:

    scale = max |row| / 127       (1 for a row of zeros)
    q     = W / scale, rounded to the nearest whole number, of dtype int8
    out   = (x q^T) * scale       computed in float64

Given x (N, I) and W (O, I), return (q, scale, out), of shapes (O, I), (O,) and (N, O). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "np.abs(W).max(axis=1) is the largest number of each row.",
    "astype(np.int8) cuts towards 0: np.round first.",
    "scale has to stand in a column to divide W, scale[:, None], and in a row to multiply out.",
)
RETURNS = ("q", "scale", "out")


def inputs(s):
    def W(case, source):
        rows = source.rng.standard_normal((source.size("O"), source.size("I")))
        return rows * (source.rng.random((len(rows), 1)) < source.choice([1.0, 0.7]))

    return {"x": s.floats("N I"), "W": s.given(W)}


def int8_linear(x: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(q, scale, out)"""
    scale = np.abs(W).max(axis=1) / 127
    scale = np.where(scale == 0, 1.0, scale)
    q = np.round(W / scale[:, None]).astype(np.int8)
    return q, scale, x @ q.T * scale


def expected(x, W):
    w = tensor(W).detach()
    scale = w.abs().amax(1) / 127
    scale = scale.where(scale != 0, minitorch.ones_like(scale))
    q = minitorch.round(w / scale.unsqueeze(1)).to(minitorch.int8)
    out = minitorch.nn.functional.linear(tensor(x).detach(), q.double()) * scale
    return q.numpy(), scale.numpy(), out.numpy()


def wrong_truncated(x, W):
    """astype(np.int8) cuts towards 0: round to the nearest first."""
    scale = int8_linear(x, W)[1]
    q = (W / scale[:, None]).astype(np.int8)
    return q, scale, x @ q.T * scale


def wrong_one_scale(x, W):
    """There is one scale for the whole weight here: each row has its own, or one large number takes the others' digits."""
    scale = np.full(len(W), np.abs(W).max() / 127 or 1.0)
    q = np.round(W / scale[:, None]).astype(np.int8)
    return q, scale, x @ q.T * scale


def wrong_128(x, W):
    """The largest number becomes 128, which int8 does not have (it wraps around to -128): divide by 127."""
    scale = np.abs(W).max(axis=1) / 128
    scale = np.where(scale == 0, 1.0, scale)
    q = np.round(W / scale[:, None]).astype(np.int64).astype(np.int8)
    return q, scale, x @ q.T * scale


def wrong_zero_row(x, W):
    """A row of zeros has scale 0, and 0 / 0 is nan: take 1 for its scale."""
    scale = np.abs(W).max(axis=1) / 127
    q = np.round(W / scale[:, None]).astype(np.int8)
    return q, scale, x @ q.T * scale
