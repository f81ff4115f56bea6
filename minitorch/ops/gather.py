"""Reading and writing by index along one dimension: `gather`, `scatter`, `index_select`, `index_add`, and `embedding`.

`gather` reads one element per index, `index_select` one slice; each has its partner that adds there, and the two are each
other's derivative. Indices are checked here, because a GPU would wrap them silently. Read next: `masked.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.device import as_array, as_number, combine_at
from ..arrays.device import scatter_add as add_at
from ..arrays.layout import copied
from ..arrays.numbers import fitting
from ..op import Array, Index, Operand, composite, op
from ..op.signature import Number
from .dims import canonical_dim
from .elementwise import where
from .index import add_slices, check_bounds, holds_within, placed
from .shape import reshape, unsqueeze, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor


# ---- one element per index ----


@op(promote=None)
def gather(xp: Any, x: Array, dim: int, index: Index) -> Array:
    """out[i][j] = x[index[i][j]][j] for dim = 0, and so on: one element of x per element of index.

    >>> minitorch.tensor([[1, 2], [3, 4]]).gather(1, minitorch.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    key = places_of(xp, "gather", x, dim, index)
    return at_least_1d(x)[key].reshape(index.shape)


@gather.grad
def gather_grad(g: Tensor, x_shape: tuple, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = zeros with g added at the indices"""
    return scatter_add(zeros(g, x_shape), dim, index, g)


@op(promote=None)
def scatter_add(xp: Any, x: Array, dim: int, index: Index, src: Array) -> Array:
    """x with src[i][j] added at x[index[i][j]][j] for dim = 0, and so on; repeated indices add up."""
    key, out = places_of(xp, "scatter_add", x, dim, index, src), x.copy()
    if not index.size:
        return out
    add_at(xp, at_least_1d(out), key, corner(src, index))
    return out


@scatter_add.grad("x")
def scatter_add_grad_x(g: Tensor) -> Tensor:
    """∂L/∂x = g"""
    return g


@scatter_add.grad("src")
def scatter_add_grad_src(g: Tensor, dim: int, index: Tensor, src_shape: tuple) -> Tensor:
    """∂L/∂src = g at the indices"""
    return back_to_corner(gather(g, dim, index), src_shape)


@composite(out=True)
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | float | None = None,
    *,
    value: float | None = None,
    reduce: str | None = None,
) -> Tensor:
    """x with src[i][j] (or a number) put at x[index[i][j]][j] for dim = 0, and so on; or added or multiplied there.

    reduce: None, "add" or "multiply".

    Where indices repeat, which of the values stays is not defined; the derivative assumes they do not.
    """
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter() missing required argument 'src' (a Tensor) or 'value' (a number)")
    if not hasattr(src, "_array"):
        src = input.new_full((), src).expand(index.shape)
    if reduce not in SCATTERING:
        raise RuntimeError(f'scatter(): reduce argument must be "add" or "multiply", got {reduce!r}')
    return SCATTERING[reduce](input, dim, index, src)


@op(name="scatter", promote=None, public=False)
def scattered(xp: Any, x: Array, dim: int, index: Index, src: Array) -> Array:
    """x with src put at the indices."""
    key, out = places_of(xp, "scatter", x, dim, index, src), x.copy()
    if index.size:
        at_least_1d(out)[key] = corner(src, index)
    return out


@scattered.grad("x")
def scattered_grad_x(g: Tensor, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = g, 0 where something was put"""
    return scattered(g, dim, index, zeros(g, index.shape))


@scattered.grad("src")
def scattered_grad_src(g: Tensor, dim: int, index: Tensor, src_shape: tuple) -> Tensor:
    """∂L/∂src = g at the indices"""
    return back_to_corner(gather(g, dim, index), src_shape)


@op(name="scatter", promote=None, public=False)
def scatter_multiply(xp: Any, x: Array, dim: int, index: Index, src: Array) -> Array:
    """x multiplied by src at the indices; repeated indices all count."""
    key, out = places_of(xp, "scatter", x, dim, index, src), x.copy()
    if index.size:
        combine_at(xp, xp.multiply, at_least_1d(out), key, corner(src, index))
    return out


SCATTERING = {None: scattered, "add": scatter_add, "multiply": scatter_multiply}


def places_of(xp: Any, name: str, x: Array, dim: int, index: Array, src: Array | None = None) -> tuple:
    """The full index of each element of `index`: its own place, but index[…] along `dim`. Refuses what does not fit."""
    axis = canonical_dim(dim, x.ndim)
    if index.size and (index.dtype.kind != "i" or index.dtype.itemsize < 4):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index, got {index.dtype}; convert with .long()")
    if src is not None and x.dtype != src.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype, got {x.dtype} and {src.dtype}")
    x, index = at_least_1d(x), at_least_1d(index)
    if not index.size:
        return (xp.zeros(index.shape, "int64"),) * x.ndim
    if x.ndim != index.ndim:
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as input tensor, got {index.ndim} and {x.ndim} ({name})"
        )
    if src is not None and at_least_1d(src).ndim != index.ndim:
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as src tensor, got {index.ndim} and {src.ndim} ({name})"
        )
    limits = x.shape if src is None else tuple(map(min, x.shape, at_least_1d(src).shape))
    along = index.shape[axis] if src is None else at_least_1d(src).shape[axis]
    if index.shape[axis] > along or any(n > m for d, (n, m) in enumerate(zip(index.shape, limits)) if d != axis):
        raise RuntimeError(
            f"Size does not match: {name}() expected index {list(index.shape)} to be no larger than self {list(x.shape)} "
            f"apart from dimension {axis}" + (f" and to be no larger than src {list(src.shape)}" if src is not None else "")
        )
    check_bounds(index, x.shape[axis], axis, RuntimeError, lowest=0)
    places = [xp.arange(n).reshape([-1 if i == d else 1 for i in range(index.ndim)]) for d, n in enumerate(index.shape)]
    places[axis] = index
    return tuple(places)


