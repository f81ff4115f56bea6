"""Dropout, forward and backward

In training, dropout sets each element to 0 with probability p and multiplies the others by 1 / (1 - p), so that the expected value stays
what it was: nothing need be done when the network is used.

Given x, keep (a bool array: True where an element is kept), p with 0 <= p < 1, and g = dL/dout, all arrays of one shape, return
(out, dx). NumPy alone.
"""

import numpy as np

HINTS = (
    "out = x * mask for a mask of two values. Which two?",
    "The mask is 0 where dropped, 1 / (1 - p) where kept. out is linear in x.",
    "So dx = g * mask, with the same mask.",
)
RETURNS = ("out", "dx")


def inputs(s):
    return {"x": s.floats("*"), "keep": s.bools("*"), "p": s.of(0.0, 0.25, 0.5), "g": s.floats("*")}


def dropout(x: np.ndarray, keep: np.ndarray, p: float, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(out, dx)"""
    mask = keep / (1 - p)
    return x * mask, g * mask


def expected(x, keep, p, g):
    from ..truth import gradients, tensor, value

    def f(t):
        return t * tensor(keep) / (1 - p)

    return value(f, x), gradients(f, g, x)


def wrong_not_scaled(x, keep, p, g):
    """What is kept is not scaled by 1 / (1 - p): the output would be smaller in training than in use."""
    return x * keep, g * keep


def wrong_scaled_by_p(x, keep, p, g):
    """What is kept is divided by p here: p is the share that is dropped, so divide by 1 - p."""
    mask = keep / p if p else keep * 1.0
    return x * mask, g * mask


def wrong_backward_not_scaled(x, keep, p, g):
    """The forward is right, but dx is not scaled: the derivative of x * mask is the mask, with its 1 / (1 - p)."""
    return x * (keep / (1 - p)), g * keep
