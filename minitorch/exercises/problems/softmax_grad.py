"""The derivative of softmax, from its output

p = softmax(x) along the last dimension. Each p_i depends on every x_j of its row:

    dp_i / dx_j = p_i (1 - p_i)   if i is j,   else  -p_i p_j

Given g = dL/dp and p, float64 arrays of shape (N, C), return dL/dx of the same shape. The (C, C) Jacobian need not be built.
NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import gradients

HINTS = (
    "dL/dx_j = sum_i g_i dp_i/dx_j. Put the formula in, and look at the two terms one by one.",
    "The first term is g_j p_j. The second is p_j times sum_i g_i p_i.",
    "p * (g - (g * p).sum(axis=-1, keepdims=True))",
)


def inputs(s):
    def p(case, source):
        e = np.exp(s.floats("N C")(source, case))
        return e / e.sum(-1, keepdims=True)

    return {"g": s.floats("N C"), "p": s.given(p)}


def softmax_grad(g: np.ndarray, p: np.ndarray) -> np.ndarray:
    """dL/dx, row by row."""
    return p * (g - (g * p).sum(axis=-1, keepdims=True))


def expected(g, p):
    return gradients(lambda x: minitorch.softmax(x, -1), g, np.log(p))


def wrong_diagonal(g, p):
    """This is the diagonal of the Jacobian alone, p (1 - p): each output depends on all inputs of its row."""
    return g * p * (1 - p)


def wrong_sum_of_g(g, p):
    """The sum is of g * p, not of g."""
    return p * (g - g.sum(axis=-1, keepdims=True))


def wrong_across_rows(g, p):
    """The sum goes over the whole array: each row is a softmax of its own."""
    return p * (g - (g * p).sum())
