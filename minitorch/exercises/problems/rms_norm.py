"""RMSNorm

Layer normalization without the mean: each row is divided by the root of its mean square.

    out = x / sqrt(mean(x^2) + eps) * weight

Given x (N, C), weight (C,) and eps, return out (N, C). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import value

HINTS = (
    "No mean is taken off, and there is no bias.",
    "mean(x^2) is of a row: axis=-1, keepdims=True. It is not the variance.",
    "x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight",
)


def inputs(s):
    return {"x": s.floats("N C"), "weight": s.floats("C"), "eps": s.of(1e-5, 0.1)}


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    """Each row over its root mean square, times weight."""
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight


def expected(x, weight, eps):
    return value(lambda a, w: minitorch.nn.functional.rms_norm(a, (a.shape[-1],), w, eps), x, weight)


def wrong_variance(x, weight, eps):
    """This divides by the standard deviation: RMSNorm takes no mean off, neither from x nor inside the root."""
    return x / np.sqrt(x.var(axis=-1, keepdims=True) + eps) * weight


def wrong_sum(x, weight, eps):
    """This divides by the root of the sum of squares: it should be their mean."""
    return x / np.sqrt((x * x).sum(axis=-1, keepdims=True) + eps) * weight


def wrong_layer_norm(x, weight, eps):
    """This is layer normalization: RMSNorm does not take the mean off."""
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * weight
