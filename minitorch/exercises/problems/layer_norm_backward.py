"""The backward of layer normalization

    out = n * weight + bias    with n = (x - mean) * r    and r = 1 / sqrt(var + eps)

Mean and var are of the row (var divided by C), so every x of a row moves every n of it.

Given g = dL/dout (N, C), x (N, C), weight (C,) and eps, return (dx, dweight, dbias). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import gradients

HINTS = (
    "dbias and dweight first: sums over the rows of g and of g * n. Then dn = g * weight.",
    "x acts in three ways: directly, through the mean, and through the variance. Each takes something off dn.",
    "dx = r * (dn - mean(dn) - n * mean(dn * n)), the means over the row.",
)
RETURNS = ("dx", "dweight", "dbias")


def inputs(s):
    return {"g": s.floats("N C"), "x": s.floats("N C"), "weight": s.floats("C"), "eps": s.of(1e-2, 0.1)}


def layer_norm_backward(
    g: np.ndarray, x: np.ndarray, weight: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dweight, dbias)"""
    r = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    n = (x - x.mean(axis=-1, keepdims=True)) * r
    dn = g * weight
    dx = r * (dn - dn.mean(axis=-1, keepdims=True) - n * (dn * n).mean(axis=-1, keepdims=True))
    return dx, (g * n).sum(axis=0), g.sum(axis=0)


def expected(g, x, weight, eps):
    def f(a, w, b):
        return minitorch.nn.functional.layer_norm(a, (a.shape[-1],), w, b, eps)

    return gradients(f, g, x, weight, np.zeros_like(weight))


def wrong_constants(g, x, weight, eps):
    """Mean and variance are taken for constants. They depend on every x of the row, and each adds a term."""
    r = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    _, dweight, dbias = layer_norm_backward(g, x, weight, eps)
    return g * weight * r, dweight, dbias


def wrong_variance_forgotten(g, x, weight, eps):
    """The way through the variance is missing: the term n * mean(dn * n)."""
    r = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    dn = g * weight
    _, dweight, dbias = layer_norm_backward(g, x, weight, eps)
    return r * (dn - dn.mean(axis=-1, keepdims=True)), dweight, dbias


def wrong_weight_forgotten(g, x, weight, eps):
    """dx is computed from g, not from dn = g * weight."""
    _, dweight, dbias = layer_norm_backward(g, x, weight, eps)
    return layer_norm_backward(g, x, np.ones_like(weight), eps)[0], dweight, dbias
