"""Find the bug: a layer without a gradient

This function should return (dL/dW1, dL/dW2) for L = sum of (tanh(x W1) W2)^2. Instead of the first gradient there is None. Mend it:
minitorch may be used as you like.
"""

import numpy as np

import minitorch

from ..truth import arrays, tensor

HINTS = (
    "Follow the graph from the loss back: loss.grad_fn.next_functions, and so on. Where does it end?",
    "detach() gives the same numbers without their history. So do .data, .item(), .numpy() and minitorch.tensor(...).",
    "Leave detach() away: backward goes through h to W1.",
)
RETURNS = ("dL/dW1", "dL/dW2")


def inputs(s):
    return {"x": s.floats("N I"), "W1": s.floats("I H"), "W2": s.floats("H O")}


def call(f, x, W1, W2):
    return arrays(f(tensor(x).detach(), tensor(W1), tensor(W2)))


def bug_detach(x: minitorch.Tensor, W1: minitorch.Tensor, W2: minitorch.Tensor) -> tuple[minitorch.Tensor, minitorch.Tensor]:
    """(dL/dW1, dL/dW2)"""
    h = (x @ W1).tanh()
    loss = ((h @ W2) ** 2).sum()
    loss.backward()
    return W1.grad, W2.grad


def start(x: minitorch.Tensor, W1: minitorch.Tensor, W2: minitorch.Tensor) -> tuple[minitorch.Tensor, minitorch.Tensor]:
    """(dL/dW1, dL/dW2)"""
    h = (x @ W1).tanh().detach()
    loss = ((h @ W2) ** 2).sum()
    loss.backward()
    return W1.grad, W2.grad


def expected(x, W1, W2):
    h = np.tanh(x @ W1)
    dout = 2 * h @ W2
    return x.T @ ((dout @ W2.T) * (1 - h * h)), h.T @ dout


def wrong_leaf(x, W1, W2):
    """The graph is still cut at h, so nothing goes on to W1. (requires_grad_() on what was detached only makes it a leaf.)"""
    h = (x @ W1).tanh().detach().requires_grad_()
    ((h @ W2) ** 2).sum().backward()
    return W1.grad, W2.grad


def wrong_zeros(x, W1, W2):
    """The missing gradient was made zeros, which hides the bug: the graph is still cut at h."""
    h = (x @ W1).tanh().detach()
    ((h @ W2) ** 2).sum().backward()
    return minitorch.zeros_like(W1), W2.grad
