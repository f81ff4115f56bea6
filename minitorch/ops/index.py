"""`x[key]` in all its forms, and assignment.

A key is read in two steps, as in torch: ints, slices, None and Ellipsis first, which give a view; then, on that view, masks
and index tensors, which give a copy. Reading at a place and writing into zeros there are each other's derivative.
Read next: `gather.py`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import dtypes
from ..arrays.batched import Batched, of_all_samples
from ..arrays.device import device_of, must_hold, on_host, xp_of
from ..arrays.device import scatter_add as add_at
from ..arrays.layout import copied
from ..arrays.numbers import assigned
from ..arrays.quantized import QArray
from ..arrays.warning import warn
from ..op import Array, Indices, composite, op
from ..op.signature import tensor_list
from .batches import batched_as
from .dims import canonical_dim
from .rearrange import stack, unbind
from .shape import zeros

if TYPE_CHECKING:
    from ..tensor import Tensor

MOST_PARTS = 31  # a longer list is never taken for a tuple

# ---- x[key] and x[key] = value ----


def getitem(x: Any, key: Any) -> Tensor:
    """x[key], as torch reads keys.

    >>> minitorch.arange(6).reshape(2, 3)[:, [0, 2]]
    tensor([[0, 2],
            [3, 5]])
    """
    if type(key) is int and x.ndim:
        return basic_index(x, (_in_range(key, x._array.shape[0], 0),))
    if key is Ellipsis:
        return basic_index(x, (key,))
    basic, arrays = _parse(x, key)
    view = basic_index(x, basic) if basic else x
    if arrays is None:
        return view
    _check_arrays(view, arrays)
    return index(batched_as(view, arrays), _kept(x, arrays))


def setitem(x: Any, key: Any, value: Any) -> None:
    """x[key] = value, in place; `value` is a number or a tensor that broadcasts, and may require grad."""
    given = hasattr(value, "_array")
    if not given and isinstance(x._array, QArray):
        raise NotImplementedError(
            "x[…] = number is not done with a quantized tensor: dequantize() it, write, and quantize it again"
        )
    if not given:
        value = x.new_tensor(assigned(value, x._array.dtype))
    if key is False:
        return  # no element is meant
    if key is True:
        key = None
    basic, arrays = _parse(x, key, lambda: (x._check_writable(value), x._apart_from(value)))
    view = basic_index(x, basic) if basic else x
    ndim = view.ndim if arrays is None else _result_ndim(view, arrays)
    while value.ndim > ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    if arrays is None:
        view = x if key is Ellipsis else view
        view.copy_(value if value.shape == view.shape else value.expand(view.shape))
        return
    view._check_writable(value)
    is_filled = value.numel() == 1 and _is_one_mask(key)
    if is_filled:  # a number, which is read before anything is filled, and must fit
        value = value.clone()
        if value.dtype is not x.dtype and not x.is_floating_point() and on_host(xp_of(x._array)):
            assigned(value.item(), x._array.dtype)
    view._apart_from(value)
    _check_dimensions(view, arrays)
    if given and value.dtype is not x.dtype and not is_filled:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {x.dtype!r} for the destination and "
            f"{value.dtype!r} for the source; convert it with .to(dtype)"
        )
    _check_arrays(view, arrays)
    view._update(put_at, value.to(x.dtype), _kept(value if value.requires_grad else view, arrays))


def _is_one_mask(key: Any) -> bool:
    """Whether the only array of a key is a mask: then a single number is filled in, whatever its dtype.

    A tensor that is one integer is no array here: it chooses a part, as a number does.
    """
    arrays = [
        k
        for k in _as_tuple(key)
        if isinstance(k, list) or (hasattr(k, "dtype") and (k.ndim or str(k.dtype).endswith(("bool", "uint8"))))
    ]
    if len(arrays) == 1 and isinstance(arrays[0], list):
        return all(isinstance(k, bool) for k in arrays[0])
    return len(arrays) == 1 and str(arrays[0].dtype).endswith("bool")


def _result_ndim(view: Tensor, arrays: tuple) -> int:
    """How many dimensions view[arrays] has: the arrays' dimensions become theirs, broadcast together."""
    ndims = [a.ndim for a in arrays if not isinstance(a, slice)]
    return view.ndim - len(ndims) + max(ndims)


def _kept(x: Tensor, arrays: tuple) -> tuple:
    """The index arrays, copied if a node will keep them: whoever owns them may write to them before backward."""
    return tuple(a.copy() if hasattr(a, "copy") else a for a in arrays) if x.requires_grad else arrays


