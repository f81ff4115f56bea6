"""Rows of `ops/index.py`, `ops/gather.py`, `masked.py` and `sort.py`: keys of every kind, repeated and wrong indices, ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import minitorch

from ..strategies import Source, booleans, bools, dim_of, floats, given, index_into, ints, of
from ..table import pair

# ---- x[key] ----


def lookup(x: Any, key: Any) -> Any:
    """x[key], with the arrays in the key as tensors of x's library."""
    return x[_key(x, key)]


def assigned(x: Any, value: Any, key: Any) -> Any:
    """A copy of x after `copy[key] = value`."""
    y = x * 1
    y[_key(x, key)] = value
    return y


def assigned_through_view(x: Any, value: Any, key: Any) -> Any:
    """The same, written through a view of the copy, with the copy used before and after."""
    y = x * 2
    before = y.sum()
    y.transpose(0, 1)[_key(x, key)] = value * before
    return y * y


def _key(x: Any, key: Any) -> Any:
    library = torch if isinstance(x, torch.Tensor) else minitorch
    if isinstance(key, (tuple, list)):
        return type(key)(_key(x, k) for k in key)
    return library.from_numpy(np.array(key)) if isinstance(key, np.ndarray) else key


i, j, column = np.array([1, 0, 1]), np.array([0, -1, 1]), np.array([[0], [1]])
mask, mask2 = np.array([True, False, True]), np.array([[True, False], [True, True], [False, True]])
keys: list[Any] = [
    # views
    0, -1, 3, slice(None), slice(1, None), slice(None, None, 2), slice(5, 9), slice(2, 1), None, Ellipsis, (), (0, 1),
    (0, 1, 2, 0), (Ellipsis, 0), (0, Ellipsis, 1), (None, 0), (slice(None), None, 1), (slice(0, 2), 1),
    (Ellipsis, None, slice(1, 3)), (Ellipsis, Ellipsis), (-4,), np.array(1), np.array(7), slice(None, None, -1),
    slice(None, None, 0),
    # copies
    i, j, column, [0, 2], [], [[0, 1], [1, 0]], (i, [0, 1, 0]), (i, slice(None), j), (slice(None), [0, 1]),
    (0, slice(None), i), (slice(None), 0, i), (i, 0, j), (i, None, [0, 1, 0]), (None, i), (column, i[:2]), (i, Ellipsis, 0),
    (Ellipsis, i), (i.astype(np.int32),), np.array([3]), (slice(None), np.array([0, -3])), (i, np.array([0, 1])), 1.5,
    np.array([1.0]), (slice(1, None), i), mask, mask2, (slice(None), np.array([True, False])), (mask, 1),
    (mask, slice(None), i[:2]), np.array([True, False]), True, False, (True, 0), np.array(True), (0, mask2[0]),
    np.zeros(3, bool), (mask, [0, 1, 0]), [i, j], [np.array(1), 0], [mask], [slice(1, None), i],
    # masks of no dimensions, in the dtype that was torch's bool
    np.array(1, np.uint8), (np.array(0, np.uint8), i), (0, np.array(2, np.uint8)),
]  # fmt: skip

once = of(*keys[:16], mask, mask2, [0, 2])  # which of the values a repeated index keeps has no derivative

pair("getitem", lookup, lookup, x=floats("3 2 4"), key=of(*keys), positional=("key",))
pair(
    "getitem",
    lookup,
    lookup,
    x=floats("3 2"),
    key=of(np.array([1, 0, 1], np.uint8)),
    positional=("key",),
    differentiable=False,
)
pair("getitem", lookup, lookup, x=floats(), key=of(*keys[:12]), positional=("key",))
for name, call in (("setitem", assigned), ("setitem", assigned_through_view)):
    pair(
        name,
        call,
        call,
        x=floats("3 2 4") if call is assigned else floats("2 3 4"),
        value=floats(""),
        key=of(*keys),
        positional=("key",),
        smooth={"key": once},
    )
