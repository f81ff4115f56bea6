"""Pooling: the functions for each number of dimensions, `return_indices`, and what undoes max pooling.

The mathematics, and the functions that torch has at its top level too, are in `minitorch/ops/pooling.py`.
"""

from __future__ import annotations

import functools
import inspect
import math
import types
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import minitorch
from minitorch.op import named
from minitorch.op.out import accepts_out
from minitorch.op.signature import Dims, Flag, checked
from minitorch.ops import pooling as _pooling
from minitorch.ops.activation import relu
from minitorch.ops.dims import as_ints
from minitorch.ops.elementwise import sign
from minitorch.ops.gather import scattered
from minitorch.ops.pooling import adaptive_avg_pool1d, avg_pool1d
from minitorch.ops.shape import reshape, squeeze, unsqueeze, zeros
from minitorch.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d", "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d", "fractional_max_pool3d_with_indices", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d",
    "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip


def in_dimensions(function: Callable, finish: Callable, *ns: int) -> list[Any]:
    """`pool_nd(n, …)` as a function for each number of dimensions: `pool1d(…)`, `pool2d(…)`, `pool3d(…)`."""
    signature = inspect.signature(function)

    def of(n: int) -> Any:
        name = function.__name__.replace("_nd", f"{n}d")
        own = types.FunctionType(function.__code__, function.__globals__, name, function.__defaults__)
        own.__qualname__ = name  # Python's errors about arguments use it

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return own(n, *args, **kwargs)

        made: Any = call
        made.__module__, made.__name__, made.__qualname__ = (
            __name__,
            name,
            name,
        )  # where it is found, so that it can be pickled
        made.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
        return finish(made)

    return [of(n) for n in ns]


def listed(function: Any, **words: Any) -> Any:
    """The function, checked; autocast's lists have it by its name, with indices or without."""
    return checked(function, autocast=function.__name__.removesuffix("_with_indices"), **words)


floats = partial(listed, only="floats")

# ---- the mean ----

avg_pool2d, avg_pool3d = in_dimensions(_pooling.avg_pool_nd, lambda function: accepts_out(listed(function), "same"), 2, 3)
avg_pool: dict[int, Callable] = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}
adaptive_avg_pool2d, adaptive_avg_pool3d = in_dimensions(_pooling.adaptive_avg_pool_nd, listed, 2, 3)


