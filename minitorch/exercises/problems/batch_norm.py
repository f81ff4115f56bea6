"""Batch normalization in training

Each column is normalized with the mean and the variance of the batch (divided by N), and running averages are kept for later:

    out         = (x - mean) / sqrt(var + eps)
    new average = (1 - momentum) * old average + momentum * this batch's

There is one thing that nobody expects: into the running variance goes the unbiased variance of the batch, divided by N - 1.

Given x (N, C) with N > 1, running_mean (C,), running_var (C,), momentum and eps, return (out, new running_mean, new running_var). Leave
the old ones as they are. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "Mean and variance are of a column: axis=0.",
    "x.var(axis=0) divides by N, x.var(axis=0, ddof=1) by N - 1.",
    "momentum is the share of the new, not of the old.",
)
RETURNS = ("out", "running_mean", "running_var")


def inputs(s):
    x = s.given(lambda case, source: s.floats(f"{source.integer(2, 4)} C")(source, case))
    return {
        "x": x,
        "running_mean": s.floats("C"),
        "running_var": s.positive("C"),
        "momentum": s.of(0.1, 0.5),
        "eps": s.of(1e-2, 0.1),
    }


def batch_norm(
    x: np.ndarray, running_mean: np.ndarray, running_var: np.ndarray, momentum: float, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(out, new running_mean, new running_var)"""
    mean, var = x.mean(axis=0), x.var(axis=0)
    out = (x - mean) / np.sqrt(var + eps)
    unbiased = x.var(axis=0, ddof=1)
    return out, (1 - momentum) * running_mean + momentum * mean, (1 - momentum) * running_var + momentum * unbiased


def expected(x, running_mean, running_var, momentum, eps):
    mean, var = tensor(running_mean).detach(), tensor(running_var).detach()
    out = minitorch.nn.functional.batch_norm(tensor(x), mean, var, training=True, momentum=momentum, eps=eps)
    return out.detach().numpy(), mean.numpy(), var.numpy()


def wrong_running_biased(x, running_mean, running_var, momentum, eps):
    """Into the running variance goes the unbiased variance, divided by N - 1; the output uses the one divided by N."""
    out, mean, _ = batch_norm(x, running_mean, running_var, momentum, eps)
    return out, mean, (1 - momentum) * running_var + momentum * x.var(axis=0)


def wrong_momentum(x, running_mean, running_var, momentum, eps):
    """momentum is the share of the new value, not of the old one. (In optimizers it is the other way round.)"""
    return batch_norm(x, running_mean, running_var, 1 - momentum, eps)


def wrong_output_unbiased(x, running_mean, running_var, momentum, eps):
    """The output is normalized with the variance divided by N; only the running one is divided by N - 1."""
    _, mean, var = batch_norm(x, running_mean, running_var, momentum, eps)
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0, ddof=1) + eps), mean, var
