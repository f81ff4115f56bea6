"""Special functions: forward by SciPy (`cupyx.scipy.special` on a GPU), imported when first used.

Read next: `reduce.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..arrays.device import as_number, special_functions
from ..arrays.numbers import computing
from ..op import Array, Operand, composite, elementwise, row
from .elementwise import abs_ as absolute
from .elementwise import cos, exp, exp2, log, reciprocal, sin, square, where
from .shape import table, unsqueeze

if TYPE_CHECKING:
    from ..tensor import Tensor


def special(xp: Any, name: str, x: Array, *more: Array) -> Array:
    """SciPy's function of that name for this array library, in x's dtype (SciPy knows no float16)."""
    return getattr(special_functions(xp), name)(x, *more).astype(x.dtype)


erf = row("erf", "2/√π ∫₀ˣ e^(−t²) dt", lambda xp, x: special(xp, "erf", x),
          lambda g, x: g * (2 / math.sqrt(math.pi) * exp(-square(x))), promote="float")  # fmt: skip
erfc = row("erfc", "1 − erf(x)", lambda xp, x: special(xp, "erfc", x),
           lambda g, x: g * (-2 / math.sqrt(math.pi) * exp(-square(x))), promote="float")  # fmt: skip
erfinv = row("erfinv", "the x whose erf is given", lambda xp, x: xp.copysign(special(xp, "erfinv", x), x),
             lambda g, x: g * (math.sqrt(math.pi) / 2 * exp(square(erfinv(x)))), promote="float")  # fmt: skip
sigmoid = row("sigmoid", "σ(x) = 1 / (1 + e⁻ˣ)", lambda xp, x: special(xp, "expit", x),
              lambda g, out: g * out * (1 - out), promote="float")  # fmt: skip
lgamma = row("lgamma", "ln |Γ(x)|", lambda xp, x: special(xp, "gammaln", xp.where(xp.isinf(x), xp.abs(x), x)),
             lambda g, x: g * digamma(x), promote="float")  # fmt: skip
digamma = row("digamma", "ψ(x) = d/dx ln Γ(x)", lambda xp, x: special(xp, "psi", x),
              lambda g, x: g * polygamma_of(x, 1), promote="float")  # fmt: skip


@elementwise(promote="float", name="polygamma", public=False)
def polygamma_of(xp: Any, x: Array, n: int) -> Array:
    """ψ⁽ⁿ⁾(x): for n ≥ 1 (−1)ⁿ⁺¹ n! ζ(n + 1, x)"""
    if n != 1:
        return _polygamma(xp, n, x)
    # left of 1/2 by reflection: ψ₁(1 − x) + ψ₁(x) = π² / sin²(πx)
    left = x < 0.5
    right = _polygamma(xp, 1, xp.where(left, 1 - x, x))
    return xp.where(left, (math.pi / xp.sin(math.pi * x)) ** 2 - right, right).astype(x.dtype)


def _polygamma(xp: Any, n: int, x: Array) -> Array:
    zeta = special(xp, "zeta", xp.full_like(x, n + 1), x)
    return ((-1) ** (n + 1) * math.factorial(n) * zeta).astype(x.dtype)


@polygamma_of.grad
def polygamma_grad(g: Tensor, x: Tensor, n: int) -> Tensor:
    """∂L/∂x = g · ψ⁽ⁿ⁺¹⁾(x)"""
    return g * polygamma_of(x, n + 1)


@composite(out="cast", grad_fn="PolygammaBackward0")
def polygamma(n: int, input: Tensor) -> Tensor:
    """ψ⁽ⁿ⁾(x), the n-th derivative of digamma."""
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got {n}")
    return digamma(input) if n == 0 else polygamma_of(input, n)


@elementwise(promote="float", numbers_by={"eps": computing})
def logit(xp: Any, x: Array, eps: float | None = None) -> Array:
    """ln(x / (1 − x)), of x clamped to [eps, 1 − eps] if eps is given."""
    if eps is not None:
        x = xp.where(x < eps, eps, xp.where(x > 1 - eps, 1 - eps, x)).astype(x.dtype)
    return xp.log(x / (1 - x))


@logit.grad
def logit_grad(g: Tensor, x: Tensor, eps: float | None) -> Tensor:
    """∂L/∂x = g / (x (1 − x)), ∞ at 0 (at −0 too), nan outside [0, 1]; where x was clamped, 0"""
    if eps is not None:
        return where((x < eps) | (x > 1 - eps), 0.0, g / (x * (1 - x)))
    return where((x < 0) | (x > 1), math.nan, g / (absolute(x) * (1 - x)))


@elementwise(promote="float")
def xlogy(xp: Any, a: Operand, b: Operand) -> Array:
    """a · ln b, and 0 where a = 0 (unless b is nan)."""
    b = as_number(xp, b, xp.result_type(a, b))  # a number's logarithm would be float64
    return xp.where((a == 0) & ~xp.isnan(b), xp.zeros((), b.dtype), a * xp.log(b))


@xlogy.grad("a")
def xlogy_grad_a(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """∂L/∂a = g · ln b, 0 where a = 0 and b ≤ 0"""
    return where((a == 0) & (b <= 0), 0.0, xlogy(g, b))


@xlogy.grad("b")
def xlogy_grad_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """∂L/∂b = g · a / b"""
    return g * a / b


@elementwise(only="floats")
def logaddexp(xp: Any, a: Array, b: Array) -> Array:
    """ln(eᵃ + eᵇ), without overflow."""
    return xp.logaddexp(a, b)


@logaddexp.grad("a")
def logaddexp_grad_a(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """∂L/∂a = g · eᵃ / (eᵃ + eᵇ) = g / (1 + eᵇ⁻ᵃ)"""
    return g / (1 + exp(b - a))


@logaddexp.grad("b")
def logaddexp_grad_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """∂L/∂b = g · eᵇ / (eᵃ + eᵇ) = g / (1 + eᵃ⁻ᵇ)"""
    return g / (1 + exp(a - b))


@elementwise(only="floats")
def logaddexp2(xp: Any, a: Array, b: Array) -> Array:
    """log₂(2ᵃ + 2ᵇ), without overflow."""
    return xp.logaddexp2(a, b)


@logaddexp2.grad("a")
def logaddexp2_grad_a(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """∂L/∂a = g · 2ᵃ / (2ᵃ + 2ᵇ) = g / (1 + 2ᵇ⁻ᵃ)"""
    return g / (1 + exp2(b - a))


@logaddexp2.grad("b")
def logaddexp2_grad_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """∂L/∂b = g · 2ᵇ / (2ᵃ + 2ᵇ) = g / (1 + 2ᵃ⁻ᵇ)"""
    return g / (1 + exp2(a - b))


@elementwise(promote="float")
def sinc(xp: Any, x: Array) -> Array:
    """sin(πx) / (πx), and 1 at 0."""
    angle = x * math.pi
    return xp.where(x == 0, 1, xp.sin(angle) / angle).astype(x.dtype)


@sinc.grad
def sinc_grad(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂x = g · (πx cos πx − sin πx) / (πx²), 0 at 0"""
    angle, divisor = x * math.pi, x * x * math.pi
    return where(divisor == 0, 0.0, g * ((angle * cos(angle) - sin(angle)) / divisor))


