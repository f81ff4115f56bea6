"""linear and its derivatives as matrix products on arrays, whatever the batch's shape; of many rows in pieces.

There are several derivatives, because what a call keeps depends on which gradients are wanted: x for that of W, W for that of x.
Read next: `pieces.py`, `cross_entropy.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays.recorded import Recorded
from ...ops.matmul import linear
from ...ops.reduce import total
from . import pieces
from .blocks import served


@linear.twin("cpu")
def forward(xp: Any, x: Any, weight: Any, bias: Any) -> Any:
    """x Wᵀ + b, where there are many rows"""
    if weight.ndim != 2 or x.size * len(weight) <= pieces.AT_ONCE:
        return None
    if not x.ndim or x.shape[-1] != weight.shape[1] or not served(x, weight, bias) or _for_loops(x, weight):
        return None
    O, I = weight.shape
    piece = pieces.rows_of_a_piece(x.size // max(I, 1), I, O)
    if not piece or (bias is not None and bias.shape != (O,)):
        return None
    out = np.empty((*x.shape[:-1], O), x.dtype)
    pieces.times(_rows(x), weight.T, bias, _rows(out), piece)
    return out


@linear.twin_grad("cpu", "bias")
def of_bias_alone(xp: Any, g: Any, bias_shape: tuple) -> Any:
    """db = Σ g over all rows"""
    return (_summed(g, _rows(g), bias_shape),) if served(g) else None


@linear.twin_grad("cpu", "weight", "bias")
def of_parameters(xp: Any, g: Any, x: Any, weight_shape: tuple, bias_shape: tuple) -> Any:
    """dW = gᵀ x, db = Σ g, over all rows"""
    if not served(g, x) or len(weight_shape) != 2:
        return None
    rows = _rows(g)
    if piece := _piece(g, x):
        _, dw, db = pieces.derivatives(rows, _rows(x), None, piece)
        return dw, db if len(bias_shape) == 1 else g
    return rows.T @ _rows(x), _summed(g, rows, bias_shape)


@linear.twin_grad("cpu", "x", "bias")
def of_input_and_bias(xp: Any, g: Any, weight: Any, bias_shape: tuple) -> Any:
    """dx = g W, db = Σ g"""
    if not served(g, weight) or weight.ndim != 2:
        return None
    return g @ weight, _summed(g, _rows(g), bias_shape)


@linear.twin_grad("cpu", "x", "weight", "bias")
def of_all(xp: Any, g: Any, x: Any, weight: Any, bias_shape: tuple) -> Any:
    """dx = g W, dW = gᵀ x, db = Σ g"""
    if not served(g, x, weight) or weight.ndim != 2:
        return None
    rows = _rows(g)
    if piece := _piece(g, x):
        dx, dw, db = pieces.derivatives(rows, _rows(x), weight, piece)
        return dx.reshape(x.shape), dw, db if len(bias_shape) == 1 else g
    return g @ weight, rows.T @ _rows(x), _summed(g, rows, bias_shape)


def _piece(g: Any, x: Any) -> int:
    """How many rows a piece has; 0 where there is nothing to gain."""
    if x.size * g.shape[-1] <= pieces.AT_ONCE or _for_loops(g, x):
        return 0
    n, m = x.shape[-1], g.shape[-1]
    return pieces.rows_of_a_piece(x.size // max(n, 1), n, m)


def _for_loops(*arrays: Any) -> bool:
    """Whether this is recorded for a program of loops: they go on from what a product gives, and the formula shows it to them."""
    return any(type(a) is Recorded and a.record.for_loops for a in arrays)


def _rows(x: Any) -> Any:
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _summed(g: Any, rows: Any, shape: tuple) -> Any:
    """Σ g for a bias (out); any other, or none, is the engine's affair: it sums where b was broadcast."""
    return total(np, rows, (0,), False) if len(shape) == 1 else g
