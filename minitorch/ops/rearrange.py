"""Ops that join, split and turn tensors around.

`cat` and `split` are each other's derivative, as are `stack` and `unbind`; `flip`, `roll` and `rot90` are undone by
themselves the other way round. The other functions here are made of those.
Read next: `repeat.py`, `index.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.layout import copied
from ..arrays.numbers import of_64_bits
from ..arrays.size import Size
from ..arrays.warning import warn_once
from ..op import Array, composite, op, register
from ..op.signature import Dims, Sizes, tensor_list
from .dims import as_ints, canonical_dim
from .shape import expand, unsqueeze, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor


# ---- joining ----


@op(out_dtype="cast", if_empty=ValueError, format_of="xs")
def cat(xp: Any, *xs: Array, dim: int = 0) -> Array:
    """The tensors one after the other along `dim`. Empty 1-d tensors are skipped, as ever in torch.

    >>> minitorch.cat([minitorch.zeros(1, 2), minitorch.ones(1, 2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    for i, x in enumerate(xs):
        if x.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated; use stack")
    kept = [x for x in xs if x.shape != (0,)] or list(xs[:1])
    dim, shape = canonical_dim(dim, kept[0].ndim), kept[0].shape
    for i, x in enumerate(kept):
        if x.ndim != len(shape):
            raise RuntimeError(f"Tensors must have same number of dimensions: got {len(shape)} and {x.ndim}")
        for d, (n, m) in enumerate(zip(shape, x.shape)):
            if n != m and d != dim:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {n} in dimension {d} but got "
                    f"size {m} for tensor number {i} in the list."
                )
    return xp.concatenate(kept, axis=dim)


@cat.grad
def cat_grad(g: Tensor, xs_shape: list[tuple], dim: int) -> list[Tensor]:
    """∂L/∂xₖ = the part of g that came from xₖ"""
    parts = split(g, [0 if shape == (0,) else shape[dim] for shape in xs_shape], dim)
    return [zeros(g, shape) if shape == (0,) else part for shape, part in zip(xs_shape, parts)]


register("concat", cat)
register("concatenate", cat)


@op(out_dtype="cast")
def stack(xp: Any, *xs: Array, dim: int = 0) -> Array:
    """The tensors, of one shape, side by side along a new dimension."""
    axis = canonical_dim(dim, xs[0].ndim + 1)
    for i, x in enumerate(xs):
        if x.shape != xs[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(xs[0].shape)} at entry 0 and {list(x.shape)} "
                f"at entry {i}"
            )
    return xp.stack(xs, axis=axis)


@stack.grad
def stack_grad(g: Tensor, dim: int) -> tuple[Tensor, ...]:
    """∂L/∂xₖ = g[k] along `dim`"""
    return unbind(g, dim)


@composite(out="cast")
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors beside each other: along dimension 1, or 0 for vectors."""
    tensors = [atleast_1d(x) for x in tensor_list("hstack", tensors)]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


@composite(out="cast")
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors below each other, vectors as rows."""
    return cat([atleast_2d(x) for x in tensor_list("vstack", tensors)], 0)


register("row_stack", vstack)


@composite(out="cast")
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors behind each other, along dimension 2."""
    return cat([atleast_3d(x) for x in tensor_list("dstack", tensors)], 2)


@composite(out="cast")
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors beside each other, vectors as columns."""
    return hstack([x.reshape((x.numel(), 1)) if x.ndim < 2 else x for x in tensor_list("column_stack", tensors)])


@composite
def atleast_1d(*tensors: Tensor) -> Any:
    """0-d tensors made 1-d; others as they are. One tensor gives one, several give a tuple."""
    return _each("atleast_1d", lambda x: x.reshape((1,)) if x.ndim == 0 else x, tensors)


@composite
def atleast_2d(*tensors: Tensor) -> Any:
    """Vectors made rows, 0-d tensors 1×1; others as they are."""
    return _each("atleast_2d", lambda x: x.reshape((1, 1)) if x.ndim == 0 else x.unsqueeze(0) if x.ndim == 1 else x, tensors)


@composite
def atleast_3d(*tensors: Tensor) -> Any:
    """As `atleast_2d`, and matrices get a last dimension of size 1."""
    return _each("atleast_3d", lambda x: x if x.ndim > 2 else unsqueeze(atleast_2d(x), -1), tensors)


def _each(name: str, change: Any, tensors: tuple) -> Any:
    if not tensors:
        return ()
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        return tuple(map(change, tensor_list(name, tensors[0]))) if tensors[0] else ()
    changed = tuple(map(change, tensor_list(name, tensors)))
    return changed[0] if len(changed) == 1 else changed


@composite
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Each tensor expanded to the shape they have together; one that has it comes back itself."""
    shape = broadcast_shapes(*(x.shape for x in tensor_list("broadcast_tensors", tensors))) if tensors else ()
    return tuple(x if x.shape == shape else expand(x, shape) for x in tensors)


@composite
def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that tensors of these shapes have together; RuntimeError if they have none."""
    try:
        sizes = [as_ints(s) for s in shapes]
    except TypeError:
        raise RuntimeError(
            f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {shapes}"
        ) from None
    if any(n < 0 for size in sizes for n in size):
        raise RuntimeError(f"Attempting to broadcast a dimension with negative length! Got {', '.join(map(str, sizes))}")
    out = [1] * max(map(len, sizes), default=0)
    for i, size in enumerate(sizes):
        for d, n in enumerate(reversed(size), start=1):
            if n not in (1, out[-d]) and out[-d] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {n} at -{d}! Mismatching argument at index {i} had {size}; but "
                    f"expected shape should be broadcastable to {out}"
                )
            out[-d] = n if out[-d] == 1 else out[-d]
    return Size(out)


