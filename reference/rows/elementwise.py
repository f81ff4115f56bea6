"""Rows of `ops/elementwise.py`, `ops/compare.py` and `special.py`: ties, kinks, zeros and poles are drawn on purpose."""

from __future__ import annotations

import math

import torch

from minitorch.arrays.device import CPU
from minitorch.arrays.dtypes import float16, float32, float64
from minitorch.ops.elementwise import to, to_device

from ..strategies import booleans, bools, floats, ints, number, of, positive
from ..table import pair

# ---- one input ----

for name in [
    "neg",
    "positive",
    "square",
    "exp",
    "exp2",
    "expm1",
    "sin",
    "cos",
    "tanh",
    "asinh",
    "atan",
    "sinh",
    "cosh",
    "erf",
    "erfc",
    "sigmoid",
    "clone",
]:
    pair(name, getattr(torch, name), x=floats())
for name in ["log", "log2", "log10", "sqrt", "rsqrt", "digamma", "lgamma"]:
    pair(name, getattr(torch, name), x=floats(low=-1, high=8), smooth={"x": positive()})
pair("log1p", torch.log1p, x=floats(low=-2, high=8), smooth={"x": floats(low=-0.8)})
pair("reciprocal", torch.reciprocal, x=floats(away_from=0))
pair("tan", torch.tan, x=floats(low=-1.4, high=1.4))
for name in ["asin", "acos", "atanh", "erfinv"]:
    pair(name, getattr(torch, name), x=floats(low=-1.2, high=1.2), smooth={"x": floats(low=-0.9, high=0.9)})
pair("acosh", torch.acosh, x=floats(low=0, high=4), smooth={"x": floats(low=1.1)})
for name in ["sign", "sgn", "floor", "ceil", "trunc", "abs", "frac"]:
    pair(name, getattr(torch, name), x=floats(ties=True), smooth={"x": floats(away_from=(-3, -2, -1, 0, 1, 2, 3))})
pair(
    "round",
    torch.round,
    x=floats(low=-30, high=30),
    decimals=of(0, 1, -1),
    smooth={"x": floats(low=0.6, high=0.9), "decimals": of(0)},
)
# The sign of torch's infinite gradient at −0 depends on where in a vector register it lies: gradients without specials.
pair("logit", torch.logit, x=floats(low=-0.2, high=1.2), eps=of(None, 0.1), differentiable=False)
pair(
    "logit",
    torch.logit,
    x=floats(low=-0.2, high=1.2, specials=False),
    eps=of(None, 0.1),
    smooth={"x": floats(low=0.2, high=0.8)},
)
pair("logit", torch.logit, x=floats(among=(0.0, 0.1, 0.5, 0.9, 1.0), specials=False), eps=of(None, 0.1),
    smooth={"x": floats(low=0.2, high=0.8)})  # fmt: skip
pair("to", lambda x, dtype: x.to(getattr(torch, dtype.name)), to, x=floats(), second_order=False,
    dtype=of(float32, float16, float64), smooth={"dtype": of(float64)})  # fmt: skip
pair("to_device", lambda x, **devices: x.clone(), to_device, x=floats(), target=of(CPU), source=of(CPU))
pair("nan_to_num", torch.nan_to_num, x=floats(), nan=of(0.0, 1.5), posinf=of(None, 2.0), neginf=of(None, -2.0))
pair("nan_to_num", torch.nan_to_num, x=floats(among=(math.inf, -math.inf, 1.5)), second_order=False,
    smooth={"x": floats()})  # fmt: skip
for name in ["isnan", "isinf", "isfinite", "signbit", "logical_not"]:
    pair(name, getattr(torch, name), x=floats(ties=True), differentiable=False)
pair("bitwise_not", torch.bitwise_not, x=ints())
pair("polygamma", torch.polygamma, n=of(0, 1, 2), x=positive(), positional=("n",))

# ---- two inputs ----

pair("add", torch.add, a=floats(), b=floats(), alpha=of(1, 2, -0.5), broadcast=True)
pair("add", torch.add, a=floats("2 3 4"), b=floats("1 4"))
pair("add", torch.add, a=floats("2 3 1"), b=floats("1 1"))
pair("sub", torch.sub, a=floats(), b=floats(), alpha=of(1, 2, -0.5), broadcast=True)
pair("mul", torch.mul, a=floats(), b=floats(), broadcast=True)
pair("true_divide", torch.true_divide, a=floats(), b=floats(away_from=0), broadcast=True)
pair("div", torch.div, a=floats(), b=floats(away_from=0), rounding_mode=of(None, "floor", "trunc"), broadcast=True,
    smooth={"rounding_mode": of(None)})  # fmt: skip
for name in ["remainder", "fmod"]:
    smooth = {"a": floats(low=0.3, high=0.7), "b": floats(low=1, high=2)}
    pair(name, getattr(torch, name), a=floats(), b=floats(away_from=0), broadcast=True, smooth=smooth)
