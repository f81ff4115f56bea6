"""Scaled dot-product attention

    out = softmax(q k^T / sqrt(D)) v       the softmax along the keys

Given q (T, D), k (S, D) and v (S, E), return out (T, E). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import value

HINTS = (
    "Each query gets a weighted mean of the rows of v: its weights are positive and sum to 1.",
    "scores = q @ k.T / sqrt(D), of shape (T, S); the softmax goes along the last dimension.",
    "D is the size of q's and k's rows, not of v's.",
)


def inputs(s):
    return {"q": s.floats("T D"), "k": s.floats("S D"), "v": s.floats("S E")}


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """softmax(q k^T / sqrt(D)) v"""
    scores = q @ k.T / np.sqrt(q.shape[-1])
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v


def expected(q, k, v):
    return value(minitorch.nn.functional.scaled_dot_product_attention, q, k, v)


def wrong_not_scaled(q, k, v):
    """The scores are not divided by sqrt(D)."""
    return attention(q * np.sqrt(q.shape[-1]), k, v)


def wrong_axis(q, k, v):
    """The softmax goes along the queries: each query's weights, along the keys, have to sum to 1."""
    scores = q @ k.T / np.sqrt(q.shape[-1])
    e = np.exp(scores - scores.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True) @ v


def wrong_by_d(q, k, v):
    """The scores are divided by D: it is the square root, for the dot product's standard deviation grows like sqrt(D)."""
    return attention(q / np.sqrt(q.shape[-1]), k, v)
