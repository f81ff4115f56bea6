"""Indexing: `x[...]` in all its forms, assignment, `gather`, `scatter` and kin.

Basic keys (ints, slices, None, …) give views; masks and index tensors give copies. Reading at indices and adding at
indices are each other's derivative: every function here has its partner here too.
Read next: `sort.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..device import scatter_add as add_at
from ..op import Array, Index, composite, op
from .dims import canonical_dim

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- x[key] ----


def getitem(x: Tensor, key: Any) -> Tensor:
    """x[key], as torch reads keys: ints, slices, None, Ellipsis give a view; masks and index tensors a copy."""
    key = _normalized(x, key)
    if all(_is_basic(k) for k in key):
        if len(key) == 1 and isinstance(key[0], int):
            return select(x, 0, key[0])
        return basic_index(x, key)
    key = tuple(k._array if hasattr(k, "_array") else k for k in key)
    return advanced_index(x, key)


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value, in place: through a view for basic keys, by `index_put` otherwise."""
    normal = _normalized(x, key)
    if all(_is_basic(k) for k in normal):
        target = basic_index(x, normal)
        source = value if hasattr(value, "_array") else x.new_tensor(value)
        while source.ndim > target.ndim and source.shape[0] == 1:
            source = source.squeeze(0)
        target.copy_(source)
        return
    arrays = tuple(k._array if hasattr(k, "_array") else k for k in normal)
    source = value if hasattr(value, "_array") else x.new_tensor(value)
    x._update(written_at, source.to(x.dtype), arrays, False)


def _is_basic(k: Any) -> bool:
    return k is None or k is Ellipsis or isinstance(k, (int, slice)) and not isinstance(k, bool)


