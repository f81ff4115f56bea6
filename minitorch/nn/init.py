"""Initial weights: fill a tensor in place, outside autograd, and return it.

The scale is the one idea: with weights of variance gain²/fan the signal keeps its size from layer to layer. `fan_in` is
how many inputs an output sums, `fan_out` how many outputs an input reaches; `gain` makes up for the nonlinearity.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch
from minitorch.arrays.warning import warn
from minitorch.autograd import no_grad
from minitorch.random import Generator
from minitorch.tensor import Tensor
from minitorch.tensor.random import randperm

LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid")


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much larger weights must be to make up for the nonlinearity: √2 for relu, 5/3 for tanh, 1 for linear, …

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity in LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5 / 3
    if nonlinearity == "relu":
        return math.sqrt(2)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


# ---- plain fillings ------------------------------------------------------------------------------------------------


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """U(a, b)"""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """N(mean, std²)"""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere"""
    return tensor.fill_(val)


@no_grad()
def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere"""
    return tensor.fill_(1.0)


@no_grad()
def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere"""
    return tensor.zero_()


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """1 on the diagonal of a matrix, 0 elsewhere: a Linear that keeps as many inputs as it can"""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return tensor.copy_(minitorch.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """1 at the centre of kernel (i, i) of a convolution's weight, 0 elsewhere: it keeps as many channels as it can"""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    out_channels, in_channels, *kernel = tensor.shape
    if out_channels % groups:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = out_channels // groups
    tensor.zero_()
    for group in range(groups):
        for i in range(min(per_group, in_channels)):
            tensor[(group * per_group + i, i, *[n // 2 for n in kernel])] = 1
    return tensor


# ---- scaled by the fan ---------------------------------------------------------------------------------------------


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """U(±gain √(6 / (fan_in + fan_out))) (Glorot and Bengio, 2010)"""
    bound = math.sqrt(3) * (gain * math.sqrt(2 / sum(_fans(tensor))))  # the order of the roundings is torch's
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """N(0, gain² · 2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)"""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """U(±gain √(3 / fan)) (He et al., 2015); `a` is the slope of leaky_relu"""
    if 0 in tensor.shape:
        return _nothing_to_do(tensor)
    bound = math.sqrt(3) * (calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """N(0, gain² / fan) (He et al., 2015); `a` is the slope of leaky_relu"""
    if 0 in tensor.shape:
        return _nothing_to_do(tensor)
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator)


def _nothing_to_do(tensor: Tensor) -> Tensor:
    warn("Initializing zero-element tensors is a no-op")
    return tensor


def _fan(tensor: Tensor, mode: str) -> int:
    modes = ["fan_in", "fan_out"]
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _fans(tensor)[modes.index(mode.lower())]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


# ---- others --------------------------------------------------------------------------------------------------------


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """N(mean, std²) drawn again and again until every element lies in [a, b]; a, b are values, not multiples of std."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warn("mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.")
    likely = _below((b - mean) / std) - _below((a - mean) / std) > 0.3
    again = _redraw_normal if likely else _redraw_uniform
    return again(tensor, mean, std, a, b, generator)


def _below(x: float) -> float:
    """The share of a standard normal below x."""
    return (1 + math.erf(x / math.sqrt(2))) / 2


def _redraw_normal(tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any) -> Tensor:
    """Draw normals, and draw all again where one fell outside [a, b]."""
    low, high = minitorch.tensor([a, b], dtype=tensor.dtype).tolist()
    tensor.normal_(mean, std, generator=generator)
    while bool((outside := (tensor < low) | (tensor > high)).any()):
        fresh = minitorch.empty_like(tensor).normal_(mean, std, generator=generator)
        tensor.copy_(fresh.where(outside, tensor))
    return tensor


def _redraw_uniform(tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any) -> Tensor:
    """Where [a, b] is far out: uniform candidates, each kept with probability density(x) / peak density in [a, b]."""
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    pending = minitorch.ones(tensor.shape, dtype=minitorch.bool, device=tensor.device)
    candidates, coin = minitorch.empty_like(tensor), minitorch.empty_like(tensor)
    while True:
        candidates.uniform_(a, b, generator=generator)
        tensor.copy_(candidates.where(pending, tensor))
        log_density = ((candidates - mean) / std) ** 2 * -0.5 - peak
        pending = pending & (coin.uniform_(generator=generator).log_() > log_density)
        if not bool(pending.any()):
            return tensor


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """gain · a random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).

    Q of the QR decomposition of a normal matrix, with the signs of R's diagonal, so that Q is uniformly distributed.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    drawn = minitorch.empty(rows, columns, dtype=tensor.dtype).normal_(generator=generator)
    if tensor.dtype.itemsize == 2:
        raise NotImplementedError(
            f"orthogonal_: there is no QR decomposition of {tensor.dtype!r}; fill a float32 and convert it"
        )
    matrix = drawn.numpy()
    q, r = np.linalg.qr(matrix.T if rows < columns else matrix)
    q = q * np.sign(np.diag(r))
    q = np.ascontiguousarray(q.T if rows < columns else q)
    tensor.view(rows, columns).copy_(minitorch.from_numpy(q * gain))
    return tensor


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """N(0, std²) with the share `sparsity` of each column set to 0 (Martens, 2010)"""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        tensor[randperm(rows)[:zeros], column] = 0
    return tensor


# ---- the names of old, without the underscore ----


def _of_old(function: Callable) -> Callable:
    """The function under its name of old, which warns."""
    new = function.__name__
    old = new.removesuffix("_")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Tensor:
        warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning)
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"The name of old for `{new}`; it warns."
    return call


uniform, normal, constant, eye, dirac, sparse = map(_of_old, (uniform_, normal_, constant_, eye_, dirac_, sparse_))
xavier_uniform, xavier_normal = _of_old(xavier_uniform_), _of_old(xavier_normal_)
kaiming_uniform, kaiming_normal, orthogonal = _of_old(kaiming_uniform_), _of_old(kaiming_normal_), _of_old(orthogonal_)