pair(
    "setitem",
    assigned,
    assigned,
    x=floats("3 2 4"),
    value=floats("4"),
    positional=("key",),
    key=of(
        0, (0, 1), Ellipsis, slice(None), mask, np.array([0, 2]), (slice(None), 1), [0], (np.array([0, 2]), 1), (1, 0, 0)
    ),
)
pair("setitem", assigned, assigned, x=floats("3 2 4"), value=of(0, 2.5, True), positional=("value", "key"), key=of(*keys))


def as_array(strategy: Any) -> Any:
    """Mark what a strategy draws as an array, which is passed by position."""
    strategy.is_array = True
    return strategy


def put(library: Any) -> Any:
    """`index_put` with its indices as one tuple."""

    def call(x: Any, first: Any, second: Any, values: Any, accumulate: bool) -> Any:
        return library.index_put(x, (first, second), values, accumulate=accumulate)

    call.__doc__ = minitorch.index_put.__doc__
    return call


first, second = as_array(index_into("x", "5", 0)), as_array(index_into("x", "5", 1))
pair(
    "index_put (adding)",
    put(torch),
    put(minitorch),
    x=floats("3 4"),
    first=first,
    second=second,
    values=floats("5"),
    accumulate=of(True),
    covers="index_put",
)
pair(
    "index_put (writing)",
    put(torch),
    put(minitorch),
    x=floats("3 4"),
    first=as_array(of(np.array([0, 2, -2]))),
    second=as_array(of(np.array([3, 0, -1]))),
    values=floats("3"),
    accumulate=of(False),
    covers="index_put",
)
pair("select", torch.select, x=floats(), dim=dim_of("x"), index=of(0, -1, 1, 4), positional=("dim", "index"))
pair(
    "narrow",
    torch.narrow,
    x=floats("N 4"),
    dim=of(1, -1, 0),
    start=of(0, 1, -2, 5),
    length=of(0, 1, 3, -1),
    positional=("dim", "start", "length"),
)

# ---- along one dimension ----


def like(name: str, smaller: bool = False, distinct: bool = False) -> Any:
    """An index of the shape of `name` (perhaps smaller), valid along the option `dim`, perhaps without repetition."""

    def draw(source: Source, case: dict) -> np.ndarray:
        x = case[name]
        dim = case["dim"] % max(x.ndim, 1)
        size = x.shape[dim] if x.ndim else 1
        shape = tuple(source.integer(1 if n else 0, n) if smaller else n for n in x.shape)
        if not distinct:
            return source.rng.integers(0, max(size, 1), shape)
        order = np.argsort(source.rng.random(x.shape or (1,)), axis=dim).reshape(x.shape)
        return np.asarray(order[tuple(slice(n) for n in shape)])

    return as_array(draw)


dim = ("dim",)
pair("gather", torch.gather, x=floats(), dim=dim_of("x"), index=like("x"), positional=dim)
pair("gather", torch.gather, x=floats("N M"), dim=of(0, 1, -1), index=like("x", smaller=True), positional=dim)
pair(
    "gather",
    torch.gather,
    x=floats("2 3"),
    dim=of(0, 1),
    index=as_array(of(np.array([[2]]), np.array([[-1]]), np.array([0]), np.zeros((3, 3), int))),
    positional=dim,
)
pair(
    "scatter_add",
    torch.scatter_add,
    x=floats("N M"),
    dim=of(0, 1, -1),
    index=like("x", smaller=True),
    src=floats("N M"),
    positional=dim,
)
# For a src larger than the index torch has no derivative: the part that has an index stands for it.
pair("scatter_add", lambda x, dim, index, src: torch.scatter_add(x, dim, index, src[:1, :2]), x=floats("3 4"), dim=of(0, 1),
    index=as_array(of(np.array([[0, 2]]))), src=floats("2 3"), positional=dim)  # fmt: skip
