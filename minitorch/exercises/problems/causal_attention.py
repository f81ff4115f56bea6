"""Causal attention: nobody looks ahead

As scaled dot-product attention, but position t sees the positions 0 to t only.

Given q, k and v, each (T, D), return out (T, D). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import value

HINTS = (
    "What is hidden has to get the weight 0 while the others still sum to 1: so hide it before the softmax.",
    "A score of -inf becomes a weight of exp(-inf) = 0.",
    "np.triu(np.ones((T, T), bool), 1) is True where key > query.",
)


def inputs(s):
    return {"q": s.floats("T D"), "k": s.floats("T D"), "v": s.floats("T D")}


def causal_attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Attention over what came before, and itself."""
    T, D = q.shape
    scores = np.where(np.triu(np.ones((T, T), bool), 1), -np.inf, q @ k.T / np.sqrt(D))
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v


def expected(q, k, v):
    return value(lambda *x: minitorch.nn.functional.scaled_dot_product_attention(*x, is_causal=True), q, k, v)


def wrong_after_softmax(q, k, v):
    """The mask comes after the softmax: the weights that are left do not sum to 1."""
    scores = q @ k.T / np.sqrt(q.shape[-1])
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.tril(e / e.sum(axis=-1, keepdims=True)) @ v


def wrong_zero_scores(q, k, v):
    """Hidden scores are set to 0, and exp(0) is 1: set them to -inf."""
    scores = np.tril(q @ k.T / np.sqrt(q.shape[-1]))
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v


def wrong_diagonal(q, k, v):
    """Position t does not see itself here, and the first one sees nothing, which gives nan: hide key > query only."""
    T, D = q.shape
    scores = np.where(np.triu(np.ones((T, T), bool), 0), -np.inf, q @ k.T / np.sqrt(D))
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v


def wrong_ahead(q, k, v):
    """The mask is the wrong way round: each position sees itself and what comes after."""
    return causal_attention(q[::-1], k[::-1], v[::-1])[::-1].copy()