def _normalized(x: Tensor, key: Any) -> tuple:
    """The key as a tuple of ints, slices, None, Ellipsis and index tensors, with bounds checked."""
    key = key if isinstance(key, tuple) else (key,)
    parts: list[Any] = [_part(k) for k in key]
    used = sum(_consumes(k) for k in parts)
    if used > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}: the key uses {used}")
    if sum(k is Ellipsis for k in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    dim = 0
    for k in parts:
        if k is Ellipsis:
            dim += x.ndim - used
        elif hasattr(k, "_array") and k._array.dtype == bool:
            for i, n in enumerate(k.shape):
                if x.shape[dim + i] != n:
                    raise IndexError(
                        f"The shape of the mask {list(k.shape)} at index {i} does not match the shape of the indexed tensor "
                        f"{list(x.shape)} at index {dim + i}"
                    )
        elif isinstance(k, int) and not -x.shape[dim] <= k < x.shape[dim]:
            raise IndexError(f"index {k} is out of bounds for dimension {dim} with size {x.shape[dim]}")
        elif hasattr(k, "_array"):
            _check_bounds(k._array, x.shape[dim], dim)
        dim += 0 if k is Ellipsis else _consumes(k)
    return tuple(parts)


def _part(k: Any) -> Any:
    """One entry of a key in its plainest form."""
    from ..creation import tensor

    if isinstance(k, (bool, np.bool_)):
        return tensor(bool(k))
    if isinstance(k, (list, tuple, range)):
        k = tensor(list(k))
        if k.numel() == 0:
            k = k.long()
    elif isinstance(k, np.ndarray):
        k = tensor(k)
    elif isinstance(k, slice):
        if k.step is not None and int(k.step) <= 0:
            raise ValueError(f"step must be greater than zero, got {k.step}; use .flip() to reverse")
        return slice(*(None if v is None else int(v) for v in (k.start, k.stop, k.step)))
    elif k is None or k is Ellipsis:
        return k
    if hasattr(k, "_array"):
        if k._array.dtype.kind == "f":
            raise IndexError(
                f"tensors used as indices must be long, int, byte or bool tensors, got {k.dtype!r}; convert with .long()"
            )
        if k._array.dtype == np.uint8:
            return k.bool()
        return int(k) if k.ndim == 0 and k._array.dtype != bool else k
    if hasattr(k, "__index__"):
        return int(k.__index__())
    raise IndexError(
        f"only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {type(k).__name__})"
    )


def _consumes(k: Any) -> int:
    """How many dimensions of x an entry of a key uses up."""
    if k is None or k is Ellipsis:
        return 0
    return k.ndim if hasattr(k, "_array") and k._array.dtype == bool else 1


def _check_bounds(index: Array, size: int, dim: int, what: str = "index") -> None:
    """Indices −size ≤ i < size; IndexError naming the first that is not."""
    if index.size and (int(index.min()) < -size or int(index.max()) >= size):
        wrong = index[(index < -size) | (index >= size)].reshape(-1)[0]
        raise IndexError(f"{what} {int(wrong)} is out of bounds for dimension {dim} with size {size}")


@op(promote=None, view=True, public=False, backward="SliceBackward0")
def basic_index(xp: Any, x: Array, key: tuple) -> Array:
    """x[key] for ints, slices, None and Ellipsis: a view."""
    return x[key if any(k is Ellipsis for k in key) else (*key, Ellipsis)]


@basic_index.grad
def basic_index_grad(g: Tensor, x_shape: tuple, key: tuple) -> Tensor:
    """∂L/∂x = g at the key, 0 elsewhere"""
    return embedded(g, x_shape, key)


@op(promote=None, public=False)
def embedded(xp: Any, x: Array, shape: tuple, key: tuple) -> Array:
    """Zeros of that shape with x at the key."""
    out = xp.zeros(shape, x.dtype)
    out[key] = x
    return out


@embedded.grad
def embedded_grad(g: Tensor, key: tuple) -> Tensor:
    """∂L/∂x = g at the key"""
    return basic_index(g, key)


@op(promote=None, view=True)
def select(xp: Any, x: Array, dim: int, index: int) -> Array:
    """The slice number `index` of `dim`, without that dimension."""
    if not x.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    axis = canonical_dim(dim, x.ndim)
    if not -x.shape[axis] <= index < x.shape[axis]:
        raise IndexError(f"index {index} is out of bounds for dimension {axis} with size {x.shape[axis]}")
    return x[(slice(None),) * axis + (index, Ellipsis)]


@select.grad
def select_grad(g: Tensor, x_shape: tuple, dim: int, index: int) -> Tensor:
    """∂L/∂x = g in that slice, 0 elsewhere"""
    return embedded(g, x_shape, (slice(None),) * canonical_dim(dim, len(x_shape)) + (index, Ellipsis))


@op(promote=None, view=True)
def narrow(xp: Any, x: Array, dim: int, start: int, length: int) -> Array:
    """`length` slices of `dim`, from `start`."""
    axis = canonical_dim(dim, x.ndim)
    size = x.shape[axis] if x.ndim else 0
    start = start + size if start < 0 else start
    if length < 0 or not 0 <= start <= size - length:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return x[(slice(None),) * axis + (slice(start, start + length),)]


@narrow.grad
def narrow_grad(g: Tensor, x_shape: tuple, dim: int, start: int, length: int) -> Tensor:
    """∂L/∂x = g in those slices, 0 elsewhere"""
    axis = canonical_dim(dim, len(x_shape))
    start = start + x_shape[axis] if start < 0 else start
    return embedded(g, x_shape, (slice(None),) * axis + (slice(start, start + length),))


@op(promote=None, public=False, backward="IndexBackward0")
def advanced_index(xp: Any, x: Array, key: tuple) -> Array:
    """x[key] with masks or index arrays in it: a copy."""
    return xp.array(x[key])


@advanced_index.grad
def advanced_index_grad(g: Tensor, x_shape: tuple, key: tuple) -> Tensor:
    """∂L/∂x = g added up at the key"""
    return written_at(g.new_zeros(x_shape), g, key, True)


@op(promote=None, public=False, backward="IndexPutBackward0")
def written_at(xp: Any, x: Array, values: Array, key: tuple, accumulate: bool) -> Array:
    """x with values put (or, accumulating, added) at the key."""
    out = x.copy()
    if accumulate:
        add_at(xp, out, key, values)
    else:
        place = out[key]
        if values.ndim > place.ndim:
            values = values.reshape(values.shape[values.ndim - place.ndim :])
        try:
            out[key] = values
        except ValueError:
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of shape "
                f"{list(place.shape)}"
            ) from None
    return out


@written_at.grad("x")
def written_at_grad_x(g: Tensor, values_shape: tuple, key: tuple, accumulate: bool) -> Tensor:
    """∂L/∂x = g, 0 where something was put"""
    return g if accumulate else written_at(g, g.new_zeros(()), key, False)


@written_at.grad("values")
def written_at_grad_values(g: Tensor, key: tuple) -> Tensor:
    """∂L/∂values = g at the key"""
    return advanced_index(g, key)


@composite
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """x with `values` at `indices` (one index tensor a dimension); repeated indices add up if accumulate."""
    key = _normalized(input, tuple(indices))
    return written_at(input, values, tuple(k._array if hasattr(k, "_array") else k for k in key), accumulate)


@op(promote=None, public=False, backward="CopySlices")
def write_view(xp: Any, base: Array, value: Array, replay: Any) -> Array:
    """base, whose part that `replay` shows has become `value` (it has been written already)."""
    return base


