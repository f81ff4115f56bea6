"""Elementwise ops, one aligned row each: name, formula, forward, and one derivative per input.

A derivative names what it needs — inputs, options or `out` — and only that is kept for backward. Broadcasting is undone by
the engine. Where a function has a kink or a pole, the derivative says what torch says there.
Read next: `division.py` and `mixing.py`, which go on here; `compare.py` for comparisons and logic, `special.py` for erf and kin;
`reduce.py` for the first ops with `dim`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import as_number, on_host
from ..arrays.layout import formatted, memory_format
from ..arrays.memory import order_of_a_copy
from ..arrays.numbers import filling, fitting, read, wrapping
from ..arrays.transfers import moved
from ..arrays.warning import warn_once
from ..op import Array, Index, Operand, composite, elementwise, row
from ..op.signature import Number
from .shape import zeros

if TYPE_CHECKING:
    from ..arrays.device import device as Device
    from ..tensor import Tensor

# ---- arithmetic ----


def _sub(xp: Any, a: Array, b: Array, alpha: Number = 1) -> Array:
    if getattr(a, "dtype", None) == getattr(b, "dtype", None) == "bool":
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    if alpha == 1:
        return a - b
    alpha = read(alpha)
    opposite = -alpha if isinstance(alpha, float) else wrapping(-alpha, np.dtype("int64"))
    return a + _times(opposite, b, a)


def _times(alpha: Any, b: Any, a: Any) -> Any:
    """alpha · b, in the dtype that a and b have come to."""
    dtype = (b if hasattr(b, "dtype") else a).dtype
    return fitting(alpha, dtype) * (b if hasattr(b, "dtype") else np.asarray(b, dtype))


def _neg(xp: Any, x: Array) -> Array:
    if x.dtype == bool:
        raise RuntimeError("Negation, the `-` operator, on a bool tensor is not supported. Use the `~` operator instead.")
    return -x


add = row(
    "add", "a + α·b",
    lambda xp, a, b, alpha=1: a + b if alpha == 1 else a + _times(alpha, b, a),
    lambda g: g,
    lambda g, alpha: g if alpha == 1 else g * alpha,
    factors=("alpha",),
    by_keyword="alpha",
)  # fmt: skip
sub = row("sub", "a − α·b", _sub, lambda g: g, lambda g, alpha: -g if alpha == 1 else g * -alpha, promote="no bool",
          factors=("alpha",), by_keyword="alpha")  # fmt: skip


@composite
def rsub(input: Tensor, other: Tensor | Number, alpha: Number = 1) -> Tensor:
    """b − α·a: `sub` the other way round."""
    return sub(other, input, alpha=alpha)


mul = row("mul", "a · b", lambda xp, a, b: a * b, lambda g, b: g * b, lambda g, a: g * a, exact="a b", wraps_numbers=True)
true_div = row("true_divide", "a / b", lambda xp, a, b: xp.true_divide(a, b),
               lambda g, b: g / b, lambda g, a, b: -g * (a / b / b), promote="float", exact="a b", grad_fn="DivBackward0",
               wraps_numbers=True)  # fmt: skip
neg = row("neg", "−x", _neg, lambda g: -g)
square = row("square", "x²", lambda xp, x: x * x if x.dtype.kind != "b" else x.astype("int64"), lambda g, x: g * (2 * x),
             grad_fn="PowBackward0", out_dtype="cast")  # fmt: skip
reciprocal = row("reciprocal", "1 / x", lambda xp, x: 1 / x, lambda g, out: -g * (out * out), promote="float")


@composite
def positive(input: Tensor) -> Tensor:
    """x itself, not a copy; a bool tensor is refused."""
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# ---- exponentials, logarithms, roots ----

exp = row("exp", "eˣ", lambda xp, x: xp.exp(x), lambda g, out: g * out, promote="float")
exp2 = row("exp2", "2ˣ", lambda xp, x: xp.exp2(x), lambda g, out: g * out * math.log(2), promote="float")
expm1 = row("expm1", "eˣ − 1", lambda xp, x: xp.expm1(x), lambda g, out: g * (out + 1), promote="float")
log = row("log", "ln x", lambda xp, x: xp.log(x), lambda g, x: g / x, promote="float")
log2 = row("log2", "log₂ x", lambda xp, x: xp.log2(x), lambda g, x: g / (x * math.log(2)), promote="float")
log10 = row("log10", "log₁₀ x", lambda xp, x: xp.log10(x), lambda g, x: g / (x * math.log(10)), promote="float")
log1p = row("log1p", "ln(1 + x)", lambda xp, x: xp.log1p(x), lambda g, x: g / (x + 1), promote="float",
            grad_fn="Log1PBackward0")  # fmt: skip
sqrt = row("sqrt", "√x", lambda xp, x: xp.sqrt(x), lambda g, out: g / (2 * out), promote="float")
rsqrt = row("rsqrt", "1 / √x", lambda xp, x: 1 / xp.sqrt(x), lambda g, out: g * (-0.5 * out * out * out), promote="float")

# ---- trigonometry ----

sin = row("sin", "sin x", lambda xp, x: xp.sin(x), lambda g, x: g * cos(x), promote="float")
cos = row("cos", "cos x", lambda xp, x: xp.cos(x), lambda g, x: g * -sin(x), promote="float")
tan = row("tan", "tan x", lambda xp, x: xp.tan(x), lambda g, out: g * (1 + out * out), promote="float")
asin = row("asin", "arcsin x", lambda xp, x: xp.arcsin(x), lambda g, x: g * rsqrt(1 - x * x), promote="float")
acos = row("acos", "arccos x", lambda xp, x: xp.arccos(x), lambda g, x: g * -rsqrt(1 - x * x), promote="float")
atan = row("atan", "arctan x", lambda xp, x: xp.arctan(x), lambda g, x: g / (x * x + 1), promote="float")
sinh = row("sinh", "sinh x", lambda xp, x: xp.sinh(x), lambda g, x: g * cosh(x), promote="float")
cosh = row("cosh", "cosh x", lambda xp, x: xp.cosh(x), lambda g, x: g * sinh(x), promote="float")
tanh = row("tanh", "tanh x", lambda xp, x: xp.tanh(x), lambda g, out: g * (1 - out * out), promote="float")
asinh = row("asinh", "arsinh x", lambda xp, x: xp.arcsinh(x), lambda g, x: g * rsqrt(x * x + 1), promote="float")
acosh = row("acosh", "arcosh x", lambda xp, x: xp.arccosh(x), lambda g, x: g * rsqrt(x * x - 1), promote="float")
atanh = row("atanh", "artanh x", lambda xp, x: xp.arctanh(x), lambda g, x: g / (1 - x * x), promote="float")

deg2rad = row("deg2rad", "x · π / 180", lambda xp, x: x * (math.pi / 180), lambda g: g * (math.pi / 180), promote="float")
rad2deg = row("rad2deg", "x · 180 / π", lambda xp, x: x * (180 / math.pi), lambda g: g * (180 / math.pi), promote="float")


def _recip_norm(a: Tensor, b: Tensor) -> Tensor:
    """1 / (a² + b²), and 0 at the origin (or where the squares vanish), where torch calls the derivative of the angle 0."""
    squares = a * a + b * b
    return where(squares == 0, 0.0, reciprocal(squares))


atan2 = row("atan2", "the angle of the point (b, a)", lambda xp, a, b: xp.arctan2(a, b),
            lambda g, a, b: g * b * _recip_norm(a, b), lambda g, a, b: g * -a * _recip_norm(a, b),
            promote="float", numbers="")  # fmt: skip
hypot = row("hypot", "√(a² + b²)", lambda xp, a, b: xp.hypot(a, b),
            lambda g, a, out: g * a / out, lambda g, b, out: g * b / out, only="floats", numbers="")  # fmt: skip

# ---- steps: derivative 0 wherever there is one ----


def constant(g: Tensor) -> Tensor:
    """∂L/∂x = 0: the function is constant between its steps."""
    return zeros(g, g.shape)


def _sign(xp: Any, x: Array) -> Array:
    return x.copy("K") if x.dtype == bool else ((x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)).astype(x.dtype)


def _steps(function: str) -> Any:
    """floor, ceil, trunc: integers are their own, and are copied."""
    return lambda xp, x: getattr(xp, function)(x) if x.dtype.kind == "f" else x.copy("K")


sign = row("sign", "−1, 0 or 1", _sign, constant)
sgn = row("sgn", "−1, 0 or 1", _sign, constant)
floor = row("floor", "⌊x⌋", _steps("floor"), constant, only="numbers")
ceil = row("ceil", "⌈x⌉", _steps("ceil"), constant, only="numbers")
trunc = row("trunc", "x without its fraction", _steps("trunc"), constant, only="numbers")
frac = row("frac", "x − trunc(x)", lambda xp, x: x - xp.trunc(x), lambda g: g, only="floats")


@elementwise(by_keyword="decimals")
def round_(xp: Any, x: Array, decimals: int = 0) -> Array:
    """x to the nearest number of `decimals` digits, halves to even."""
    if x.dtype.kind != "f":
        if decimals or x.dtype == bool:
            raise NotImplementedError(f'"round_cpu" not implemented for {x.dtype.name}: only floats have decimals to round')
        return x.copy("K")
    scale = 10.0 ** abs(decimals)
    if decimals < 0:
        return xp.rint(x / scale) * scale
    return xp.rint(x * scale) / scale if decimals else xp.rint(x)


round_.grad(constant)

# ---- kinks ----


def _abs_grad(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂x = g · sign(x), 0 at the kink"""
    return g * sign(x)


