"""Shapes, indexing, joining and making of tensors in ONNX. Read next: `table.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Builder, Length, Ref
from .errors import Unsupported

END = np.iinfo(np.int64).max


def _sizes(args: tuple, named: dict[str, Any] | None = None) -> list[Any]:
    """`(2, 3)`, `2, 3` and `dims=(2, 3)` alike."""
    args = args or tuple((named or {}).values())
    return list(args[0]) if len(args) == 1 and isinstance(args[0], (tuple, list)) else list(args)


def _known(b: Builder) -> bool:
    return sum(n is None for n in b.out.shape) <= 1


def reshape(b: Builder, input: Ref, *shape: Any, **named: Any) -> Any:
    """By the result's own shape, if at most one size of it depends on the input."""
    wanted = list(b.out.shape) if _known(b) else _sizes(shape, named)
    return b.reshape(input, wanted)


def flatten(b: Builder, input: Ref, start_dim: int = 0, end_dim: int = -1) -> Any:
    if _known(b):
        return b.reshape(input, b.out.shape)
    start, end = start_dim % input.ndim, end_dim % input.ndim
    sizes = b.sizes(input)
    return b.reshape(input, [*sizes[:start], -1, *sizes[end + 1 :]])


def unflatten(b: Builder, input: Ref, dim: int, sizes: Any) -> Any:
    if _known(b):
        return b.reshape(input, b.out.shape)
    dim %= input.ndim
    own = b.sizes(input)
    return b.reshape(
        input, [*own[:dim], *(n if n is not None else m for n, m in zip(b.out.shape[dim:], sizes)), *own[dim + 1 :]]
    )


def permute(b: Builder, input: Ref, *dims: Any, **named: Any) -> Any:
    return b.op("Transpose", input, perm=[d % input.ndim for d in _sizes(dims, named)])


def transpose(b: Builder, input: Ref, dim0: int, dim1: int) -> Any:
    if input.ndim == 0:
        return input
    perm = list(range(input.ndim))
    perm[dim0], perm[dim1] = perm[dim1], perm[dim0]
    return b.op("Transpose", input, perm=perm)


def swapped_last(b: Builder, input: Ref) -> Any:
    """t, mT"""
    return input if input.ndim < 2 else transpose(b, input, -2, -1)


def reversed_dims(b: Builder, input: Ref) -> Any:
    """T"""
    return b.op("Transpose", input, perm=list(range(input.ndim))[::-1])


def movedim(b: Builder, input: Ref, source: Any, destination: Any) -> Any:
    froms = [d % input.ndim for d in np.atleast_1d(source)]
    tos = [d % input.ndim for d in np.atleast_1d(destination)]
    perm = [d for d in range(input.ndim) if d not in froms]
    for to, fro in sorted(zip(tos, froms)):
        perm.insert(to, int(fro))
    return b.op("Transpose", input, perm=perm)


def squeeze(b: Builder, input: Ref, dim: Any = None) -> Any:
    dims = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    dims = [d % max(input.ndim, 1) for d in dims if input.ndim and input.shape[d] == 1]
    return b.op("Squeeze", input, np.array(dims, np.int64)) if dims else input


def unsqueeze(b: Builder, input: Ref, dim: int) -> Any:
    return b.op("Unsqueeze", input, np.array([dim % (input.ndim + 1)], np.int64))


def expand(b: Builder, input: Ref, *size: Any, **named: Any) -> Any:
    return b.op("Expand", input, b.ints([1 if isinstance(n, int) and n == -1 else n for n in _sizes(size, named)]))


def expand_as(b: Builder, input: Ref, other: Ref) -> Any:
    return b.op("Expand", input, b.op("Shape", other))


def repeat(b: Builder, input: Ref, *repeats: Any, **named: Any) -> Any:
    times = _sizes(repeats, named)
    x = input
    if len(times) > input.ndim:
        x = b.op("Unsqueeze", input, np.arange(len(times) - input.ndim))
    return b.op("Tile", x, b.ints(times))


def cat(b: Builder, tensors: Any, dim: int = 0) -> Any:
    parts = [b.cast(x, b.out.dtype) for x in tensors if not (x.shape == (0,) and b.out.ndim != 1)]
    return b.op("Concat", *parts, axis=dim)


def stack(b: Builder, tensors: Any, dim: int = 0) -> Any:
    at = np.array([dim % b.out.ndim], np.int64)
    return b.op("Concat", *(b.op("Unsqueeze", b.cast(x, b.out.dtype), at) for x in tensors), axis=dim % b.out.ndim)


