"""Rows of `ops/reduce.py`: ties, zeros and constants are drawn on purpose, and every form of `dim`."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch

import minitorch

from ..strategies import booleans, dim_of, dims_of, floats, given, ints, of
from ..table import pair

inf = float("inf")


def whole_or_dim(function: Any) -> Any:
    """`function` where `dim=None` means that no dim is given: some of torch's overloads want it absent."""

    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return function(x) if dim is None else function(x, dim=dim, keepdim=keepdim)

    return call


def dim_or_none(name: str) -> Any:
    """None or one dimension."""
    return lambda source, case: None if source.integer(0, 2) == 0 else dim_of(name)(source, case)


# ---- sums and means ----

for name in ["sum", "mean", "nansum", "nanmean"]:
    pair(name, getattr(torch, name), x=floats(), dim=dims_of("x"), keepdim=booleans)
pair("sum", torch.sum, x=ints(), dim=dims_of("x"), keepdim=booleans)
pair("count_nonzero", torch.count_nonzero, x=floats(ties=True), dim=dims_of("x"), differentiable=False)
for name in ["all", "any"]:
    pair(name, getattr(torch, name), x=floats(ties=True), dim=dims_of("x"), keepdim=booleans,
        differentiable=False)  # fmt: skip

# ---- variance: constants, and fewer elements than the correction ----

any_spread = functools.partial(pair, expand=False)  # float32: the mean of equal numbers rounds, and 1/std magnifies that
for name in ["var", "std"]:
    any_spread(name, getattr(torch, name), x=floats(), dim=dims_of("x"), correction=of(0, 1, 2, 0.5), keepdim=booleans,
        smooth={"x": floats("3 2"), "correction": of(0, 0.5)})  # fmt: skip
    any_spread(name, getattr(torch, name), x=floats(low=-0.4, high=0.4, ties=True), dim=dims_of("x"), unbiased=booleans,
        keepdim=booleans, smooth={"x": floats("2 3"), "dim": of(None, 1)})  # fmt: skip
    any_spread(f"{name}_mean", getattr(torch, f"{name}_mean"), x=floats(specials=False), dim=dims_of("x"), correction=of(0, 1),
        keepdim=booleans, smooth={"x": floats("3 2"), "correction": of(0)})  # fmt: skip

for name in ["var", "std", "var_mean", "std_mean"]:  # the old form: x.var(False), and all its arguments by position
    whole, along = floats("3 2", specials=False), dims_of("x")
    any_spread(name, getattr(torch, name), x=whole, unbiased=booleans, positional=("unbiased",))
    any_spread(name, getattr(torch, name), x=whole, dim=along, unbiased=booleans, keepdim=booleans, positional=("dim", "unbiased", "keepdim"),
        smooth={"dim": of(None, 1)})  # fmt: skip
    any_spread(
        name, getattr(torch, name), x=whole, dim=of(True, 0), unbiased=booleans, correction=of(1), positional=("dim",)
    )

pair("var", torch.var, x=floats("2"), dim=of(None), correction=of(2, 3), keepdim=booleans, second_order=False,
    smooth={"x": floats("2 3"), "correction": of(0)})  # fmt: skip

# ---- products: with zeros, one and several ----

prod = whole_or_dim(torch.prod)
pair("prod", prod, x=floats(ties=True), dim=dim_or_none("x"), keepdim=booleans)
pair("prod", prod, x=floats("3 2", low=-1, high=1, ties=True), dim=dim_or_none("x"), keepdim=booleans)
pair("prod", prod, x=floats(), dim=dim_or_none("x"), keepdim=booleans)
pair("prod", prod, x=floats("4", among=(0.0, 1.0, 2.0, -3.0, 1.5), specials=False), dim=of(None, 0), keepdim=of(False))
pair("prod", prod, x=floats("2 2", among=(0.0, 0.0, 2.0, -3.0), specials=False), dim=of(None, 1), keepdim=of(False))
pair("prod", torch.prod, x=ints())

# ---- extremes: ties ----

apart = floats(low=-100, high=100)
for name in ["amax", "amin"]:
    pair(
        name, getattr(torch, name), x=floats(ties=True), dim=dims_of("x", none=False), keepdim=booleans, smooth={"x": apart}
    )
    pair(name, getattr(torch, name), x=floats(ties=True), smooth={"x": apart})
for name in ["max", "min"]:
    pair(name, getattr(torch, name), x=floats(ties=True), smooth={"x": apart})
    pair(name, getattr(torch, name), x=floats(ties=True), dim=dim_of("x"), keepdim=booleans, smooth={"x": apart})
    pair(name, getattr(torch, name), x=floats(ties=True), other=floats(ties=True), broadcast=True,
        smooth={"x": floats(), "other": floats()})  # fmt: skip