def at_least_1d(x: Array) -> Array:
    """x, with one dimension if it has none."""
    return x if x.ndim else x.reshape(1)


def corner(src: Array, index: Array) -> Array:
    """The part of src that has an index."""
    return at_least_1d(src)[tuple(slice(n) for n in at_least_1d(index).shape)]


def back_to_corner(g: Tensor, shape: tuple) -> Tensor:
    """g in the corner of zeros of that shape."""
    if g.shape == shape:
        return g
    return reshape(g, shape) if g.ndim != len(shape) else placed(g, shape, tuple(slice(n) for n in g.shape))


@composite(out=True)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with broadcasting: x[indices] along `dim`, or of the flattened x. Along `dim`, indices count modulo its size."""
    if dim is None:
        return gather(input.reshape((-1,)), 0, indices.reshape((-1,)))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            f"take_along_dim(): input and indices should have the same number of dimensions, but got {input.ndim} "
            f"dimensions for input, and {indices.ndim} dimensions for indices"
        )
    if indices.dtype.name != "int64":
        raise RuntimeError(
            f"take_along_dim(): dtype of indices should be Long but got {indices.dtype!r}; convert with .long()"
        )
    axis = canonical_dim(dim, input.ndim)
    sizes = [[1 if d == axis else n for d, n in enumerate(t.shape)] for t in (input, indices)]
    try:
        shape = np.broadcast_shapes(*sizes)
    except ValueError:
        raise RuntimeError(
            f"take_along_dim(): shapes {list(input.shape)} and {list(indices.shape)} do not broadcast"
        ) from None
    x, i = (t.expand([t.shape[axis] if d == axis else n for d, n in enumerate(shape)]) for t in (input, indices))
    if indices.numel() and not input.shape[axis]:
        raise RuntimeError(f"take_along_dim(): there is nothing to take along dimension {axis} of size 0")
    return gather(x, axis, i % max(input.shape[axis], 1))


# ---- one slice per index ----


@op(promote=None)
def index_select(xp: Any, x: Array, dim: int, index: Index) -> Array:
    """The slices of `dim` that the vector `index` names."""
    axis, index = slices("index_select", x, dim, index)
    if not x.ndim and index.size != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.size} value(s)")
    _check_slices(x, axis, index)
    return x[(slice(None),) * axis + (index,)] if x.ndim else x.copy()


@index_select.grad
def index_select_grad(g: Tensor, x_shape: tuple, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = zeros with the slices of g added at the indices"""
    return index_add(zeros(g, x_shape), dim, index, g)


@op(promote=None, numbers_by={"alpha": fitting}, by_keyword="alpha")
def index_add(xp: Any, x: Array, dim: int, index: Index, source: Array, alpha: Number = 1) -> Array:
    """x with alpha · (slice k of source) added to slice index[k] of `dim`; repeated indices add up."""
    axis, index = slices("index_add", x, dim, index)
    check_source("index_add", x, axis, index, source)
    out = x.copy()
    added = source if alpha == 1 else source * as_number(xp, alpha, x.dtype)
    add_slices(xp, at_least_1d(out), axis, index, at_least_1d(added))
    return out


@index_add.grad("x")
def index_add_grad_x(g: Tensor) -> Tensor:
    """∂L/∂x = g"""
    return g


