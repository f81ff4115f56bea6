"""The backward of batch normalization

In training: out = weight * n + bias, with n = (x - mean) * r and r = 1 / sqrt(var + eps); mean and var are of the column (var divided by
N). In use (training is False) mean and var are the running ones: constants.

Given g = dL/dout (N, C), x (N, C), weight (C,), running_mean (C,), running_var (C,), eps and training, return (dx, dweight, dbias).
NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "n is computed with the batch's or with the running mean and variance. dbias sums g over the rows, dweight sums g * n.",
    "With constants the layer is linear: dx = g * weight * r.",
    "In training: dx = r * (dn - mean(dn) - n * mean(dn * n)) with dn = g * weight, the means over the column.",
)
RETURNS = ("dx", "dweight", "dbias")


def inputs(s):
    return {
        "g": s.given(lambda case, source: s.floats(f"{source.integer(2, 4)} C")(source, case)),
        "x": s.given(lambda case, source: s.floats("*").fill(source, case["g"].shape)),
        "weight": s.floats("C"),
        "running_mean": s.floats("C"),
        "running_var": s.positive("C"),
        "eps": s.of(1e-2, 0.1),
        "training": s.booleans,
    }


def batch_norm_backward(
    g: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    eps: float,
    training: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dweight, dbias)"""
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    r = 1 / np.sqrt(var + eps)
    n = (x - mean) * r
    dn = g * weight
    if training:
        dn = dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)
    return r * dn, (g * n).sum(axis=0), g.sum(axis=0)


def expected(g, x, weight, running_mean, running_var, eps, training):
    a, w, b = tensor(x), tensor(weight), tensor(np.zeros_like(weight))
    averages = tensor(running_mean).detach(), tensor(running_var).detach()
    out = minitorch.nn.functional.batch_norm(a, *averages, w, b, training=training, eps=eps)
    out.backward(minitorch.from_numpy(g.copy()))
    return a.grad.numpy(), w.grad.numpy(), b.grad.numpy()


def wrong_constants(g, x, weight, running_mean, running_var, eps, training):
    """In training mean and variance depend on x, and each adds a term to dx. Here they are taken for constants."""
    mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (running_mean, running_var)
    r = 1 / np.sqrt(var + eps)
    return g * weight * r, (g * (x - mean) * r).sum(axis=0), g.sum(axis=0)


def wrong_always_training(g, x, weight, running_mean, running_var, eps, training):
    """training is not looked at: in use the running mean and variance are constants, and dx is g * weight * r."""
    return batch_norm_backward(g, x, weight, running_mean, running_var, eps, True)


def wrong_dweight(g, x, weight, running_mean, running_var, eps, training):
    """dweight sums g * x here: what weight multiplies is n, the normalized x."""
    dx, _, dbias = batch_norm_backward(g, x, weight, running_mean, running_var, eps, training)
    return dx, (g * x).sum(axis=0), dbias
