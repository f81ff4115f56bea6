"""The gradient of cross-entropy with respect to the logits

The loss is the mean over N rows of -ln softmax(logits)[target]. Its gradient is one of the simplest formulas there are.

Given logits (N, C) and target (N,), return dL/dlogits, of shape (N, C). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "The loss of a row is logsumexp(x) - x[t]. Differentiate the two terms one by one.",
    "d logsumexp(x) / dx_j = exp(x_j) / sum exp = softmax(x)_j, and d x[t] / dx_j is 1 where j == t.",
    "(softmax(logits) - one_hot(target)) / N",
)


def inputs(s):
    return {
        "logits": s.floats("N C"),
        "target": s.given(lambda case, source: source.rng.integers(0, source.size("C"), source.size("N"))),
    }


def cross_entropy_grad(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """dL/dlogits for the mean loss."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    grad = e / e.sum(axis=-1, keepdims=True)
    grad[np.arange(len(target)), target] -= 1
    return grad / len(target)


def expected(logits, target):
    x = tensor(logits)
    minitorch.nn.functional.cross_entropy(x, tensor(target)).backward()
    return x.grad.numpy()


def wrong_no_mean(logits, target):
    """This is the gradient of the sum: the loss is a mean over N rows, so divide by N."""
    return cross_entropy_grad(logits, target) * len(target)


def wrong_sign(logits, target):
    """The sign is the wrong way round: softmax minus one-hot, so that the right logit's gradient is negative and it is pushed up."""
    return -cross_entropy_grad(logits, target)


def wrong_right_class_only(logits, target):
    """Only the target's logit gets a gradient here. The others matter too: they are in the softmax's sum."""
    full = cross_entropy_grad(logits, target)
    grad = np.zeros_like(full)
    rows = np.arange(len(target))
    grad[rows, target] = full[rows, target]
    return grad
