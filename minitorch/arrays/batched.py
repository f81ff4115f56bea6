"""An array that hides its first dimension: what `vmap`'s function computes with, as if it had one sample.

To what looks at it, a `Batched` array is of the shape of a sample. Its operators compute all samples at once; ops do so by the rules of
`op/batching.py`. Samples may be `Batched` themselves: then a vmap runs within another. Read next: `op/batching.py`.
"""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from . import recorded
from .capturing import refuse


@dataclass(eq=False)
class Level:
    """One vmap at work: how many samples there are, how deep it is nested, and whether it still runs."""

    size: int
    depth: int
    randomness: str = "error"
    open: bool = True


def not_one_sample(words: str) -> RuntimeError:
    """What is raised where something wants to know the numbers, or the shape, of one sample."""
    error = RuntimeError(f"vmap: {words}")
    error.asks_for_one_sample = True  # type: ignore[attr-defined]
    return error


class Batched:
    """Samples side by side: `samples[k]` is sample k. What is not batched at its level is the same for all samples."""

    __slots__ = ("level", "samples")
    __array_ufunc__ = None  # an operator with a NumPy array on its left comes here

    def __init__(self, samples: Any, level: Level) -> None:
        self.samples, self.level = samples, level

    shape = property(lambda self: self.samples.shape[1:])
    ndim = property(lambda self: self.samples.ndim - 1)
    dtype = property(lambda self: self.samples.dtype)
    itemsize = property(lambda self: self.samples.itemsize)
    strides = property(lambda self: self.samples.strides[1:])
    size = property(lambda self: int(np.prod(self.shape)))
    nbytes = property(lambda self: self.size * self.itemsize)
    base = property(lambda self: self.samples)
    flags = property(lambda self: (self.samples[0] if self.level.size else self.samples).flags)

    def reshape(self, *shape: Any) -> Batched:
        """Each sample in that shape, which holds no −1."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return Batched(self.samples.reshape(self.level.size, *sizes), self.level)

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> Batched:
        """Each sample in that dtype."""
        return Batched(self.samples.astype(dtype, order=order, copy=copy), self.level)

    def copy(self, order: str = "C") -> Batched:
        """The same samples in memory of their own."""
        return Batched(self.samples.copy(order), self.level)

    def transpose(self, *dims: int) -> Batched:
        """Each sample with its dimensions in that order."""
        return Batched(self.samples.transpose(0, *(d + 1 for d in dims)), self.level)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Batched:
        return Batched(self.samples[(slice(None), *_as_tuple(key))], self.level)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write into the samples: what is written must not be batched more deeply than they are."""
        key = (slice(None), *_as_tuple(key))
        if isinstance(value, Batched) and value.level is self.level:
            value = aligned([value], self.samples[key].ndim - 1, self.level)[0]
        elif isinstance(value, Batched) and value.level.depth > self.level.depth:
            raise RuntimeError(
                "vmap: inplace arithmetic is not possible: what is written has more samples than what it is written to"
            )
        self.samples[key] = value

    def get(self, *dtype: Any, **options: Any) -> NoReturn:
        """What would make numbers of it."""
        raise not_one_sample(
            "It looks like you're calling .item() or .numpy() on a Tensor, or using it in some data-dependent control flow: it stands "
            "for many samples. Please rewrite that with other operations, e.g. where(condition, a, b)."
        )

    def nonzero(self) -> NoReturn:
        """How many there are depends on the sample."""
        raise not_one_sample(
            "We do not support batching operators that can output dynamic shape, such as x[mask]; use where(mask, x, other)"
        )

    __array__ = __int__ = __float__ = __index__ = __bool__ = item = get
    data = property(get)
    ctypes = property(lambda self: self.samples.ctypes)  # where it lies


def _as_tuple(key: Any) -> tuple:
    return key if isinstance(key, tuple) else (key,)


# ---- several of them ----

_of_threads = threading.local()


def running() -> list[Level]:
    """This thread's vmaps, the innermost last."""
    return _of_threads.__dict__.setdefault("levels", [])


def check_randomness() -> None:
    """RuntimeError where random numbers are drawn within a vmap that was not told which it wants."""
    if recorded.running.record is not None:
        recorded.running.record.drawn()
    refuse("random numbers would be drawn on the CPU and copied to the GPU; dropout draws there")
    if running() and running()[-1].randomness == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness "
            "flags on vmap or perform the randomness operation out of vmap"
        )