@index_add.grad("source")
def index_add_grad_source(g: Tensor, dim: int, index: Tensor, source_shape: tuple, alpha: Any) -> Tensor:
    """∂L/∂source = alpha · the slices of g at the indices"""
    return reshape(index_select(g, dim, index), source_shape) * alpha


@op(promote=None)
def index_copy(xp: Any, x: Array, dim: int, index: Index, source: Array) -> Array:
    """x with slice index[k] of `dim` replaced by slice k of source."""
    axis, index = slices("index_copy", x, dim, index, long=True)
    if not source.ndim and index.size != 1:
        raise IndexError(f"index_copy_(): When source is scalar, index should have one element (got {index.size})")
    if x.ndim != source.ndim and x.ndim and source.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality "
            f"({source.ndim}), destination dimensionality ({x.ndim})"
        )
    _same_dtype("index_copy", x, source)
    if _others(x, axis) != _others(source, axis):
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{_others(x, axis)} at dimension {axis} and source slice shape: {_others(source, axis)} at dimension 0."
        )
    if source.ndim and index.size != source.shape[axis]:
        raise IndexError(_one_each("index_copy", source, axis, index))
    _check_slices(x, axis, index)
    out = x.copy()
    at_least_1d(out)[(slice(None),) * axis + (index,)] = at_least_1d(source)
    return out


