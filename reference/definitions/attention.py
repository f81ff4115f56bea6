"""Attention query by query, as `ops/attention.py` states it: for one head, by loops over queries and keys; and its derivative."""

from __future__ import annotations

import math

import numpy as np


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, sees: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(o, p): p_ij = exp(s q_i · k_j) / Σ_l exp(s q_i · k_l) over the keys l that query i sees, o_i = Σ_j p_ij v_j."""
    p = np.zeros((len(q), len(k)))
    for i in range(len(q)):
        for j in range(len(k)):
            p[i, j] = math.exp(scale * sum(q[i] * k[j])) if sees[i, j] else 0.0
        if sees[i].any():
            p[i] /= sum(p[i])
    return p @ v, p


def gradients(
    g: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, p: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """∂L/∂q, ∂L/∂k, ∂L/∂v from g = ∂L/∂o, each pair of query and key adding its share: ∂p_ij/∂s_il = p_ij ([j = l] − p_il)."""
    of_q, of_k, of_v = (np.zeros_like(x) for x in (q, k, v))
    for i in range(len(q)):
        for j in range(len(k)):
            of_v[j] += p[i, j] * g[i]
            of_p = sum(g[i] * v[j])
            for other in range(len(k)):
                of_score = of_p * p[i, j] * ((j == other) - p[i, other])
                of_q[i] += scale * of_score * k[other]
                of_k[other] += scale * of_score * q[i]
    return of_q, of_k, of_v
