"""Rows of samples and of what is put together: `differences`, `covariance`, `cross`, `assembling`, `scattering`, `floats`."""

from __future__ import annotations

import torch

import minitorch

from ..strategies import booleans, floats, ints, of, positive
from ..table import pair

# ---- numbers as they are stored, and special functions ----

for name in ["deg2rad", "rad2deg"]:
    pair(name, getattr(torch, name), x=floats())
pair("sinc", torch.sinc, x=floats(ties=True), smooth={"x": floats(away_from=0)})
pair("i0", torch.i0, x=floats(ties=True, specials=False), smooth={"x": floats(away_from=0)})
pair("logaddexp2", torch.logaddexp2, a=floats(), b=floats(), broadcast=True)
pair("frexp", torch.frexp, x=floats(specials=False), smooth={"x": floats(low=0.6, high=0.9)})
pair("ldexp", torch.ldexp, a=floats(), b=floats(), broadcast=True)
pair("ldexp", torch.ldexp, a=floats(), b=ints(low=0), broadcast=True)
pair(
    "nextafter",
    torch.nextafter,
    a=floats(ties=True),
    b=floats(ties=True),
    broadcast=True,
    smooth={"a": floats(), "b": floats()},
)
for name in ["gcd", "lcm"]:
    pair(name, getattr(torch, name), a=ints(), b=ints(), broadcast=True)
pair("float_power", torch.float_power, a=positive(), b=floats(), broadcast=True)


for name in ["conj", "conj_physical", "real", "resolve_conj", "resolve_neg"]:
    pair(name, getattr(torch, name), x=floats())
pair("isreal", torch.isreal, x=floats(), differentiable=False)
pair("angle", torch.angle, x=floats(ties=True), smooth={"x": floats(away_from=0)})
pair("rsub", torch.rsub, a=floats(), b=floats(), alpha=of(1, 2.5), broadcast=True)
pair("rsub", torch.rsub, a=floats(), b=of(1, 2.5), alpha=of(1, 2.5), positional=("b",))
pair("fill", torch.fill, x=floats(), value=of(1, 2.5), positional=("value",))
pair("fill", torch.fill, x=floats(), value=floats(""), positional=("value",))

# ---- samples ----

pair("diff", torch.diff, x=floats("N 4"), n=of(1, 2, 0), dim=of(0, 1, -1))
for name in ["trapezoid", "cumulative_trapezoid"]:
    pair(name, getattr(torch, name), y=floats("N 4"), x=floats("4"), empty=False)
    pair(name, getattr(torch, name), y=floats("N 4"), dx=of(1, 0.5), dim=of(1, -1), empty=False)
pair("trapz", torch.trapz, y=floats("N 4"), x=floats("4"), empty=False)
pair("cov", torch.cov, x=floats("2 5"), correction=of(1, 0))
pair("corrcoef", torch.corrcoef, x=floats("2 5"), differentiable=False)
pair("cross", torch.cross, a=floats("N 3"), b=floats("N 3"), dim=of(1, -1))

for apart in [1, 0.5, (2.0,)]:
    pair("gradient", torch.gradient, x=floats("5"), spacing=of(apart), edge_order=of(1, 2), empty=False)
pair("gradient", torch.gradient, x=floats("4 3"), dim=of(None, 0, (1,), (1, 0)), edge_order=of(1, 2), empty=False)
pair(
    "gradient",
    lambda x, t, **more: torch.gradient(x, spacing=(torch.cumsum(t, 0),), **more),
    lambda x, t, **more: minitorch.gradient(x, spacing=(minitorch.cumsum(t, 0),), **more),
    x=floats("4 3"),
    t=floats("4", low=0.5, high=2),
    dim=of((0,)),
    edge_order=of(1, 2),
    expand=False,  # (differences of equal numbers are all rounding)
    empty=False,
    special=False,
)

# ---- parts ----

