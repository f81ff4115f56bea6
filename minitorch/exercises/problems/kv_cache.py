"""Attention with a cache of keys and values

A language model writes one token after the other. The keys and values of the earlier tokens do not change, so they are kept: for a new
token only its own q, k and v are computed.

Given q, k and v of the new token, each (D,), and the cache K and V, each (t, D) (t may be 0), return (out, new K, new V): the
attention of q over all tokens so far, the new one included, with scores divided by sqrt(D), and the caches (t + 1, D). Leave the old
caches as they are. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import value

HINTS = (
    "First append, then attend: the new token sees itself.",
    "np.vstack([K, k]) is the new cache of keys.",
    "No mask is needed: nothing that comes later is there yet.",
)
RETURNS = ("out", "K", "V")


def inputs(s):
    def cache(case, source):
        if "K" in case:
            return s.floats("*").fill(source, case["K"].shape)
        return s.floats("*").fill(source, (source.integer(0, 3), source.size("D")))

    return {"q": s.floats("D"), "k": s.floats("D"), "v": s.floats("D"), "K": s.given(cache), "V": s.given(cache)}


def kv_cache(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, K: np.ndarray, V: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(out, new K, new V)"""
    K, V = np.vstack([K, k]), np.vstack([V, v])
    scores = K @ q / np.sqrt(len(q))
    e = np.exp(scores - scores.max())
    return e / e.sum() @ V, K, V


def expected(q, k, v, K, V):
    """The last row of causal attention over all tokens."""
    K, V = np.concatenate([K, k[None]]), np.concatenate([V, v[None]])
    Q = np.concatenate([np.zeros_like(K[1:]), q[None]])
    out = value(lambda *x: minitorch.nn.functional.scaled_dot_product_attention(*x, is_causal=True), Q, K, V)
    return out[-1], K, V


def wrong_does_not_see_itself(q, k, v, K, V):
    """The token attends first and is appended after: it has to see itself."""
    out = v
    if len(K):
        e = np.exp(K @ q / np.sqrt(len(q)))
        out = e / e.sum() @ V
    return out, np.vstack([K, k]), np.vstack([V, v])


def wrong_in_front(q, k, v, K, V):
    """The new token is put in front of the others: it comes last."""
    out = kv_cache(q, k, v, K, V)[0]
    return out, np.vstack([k, K]), np.vstack([v, V])


def wrong_not_scaled(q, k, v, K, V):
    """The scores are not divided by sqrt(D)."""
    return kv_cache(q * np.sqrt(len(q)), k, v, K, V)