abs_ = row("abs", "|x|", lambda xp, x: xp.abs(x), _abs_grad, only="numbers")


def _share(g: Tensor, wins: Tensor, tie: Tensor) -> Tensor:
    """g to the winner, half of it to each at a tie, 0 to the loser."""
    return where(tie, g / 2, where(wins, g, 0.0))


maximum = row("maximum", "the larger of a and b", lambda xp, a, b: xp.maximum(a, b),
              lambda g, a, b: _share(g, ~(a < b), a == b), lambda g, a, b: _share(g, ~(b < a), a == b), numbers="")  # fmt: skip
minimum = row("minimum", "the smaller of a and b", lambda xp, a, b: xp.minimum(a, b),
              lambda g, a, b: _share(g, ~(a > b), a == b), lambda g, a, b: _share(g, ~(b > a), a == b), numbers="")  # fmt: skip
fmax = row("fmax", "the larger of a and b; of nan and a number, the number", lambda xp, a, b: xp.fmax(a, b),
           lambda g, a, b: where((a >= b) | isnan(b), g, 0.0),
           lambda g, a, b: where((a >= b) | isnan(b), 0.0, g), numbers="")  # fmt: skip
fmin = row("fmin", "the smaller of a and b; of nan and a number, the number", lambda xp, a, b: xp.fmin(a, b),
           lambda g, a, b: where((a <= b) | isnan(b), g, 0.0),
           lambda g, a, b: where((a <= b) | isnan(b), 0.0, g), numbers="")  # fmt: skip


