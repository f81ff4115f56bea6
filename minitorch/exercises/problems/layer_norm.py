"""Layer normalization

Each row is shifted and scaled to mean 0 and variance 1, then stretched by weight and moved by bias:

    out = (x - mean) / sqrt(var + eps) * weight + bias      var = mean of (x - mean)^2, over the row

Given x (N, C), weight (C,), bias (C,) and eps, return out (N, C). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import value

HINTS = (
    "Mean and variance are of a row: axis=-1, with keepdims=True.",
    "The variance is divided by C, not by C - 1: np.var's default.",
    "eps is added to the variance, below the root.",
)


def inputs(s):
    return {"x": s.floats("N C"), "weight": s.floats("C"), "bias": s.floats("C"), "eps": s.of(1e-5, 0.1)}


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    """Each row normalized, then weight and bias."""
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * weight + bias


def expected(x, weight, bias, eps):
    return value(lambda a, w, b: minitorch.nn.functional.layer_norm(a, (a.shape[-1],), w, b, eps), x, weight, bias)


def wrong_over_the_batch(x, weight, bias, eps):
    """Mean and variance are taken over the batch: that is batch normalization. Here they are of each row."""
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) * weight + bias


def wrong_eps_outside(x, weight, bias, eps):
    """eps is added to the standard deviation: it belongs below the root, to the variance."""
    return (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + eps) * weight + bias


def wrong_unbiased(x, weight, bias, eps):
    """The variance is divided by C - 1: here it is the plain mean of squares, divided by C."""
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True, ddof=1) + eps) * weight + bias