pair("scatter_add", torch.scatter_add, x=floats(""), dim=of(0, -1), index=like("x"), src=floats(""), positional=dim)
pair(
    "scatter",
    torch.scatter,
    x=floats("N M"),
    dim=of(0, 1, -1),
    index=like("x", smaller=True, distinct=True),
    src=floats("N M"),
    positional=dim,
)
pair(
    "scatter",
    torch.scatter,
    x=floats(),
    dim=dim_of("x"),
    index=like("x", distinct=True),
    src=of(0, 1.5),
    positional=("dim", "src"),
)
pair("scatter", torch.scatter, x=floats("N M"), dim=of(0, 1), index=like("x"), value=of(2.5))
pair(
    "take_along_dim",
    torch.take_along_dim,
    x=floats("N 4"),
    indices=as_array(of(np.array([[3, 0, 3]]), np.array([[1]]), np.array([[-1, 7, -9]]))),  # they count modulo the size
    dim=of(1, -1),
)
# torch flattens with view, and so refuses what is not contiguous
pair(
    "take_along_dim",
    lambda x, i: torch.take_along_dim(x.contiguous(), i),
    x=floats("3 4"),
    indices=as_array(of(np.array([11, 0, 3]), np.array([[1]]), np.array([-1]))),
)
# Indices of other dtypes: of int32, and of any dtype where there are none.
narrow = as_array(
    of(*(np.zeros(shape, kind) for shape in ((2, 3), (2, 0), (0,)) for kind in (np.int32, np.int16, np.uint8, bool)))
)
pair("gather", torch.gather, x=floats("2 3"), dim=of(0, 1), index=narrow, positional=dim)
pair("take_along_dim", torch.take_along_dim, x=floats("2 3"), indices=narrow, dim=of(0, 1))
for name in ["scatter", "scatter_add"]:
    pair(
        name,
        getattr(torch, name),
        x=floats("2 3"),
        dim=of(0, 1),
        index=narrow,
        src=floats("2 3"),
        positional=dim,
        differentiable=False,
        gpu="another order" if name == "scatter" else "",
    )
pair("scatter", torch.scatter, x=floats("N M"), dim=of(0, 1), index=like("x", smaller=True), src=floats("N M"),
    reduce=of("add", "multiply", "amax"), positional=dim, differentiable=False, special=False, gpu="waits")  # fmt: skip
pair("scatter", torch.scatter, x=ints("N M"), dim=of(0, 1), index=like("x"), src=of(2, 3), reduce=of("add", "multiply"),
    positional=("dim", "src"), gpu="waits")  # fmt: skip

vector = as_array(index_into("x", "5", "dim"))
pair(
    "index_select",
    torch.index_select,
    x=floats(),
    dim=dim_of("x"),
    index=as_array(index_into("x", "1", "dim")),
    positional=dim,
)
pair("index_select", torch.index_select, x=floats("N M K"), dim=of(0, 1, 2, -1), index=vector, positional=dim)
pair(
    "index_select",
    torch.index_select,
    x=floats("3 2"),
    dim=of(0),
    index=as_array(of(np.array([2]), np.array([-1]), np.array([[0]]), np.array(1))),
    positional=dim,
)
pair(
    "index_add",
    torch.index_add,
    x=floats("3 M"),
    dim=of(0, -2),
    index=vector,
    source=floats("5 M"),
    alpha=of(1, 2, -0.5),
    positional=dim,
)
pair(
    "index_add",
    torch.index_add,
    empty=False,
    x=floats("M 3"),
    dim=of(1),
    index=as_array(of(np.array([2, 0]), np.array([3, 0]), np.array([-1, 0]))),
    source=floats("M 2"),
    positional=dim,
)
pair(
    "index_copy",
    torch.index_copy,
    empty=False,
    x=floats("M 3"),
    dim=of(1, -1),
    index=as_array(of(np.array([2, 0]), np.array([3, 0]), np.array([1]), np.array([2, 0], np.int32))),
    source=floats("M 2"),
    positional=dim,
)
pair(
    "index_fill",
    torch.index_fill,
    empty=False,
    x=floats("M 3"),
    dim=of(1, -1),
    index=as_array(of(np.array([2, 0]), np.array([3, 0]), np.array([-1]))),
    value=of(0, 1.5),
    positional=("dim", "value"),
)
pair(
    "index_fill",
    torch.index_fill,
    x=floats("M 3"),
    dim=of(1),
    index=as_array(of(np.array([2, 0]), np.array([1, -1, 1, 2]), np.array([0], np.int32))),
    value=floats(""),
    positional=dim,
)