def _clamp_form(min: Any, max: Any) -> str:
    tensors = hasattr(min, "_array") or hasattr(max, "_array")
    return "ClampBackward0" if tensors else "ClampBackward1"


@elementwise(grad_fn=_clamp_form, numbers_by={"min": fitting, "max": fitting}, out_dtype="same")
def clamp(xp: Any, x: Array, min: Operand | None = None, max: Operand | None = None) -> Array:
    """min(max(x, lower), upper): x moved into [lower, upper]; each bound is a number, a tensor or None.

    >>> minitorch.tensor([-2.0, 0.5, 3.0]).clamp(-1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    alone = min is None or max is None  # then a tensor bound makes it a maximum or minimum, which bools have
    if x.dtype == "bool" and not (alone and hasattr(max if min is None else min, "dtype")):
        clamp.signature.refuse_dtype(x.dtype)
    # The bound comes first: of equal numbers the second is taken, and so −0 stays −0 on a bound of 0.
    if min is None:
        return xp.minimum(max, x)
    return xp.maximum(min, x) if max is None else xp.minimum(max, xp.maximum(min, x))


@clamp.grad("x")
def clamp_grad(g: Tensor, x: Tensor, min: Any, max: Any) -> Tensor:
    """∂L/∂x = g inside the bounds and on them, 0 outside"""
    if min is None:
        return where(x <= max, g, 0.0)
    return where(x >= min, g, 0.0) if max is None else where((x >= min) & (x <= max), g, 0.0)


@clamp.grad("min")
def clamp_grad_min(g: Tensor, x: Tensor, min: Any, max: Any) -> Tensor:
    """∂L/∂min = g where x lies below it (and the bounds are the right way round)"""
    return where(x < min, g, 0.0) if max is None else where((x < min) & (min < max), g, 0.0)


@clamp.grad("max")
def clamp_grad_max(g: Tensor, x: Tensor, min: Any, max: Any) -> Tensor:
    """∂L/∂max = g where x lies above it, or the bounds are the wrong way round"""
    return where(x > max, g, 0.0) if min is None else where((x > max) | (max < min), g, 0.0)


@composite(out="cast", grad_fn="ClampMinBackward0")
def clamp_min(input: Tensor, min: Tensor | float) -> Tensor:
    """max(x, min)"""
    return clamp(input, min, None)


@composite(out="cast", grad_fn="ClampMaxBackward0")
def clamp_max(input: Tensor, max: Tensor | float) -> Tensor:
    """min(x, max)"""
    return clamp(input, None, max)


# ---- powers ----


def _power_form(a: Any, b: Any) -> str:
    """torch numbers the forms: a tensor to a number, a tensor to a tensor, a number to a tensor."""
    if not hasattr(b, "_array"):
        return "PowBackward0"
    return "PowBackward1" if hasattr(a, "_array") else "PowBackward2"


def _exponent(value: Any, dtype: np.dtype) -> Any:
    """The number to whose power elements of this dtype are taken: float32 and float64 leave it as it is."""
    value = read(value)
    if dtype.kind == "u" and value < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return float(value) if dtype.kind == "f" and dtype.itemsize > 2 else fitting(value, dtype)


@elementwise(grad_fn=_power_form, numbers_by={"b": _exponent}, named="b=exponent")
def pow_(xp: Any, a: Operand, b: Operand) -> Array:
    """aᵇ; the base or the exponent may be a number."""
    kinds = [x.dtype.kind for x in (a, b) if hasattr(x, "dtype")]
    if kinds == ["b", "b"] or (kinds == ["b"] and isinstance(a, bool)):
        raise NotImplementedError('"pow" not implemented for bool: convert with .int() or .float()')
    if kinds == ["b"]:
        return xp.asarray(a**b).astype(bool)
    if not hasattr(b, "dtype") and isinstance(b, int) and b < 0 and a.dtype.kind in "iu":
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if hasattr(b, "dtype") and b.dtype.kind == "i" and (not on_host(xp) or (b < 0).any()):
        whole = xp.where(b < 0, 0, b)
        ones = xp.where(xp.asarray(a) == 1, 1, xp.where(xp.asarray(a) == -1, 1 - 2 * (b % 2), 0))
        return xp.where(b < 0, ones, a**whole).astype(b.dtype)
    if not hasattr(b, "dtype") and a.dtype.kind == "f" and b in _IN_STEPS:
        return _IN_STEPS[b](xp, a)
    return a**b


# What torch computes in steps for these numbers, and so rounds otherwise than the power; 1 / √a is −∞ at −0.
_IN_STEPS: dict[float, Any] = {
    2: lambda xp, a: a * a,
    3: lambda xp, a: a * a * a,
    -0.5: lambda xp, a: 1 / xp.sqrt(a),
    -1: lambda xp, a: 1 / a,
    -2: lambda xp, a: 1 / (a * a),
}


@pow_.grad("a")
def pow_grad_base(g: Tensor, a: Tensor, b: Any) -> Tensor:
    """∂L/∂a = g · b·aᵇ⁻¹, and 0 where b = 0 (at a = 0 too)"""
    if not hasattr(b, "shape"):  # a number
        return constant(g) if b == 0 else g * (b * pow_(a, b - 1))
    return where(b == 0, 0.0, g * (b * pow_(a, b - 1)))


@pow_.grad("b")
def pow_grad_exponent(g: Tensor, a: Any, b: Tensor, out: Tensor) -> Tensor:
    """∂L/∂b = g · aᵇ ln a, and 0 where a = 0 and b ≥ 0"""
    if not hasattr(a, "shape"):  # a number
        if a == 0:
            return g * where(b >= 0, 0.0, out * -math.inf)
        return g * (out * (math.log(a) if a > 0 else math.nan))
    return g * where((a == 0) & (b >= 0), 0.0, out * log(a))


# ---- choosing ----


@elementwise(name="where", public=False, numbers_by={"a": filling, "b": filling})
def choose(xp: Any, a: Operand, b: Operand, condition: Index) -> Array:
    """a where the condition holds, b elsewhere."""
    if condition.dtype == np.uint8:
        warn_once("where received a uint8 condition tensor. This behavior is deprecated: give a bool, condition != 0")
    elif condition.dtype != bool:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}; compare it with "
            "something first, e.g. condition > 0"
        )
    if not hasattr(a, "dtype") and not hasattr(b, "dtype"):  # two numbers: of the dtype that a tensor of them has
        a = as_number(xp, a, dtypes.scalar_dtype(a).numpy)
    return xp.where(condition, a, b)


@choose.grad("a")
def choose_grad_a(g: Tensor, condition: Tensor) -> Tensor:
    """∂L/∂a = g where a was taken, 0 elsewhere"""
    return where(condition, g, 0.0)


@choose.grad("b")
def choose_grad_b(g: Tensor, condition: Tensor) -> Tensor:
    """∂L/∂b = g where b was taken, 0 elsewhere"""
    return where(condition, 0.0, g)


@composite(out=True)
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where the condition holds, other elsewhere; with the condition alone, the indices where it holds.

    The branch not taken gets gradient 0, but if its own derivative is infinite there, 0 · ∞ = nan comes back: make the
    *input* of that branch safe first (the double where).
    """
    if input is None and other is None:
        from .masked import nonzero  # which is made of ops that are made of these

        return nonzero(condition, as_tuple=True)
    return choose(input, other, condition)


