"""The backward of a network with one hidden layer

    h = relu(x W1),   out = h W2,   L = mean over n of (out_n - y_n)^2

x is (N, I), W1 is (I, H), W2 is (H, 1), y is (N, 1). (Where the relu's input is exactly 0, its derivative is 0.)

Given x, y, W1 and W2, return (dL/dW1, dL/dW2). NumPy alone.
"""

import numpy as np

from ..truth import tensor

HINTS = (
    "Forward first, keeping h. Then backwards: dL/dout = 2 (out - y) / N.",
    "dW2 = h^T dout, and what goes on to h is dout W2^T.",
    "relu lets a gradient through where h > 0: da = dh * (h > 0); then dW1 = x^T da.",
)
RETURNS = ("dW1", "dW2")


def inputs(s):
    return {"x": s.floats("N I"), "y": s.floats("N 1"), "W1": s.floats("I H"), "W2": s.floats("H 1")}


def mlp_backward(x: np.ndarray, y: np.ndarray, W1: np.ndarray, W2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(dL/dW1, dL/dW2)"""
    h = np.maximum(x @ W1, 0)
    dout = 2 * (h @ W2 - y) / len(x)
    dh = dout @ W2.T
    return x.T @ (dh * (h > 0)), h.T @ dout


def expected(x, y, W1, W2):
    first, second = tensor(W1), tensor(W2)
    out = (tensor(x).detach() @ first).relu() @ second
    ((out - tensor(y).detach()) ** 2).mean().backward()
    return first.grad.numpy(), second.grad.numpy()


def wrong_no_relu(x, y, W1, W2):
    """The relu's derivative is missing: no gradient goes through where the relu gave 0."""
    h = np.maximum(x @ W1, 0)
    dout = 2 * (h @ W2 - y) / len(x)
    return x.T @ (dout @ W2.T), h.T @ dout


def wrong_no_mean(x, y, W1, W2):
    """This is the gradient of the sum: L is a mean over N rows, so divide by N."""
    dW1, dW2 = mlp_backward(x, y, W1, W2)
    return dW1 * len(x), dW2 * len(x)


def wrong_no_two(x, y, W1, W2):
    """The 2 of the square's derivative is missing."""
    dW1, dW2 = mlp_backward(x, y, W1, W2)
    return dW1 / 2, dW2 / 2