pair("one_hot", F.one_hot, minitorch.one_hot, index=ints("*", 0, 4), num_classes=of(-1, 4, 6, 2))
pair(
    "embedding",
    torch.embedding,
    weight=floats("4 D"),
    index=ints("*", 0, 4),
    padding_idx=of(-1, 0, 3),
    scale_grad_by_freq=booleans,
    smooth={"padding_idx": of(-1), "scale_grad_by_freq": of(False)},
)
pair("embedding", torch.embedding, weight=floats("4 D"), index=ints("2", -1, 6), empty=False)


def bag_of(library: Any) -> Any:
    """The sums, means or maxima alone: what else comes out, torch leaves empty where its kernels do without."""
    return lambda *inputs, **options: library.embedding_bag(*inputs, **options)[0]


bags = {
    "weight": floats("4 D"),
    "index": ints("6", 0, 4),
    "offsets": as_array(of(np.array([0, 2]), np.array([0, 0, 3, 6]), np.array([0, 6]))),
}
options = {
    "include_last_offset": given(  # torch reads beyond its arrays where the last offset is not the end
        lambda case, source: bool(case["offsets"][-1] == 6 and source.integer(0, 1))
    ),
    "padding_idx": of(None, 1, -1),
}
each = {
    "smooth": {"scale_grad_by_freq": of(False), "padding_idx": of(None)},
    "special": False,
}
plain = {"scale_grad_by_freq": of(False), "sparse": of(False), "per_sample_weights": of(None)}
for mode in range(3):
    pair("embedding_bag", bag_of(torch), bag_of(minitorch), **bags, **plain, **options, mode=of(mode), **each,
        gpu="waits" if mode == 2 else "")  # fmt: skip
# Each index as often as the others: torch's CPU divides by how often another one comes.
equal = as_array(given(lambda case, source: source.rng.permutation([0, 0, 1, 1, 3, 3])))
pair("embedding_bag", bag_of(torch), bag_of(minitorch), **bags | {"index": equal}, **plain | {"scale_grad_by_freq": booleans}, **options,
    mode=of(0, 1), **each)  # fmt: skip
pair("embedding_bag", bag_of(torch), bag_of(minitorch), **bags, scale_grad_by_freq=of(False), mode=of(0, 0, 0, 1, 3), sparse=of(False),
    per_sample_weights=floats("6"), **options, **each)  # fmt: skip
pair(
    "embedding_bag",
    bag_of(torch),
    bag_of(minitorch),
    weight=floats("4 D"),
    index=ints("5", -1, 6),
    offsets=as_array(of(np.array([0, 2]), np.array([1, 2]), np.array([0, 9]))),
    mode=of(0, 2),
)

# ---- masks and flat indices ----

