"""The backward of an embedding

out = W[index]: row index[n] of the table becomes row n of the output. The same row may be looked up many times.

Given g = dL/dout (N, D), index (N,) and rows, the number of rows of W, return dL/dW, of shape (rows, D). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import gradients

HINTS = (
    "A row that was looked up three times gets three gradients, and they add up.",
    "grad[index] += g does not do that: NumPy reads, adds and writes back once for each index.",
    "np.add.at(grad, index, g) adds once for every occurrence; a loop over n does too.",
)


def inputs(s):
    return {"g": s.floats("N D"), "index": s.ints("N", 0, 3), "rows": 3}


def embedding_backward(g: np.ndarray, index: np.ndarray, rows: int) -> np.ndarray:
    """dL/dW"""
    grad = np.zeros((rows, g.shape[1]))
    np.add.at(grad, index, g)
    return grad


def expected(g, index, rows):
    looked_up = minitorch.from_numpy(index.copy())
    return gradients(lambda w: minitorch.nn.functional.embedding(looked_up, w), g, np.zeros((rows, g.shape[1])))


def wrong_buffered(g, index, rows):
    """grad[index] += g (or =) keeps only one of the gradients of a row that was looked up twice: use np.add.at(grad, index, g)."""
    grad = np.zeros((rows, g.shape[1]))
    grad[index] += g
    return grad


def wrong_mean(g, index, rows):
    """The gradients of a row that was looked up several times are averaged here: they add up."""
    grad = np.zeros((rows, g.shape[1]))
    np.add.at(grad, index, g)
    return grad / np.maximum(np.bincount(index, minlength=rows), 1)[:, None]
