"""Rows of `ops/shape.py` and `ops/rearrange.py`: every form of dim, empty and 0-d tensors, all memory layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import minitorch

from ..strategies import Source, dim_of, dims_of, floats, given, ints, of, several
from ..table import pair


def rearranged(case: dict, source: Source) -> tuple[int, ...]:
    """A shape for as many elements as x has, perhaps with a −1."""
    n = case["x"].size
    if n == 0:
        return source.choice([(0,), (2, 0), (0, 3)])
    divisor = source.choice([d for d in range(1, n + 1) if n % d == 0])
    return source.choice([(n,), (-1,), (divisor, n // divisor), (-1, divisor), (1, divisor, -1), (n + 1,), (-1, n + 1)])


def method(name: str, library: Any) -> Any:
    """`x.name(…)` as a function."""

    def call(x: Any, *args: Any, **options: Any) -> Any:
        return getattr(x, name)(*args, **options)

    call.__doc__ = getattr(library.Tensor, name).__doc__ or name
    return call


def by_method(name: str, **declaration: Any) -> None:
    """A row for an op that torch has as a method only; its options are passed by position."""
    options = tuple(n for n in declaration if n not in ("x", "differentiable", "empty", "smooth", "special"))
    pair(name, method(name, torch), method(name, minitorch), positional=options, **declaration)


# ---- another shape ----

pair("reshape", torch.reshape, x=floats(), shape=given(rearranged))
by_method("view", x=floats(), shape=given(rearranged))
by_method("view", x=floats(), shape=given(lambda case, source: tuple(case["x"].shape)))
pair("ravel", torch.ravel, x=floats())
pair("flatten", torch.flatten, x=floats(), start_dim=dim_of("x"), end_dim=dim_of("x"))
pair("unflatten", torch.unflatten, x=floats("N 6 M"), dim=of(1, -2, 0), sizes=of((2, 3), (3, -1), (6,), (1, 6), (4, 2)))
pair("squeeze", torch.squeeze, x=floats("1 N 1"))
pair("squeeze", torch.squeeze, x=floats("1 N 1"), dim=of(0, 1, -1, (0, 2), (0, 1), (), []))
pair("squeeze", torch.squeeze, x=floats())
pair(
    "unsqueeze",
    torch.unsqueeze,
    x=floats(),
    dim=given(lambda case, source: source.integer(-case["x"].ndim - 2, case["x"].ndim + 1)),
)
by_method(
    "expand", x=floats("1 N"), size=given(lambda case, source: source.choice([(3, -1), (2, 1, -1), (1, 2), (4,), (-1, -1)]))
)
by_method("expand", x=floats(), size=given(lambda case, source: (2, *case["x"].shape)))
pair("broadcast_to", torch.broadcast_to, x=floats("N 1"), size=of((2, 1, 3), (1, 1)))
pair("broadcast_tensors", torch.broadcast_tensors, a=floats(), b=floats(), broadcast=True)
pair(
    "broadcast_shapes",
    lambda a, b: torch.broadcast_shapes(a, b),
    ours=minitorch.broadcast_shapes,
    positional=("a", "b"),
    a=of((2, 1), (3,), ()),
    b=of((1, 3), (2, 2), (0, 1)),
)
by_method("contiguous", x=floats())
pair("as_strided", torch.as_strided, x=floats("2 3"), size=of((2, 2), (3,), ()), stride=of((1, 1), (2,), (0,), (3, 0), ()))
pair(
    "as_strided",
    torch.as_strided,
    x=floats("N 3"),
    size=of((1, 3)),
    stride=of((0, 1), (1, 1)),
    storage_offset=of(0, None, 2, 100),
)
by_method("unfold", x=floats("N 4"), dimension=of(1, -1, 0), size=of(1, 2, 3, 0, 5), step=of(1, 2, 3, 0))
by_method("unfold", x=floats(""), dimension=of(0), size=of(1, 0), step=of(1))
pair("atleast_1d", torch.atleast_1d, x=floats())
pair("atleast_2d", torch.atleast_2d, x=floats())
pair("atleast_3d", torch.atleast_3d, x=floats())

# ---- another order ----


def permutation(case: dict, source: Source) -> tuple[int, ...]:
    n = case["x"].ndim
    return tuple(int(d) - n * source.integer(0, 1) for d in source.rng.permutation(n))


pair("permute", torch.permute, x=floats(), dims=given(permutation))
pair("permute", torch.permute, x=floats("N M"), dims=of((0,), (0, 0), (1, -2), (0, 2)))
for name in ["transpose", "swapaxes", "swapdims"]:
    options = ("dim0", "dim1")
    pair(name, getattr(torch, name), x=floats(), dim0=dim_of("x"), dim1=dim_of("x"), positional=options)
pair("t", torch.t, x=floats())
pair("adjoint", torch.adjoint, x=floats("* N M"))
for name in ["movedim", "moveaxis"]:
    pair(name, getattr(torch, name), x=floats(), source=dim_of("x"), destination=dim_of("x"))
    pair(
        name,
        getattr(torch, name),
        x=floats("N M K"),
        source=of((0, 1), (2, 0), (-1, 0), (0, 0)),
        destination=of((1, 2), (-1, 1), (0,)),
    )

# ---- diagonals ----

pair("diagonal", torch.diagonal, x=floats("N M K"), offset=of(-2, -1, 0, 1, 5), dim1=of(0, 1, -1), dim2=of(1, 2, -2))
pair("diagonal", torch.diagonal, x=floats("N M"), offset=of(-1, 0, 1))
pair("diag", torch.diag, x=floats(), diagonal=of(-1, 0, 2))
pair("diag_embed", torch.diag_embed, x=floats("* N"), offset=of(-1, 0, 2), dim1=of(-2, 0), dim2=of(-1, 1))
pair("trace", torch.trace, x=floats("N M"))
pair("trace", torch.trace, x=ints("N M"))
for name in ["tril", "triu"]:
    pair(name, getattr(torch, name), x=floats("* N M"), diagonal=of(-2, -1, 0, 1, 3))
    pair(name, getattr(torch, name), x=floats())

# ---- joining ----

for name in ["cat", "concat", "concatenate"]:
    pair(name, getattr(torch, name), x=several(floats("N M"), along=True), dim=of(0, -2))
pair("cat", torch.cat, x=several(floats("N M")), dim=of(0, 1, -1, 2))
pair(
    "cat",
    lambda x, y: torch.cat([x, torch.zeros(0, dtype=x.dtype), y], 1),
    lambda x, y: minitorch.cat([x, x.new_zeros(0), y], 1),
    x=floats("N M"),
    y=floats("N 2"),
)
pair(
    "stack",
    torch.stack,
    x=several(floats()),
    dim=given(lambda case, source: source.integer(-case["x"][0].ndim - 1, case["x"][0].ndim)),
)
pair("stack", torch.stack, x=several(floats("N M"), along=True))
for name in ["hstack", "vstack", "row_stack", "dstack", "column_stack"]:
    pair(name, getattr(torch, name), x=several(floats()))
pair("meshgrid", torch.meshgrid, x=floats("N"), y=floats("M"), z=floats(""), indexing=of("ij", "xy"))

# ---- splitting ----

options = ("split_size_or_sections", "dim")
pair(
    "split",
    torch.split,
    x=floats("N 6"),
    split_size_or_sections=of(1, 4, 6, 9, (2, 4), (1, 0, 5), (2, 2), 0),
    dim=of(1, -1),
    positional=options,
)
pair("split", lambda x, part: torch.split(x, 4, 1)[part], lambda x, part: minitorch.split(x, 4, 1)[part],
    x=floats("N 6"), part=of(0, 1))  # fmt: skip
pair("split", torch.split, x=floats("N"), split_size_or_sections=of(1, 2), positional=options)
pair("chunk", torch.chunk, x=floats(), chunks=of(1, 2, 3, 5, 0), dim=dim_of("x"))
options = ("indices_or_sections", "dim")
pair(
    "tensor_split",
    torch.tensor_split,
    x=floats("N 5"),
    indices_or_sections=of(1, 3, 7, (1, 3), (2, 1), (0, 9), (-2,)),
    dim=of(1, -1, 0),
    positional=options,
)
pair("tensor_split", torch.tensor_split, x=floats("N 5"), indices_or_sections=ints("2", -3, 9), dim=of(1, -1))
pair("tensor_split", torch.tensor_split, x=floats("N 5"), indices_or_sections=ints("", -1, 9), dim=of(1, -1))
for wrong in (ints("2", 0, 5, np.int32), ints("2 1", 0, 5), floats("2")):
    pair("tensor_split", torch.tensor_split, x=floats("N 5"), indices_or_sections=wrong, differentiable=False)
pair("tensor_split", torch.tensor_split, x=floats("N 5"), sections=of(3, 0, 10**30))
pair("tensor_split", torch.tensor_split, x=floats("N 5"), indices=of((1, 3), (), (10**30,)), dim=of(1, -1))
pair("split", torch.split, x=floats("N 5"), size=of(2**63 - 1, 10**30), positional=("size",))
pair("chunk", torch.chunk, x=floats("N 5"), chunks=of(10**30), positional=("chunks",))
pair("unbind", torch.unbind, x=floats(), dim=dim_of("x"))

# ---- turning and repeating ----

pair(
    "flip",
    torch.flip,
    x=floats(),
    dims=given(lambda case, source: d if isinstance(d := dims_of("x", none=False)(source, case), tuple) else (d,)),
)
pair("fliplr", torch.fliplr, x=floats())
pair("flipud", torch.flipud, x=floats())
pair("roll", torch.roll, x=floats(), shifts=of(-2, 0, 1, 7))
pair("roll", torch.roll, x=floats("N M"), shifts=of(1, (1, -2), (2, 5)), dims=of(0, -1, (0, 1), (1, 0), (0, 0)))
pair("rot90", torch.rot90, x=floats("N M K"), k=of(-1, 0, 1, 2, 3, 5), dims=of((0, 1), (1, 2), (-1, 0), (1, 1)))
by_method("repeat", x=floats("N M"), repeats=of((2, 1), (1, 3), (2, 1, 2), (0, 1), (2,)))
by_method(
    "repeat", x=floats(), repeats=given(lambda case, source: tuple(source.integer(1, 2) for _ in range(case["x"].ndim)))
)
pair("tile", torch.tile, x=floats("N M"), dims=of((2,), (2, 3), (2, 1, 2), ()))
by_method("repeat", x=floats("1"), repeats=of((2**62,), (2**32, 2**32), (1, 1)))  # more than any memory
pair("repeat_interleave", torch.repeat_interleave, x=floats(), repeats=of(0, 1, 3), positional=("repeats",))
pair("repeat_interleave", torch.repeat_interleave, x=floats(), repeats=of(2), dim=dim_of("x"), positional=("repeats",))
pair("repeat_interleave", torch.repeat_interleave, x=floats("N 3"), repeats=ints("3", 0, 3), dim=of(1, -1))
for kind in (np.int32, np.int16, np.uint8):
    pair("repeat_interleave", torch.repeat_interleave, x=floats("N 3"), repeats=ints("3", 0, 3, kind), dim=of(1, -1))
pair("repeat_interleave", torch.repeat_interleave, x=ints("3", 0, 3, np.int32), output_size=of(None, 3))
pair(
    "repeat_interleave",
    torch.repeat_interleave,
    x=floats("2 3"),
    repeats=ints("3", 1, 2),
    dim=of(1),
    output_size=of(None, 3, 4),
)
pair("repeat_interleave", torch.repeat_interleave, x=floats("2 3"), repeats=of(2), dim=of(None, 1), output_size=of(None, 6, 12),
    positional=("repeats",))  # fmt: skip
