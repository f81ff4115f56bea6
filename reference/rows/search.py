"""Rows of `ops/search.py`, `histogram.py`, `quantiles.py` and `scatter_reduce.py`: ties, nan, ends of ranges, empty bins, indices that meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import minitorch

from ..strategies import booleans, dim_of, floats, given, index_into, ints, of
from ..table import pair
from .index import apart, as_array, like

# ---- among sorted values ----


def in_order(pattern: str) -> Any:
    """Sorted rows, with repeated numbers."""
    return as_array(lambda source, case: np.sort(np.round(source.rng.uniform(-3, 3, source.shape(pattern))), -1))


def by_sorter(library: Any) -> Any:
    """`searchsorted` in rows that are in no order, and the indices that bring them into one."""
    return lambda rows, values, sorter, side: library.searchsorted(rows, values, sorter=sorter, side=side)


sides = {"right": booleans, "out_int32": booleans}
pair(
    "searchsorted", torch.searchsorted, rows=in_order("N 5"), values=floats("N 3", ties=True), **sides, differentiable=False
)
pair(
    "searchsorted", torch.searchsorted, row=in_order("K"), values=floats(ties=True), **sides, differentiable=False, slow=True
)
pair("searchsorted", by_sorter(torch), by_sorter(minitorch), rows=floats("N 5", ties=True), values=floats("N 3", ties=True),
    sorter=as_array(given(lambda case, source: case["rows"].argsort(-1))), side=of("left", "right", None, "middle"), differentiable=False,
    special=False, slow=True)  # fmt: skip
pair("searchsorted", torch.searchsorted, rows=in_order("3 2"), values=floats("2 2"), differentiable=False, slow=True)
pair("bucketize", torch.bucketize, x=floats(ties=True), boundaries=in_order("K"), **sides, differentiable=False)
pair("bucketize", torch.bucketize, x=floats("3"), boundaries=in_order("2 2"), differentiable=False, slow=True)
pair(
    "isin",
    torch.isin,
    elements=floats(ties=True),
    test_elements=floats("K", ties=True),
    invert=booleans,
    differentiable=False,
)
pair(
    "isin",
    torch.isin,
    elements=ints(),
    test_elements=of(0, 1.0, True),
    positional=("test_elements",),
    invert=booleans,
    slow=True,
)

# ---- which there are ----

wanted = {"return_inverse": booleans, "return_counts": booleans}
pair("unique", torch.unique, x=floats(ties=True), sorted=booleans, **wanted, differentiable=False, gpu="waits")
pair("unique", torch.unique, x=floats("3 4", among=(0.0, 1.0)), dim=of(0, 1, -1, 2), **wanted, differentiable=False, special=False, gpu="waits", slow=True)  # fmt: skip
pair("unique", torch.unique, x=ints("N 2 M", 0, 2), dim=of(0, 2), **wanted, gpu="waits", slow=True)
pair("unique_consecutive", torch.unique_consecutive, x=floats(ties=True), **wanted, differentiable=False, gpu="waits")
pair("unique_consecutive", torch.unique_consecutive, x=floats("4 3", among=(0.0, 1.0)), dim=of(0, -1, 3), **wanted, differentiable=False, gpu="waits", slow=True)  # fmt: skip
pair("nonzero_static", torch.nonzero_static, x=floats(ties=True), size=of(0, 2, 9, -1), fill_value=of(-1, 7), differentiable=False, gpu="waits")  # fmt: skip

# ---- in bins ----

pair("histc", torch.histc, x=floats(ties=True), bins=of(1, 4, 7, 0), differentiable=False, special=False, gpu="waits")
pair("histc", torch.histc, x=floats(), bins=of(4), min=of(-2, 0.5), max=of(2.0, 0.5, -3), positional=("bins", "min", "max"), differentiable=False, gpu="waits", slow=True)  # fmt: skip
pair("histogram", torch.histogram, x=floats("N M"), bins=of(1, 4, 7), weight=floats("N M", 0.1, 2), density=booleans, differentiable=False,
    special=False, gpu="waits")  # fmt: skip
pair("histogram", torch.histogram, x=floats("N M", ties=True), bins=of(3, 0), range=of((-2.0, 2.0), (1.0, 1.0), (2.0, 1.0), None),
    positional=("bins",), differentiable=False, special=False, gpu="waits", slow=True)  # fmt: skip
pair(
    "histogram",
    torch.histogram,
    x=floats(ties=True),
    bins=in_order("4"),
    density=booleans,
    differentiable=False,
    gpu="waits",
    slow=True,
)

# ---- where most lie ----

between = {"interpolation": of("linear", "lower", "higher", "midpoint", "nearest")}
smooth = {"smooth": {"x": apart}}
for name in ("quantile", "nanquantile"):
    theirs = getattr(torch, name)
    pair(name, theirs, x=floats("N 5"), q=as_array(of(np.array(0.3), np.array([0.0, 0.45, 1.0]), np.array([1.5]))), dim=of(0, 1, -1, None),
        keepdim=booleans, **between, **smooth, gpu="another order")  # fmt: skip
    pair(name, theirs, x=floats(), q=of(0, 0.25, 1.0, -0.1), dim=dim_of("x"), keepdim=booleans, positional=("q",), **between, **smooth,
        gpu="another order", slow=True)  # fmt: skip
pair("quantile", torch.quantile, x=floats("4"), q=floats("2", 0.1, 0.9), **smooth, special=False)
pair("nanmedian", torch.nanmedian, x=floats(ties=True), **smooth, empty=False)
pair("nanmedian", torch.nanmedian, x=floats(), dim=dim_of("x"), keepdim=booleans, expand=False, **smooth, slow=True)
pair(
    "nanmedian", torch.nanmedian, x=floats("30 2", ties=True), dim=of(0), keepdim=booleans, expand=False, **smooth, slow=True
)
# A nan among the numbers puts torch's sorting in disorder: then what it takes for the commonest is none.
pair(
    "mode", torch.mode, x=floats(ties=True), dim=dim_of("x"), keepdim=booleans, special=False, **smooth, gpu="another order"
)
pair("mode", torch.mode, x=floats("2 70", ties=True), dim=of(0, -1), special=False, **smooth, gpu="another order", slow=True)
pair("mode", torch.mode, x=ints("N 6", 0, 3), dim=of(1), keepdim=booleans, gpu="another order", slow=True)
pair("renorm", torch.renorm, x=floats("N 3 M"), p=of(2, 1, 3.5, float("inf"), -1), dim=of(0, 1, -1), maxnorm=of(0.5, 2, 100.0, -1),
    smooth={"p": of(2, 3.5)}, positional=("p", "dim", "maxnorm"), empty=False)  # fmt: skip

# ---- to one place ----

kinds = of("sum", "prod", "mean", "amax", "amin")
pair("scatter_reduce", torch.scatter_reduce, x=floats("N M"), dim=of(0, 1, -1), index=like("x"), src=floats("N M"), reduce=kinds,
    include_self=booleans, positional=("dim", "reduce"), gpu="waits")  # fmt: skip


def of_first(x: torch.Tensor, dim: int, index: torch.Tensor, src: torch.Tensor, reduce: str, **more: bool) -> torch.Tensor:
    """With the part of src alone that has an index: of a larger src torch has no derivative."""
    torch.scatter_reduce(x.detach(), dim, index, src.detach(), reduce, **more)  # refuses what it refuses
    return torch.scatter_reduce(x, dim, index, src[tuple(slice(n) for n in index.shape)], reduce, **more)


pair("scatter_reduce", of_first, x=floats("N M"), dim=of(0, 1, -1), index=like("x", smaller=True), src=floats("N M"), reduce=kinds,
    include_self=booleans, positional=("dim", "reduce"), special=False, gpu="waits")  # fmt: skip
pair("scatter_reduce", torch.scatter_reduce, x=floats(""), dim=of(0, -1), index=as_array(of(np.array(0), np.array([0]))), src=floats("1"), reduce=kinds,
    include_self=booleans, positional=("dim", "reduce"), gpu="waits", slow=True)  # fmt: skip
pair("scatter_reduce", torch.scatter_reduce, x=floats("3 2"), dim=of(0), index=like("x"), src=floats("3 2"), reduce=of("max", "min", "add"),
    positional=("dim", "reduce"), differentiable=False, gpu="waits", slow=True)  # fmt: skip
# Ties among what meets, and zeros: one that is alone, and two in one place, whose second derivative torch refuses.
meeting = {
    "x": floats("N 3", ties=True, low=-1, high=2),
    "dim": of(0, 1),
    "index": like("x"),
    "src": floats("N 3", ties=True, low=-1, high=2),
}
together = {
    "include_self": booleans,
    "positional": ("dim", "reduce"),
    "special": False,
    "smooth": {"x": apart, "src": apart},
    "gpu": "waits",
}
pair("scatter_reduce", torch.scatter_reduce, **meeting, reduce=of("sum", "mean", "amax", "amin"), **together, slow=True)
pair("scatter_reduce", torch.scatter_reduce, **meeting, reduce=of("prod"), **together, second_order=False, slow=True)
alone = {"dim": of(0), "index": as_array(index_into("x", "1 3")), "src": floats("1 3", ties=True, low=-1, high=1)}
pair("scatter_reduce", torch.scatter_reduce, x=floats("3 3", ties=True), **alone, reduce=of("prod"), **together, slow=True)
pair("scatter_reduce", torch.scatter_reduce, x=ints("N M"), dim=of(0, 1), index=like("x"), src=ints("N M"), reduce=kinds, include_self=booleans,
    positional=("dim", "reduce"), gpu="waits", slow=True)  # fmt: skip
pair("index_reduce", torch.index_reduce, x=floats(""), dim=of(0), index=as_array(of(np.array(0), np.array([0]))), source=floats(""), reduce=of("prod", "mean", "amax"),
    include_self=booleans, positional=("dim", "reduce"), gpu="waits", slow=True)  # fmt: skip
slices = {"index": as_array(index_into("x", "5", 0)), "source": floats("5 M"), "include_self": booleans}
pair("index_reduce", torch.index_reduce, x=floats("3 M"), dim=of(0, -2), **slices, reduce=of("prod", "mean", "amax", "amin", "sum"),
    positional=("dim", "reduce"), gpu="waits")  # fmt: skip
pair("index_reduce", torch.index_reduce, x=floats("M 3"), dim=of(1), index=as_array(of(np.array([2, 0]), np.array([1, 1]), np.array([3, 0]))),
    source=floats("M 2"), reduce=of("prod", "mean", "amax", "amin"), include_self=booleans, positional=("dim", "reduce"), empty=False,
    gpu="waits", slow=True)  # fmt: skip
