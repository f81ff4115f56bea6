"""log_softmax, without the logarithm of 0

log_softmax(x)_i = ln(exp(x_i) / sum_j exp(x_j)), along the last dimension.

Given x, a float64 array of shape (N, C) whose numbers may be as large as 1000 in size, return an array of the same shape, with every
number finite. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import value

HINTS = (
    "A probability of e^-1000 is 0 as a float, and ln(0) is -inf. Do not compute the probability: simplify the formula first.",
    "ln(exp(x_i) / S) = x_i - ln(S).",
    "With m the row's largest number: ln(S) = m + ln(sum_j exp(x_j - m)).",
)


def inputs(s):
    return {"x": s.given(lambda case, source: source.choice([1, 300]) * s.floats("N C")(source, case))}


def log_softmax(x: np.ndarray) -> np.ndarray:
    """x - logsumexp(x), row by row."""
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def expected(x):
    return value(lambda t: minitorch.log_softmax(t, -1), x)


def wrong_log_of_softmax(x):
    """This is the logarithm of a softmax: where a probability is too small for a float, it is ln(0) = -inf. Use x_i - ln(sum) instead."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.log(e / e.sum(axis=-1, keepdims=True))


def wrong_overflows(x):
    """exp overflows: take the row's largest number off first."""
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def wrong_max_lost(x):
    """The row's largest number was taken off inside the sum, but not off x_i: what is taken off must come off both."""
    return x - np.log(np.exp(x - x.max(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True))
