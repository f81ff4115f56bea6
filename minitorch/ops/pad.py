"""Padding: more elements around a tensor, of one value or taken from inside it; negative sizes cut off.

`pad` is (before, after) of the last dimension, then of the one before it, and so on. What stands where is told for one dimension by
`_sources`, the index of the element that each place shows; the derivative adds up over the places that show the same. Read next:
`sort.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.device import as_table
from ..arrays.layout import contiguous_format, copied, empty, laid_out_in, suggested
from ..arrays.numbers import fitting
from ..op import Array, op
from ..op.signature import Number, Sizes
from .dims import as_ints
from .index import add_slices

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(promote=None, keeps_layout=True)
def constant_pad_nd(xp: Any, x: Array, pad: Sizes, value: Number = 0) -> Array:
    """`value` around x

    >>> minitorch.constant_pad_nd(minitorch.tensor([[1, 2]]), (1, 0, 0, 1))
    tensor([[0, 1, 2],
            [0, 0, 0]])
    """
    around, shape = _around(x.shape, pad), _padded_shape(x.shape, pad)
    # A negative size cuts x, a positive one moves it.
    kept = x[tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(x.shape, around))]
    if all(n <= 0 for n in pad):
        return copied(xp, kept)  # nothing is added: it lies in memory as x does
    inner = tuple(slice(max(before, 0), n - max(after, 0)) for n, (before, after) in zip(shape, around))
    out = empty(xp, shape, x.dtype, suggested(x))
    out[...] = fitting(value, x.dtype)
    out[inner] = kept
    return out


@constant_pad_nd.grad
def constant_pad_nd_grad(g: Tensor, pad: Any) -> Tensor:
    """∂L/∂x = g without what was added, and 0 where x was cut"""
    return constant_pad_nd(g, tuple(-n for n in pad))


def _pad_name(mode: str, pad: Any) -> str:
    return "CopySlices" if mode == "circular" else f"{MODES[mode]}Pad{len(pad) // 2}DBackward0"


@op(name="pad", promote=None, public=False, keeps_layout=True, grad_fn=_pad_name)
def pad_from_inside(xp: Any, x: Array, pad: Sizes, mode: str) -> Array:
    """x, and around it what it holds: mirrored at its ends ("reflect"), its end again ("replicate"), or its other end ("circular")"""
    _refuse(x.shape, pad, mode)
    if x.dtype == "bool" and mode != "circular":
        raise NotImplementedError(f"pad: mode \"{mode}\" not implemented for 'Bool'; convert the input first, e.g. x.int()")
    out = x
    for axis, sources in _sources(x.shape, pad, mode):
        out = out.take(as_table(xp, sources), axis)
    return laid_out_in(xp, x.copy() if out is x else out, contiguous_format if mode == "circular" else suggested(x))


@pad_from_inside.grad
def pad_from_inside_grad(g: Tensor, x_shape: tuple, pad: Any, mode: str) -> Tensor:
    """∂L/∂x = Σ g over the places that show the same element"""
    return fold_back(g, x_shape, pad, mode)


@op(promote=None, public=False)
def fold_back(xp: Any, x: Array, shape: tuple, pad: Sizes, mode: str) -> Array:
    """Each element added to the one it was taken from, in a tensor of that shape."""
    for axis, sources in _sources(shape, pad, mode):
        out = xp.zeros((*x.shape[:axis], shape[axis], *x.shape[axis + 1 :]), x.dtype)
        add_slices(xp, out, axis, as_table(xp, sources), x)
        x = out
    return x


@fold_back.grad
def fold_back_grad(g: Tensor, pad: Any, mode: str) -> Tensor:
    """∂L/∂x = g at the element it was added to"""
    return pad_from_inside(g, pad, mode)


MODES = {"reflect": "Reflection", "replicate": "Replication", "circular": "Circular"}


def _around(shape: tuple, pad: Any) -> list[tuple[int, int]]:
    """(before, after) of each dimension, the first first."""
    pad = as_ints(pad)
    if len(pad) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, got {list(pad)}")
    if len(pad) > 2 * len(shape):
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length {len(pad)} "
            f"and input of dimension {len(shape)}"
        )
    return [(0, 0)] * (len(shape) - len(pad) // 2) + list(zip(pad[0::2], pad[1::2]))[::-1]


def _padded_shape(shape: tuple, pad: Any) -> tuple[int, ...]:
    around = _around(shape, pad)
    if any(n + min(before, 0) + min(after, 0) < 0 for n, (before, after) in zip(shape, around)):
        raise RuntimeError(f"pad cuts more than there is of a dimension of {list(shape)}, with pad {list(pad)}")
    return tuple(n + before + after for n, (before, after) in zip(shape, around))


def _sources(shape: tuple, pad: Any, mode: str) -> list[tuple[int, np.ndarray]]:
    """For each dimension that is padded: which element stands at each place."""
    found = []
    for axis, (n, (before, after)) in enumerate(zip(shape, _around(shape, pad))):
        places = np.arange(-before, n + after)
        if mode == "replicate":
            places = places.clip(0, n - 1)
        elif mode == "reflect":
            places = np.where(abs(places) < n, abs(places), 2 * (n - 1) - places)
        else:  # round and round what is left of x
            first, left = max(-before, 0), n + min(before, 0) + min(after, 0)
            places = first + (places - first) % max(left, 1)
        if before or after:
            found.append((axis, places))
    return found


def _refuse(shape: tuple, pad: Any, mode: str) -> None:
    """Refuse what torch refuses: other modes, more or fewer dimensions than an image has, padding from what is not there."""
    if mode not in MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}; there are constant, {', '.join(MODES)}")
    around, n = _around(shape, pad), len(pad) // 2
    if n not in (1, 2, 3) or len(shape) not in (n + 1, n + 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {len(shape)}D input tensor: {mode} pads the last n of n + 1 or n + 2 "
            "dimensions, n up to 3, with pad of length 2n"
        )
    sizes = _padded_shape(shape, pad)
    if mode == "circular":
        if any(before > size or after > size for size, (before, after) in zip(shape, around)):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        left = [size + min(before, 0) + min(after, 0) for size, (before, after) in zip(shape, around)]
        if any(n == 0 < max(ends) for n, ends in zip(left, around)):
            raise RuntimeError(
                f"pad: nothing is left of a dimension of {list(shape)} to be put around it, with pad {list(pad)}"
            )
        return
    if 0 in shape[-n - 1 :] if len(shape) == n + 2 else 0 in shape:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(shape)}"
        )
    if mode == "reflect" and any(max(ends) >= size for size, ends in zip(shape, around) if ends != (0, 0)):
        raise RuntimeError(
            f"Padding size should be less than the corresponding input dimension, but got: padding {list(pad)} of {list(shape)}"
        )
    if 0 in sizes[-n:]:
        raise RuntimeError(f"input {list(shape)} is too small. Calculated output: {list(sizes)}")
