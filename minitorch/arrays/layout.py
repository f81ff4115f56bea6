"""In which order the dimensions of an array lie in memory, new arrays that lie in the same, and the orders that have names.

A transposed tensor is filled with random numbers as its buffer lies, column by column; a new tensor "like" it has its strides.
`channels_last` is the order of an image whose channels are together: (N, C, H, W) lies in memory as (N, H, W, C) does in row-major order.
Read next: `memory.py`; `ops/sampling.py`, where tensors are filled.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from . import memory
from .capturing import empty as new_memory
from .capturing import in_turn, settle
from .device import on_host
from .memory import is_dense, order_of_a_copy

Array = Any


# ---- dense or not ----


class layout:
    """How the numbers of a tensor lie: `strided`, in one block of memory. torch's others are of sparse tensors."""

    __slots__ = ()
    __module__ = "minitorch"

    def __repr__(self) -> str:
        return "minitorch.strided"

    def __reduce__(self) -> str:
        return "strided"


strided = layout()


# ---- the orders that have names ----


class memory_format:
    """In which order the dimensions of a tensor lie in memory: `channels_last` and the other three."""

    __slots__ = ("name",)
    __module__ = "minitorch"
    name: str

    def __new__(cls) -> memory_format:
        raise TypeError("cannot create 'minitorch.memory_format' instances; there are minitorch.channels_last and its like")

    def __repr__(self) -> str:
        return f"minitorch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


def _named(name: str) -> memory_format:
    made = object.__new__(memory_format)
    made.name = name
    return made


contiguous_format = _named("contiguous_format")  # row-major order
preserve_format = _named("preserve_format")  # as what is copied lies
channels_last = _named("channels_last")
channels_last_3d = _named("channels_last_3d")
INNERMOST_FIRST = {channels_last: (1, 3, 2, 0), channels_last_3d: (1, 4, 3, 2, 0)}


def strides_of(shape: tuple[int, ...], form: memory_format, itemsize: int) -> tuple[int, ...]:
    """The strides, in bytes, of an array of that shape in that format."""
    order = INNERMOST_FIRST.get(form, range(len(shape))[::-1])
    if len(order) != len(shape):
        raise RuntimeError(f"required rank {len(order)} tensor to use {form.name} format, got shape {tuple(shape)}")
    strides, step = [0] * len(shape), itemsize
    for d in order:
        strides[d] = step
        step *= shape[d] if form in INNERMOST_FIRST else max(shape[d], 1)
    return tuple(strides)


def lies_in(array: Array, form: memory_format) -> bool:
    """Whether the array has no gaps and its dimensions are in that order; those of one element may be anywhere."""
    if form not in INNERMOST_FIRST:
        return array.flags.c_contiguous
    order, step = INNERMOST_FIRST[form], array.itemsize
    if array.ndim != len(order):
        return False
    for d in order:
        if array.shape[d] != 1:
            if array.strides[d] != step:
                return False
            step *= array.shape[d]
    return True


def suggested(array: Array) -> memory_format:
    """The format that the result of a layer takes from this input, by its strides: what could be several is in row-major order."""
    form = {4: channels_last, 5: channels_last_3d}.get(array.ndim)
    shape, strides = array.shape, array.strides
    if form is None or strides[1] == 0:
        return contiguous_format
    least = 0
    for d in INNERMOST_FIRST[form]:
        if shape[d] == 0 or strides[d] < least or (d == 0 and least == strides[1]):
            return contiguous_format
        least = strides[d] * shape[d]
    return form


def empty(xp: Any, shape: tuple[int, ...], numpy_dtype: Any, form: memory_format = contiguous_format) -> Array:
    """New memory in that shape and format."""
    if form is preserve_format:
        raise RuntimeError("unsupported memory format Preserve: there is nothing to take it from")
    if form is contiguous_format:
        return xp.empty(shape, numpy_dtype)
    flat = xp.empty(math.prod(shape), numpy_dtype)
    return memory.strided(flat, shape, strides_of(shape, form, flat.itemsize))


def laid_out_in(xp: Any, array: Array, form: memory_format) -> Array:
    """The array, or a copy of it that is in that format; in row-major order if it has not as many dimensions as the format."""
    if form is contiguous_format or array.ndim != len(INNERMOST_FIRST[form]):
        return row_major(xp, array)
    if array.strides == strides_of(array.shape, form, array.itemsize):
        return array
    out = empty(xp, array.shape, array.dtype, form)
    write(out, array)
    return out


