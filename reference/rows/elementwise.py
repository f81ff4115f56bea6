"""Rows of `ops/elementwise.py`, `ops/compare.py` and `special.py`: ties, kinks, zeros and poles are drawn on purpose."""

from __future__ import annotations

import torch

from minitorch.arrays.device import CPU
from minitorch.arrays.dtypes import float16, float32, float64
from minitorch.ops.elementwise import to, to_device

from ..strategies import booleans, bools, floats, ints, number, of, positive
from ..table import row

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
    row(name, getattr(torch, name), x=floats())
for name in ["log", "log2", "log10", "sqrt", "rsqrt", "digamma", "lgamma"]:
    row(name, getattr(torch, name), x=floats(low=-1, high=8), smooth={"x": positive()})
row("log1p", torch.log1p, x=floats(low=-2, high=8), smooth={"x": floats(low=-0.8)})
row("reciprocal", torch.reciprocal, x=floats(away_from=0))
row("tan", torch.tan, x=floats(low=-1.4, high=1.4))
for name in ["asin", "acos", "atanh", "erfinv"]:
    row(name, getattr(torch, name), x=floats(low=-1.2, high=1.2), smooth={"x": floats(low=-0.9, high=0.9)})
row("acosh", torch.acosh, x=floats(low=0, high=4), smooth={"x": floats(low=1.1)})
for name in ["sign", "sgn", "floor", "ceil", "trunc", "abs", "frac"]:
    row(name, getattr(torch, name), x=floats(ties=True), smooth={"x": floats(away_from=(-3, -2, -1, 0, 1, 2, 3))})
row(
    "round",
    torch.round,
    x=floats(low=-30, high=30),
    decimals=of(0, 1, -1),
    smooth={"x": floats(low=0.6, high=0.9), "decimals": of(0)},
)
# The sign of torch's infinite gradient at −0 depends on where in a vector register it lies: gradients without specials.
row("logit", torch.logit, x=floats(low=-0.2, high=1.2), eps=of(None, 0.1), differentiable=False)
row(
    "logit",
    torch.logit,
    x=floats(low=-0.2, high=1.2, specials=False),
    eps=of(None, 0.1),
    smooth={"x": floats(low=0.2, high=0.8)},
)
row("logit", torch.logit, x=floats(among=(0.0, 0.1, 0.5, 0.9, 1.0), specials=False), eps=of(None, 0.1),
    smooth={"x": floats(low=0.2, high=0.8)})  # fmt: skip
row("to", lambda x, dtype: x.to(getattr(torch, dtype.name)), to, x=floats(), second_order=False,
    dtype=of(float32, float16, float64), smooth={"dtype": of(float64)})  # fmt: skip
row("to_device", lambda x, **devices: x.clone(), to_device, x=floats(), target=of(CPU), source=of(CPU))
row("nan_to_num", torch.nan_to_num, x=floats(), nan=of(0.0, 1.5), posinf=of(None, 2.0), neginf=of(None, -2.0))
for name in ["isnan", "isinf", "isfinite", "signbit", "logical_not"]:
    row(name, getattr(torch, name), x=floats(ties=True), differentiable=False)
row("bitwise_not", torch.bitwise_not, x=ints())
row("polygamma", torch.polygamma, n=of(0, 1, 2), x=positive(), positional=("n",))

# ---- two inputs ----

row("add", torch.add, a=floats(), b=floats(), alpha=of(1, 2, -0.5), broadcast=True)
row("add", torch.add, a=floats("2 3 4"), b=floats("1 4"))
row("add", torch.add, a=floats("2 3 1"), b=floats("1 1"))
row("sub", torch.sub, a=floats(), b=floats(), alpha=of(1, 2, -0.5), broadcast=True)
row("mul", torch.mul, a=floats(), b=floats(), broadcast=True)
row("true_divide", torch.true_divide, a=floats(), b=floats(away_from=0), broadcast=True)
row("div", torch.div, a=floats(), b=floats(away_from=0), rounding_mode=of(None, "floor", "trunc"), broadcast=True,
    smooth={"rounding_mode": of(None)})  # fmt: skip
for name in ["floor_divide", "remainder", "fmod"]:
    smooth = {"a": floats(low=0.3, high=0.7), "b": floats(low=1, high=2)}
    row(name, getattr(torch, name), a=floats(), b=floats(away_from=0), broadcast=True, smooth=smooth)
row("trunc_divide", lambda a, b: torch.div(a, b, rounding_mode="trunc"), a=floats(), b=floats(away_from=0), broadcast=True,
    smooth={"a": floats(low=0.3, high=0.7), "b": floats(low=1, high=2)})  # fmt: skip
