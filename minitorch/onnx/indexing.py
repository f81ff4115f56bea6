"""`x[key]` and `x[key] = value` in ONNX. Read next: `table.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .builder import Builder, Length, Ref
from .errors import Unsupported
from .shapes import END, select


def getitem(b: Builder, input: Ref, key: Any) -> Any:
    """Slices in one Slice, ints by Gather, None by Unsqueeze; one index tensor, or tensors for the first dimensions."""
    keys = list(key) if isinstance(key, tuple) else [key]
    used = sum(k is not None and k is not Ellipsis and not isinstance(k, bool) for k in keys)
    if Ellipsis in [k for k in keys if not isinstance(k, (Ref, list))]:
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (input.ndim - used)
    if any(isinstance(k, bool) or (isinstance(k, Ref) and k.dtype.name in ("bool", "uint8")) for k in keys):
        raise Unsupported("the size of what a mask picks depends on its numbers")
    x: Any = _sliced(b, input, [k for k in keys if k is not None])
    tensors = [d for d, k in enumerate(k for k in keys if k is not None) if isinstance(k, (Ref, list))]
    picked = [k for k in keys if isinstance(k, (Ref, list))]
    without_none = [k for k in keys if k is not None]
    gone = [d for d, k in enumerate(without_none) if isinstance(k, (int, Length))]
    if tensors and (len(keys) != len(without_none) or (gone and len(tensors) > 1)):
        raise Unsupported("index tensors beside None or several beside ints")
    for d in reversed(gone):
        x = select(b, Ref(b.name_of(x), input.dtype, input.shape), d, without_none[d]) if input.ndim else x
    tensors = [d - sum(g < d for g in gone) for d in tensors]
    if len(tensors) == 1:
        return b.op("Gather", x, _index(b, picked[0]), axis=tensors[0])
    if tensors:
        return _picked(b, x, tensors, [_index(b, k) for k in picked])
    added, d = [], 0
    for k in keys:
        if k is None:
            added.append(d)
        d += not isinstance(k, (int, Length)) or k is None
    return b.op("Unsqueeze", x, np.array(added, np.int64)) if added else x


def _index(b: Builder, k: Any) -> Any:
    return b.cast(k, np.int64) if isinstance(k, Ref) else np.array(k, np.int64)


def _sliced(b: Builder, input: Ref, keys: list) -> Any:
    cuts = [(d, k) for d, k in enumerate(keys) if isinstance(k, slice) and k != slice(None) and k != slice(None, None, None)]
    if not cuts:
        return input
    starts = b.ints([0 if k.start is None else k.start for _, k in cuts])
    ends = b.ints([END if k.stop is None else k.stop for _, k in cuts])
    steps = np.array([1 if k.step is None else k.step for _, k in cuts], np.int64)
    return b.op("Slice", input, starts, ends, np.array([d for d, _ in cuts], np.int64), steps)


def _picked(b: Builder, x: Any, dims: list[int], indices: list[Any]) -> Any:
    """x[i, j]: index tensors for the first dimensions, broadcast together."""
    if dims != list(range(len(dims))):
        raise Unsupported("several index tensors that are not for the first dimensions")
    shape = b.op("Shape", indices[0])
    if len(indices) > 1:
        total = indices[0]
        for other in indices[1:]:
            total = b.op("Add", b.op("Mul", total, np.array(0, np.int64)), b.op("Mul", other, np.array(0, np.int64)))
        shape = b.op("Shape", total)
    last = [b.op("Unsqueeze", b.op("Expand", i, shape), np.array([-1], np.int64)) for i in indices]
    return b.op("GatherND", x, b.op("Concat", *last, axis=-1))


def setitem(b: Builder, input: Ref, key: Any, value: Any) -> Any:
    """A copy of x with the value where the key points: Where(mask, value, x), for a key of ints and slices."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(k is Ellipsis for k in keys):
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (input.ndim - len(keys) + 1)
    if any(type(k) not in (int, slice) for k in keys) or any(
        type(n) not in (int, type(None)) for k in keys for n in _ends(k)
    ):
        raise Unsupported("but with ints and slices that do not depend on the input")
    keys += [slice(None)] * (input.ndim - len(keys))
    mask: Any = np.ones((1,) * input.ndim, bool)
    open_ones = []  # of dimensions whose size depends on the input
    for d, (k, size) in enumerate(zip(keys, input.shape)):
        shape = [-1 if d == e else 1 for e in range(input.ndim)]
        if k == slice(None):
            continue
        if size is None:
            open_ones.append(b.op("Reshape", _at(b, input, d, k), np.array(shape, np.int64)))
        else:
            along = np.zeros(size, bool)
            along[k] = True
            mask = mask & along.reshape(shape)
    for each in open_ones:
        mask = b.op("And", mask, each)
    return b.op("Where", mask, _placed(b, input, keys, value), input)


def _at(b: Builder, input: Ref, dim: int, k: Any) -> Any:
    """For each place along the dimension, whether it is number k."""
    if isinstance(k, slice):
        raise Unsupported("of a part of a dimension whose size depends on the input")
    size = b.operand(b.size(input, dim), np.int64)
    places = b.op("Range", np.array(0, np.int64), size, np.array(1, np.int64))
    return b.op("Equal", places, np.array(k, np.int64) if k >= 0 else b.op("Add", size, np.array(k, np.int64)))


def _ends(k: Any) -> tuple:
    return (k.start, k.stop, k.step) if isinstance(k, slice) else ()


def _placed(b: Builder, input: Ref, keys: list, value: Any) -> Any:
    """The value with as many dimensions as x, so that it lies where the key points."""
    if not isinstance(value, Ref):
        return b.operand(value, input.dtype)
    shown = [d for d, k in enumerate(keys) if isinstance(k, slice)]  # the dimensions that x[key] has
    for d, size in zip(reversed(shown), reversed(value.shape)):
        if size != 1 and keys[d] != slice(None):
            raise Unsupported("of a part of a dimension from a tensor that is not one number along it")
    missing = [d for d in range(input.ndim) if d not in shown[len(shown) - min(value.ndim, len(shown)) :]]
    if value.ndim > len(shown):
        raise Unsupported("from a tensor of more dimensions")
    found = b.cast(value, input.dtype)
    return b.op("Unsqueeze", found, np.array(missing, np.int64)) if missing else found
