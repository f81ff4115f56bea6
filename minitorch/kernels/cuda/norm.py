"""Which kernels stand in for `norm` and `norm_by`: those of `layer_norm.py` for rows, those of `batch_norm.py` for channels.

Group norm and instance norm with parameters have neither; the plain op runs, in half precision in float32, so that mean and
variance are not rounded.
Read next: `embedding.py`.
"""

from __future__ import annotations

import math
from typing import Any

from ...ops.normalize import norm, norm_by
from . import batch_norm, computed, layer_norm


@norm.twin("cuda")
def norm_on_gpu(xp: Any, x: Any, weight: Any, bias: Any, dims: tuple, eps: float) -> Any:
    """Rows read once and written once; channels read twice and written once."""
    if _of_one_dtype(x, weight, bias):
        if _are_rows(x, dims, _shape(weight), _shape(bias)):
            found = layer_norm.forward(xp, _rows(x, dims), _flat(weight), _flat(bias), eps)
            if found is not None:
                return found[0].reshape(x.shape), *(v.reshape(_kept(x, dims)) for v in found[1:])
        elif _are_channels(x, dims, _shape(weight), _shape(bias)) and batch_norm.serves(x):
            mean, var = batch_norm.moments(xp, x)
            out = batch_norm.forward(xp, x, mean, var, _flat(weight), _flat(bias), eps)
            return out, mean.reshape(_kept(x, dims)), var.reshape(_kept(x, dims))
    if x.dtype.itemsize > 2:
        return None
    out, mean, var = norm.forward(xp, *(None if v is None else v.astype("float32") for v in (x, weight, bias)), dims, eps)
    return out.astype(x.dtype), mean, var


@norm.twin_grad("cuda", "x", "weight", "bias")
def norm_grad_on_gpu(
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
    """Rows of g and x read once, dx written once; channels of g and x read twice, dx written once."""
    if g is None or g_mean is not None or g_var is not None or not _of_one_dtype(x, weight):
        return None
    found = None
    if _are_rows(x, dims, _shape(weight), bias_shape):
        moments = mean.reshape(-1, 1), var.reshape(-1, 1)
        found = layer_norm.backward(xp, _rows(g, dims), _rows(x, dims), _flat(weight), *moments, eps)
    elif _are_channels(x, dims, _shape(weight), bias_shape):
        found = batch_norm.backward(xp, g, x, mean.reshape(-1), var.reshape(-1), _flat(weight), eps, of_batch=True)
    return found and _in_shapes(found, weight, bias_shape, x.shape)


@norm_by.twin("cuda")
def norm_by_on_gpu(xp: Any, x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> Any:
    """x read once and written once."""
    if not (batch_norm.serves(x) and _of_one_dtype(x, mean, var, weight, bias)):
        return None
    mean, var = (v.reshape(-1).astype(computed(x.dtype)) for v in (mean, var))
    return batch_norm.forward(xp, x, mean, var, _flat(weight), _flat(bias), eps)


@norm_by.twin_grad("cuda", "x", "weight", "bias")
def norm_by_grad_on_gpu(xp: Any, g: Any, x: Any, mean: Any, var: Any, weight: Any, bias_shape: tuple, eps: float) -> Any:
    """g and x read twice, dx written once."""
    if not _of_one_dtype(x, mean, var, weight):
        return None
    mean, var = (v.reshape(-1).astype(computed(x.dtype)) for v in (mean, var))
    found = batch_norm.backward(xp, g, x, mean, var, _flat(weight), eps, of_batch=False)
    return found and _in_shapes(found, weight, bias_shape, x.shape)


def _of_one_dtype(x: Any, *others: Any) -> bool:
    return all(v is None or v.dtype == x.dtype for v in others)


def _shape(v: Any) -> tuple[int, ...]:
    return () if v is None else v.shape


def _are_rows(x: Any, dims: tuple, *parameters: tuple) -> bool:
    """Whether what is normalised lies side by side, with a parameter for each of its numbers, or none: of shape ()."""
    first = x.ndim - len(dims)
    return dims == tuple(range(first, x.ndim)) and all(shape in ((), x.shape[first:]) for shape in parameters)


def _are_channels(x: Any, dims: tuple, *parameters: tuple) -> bool:
    """Whether each channel is normalised, with a parameter for each, or none."""
    of_channel = (*x.shape[1:2], *(1 for _ in x.shape[2:]))
    return dims == (0, *range(2, x.ndim)) and all(shape in ((), of_channel) for shape in parameters)


def _rows(x: Any, dims: tuple) -> Any:
    n = math.prod(x.shape[d] for d in dims)
    return x.reshape(x.size // n if n else 0, n)


def _kept(x: Any, dims: tuple) -> tuple[int, ...]:
    return tuple(1 if d in dims else n for d, n in enumerate(x.shape))


def _flat(v: Any) -> Any:
    return None if v is None else v.reshape(-1)


def _in_shapes(found: tuple, weight: Any, bias_shape: tuple, x_shape: tuple) -> tuple:
    """The gradients of x, weight and bias in the shapes of these."""
    dx, dw, db = found
    return dx.reshape(x_shape), dw if weight is None else dw.reshape(weight.shape), db.reshape(bias_shape or db.shape)