row("pow", torch.pow, a=positive(), b=floats(), broadcast=True)
row("pow", torch.pow, a=floats(ties=True), b=of(0, 1, 2, 3, -1, 0.5, 2.5), positional=("b",), smooth={"a": positive()})
# The slope by a is 0 at b = 0 whatever b does next (torch's formula too), so the second derivative there is no limit.
row("pow", torch.pow, a=floats(ties=True), b=floats(ties=True), broadcast=True,
    smooth={"a": positive(), "b": floats(away_from=0)})  # fmt: skip
row("pow", torch.pow, a=of(0, 2, 2.5, 0.5, 1, -1.5), b=floats(ties=True), positional=("a",),
    smooth={"a": of(2, 2.5, 0.5)})  # fmt: skip
row("hypot", torch.hypot, a=floats(), b=floats(away_from=0), broadcast=True)
row("atan2", torch.atan2, a=floats(ties=True), b=floats(ties=True), broadcast=True,
    smooth={"a": floats(), "b": positive()})  # fmt: skip
row("xlogy", torch.xlogy, a=floats(ties=True), b=positive(), broadcast=True)
row("xlogy", torch.xlogy, a=floats(ties=True), b=floats(ties=True), broadcast=True, smooth={"b": positive()})
row("logaddexp", torch.logaddexp, a=floats(), b=floats(), broadcast=True)
row("copysign", torch.copysign, a=floats(ties=True), b=floats(ties=True), broadcast=True,
    smooth={"a": floats(away_from=0), "b": floats(away_from=0)})  # fmt: skip
row("heaviside", torch.heaviside, a=floats(ties=True), b=floats(), broadcast=True, differentiable=False)
for name in ["maximum", "minimum", "fmax", "fmin"]:
    row(name, getattr(torch, name), a=floats(ties=True), b=floats(ties=True), broadcast=True,
        smooth={"a": floats(), "b": floats()})  # fmt: skip
for name in ["eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"]:
    row(name, getattr(torch, name), a=floats(ties=True), b=floats(ties=True), broadcast=True, differentiable=False)
for name in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
    row(name, getattr(torch, name), a=ints(), b=ints(), broadcast=True)
for name in ["bitwise_left_shift", "bitwise_right_shift"]:
    row(name, getattr(torch, name), a=ints(), b=ints(low=0, high=8), broadcast=True)
row(
    "isclose",
    torch.isclose,
    a=floats(ties=True),
    b=floats(ties=True),
    equal_nan=booleans,
    broadcast=True,
    differentiable=False,
)
row("allclose", torch.allclose, a=floats(ties=True), b=floats(ties=True), broadcast=True, differentiable=False)
row("equal", torch.equal, a=floats("N", ties=True), b=floats("N", ties=True), differentiable=False)

# ---- three and more ----

far = floats(away_from=(-2, -1, 0, 1, 2))
row("clamp", torch.clamp, x=floats(ties=True), min=of(None, -1, 0.5), max=of(1, 0, -2.0), smooth={"x": far})
row("clamp", torch.clamp, x=floats(ties=True), min=floats(ties=True), max=floats(ties=True), broadcast=True,
    smooth={"x": floats(), "min": floats(), "max": floats()})  # fmt: skip
row("clamp", torch.clamp, x=floats(ties=True), min=floats(ties=True), broadcast=True,
    smooth={"x": floats(), "min": floats()})  # fmt: skip
row("clamp_max", torch.clamp_max, x=floats(ties=True), max=floats(ties=True), broadcast=True,
    smooth={"x": floats(), "max": floats()})  # fmt: skip
row("clamp_min", torch.clamp_min, x=floats(ties=True), min=of(-1, 0.5), smooth={"x": far})
row("clamp_max", torch.clamp_max, x=floats(ties=True), max=of(-1, 0.5), smooth={"x": far})
row("where", torch.where, condition=bools(), a=floats(), b=floats(), broadcast=True)
row(
    "lerp",
    torch.lerp,
    start=floats(),
    end=floats(),
    weight=floats(),
    broadcast=True,
    smooth={"weight": floats(away_from=(0.5, -0.5))},
)
row("lerp", torch.lerp, start=floats(), end=floats(), weight=number(), broadcast=True, positional=("weight",))
row("addcmul", torch.addcmul, input=floats(), tensor1=floats(), tensor2=floats(), value=of(1, -0.5), broadcast=True)
row(
    "addcdiv",
    torch.addcdiv,
    input=floats(),
    tensor1=floats(),
    tensor2=floats(away_from=0),
    value=of(1, -0.5),
    broadcast=True,
)
