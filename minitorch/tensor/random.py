"""Tensors of random numbers: `rand`, `randn`, `randint`, `randperm`, …; with one seed, those that torch makes.

Read next: `ops/sampling.py`, what each function computes; `random/`, where the words come from and how they are rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.batched import Batched, running
from ..arrays.device import as_device
from ..arrays.dtypes import dtype as DType
from ..arrays.layout import memory_format, preserve_format
from ..op.signature import Device, checked
from ..ops import gpu_draws, sampling
from ..random import Generator, discrete
from ..random.generator import chosen
from ..random.gpu import GpuGenerator
from . import creation
from .making import makes
from .tensor import Tensor

# ---- uniform and normal ----


@makes
def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1): multiples of 2⁻²⁴ from a word each, in float64 of 2⁻⁵³ from two."""
    made = sampling.uniform_(_empty(*size, dtype=dtype, device=device), 0.0, 1.0, generator)
    return made.requires_grad_() if requires_grad else made


@makes
def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal numbers. From 16 elements on they are made by another rule: `randn(16)[:3]` is not `randn(3)`."""
    made = sampling.normal_(_empty(*size, dtype=dtype, device=device), 0.0, 1.0, generator)
    return made.requires_grad_() if requires_grad else made


@checked
def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
    memory_format: memory_format = preserve_format,
) -> Tensor:
    """Uniform numbers in [0, 1), in input's shape, dtype and memory order."""
    made = sampling.uniform_(
        _empty_like(input, dtype=dtype, device=device, memory_format=memory_format), 0.0, 1.0, generator
    )
    return made.requires_grad_() if requires_grad else made


@checked
def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
    memory_format: memory_format = preserve_format,
) -> Tensor:
    """Standard normal numbers, in input's shape, dtype and memory order."""
    made = sampling.normal_(_empty_like(input, dtype=dtype, device=device, memory_format=memory_format), 0.0, 1.0, generator)
    return made.requires_grad_() if requires_grad else made


@makes
def normal(
    mean: Tensor | float,
    std: Tensor | float = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers: `normal(0.0, 1.0, (2, 3))`, or one for each element of the tensors `mean` and `std` (or one of them)."""
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        return sampling.normal_each(mean, std, generator)
    if not isinstance(size, tuple | list):
        raise TypeError(f"normal() with numbers for mean and std takes a tuple for size, got {size!r}")
    made = sampling.normal_(_empty(size, dtype=dtype, device=device), float(mean), float(std), generator)
    return made.requires_grad_() if requires_grad else made


# ---- integers ----


@makes
def randint(
    low: int = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType = dtypes.int64,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers low ≤ k < high: `randint(high, size)` or `randint(low, high, size)`.

    >>> _ = minitorch.manual_seed(0)
    >>> minitorch.randint(100, (4,))
    tensor([44, 39, 33, 60])
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if not isinstance(size, tuple | list):
        raise TypeError(f"randint() takes a tuple for size, got {size!r}")
    empty = _empty(size, dtype=dtype or dtypes.int64, device=device)
    made = sampling.random_(empty, *sampling.limits(low, high), generator)
    return made.requires_grad_() if requires_grad else made


@checked
def randint_like(
    input: Tensor,
    low: int = 0,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
    memory_format: memory_format = preserve_format,
) -> Tensor:
    """Integers low ≤ k < high (`randint_like(x, high)`: from 0), in input's shape, dtype and memory order."""
    limits = sampling.limits(*((low,) if high is None else (low, high)))
    made = sampling.random_(_empty_like(input, dtype=dtype, device=device, memory_format=memory_format), *limits, generator)
    return made.requires_grad_() if requires_grad else made


@makes
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: DType = dtypes.int64,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """0 … n−1 in random order.

    >>> _ = minitorch.manual_seed(0)
    >>> minitorch.randperm(10)
    tensor([4, 1, 7, 5, 3, 9, 0, 8, 6, 2])
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"randperm(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    kind = dtype or dtypes.int64
    if kind is dtypes.bool_:
        raise NotImplementedError("\"randperm\" not implemented for 'Bool'")
    largest = (2 ** sampling.DIGITS[kind.name] if kind.is_floating_point else dtypes.iinfo(kind).max) + 1
    if n > largest:
        raise RuntimeError(f"n cannot be greater than {largest} for {kind}, which does not hold all integers below {n}")
    where = as_device(device)
    g = chosen(generator, where)
    if isinstance(g, GpuGenerator):
        made = Tensor._wrap(gpu_draws.permutation(g, where.xp, n).astype(kind.numpy))
    else:
        made = Tensor._wrap(where.xp.asarray(np.array(discrete.permutation(g, n), np.int64).astype(kind.numpy)))
    return made.requires_grad_() if requires_grad else made


# ---- by probability ----


@checked
def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with probability input_i (or with probability p, in input's shape), else 0."""
    return sampling.bernoulli_out(input, p, generator)


@checked
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """A Poisson number for each rate: how many events there are, when so many are expected.

    >>> _ = minitorch.manual_seed(0)
    >>> minitorch.poisson(minitorch.tensor([0.5, 3.0, 12.0, 100.0]))
    tensor([ 2.,  4., 13., 99.])
    """
    return sampling.poisson(input, generator)


@checked
def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of count_i trials succeed, each with probability prob_i."""
    return sampling.binomial(count, prob, generator)


@checked
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Tensor:
    """`num_samples` indices for each row of weights, in proportion to them; without replacement all different.

    >>> _ = minitorch.manual_seed(0)
    >>> minitorch.multinomial(minitorch.tensor([0.1, 0.2, 0.3, 0.4]), 3)
    tensor([2, 1, 3])
    """
    return sampling.multinomial(input, num_samples, replacement, generator)


# ---- within a vmap ----


def _empty(*size: Any, **options: Any) -> Tensor:
    return _for_each_sample(creation.empty(*size, **options))


def _empty_like(like: Tensor, **options: Any) -> Tensor:
    return _for_each_sample(creation.empty_like(like, **options))


def _for_each_sample(empty: Tensor) -> Tensor:
    """Within a vmap that wants other numbers for each sample, room for those of all."""
    level = running()[-1] if running() else None
    if level is None or level.randomness != "different":
        return empty
    array = empty._array
    return Tensor._wrap(Batched(empty.device.xp.empty((level.size, *array.shape), array.dtype), level))