@elementwise(promote="float")
def copysign(xp: Any, a: Array, b: Operand) -> Array:
    """|a| with the sign of b (of −0 too)."""
    return xp.copysign(a, b)


@copysign.grad("a")
def copysign_grad(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
    """∂L/∂a = g · out / a, 0 at a = 0"""
    return g * where(a == 0, 0.0, out / a)


copysign.grad("b")(constant)
heaviside = row(
    "heaviside",
    "0 below 0, 1 above 0, and b at a = 0",
    lambda xp, a, b: xp.where(a == 0, b, (a > 0).astype(b.dtype)),
    same_dtype="a b",
    numbers="",
    out_dtype="same",
    named="b=values",
)


@elementwise(name="nan_to_num", public=False)
def replaced(xp: Any, x: Array, nan: float, posinf: float, neginf: float) -> Array:
    """x with nan, ∞ and −∞ replaced by these numbers."""
    out = x.copy(order=order_of_a_copy(x))
    return xp.nan_to_num(out, copy=False, nan=nan, posinf=posinf, neginf=neginf)


@replaced.grad
def replaced_grad(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂x = g where x was a number, 0 where it was replaced"""
    return where(isfinite(x), g, 0.0)


@composite(out=True)
def nan_to_num(input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """x with nan, ∞ and −∞ replaced by numbers (by the dtype's largest and smallest where none is given)."""
    largest = dtypes.finfo(input.dtype).max if input.is_floating_point() else 0
    return replaced(input, nan or 0.0, largest if posinf is None else posinf, -largest if neginf is None else neginf)


# ---- copies and conversions ----


def _copy(xp: Any, x: Array, memory_format: memory_format | None = None) -> Array:
    return formatted(xp, x, x.dtype, memory_format)


clone = row("clone", "x, in memory of its own", _copy, lambda g: g, takes_out=False, by_keyword="memory_format")


@elementwise(promote=None, public=False, grad_fn="ToCopyBackward0", ends_history=True)
def to(xp: Any, x: Array, dtype: dtypes.dtype, memory_format: memory_format | None = None) -> Array:
    """x converted to `dtype`, in memory of its own."""
    return formatted(xp, x, dtype.numpy, memory_format)


@to.grad
def to_grad(g: Tensor) -> Tensor:
    """∂L/∂x = g, which the engine converts back"""
    return g


@elementwise(promote=None, public=False, grad_fn="ToCopyBackward0")
def to_device(xp: Any, x: Array, target: Device, source: Device, non_blocking: bool = False) -> Array:
    """x copied to the device `target`; non_blocking: without waiting for it, see `arrays/transfers.py`."""
    return moved(x, target, non_blocking)


@to_device.grad
def to_device_grad(g: Tensor, target: Device, source: Device) -> Tensor:
    """∂L/∂x = g, copied back"""
    return to_device(g, source, target)


from .compare import isfinite, isnan  # noqa: E402 — comparisons are defined with the rows above