def split(b: Builder, input: Ref, *args: Any, dim: int = 0, **options: Any) -> Any:
    """chunk and split: as many parts as there were, of their sizes."""
    dim = (args[1] if len(args) > 1 else dim) % input.ndim
    sizes = [part.shape[dim] for part in b.outs]
    if None in sizes:
        raise Unsupported("the sizes of its parts depend on the input")
    return b.op("Split", input, np.array(sizes, np.int64), outputs=len(sizes), axis=dim)


def unbind(b: Builder, input: Ref, dim: int = 0) -> Any:
    if input.shape[dim] is None:
        raise Unsupported("the number of its parts depends on the input")
    return [b.op("Gather", input, np.array(k, np.int64), axis=dim % input.ndim) for k in range(len(b.outs))]


def narrow(b: Builder, input: Ref, dim: int, start: Any, length: Any) -> Any:
    end = start + length if not isinstance(start, Length) and not isinstance(length, Length) else None
    if end is None:
        end = Length(b.op("Add", b.ints([start]), b.ints([length])))
    return b.op("Slice", input, b.ints([start]), b.ints([end]), np.array([dim % input.ndim], np.int64))


def select(b: Builder, input: Ref, dim: int, index: Any) -> Any:
    at = b.op("Squeeze", index, np.array([0], np.int64)) if isinstance(index, Length) else np.array(index, np.int64)
    return b.op("Gather", input, at, axis=dim % input.ndim)


def index_select(b: Builder, input: Ref, dim: int, index: Ref) -> Any:
    rows = b.op("Unsqueeze", index, np.array([0], np.int64)) if index.ndim == 0 else index
    return b.op("Gather", input, rows, axis=dim)


def gather(b: Builder, input: Ref, dim: int, index: Ref) -> Any:
    return b.op("GatherElements", input, index, axis=dim)


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


def flip(b: Builder, input: Ref, *dims: Any, **named: Any) -> Any:
    axes = np.array([d % input.ndim for d in _sizes(dims, named)], np.int64)
    return b.op(
        "Slice", input, np.full(len(axes), -1), np.full(len(axes), np.iinfo(np.int64).min), axes, np.full(len(axes), -1)
    )


def roll(b: Builder, input: Ref, shifts: Any, dims: Any = None) -> Any:
    if dims is None:
        raise Unsupported("without dims")
    x: Any = input
    for shift, dim in zip(np.atleast_1d(shifts).tolist(), np.atleast_1d(dims).tolist()):
        size = input.shape[dim]
        if size is None:
            raise Unsupported("along a dimension whose size depends on the input")
        axis, shift = np.array([dim % input.ndim], np.int64), shift % size if size else 0
        parts = [b.op("Slice", x, np.array([s]), np.array([e]), axis) for s, e in ((-shift, END), (0, -shift))]
        x = b.op("Concat", *parts, axis=dim % input.ndim) if shift else x
    return x


def triangle(upper: int) -> Callable:
    def emit(b: Builder, input: Ref, diagonal: int = 0) -> Any:
        if input.dtype == bool:  # which runtimes do not have it for
            return b.cast(b.op("Trilu", b.cast(input, np.int64), np.array(diagonal, np.int64), upper=upper), bool)
        return b.op("Trilu", input, np.array(diagonal, np.int64), upper=upper)

    return emit


# ---- made from nothing ----


def filled(value: float) -> Callable:
    """zeros, ones: sizes that may depend on the input."""
    return lambda b, *size, **options: b.op("Expand", b.number(value), b.ints(_sizes(size)))


def filled_new(value: float) -> Callable:
    """x.new_zeros"""
    return lambda b, input, *size, **options: b.op("Expand", b.number(value), b.ints(_sizes(size)))


def full(b: Builder, size: Any, fill_value: Any, **options: Any) -> Any:
    return b.op("Expand", b.operand(fill_value, b.out.dtype), b.ints(_sizes((size,))))


def new_full(b: Builder, input: Ref, size: Any, fill_value: Any, **options: Any) -> Any:
    return full(b, size, fill_value)


def filled_like(value: float) -> Callable:
    return lambda b, input, **options: b.op("Expand", b.number(value), b.op("Shape", input))


def full_like(b: Builder, input: Ref, fill_value: Any, **options: Any) -> Any:
    return b.op("Expand", b.operand(fill_value, b.out.dtype), b.op("Shape", input))


def tensor(b: Builder, data: Any, **options: Any) -> Any:
    """Numbers and sizes as a tensor."""
    if isinstance(data, Length):
        return b.operand(data, b.out.dtype)
    if isinstance(data, (tuple, list)) and any(isinstance(n, Length) for n in data):
        return b.cast(b.ints(data), b.out.dtype)
    if isinstance(data, Ref):
        return b.cast(data, b.out.dtype)
    return np.array(data, b.out.dtype)


