"""Where a value belongs among sorted ones, whether it is among others, and which values there are: `searchsorted`, `isin`, `unique`.

None of them has a derivative: their results do not move with the numbers, or torch has none. Read next: `histogram.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.warning import warn_once
from ..op import Array, Index, Operand, composite, op
from ..op.signature import Number
from .dims import canonical_dim
from .index import check_bounds
from .undifferentiable import has_no_derivative

if TYPE_CHECKING:
    from ..tensor import Tensor


# ---- among sorted values ----


@op(discrete=True, in_float32=True, by_keyword="out_int32 right side sorter")
def searchsorted(
    xp: Any,
    sorted_sequence: Array,
    input: Operand,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Index | None = None,
) -> Array:
    """How many of a sorted row are < the value (≤ it, if right): where it would go. Rows (…, n) and values (…, k), or one row for all.

    side: "left", or "right", which says the same as right=True. sorter: the indices that put the rows in order (`argsort`).

    >>> minitorch.searchsorted(minitorch.tensor([1, 3, 5]), minitorch.tensor([3, 6]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted(): side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise RuntimeError("searchsorted(): side and right can't be set to opposites, got side of left while right was True")
    values = input if hasattr(input, "dtype") else xp.asarray(input, sorted_sequence.dtype)
    _check_rows(sorted_sequence, values)
    _tell_of_copies({"input value": values, "boundary": sorted_sequence, "sorter": sorter})
    if sorter is not None:
        _check_sorter(sorted_sequence, sorter)
        sorted_sequence = xp.take_along_axis(sorted_sequence, sorter, -1)
    n = sorted_sequence.shape[-1]
    k = values.size if sorted_sequence.ndim == 1 else values.shape[-1]
    count = sorted_sequence[..., 0].size if n else values.size // max(k, 1)
    places = _places(xp, sorted_sequence.reshape(count, n), values.reshape(count, k), right or side == "right")
    return places.reshape(values.shape).astype("int32" if out_int32 else "int64")


def _places(xp: Any, rows: Array, values: Array, right: bool) -> Array:
    """By bisection, all values at once: what each looks for lies in [low, high]. What is not ≥ it, be it nan, counts as before it."""
    n = rows.shape[1]
    low, high = xp.zeros(values.shape, "int64"), xp.full(values.shape, n, "int64")
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        there = xp.take_along_axis(rows, xp.minimum(middle, n - 1), 1)
        is_before = ~(there > values if right else there >= values) & (low < high)
        low, high = xp.where(is_before, middle + 1, low), xp.where(is_before, high, middle)
    return low


def _check_rows(rows: Array, values: Array) -> None:
    if not rows.ndim:
        raise RuntimeError("searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension")
    if rows.ndim > 1 and (not values.ndim or rows.shape[:-1] != values.shape[:-1]):
        raise RuntimeError(
            "searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and "
            f"input value tensor must match, but we got boundaries tensor {list(rows.shape)} and input value tensor "
            f"{list(values.shape)}"
        )
    if rows.dtype == "bool" and values.size:
        raise NotImplementedError("\"searchsorted\" not implemented for 'Bool'; convert with .int()")


def _check_sorter(rows: Array, sorter: Array) -> None:
    if sorter.shape != rows.shape:
        raise RuntimeError(
            "searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
            f"{list(rows.shape)} and got sorter tensor {list(sorter.shape)}"
        )
    if sorter.dtype != "int64":
        raise RuntimeError(f"searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype}")
    check_bounds(sorter, rows.shape[-1], rows.ndim - 1, RuntimeError, lowest=0)


def _tell_of_copies(tensors: dict[str, Array | None]) -> None:
    for name, array in tensors.items():
        if array is not None and array.size and not array.flags.c_contiguous:
            warn_once(
                f"searchsorted(): {name} tensor is non-contiguous, this will lower the performance due to extra data copy "
                f"when converting non-contiguous tensor to contiguous, please use contiguous {name} tensor if possible. This "
                "message will only appear once per program."
            )


@op(discrete=True, in_float32=True, by_keyword="out_int32 right")
def bucketize(xp: Any, input: Operand, boundaries: Array, out_int32: bool = False, right: bool = False) -> Array:
    """The number of the bucket of each value: `searchsorted` of it among the boundaries."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted.compute(xp, boundaries, input, out_int32, right, None, None)


# ---- among others ----


@composite(out=True)
def isin(
    elements: Tensor | Number, test_elements: Tensor | Number, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each element is among the test elements (or, to invert, is not). nan is not.

    assume_unique: no element comes twice, in either: accepted, and nothing goes faster by it.
    """
    tensors = [x for x in (elements, test_elements) if hasattr(x, "_array")]
    if not tensors:
        raise TypeError("isin(): one of 'elements' and 'test_elements' must be a Tensor, got two numbers")
    for x in (elements, test_elements):
        if isinstance(x, bool) or getattr(getattr(x, "dtype", None), "name", "") == "bool":
            raise RuntimeError("Unsupported input type encountered for isin(): Bool; convert with .int()")
    return among(elements, test_elements, invert)


@op(public=False, discrete=True, in_float32=True)
def among(xp: Any, elements: Operand, others: Operand, invert: bool) -> Array:
    """Whether each element is among the others."""
    if not hasattr(elements, "dtype"):
        elements = xp.asarray(elements, others.dtype)
    return xp.isin(elements, xp.asarray(others, elements.dtype), invert=invert)


# ---- which there are ----


@composite
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The different elements in order, or, along `dim`, the different slices: [and where each came to][and how often it comes].

    (They come in order without `sorted` too. Each nan is another one.)

    >>> minitorch.unique(minitorch.tensor([3, 1, 3]), return_inverse=True, return_counts=True)
    (tensor([1, 3]), tensor([1, 0, 1]), tensor([1, 2]))
    """
    found = unique_elements(input) if dim is None else unique_slices(input, dim)
    return _asked_for(found, return_inverse, return_counts)


@composite
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Every element (or slice of `dim`) that differs from the one before it: [and where each came to][and how often in a row].

    >>> minitorch.unique_consecutive(minitorch.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    return _asked_for(first_of_each_run(input, dim), return_inverse, return_counts)


def _asked_for(found: tuple, inverse: bool, counts: bool) -> Any:
    """The values, and what else is wanted."""
    values, *others = found
    wanted = [x for x, is_wanted in zip(others, (inverse, counts)) if is_wanted]
    return (values, *wanted) if wanted else values


OUTPUTS = ("values", "inverse", "counts")


@op(name="_unique2", outputs=OUTPUTS, public=False, in_float32=True)
def unique_elements(xp: Any, x: Array) -> tuple[Array, Array, Array]:
    """The different elements of x in order; of each element of x, which it is; of each value, how often it comes."""
    row = x.reshape(-1)
    order = xp.argsort(row, kind="stable")
    values = row[order]
    first, inverse, counts = _runs(xp, values[1:] != values[:-1], order)
    return values[first], inverse.reshape(x.shape), counts


@op(name="unique_dim", outputs=OUTPUTS, public=False, in_float32=True, keeps_layout=True)
def unique_slices(xp: Any, x: Array, dim: int) -> tuple[Array, Array, Array]:
    """The same of the slices of `dim`, in order of their first elements that differ."""
    axis, rows = _rows_of(xp, x, dim)
    order = xp.lexsort(rows.T[::-1]) if rows.size else xp.arange(len(rows))
    rows = rows[order]
    first, inverse, counts = _runs(xp, (rows[1:] != rows[:-1]).any(1), order)
    return _slices_again(xp, rows[first], x.shape, axis), inverse, counts


@op(name="unique_consecutive", outputs=OUTPUTS, public=False, in_float32=True, keeps_layout=True)
def first_of_each_run(xp: Any, x: Array, dim: int | None) -> tuple[Array, Array, Array]:
    """The elements or slices that differ from the one before; of each, in which run it is; how long each run is."""
    if dim is None:
        row = x.reshape(-1)
        first, inverse, counts = _runs(xp, row[1:] != row[:-1], xp.arange(row.size))
        return row[first], inverse.reshape(x.shape), counts
    axis, rows = _rows_of(xp, x, dim)
    first, inverse, counts = _runs(xp, (rows[1:] != rows[:-1]).any(1), xp.arange(len(rows)))
    return _slices_again(xp, rows[first], x.shape, axis), inverse, counts


def _rows_of(xp: Any, x: Array, dim: int) -> tuple[int, Array]:
    """The axis, and its slices as rows of a matrix."""
    axis = canonical_dim(dim, x.ndim)
    if not x.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    n, empty = x.shape[axis], x.shape.count(0)
    if empty > (n == 0):
        if n == 0:
            raise RuntimeError("Number of zero sized dimensions is more than one, so unique cannot be applied")
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    return axis, xp.moveaxis(x, axis, 0).reshape(n, x.size // max(n, 1))


def _slices_again(xp: Any, rows: Array, shape: tuple, axis: int) -> Array:
    """Rows as slices of `axis`; they stay one after the other in memory, as in torch."""
    return xp.moveaxis(rows.reshape(len(rows), *shape[:axis], *shape[axis + 1 :]), 0, axis)


def _runs(xp: Any, differs: Array, order: Array) -> tuple[Array, Array, Array]:
    """Of things in an order, of which each but the first differs from the one before or does not: the first places of the runs,
    the number of the run of each thing (back in its own place), and the lengths."""
    n = order.size
    starts = xp.concatenate([xp.ones(min(n, 1), bool), differs])
    first = xp.flatnonzero(starts)
    inverse = xp.empty(n, "int64")
    inverse[order] = xp.cumsum(starts) - 1
    return first, inverse, xp.diff(first, append=xp.full(1, n, "int64"))


for _op in (unique_elements, unique_slices, first_of_each_run):
    has_no_derivative(_op, "x")