pair("masked_fill", torch.masked_fill, x=floats(), mask=bools(), value=of(0, -1.5), broadcast=True, positional=("value",))
pair("masked_fill", torch.masked_fill, x=floats("N M"), mask=bools("N 1"), value=floats(""))
pair("masked_select", torch.masked_select, x=floats(), mask=bools(), broadcast=True)
pair("masked_scatter", torch.masked_scatter, x=floats("N M"), mask=bools("N M"), source=floats("20"))
pair("masked_scatter", torch.masked_scatter, x=floats("N M"), mask=bools("M"), source=floats("3 2"))
flat = as_array(
    given(
        lambda case, source: (
            source.rng.integers(-case["x"].size, case["x"].size, (2, 3)) if case["x"].size else np.zeros((0,), int)
        )
    )
)
pair("take", torch.take, x=floats(), index=flat)
pair("take", torch.take, x=floats("2"), index=as_array(of(np.array([2]), np.array([-3]))))
pair(
    "put",
    lambda x, index, source, accumulate: x.put(index, source, accumulate),
    x=floats("3 4"),
    index=as_array(of(np.array([[0, -1], [5, 7]]), np.array([1, 2, 3, 0], np.int32))),
    source=floats("4"),
    accumulate=booleans,
    positional=("accumulate",),
)
pair("nonzero", torch.nonzero, x=floats(ties=True), as_tuple=booleans, differentiable=False)
pair("argwhere", torch.argwhere, x=floats(ties=True), differentiable=False)
pair("bincount", torch.bincount, x=ints("N", 0, 5), minlength=of(0, 2, 9))
pair("bincount", torch.bincount, x=ints("N", 0, 5), weights=floats("N"), differentiable=False, empty=False)
pair("bincount", torch.bincount, x=ints("N", -1, 3))

# ---- order: ties ----

apart = floats(low=-100, high=100)
for name in ["sort", "argsort"]:
    kind = {"smooth": {"x": apart}} if name == "sort" else {"differentiable": False}
    pair(name, getattr(torch, name), x=floats(ties=True), dim=dim_of("x"), descending=booleans, stable=booleans, **kind)
    pair(name, getattr(torch, name), x=floats(), dim=dim_of("x"), descending=booleans, **kind)
    # More than 16 with ties: std::sort splits them.
    pair(
        name,
        getattr(torch, name),
        x=floats("2 70", ties=True),
        dim=of(-1, 0),
        descending=booleans,
        stable=booleans,
        gpu="another order",
        **kind,
    )
pair(
    "sort", torch.sort, x=ints("33000", 0, 50), dim=of(0), descending=booleans, gpu="another order"
)  # many integers torch sorts by their digits
pair("msort", torch.msort, x=floats(ties=True), smooth={"x": apart})
for x in (floats("N 5"), floats("N 5", ties=True)):
    pair("topk", torch.topk, x=x, k=of(0, 1, 3, 5, 6), dim=of(-1, 1), largest=booleans, sorted=booleans, smooth={"x": apart},
         gpu="another order")  # fmt: skip
pair("topk", torch.topk, x=floats(), k=of(1), dim=dim_of("x"), smooth={"x": apart}, gpu="another order")
pair(
    "topk",
    torch.topk,
    x=floats("2 70", ties=True),
    k=of(1, 2, 30, 70),
    largest=booleans,
    sorted=booleans,
    smooth={"x": apart},
    gpu="another order",
)
pair("topk", torch.topk, x=ints("300", 0, 9), k=of(3, 4, 5, 299), largest=booleans, sorted=booleans, gpu="another order")
pair("kthvalue", torch.kthvalue, x=floats("N 4"), k=of(1, 2, 4, 5, 0), dim=of(1, -1), keepdim=booleans, gpu="another order")
pair(
    "kthvalue",
    torch.kthvalue,
    x=floats("30 2", ties=True),
    k=of(1, 7, 15, 30),
    dim=of(0),
    keepdim=booleans,
    smooth={"x": apart},
    gpu="another order",
)
pair("kthvalue", torch.kthvalue, x=floats(), k=of(1), dim=dim_of("x"), keepdim=booleans, gpu="another order")
pair("median", torch.median, x=floats(ties=True), smooth={"x": apart}, empty=False)
pair("median", torch.median, x=floats("0 2"), differentiable=False)
# torch takes the median of expanded memory to be 0.
pair("median", torch.median, x=floats(), dim=dim_of("x"), keepdim=booleans, expand=False)
pair("median", torch.median, x=floats("30 2", ties=True), dim=of(0), keepdim=booleans, expand=False, smooth={"x": apart})