@composite
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids from vectors: the k-th varies along dimension k only ("ij"); "xy" exchanges the first two dimensions."""
    vectors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    vectors = tensor_list("meshgrid", vectors)
    if any(v.dtype is not vectors[0].dtype for v in vectors):
        raise RuntimeError(
            f"meshgrid expects all tensors to have the same dtype, got {', '.join(repr(v.dtype) for v in vectors)}; convert "
            "with .to(dtype)"
        )
    if indexing not in ("ij", "xy", None):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if any(v.ndim > 1 for v in vectors):
        raise RuntimeError("meshgrid: Expected 0D or 1D tensor in the tensor list but got one with more dimensions")
    if indexing is None:
        warn_once("meshgrid: in an upcoming release, it will be required to pass the indexing argument.")
    swap = indexing == "xy" and len(vectors) > 1
    if swap:
        vectors = (vectors[1], vectors[0], *vectors[2:])
    sizes, n = [v.numel() for v in vectors], len(vectors)
    grids = [v.reshape((1,) * k + (-1,) + (1,) * (n - 1 - k)).expand(sizes) for k, v in enumerate(vectors)]
    if swap:
        grids[:2] = grids[1], grids[0]
    return tuple(grids)


# ---- splitting ----


def _split_form(split_size_or_sections: Any) -> str:
    return "SplitBackward0" if isinstance(split_size_or_sections, int) else "SplitWithSizesBackward0"


@op(promote=None, view=True, outputs=list, grad_fn=_split_form, named="x=tensor")
def split(xp: Any, x: Array, split_size_or_sections: Dims, dim: int = 0) -> list[Array]:
    """Views of the parts of x along `dim`: of one size each (the last may be smaller), or of the given sizes."""
    if x.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = canonical_dim(dim, x.ndim)
    ends = [0, *itertools.accumulate(_sections(x.shape[dim], split_size_or_sections))]
    before = (slice(None),) * dim
    return [x[(*before, slice(start, end))] for start, end in itertools.pairwise(ends)]


@split.grad
def split_grad(g: list, x_shape: tuple, split_size_or_sections: Any, dim: int) -> Tensor:
    """∂L/∂x = the gradients of the parts, joined"""
    dim = canonical_dim(dim, len(x_shape))
    sizes = _sections(x_shape[dim], split_size_or_sections)
    return cat(_with_zeros(g, [(*x_shape[:dim], n, *x_shape[dim + 1 :]) for n in sizes]), dim)


def _sections(n: int, wanted: Any) -> list[int]:
    """The sizes of the parts of a dimension of size n."""
    if isinstance(wanted, int):
        if of_64_bits(wanted) < 0:
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={wanted}")
        if wanted == 0 and n:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        return [min(wanted, n - start) for start in range(0, n, wanted)] if n else [n]
    sizes = as_ints(wanted)
    if sum(sizes) != n or any(s < 0 for s in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to be non-negative and to sum exactly to {n} (input tensor's size at "
            f"the split dimension), but got split_sizes={list(sizes)}"
        )
    return list(sizes)


def _with_zeros(grads: Sequence, shapes: Sequence) -> list[Tensor]:
    """Outputs nobody used have no gradient: zeros in their place."""
    some = next(g for g in grads if g is not None)
    return [zeros(some, shape) if g is None else g for g, shape in zip(grads, shapes)]


@composite
def split_with_sizes(input: Tensor, split_sizes: Sizes, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the parts of x along `dim`, of the given sizes."""
    return split(input, split_sizes, dim)


