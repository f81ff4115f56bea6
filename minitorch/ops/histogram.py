"""How many numbers lie in each of a row of bins: `histc`, `histogram`. Read next: `quantiles.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..op import Array, Index, composite, op, signature
from ..op.signature import Number

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(only="floats", discrete=True)
def histc(xp: Any, x: Array, bins: int = 100, min: Number = 0, max: Number = 0) -> Array:
    """How many elements lie in each of `bins` equal parts of [min, max], the end included; if they are equal, of x's own range."""
    if bins <= 0:
        raise RuntimeError(f"histogram(): bins must be > 0, but got {bins} for dimension 0")
    row, first, last = x.reshape(-1), float(min), float(max)
    if first == last and row.size:
        first, last = float(row.min()), float(row.max())
    if first == last:
        first, last = first - 1, last + 1
    if not (math.isfinite(first) and math.isfinite(last)):
        raise RuntimeError(f"histc(): range of [{first}, {last}] is not finite")
    if first > last:
        raise RuntimeError(f"histc(): max must be larger than min, got {min} and {max}")
    row = row[(row >= first) & (row <= last)]
    return _counts(xp, _bins_of(row, first, last, bins), bins, x.dtype)


def _bins_of(row: Array, first: float, last: float, bins: int) -> Array:
    """⌊(x − first) · bins / (last − first)⌋, each step rounded to x's dtype; the last number is in the last bin."""
    dtype = row.dtype
    wide = dtype if dtype.itemsize > 2 else "float32"

    def rounded(numbers: Array) -> Array:
        return numbers.astype(dtype).astype(wide)

    scaled = rounded(rounded(row.astype(wide) - dtype.type(first).astype(wide)) * bins)
    places = rounded(scaled / dtype.type(last - first).astype(wide)).astype("int64")
    return places.clip(0, bins - 1)


def _counts(xp: Any, places: Array, bins: int, dtype: Any, weights: Array | None = None) -> Array:
    return xp.bincount(places, weights, bins).astype(dtype)


@composite(out=True)
def histogram(
    input: Tensor,
    bins: Tensor | int = 100,
    *,
    range: tuple | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """(how many elements lie in each bin, the edges of the bins). A bin holds its lower edge, the last one its upper edge too.

    bins: the edges in order, or how many equal parts of `range` (of x's own, if None). weight: what each element counts for.
    density: divide by the sum and by the widths, so that the integral is 1.

    >>> minitorch.histogram(minitorch.tensor([1.0, 2.0, 2.5]), minitorch.tensor([0.0, 2.0, 3.0])).hist
    tensor([1., 2.])
    """
    if isinstance(bins, signature.Tensor):
        if range is not None:
            raise TypeError("histogram() got range= beside a tensor of bins; its first and last element are the range")
        return histogram_between(input, bins, weight, density, False)
    edges = even_edges(input, bins, None if range is None else tuple(range))
    return histogram_between(input, edges, weight, density, True)


@op(public=False, only="floats", discrete=True)
def even_edges(xp: Any, x: Array, bins: int, range: tuple | None) -> Array:
    """The edges of equal parts of a range, or of x's own."""
    if bins <= 0:
        raise RuntimeError(f"histogram(): bins must be > 0, but got {bins} for dimension 0")
    if range is not None and len(range) != 2:
        raise RuntimeError(f"histogram(): for a 1-dimensional histogram range should have 2 elements, but got {len(range)}")
    if range is None and x.dtype.itemsize == 2 and x.size:
        raise NotImplementedError(f'"histogramdd" not implemented for {x.dtype} without range=; convert with .float()')
    first, last = range or ((float(x.min()), float(x.max())) if x.size else (0.0, 1.0))
    if not (math.isfinite(first) and math.isfinite(last)):
        raise RuntimeError(f"histogram(): dimension 0's range [{first}, {last}] is not finite")
    if first > last:
        raise RuntimeError(f"histogram(): min should not exceed max, but got min {first} max {last} for dimension 0")
    if first == last:
        first, last = first - 0.5, last + 0.5
    first, last = x.dtype.type(first), x.dtype.type(last)
    k, step = xp.arange(bins + 1), (last - first) / x.dtype.type(bins)
    return xp.where(k < (bins + 1) // 2, first + step * k, last - step * (bins - k)).astype(x.dtype)  # exact at both ends


@op(name="histogram", public=False, outputs=("hist", "bin_edges"), promote=None, in_float32=True, grad_fn="NotImplemented")
def histogram_between(
    xp: Any, x: Array, edges: Index, weight: Array | None, density: bool, evenly: bool
) -> tuple[Array, Array]:
    """How many elements of x lie between each edge and the next, and the edges. evenly: the edges are, so no search is needed."""
    _check(x, edges, weight)
    row, bins = x.reshape(-1), edges.size - 1
    within = (row >= edges[0]) & (row <= edges[-1])
    places = xp.searchsorted(edges, row[within], side="right") - 1
    hist = _counts(xp, places.clip(0, bins - 1), bins, x.dtype, None if weight is None else weight.reshape(-1)[within])
    return hist / hist.sum() / xp.diff(edges) if density else hist, edges.copy()


def _check(x: Array, edges: Array, weight: Array | None) -> None:
    if edges.ndim != 1:
        raise RuntimeError(f"histogram(): bins tensor should have one dimension, but got {edges.ndim} dimensions")
    if not edges.size:
        raise RuntimeError("histogram(): bins tensor should have at least 1 element, but got 0 elements")
    if edges.dtype != x.dtype:
        raise RuntimeError(
            "histogram(): input tensor and bins tensors should have the same dtype, but got input with dtype "
            f"{x.dtype} and bins with dtype {edges.dtype}"
        )
    if edges.size < 2:
        raise RuntimeError("histogram(): bins must be > 0, but got 0: one edge bounds nothing")
    if weight is not None and weight.size != x.size:
        raise RuntimeError(
            "histogram(): if weight tensor is provided it should have the same shape as the input tensor, but got input "
            f"with shape {list(x.shape)} and weight with shape {list(weight.shape)}"
        )
    if weight is not None and weight.dtype != x.dtype:
        raise RuntimeError(
            f"histogram(): input tensor and weight tensor should have the same dtype, but got {x.dtype} and {weight.dtype}"
        )
    if x.dtype.kind not in "fV":
        raise NotImplementedError(f'"histogramdd" not implemented for {x.dtype}; convert with .float()')


def _not_there(g: Tensor, g_bin_edges: Tensor) -> Tensor:
    """None is known"""
    raise RuntimeError("derivative for aten::histogram is not implemented; detach() what needs none")


for _name in ("x", "weight"):
    histogram_between.grad(_name)(_not_there)