pair("block_diag", torch.block_diag, a=floats("N 2"), b=floats("3"), positional=("a", "b"))
pair("cartesian_prod", torch.cartesian_prod, a=floats("3"), b=floats("2"), positional=("a", "b"))
pair("combinations", torch.combinations, x=floats("4"), r=of(2, 1, 3, 0), with_replacement=booleans, gpu="waits")
pair("vander", torch.vander, x=floats("3"), N=of(None, 2, 4, 1, 0), increasing=booleans, gpu="waits")
pair("diagflat", torch.diagflat, x=floats("2 2"), offset=of(0, 1, -1))
pair("hsplit", torch.hsplit, x=floats("N 4"), parts=of(2, (1, 3), 4), positional=("parts",))
pair("vsplit", torch.vsplit, x=floats("4 N"), parts=of(2, (1, 3), 4), positional=("parts",))
pair("dsplit", torch.dsplit, x=floats("N 2 4"), parts=of(2, (1, 3), 4), positional=("parts",))
pair("split_with_sizes", torch.split_with_sizes, x=floats("5 N"), split_sizes=of((2, 3), (1, 0, 4), (5,)), dim=of(0))
pair("unsafe_split_with_sizes", torch.unsafe_split_with_sizes, x=floats("5 N"), split_sizes=of((2, 3), (5,)), dim=of(0))
pair("unsafe_split", torch.unsafe_split, x=floats("5 N"), split_size=of(2, 5), dim=of(0))
pair("unsafe_chunk", torch.unsafe_chunk, x=floats("5 N"), chunks=of(2, 5), dim=of(0))
pair("unravel_index", torch.unravel_index, indices=ints("N", 0, 12), shape=of((3, 4), 12, (2, 2, 3)))
pair("narrow_copy", torch.narrow_copy, x=floats("3 N"), dim=of(0), start=of(0, 1), length=of(1, 2))
pair("select_scatter", torch.select_scatter, x=floats("3 4"), src=floats("4"), dim=of(0), index=of(0, 2, -1))
for src, dim in [("2 4", 0), ("3 2", 1)]:
    pair(
        "slice_scatter",
        torch.slice_scatter,
        x=floats("3 4"),
        src=floats(src),
        dim=of(dim, dim - 2),
        start=of(0),
        end=of(2),
        step=of(1),
    )
pair(
    "slice_scatter",
    torch.slice_scatter,
    x=floats("3 5"),
    src=floats("3 2"),
    dim=of(1),
    start=of(2, -3),
    end=of(None, 6),
    step=of(2),
)
pair("diagonal_scatter", torch.diagonal_scatter, x=floats("3 3"), src=floats("3"), offset=of(0))
pair(
    "diagonal_scatter",
    torch.diagonal_scatter,
    x=floats("3 N 3"),
    src=floats("N 2"),
    offset=of(1, -1),
    dim1=of(0, 2),
    dim2=of(-1, 0),
)


def as_strided_scatter(x: torch.Tensor, src: torch.Tensor, size: tuple, stride: tuple) -> torch.Tensor:
    """A copy of x's memory is written to. (torch.as_strided_scatter's own gradient of x is g where src was put: the wrong way round.)"""
    torch.as_strided_scatter(x.detach(), src.detach(), size, stride)  # refuses what it refuses
    memory = x.as_strided((len(x.untyped_storage()) // x.element_size(),), (1,), 0).clone()
    memory.as_strided(size, stride, x.storage_offset()).copy_(src)
    return memory.as_strided(x.shape, x.stride(), x.storage_offset())


pair(
    "as_strided_scatter",
    as_strided_scatter,
    x=floats("3 4"),
    src=floats("2 2"),
    size=of((2, 2)),
    stride=of((1, 5), (4, 1)),
    expand=False,
)

# ---- special functions of several arguments ----

pair("mvlgamma", torch.mvlgamma, x=floats(low=2, high=6), p=of(1, 2, 4))
for name in ["igamma", "igammac"]:  # (none of both libraries has the derivative by the first input)
    pair(name, getattr(torch, name), a=positive(), b=positive(), broadcast=True, differentiable=False)
    pair(
        f"{name} (b)",
        lambda b, a, f=name: getattr(torch, f)(b.detach() * 0 + a, b),
        lambda b, a, f=name: getattr(minitorch, f)(b.detach() * 0 + a, b),
        covers=name,
        b=positive(),
        a=of(0.5, 1.0, 2.5),
    )
