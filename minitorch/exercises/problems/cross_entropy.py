"""Cross-entropy from logits

The mean over the rows of -ln softmax(logits)[target]: the usual loss of a classifier.

Given logits (N, C), float64 with numbers up to 1000 in size, and target (N,), integers from 0 to C - 1, return a float (or a 0-d
array). Every loss is finite. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "-ln softmax(x)[t] = logsumexp(x) - x[t].",
    "logits[np.arange(N), target] takes one number out of each row.",
    "For logsumexp, take the row's largest number off first, and add it at the end.",
)


def inputs(s):
    return {
        "logits": s.given(lambda case, source: source.choice([1, 300]) * s.floats("N C")(source, case)),
        "target": s.given(lambda case, source: source.rng.integers(0, source.size("C"), source.size("N"))),
    }


def cross_entropy(logits: np.ndarray, target: np.ndarray) -> float:
    """mean over n of -ln softmax(logits[n])[target[n]]"""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    right = shifted[np.arange(len(target)), target]
    return (np.log(np.exp(shifted).sum(axis=-1)) - right).mean()


def expected(logits, target):
    return minitorch.nn.functional.cross_entropy(tensor(logits), tensor(target)).item()


def wrong_log_of_softmax(logits, target):
    """The softmax is computed first and its logarithm after: a small probability is 0 as a float, and ln(0) is -inf."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return -np.log(p[np.arange(len(target)), target]).mean()


def wrong_sum(logits, target):
    """This is the sum over the rows; the usual loss is their mean."""
    return cross_entropy(logits, target) * len(target)


def wrong_all_pairs(logits, target):
    """logits[:, target] takes every target's column for every row: logits[np.arange(N), target] takes one number a row."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return (np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted[:, target]).mean()
