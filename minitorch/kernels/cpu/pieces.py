"""Products of many rows with a matrix that is not large, piece by piece of the rows.

BLAS computes a product of up to a million multiplications at once, where it lies; a larger one it copies first, and shares with threads
of its own, which then spin for a tenth of a second and disturb ours. So the rows are taken in pieces below that, by our threads: all
that a piece is needed for, as long as it is in the cache. Read next: `linear.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .blocks import as_one_call, in_blocks

AT_ONCE = 10**6  # multiplications
LEAST, MOST = 16, 64  # rows in a piece
MANY = 256  # rows, from which on it pays to lay a matrix out anew


def rows_of_a_piece(rows: int, n: int, m: int) -> int:
    """How many rows a piece has, for rows of n numbers and a matrix n × m; 0 where one product for all is as well."""
    if rows < MANY or rows * n * m <= AT_ONCE:
        return 0
    fit = min(MOST, AT_ONCE // max(n * m, 1))
    return 1 << (fit.bit_length() - 1) if fit >= LEAST else 0


def times(x: np.ndarray, w: np.ndarray, bias: Any, out: np.ndarray, piece: int) -> None:
    """out ← x W (+ b)"""
    as_one_call(x, w, bias)
    w = np.ascontiguousarray(w)

    def some(x: np.ndarray, out: np.ndarray) -> None:
        np.matmul(x, w, out=out)
        if bias is not None:
            out += bias

    (x, x_rest), (out, out_rest) = _cut(x, piece), _cut(out, piece)
    _in_pieces(lambda k: some(x[k], out[k]), x, w.shape[1])
    some(x_rest, out_rest)


def derivatives(g: np.ndarray, x: np.ndarray, w: Any, piece: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """dx = g W (None if w is), dW = gᵀ x, db = Σ g"""
    as_one_call(g, x, w)
    dx = None if w is None else np.empty(x.shape, x.dtype)
    w = None if w is None else np.ascontiguousarray(w)
    ones = np.ones((1, piece), g.dtype)

    def some(g: np.ndarray, x: np.ndarray, dx: Any) -> tuple[np.ndarray, np.ndarray]:
        if dx is not None:
            np.matmul(g, w, out=dx)
        dw, db = np.matmul(g.swapaxes(-1, -2), x), np.matmul(ones[:, : g.shape[-2]], g)
        return (dw, db[0]) if g.ndim == 2 else (dw.sum(0), db.sum((0, 1)))

    (g, g_rest), (x, x_rest) = _cut(g, piece), _cut(x, piece)
    dx_pieces: Any
    dx_pieces, dx_rest = (None, None) if dx is None else _cut(dx, piece)
    sums = _in_pieces(lambda k: some(g[k], x[k], None if dx is None else dx_pieces[k]), x, g.shape[-1])
    sums.append(some(g_rest, x_rest, dx_rest))
    return dx, sum(dw for dw, _ in sums), sum(db for _, db in sums)


def _cut(x: np.ndarray, piece: int) -> tuple[np.ndarray, np.ndarray]:
    """x (rows, n) as pieces (pieces, rows, n), and the rows that are left over."""
    whole = len(x) - len(x) % piece
    return x[:whole].reshape(-1, piece, x.shape[1]), x[whole:]


def _in_pieces(work: Any, x: np.ndarray, m: int) -> list[Any]:
    """work(k) for slices of the pieces. Thirty multiplications take as long as one number in what blocks are cut for."""
    return in_blocks(work, np.broadcast_to(np.int8(0), (len(x), x[0].size * m // 30)))