@write_view.grad("base")
def write_view_grad_base(g: Tensor, replay: Any) -> Tensor:
    """∂L/∂base = g, 0 in the part that was overwritten"""
    g = g.clone()
    replay(g).zero_()
    return g


@write_view.grad("value")
def write_view_grad_value(g: Tensor, replay: Any) -> Tensor:
    """∂L/∂value = g in that part"""
    return replay(g)


# ---- along one dimension ----


def _checked(x: Array, dim: int, index: Array, name: str) -> int:
    """The axis; IndexError or RuntimeError if the index does not fit x."""
    if index.dtype.kind not in "iu":
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index, got {index.dtype}; convert with .long()")
    axis = canonical_dim(dim, x.ndim)
    size = x.shape[axis] if x.ndim else 1
    if index.size and (int(index.min()) < 0 or int(index.max()) >= size):
        wrong = index[(index < 0) | (index >= size)].reshape(-1)[0]
        raise _OutOfBounds(f"index {int(wrong)} is out of bounds for dimension {axis} with size {size}")
    return axis


class _OutOfBounds(RuntimeError, IndexError):
    """torch raises RuntimeError in some of these functions and IndexError in others."""


def _grid(xp: Any, index: Array, axis: int) -> tuple:
    """The full index of each element of `index`: its own place, but index[…] along `axis`."""
    places = [xp.arange(n).reshape([-1 if i == d else 1 for i in range(index.ndim)]) for d, n in enumerate(index.shape)]
    places[axis] = index
    return tuple(places)


def _same_rank(name: str, x: Array, index: Array) -> None:
    if x.ndim != index.ndim and x.ndim and index.ndim:
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as input tensor, got {index.ndim} and {x.ndim} ({name})"
        )


@op(promote=None)
def gather(xp: Any, x: Array, dim: int, index: Index) -> Array:
    """out[i][j] = x[index[i][j]][j] for dim = 0, and so on: one element of x per element of index.

    >>> minitorch.tensor([[1, 2], [3, 4]]).gather(1, minitorch.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    axis = _checked(x, dim, index, "gather")
    _same_rank("gather", x, index)
    return x[_grid(xp, index, axis)] if x.ndim and index.ndim else xp.broadcast_to(x.reshape(-1)[:1], index.shape).copy().reshape(index.shape)


@gather.grad
def gather_grad(g: Tensor, x_shape: tuple, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = g added at the indices"""
    return scatter_add(g.new_zeros(x_shape), dim, index, g)


@op(promote=None)
def scatter_add(xp: Any, x: Array, dim: int, index: Index, src: Array) -> Array:
    """x with src[i][j] added at x[index[i][j]][j] for dim = 0, and so on; repeated indices add up."""
    axis = _checked(x, dim, index, "scatter_add")
    _same_rank("scatter_add", x, index)
    _same_dtype("scatter_add", x, src)
    out = x.copy()
    flat, places = (out, _grid(xp, index, axis)) if x.ndim else (out.reshape(-1), (index.reshape(-1),))
    add_at(xp, flat, places, _corner(src, index) if x.ndim else src.reshape(-1))
    return out


@scatter_add.grad("x")
def scatter_add_grad_x(g: Tensor) -> Tensor:
    """∂L/∂x = g"""
    return g


@scatter_add.grad("src")
def scatter_add_grad_src(g: Tensor, dim: int, index: Tensor, src_shape: tuple) -> Tensor:
    """∂L/∂src = g at the indices"""
    return _uncorner(gather(g, dim, index), src_shape)


def _corner(src: Array, index: Array) -> Array:
    """The part of src that has an index."""
    return src[tuple(slice(n) for n in index.shape)]


def _uncorner(g: Tensor, shape: tuple) -> Tensor:
    """g in the corner of zeros of that shape."""
    return g if tuple(g.shape) == tuple(shape) else embedded(g, shape, tuple(slice(n) for n in g.shape))


def _same_dtype(name: str, x: Array, src: Array) -> None:
    if x.dtype != src.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype, got {x.dtype} and {src.dtype}")


