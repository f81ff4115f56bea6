"""Sorting and selecting: `sort`, `argsort`, `topk`, `kthvalue`, `median`.

All are a choice of indices; the derivative sends each gradient back to where its element came from. nan counts as the
largest. Where equal elements may be in any order, they are in torch's: `ties.py`. Read next: `matmul.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.device import on_host
from ..arrays.layout import copied
from ..op import Array, composite, op
from . import ties
from .dims import canonical_dim
from .extremes import shared_by_all, to_chosen

if TYPE_CHECKING:
    from ..tensor import Tensor

LONG = 32768  # so many integers in one row torch sorts by their digits, which keeps equal ones in their order


def sorting_order(xp: Any, x: Array, axis: int, descending: bool) -> Array:
    """The stable order along `axis`; descending keeps equal elements in their first order too."""
    if not descending:
        return xp.argsort(x, axis=axis, kind="stable")
    flipped = xp.argsort(xp.flip(x, axis), axis=axis, kind="stable")
    return xp.flip(x.shape[axis] - 1 - flipped, axis)


def with_ties(xp: Any, x: Array, axis: int, order: Array, arrange: Callable, every_row: bool = False) -> Array:
    """The order along `axis`, rows with equal elements as torch's algorithm leaves them: `arrange` of their ranks (see `ties`)."""
    if not on_host(xp):  # torch's kernels for a GPU go otherwise
        return order
    rows, values = order.swapaxes(axis, -1), np.take_along_axis(x, order, axis).swapaxes(axis, -1)
    before, after = values[..., :-1], values[..., 1:]
    larger = (before != after) & ((before == before) | (after == after))  # nan is equal to nan here
    ranks = np.concatenate([np.zeros((*larger.shape[:-1], 1), "int64"), larger.cumsum(-1)], -1)
    for row in np.ndindex(rows.shape[:-1]):
        if every_row or not larger[row].all():
            by_place = np.empty_like(ranks[row])
            by_place[rows[row]] = ranks[row]
            found = arrange(by_place.tolist())
            rows[row][: len(found)] = found
    return order


@op(name="sort", outputs=("values", "indices"), in_float32=True, keeps_layout=True, by_keyword="stable")
def sort(xp: Any, x: Array, dim: int = -1, descending: bool = False, stable: bool | None = False) -> tuple[Array, Array]:
    """x in order along `dim`, and the indices that put it so; if stable, equal elements keep their order."""
    axis = canonical_dim(dim, x.ndim)
    if not x.ndim:
        return x.copy(), xp.zeros((), "int64")
    indices = sorting_order(xp, x, axis, descending)
    by_digits = x.ndim == 1 and x.size >= LONG and x.dtype.kind in "iu" and not descending
    expanded = x.strides[axis] == 0  # torch looks no further
    if not (stable or by_digits or expanded) and x.shape[axis] > ties.SMALL:
        indices = with_ties(xp, x, axis, indices, ties.as_std_sort)
    return copied(xp, xp.take_along_axis(x, indices, axis), x), copied(xp, indices, x)


@sort.grad
def sort_grad(g: Tensor, x_shape: tuple, indices: Tensor, dim: int) -> Tensor:
    """∂L/∂x = g, each element back in its place"""
    return to_chosen(g, x_shape, indices, dim, True)


@composite(out=True)
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """The indices that put x in order along `dim`."""
    return sort(input.detach(), dim, descending, stable=stable)[1]


@composite(out=True)
def msort(input: Tensor) -> Tensor:
    """x in order along dimension 0."""
    return sort(input, 0)[0]


