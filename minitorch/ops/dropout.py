"""Dropout: in training, numbers (or whole channels) are zeroed at random and the others scaled up.

On the CPU the noise is drawn by an op of its own, so that what backward keeps is the noise. On a GPU the numbers are Philox's,
which can be made again: there dropout is one op that keeps nothing.
Read next: `random/philox.py`, `minitorch/nn/modules/dropout.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.device import on_host
from ..arrays.layout import empty_like, laid_out_like
from ..op import Array, Index, composite, op
from ..random import philox
from ..random.generator import default_generator
from ..random.gpu import default_generator as gpu_generator
from ..random.uniform import bernoulli

if TYPE_CHECKING:
    from ..tensor import Tensor

_SATURATION = 1.7580993408473766  # −SELU(−∞) = scale · α


@op(promote=None, public=False, elementwise=True)
def dropout_noise(xp: Any, x: Index, p: float) -> Array:
    """0 with probability p, else 1/(1 − p), in the shape, dtype and memory order of x"""
    wide = np.float64 if x.dtype == np.float64 else np.float32
    return _kept(xp, x, p) * (wide(1) / wide(1 - p)).astype(x.dtype)


@op(promote=None, public=False, outputs=("factor", "offset"), elementwise=True)
def alpha_noise(xp: Any, x: Index, p: float) -> tuple[Array, Array]:
    """(a, b) where x is kept, (0, b − 1.758 a) where it is dropped: the affine map keeps mean 0 and variance 1"""
    a = 1 / math.sqrt((_SATURATION * _SATURATION * p + 1) * (1 - p))
    keep = _kept(xp, x, p)
    factor, down, b = (x.dtype.type(v) for v in (a, _SATURATION * a, _SATURATION * a * p))
    return keep * factor, (keep - x.dtype.type(1)) * down + b


def _kept(xp: Any, x: Array, p: float) -> Array:
    """0 with probability p, else 1, in the shape, dtype and memory order of x"""
    if not on_host(xp):
        return philox_dropout.compute(xp, xp.ones(x.shape, x.dtype), p, 1.0, *gpu_generator.take(x.size))
    keep = bernoulli(default_generator, x.size, 1 - p)
    _check_floats(x)
    return laid_out_like(x, xp.asarray(keep.astype(x.dtype)))


def _check_floats(x: Array) -> None:
    if x.dtype.kind not in "fV":
        raise RuntimeError(f"result type Float can't be cast to the desired output type {x.dtype}: dropout is for floats")


@op(promote=None, public=False, grad_fn="NativeDropoutBackward0", elementwise=True)
def philox_dropout(xp: Any, x: Array, p: float, scale: float, seed: Any, counter: Any) -> Array:
    """scale · x with probability 1 − p, else 0 · x: where the element's word of the Philox stream is below (1 − p) · 2³²"""
    _check_floats(x)
    wide = np.float64 if x.dtype == np.float64 else np.float32
    kept = philox.words(xp, x.size, seed, counter).reshape(x.shape) < limit(p)
    return (x.astype(wide) * (kept * wide(scale))).astype(x.dtype)


@philox_dropout.grad
def philox_dropout_grad(g: Tensor, p: float, scale: float, seed: Any, counter: Any) -> Tensor:
    """∂L/∂x: the same mask, made again, on g"""
    return philox_dropout(g, p, scale, seed, counter)


def limit(p: float) -> int:
    """The number that a random word is below with probability 1 − p: in 2⁻³² exactly."""
    return round((1 - p) * 2**32)


@op(promote=None, public=False, grad_fn="MulBackward0", elementwise=True)
def masked_scale(xp: Any, x: Array, noise: Array) -> Array:
    """x · noise, with noise 0 or 1/(1 − p), perhaps one for each channel"""
    return xp.multiply(x, noise, out=empty_like(xp, x, x.dtype))


@masked_scale.grad("x")
def masked_scale_grad(g: Tensor, noise: Tensor) -> Tensor:
    """∂L/∂x = g · noise: the same mask and scale as forward"""
    return g * noise


@composite
def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """x with each element zeroed with probability p and the others divided by 1 − p, so that the mean stays."""
    return _dropped(input, input, p, train)


@composite
def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout of whole channels: one draw for each of the first two dimensions (N, C)."""
    return _dropped(input, _channels(input, p, train), p, train)


@composite
def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """a · (x where kept, SELU's saturation −1.758 where dropped) + b: keeps the mean 0 and variance 1 of SELU networks."""
    return _saturated(input, input, p, train)


@composite
def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Alpha dropout of whole channels."""
    return _saturated(input, _channels(input, p, train), p, train)


def noise_of(input: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """What dropout would multiply a tensor of this shape, and of the input's dtype, by: 0 or 1/(1 − p)."""
    like = input.new_empty(shape)
    return dropout_noise(like, p) if not _certain(like, p, True) else input.new_zeros(()) if p else input.new_ones(())


def _dropped(input: Tensor, like: Tensor, p: float, train: bool) -> Tensor:
    """input · noise, one noise for each element of `like`."""
    if _certain(input, p, train):
        return input if not train or p == 0 or not input.numel() else input * input.new_zeros(())
    if input.is_cuda and like is input:
        return philox_dropout(input, p, 1 / (1 - p), *gpu_generator.take(input.numel()))
    return masked_scale(input, dropout_noise(like, p))


def _saturated(input: Tensor, like: Tensor, p: float, train: bool) -> Tensor:
    """input · factor + offset, one of each for each element of `like`."""
    if _certain(input, p, train):
        return input if not train or p == 0 or not input.numel() else input * input.new_zeros(())
    factor, offset = alpha_noise(like, p)
    return input * factor + offset


def _certain(input: Tensor, p: float, train: bool) -> bool:
    """Whether nothing is left to chance, so that nothing is drawn."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    return not train or p in (0, 1) or input.numel() == 0


def _channels(input: Tensor, p: float, train: bool) -> Tensor:
    """An element for each channel of x (N, C, …), in a shape (N, C, 1, …) that broadcasts with x."""
    if _certain(input, p, train):
        return input
    if input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return input.new_empty((*input.shape[:2], *[1] * (input.ndim - 2)))
