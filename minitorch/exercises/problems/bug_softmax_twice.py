"""Find the bug: softmax before cross-entropy

This function should return the gradient of the cross-entropy of logits (N, C) for target (N,). Training with it works, but slowly, and the
loss never comes near 0. Mend it: minitorch may be used as you like.
"""

import numpy as np

import minitorch
import minitorch.nn.functional as F

from ..truth import arrays, tensor

HINTS = (
    "What does cross_entropy expect: probabilities, or logits?",
    "Logits. It takes the softmax itself (and the logarithm, safely).",
    "A softmax of a softmax is nearly flat: its inputs all lie between 0 and 1. Leave the first one away.",
)


def inputs(s):
    return {
        "logits": s.floats("N C"),
        "target": s.given(lambda case, source: source.rng.integers(0, source.size("C"), source.size("N"))),
    }


def call(f, logits, target):
    return arrays(f(tensor(logits), tensor(target)))


def bug_softmax_twice(logits: minitorch.Tensor, target: minitorch.Tensor) -> minitorch.Tensor:
    """dL/dlogits"""
    loss = F.cross_entropy(logits, target)
    loss.backward()
    return logits.grad


def start(logits: minitorch.Tensor, target: minitorch.Tensor) -> minitorch.Tensor:
    """dL/dlogits"""
    probabilities = logits.softmax(-1)
    loss = F.cross_entropy(probabilities, target)
    loss.backward()
    return logits.grad


def expected(logits, target):
    e = np.exp(logits)
    one_hot = np.eye(logits.shape[1])[target]
    return (e / e.sum(-1, keepdims=True) - one_hot) / len(logits)


def wrong_nll_of_probabilities(logits, target):
    """nll_loss expects logarithms of probabilities, and here gets probabilities: the loss has no logarithm at all."""
    F.nll_loss(logits.softmax(-1), target).backward()
    return logits.grad


def wrong_other_axis(logits, target):
    """A softmax along another dimension is still a softmax too many: cross_entropy expects logits."""
    F.cross_entropy(logits.softmax(0), target).backward()
    return logits.grad
