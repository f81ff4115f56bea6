"""logsumexp

logsumexp(x) = ln(sum_j exp(x_j)), along the last dimension: a smooth maximum.

Given x, a float64 array of shape (N, C) with numbers up to 1000 in size and perhaps -inf, return an array of shape (N,). A row of
which all are -inf gives -inf: it is the logarithm of an empty sum. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import value

HINTS = (
    "exp(1000) overflows. Take the row's largest number m out of the sum: ln(sum exp(x_j)) = m + ln(sum exp(x_j - m)).",
    "Where m is -inf, x_j - m is -inf + inf = nan.",
    "Take 0 for m there: np.where(np.isfinite(m), m, 0.0).",
)


def inputs(s):
    def x(case, source):
        numbers = source.choice([1, 300]) * s.floats("N C")(source, case)
        return np.where(source.rng.random(numbers.shape) < source.choice([0.0, 0.6]), -np.inf, numbers)

    return {"x": s.given(x)}


def logsumexp(x: np.ndarray) -> np.ndarray:
    """ln(sum of exp), one number a row."""
    m = x.max(axis=-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0.0)
    return np.log(np.exp(x - m).sum(axis=-1)) + m[..., 0]


def expected(x):
    return value(lambda t: minitorch.logsumexp(t, -1), x)


def wrong_overflows(x):
    """exp overflows: take the row's largest number off first, and add it at the end."""
    return np.log(np.exp(x).sum(axis=-1))


def wrong_not_added(x):
    """The largest number was taken off, but not added again at the end."""
    m = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - np.where(np.isfinite(m), m, 0.0)).sum(axis=-1))


def wrong_empty_row(x):
    """Where a whole row is -inf, -inf - (-inf) is nan: take nothing off there."""
    m = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - m).sum(axis=-1)) + m[..., 0]
