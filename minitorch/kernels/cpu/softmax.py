"""softmax and log_softmax: loops in C where rows lie side by side, or NumPy's calls in blocks of rows, each of which stays in the cache.

Forward's steps work in the memory of its result, backward's too. Read next: `gelu.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.activation import log_softmax_kernel, softmax_kernel
from . import blocks
from .blocks import along_rows, by_loop, in_blocks, served


@softmax_kernel.twin("cpu")
def softmax(xp: Any, x: Any, dim: int) -> Any:
    """p = exp(x − max x) / Σ exp(x − max x)"""
    if (found := _in_rows(x, dim)) is None:
        return None
    (x_rows,), axis, whole, out = found
    if _by_loop("softmax", axis, x_rows, out):
        return whole

    def block(rows: slice) -> None:
        p = out[rows]
        np.subtract(x_rows[rows], x_rows[rows].max(axis, keepdims=True), out=p)
        np.exp(p, out=p)
        p /= _sum(p, axis)

    in_blocks(block, out)
    return whole


@softmax_kernel.twin_grad("cpu")
def softmax_grad(xp: Any, g: Any, out: Any, dim: int) -> Any:
    """dx = p · (g − Σ g p)"""
    if (found := _in_rows(out, dim, g)) is None:
        return None
    (p, g_rows), axis, whole, dx = found
    if _by_loop("softmax_backward", axis, 1.0, g_rows, p, dx):
        return whole

    def block(rows: slice) -> None:
        d = dx[rows]
        np.subtract(g_rows[rows], _sum_of_products(g_rows[rows], p[rows], d, axis), out=d)
        d *= p[rows]

    in_blocks(block, dx)
    return whole


@log_softmax_kernel.twin("cpu")
def log_softmax(xp: Any, x: Any, dim: int) -> Any:
    """ln p = x − max x − ln Σ exp(x − max x)"""
    if (found := _in_rows(x, dim)) is None:
        return None
    (x_rows,), axis, whole, out = found
    if _by_loop("log_softmax", axis, x_rows, out):
        return whole

    def block(rows: slice, e: np.ndarray) -> None:
        log_p = out[rows]
        np.subtract(x_rows[rows], x_rows[rows].max(axis, keepdims=True), out=log_p)
        np.exp(log_p, out=e)
        log_p -= np.log(_sum(e, axis))

    in_blocks(block, out, out.dtype)
    return whole


@log_softmax_kernel.twin_grad("cpu")
def log_softmax_grad(xp: Any, g: Any, out: Any, dim: int) -> Any:
    """dx = g − exp(ln p) Σ g"""
    if (found := _in_rows(out, dim, g)) is None:
        return None
    (log_p, g_rows), axis, whole, dx = found
    if _by_loop("log_softmax_backward", axis, g_rows, log_p, dx):
        return whole

    def block(rows: slice) -> None:
        d = dx[rows]
        np.exp(log_p[rows], out=d)
        d *= _sum(g_rows[rows], axis)
        np.subtract(g_rows[rows], d, out=d)

    in_blocks(block, dx)
    return whole


def _in_rows(x: Any, dim: int, *others: Any) -> Any:
    """(the arrays, the axis that stays whole, memory for the result, the same so that dimension 0 can be cut); None if it cannot be."""
    if x.size < blocks.SMALL or not served(x, *others) or type(dim) is not int or not -x.ndim <= dim < x.ndim:
        return None
    shape, axis = x.shape, dim % x.ndim
    if axis == x.ndim - 1:
        shape, axis = (x.size // x.shape[-1], x.shape[-1]), 1
    elif axis == 0:
        shape, axis = (1, *shape), 1
    whole = np.empty_like(x, order="C")
    return [a.reshape(shape) for a in (x, *others)], axis, whole, whole.reshape(shape)


def _by_loop(name: str, axis: int, *told: Any) -> bool:
    """Compute the last of these arrays by a loop in C; False where that does not serve."""
    *given, made = told
    return axis == made.ndim - 1 and by_loop(name, made, made.shape[axis], *given, into=(made,))


def _sum(x: np.ndarray, axis: int) -> np.ndarray:
    """Σ x along the axis, which stays, of size 1."""
    return along_rows(x) if axis == x.ndim - 1 else x.sum(axis, keepdims=True)


def _sum_of_products(x: np.ndarray, y: np.ndarray, scratch: np.ndarray, axis: int) -> np.ndarray:
    """Σ x y along the axis, which stays, of size 1."""
    return along_rows(x, y) if axis == x.ndim - 1 else np.multiply(x, y, out=scratch).sum(axis, keepdims=True)