def of_all_samples(array: Any) -> Any:
    """The array with the numbers of all samples, for questions that one answer is right for."""
    while isinstance(array, Batched):
        array = array.samples
    return array


def deepest(values: Iterable) -> Level | None:
    """The innermost vmap among arrays (and those in lists of them), or None."""
    levels = [level for v in values if (level := _level_of(v)) is not None]
    return max(levels, key=lambda level: level.depth) if levels else None


def _level_of(value: Any) -> Level | None:
    return value.level if isinstance(value, Batched) else deepest(value) if isinstance(value, (tuple, list)) else None


def is_at(value: Any, level: Level) -> bool:
    """Whether a value is batched at this level."""
    return isinstance(value, Batched) and value.level is level


def holds_samples(value: Any, level: Level) -> bool:
    """The same of a tensor or an array."""
    return is_at(getattr(value, "_array", value), level)


def is_running(level: Level) -> bool:
    """Whether its function has not returned yet."""
    return level.open


def aligned(values: Iterable, ndim: int, level: Level) -> list:
    """The samples, each with `ndim` dimensions (ones in front), so that they broadcast with one another; other values as they are."""
    return [
        v.samples.reshape(level.size, *[1] * (ndim - v.ndim), *v.shape) if is_at(v, level) and v.ndim < ndim else
        v.samples if is_at(v, level) else v
        for v in values
    ]  # fmt: skip


def broadcast(array: Any, shape: tuple) -> Any:
    """A view of the array in a larger shape."""
    if isinstance(array, Batched):
        samples = aligned([array], len(shape), array.level)[0]
        return Batched(broadcast(samples, (array.level.size, *shape)), array.level)
    return np.broadcast_to(array, shape)


def for_all(array: Any, level: Level) -> Any:
    """The samples; of what is the same for all of them, as many views."""
    return array.samples if is_at(array, level) else broadcast(array, (level.size, *array.shape))


def elementwise(function: Callable, *values: Any) -> Any:
    """An elementwise function of all samples at once."""
    return elementwise_as(function, max(getattr(v, "ndim", 0) for v in values), *values)


def elementwise_as(function: Callable, ndim: int, *values: Any) -> Any:
    """A function that broadcasts, of all samples at once, each with so many dimensions."""
    level = deepest(values)
    if level is None:
        return function(*values)
    return Batched(elementwise_as(function, ndim + 1, *aligned(values, ndim, level)), level)


def _applied(value: Batched, function: Callable) -> Any:
    return elementwise(function, value)


def _operator(function: Callable) -> tuple[Callable, Callable]:
    return lambda a, b: elementwise(function, a, b), lambda a, b: elementwise(function, b, a)


for _name in ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"]:
    _there, _back = _operator(getattr(operator, f"__{_name}__"))
    setattr(Batched, f"__{_name}__", _there)
    setattr(Batched, f"__r{_name}__", _back)


def _matmul(a: Any, b: Any) -> Any:
    """a @ b: vectors are matrices of one row, or of one column."""
    rows, columns = a.reshape(1, *a.shape) if a.ndim == 1 else a, b.reshape(*b.shape, 1) if b.ndim == 1 else b
    product = elementwise_as(operator.matmul, max(rows.ndim, columns.ndim), rows, columns)
    shape = product.shape
    return product.reshape(*shape[:-2], *shape[len(shape) - 2 : -1] * (a.ndim > 1), *shape[len(shape) - 1 :] * (b.ndim > 1))


Batched.__matmul__ = _matmul  # type: ignore[attr-defined,operator]
Batched.__rmatmul__ = lambda b, a: _matmul(a, b)  # type: ignore[attr-defined,operator]
for _name in ["lt", "le", "gt", "ge", "eq", "ne"]:
    setattr(Batched, f"__{_name}__", _operator(getattr(operator, _name))[0])
for _name in ["neg", "abs", "invert", "pos"]:
    setattr(Batched, f"__{_name}__", functools.partialmethod(_applied, getattr(operator, _name)))
Batched.__hash__ = object.__hash__  # type: ignore[method-assign,assignment]
