"""Cross-entropy with label smoothing

Instead of a 1 for the right class and 0 elsewhere, the wanted distribution is (1 - a) * one_hot + a / C: the share a is spread evenly
over all C classes, the right one included. The loss of a row is -sum_c q_c ln p_c, with p = softmax(logits), and the result is the
mean over the rows.

Given logp (N, C), the logarithms ln p, target (N,), and a, return a float. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "Write the loss as two terms, one for each part of q.",
    "(1 - a) * (-ln p[target]) + a * (mean over c of -ln p_c)",
    "logp[np.arange(N), target] takes one number out of each row; logp.mean(axis=-1) is the other term.",
)


def inputs(s):
    def logp(case, source):
        x = s.floats("N C")(source, case)
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    return {
        "logp": s.given(logp),
        "target": s.given(lambda case, source: source.rng.integers(0, source.size("C"), source.size("N"))),
        "a": s.of(0.0, 0.1, 0.5),
    }


def label_smoothing(logp: np.ndarray, target: np.ndarray, a: float) -> float:
    """The mean loss."""
    right = -logp[np.arange(len(target)), target]
    return ((1 - a) * right - a * logp.mean(axis=-1)).mean()


def expected(logp, target, a):
    return minitorch.nn.functional.cross_entropy(tensor(logp), tensor(target), label_smoothing=a).item()


def wrong_others_only(logp, target, a):
    """The share a is spread over the C - 1 wrong classes here. In torch it goes to all C, the right one included: a / C each."""
    n, classes = logp.shape
    if classes == 1:
        return -logp.mean()
    q = np.full((n, classes), a / (classes - 1))
    q[np.arange(n), target] = 1 - a
    return -(q * logp).sum(-1).mean()


def wrong_right_not_reduced(logp, target, a):
    """The right class keeps all of its 1: it should have 1 - a + a / C, so that the distribution sums to 1."""
    right = -logp[np.arange(len(target)), target]
    return (right - a * logp.mean(axis=-1)).mean()


def wrong_sum_of_logs(logp, target, a):
    """The share a is divided among C classes: use the mean of ln p over the classes, not the sum."""
    right = -logp[np.arange(len(target)), target]
    return ((1 - a) * right - a * logp.sum(axis=-1)).mean()


def wrong_right_too_small(logp, target, a):
    """The right class gets 1 - a alone: its part of what is spread, a / C, is missing, and the distribution does not sum to 1."""
    q = np.full(logp.shape, a / logp.shape[1])
    q[np.arange(len(target)), target] = 1 - a
    return -(q * logp).sum(-1).mean()