@op(outputs=("values", "indices"), only="numbers", refusal=RuntimeError, in_float32=True)
def topk(xp: Any, x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Array, Array]:
    """The k largest (or smallest) along `dim`, in order, and their indices."""
    axis = canonical_dim(dim, x.ndim)
    size = x.shape[axis] if x.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"selected index k out of range: k must lie in [0, {size}], got {k}")
    if not x.ndim:
        return x.copy(), xp.zeros((), "int64")
    indices = sorting_order(xp, x, axis, largest)
    if k:
        indices = with_ties(xp, x, axis, indices, lambda ranks: ties.as_topk(ranks, k, sorted), every_row=not sorted)
    indices = indices[(slice(None),) * axis + (slice(k),)].copy()  # (which may have been backwards)
    return xp.take_along_axis(x, indices, axis), indices


@topk.grad
def topk_grad(g: Tensor, x_shape: tuple, indices: Tensor, dim: int) -> Tensor:
    """∂L/∂x = g at the chosen elements, 0 elsewhere"""
    return to_chosen(g, x_shape, indices, dim, True)


@op(outputs=("values", "indices"), in_float32=True)
def kthvalue(xp: Any, x: Array, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The k-th smallest along `dim` (counted from 1), and its index."""
    n = not_empty("kthvalue", x, dim)
    if x.dtype == bool and x.ndim:
        raise NotImplementedError("\"kthvalue\" not implemented for 'Bool'; convert the input first, e.g. x.int()")
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}, got {k} of {n}")
    return at_place(xp, x, xp.asarray(k - 1), dim, keepdim, lambda ranks: ties.as_quick_select(ranks, k - 1))


kthvalue.grad(to_chosen)


def not_empty(name: str, x: Array, dim: int) -> int:
    """The size of `dim`; IndexError if there is nothing to choose from."""
    axis = canonical_dim(dim, x.ndim)
    n = x.shape[axis] if x.ndim else 1
    if n == 0:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
    return n


def at_place(
    xp: Any, x: Array, place: Array, dim: int, keepdim: bool, arrange: Callable | None = None
) -> tuple[Array, Array]:
    """What stands at `place` once x is sorted along `dim`, and its index; `place` broadcasts over the other dimensions."""
    axis = canonical_dim(dim, x.ndim)
    if not x.ndim:
        return x.copy(), xp.zeros((), "int64")
    one_each = tuple(1 if d == axis else n for d, n in enumerate(x.shape))
    order = sorting_order(xp, x, axis, False)
    if arrange is not None:
        order = with_ties(xp, x, axis, order, arrange)
    indices = xp.take_along_axis(order, xp.broadcast_to(place, one_each), axis)
    values = xp.take_along_axis(x, indices, axis)
    return (values, indices) if keepdim else (values.squeeze(axis), indices.squeeze(axis))


@op(name="median", outputs=("values", "indices"), public=False, grad_fn="MedianBackward1", in_float32=True)
def median_along(xp: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """The lower of the two middle elements along `dim`, and its index; the first nan if there is one."""
    n, axis = not_empty("median", x, dim), canonical_dim(dim, x.ndim)
    no_bools("median", x)
    nans = (x != x).sum(axis, keepdims=True) if x.ndim else xp.asarray(0)
    return at_place(xp, x, xp.where(nans > 0, n - nans, (n - 1) // 2), dim, keepdim)


def no_bools(name: str, x: Array) -> None:
    """NotImplementedError for an array of bools."""
    if x.dtype == bool:
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'; convert the input first, e.g. x.float()")


median_along.grad(to_chosen)


@op(name="median", public=False, in_float32=True)
def median_all(xp: Any, x: Array) -> Array:
    """The lower of the two middle elements; nan if there is one."""
    flat = xp.sort(x.reshape(-1))
    if not flat.size:
        return xp.full((), float("nan"), x.dtype)
    no_bools("median", x)
    return xp.where(flat[-1] != flat[-1], flat[-1], flat[(flat.size - 1) // 2])  # nan is the last, and not itself


median_all.grad(shared_by_all)


@composite(out=True)
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower of the two middle elements, of all or along `dim` (with its index)."""
    if dim is None:
        return median_all(input)
    return median_along(input, dim, keepdim)
