"""Rotary position embedding (RoPE)

The features of a position are taken in pairs (0, 1), (2, 3), ..., and each pair is turned by an angle that grows with the position:

    angle(t, i) = t * 10000^(-2 i / D)        position t = 0, 1, ..., pair i = 0, 1, ..., D / 2 - 1
    (a, b)  becomes  (a cos - b sin, a sin + b cos)

Given x (T, D), D even, return an array of the same shape. NumPy alone.
"""

import numpy as np

import minitorch

HINTS = (
    "x[:, 0::2] are all a's, x[:, 1::2] all b's, each (T, D / 2).",
    "The angles are a (T, D / 2) table: np.arange(T)[:, None] * 10000.0 ** (-np.arange(0, D, 2) / D).",
    "Write both results into out = np.empty_like(x): out[:, 0::2] = ..., out[:, 1::2] = ...",
)


def inputs(s):
    return {"x": s.given(lambda case, source: s.floats(f"T {2 * source.integer(1, 3)}")(source, case))}


def rope(x: np.ndarray) -> np.ndarray:
    """x, each pair turned."""
    T, D = x.shape
    angle = np.arange(T)[:, None] * 10000.0 ** (-np.arange(0, D, 2) / D)
    a, b = x[:, 0::2], x[:, 1::2]
    out = np.empty_like(x)
    out[:, 0::2] = a * np.cos(angle) - b * np.sin(angle)
    out[:, 1::2] = a * np.sin(angle) + b * np.cos(angle)
    return out


def expected(x):
    """By the exponential of (0, -angle; angle, 0), which is a rotation."""
    T, D = x.shape
    t, i = minitorch.arange(T, dtype=minitorch.float64), minitorch.arange(D // 2, dtype=minitorch.float64)
    angle = minitorch.outer(t, minitorch.exp(-2 * i / D * float(np.log(10000.0))))
    quarter = minitorch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=minitorch.float64)
    turns = minitorch.matrix_exp(angle[..., None, None] * quarter)
    pairs = minitorch.from_numpy(x.copy()).unflatten(-1, (-1, 2)).unsqueeze(-1)
    return (turns @ pairs).squeeze(-1).flatten(1).numpy()


def wrong_halves(x):
    """Here feature i is paired with i + D / 2, as some models do. In this exercise (and in the paper) the pairs are neighbours."""
    D = x.shape[1]
    order = np.concatenate([np.arange(0, D, 2), np.arange(1, D, 2)])
    back = np.argsort(order)
    return rope(x[:, back])[:, order]


def wrong_direction(x):
    """The pairs are turned the other way: (a cos - b sin, a sin + b cos)."""
    swapped = x.reshape(len(x), -1, 2)[:, :, ::-1].reshape(x.shape)
    return rope(swapped).reshape(len(x), -1, 2)[:, :, ::-1].reshape(x.shape)


def wrong_from_one(x):
    """The positions are counted from 1: the first one is not turned at all."""
    return rope(np.vstack([x[:1], x]))[1:]


def wrong_exponent(x):
    """The exponent is -i / D here: for pair i it is -2 i / D."""
    T, D = x.shape
    wide = np.zeros((T, 2 * D))
    wide[:, :D] = x
    return rope(wide)[:, :D]
