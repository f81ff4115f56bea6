"""The derivative of tanh, from its output

A framework keeps for backward what the derivative needs. For out = tanh(x) that is out alone: x may be thrown away.

Given out and g = dL/dout, return dL/dx. Both are float64 arrays of one shape. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import gradients

HINTS = (
    "tanh = sinh / cosh; differentiate the quotient.",
    "d tanh(x) / dx = 1 - tanh(x)^2.",
    "What you are given is out, which is tanh(x) already.",
)


def inputs(s):
    return {"g": s.floats("*"), "out": s.floats("*", -0.99, 0.99)}


def tanh_grad(g: np.ndarray, out: np.ndarray) -> np.ndarray:
    """dL/dx, of out's shape."""
    return g * (1 - out * out)


def expected(g, out):
    return gradients(minitorch.tanh, g, np.arctanh(out))


def wrong_tanh_twice(g, out):
    """tanh is applied once more: out is tanh(x) already, so the derivative is 1 - out^2."""
    return g * (1 - np.tanh(out) ** 2)


def wrong_no_upstream(g, out):
    """g is left out. This is dout/dx; the chain rule multiplies it by g = dL/dout."""
    return 1 - out * out


def wrong_not_squared(g, out):
    """The square is missing: 1 - out^2, not 1 - out."""
    return g * (1 - out)