i0 = row("i0", "I₀(x), the modified Bessel function of order 0", lambda xp, x: special(xp, "i0", x),
         lambda g, x: g * i1(x), promote="float")  # fmt: skip


@elementwise(promote="float", public=False, name="special_i1")
def i1(xp: Any, x: Array) -> Array:
    """I₁(x), the modified Bessel function of order 1"""
    return special(xp, "i1", x)


@i1.grad
def i1_grad(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """∂L/∂x = g · (I₀(x) − I₁(x) / x), g / 2 at 0"""
    at_zero = absolute(x) <= 1e-15
    safe = where(at_zero, 1.0, x)
    return g * where(at_zero, 0.5, i0(safe) - out * reciprocal(safe))


@composite(out="cast", grad_fn="MvlgammaBackward0")
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """ln Γ_p(x) = p (p − 1) / 4 · ln π + Σ_j ln Γ(x − j / 2), j from 0 to p − 1: what Γ is for p × p matrices."""
    if p < 1:
        raise RuntimeError(f"p has to be greater than or equal to 1, got {p}")
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The input tensor may not be a boolean tensor; convert it with .float()")
    dtype = input.dtype if input.is_floating_point() else dtypes.get_default_dtype()
    shifts = table(input, tuple((1 - p + j) / 2 for j in range(p)), dtype.name)
    return lgamma(unsqueeze(input, -1) + shifts).sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


# ---- the incomplete gamma functions; torch has no derivative by a either ----

igamma = row("igamma", "1 / Γ(a) ∫₀ᵇ t^(a − 1) e^(−t) dt", lambda xp, a, b: special(xp, "gammainc", a, b),
             None, lambda g, a, b: g * density(a, b), numbers="", only="floats")  # fmt: skip
igammac = row("igammac", "1 / Γ(a) ∫_b^∞ t^(a − 1) e^(−t) dt, which is 1 − igamma(a, b)",
              lambda xp, a, b: special(xp, "gammaincc", a, b),
              None, lambda g, a, b: -g * density(a, b), numbers="", only="floats")  # fmt: skip


def density(a: Tensor, b: Tensor) -> Tensor:
    """b^(a − 1) e^(−b) / Γ(a): how densely the gamma distribution lies at b."""
    return exp((a - 1) * log(b) - b - lgamma(a))
