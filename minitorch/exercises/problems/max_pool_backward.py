"""The backward of max pooling, ties included

Max pooling with windows of K numbers that do not overlap: out[n, i] is the largest of x[n, i * K : (i + 1) * K]. Its gradient goes to the
number that was the largest. Where several are, it goes to the first of them (as in torch), and to it alone.

Given g = dL/dout (N, L), x (N, L * K) and K, return dL/dx, of x's shape. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import gradients

HINTS = (
    "x.reshape(N, L, K) puts each window into a row of its own.",
    "argmax(axis=-1) gives the place of the first of the largest.",
    "np.put_along_axis(grad, place[..., None], g[..., None], axis=-1) on zeros of shape (N, L, K), then reshape.",
)


def inputs(s):
    def x(case, source):
        n, length = case["g"].shape
        return s.floats("*", ties=True).fill(source, (n, length * case["K"]))

    return {"g": s.floats("N L"), "K": s.of(1, 2, 3), "x": s.given(x)}


def max_pool_backward(g: np.ndarray, x: np.ndarray, K: int) -> np.ndarray:
    """dL/dx"""
    windows = x.reshape(*g.shape, K)
    grad = np.zeros(windows.shape)
    np.put_along_axis(grad, windows.argmax(axis=-1)[..., None], g[..., None], axis=-1)
    return grad.reshape(x.shape)


def expected(g, x, K):
    return gradients(lambda t: minitorch.nn.functional.max_pool1d(t.unsqueeze(0), K).squeeze(0), g, x)


def wrong_all_ties(g, x, K):
    """Where several are the largest, each of them gets the whole gradient here: only the first one should."""
    windows = x.reshape(*g.shape, K)
    return (g[..., None] * (windows == windows.max(-1, keepdims=True))).reshape(x.shape)


def wrong_shared(g, x, K):
    """Ties share the gradient here, as for amax. Max pooling gives it to the first of them."""
    windows = x.reshape(*g.shape, K)
    largest = windows == windows.max(-1, keepdims=True)
    return (g[..., None] * largest / largest.sum(-1, keepdims=True)).reshape(x.shape)


def wrong_last(g, x, K):
    """Of several that are the largest, the last one gets the gradient here: it should be the first."""
    return max_pool_backward(g[:, ::-1], x[:, ::-1], K)[:, ::-1].copy()