def _parse(x: Tensor, key: Any, before: Callable = lambda: None) -> tuple[tuple, tuple | None]:
    """A key in its two steps: (ints, slices, None …), and the index arrays and full slices for the view these give.

    The first is empty if it would change nothing, the second None if there are no index arrays. before: what is refused before
    arrays that do not fit x or one another.
    """
    xp = xp_of(x._array)
    if not x.ndim and any(isinstance(k, (int, float, str, slice)) and not isinstance(k, bool) for k in _as_tuple(key)):
        raise IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a number")
    parts = [_part(xp, k) for k in _as_tuple(key)]
    used = sum(_consumes(k) for k in parts)
    if used > x.ndim:
        if x.ndim == 0:
            raise IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a number")
        raise IndexError(f"too many indices for tensor of dimension {x.ndim} (got {used})")
    shape, dim = x._array.shape, 0  # dim: of x
    basic: list[Any] = []
    arrays: list[Any] = []  # one entry for each dimension of the view up to the last that has an array
    for k in parts:
        if k is Ellipsis:
            missing = x.ndim - used
            used += missing  # a second Ellipsis stands for nothing
            basic.extend([slice(None)] * missing)
            arrays.extend([slice(None)] * missing)
            dim += missing
        elif k is None or isinstance(k, bool):
            basic.append(None)
            arrays.append(slice(None) if k is None else xp.zeros(int(k), "int64"))  # True: index [0]; False: none
        elif isinstance(k, int):
            basic.append(_in_range(k, shape[dim], dim))
            dim += 1
        elif isinstance(k, slice):
            basic.append(k)
            arrays.append(slice(None))
            dim += 1
        else:
            n = _consumes(k)
            basic.extend([slice(None)] * n)
            arrays.append((k, dim))  # a mask will be several
            dim += n
    while arrays and isinstance(arrays[-1], slice):
        arrays.pop()
    if not arrays:
        return tuple(basic) or (Ellipsis,), None
    try:
        arrays = [a for k in arrays for a in (_index_arrays(k[0], k[1], shape) if isinstance(k, tuple) else [k])]
        _check_broadcast(arrays)
    except IndexError:
        before()
        raise
    return () if all(b == slice(None) for b in basic) else tuple(basic), tuple(arrays)


def _as_tuple(key: Any) -> tuple:
    """The entries of a key. A list that holds more than numbers (tensors, lists, slices …) means a tuple, as ever in torch."""
    if isinstance(key, tuple):
        return key
    if (
        isinstance(key, list)
        and len(key) <= MOST_PARTS
        and any(k is None or k is Ellipsis or isinstance(k, slice) or hasattr(k, "__len__") for k in key)
    ):
        warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; use "
            "x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, x[torch.tensor(seq)], which "
            "will result either in an error or a different result"
        )
        return tuple(key)
    return (key,)


def _part(xp: Any, k: Any) -> Any:
    """One entry of a key as an int, bool, slice, None, Ellipsis or index array."""
    if k is None or k is Ellipsis or isinstance(k, (bool, int)):
        return k
    if isinstance(k, slice):
        start, stop, step = (None if v is None else operator.index(v) for v in (k.start, k.stop, k.step))
        if step is not None and step <= 0:
            raise ValueError(f"step must be greater than zero, got {step}; use .flip() to reverse")
        return slice(start, stop, step)
    if isinstance(k, (list, tuple, range)):
        entries: Any = k
        k = xp.asarray([v.item() if hasattr(v, "_array") and not v.ndim else v for v in entries])
        if k.dtype.kind in "US":
            raise TypeError(f"a list of indices must hold ints or bools, got {type(entries[0]).__name__}")
        k = k if k.size and k.dtype.kind != "f" else k.astype("int64")  # of floats in a list, torch takes the whole part
    elif isinstance(k, np.ndarray) and k.dtype.kind == "f":
        k = k.astype("int64")
    a = xp.asarray(k) if isinstance(k, (np.ndarray, np.bool_)) else getattr(k, "_array", k)
    if hasattr(k, "_array") and a.ndim and type(a) is np.ndarray and not on_host(xp):
        a = xp.asarray(a)  # indices may stay on the CPU, as in torch
    elif hasattr(k, "_array") and a.ndim and on_host(xp) and not on_host(xp_of(a)):
        raise RuntimeError(
            f"indices should be either on cpu or on the same device as the indexed tensor (cpu), got {device_of(a)}"
        )
    if not hasattr(a, "dtype") or isinstance(a, (np.generic, type)):
        if not hasattr(k, "__index__") or isinstance(k, (type, np.bool_)):
            raise (TypeError if isinstance(k, str) else IndexError)(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
                f"{type(k).__name__})"
            )
        return int(k)
    if a.dtype.name not in ("int64", "int32", "uint8", "bool"):
        raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {a.dtype}; use .long()")
    if a.ndim == 0 and not isinstance(a, Batched):
        return bool(a) if a.dtype.name in ("bool", "uint8") else int(a)
    if a.dtype == "uint8":
        warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.")
    return a