def formatted(xp: Any, array: Array, numpy_dtype: Any, form: memory_format | None) -> Array:
    """A copy of the array in that dtype and format; preserved is also what its dimensions of one element have for strides."""
    if form is not None and form is not preserve_format:
        out = empty(xp, array.shape, numpy_dtype, form)
    else:
        out = array.astype(numpy_dtype, order=order_of_a_copy(array))
        if out.strides == _scaled(array, out.itemsize) or not is_dense(array):
            return out
        out = empty_like(xp, array, numpy_dtype)
    write(out, array)
    return out


def _scaled(array: Array, itemsize: int) -> tuple[int, ...]:
    """The array's strides, for elements of another size."""
    return array.strides if array.itemsize == itemsize else tuple(n // array.itemsize * itemsize for n in array.strides)


# ---- copies, and sums of two ----

# Of a GPU, once its kernels are loaded: write_there(out, array) is `out[...] = array` as the card does it best, and whether it was done.
write_there: Any = None
# Likewise add_there(a, b, into): a + b, in new memory or in that of `into`; None where it is not done.
add_there: Any = None


def write(out: Array, array: Array) -> None:
    """out ← array, converted to its dtype; an array of fewer elements is repeated, as in `out[...] = array`."""
    if write_there is None or hasattr(out, "ctypes") or not write_there(out, array):
        settle()
        out[...] = array


def sum_of(a: Array, b: Array) -> Array:
    """a + b."""
    total = None if add_there is None else add_there(a, b, None)
    return a + b if total is None else total


def add_to(out: Array, array: Array) -> Array:
    """out += array, and what holds the sum then."""
    if add_there is None or add_there(out, array, out) is not out:
        settle()
        out += array
    return out


def filled(xp: Any, shape: tuple[int, ...], numpy_dtype: Any, value: int) -> Array:
    """A new array of that number everywhere."""
    out = new_memory(xp, shape, numpy_dtype)
    in_turn(partial(out.fill, value), [], [out])
    return out


def row_major(xp: Any, array: Array) -> Array:
    """The array if it lies in row-major order, else a copy that does."""
    if array.flags.c_contiguous:
        return array
    if on_host(xp):
        return xp.ascontiguousarray(array)
    out = new_memory(xp, array.shape, array.dtype)
    write(out, array)
    return out


# ---- the order of any array ----


def memory_order(array: Array) -> list[int]:
    """The dimensions of an array, outermost in memory first, as torch's iterator sorts them.

    An expanded dimension (stride 0) compares with none and stays where it is; of two with one stride the longer is outer.
    """
    if array.flags.c_contiguous:
        return list(range(array.ndim))
    stride, size = array.strides, array.shape
    order = list(range(array.ndim))[::-1]  # innermost first
    for i in range(1, len(order)):
        k = i
        for j in range(i - 1, -1, -1):
            inner, outer = order[j], order[k]
            if stride[inner] == 0 or stride[outer] == 0:
                continue
            if stride[inner] < stride[outer]:
                break
            if stride[inner] > stride[outer] or size[inner] > size[outer]:
                order[j], order[k] = outer, inner
                k = j
    return order[::-1]


def laid_out_like(array: Array, numbers: Array) -> Array:
    """As many numbers in the array's shape: the first comes first in memory. No copy: a view with the right strides."""
    if array.flags.c_contiguous and array.ndim < 4:
        return numbers.reshape(array.shape)
    if is_dense(array):
        return memory.strided(numbers, array.shape, _scaled(array, numbers.itemsize))
    order = memory_order(array)
    return numbers.reshape([array.shape[d] for d in order]).transpose([order.index(d) for d in range(array.ndim)])


def empty_like(xp: Any, array: Array, numpy_dtype: Any) -> Array:
    """New memory in the array's shape and memory order."""
    return laid_out_like(array, new_memory(xp, array.size, numpy_dtype))


def copied(xp: Any, array: Array, like: Array | None = None) -> Array:
    """A copy that lies in memory as the array, or as another of its shape, does."""
    out = empty_like(xp, array if like is None else like, array.dtype)
    write(out, array)
    return out
