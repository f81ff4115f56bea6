"""The backward of a linear layer

out = x W^T + b, as in torch: x is (N, I), W is (O, I), b is (O,), out is (N, O).

Given g = dL/dout (N, O), x and W, return (dx, dW, db), each of the shape of what it belongs to. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import gradients

HINTS = (
    "The shapes nearly give it away: from g (N, O), x (N, I) and W (O, I), how does one get (N, I), (O, I) and (O,)?",
    "out_no = sum_i x_ni W_oi + b_o, so dL/dW_oi = sum_n g_no x_ni: a matrix product.",
    "dx = g W, dW = g^T x, and db sums g over the rows, for b was broadcast to all of them.",
)
RETURNS = ("dx", "dW", "db")


def inputs(s):
    return {"g": s.floats("N O"), "x": s.floats("N I"), "W": s.floats("O I")}


def linear_backward(g: np.ndarray, x: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dW, db)"""
    return g @ W, g.T @ x, g.sum(axis=0)


def expected(g, x, W):
    return gradients(minitorch.nn.functional.linear, g, x, W, np.zeros(len(W)))


def wrong_transposed(g, x, W):
    """dW is transposed: it has the shape of W, (O, I)."""
    return g @ W, x.T @ g, g.sum(axis=0)


def wrong_bias_mean(g, x, W):
    """db is a mean here. b was used in every row, so its gradient is the sum over the rows."""
    return g @ W, g.T @ x, g.mean(axis=0)


def wrong_bias_not_summed(g, x, W):
    """db is not summed: b was broadcast over the rows, and its gradient has its shape, (O,)."""
    return g @ W, g.T @ x, g