def _consumes(k: Any) -> int:
    """How many dimensions of x an entry of a key uses up."""
    if k is None or k is Ellipsis or isinstance(k, bool):
        return 0
    return k.ndim if hasattr(k, "dtype") and k.dtype.name in ("bool", "uint8") else 1


def _in_range(k: int, size: int, dim: int) -> int:
    if not -size <= k < size:
        raise IndexError(f"index {k} is out of bounds for dimension {dim} with size {size}")
    return k


def _index_arrays(a: Array, dim: int, shape: tuple) -> tuple:
    """The index arrays that an entry stands for: itself, or where a mask is True."""
    if a.dtype.name in ("bool", "uint8"):
        for i, n in enumerate(a.shape):
            if shape[dim + i] != n:
                raise IndexError(
                    f"The shape of the mask {list(a.shape)} at index {i} does not match the shape of the indexed tensor "
                    f"{list(shape)} at index {dim + i}"
                )
        return a.nonzero()
    return (a,)


def _check_dimensions(view: Tensor, arrays: tuple) -> None:
    """IndexError for an index into a dimension that holds nothing: that is looked for before the dtypes are."""
    for dim, a in enumerate(arrays):
        if not isinstance(a, slice) and not view._array.shape[dim]:
            check_bounds(a, 0, dim)


def _check_arrays(view: Tensor, arrays: tuple) -> None:
    for dim, a in enumerate(arrays):
        if not isinstance(a, slice):
            check_bounds(a, view._array.shape[dim], dim)


def check_bounds(a: Array, size: int, dim: int, error: type = IndexError, lowest: int | None = None) -> None:
    """Refuse indices outside −size ≤ i < size (or lowest ≤ i < size), naming one (on a GPU, later and without a name)."""
    lowest = -size if lowest is None else lowest
    a = of_all_samples(a)
    if type(a) is not np.ndarray:
        holds_within(a, lowest, size, error, f"index out of bounds for dimension {dim} with size {size}")
    elif a.size and (int(a.min()) < lowest or int(a.max()) >= size):
        wrong = int(a.min()) if int(a.min()) < lowest else int(a.max())
        raise error(f"index {wrong} is out of bounds for dimension {dim} with size {size}")


def holds_within(a: Array, lowest: int, size: int, error: type, words: str) -> None:
    """Note that lowest ≤ i < size must hold for indices on a GPU."""
    must_hold(((a >= lowest) & (a < size)).all(), error, words)


def _check_broadcast(arrays: list) -> None:
    shapes = [a.shape for a in arrays if not isinstance(a, slice)]
    if len(shapes) == 1:
        return
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        text = ", ".join(str(list(s)) for s in shapes)
        raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {text}") from None


# ---- the first step: views ----


def _last_step(key: tuple) -> str:
    """torch takes the entries one after the other; the last that does something names the node."""
    for k in key[::-1]:
        if k is None or isinstance(k, int) or (k is not Ellipsis and k != slice(None)):
            return ("Unsqueeze" if k is None else "Select" if isinstance(k, int) else "Slice") + "Backward0"
    return "SliceBackward0" if len(key) == 1 and key[0] is not Ellipsis else "AliasBackward0"


@op(promote=None, view=True, public=False, grad_fn=_last_step)
def basic_index(xp: Any, x: Array, key: tuple) -> Array:
    """x[key] for ints, slices and None: a view."""
    return x[(*key, ...)] if key[-1] is not Ellipsis else x[key]


@basic_index.grad
def basic_index_grad(g: Tensor, x_shape: tuple, key: tuple) -> Tensor:
    """∂L/∂x = g at the key, 0 elsewhere"""
    return placed(g, x_shape, key)


@op(promote=None, public=False)
def placed(xp: Any, x: Array, shape: tuple, key: tuple) -> Array:
    """Zeros of that shape with x at the key."""
    out = xp.zeros(shape, x.dtype)
    out[key] = x
    return out


@placed.grad
def placed_grad(g: Tensor, key: tuple) -> Tensor:
    """∂L/∂x = g at the key"""
    return basic_index(g, key)


