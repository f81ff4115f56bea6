"""Tensors by how their numbers lie in memory: in given strides, in an order of the dimensions, on the memory of another object.

Read next: `../arrays/memory.py`, what strides are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.determinism import filled
from ..arrays.device import as_device
from ..arrays.dtypes import dtype as DType
from ..arrays.memory import span, strided
from ..arrays.warning import warn_once
from ..op.signature import Device, Sizes, checked
from ..ops.dims import as_ints
from .making import makes
from .tensor import Tensor

__all__ = ["empty_permuted", "empty_strided", "frombuffer"]


@makes
def empty_strided(
    size: Sizes,
    stride: Sizes,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Whatever was in memory; its element [i, j, …] lies i·stride[0] + j·stride[1] + … elements after the first."""
    size, stride = as_ints(size), as_ints(stride)
    if len(size) != len(stride):
        raise RuntimeError(f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})")
    if min(size, default=0) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")
    if min(stride, default=0) < 0:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}")
    wanted = (dtype or dtypes.get_default_dtype()).numpy
    memory = filled(as_device(device).xp.empty(span(size, stride), wanted))
    made = Tensor._wrap(strided(memory, size, tuple(step * wanted.itemsize for step in stride)))
    return made.requires_grad_() if requires_grad else made


@makes
def empty_permuted(
    size: Sizes,
    physical_layout: Sizes,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Whatever was in memory, without gaps; `physical_layout` lists the dimensions from the outermost to the innermost."""
    size, ndim = as_ints(size), len(size)
    if len(physical_layout) != ndim:
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{ndim} is not equal to len(physical_layout) = {len(physical_layout)}"
        )
    for place, dim in enumerate(physical_layout):
        if not 0 <= dim < ndim:
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {ndim - 1}, but got {dim} at index {place}): they do not "
                "count from the end here"
            )
    if len(set(physical_layout)) != ndim:
        raise RuntimeError(f"Duplicate dim not allowed, got {list(physical_layout)}")
    stride, step = [0] * ndim, 1
    for dim in reversed(physical_layout):
        stride[dim] = step
        step *= max(size[dim], 1)
    return empty_strided(size, tuple(stride), dtype=dtype, device=device, requires_grad=requires_grad)


@checked
def frombuffer(buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A vector on the memory of an object with Python's buffer protocol, such as a bytearray: `count` numbers, −1 for all.

    offset: how many bytes are left out at the beginning.
    """
    try:
        memory = memoryview(buffer)
    except TypeError:
        raise ValueError(f"object does not implement Python buffer protocol, got {type(buffer).__name__}") from None
    there, itemsize = memory.nbytes, dtype.numpy.itemsize
    if there == 0 or count == 0:
        raise ValueError(f"both buffer length ({there}) and count ({count}) must not be 0")
    if not 0 <= offset < there:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({there} bytes) minus 1"
        )
    if count < 0 and (there - offset) % itemsize:
        raise ValueError(
            f"buffer length ({there - offset} bytes) after offset ({offset} bytes) must be a multiple of element size ({itemsize})"
        )
    if count > 0 and offset + count * itemsize > there:
        raise ValueError(
            f"requested buffer length ({count} * {itemsize} bytes) after offset ({offset} bytes) must not be greater than actual "
            f"buffer length ({there} bytes)"
        )
    if memory.readonly:
        warn_once(
            "The given buffer is not writable, and tensors on its memory cannot be written to either. Copy the buffer before, or "
            "call clone() on the tensor."
        )
    made = Tensor._wrap(np.frombuffer(memory, dtype.numpy, max(count, -1), offset))
    return made.requires_grad_() if requires_grad else made
