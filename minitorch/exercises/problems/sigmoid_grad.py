"""The derivative of the sigmoid

sigmoid(x) = 1 / (1 + exp(-x)), for each element.

Given x and g, the gradient dL/dout of a loss with respect to out = sigmoid(x), return dL/dx.
All three are float64 arrays of one shape. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import gradients

HINTS = (
    "Write s = sigmoid(x). What is ds/dx? Differentiate 1 / (1 + e^-x) by the chain rule.",
    "ds/dx = e^-x / (1 + e^-x)^2, and that is s * (1 - s): the output alone is enough.",
    "The chain rule: dL/dx = g * s * (1 - s).",
)


def inputs(s):
    return {"g": s.floats("*"), "x": s.floats("*", -20.0, 20.0)}


def sigmoid_grad(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dL/dx, of x's shape."""
    s = 1 / (1 + np.exp(-x))
    return g * s * (1 - s)


def expected(g, x):
    return gradients(minitorch.sigmoid, g, x)


def wrong_no_upstream(g, x):
    """g is left out. This is dout/dx; the chain rule multiplies it by g = dL/dout."""
    s = 1 / (1 + np.exp(-x))
    return s * (1 - s)


def wrong_of_x(g, x):
    """The formula is s * (1 - s) with s = sigmoid(x), not x * (1 - x)."""
    return g * x * (1 - x)


def wrong_forward(g, x):
    """This is the sigmoid times g, not its derivative times g."""
    return g / (1 + np.exp(-x))