@composite
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice number `index` of `dim`, without that dimension: a view."""
    if not input.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = canonical_dim(dim, input.ndim)
    if not -input.shape[dim] <= index < input.shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}")
    return basic_index(input, (*[slice(None)] * dim, int(index)))


@composite
def narrow(input: Tensor, dim: int, start: Tensor | int, length: int) -> Tensor:
    """`length` slices of `dim`, from `start`: a view."""
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError(f"narrow(): length must be non-negative, got {length}.")
    dim, start = canonical_dim(dim, input.ndim), int(start)
    size = input.shape[dim]
    if not -size <= start <= size:
        raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but got {start})")
    start += size if start < 0 else 0
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return basic_index(input, (*[slice(None)] * dim, slice(start, start + length)))


# ---- the second step: index arrays ----


@op(promote=None, public=False)
def index(xp: Any, x: Array, key: Indices) -> Array:
    """x at index arrays, one or a full slice for each dimension: a copy."""
    return x[key]


@index.grad
def index_grad(g: Tensor, x_shape: tuple, key: tuple) -> Tensor:
    """∂L/∂x = zeros with g added at the indices"""
    return put_at(zeros(g, x_shape), batched_as(g, key), key, True)


@op(promote=None, public=False, grad_fn="IndexPutBackward0", keeps_layout=True)
def put_at(xp: Any, x: Array, values: Array, key: Indices, accumulate: bool = False) -> Array:
    """x with values put at the indices, or added there: then repeated indices add up."""
    out = copied(xp, x)
    shape = out[key].shape
    try:
        values = xp.broadcast_to(values, shape)
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of shape "
            f"{list(shape)}"
        ) from None
    if not accumulate:
        out[key] = values
    elif key[-1].ndim == 1 and all(isinstance(k, slice) for k in key[:-1]):
        add_slices(xp, out, len(key) - 1, key[-1], values)
    else:
        add_at(xp, out, key, values)
    return out


def add_slices(xp: Any, out: Array, axis: int, index: Array, slices: Array) -> None:
    """Add slice k of `slices` to slice index[k] of `out`, in place.

    NumPy's add.at goes element by element; to sort the slices by index and sum the runs is several times faster.
    """
    before = (slice(None),) * axis
    if not on_host(xp) or slices.size < 16 * index.size or not slices.size:
        add_at(xp, out, (*before, index), slices)
        return
    order = index.argsort(kind="stable")
    index = index[order]
    starts = np.flatnonzero(np.concatenate([[True], index[1:] != index[:-1]]))
    out[(*before, index[starts])] += np.add.reduceat(slices.take(order, axis), starts, axis, out.dtype)


@put_at.grad("x")
def put_at_grad_x(g: Tensor, key: tuple, accumulate: bool) -> Tensor:
    """∂L/∂x = g, 0 where something was put"""
    return g if accumulate else put_at(batched_as(g, key), zeros(g, ()), key)


@put_at.grad("values")
def put_at_grad_values(g: Tensor, key: tuple) -> Tensor:
    """∂L/∂values = g at the indices (the engine sums over what was broadcast)"""
    return index(batched_as(g, key), key)


@composite
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Places in a flattened tensor as indices into the tensor of that shape, one tensor a dimension.

    >>> minitorch.unravel_index(minitorch.tensor([4, 1]), (3, 2))
    (tensor([2, 0]), tensor([0, 1]))
    """
    if indices.is_floating_point() or indices.dtype is dtypes.bool_:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype!r}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape) if isinstance(shape, Sequence) else None
    if sizes is None or not all(isinstance(n, int) for n in sizes):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {shape!r}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    if 0 in sizes:
        raise RuntimeError(f"ZeroDivisionError: there are no places in a tensor of shape {list(sizes)}")
    indices = indices.to(dtypes.int64)
    found = [(indices // math.prod(sizes[d + 1 :])) % n for d, n in enumerate(sizes)]
    return unbind(stack(found, -1), -1) if found else ()


@composite
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """x with `values` at `indices` (one index tensor a dimension), or, to accumulate, added there."""
    tensor_list("index_put", indices)
    _, arrays = _parse(input, tuple(i.reshape((1,)) if i.ndim == 0 else i for i in indices))
    _check_dimensions(input, arrays or ())
    if input.dtype is not values.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {input.dtype!r} for the destination and "
            f"{values.dtype!r} for the source."
        )
    _check_arrays(input, arrays or ())
    return put_at(
        batched_as(input, arrays or ()), values, _kept(values if values.requires_grad else input, arrays or ()), accumulate
    )
