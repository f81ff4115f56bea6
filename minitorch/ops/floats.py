"""Numbers as they are stored, and integers' common factors: `frexp`, `ldexp`, `nextafter`, `float_power`, `gcd`, `lcm`.

Read next: `special.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..op import Array, Index, composite, elementwise, row
from .elementwise import constant, exp2, pow_, where

if TYPE_CHECKING:
    from ..tensor import Tensor


@elementwise(outputs=("mantissa", "exponent"), only="floats", refusal=RuntimeError)
def frexp(xp: Any, x: Array) -> tuple[Array, Array]:
    """(m, e) with x = m · 2ᵉ and ½ ≤ |m| < 1; e is an int32."""
    mantissa, exponent = xp.frexp(x)
    return mantissa, exponent.astype("int32")


@frexp.grad
def frexp_grad(g: Tensor, exponent: Tensor) -> Tensor:
    """∂L/∂x = g / 2ᵉ"""
    return with_exponent(g, -exponent)


nextafter = row("nextafter", "the float that follows a in the direction of b", lambda xp, a, b: xp.nextafter(a, b),
                lambda g, a, b: where(a == b, 0.0, g), constant, numbers="",
                in_float32=False, only="floats")  # fmt: skip


@elementwise(name="ldexp", promote=None, public=False, in_float32=False)
def with_exponent(xp: Any, x: Array, exponent: Index) -> Array:
    """x · 2ᵉ for whole numbers e: the exponent of a float changes, and no digit is lost."""
    if exponent.dtype.kind == "b" or exponent.dtype in ("uint16", "uint32", "uint64"):
        raise NotImplementedError(
            f'"ldexp" not implemented for exponents of dtype {exponent.dtype}; convert them with .int()'
        )
    return xp.ldexp(x, exponent.astype("int32"))


@with_exponent.grad
def with_exponent_grad(g: Tensor, exponent: Tensor) -> Tensor:
    """∂L/∂x = g · 2ᵉ (torch 2.13 computes this power in integers, and gets 0 where e is negative)"""
    return with_exponent(g, exponent)


@composite(out="cast")
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """a · 2ᵇ"""
    if input.is_floating_point() and not other.is_floating_point():
        return with_exponent(input, other)
    return times_power(input, other)


@elementwise(name="ldexp", promote="float", public=False)
def times_power(xp: Any, a: Array, b: Array) -> Array:
    """a · 2ᵇ"""
    return a * xp.exp2(b)


@times_power.grad("a")
def times_power_grad_a(g: Tensor, b: Tensor) -> Tensor:
    """∂L/∂a = g · 2ᵇ"""
    return g * exp2(b)


@times_power.grad("b")
def times_power_grad_b(g: Tensor, out: Tensor) -> Tensor:
    """∂L/∂b = g · out · ln 2"""
    return g * (out * math.log(2))


def _of_integers(name: str) -> Any:
    """NumPy's function of that name, of integers."""

    def forward(xp: Any, a: Array, b: Array) -> Array:
        if a.dtype.kind not in "iu":
            raise NotImplementedError(f'"{name}_cpu" not implemented for {a.dtype}: only integers have common factors')
        return getattr(xp, name)(a, b)

    return forward


gcd = row("gcd", "the greatest common divisor", _of_integers("gcd"), numbers="", discrete=True)
lcm = row("lcm", "the least common multiple", _of_integers("lcm"), numbers="", discrete=True)


@composite(out="same")
def float_power(input: Tensor | float, exponent: Tensor | float) -> Tensor:
    """aᵇ in float64, whatever the dtypes."""
    if not hasattr(input, "_array") and not hasattr(exponent, "_array"):
        raise TypeError("float_power(): the base or the exponent must be a Tensor, got two numbers")
    return pow_(_in_float64(input), _in_float64(exponent))


def _in_float64(x: Any) -> Any:
    return x.to(dtypes.float64) if hasattr(x, "_array") else float(x)
