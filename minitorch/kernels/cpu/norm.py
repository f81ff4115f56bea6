"""`norm` in blocks: of rows where what is normalised lies side by side (layer, group, instance norm), of samples for batch norm.

Where rows have parameters as long as they are, or none (layer and instance norm), loops in C compute them if there is a compiler.

Backward makes x̂ again from x, the mean and the variance: two steps in the cache instead of one more array in memory.
Read next: `linear.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops.normalize import norm
from ...ops.reduce import total
from . import blocks
from .blocks import along_rows, by_loop, contiguous, in_blocks, served


@norm.twin("cpu")
def forward(xp: Any, x: Any, weight: Any, bias: Any, dims: tuple, eps: float) -> Any:
    """(x − mean) / √(var + ε) · w + b, mean, var"""
    if x.size < blocks.SMALL or not served(x, weight, bias):
        return None
    if _are_last(dims, x):
        out, mean, var = _rows_forward(_in_rows(x, dims, weight, bias), weight, bias, _count(x, dims), eps)
    elif _are_channels(dims, x, weight, bias):
        out, mean, var = _channels_forward(_in_channels(x), _flat(weight), _flat(bias), eps)
    else:
        return None
    kept = tuple(1 if d in dims else n for d, n in enumerate(x.shape))
    return out.reshape(x.shape), mean.reshape(kept), var.reshape(kept)


@norm.twin_grad("cpu", "x", "weight", "bias")
def backward(
    xp: Any,
    g: Any,
    g_mean: Any,
    g_var: Any,
    x: Any,
    weight: Any,
    bias_shape: tuple,
    mean: Any,
    var: Any,
    dims: tuple,
    eps: float,
) -> Any:
    """dx = (h − ⟨h⟩ − x̂ ⟨h x̂⟩) / √(var + ε) with h = g · w, ⟨⟩ the mean over `dims`; dw = Σ g x̂, db = Σ g"""
    if g is None or g_mean is not None or g_var is not None or not served(x, g, weight, mean, var) or not x.size:
        return None
    scale = 1 / np.sqrt(var + eps)
    if _are_last(dims, x):
        rows, dx = _in_rows(x, dims, weight, bias_shape), np.empty_like(x, order="C")
        like, n = rows.shape, _count(x, dims)
        dw, db = _rows_backward(g.reshape(like), rows, weight, bias_shape, n, mean, scale, dx.reshape(like))
    elif _are_channels(dims, x, weight, bias_shape):
        samples = _in_channels(x)
        dx, dw, db = _channels_backward(g.reshape(samples.shape), samples, _flat(weight), _flat(mean), _flat(scale))
        dx = dx.reshape(x.shape)
    else:
        return None
    return (
        dx,
        None if weight is None else dw.reshape(weight.shape),
        db.reshape(bias_shape) if bias_shape else g,
    )


def _are_last(dims: tuple, x: np.ndarray) -> bool:
    return dims == tuple(range(x.ndim - len(dims), x.ndim))


def _are_channels(dims: tuple, x: np.ndarray, *parameters: Any) -> bool:
    """Whether each channel (dimension 1) is normalised, with a parameter for each, or none."""
    of_channel = (*x.shape[1:2], *(1 for _ in x.shape[2:]))
    return dims == (0, *range(2, x.ndim)) and all(shape in ((), of_channel) for shape in _shapes(parameters))


def _shapes(parameters: tuple) -> list[tuple[int, ...]]:
    return [() if v is None else getattr(v, "shape", v) for v in parameters]


def _count(x: np.ndarray, dims: tuple) -> int:
    return math.prod(x.shape[d] for d in dims)


def _flat(v: Any) -> Any:
    return None if v is None else v.reshape(-1)


# ---- rows ----


def _in_rows(x: np.ndarray, dims: tuple, *parameters: Any) -> np.ndarray:
    """x with one dimension before those that are normalised or have parameters."""
    last = max(len(dims), *map(len, _shapes(parameters)))
    shape = x.shape[x.ndim - last :]
    return contiguous(x).reshape(x.size // math.prod(shape), *shape)


def _rows_forward(x: np.ndarray, weight: Any, bias: Any, n: int, eps: float) -> tuple:
    out = np.empty_like(x)
    mean, var = (np.empty_like(x, shape=(len(x), x[0].size // n)) for _ in range(2))
    if _are_of_rows(n, x, weight, bias):
        rows, w, b = x.reshape(-1, n), weight, bias
        if weight is not None or bias is not None:
            w = np.ones(n, x.dtype) if weight is None else weight
            b = np.zeros(n, x.dtype) if bias is None else bias
        if by_loop("norm", rows, n, rows, w, b, float(eps), into=(out, mean, var)):
            return out, mean, var

    def block(rows: slice) -> None:
        z = out[rows]
        of_row = z.reshape(-1, n)
        average = along_rows(x[rows].reshape(-1, n)) / n
        np.subtract(x[rows].reshape(-1, n), average, out=of_row)
        variance = along_rows(of_row, of_row) / n
        of_row *= 1 / np.sqrt(variance + eps)
        if weight is not None:
            z *= weight
        if bias is not None:
            z += bias
        mean[rows], var[rows] = average.reshape(mean[rows].shape), variance.reshape(var[rows].shape)

    in_blocks(block, out)
    return out, mean, var


def _rows_backward(
    g: np.ndarray, x: np.ndarray, weight: Any, bias_shape: tuple, n: int, mean: np.ndarray, scale: np.ndarray, dx: np.ndarray
) -> tuple:
    """dw and db; dx into its place."""
    if _are_of_rows(n, x, weight, bias_shape):
        sums = _by_loop(g, x, weight, bias_shape, n, mean, scale, dx)
        if sums is not None:
            return sums
    mean, scale = mean.reshape(len(x), -1), scale.reshape(len(x), -1)

    def block(rows: slice, h: Any = None) -> tuple:
        centred, dw, db = dx[rows], _NOTHING, _NOTHING
        of_row, s = centred.reshape(-1, n), scale[rows].reshape(-1, 1)
        np.subtract(x[rows].reshape(-1, n), mean[rows].reshape(-1, 1), out=of_row)
        if bias_shape:
            db = _sum_to(bias_shape, g[rows])
        if weight is None:
            h_row = g[rows].reshape(-1, n)
        else:
            h_row = h.reshape(-1, n)
            np.multiply(g[rows], centred, out=h)
            h_row *= s
            dw = _sum_to(weight.shape, h)
            np.multiply(g[rows], weight, out=h)
        of_row *= along_rows(h_row, of_row) * s * s / -n
        of_row += h_row
        of_row -= along_rows(h_row) / n
        of_row *= s
        return dw, db

    parts = in_blocks(block, dx) if weight is None else in_blocks(block, dx, dx.dtype)
    return sum(dw for dw, _ in parts), sum(db for _, db in parts)


def _are_of_rows(n: int, x: np.ndarray, *parameters: Any) -> bool:
    """Whether each parameter, if it is there, has a number for each of the n that are normalised: then loops in C serve."""
    return all(shape == () or math.prod(shape) == n == x[0].size for shape in _shapes(parameters))


def _by_loop(
    g: np.ndarray, x: np.ndarray, weight: Any, bias_shape: tuple, n: int, mean: np.ndarray, scale: np.ndarray, dx: np.ndarray
) -> tuple | None:
    """The same by a loop in C; None if there is no such loop.

    Sums over rows are those of SOME rows each, then of these, in double: so they are the same by any number of threads.
    """
    count, parts = x.size // n, -(-x.size // n // SOME)
    w, sums = weight, [None, None]  # type: tuple[Any, list[Any]]
    if weight is not None or bias_shape:
        w = np.ones(n, x.dtype) if weight is None else weight
        sums = [np.empty((parts, n), x.dtype) for _ in "wb"]
    of_parts = np.broadcast_to(np.int8(0), (parts, SOME * n))
    if not by_loop("norm_backward", of_parts, SOME, count, n, g, x, w, mean, scale, into=(dx, *sums)):
        return None
    dw, db = (_NOTHING if part is None else part.sum(0, dtype="float64").astype(x.dtype) for part in sums)
    return dw, db


SOME = 128
_NOTHING = np.zeros(())  # the sum that nobody asked for


def _sum_to(shape: tuple, x: np.ndarray) -> np.ndarray:
    """x summed to what was broadcast to it."""
    extra = x.ndim - len(shape)
    return total(np, x, (*range(extra), *(extra + d for d, n in enumerate(shape) if n == 1)), True).reshape(shape)


# ---- channels ----


def _in_channels(x: np.ndarray) -> np.ndarray:
    """x (N, C, …) as (N, C, L), or (N, C) where L is 1."""
    L = math.prod(x.shape[2:])
    return contiguous(x).reshape(*x.shape[:2], *((L,) if L > 1 else ()))


def _along(v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A number for each channel, so that it broadcasts with x; repeated where lines are short, for NumPy begins anew with each."""
    if x.ndim == 2:
        return v
    return np.repeat(v, x.shape[2]).reshape(x.shape[1:]) if x.shape[2] < LINE else v[:, None]