def lp_pool_nd(
    n: int,
    input: Tensor,
    norm_type: float,
    kernel_size: Dims,
    stride: Dims | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(Σ xᵖ)^(1/p) of each window, p = norm_type: for p = ∞ its largest |x|. A sum below 0 counts with its sign.

    x (N, C, …) or (C, …). Windows begin every `stride` elements, by default one beside the other.
    """
    if norm_type == math.inf:
        return max_pool[n](input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    if norm_type == -math.inf:
        return -max_pool[n](-input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    mean = avg_pool[n](input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    kernel = as_ints(kernel_size)
    count = math.prod(kernel * n if len(kernel) == 1 else kernel)
    return (sign(mean) * relu(mean.abs()) * count).pow(1.0 / norm_type)


lp_pool1d, lp_pool2d, lp_pool3d = in_dimensions(lp_pool_nd, checked, 1, 2, 3)

# ---- the largest ----


def max_pool_nd_with_indices(
    n: int,
    input: Tensor,
    kernel_size: Dims,
    stride: Dims | None = None,
    padding: Dims = 0,
    dilation: Dims = 1,
    ceil_mode: bool = False,
    return_indices: Flag = False,
) -> tuple[Tensor, Tensor]:
    """(out, indices): the largest of each window of x, and its number in the plane, from which `max_unpool` restores x."""
    return _pooling.max_pool_nd(n, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool_nd(
    n: int,
    input: Tensor,
    kernel_size: Dims,
    stride: Dims | None = None,
    padding: Dims = 0,
    dilation: Dims = 1,
    ceil_mode: bool = False,
    return_indices: Flag = False,
) -> Any:
    """The largest of each window of `kernel_size` elements of x (N, C, …) or (C, …); (out, indices) with return_indices.

    Windows begin every `stride` elements, by default one beside the other; padding is never the largest.
    """
    if return_indices:
        return max_pool_nd_with_indices(n, input, kernel_size, stride, padding, dilation, ceil_mode)
    return max_pool[n](input, kernel_size, stride, padding, dilation, ceil_mode)


max_pool = {1: _pooling.max_pool1d, 2: _pooling.max_pool2d, 3: _pooling.max_pool3d}
max_pool1d, max_pool2d, max_pool3d = in_dimensions(max_pool_nd, listed, 1, 2, 3)
max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = in_dimensions(
    max_pool_nd_with_indices, checked, 1, 2, 3
)


def adaptive_max_pool_nd_with_indices(
    n: int, input: Tensor, output_size: Any, return_indices: Flag = False
) -> tuple[Tensor, Tensor]:
    """(out, indices): the largest of each of `output_size` windows that cover x, and its number in the plane."""
    return _pooling.adaptive_max_pool_nd(n, input, output_size)


def adaptive_max_pool_nd(n: int, input: Tensor, output_size: Any, return_indices: Flag = False) -> Any:
    """The largest of each of `output_size` windows that cover x (N, C, …) or (C, …); (out, indices) with return_indices."""
    out, indices = _pooling.adaptive_max_pool_nd(n, input, output_size)
    return (out, indices) if return_indices else out


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = in_dimensions(adaptive_max_pool_nd, floats, 1, 2, 3)
adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices, adaptive_max_pool3d_with_indices = in_dimensions(
    adaptive_max_pool_nd_with_indices, floats, 1, 2, 3
)


def fractional_max_pool_nd_with_indices(
    n: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: Flag = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(out, indices): the largest of each of output_size windows of kernel_size, laid at random (Graham, 2014).

    Distances between windows are ⌊a⌋ or ⌈a⌉ with a = (size − kernel) / (output − 1), each plane's by a number drawn in [0, 1).
    """
    name = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is None:
        ratio = _for_each(output_ratio, n)
        if len(ratio) != n:
            raise ValueError(f"{name} requires output_ratio to be a number or {n} of them, got {output_ratio}")
        output_size = [int(size * r) for size, r in zip(input.shape[-n:], ratio)]
    if _random_samples is None:
        batch = 1 if input.ndim == n + 1 else input.shape[0]
        _random_samples = minitorch.rand(batch, input.shape[-n - 1], n, dtype=input.dtype, device=input.device)
    kernel, count = (
        _pooling.each(name, n, what, s) for what, s in (("kernel_size", kernel_size), ("output_size", output_size))
    )
    _refuse_fractional(name, tuple(input.shape), kernel, count, _random_samples)
    samples = _random_samples[0] if input.ndim == n + 1 else _random_samples[: input.shape[0]]
    columns = range(n) if n == 3 else (1, 0)  # of two samples the first is for the width
    windows = [
        _pooling.fractional(_pooling.beginnings(samples[..., c].detach(), size, m, k)._array, k)
        for c, size, m, k in zip(columns, input.shape[-n:], count, kernel)
    ]
    out, indices = _pooling.max_pool(input, windows)
    return out, indices


def _refuse_fractional(name: str, shape: tuple, kernel: tuple, count: tuple, samples: Tensor) -> None:
    """RuntimeError where windows do not fit into the planes, or the samples are of other planes."""
    n = len(kernel)
    if len(shape) not in (n + 1, n + 2) or 0 in shape[-n - 1 :]:
        raise RuntimeError(f"{name}: expected a {n + 1}D or {n + 2}D input that is not empty, but got {list(shape)}")
    room = [size - (n == 3) for size in shape[-n:]]  # torch wants more of it in three dimensions
    if min(kernel) < 1 or any(m + k - 1 > size for size, m, k in zip(room, count, kernel)):
        raise RuntimeError(f"{name}: output size {count} with windows of {kernel} is too large for {list(shape[-n:])}")
    planes = (1 if len(shape) == n + 1 else shape[0], shape[-n - 1], n)
    found = tuple(samples.shape)
    if len(found) != 3 or found[0] < planes[0] or found[1:] != planes[1:]:
        raise RuntimeError(
            f"{name}: Expect _random_samples of shape {planes}, one number for each plane and dimension, got {found}"
        )


def fractional_max_pool_nd(
    n: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: Flag = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest of each of output_size windows of kernel_size, laid at random; (out, indices) with return_indices.

    output_ratio: output_size as a part of the input's, between 0 and 1.
    """
    found = fractional_max_pool_nd_with_indices(n, input, kernel_size, output_size, output_ratio, False, _random_samples)
    return found if return_indices else found[0]


fractional_max_pool2d, fractional_max_pool3d = in_dimensions(fractional_max_pool_nd, listed, 2, 3)
fractional_max_pool2d_with_indices, fractional_max_pool3d_with_indices = in_dimensions(
    fractional_max_pool_nd_with_indices, listed, 2, 3
)

# ---- back to where the largest stood ----


def max_unpool_nd(
    n: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Zeros with each element of x at its index in the plane: what max pooling of those sizes began with, but for what it lost.

    output_size: of the planes; by default (size − 1) · stride + kernel_size − 2 · padding, or less than a stride away.
    """
    kernel, padding = _for_each(kernel_size, n), _for_each(padding, n)
    stride = kernel if stride is None else _for_each(stride, n)
    size = _unpooled_size(tuple(input.shape[-n:]), kernel, stride, padding, output_size)
    if n == 1:
        return squeeze(_unpool[2](unsqueeze(input, -1), unsqueeze(indices, -1), (*size, 1)), -1)
    if n == 3 and min(as_ints(stride)) <= 0:
        raise RuntimeError(f"max_unpool3d: strides should be greater than zero, but got stride: {list(stride)}")
    return _unpool[n](input, indices, size)


max_unpool1d, max_unpool2d, max_unpool3d = in_dimensions(max_unpool_nd, floats, 1, 2, 3)


def _for_each(size: Any, n: int) -> tuple:
    """A size for each dimension."""
    return tuple(size) if isinstance(size, (tuple, list)) else (size,) * n


def _unpooled_size(planes: tuple, kernel: tuple, stride: tuple, padding: tuple, asked: Any) -> tuple:
    """The size of the planes before pooling; ValueError if it cannot have been the one that is asked for."""
    n = len(kernel)
    usual = tuple((planes[d] - 1) * stride[d] + kernel[d] - 2 * padding[d] for d in range(n))
    size = usual if asked is None else tuple(asked[2:] if len(asked) == n + 2 else asked)
    if len(size) != n:
        raise ValueError(f"output_size should be a sequence containing {n} or {n + 2} elements, but got {asked}")
    for d in range(n):
        if asked is not None and not usual[d] - stride[d] < size[d] < usual[d] + stride[d]:
            raise ValueError(
                f"invalid output_size {asked} (dim {d} must be between {usual[d] - stride[d]} and {usual[d] + stride[d]})"
            )
        if size[d] < 0:
            raise ValueError(f"max_unpooling: output_size must not be negative, but got output_size[{d}]={size[d]}")
    return size


def _unpooled(input: Tensor, indices: Tensor, size: Sequence[int]) -> Tensor:
    """Zeros of planes of that size with the elements of x at their indices."""
    n, shape, size = len(size), tuple(input.shape), as_ints(size)
    if indices.dtype.name != "int64":
        raise RuntimeError(f"elements in indices should be type int64 but got: {indices.dtype}; convert with .long()")
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(f"Input to max_unpooling{n}d should be a {n + 1}d or {n + 2}d Tensor, but got {list(shape)}")
    if tuple(indices.shape) != shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(shape)}), got {list(indices.shape)}"
        )
    if 0 in shape[1:]:
        raise RuntimeError(
            f"max_unpooling{n}d: Expected input to have non-zero size for non-batch dimensions, but got {list(shape)}"
        )
    planes = zeros(input, (*shape[:-n], math.prod(size)))
    put = scattered(planes, -1, _pooling.in_row(indices, n), _pooling.in_row(input, n))
    return reshape(put, (*shape[:-n], *size))


_unpool = {n: named(_unpooled, f"MaxUnpool{n}DBackward0") for n in (2, 3)}