@composite
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal size along `dim`; the last may be smaller."""
    return split(input, _size_of_chunks(input, chunks, dim), dim)


def _size_of_chunks(x: Tensor, chunks: int, dim: int) -> Any:
    """What `split` takes to make so many."""
    if x.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if of_64_bits(chunks) <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = x.shape[canonical_dim(dim, x.ndim)]
    return -(-n // chunks) if n else [0] * chunks


# Parts that may each be written to: torch's "unsafe" ones lie on x's memory without being views of it; here they are copies.


@op(promote=None, outputs=list, takes_out=False, public=False, grad_fn=lambda sizes: "Unsafe" + _split_form(sizes))
def parts(xp: Any, x: Array, sizes: Dims, dim: int = 0) -> list[Array]:
    """Copies of the parts of x along `dim`."""
    return [part.copy() for part in split.forward(xp, x, sizes, dim)]


@parts.grad
def parts_grad(g: list, x_shape: tuple, sizes: Any, dim: int) -> Tensor:
    """∂L/∂x = the gradients of the parts, joined"""
    return split_grad(g, x_shape, sizes, dim)


@composite
def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split` into parts that may be written to in place: copies."""
    return parts(input, split_size, dim)


@composite
def unsafe_split_with_sizes(input: Tensor, split_sizes: Sizes, dim: int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes` into parts that may be written to in place: copies."""
    return parts(input, split_sizes, dim)


@composite
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk` into parts that may be written to in place: copies."""
    return parts(input, _size_of_chunks(input, chunks, dim), dim)


@composite
def tensor_split(
    input: Tensor,
    indices_or_sections: Dims | Tensor | np.ndarray | None = None,
    dim: int = 0,
    *,
    indices: Dims | Tensor | None = None,
    sections: int | None = None,
    tensor_indices_or_sections: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Views along `dim`: as many as `indices_or_sections` says, sizes differing by at most one, or cut at the indices.

    `indices`, `sections` and `tensor_indices_or_sections` are torch's other names for the same argument.
    """
    wanted = [w for w in (indices_or_sections, indices, sections, tensor_indices_or_sections) if w is not None]
    if len(wanted) != 1:
        raise TypeError(f"tensor_split(): expected one of indices_or_sections, indices and sections, got {len(wanted)}")
    if input.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = canonical_dim(dim, input.ndim)
    n, cuts = input.shape[dim], _cuts(wanted[0])
    if isinstance(cuts, int):
        if cuts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
        ends = [k * (n // cuts) + min(k, n % cuts) for k in range(of_64_bits(cuts) + 1)]
    else:
        ends = [0, *as_ints(cuts), n]
    before = (slice(None),) * dim
    return tuple(input[(*before, slice(start, end))] for start, end in itertools.pairwise(ends))


def _cuts(wanted: Any) -> Any:
    """An int or several, which may come as a tensor of int64."""
    if not hasattr(wanted, "_array"):
        return wanted.tolist() if isinstance(wanted, np.ndarray) else wanted
    if wanted.dtype.name != "int64":
        raise RuntimeError(
            f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {wanted.dtype!r}"
        )
    if wanted.ndim > 1:
        raise RuntimeError(
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a "
            f"tensor with {wanted.ndim} dims"
        )
    return wanted.tolist()


@op(promote=None, view=True, outputs=list)
def unbind(xp: Any, x: Array, dim: int = 0) -> list[Array]:
    """Views x[0], x[1], … along `dim`."""
    if x.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions; unbind needs at least one")
    dim = canonical_dim(dim, x.ndim)
    before = (slice(None),) * dim
    return [x[(*before, i, ...)] for i in range(x.shape[dim])]


@unbind.grad
def unbind_grad(g: list, x_shape: tuple, dim: int) -> Tensor:
    """∂L/∂x = the gradients, stacked"""
    dim = canonical_dim(dim, len(x_shape))
    return stack(_with_zeros(g, [x_shape[:dim] + x_shape[dim + 1 :]] * len(g)), dim)


# ---- turning ----


@op(promote=None, keeps_layout=True, takes_out=False)
def flip(xp: Any, x: Array, dims: Sizes) -> Array:
    """x backwards along `dims`: a copy, unlike NumPy's."""
    dims = tuple(canonical_dim(d, x.ndim) for d in as_ints(dims))
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"flip: a dim appears multiple times in the list of dims {list(dims)}")
    return copied(xp, x[tuple(slice(None, None, -1 if d in dims else 1) for d in range(x.ndim))], x)


@flip.grad
def flip_grad(g: Tensor, dims: Any) -> Tensor:
    """∂L/∂x = g backwards"""
    return flip(g, dims)


@composite
def fliplr(input: Tensor) -> Tensor:
    """x backwards along dimension 1."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, (1,))


@composite
def flipud(input: Tensor) -> Tensor:
    """x backwards along dimension 0."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, (0,))


@op(promote=None, takes_out=False, format_of="x")
def roll(xp: Any, x: Array, shifts: Dims, dims: Dims | None = None) -> Array:
    """x moved on by `shifts` along `dims`; what leaves at the end comes in at the start. Without dims, x is one row."""
    shifts, dims = as_ints(shifts), as_ints(() if dims is None else dims)
    if len(shifts) != (len(dims) or 1):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if not x.ndim and dims:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    if not x.ndim:
        return x.copy()
    return xp.roll(x, shifts, tuple(canonical_dim(d, x.ndim) for d in dims)) if dims else xp.roll(x, shifts[0])


@roll.grad
def roll_grad(g: Tensor, shifts: Any, dims: Any) -> Tensor:
    """∂L/∂x = g moved back"""
    return roll(g, [-s for s in as_ints(shifts)], dims)


@op(promote=None, keeps_layout=True, takes_out=False)
def rot90(xp: Any, x: Array, k: int = 1, dims: Sizes = (0, 1)) -> Array:
    """x turned k times by 90° from the first towards the second of `dims`."""
    dims = as_ints(dims)
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if x.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {x.ndim}")
    first, second = (canonical_dim(d, x.ndim) for d in dims)
    if first == second:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    if k % 4 == 0:
        return xp.ascontiguousarray(x.copy())
    return copied(xp, xp.rot90(x, k, (first, second)), x.swapaxes(first, second) if k % 2 else x)


@rot90.grad
def rot90_grad(g: Tensor, k: int, dims: Any) -> Tensor:
    """∂L/∂x = g turned back"""
    return rot90(g, -k, dims)