LINE = 1 << 12


def _per_channel(*factors: np.ndarray) -> np.ndarray:
    """Σ of an array (N, C, …), or of the product of two, over all but the channels."""
    x = factors[0]
    if x.ndim == 2:
        return total(np, x if len(factors) == 1 else np.multiply(*factors), (0,), False)
    return along_rows(*factors)[..., 0].sum(0)


def _channels_forward(x: np.ndarray, weight: Any, bias: Any, eps: float) -> tuple:
    out, n = np.empty_like(x), x.size // x.shape[1]
    mean = sum(in_blocks(lambda rows: _per_channel(x[rows]), x)) / n
    average = _along(mean, x)

    def centre(rows: slice) -> np.ndarray:
        centred = np.subtract(x[rows], average, out=out[rows])
        return _per_channel(centred, centred)

    var = sum(in_blocks(centre, out)) / n
    scale = 1 / np.sqrt(var + eps)
    factor, level = (None if v is None else _along(v, x) for v in (scale if weight is None else scale * weight, bias))

    def finish(rows: slice) -> None:
        out[rows] *= factor
        if level is not None:
            out[rows] += level

    in_blocks(finish, out)
    return out, mean, var


def _channels_backward(g: np.ndarray, x: np.ndarray, weight: Any, mean: np.ndarray, scale: np.ndarray) -> tuple:
    dx, n, average = np.empty_like(x), x.size // x.shape[1], _along(mean, x)

    def sums(rows: slice) -> np.ndarray:
        centred = np.subtract(x[rows], average, out=dx[rows])
        return np.stack([_per_channel(g[rows]), _per_channel(centred, g[rows])])

    g_sum, product_sum = sum(in_blocks(sums, x))
    level, slope = _along(g_sum / n, x), _along(product_sum * scale * scale / -n, x)
    factor = _along(scale if weight is None else scale * weight, x)

    def finish(rows: slice) -> None:
        d = dx[rows]
        d *= slope
        d += g[rows]
        d -= level
        d *= factor

    in_blocks(finish, dx)
    return dx, product_sum * scale, g_sum