@composite
def scatter(input: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
    """x with src[i][j] (or a number) put at x[index[i][j]][j] for dim = 0, and so on."""
    if not hasattr(src, "_array"):
        src = input.new_full((), src).expand(index.shape)
    return scattered(input, dim, index, src)


@op(name="scatter", promote=None, public=False)
def scattered(xp: Any, x: Array, dim: int, index: Index, src: Array) -> Array:
    """x with src put at the indices."""
    axis = _checked(x, dim, index, "scatter")
    _same_rank("scatter", x, index)
    _same_dtype("scatter", x, src)
    out = x.copy()
    if x.ndim:
        out[_grid(xp, index, axis)] = _corner(src, index)
    elif index.size:
        out[...] = src.reshape(-1)[0]
    return out


@scattered.grad("x")
def scattered_grad_x(g: Tensor, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = g, 0 where something was put"""
    return scatter(g, dim, index, 0)


@scattered.grad("src")
def scattered_grad_src(g: Tensor, dim: int, index: Tensor, src_shape: tuple) -> Tensor:
    """∂L/∂src = g at the indices"""
    return _uncorner(gather(g, dim, index), src_shape)


def _slices(x: Array, axis: int, index: Array) -> tuple:
    return (slice(None),) * axis + (index,)


def _vector(name: str, index: Array) -> Array:
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, got {index.ndim} dimensions")
    return index.reshape(-1)


@op(promote=None)
def index_select(xp: Any, x: Array, dim: int, index: Index) -> Array:
    """The slices of `dim` that the vector `index` names."""
    axis = _checked(x, dim, _vector("index_select", index), "index_select")
    return x[_slices(x, axis, index.reshape(-1))] if x.ndim else x.copy()


@index_select.grad
def index_select_grad(g: Tensor, x_shape: tuple, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = the slices of g added up at the indices"""
    return index_add(g.new_zeros(x_shape), dim, index, g)


@op(promote=None)
def index_add(xp: Any, x: Array, dim: int, index: Index, source: Array, *, alpha: Any = 1) -> Array:
    """x with alpha · (slice k of source) added to slice index[k] of `dim`; repeated indices add up."""
    axis = _checked(x, dim, _vector("index_add", index), "index_add")
    _same_dtype("index_add", x, source)
    if x.ndim and source.shape[axis : axis + 1] != index.reshape(-1).shape:
        raise IndexError(f"index_add(): Number of indices ({index.size}) should be equal to source.size({axis})")
    out = x.copy()
    add_at(xp, out if x.ndim else out.reshape(-1), _slices(x, axis, index.reshape(-1)), source * alpha if alpha != 1 else source)
    return out


@index_add.grad("x")
def index_add_grad_x(g: Tensor) -> Tensor:
    """∂L/∂x = g"""
    return g


@index_add.grad("source")
def index_add_grad_source(g: Tensor, dim: int, index: Tensor, source_shape: tuple, alpha: Any) -> Tensor:
    """∂L/∂source = alpha · the slices of g at the indices"""
    return (index_select(g, dim, index) * alpha).reshape(source_shape)


@op(promote=None)
def index_copy(xp: Any, x: Array, dim: int, index: Index, source: Array) -> Array:
    """x with slice index[k] of `dim` replaced by slice k of source."""
    axis = _checked(x, dim, _vector("index_copy", index), "index_copy")
    _same_dtype("index_copy", x, source)
    out = x.copy()
    out[_slices(x, axis, index.reshape(-1)) if x.ndim else ...] = source
    return out


@index_copy.grad("x")
def index_copy_grad_x(g: Tensor, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = g, 0 in the replaced slices"""
    return index_fill(g, dim, index, 0)


@index_copy.grad("source")
def index_copy_grad_source(g: Tensor, dim: int, index: Tensor, source_shape: tuple) -> Tensor:
    """∂L/∂source = the slices of g at the indices"""
    return index_select(g, dim, index).reshape(source_shape)


@op(promote=None)
def index_fill(xp: Any, x: Array, dim: int, index: Index, value: Array) -> Array:
    """x with the slices that `index` names filled with `value`."""
    axis = _checked(x, dim, _vector("index_fill", index), "index_fill")
    out = x.copy()
    out[_slices(x, axis, index.reshape(-1)) if x.ndim else ...] = value
    return out


@index_fill.grad("x")
def index_fill_grad(g: Tensor, dim: int, index: Tensor) -> Tensor:
    """∂L/∂x = g, 0 in the filled slices"""
    return index_fill(g, dim, index, 0)


@index_fill.grad("value")
def index_fill_grad_value(g: Tensor, dim: int, index: Tensor) -> Tensor:
    """∂L/∂value = Σ g over the filled slices"""
    return index_select(g, dim, index).sum()


# ---- masks and flat indices ----


@op(promote=None)
def masked_fill(xp: Any, x: Array, mask: Index, value: Array) -> Array:
    """x with `value` (a number or 0-d tensor) where the mask is True."""
    _bool_mask("masked_fill", mask)
    if getattr(value, "ndim", 0):
        raise RuntimeError(f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s).")
    return xp.where(mask, xp.asarray(value).astype(x.dtype), x)


@masked_fill.grad("x")
def masked_fill_grad(g: Tensor, mask: Tensor) -> Tensor:
    """∂L/∂x = g, 0 under the mask"""
    return masked_fill(g, mask, 0)


@masked_fill.grad("value")
def masked_fill_grad_value(g: Tensor, mask: Tensor) -> Tensor:
    """∂L/∂value = Σ g under the mask"""
    return masked_fill(g, ~mask, 0).sum()


@op(promote=None)
def masked_select(xp: Any, x: Array, mask: Index) -> Array:
    """The elements of x where the mask is True, as a vector (x and mask broadcast)."""
    _bool_mask("masked_select", mask)
    x, mask = xp.broadcast_arrays(x, mask)
    return x[mask] if mask.ndim else x.reshape(-1)[mask.reshape(-1)]


@masked_select.grad
def masked_select_grad(g: Tensor, x_shape: tuple, mask: Tensor) -> Tensor:
    """∂L/∂x = g where the mask is True, 0 elsewhere (summed by the engine over what was broadcast)"""
    shape = np.broadcast_shapes(x_shape, mask.shape)
    return written_at(g.new_zeros(shape), g, (mask.expand(shape)._array,), True)


def _bool_mask(name: str, mask: Array) -> None:
    if mask.dtype != bool:
        raise RuntimeError(f"{name}: expected BoolTensor for mask, got {mask.dtype}; compare first, e.g. mask > 0")


@composite
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened x at the indices, in index's shape."""
    return getitem(input.reshape(-1), index)


@composite
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with broadcasting: x[indices] along `dim`, or of the flattened x."""
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            f"take_along_dim(): input and indices should have the same number of dimensions, but got {input.ndim} dimensions "
            f"for input, and {indices.ndim} dimensions for indices"
        )
    axis = canonical_dim(dim, input.ndim)
    shape = np.broadcast_shapes(
        [1 if i == axis else n for i, n in enumerate(input.shape)], [1 if i == axis else n for i, n in enumerate(indices.shape)]
    )
    x_shape = [input.shape[axis] if i == axis else n for i, n in enumerate(shape)]
    i_shape = [indices.shape[axis] if i == axis else n for i, n in enumerate(shape)]
    return gather(input.expand(x_shape), axis, indices.expand(i_shape))


@op(name="nonzero", promote=None, public=False)
def argwhere_of(xp: Any, x: Array) -> Array:
    """The index of each element that is not 0, one per row."""
    return xp.stack(xp.nonzero(x), 1) if x.ndim else xp.zeros((int(x != 0), 0), "int64")


@composite
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of what is not 0: (K, ndim), or with as_tuple one vector a dimension."""
    found = argwhere_of(input)
    if not as_tuple:
        return found
    return tuple(c.clone() for c in found.unbind(1)) if input.ndim else (argwhere_of(input.reshape(1))[:, 0],)


@composite
def argwhere(input: Tensor) -> Tensor:
    """The index of each element that is not 0, one per row."""
    return argwhere_of(input)


# ---- classes and tables ----


@composite
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class number, 0 elsewhere, in a new last dimension; as many classes as the largest number needs by default.

    >>> minitorch.nn.functional.one_hot(minitorch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if input._array.dtype != np.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {input.dtype!r}")
    if input.numel() == 0 and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    low, high = (int(input.min()), int(input.max())) if input.numel() else (0, -1)
    if low < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = high + 1
    if high >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return scatter(input.new_zeros((*input.shape, num_classes)), -1, input.unsqueeze(-1), 1)


@op(promote=None)
def embedding(xp: Any, weight: Array, indices: Index, padding_idx: int = -1) -> Array:
    """The rows of `weight` that `indices` name: (*indices, D)."""
    if indices.dtype.kind not in "iu":
        raise RuntimeError(f"Expected tensor for argument #1 'indices' to have scalar types Long, Int; but got {indices.dtype}")
    if indices.size and (int(indices.min()) < 0 or int(indices.max()) >= weight.shape[0]):
        raise IndexError(f"index out of range in self: indices must lie in [0, {weight.shape[0]})")
    return weight[indices]


@embedding.grad
def embedding_grad(g: Tensor, weight_shape: tuple, indices: Tensor, padding_idx: int) -> Tensor:
    """∂L/∂weight = g added up at the rows it came from; the padding row gets none"""
    flat = indices.reshape(-1)
    g = g.reshape(-1, weight_shape[-1])
    if padding_idx >= 0:
        g = masked_fill(g, (flat == padding_idx).unsqueeze(1), 0)
    return index_add(g.new_zeros(weight_shape), 0, flat, g)
