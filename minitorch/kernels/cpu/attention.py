"""Attention in blocks of samples, by several threads; NumPy has the scores the other way round, a column for each query.

NumPy takes the largest, or the sum, of many columns at once several times faster than of rows as short as a query's keys. Where there
is a C compiler a loop makes weights of the scores' rows, and another goes back. Each block goes through all steps in the memory of its
weights. Read next: `gelu.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays.layout import empty_like
from ...ops.attention import attention
from ..c.library import address, kernel
from . import blocks
from .blocks import as_one_call, in_blocks, served


@attention.twin("cpu")
def forward(
    xp: Any, query: Any, key: Any, value: Any, mask: Any, noise: Any, scale: float, causal: bool, fused: bool
) -> Any:
    """(P ∘ N) V and P; where no score is nan, for those are hidden, or not, in ways of their own"""
    if not _serves(query, key, value, noise):
        return None
    L, S = query.shape[-2], key.shape[-2]
    out = empty_like(np, query, query.dtype) if fused else np.empty((*query.shape[:-1], value.shape[-1]), query.dtype)
    bias = _bias(mask, query.dtype)
    if (softmax := kernel("rows", "softmax_of_scores", query.dtype)) is not None:
        as_one_call(query, key, value, mask, noise)
        weights = _by_rows(softmax, query, key, value, bias, noise, scale, causal, out)
        return None if weights is None else (out, weights)
    weights = np.empty((*query.shape[:-2], S, L), query.dtype)
    future = np.where(np.tri(S, L, -1, dtype=bool), -np.inf, 0.0).astype(query.dtype) if causal else None

    def block(rows: slice) -> bool:
        p = weights[rows]
        np.matmul(key[rows], (query[rows] * query.dtype.type(scale)).swapaxes(-1, -2), out=p)
        if bias is not None:
            p += _part(bias, p, rows).swapaxes(-1, -2)
        if future is not None:
            p += future
        top = _along_columns(np.maximum, p)
        if np.isnan(top).any():
            return False
        top[top == -np.inf] = 0
        p -= top
        np.exp(p, out=p)
        total = _along_columns(np.add, p)
        total[total == 0] = 1
        p /= total
        np.matmul(_dropped(p, noise, rows).swapaxes(-1, -2), value[rows], out=out[rows])
        return True

    return (out, weights.swapaxes(-1, -2)) if all(in_blocks(block, weights)) else None


@attention.twin_grad("cpu", "query", "key", "value")
def backward(
    xp: Any, g: Any, g_weights: Any, query: Any, key: Any, value: Any, noise: Any, scale: float, weights: Any
) -> Any:
    """dQ = s · dS K, dK = s · dSᵀ Q, dV = (P ∘ N)ᵀ g, with dS = H ∘ P − P ⟨H, P⟩, H = (g Vᵀ) ∘ N"""
    if g_weights is not None or not _serves(query, key, value, noise) or not served(query, g):
        return None
    of_query, of_key, of_value = (np.empty(x.shape, x.dtype) for x in (query, key, value))
    if (softmax_backward := kernel("rows", "softmax_backward", query.dtype)) is not None:
        as_one_call(g, query, key, value, noise, weights)
        _back_by_rows(softmax_backward, g, query, key, value, noise, scale, weights, of_query, of_key, of_value)
        return of_query, of_key, of_value
    columns = weights.swapaxes(-1, -2)

    def block(rows: slice, of_scores: np.ndarray, mean: np.ndarray) -> None:
        p, upstream = columns[rows], g[rows]
        np.matmul(value[rows], upstream.swapaxes(-1, -2), out=of_scores)
        if noise is not None:
            of_scores *= _turned(noise, p, rows)
        of_scores *= p
        np.multiply(p, _along_columns(np.add, of_scores), out=mean)
        of_scores -= mean
        of_scores *= of_scores.dtype.type(scale)
        np.matmul(of_scores.swapaxes(-1, -2), key[rows], out=of_query[rows])
        np.matmul(of_scores, query[rows], out=of_key[rows])
        np.matmul(_dropped(p, noise, rows), upstream, out=of_value[rows])

    in_blocks(block, columns, columns.dtype, columns.dtype)
    return of_query, of_key, of_value


# ---- by loops in C ----


def _by_rows(
    softmax: Any, query: Any, key: Any, value: Any, bias: Any, noise: Any, scale: float, causal: bool, out: np.ndarray
) -> np.ndarray | None:
    """P; (P ∘ N) V into its place. None if some score is nan or ∞."""
    L, S = query.shape[-2], key.shape[-2]
    weights, fails = np.empty((*query.shape[:-1], S), query.dtype), np.zeros(1, np.int64)

    def block(rows: slice) -> None:
        p = weights[rows]
        np.matmul(query[rows] * query.dtype.type(scale), key[rows].swapaxes(-1, -2), out=p)
        if bias is not None:
            p += _part(bias, p, rows)
        softmax(0, p.size // S, S, L if causal else 0, address(p), address(fails))
        np.matmul(p if noise is None else p * _of_rows(noise, p, rows), value[rows], out=out[rows])

    in_blocks(block, weights)
    return None if fails[0] else weights


def _back_by_rows(
    back: Any,
    g: Any,
    query: Any,
    key: Any,
    value: Any,
    noise: Any,
    scale: float,
    weights: Any,
    of_query: Any,
    of_key: Any,
    of_value: Any,
) -> None:
    """The derivatives into their places."""
    weights, S = np.ascontiguousarray(weights), key.shape[-2]

    def block(rows: slice, of_scores: np.ndarray) -> None:
        p, upstream = weights[rows], g[rows]
        np.matmul(upstream, value[rows].swapaxes(-1, -2), out=of_scores)
        dropped = p
        if noise is not None:
            of_scores *= _of_rows(noise, p, rows)
            dropped = p * _of_rows(noise, p, rows)
        back(0, p.size // S, S, scale, address(of_scores), address(p), address(of_scores))
        np.matmul(of_scores, key[rows], out=of_query[rows])
        np.matmul(of_scores.swapaxes(-1, -2), query[rows], out=of_key[rows])
        np.matmul(dropped.swapaxes(-1, -2), upstream, out=of_value[rows])

    in_blocks(block, weights, weights.dtype)


def _of_rows(noise: Any, like: np.ndarray, rows: slice) -> Any:
    """The noise for those rows."""
    return _part(noise, like, rows) if noise.ndim else noise


def _serves(query: Any, key: Any, value: Any, noise: Any) -> bool:
    """Whether there is a batch, the same for all of them, and enough of it."""
    if query.ndim < 3 or not query.shape[:-2] == key.shape[:-2] == value.shape[:-2] or not served(query, key, value, noise):
        return False
    scores = query[..., 0].size * key.shape[-2]
    return scores >= blocks.SMALL and query.size > 0 and value.size > 0


def _along_columns(step: np.ufunc, x: np.ndarray) -> np.ndarray:
    """The sum, or the largest, of each column, as a row: the lower half is added to the upper until little is left."""
    while (half := x.shape[-2] // 2) > 2:
        rest = x[..., 2 * half :, :]
        x = step(x[..., :half, :], x[..., half : 2 * half, :])
        if rest.size:
            step(x[..., :1, :], rest, out=x[..., :1, :])
    return step.reduce(x, -2, keepdims=True)


def _bias(mask: Any, dtype: Any) -> Any:
    """What is added to the scores; None if nothing is."""
    if mask is None:
        return None
    mask = np.atleast_2d(mask)
    return np.where(mask, dtype.type(0), dtype.type(-np.inf)) if mask.dtype.kind == "b" else mask


def _part(x: np.ndarray, like: np.ndarray, rows: slice) -> np.ndarray:
    """Those rows of what broadcasts with `like`: all of it, where it is the same for all."""
    return x[rows] if x.ndim == like.ndim and len(x) > 1 else x


def _turned(noise: Any, like: np.ndarray, rows: slice) -> Any:
    """The noise for those rows, the other way round."""
    return _of_rows(noise, like, rows).swapaxes(-1, -2) if noise.ndim else noise


def _dropped(p: np.ndarray, noise: Any, rows: slice) -> np.ndarray:
    """P ∘ N, the other way round."""
    return p if noise is None else p * _turned(noise, p, rows)
