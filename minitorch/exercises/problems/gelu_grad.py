"""The derivative of GELU

gelu(x) = x * P(x), where P is the distribution function of the normal distribution:

    P(x) = (1 + erf(x / sqrt(2))) / 2,   and its derivative is the density   p(x) = exp(-x^2 / 2) / sqrt(2 pi)

Given x and g = dL/dout, return dL/dx, for the exact GELU (not the one with tanh). NumPy alone; for erf there is math.erf, which
np.vectorize(math.erf, otypes=[float]) makes a function of arrays.
"""

import math

import numpy as np

import minitorch

from ..truth import gradients

HINTS = (
    "gelu is a product of two functions of x: x and P(x).",
    "The product rule: 1 * P(x) + x * p(x).",
    "Do not forget g.",
)


def inputs(s):
    return {"g": s.floats("*"), "x": s.floats("*", -5.0, 5.0)}


def gelu_grad(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dL/dx, of x's shape."""
    erf = np.vectorize(math.erf, otypes=[float])
    distribution = (1 + erf(x / math.sqrt(2))) / 2
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return g * (distribution + x * density)


def expected(g, x):
    return gradients(minitorch.nn.functional.gelu, g, x)


def wrong_one_factor(g, x):
    """The second half of the product rule is missing: P(x) depends on x too, which adds x * p(x)."""
    return g * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))) / 2


def wrong_no_x(g, x):
    """The product rule is u'v + uv': the second term is x * p(x), not p(x) alone."""
    distribution = (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))) / 2
    return g * (distribution + np.exp(-x * x / 2) / math.sqrt(2 * math.pi))
