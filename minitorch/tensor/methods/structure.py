"""The methods of Tensor: shape, indexing, sorting, reductions and matrix products. Each is one line that names its op.

Go to definition on the right-hand side to read the op, with its derivative beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arrays import dtypes
from ...arrays.layout import contiguous_format, memory_format
from ...op.signature import checked
from ...ops import diagonals, einsum, extremes, masked, matmul, norms, rearrange, reduce, scan, scatter_reduce, sort, strided
from ...ops import gather as gathering
from ...ops import index as indexing
from ...ops import repeat as repeating
from ...ops import shape as shaping

if TYPE_CHECKING:
    from ..tensor import Tensor


class Structure:
    """Shape, indexing, sorting, reductions and matrix products."""

    shape: Any
    _bits_as: Callable[[dtypes.dtype], Tensor]

    # ---- reductions and scans ----

    def sum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return reduce.sum_(self, dim, keepdim, dtype=dtype)

    def nansum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return reduce.nansum(self, dim, keepdim, dtype=dtype)

    def mean(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return reduce.mean(self, dim, keepdim, dtype=dtype)

    def nanmean(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return reduce.nanmean(self, dim, keepdim, dtype=dtype)

    def prod(self, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return reduce.prod(self, dim, keepdim, dtype=dtype)

    def var(self, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None) -> Tensor:
        return reduce.var(self, dim, unbiased, keepdim, correction=correction)

    def std(self, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None) -> Tensor:
        return reduce.std(self, dim, unbiased, keepdim, correction=correction)

    def amax(self, dim: Any = (), keepdim: bool = False) -> Tensor:
        return extremes.amax(self, dim, keepdim)

    def amin(self, dim: Any = (), keepdim: bool = False) -> Tensor:
        return extremes.amin(self, dim, keepdim)

    def max(self, dim: Any = None, keepdim: bool = False) -> Any:
        return extremes.max_(self, dim, keepdim)

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        return extremes.min_(self, dim, keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        return extremes.argmax(self, dim, keepdim)

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        return extremes.argmin(self, dim, keepdim)

    def aminmax(self, *, dim: int | None = None, keepdim: bool = False) -> Any:
        return extremes.aminmax(self, dim=dim, keepdim=keepdim)

    def norm(self, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
        return norms.norm(self, p, dim, keepdim, dtype=dtype)

    def logsumexp(self, dim: Any, keepdim: bool = False) -> Tensor:
        return reduce.logsumexp(self, dim, keepdim)

    def cumsum(self, dim: int, *, dtype: Any = None) -> Tensor:
        return scan.cumsum(self, dim, dtype=dtype)

    def cumprod(self, dim: int, *, dtype: Any = None) -> Tensor:
        return scan.cumprod(self, dim, dtype=dtype)

    def logcumsumexp(self, dim: int) -> Tensor:
        return scan.logcumsumexp(self, dim)

    def cummax(self, dim: int) -> Any:
        return scan.cummax(self, dim)

    def cummin(self, dim: int) -> Any:
        return scan.cummin(self, dim)

    def all(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        return reduce.all_(self, dim, keepdim)

    def any(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        return reduce.any_(self, dim, keepdim)

    def count_nonzero(self, dim: Any = None) -> Tensor:
        return reduce.count_nonzero(self, dim)

    def dist(self, other: Tensor, p: Any = 2) -> Tensor:
        return norms.dist(self, other, p)

    # ---- shape ----

    def reshape(self, *shape: Any, **named: Any) -> Tensor:
        return shaping.reshape(self, spread("reshape", "shape", shape, named))

    def view(self, *shape: Any, **named: Any) -> Tensor:
        dtype = shape[0] if len(shape) == 1 and not named else named.get("dtype") if not shape else None
        if isinstance(dtype, (dtypes.dtype, type)):
            return self._bits_as(dtypes.as_dtype(dtype))
        return shaping.view(self, spread("view", "size", shape, named))

    @checked
    def reshape_as(self, other: Tensor) -> Tensor:
        return shaping.reshape(self, other.shape)

    @checked
    def view_as(self, other: Tensor) -> Tensor:
        return shaping.view(self, other.shape)

    def ravel(self) -> Tensor:
        return shaping.ravel(self)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        return shaping.flatten(self, start_dim, end_dim)

    def unflatten(self, dim: int, sizes: Any) -> Tensor:
        return shaping.unflatten(self, dim, sizes)

    def permute(self, *dims: Any, **named: Any) -> Tensor:
        return shaping.permute(self, spread("permute", "dims", dims, named))

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        return shaping.transpose(self, dim0, dim1)

    swapdims = transpose

    def swapaxes(self, axis0: int, axis1: int) -> Tensor:
        return shaping.transpose(self, axis0, axis1)

    def t(self) -> Tensor:
        return shaping.t(self)

    @property
    def T(self) -> Tensor:
        return shaping.T(self)

    @property
    def mT(self) -> Tensor:
        return shaping.mT(self)

    @property
    def H(self) -> Tensor:
        return shaping.H(self)

    @property
    def mH(self) -> Tensor:
        return shaping.mH(self)

    def adjoint(self) -> Tensor:
        return shaping.adjoint(self)

    def squeeze(self, dim: Any = None) -> Tensor:
        return shaping.squeeze(self, dim)

    def unsqueeze(self, dim: int) -> Tensor:
        return shaping.unsqueeze(self, dim)

    def expand(self, *sizes: Any, **named: Any) -> Tensor:
        return shaping.expand(self, spread("expand", "size", sizes, named))

    @checked
    def expand_as(self, other: Tensor) -> Tensor:
        return shaping.expand(self, other.shape)

    def broadcast_to(self, *size: Any, **named: Any) -> Tensor:
        return shaping.expand(self, spread("broadcast_to", "size", size, named))

    def flip(self, *dims: Any, **named: Any) -> Tensor:
        return rearrange.flip(self, spread("flip", "dims", dims, named))

    def fliplr(self) -> Tensor:
        return rearrange.fliplr(self)

    def flipud(self) -> Tensor:
        return rearrange.flipud(self)

    def roll(self, shifts: Any, dims: Any = None) -> Tensor:
        return rearrange.roll(self, shifts, dims)

    def rot90(self, k: int = 1, dims: Any = (0, 1)) -> Tensor:
        return rearrange.rot90(self, k, dims)

    def repeat(self, *repeats: Any, **named: Any) -> Tensor:
        return repeating.repeat(self, spread("repeat", "repeats", repeats, named))

    def repeat_interleave(self, repeats: Any, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
        return repeating.repeat_interleave(self, repeats, dim, output_size=output_size)

    def tile(self, *dims: Any, **named: Any) -> Tensor:
        return repeating.tile(self, spread("tile", "dims", dims, named))

    def movedim(self, source: Any, destination: Any) -> Tensor:
        return shaping.movedim(self, source, destination)

    moveaxis = movedim

    def narrow(self, dim: int, start: int, length: int) -> Tensor:
        return indexing.narrow(self, dim, start, length)

    def as_strided(self, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
        return strided.as_strided(self, size, stride, storage_offset)

    def unfold(self, dimension: int, size: int, step: int) -> Tensor:
        return strided.unfold(self, dimension, size, step)

    def select(self, dim: int, index: int) -> Tensor:
        return indexing.select(self, dim, index)

    def split(self, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
        return rearrange.split(self, split_size, dim)

    def split_with_sizes(self, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
        return rearrange.split_with_sizes(self, split_sizes, dim)

    def unsafe_split(self, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
        return rearrange.unsafe_split(self, split_size, dim)

    def unsafe_split_with_sizes(self, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
        return rearrange.unsafe_split_with_sizes(self, split_sizes, dim)

    def unsafe_chunk(self, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        return rearrange.unsafe_chunk(self, chunks, dim)

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        return rearrange.chunk(self, chunks, dim)

    def tensor_split(self, indices_or_sections: Any = None, dim: int = 0, **named: Any) -> tuple[Tensor, ...]:
        return rearrange.tensor_split(self, indices_or_sections, dim, **named)

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        return rearrange.unbind(self, dim)

    def tril(self, diagonal: int = 0) -> Tensor:
        return diagonals.tril(self, diagonal)

    def triu(self, diagonal: int = 0) -> Tensor:
        return diagonals.triu(self, diagonal)

    def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
        return diagonals.diagonal(self, offset, dim1, dim2)

    def diag(self, diagonal: int = 0) -> Tensor:
        return diagonals.diag(self, diagonal)

    def diag_embed(self, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
        return diagonals.diag_embed(self, offset, dim1, dim2)

    def trace(self) -> Tensor:
        return diagonals.trace(self)

    def contiguous(self, *, memory_format: memory_format = contiguous_format) -> Tensor:
        return shaping.contiguous(self, memory_format=memory_format)

    # ---- indexing and sorting ----

    def gather(self, dim: int, index: Tensor) -> Tensor:
        return gathering.gather(self, dim, index)

    def scatter(self, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Tensor:
        return gathering.scatter(self, dim, index, src, value=value, reduce=reduce)

    def scatter_add(self, dim: int, index: Tensor, src: Tensor) -> Tensor:
        return gathering.scatter_add(self, dim, index, src)

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        return gathering.index_select(self, dim, index)

    def index_add(self, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
        return gathering.index_add(self, dim, index, source, alpha=alpha)

    def index_copy(self, dim: int, index: Tensor, source: Tensor) -> Tensor:
        return gathering.index_copy(self, dim, index, source)

    def scatter_reduce(self, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
        return scatter_reduce.scatter_reduce(self, dim, index, src, reduce, include_self=include_self)

    def index_reduce(self, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
        return scatter_reduce.index_reduce(self, dim, index, source, reduce, include_self=include_self)

    def index_fill(self, dim: int, index: Tensor, value: Any) -> Tensor:
        return gathering.index_fill(self, dim, index, value)

    def index_put(self, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
        return indexing.index_put(self, indices, values, accumulate)

    def masked_fill(self, mask: Tensor, value: Any) -> Tensor:
        return masked.masked_fill(self, mask, value)

    def masked_select(self, mask: Tensor) -> Tensor:
        return masked.masked_select(self, mask)

    def take(self, index: Tensor) -> Tensor:
        return masked.take(self, index)

    def put(self, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
        return masked.put(self, index, source, accumulate)

    def masked_scatter(self, mask: Tensor, source: Tensor) -> Tensor:
        return masked.masked_scatter(self, mask, source)

    def take_along_dim(self, indices: Tensor, dim: int | None = None) -> Tensor:
        return gathering.take_along_dim(self, indices, dim)

    def nonzero(self, *, as_tuple: bool = False) -> Any:
        return masked.nonzero(self, as_tuple=as_tuple)

    def argwhere(self) -> Tensor:
        return masked.argwhere(self)

    def bincount(self, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
        return masked.bincount(self, weights, minlength)

    def sort(self, dim: int = -1, descending: bool = False, *, stable: bool | None = False) -> Any:
        return sort.sort(self, dim, descending, stable=stable)

    def argsort(self, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
        return sort.argsort(self, dim, descending, stable=stable)

    def topk(self, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
        return sort.topk(self, k, dim, largest, sorted)

    def msort(self) -> Tensor:
        return sort.msort(self)

    def kthvalue(self, k: int, dim: int = -1, keepdim: bool = False) -> Any:
        return sort.kthvalue(self, k, dim, keepdim)

    def median(self, dim: int | None = None, keepdim: bool = False) -> Any:
        return sort.median(self, dim, keepdim)

    # ---- matrices ----

    def matmul(self, other: Tensor) -> Tensor:
        return matmul.matmul(self, other)

    def mm(self, mat2: Tensor) -> Tensor:
        return matmul.mm(self, mat2)

    def bmm(self, mat2: Tensor) -> Tensor:
        return matmul.bmm(self, mat2)

    def mv(self, vec: Tensor) -> Tensor:
        return matmul.mv(self, vec)

    def dot(self, tensor: Tensor) -> Tensor:
        return matmul.dot(self, tensor)

    def outer(self, vec2: Tensor) -> Tensor:
        return matmul.outer(self, vec2)

    def inner(self, other: Tensor) -> Tensor:
        return einsum.inner(self, other)

    def vdot(self, other: Tensor) -> Tensor:
        return matmul.vdot(self, other)

    def ger(self, vec2: Tensor) -> Tensor:
        return matmul.ger(self, vec2)

    def kron(self, other: Tensor) -> Tensor:
        return matmul.kron(self, other)

    def addmv(self, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return matmul.addmv(self, mat, vec, beta=beta, alpha=alpha)

    def addr(self, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return matmul.addr(self, vec1, vec2, beta=beta, alpha=alpha)

    def addbmm(self, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return matmul.addbmm(self, batch1, batch2, beta=beta, alpha=alpha)

    def addmm(self, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return matmul.addmm(self, mat1, mat2, beta=beta, alpha=alpha)

    def baddbmm(self, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return matmul.baddbmm(self, batch1, batch2, beta=beta, alpha=alpha)


def spread(method: str, parameter: str, values: tuple, named: dict[str, Any]) -> Any:
    """`x.permute(0, 1)`, `x.permute((0, 1))` and `x.permute(dims=(0, 1))` mean the same."""
    if named:
        if list(named) != [parameter] or values:
            raise TypeError(f"{method}() takes {parameter} alone, once, got {len(values)} values and {', '.join(named)}")
        return named[parameter]
    if not values:
        raise TypeError(f"{method}() missing required argument '{parameter}'")
    return values[0] if len(values) == 1 and not isinstance(values[0], (int, np.integer)) else values