def arange(b: Builder, start: Any = None, end: Any = None, step: Any = 1, **options: Any) -> Any:
    if end is None:
        start, end = 0, start
    return b.op("Range", *(b.operand(x, b.out.dtype) for x in (0 if start is None else start, end, step)))


def one_hot(b: Builder, input: Ref, num_classes: int = -1) -> Any:
    if num_classes < 0:
        raise Unsupported("without num_classes, which would depend on the numbers")
    return b.op("OneHot", input, np.array([num_classes]), np.array([0, 1], np.int64), axis=-1)


# ---- edges ----


def pad(b: Builder, input: Ref, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    kinds = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    n = len(pad) // 2
    before, after = [0] * (input.ndim - n) + list(pad[::2])[::-1], [0] * (input.ndim - n) + list(pad[1::2])[::-1]
    if mode == "circular":
        return _wrapped(b, input, before, after)
    x: Any = input
    if mode == "replicate" and any(isinstance(p, int) and p < 0 for p in pad):
        raise Unsupported("a negative pad with mode 'replicate'")
    fill = b.number(value or 0) if mode == "constant" else None
    return b.op("Pad", x, b.ints(before + after), fill, mode=kinds[mode])


def _wrapped(b: Builder, input: Ref, before: list[int], after: list[int]) -> Any:
    x: Any = input
    for d, (p, q) in enumerate(zip(before, after)):
        axis = np.array([d], np.int64)
        middle = x if p >= 0 and q >= 0 else b.op("Slice", x, np.array([max(0, -p)]), np.array([END if q >= 0 else q]), axis)
        parts = [b.op("Slice", middle, np.array([-p]), np.array([END]), axis)] if p > 0 else []
        parts += [middle, *([b.op("Slice", middle, np.array([0]), np.array([q]), axis)] if q > 0 else [])]
        x = b.op("Concat", *parts, axis=d) if len(parts) > 1 else middle
    return x


# ---- channels ----


def pixel_shuffle(b: Builder, input: Ref, upscale_factor: int) -> Any:
    if input.ndim != 4:
        raise Unsupported("of an input that is not (N, C, H, W)")
    return b.op("DepthToSpace", input, blocksize=upscale_factor, mode="CRD")


def pixel_unshuffle(b: Builder, input: Ref, downscale_factor: int) -> Any:
    if input.ndim != 4:
        raise Unsupported("of an input that is not (N, C, H, W)")
    r = downscale_factor
    n, c, h, w = input.shape
    if None in (c, h, w):
        raise Unsupported("of planes whose size depends on the input")
    assert c is not None and h is not None and w is not None
    parts = b.reshape(input, [n, c, h // r, r, w // r, r])
    return b.reshape(b.op("Transpose", parts, perm=[0, 1, 3, 5, 2, 4]), [n, c * r * r, h // r, w // r])


def channel_shuffle(b: Builder, input: Ref, groups: int) -> Any:
    n, c, *rest = b.sizes(input)
    assert isinstance(c, int)
    parts = b.reshape(input, [n, groups, c // groups, *rest])
    return b.reshape(b.op("Transpose", parts, perm=[0, 2, 1, *range(3, 3 + len(rest))]), [n, c, *rest])


# ---- writing into a copy ----


def scatter(reduction: str = "none") -> Callable:
    """A copy of input with src at the places that index names along a dimension."""

    def emit(b: Builder, input: Ref, dim: int, index: Ref, src: Any = None, value: Any = None, reduce: Any = None) -> Any:
        src = value if src is None else src
        if input.ndim == 0:
            raise Unsupported("of a tensor without dimensions")
        if reduce is not None:
            raise Unsupported("with reduce")
        if not isinstance(src, Ref):
            src = b.op("Expand", b.operand(src, b.out.dtype), b.op("Shape", index))
        elif src.shape != index.shape or None in src.shape:
            shape = b.op("Shape", index)
            src = b.op("Slice", src, np.zeros(index.ndim, np.int64), shape)
        return b.op("ScatterElements", input, index, src, axis=dim, reduction=reduction)

    return emit


def repeat_interleave(b: Builder, input: Ref, repeats: Any, dim: int | None = None, **options: Any) -> Any:
    """Each row as often: a dimension of repeats behind it, and both as one."""
    if not isinstance(repeats, int) or dim is None or b.out.shape.count(None) > 1:
        raise Unsupported("but with a number of repeats and a dim")
    at = dim % input.ndim + 1
    apart = b.op("Unsqueeze", input, np.array([at], np.int64))
    times = [1] * (input.ndim + 1)
    times[at] = repeats
    return b.reshape(b.op("Tile", apart, np.array(times, np.int64)), b.out.shape)


def take(b: Builder, input: Ref, index: Ref) -> Any:
    return b.op("Gather", b.op("Reshape", input, np.array([-1], np.int64)), index)