for name in ["argmax", "argmin"]:
    pair(name, getattr(torch, name), x=floats(ties=True), dim=dim_or_none("x"), keepdim=booleans, differentiable=False)
pair("aminmax", torch.aminmax, x=floats(ties=True), dim=dim_or_none("x"), keepdim=booleans, smooth={"x": apart})

# ---- norms: at 0, and each p ----

for p in (2, 1, 0, inf, -inf, 3, 2.5, 1.5, 0.5, -1):
    pair("norm", torch.norm, x=floats(ties=True), p=of(p), dim=dims_of("x"), keepdim=booleans,
        smooth={"x": floats(low=0.5, high=50) if p in (inf, -inf) else floats(away_from=0)})  # fmt: skip
pair("norm", torch.norm, x=floats("N M"), p=of("fro", 2), dim=of(None, (0, 1), 1), smooth={"x": floats("N M", away_from=0)})
pair("dist", torch.dist, a=floats(ties=True), b=floats(ties=True), p=of(2, 1, 3, inf), broadcast=True,
    smooth={"a": floats(low=5, high=50), "b": floats(low=-1, high=1)})  # fmt: skip

# ---- exponentials and scans ----

pair("logsumexp", torch.logsumexp, x=floats(), dim=dims_of("x", none=False), keepdim=booleans)
pair("logsumexp", torch.logsumexp, x=floats(low=-2000, high=2000), dim=dim_of("x"))
pair("cumsum", torch.cumsum, x=floats(), dim=dim_of("x"))
pair("cumsum", torch.cumsum, x=ints(), dim=dim_of("x"))
pair("cumprod", torch.cumprod, x=floats(ties=True, specials=False), dim=dim_of("x"))
pair("cumprod", torch.cumprod, x=floats("5", low=-1, high=1, ties=True, specials=False), dim=of(0))
pair("cumprod", torch.cumprod, x=floats(among=(0.0,), specials=False), dim=dim_of("x"))
pair("cumprod", torch.cumprod, x=floats(), dim=dim_of("x"), differentiable=False)
pair("logcumsumexp", torch.logcumsumexp, x=floats(), dim=dim_of("x"))
# Its derivative is exp(x − out), and out is rounded to multiples of 4 in bfloat16.
pair("logcumsumexp", torch.logcumsumexp, x=floats(low=-2000, high=2000), dim=dim_of("x"), half=math.inf)
for name in ["cummax", "cummin"]:
    pair(name, getattr(torch, name), x=floats(ties=True), dim=dim_of("x"), smooth={"x": apart})

# ---- long float32 sums, along every axis: NumPy adds rows one after the other, torch in a cascade ----

long = given(lambda case, source: source.rng.normal(1, 1, source.choice([(20000,), (5000, 3), (3, 5000), (2000, 2, 3)])))
long.is_array = True  # type: ignore[attr-defined]
for name in ["sum", "mean", "var", "std"]:
    pair(name, getattr(torch, name), x=long, dim=given(lambda case, source: source.choice([0, tuple(range(case["x"].ndim))])),
        differentiable=False)  # fmt: skip
for name in ["cumsum", "logcumsumexp"]:
    pair(name, getattr(torch, name), x=long, dim=of(0), differentiable=False)

# ---- another dtype asked for ----


def typed(name: str, library: Any) -> Any:
    """The function, with its dtype by name."""
    return lambda x, dtype, **options: getattr(library, name)(x, dtype=getattr(library, dtype), **options)


def written(name: str) -> Any:
    """The method that writes into a copy of x, with its dtype by name."""

    def call(x: Any, dtype: str, **options: Any) -> Any:
        library = torch if isinstance(x, torch.Tensor) else minitorch
        return getattr(x.clone(), name)(dtype=dtype and getattr(library, dtype), **options)

    return call


kinds = of("bool", "uint8", "int8", "int32", "int64", "float32", "float64")
for name in ["sum", "prod", "cumsum", "cumprod"]:
    where = {} if name in ("sum", "prod") else {"dim": dim_of("x")}
    for kind in (np.int64, np.bool_):
        pair(f"{name} (dtype)", typed(name, torch), typed(name, minitorch), x=ints(low=0, high=2, dtype=kind), dtype=kinds, covers=name,
            **where)  # fmt: skip
for name in ["cumsum_", "cumprod_"]:
    for x in (ints("2 3", 0, 99, np.uint8), floats("2 3", specials=False)):
        pair(
            f"{name} (dtype)",
            written(name),
            written(name),
            x=x,
            dim=of(0, -1),
            dtype=of(None, "int64", "float32", "float64"),
            covers=name[:-1],
        )