pair("floor_divide", torch.floor_divide, a=floats(), b=floats(away_from=0), broadcast=True, differentiable=False)
pair("trunc_divide", lambda a, b: torch.div(a, b, rounding_mode="trunc"), a=floats(), b=floats(away_from=0), broadcast=True,
    smooth={"a": floats(low=0.3, high=0.7), "b": floats(low=1, high=2)},
    ours_alone="torch writes it div(rounding_mode='trunc')")  # fmt: skip
pair("pow", torch.pow, a=positive(), b=floats(), broadcast=True)
pair("pow", torch.pow, a=floats(ties=True), b=of(0, 1, 2, 3, -1, 0.5, 2.5), positional=("b",), smooth={"a": positive()})
# The slope by a is 0 at b = 0 whatever b does next (torch's formula too), so the second derivative there is no limit.
pair("pow", torch.pow, a=floats(ties=True), b=floats(ties=True), broadcast=True,
    smooth={"a": positive(), "b": floats(away_from=0)})  # fmt: skip
pair("pow", torch.pow, a=of(0, 2, 2.5, 0.5, 1, -1.5), b=floats(ties=True), positional=("a",),
    smooth={"a": of(2, 2.5, 0.5)})  # fmt: skip
pair("hypot", torch.hypot, a=floats(), b=floats(away_from=0), broadcast=True)
pair("atan2", torch.atan2, a=floats(ties=True), b=floats(ties=True), broadcast=True,
    smooth={"a": floats(), "b": positive()})  # fmt: skip
pair("xlogy", torch.xlogy, a=floats(ties=True), b=positive(), broadcast=True)
pair("xlogy", torch.xlogy, a=floats(ties=True), b=floats(ties=True), broadcast=True, smooth={"b": positive()})
pair("logaddexp", torch.logaddexp, a=floats(), b=floats(), broadcast=True)
pair("copysign", torch.copysign, a=floats(ties=True), b=floats(ties=True), broadcast=True,
    smooth={"a": floats(away_from=0), "b": floats(away_from=0)})  # fmt: skip
pair("heaviside", torch.heaviside, a=floats(ties=True), b=floats(), broadcast=True, differentiable=False)
for name in ["maximum", "minimum", "fmax", "fmin"]:
    pair(name, getattr(torch, name), a=floats(ties=True), b=floats(ties=True), broadcast=True,
        smooth={"a": floats(), "b": floats()})  # fmt: skip
for name in ["eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"]:
    pair(name, getattr(torch, name), a=floats(ties=True), b=floats(ties=True), broadcast=True, differentiable=False)
for name in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
    pair(name, getattr(torch, name), a=ints(), b=ints(), broadcast=True)
for name in ["bitwise_left_shift", "bitwise_right_shift"]:
    pair(name, getattr(torch, name), a=ints(), b=ints(low=0, high=8), broadcast=True)
pair(
    "isclose",
    torch.isclose,
    a=floats(ties=True),
    b=floats(ties=True),
    equal_nan=booleans,
    broadcast=True,
    differentiable=False,
)
pair("allclose", torch.allclose, a=floats(ties=True), b=floats(ties=True), broadcast=True, differentiable=False)
pair("equal", torch.equal, a=floats("N", ties=True), b=floats("N", ties=True), differentiable=False)
for name in ["is_floating_point", "is_complex", "numel", "isposinf", "isneginf"]:
    pair(name, getattr(torch, name), x=floats(ties=True), differentiable=False)
pair("is_inference", torch.is_inference, x=floats(), differentiable=False)

# ---- three and more ----

far = floats(away_from=(-2, -1, 0, 1, 2))
pair("clamp", torch.clamp, x=floats(ties=True), min=of(None, -1, 0.5), max=of(1, 0, -2.0), smooth={"x": far})
pair("clamp", torch.clamp, x=floats(ties=True), min=floats(ties=True), max=floats(ties=True), broadcast=True,
    smooth={"x": floats(), "min": floats(), "max": floats()})  # fmt: skip
pair("clamp", torch.clamp, x=floats(ties=True), min=floats(ties=True), broadcast=True,
    smooth={"x": floats(), "min": floats()})  # fmt: skip
pair("clamp_max", torch.clamp_max, x=floats(ties=True), max=floats(ties=True), broadcast=True,
    smooth={"x": floats(), "max": floats()})  # fmt: skip
pair("clamp_min", torch.clamp_min, x=floats(ties=True), min=of(-1, 0.5), smooth={"x": far})
pair("clamp_max", torch.clamp_max, x=floats(ties=True), max=of(-1, 0.5), smooth={"x": far})
pair("where", torch.where, condition=bools(), a=floats(), b=floats(), broadcast=True)
pair(
    "lerp",
    torch.lerp,
    start=floats(),
    end=floats(),
    weight=floats(),
    broadcast=True,
    smooth={"weight": floats(away_from=(0.5, -0.5))},
)
pair("lerp", torch.lerp, start=floats(), end=floats(), weight=number(), broadcast=True, positional=("weight",))
pair("addcmul", torch.addcmul, input=floats(), tensor1=floats(), tensor2=floats(), value=of(1, -0.5), broadcast=True)
pair(
    "addcdiv",
    torch.addcdiv,
    input=floats(),
    tensor1=floats(),
    tensor2=floats(away_from=0),
    value=of(1, -0.5),
    broadcast=True,
)