@index_copy.grad("x")
def index_copy_grad_x(g: Tensor, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = g, 0 in the replaced slices"""
    return index_fill(g, dim, index, 0)


@index_copy.grad("source")
def index_copy_grad_source(g: Tensor, dim: int, index: Tensor, source_shape: tuple) -> Tensor:
    """∂L/∂source = the slices of g at the indices"""
    return reshape(index_select(g, dim, index), source_shape)


@op(promote=None, keeps_layout=True, takes_out=False)
def index_fill(xp: Any, x: Array, dim: int, index: Index, value: Operand) -> Array:
    """x with the slices that `index` names filled with `value`, a number or a 0-d tensor."""
    axis, index = slices("index_fill", x, dim, index, of_dtype=IndexError, long=True)
    _check_slices(x, axis, index, lowest=None)
    if getattr(value, "ndim", 0):
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    out = copied(xp, x)
    value = value if hasattr(value, "dtype") else fitting(value, x.dtype)
    at_least_1d(out)[(slice(None),) * axis + (index,)] = as_array(xp, value, x.dtype)
    return out


@index_fill.grad("x")
def index_fill_grad(g: Tensor, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = g, 0 in the filled slices"""
    return index_fill(g, dim, index, 0)


@index_fill.grad("value")
def index_fill_grad_value(g: Tensor, dim: int, index: Tensor) -> Tensor:
    """∂L/∂value = g in the filled slices, 0 elsewhere, however often the index names one (the engine sums: value was broadcast)"""
    if not g.ndim:
        return g
    axis = canonical_dim(dim, g.ndim)
    filled = index_fill(zeros(g, (g.shape[axis],)), 0, index, 1)
    return where(reshape(filled, [-1 if d == axis else 1 for d in range(g.ndim)]) == 1, g, 0.0)


def slices(
    name: str, x: Array, dim: int, index: Array, of_dtype: type = RuntimeError, long: bool = False
) -> tuple[int, Array]:
    """The axis and the index as a vector, or `of_dtype` for its dtype: it must be int64 (long), or may be int32 too."""
    axis = canonical_dim(dim, x.ndim)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, got {index.ndim} dimensions")
    if index.dtype != "int64" and (long or index.dtype != "int32"):
        wanted = "int64" if long else "int32 or int64"
        raise of_dtype(f"{name}(): Expected dtype {wanted} for index, got {index.dtype}; convert with .long()")
    return axis, index.reshape(-1)


def _check_slices(x: Array, axis: int, index: Array, error: type = IndexError, lowest: int | None = 0) -> None:
    """Refuse numbers of slices that x does not have."""
    check_bounds(index, x.shape[axis] if x.ndim else 1, axis, error, lowest)


def check_source(name: str, x: Array, axis: int, index: Array, source: Array, beyond: type = RuntimeError) -> None:
    """Refuse a source that has not one slice for each index, or whose slices are not like x's. beyond: what a wrong index raises."""
    _same_dtype(name, x, source)
    if axis and axis >= source.ndim:
        raise RuntimeError(f"{name}(): dimension {axis} is out of bounds of the source tensor with {source.ndim} dimensions")
    if index.size != (source.shape[axis] if source.ndim else 1):
        raise (RuntimeError if source.ndim else IndexError)(_one_each(name, source, axis, index))
    if _others(x, axis, source.ndim) != _others(source, axis, x.ndim):
        raise RuntimeError(
            f"source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = {list(x.shape)} "
            f"source.shape = {list(source.shape)}"
        )
    _check_slices(x, axis, index, IndexError if x.ndim <= 1 else beyond)


def _same_dtype(name: str, x: Array, source: Array) -> None:
    if x.dtype != source.dtype:
        raise RuntimeError(
            f"{name}(): self and source expected to have the same dtype, but got {x.dtype} and {source.dtype}"
        )


def _one_each(name: str, source: Array, axis: int, index: Array) -> str:
    """What is wrong if the source has not one slice for each index."""
    size = source.shape[axis] if source.ndim else 1
    return f"{name}(): Number of indices ({index.size}) should be equal to source.size(dim): ({size}), for dim: {axis}"


def _others(x: Array, axis: int, beside: int = 1) -> list[int]:
    """The shape of one slice; beside what has no dimensions, that of the whole."""
    return [n for d, n in enumerate(x.shape) if d != axis or not beside]


# ---- classes and tables ----


@composite
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class number, 0 elsewhere, in a new last dimension; by default as many classes as the largest needs.

    >>> minitorch.nn.functional.one_hot(minitorch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if input.dtype.name != "int64":
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {input.dtype!r}")
    if input.numel() == 0 and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    # On a GPU `scatter` checks the numbers, without the host waiting for the largest.
    given = input.is_cuda and num_classes > 0
    low, high = (int(input.min()), int(input.max())) if input.numel() and not given else (0, -1)
    if low < 0:
        raise RuntimeError(f"Class values must be non-negative, got {low}.")
    if num_classes == -1:
        num_classes = high + 1
    if high >= num_classes:
        raise RuntimeError(f"Class values must be smaller than num_classes, got {high} with num_classes={num_classes}.")
    return scatter(input.new_zeros((*input.shape, num_classes)), -1, input.unsqueeze(-1), 1)


@op(promote=None, takes_out=False)
def embedding(
    xp: Any, weight: Array, indices: Index, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Array:
    """The rows of `weight` that `indices` name: (*indices, D). The row padding_idx gets no gradient.

    scale_grad_by_freq: the gradient of a row is divided by how often it is named.
    """
    if weight.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D (num_embeddings, embedding_dim), got shape {tuple(weight.shape)}")
    if indices.dtype.kind != "i" or indices.dtype.itemsize < 4:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{indices.dtype} instead; convert with .long()"
        )
    if type(indices) is not np.ndarray:
        holds_within(
            indices, 0, weight.shape[0], IndexError, f"index out of range in self: indices must be in [0, {weight.shape[0]})"
        )
    elif indices.size and (int(indices.min()) < 0 or int(indices.max()) >= weight.shape[0]):
        raise IndexError(f"index out of range in self: indices must be in [0, {weight.shape[0]})")
    return weight[indices]


@embedding.grad
def embedding_grad(
    g: Tensor, weight_shape: tuple, indices: Tensor, padding_idx: int, scale_grad_by_freq: bool, sparse: bool
) -> Tensor:
    """∂L/∂weight = zeros with the rows of g added where they came from"""
    if sparse:
        raise NotImplementedError("minitorch has no sparse gradients; use sparse=False")
    return embedding_backward(g, weight_shape, indices, padding_idx, scale_grad_by_freq)


@op(promote=None, public=False, grad_fn="EmbeddingDenseBackward0")
def embedding_backward(xp: Any, x: Array, shape: tuple, indices: Index, padding_idx: int, scale: bool) -> Array:
    """Zeros of that shape with the rows of x added at the indices, but where they are padding_idx."""
    rows, row = indices.reshape(-1), x.reshape(indices.size, shape[1])
    if padding_idx >= 0:
        row = xp.where((rows == padding_idx)[:, None], xp.zeros((), x.dtype), row)
    out = xp.zeros(shape, x.dtype)
    add_slices(xp, out, 0, rows, row)
    if not scale:
        return out
    counts = xp.zeros(shape[0], x.dtype)  # (bincount would make the host wait for a GPU)
    add_slices(xp, counts, 0, rows, xp.ones(rows.size, x.dtype))
    return out / xp.maximum(counts, counts.dtype.type(1))[:, None]


@embedding_backward.grad
def embedding_backward_grad(g: Tensor, x_shape: tuple, indices: Tensor, padding_idx: int) -> Tensor:
    """∂L/∂x = the rows of g that the indices name, 0 for padding_idx. (torch forgets the scale here.)"""
    rows = reshape(embedding(g, indices), x_shape)
    return rows if padding_idx < 0 else where(unsqueeze(indices == padding_idx, -1), 0.0, rows)
