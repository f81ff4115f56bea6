"""Comparisons, tests and logic: elementwise ops whose results are bool or integers, and so have no derivative.

Read next: `reduce.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..op import Array, composite, row

if TYPE_CHECKING:
    from ..tensor import Tensor

test = functools.partial(row, discrete=True)

# ---- comparisons: nan is unequal to everything, itself included ----

eq = test("eq", "a = b", lambda xp, a, b: xp.equal(a, b), numbers="b")
ne = test("ne", "a ≠ b", lambda xp, a, b: xp.not_equal(a, b), numbers="b")
lt = test("lt", "a < b", lambda xp, a, b: xp.less(a, b), numbers="b")
le = test("le", "a ≤ b", lambda xp, a, b: xp.less_equal(a, b), numbers="b")
gt = test("gt", "a > b", lambda xp, a, b: xp.greater(a, b), numbers="b")
ge = test("ge", "a ≥ b", lambda xp, a, b: xp.greater_equal(a, b), numbers="b")

# ---- tests of a number ----

isnan = test("isnan", "x is nan", lambda xp, x: xp.isnan(x), takes_out=False)
isinf = test("isinf", "x is ∞ or −∞", lambda xp, x: xp.isinf(x), takes_out=False)
isfinite = test("isfinite", "x is a finite number", lambda xp, x: xp.isfinite(x), takes_out=False)
signbit = test(
    "signbit",
    "the sign bit of x is set (of −0 too)",
    lambda xp, x: x < 0 if x.dtype.kind in "iub" else xp.signbit(x),
)

# ---- logic ----

logical_not = test("logical_not", "not x", lambda xp, x: xp.logical_not(x), out_dtype="cast")
logical_and = test("logical_and", "a and b", lambda xp, a, b: xp.logical_and(a, b), numbers="")
logical_or = test("logical_or", "a or b", lambda xp, a, b: xp.logical_or(a, b), numbers="")
logical_xor = test("logical_xor", "either a or b", lambda xp, a, b: xp.logical_xor(a, b), numbers="")


def _of_bits(name: str, function: Callable) -> Callable:
    """`function` on the bits of integers and bools; floats are refused, once their shapes fit."""

    def forward(xp: Any, a: Array, b: Array) -> Array:
        if "f" in (getattr(getattr(x, "dtype", None), "kind", "f" if isinstance(x, float) else "") for x in (a, b)):
            np.broadcast_shapes(np.shape(a), np.shape(b))
            raise NotImplementedError(f'"{name}_cpu" not implemented for floats: bits are those of integer and bool tensors')
        return function(xp, a, b)

    return forward


def _not(xp: Any, x: Array) -> Array:
    if x.dtype.kind == "f":
        raise NotImplementedError(
            f'"bitwise_not_cpu" not implemented for {x.dtype}: bits are those of integer and bool tensors'
        )
    return xp.invert(x)


bitwise_not = test("bitwise_not", "the bits of x, flipped", _not)
bitwise_and = test("bitwise_and", "bits set in a and in b", _of_bits("bitwise_and", lambda xp, a, b: a & b))
bitwise_or = test("bitwise_or", "bits set in a or in b", _of_bits("bitwise_or", lambda xp, a, b: a | b))
bitwise_xor = test("bitwise_xor", "bits set in one of a and b", _of_bits("bitwise_xor", lambda xp, a, b: a ^ b))


def _shift(name: str, function: Callable) -> Callable:
    """`function` on integers; a bool has no bits to move."""

    def forward(xp: Any, a: Array, b: Array) -> Array:
        if xp.result_type(a, b).kind not in "iu":
            np.broadcast_shapes(np.shape(a), np.shape(b))
            raise NotImplementedError(
                f'"{name}_cpu" not implemented for {xp.result_type(a, b)}: shifts move the bits of integers'
            )
        return function(xp, a, b)

    return forward


bitwise_left_shift = test("bitwise_left_shift", "a · 2ᵇ", _shift("lshift", lambda xp, a, b: xp.left_shift(a, b)))
bitwise_right_shift = test("bitwise_right_shift", "⌊a / 2ᵇ⌋", _shift("rshift", lambda xp, a, b: xp.right_shift(a, b)))

# ---- whole tensors ----


@composite
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|input − other| ≤ atol + rtol·|other|, elementwise; infinities are close to themselves only."""
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype!r} did not match {other.dtype!r}: isclose compares tensors of one dtype")
    if not (rtol >= 0 and atol >= 0):
        raise RuntimeError(f"rtol and atol must be greater than or equal to zero, but got {rtol} and {atol}")
    x, y = input.detach(), other.detach()
    close = x == y
    if x.is_floating_point():
        if equal_nan:
            close = close | (isnan(x) & isnan(y))
        difference = (x - y).abs()
        return close | (isfinite(difference) & (difference <= atol + rtol * y.abs()))
    return close | ((x.double() - y.double()).abs() <= atol + rtol * y.double().abs())


@composite
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close (see `isclose`)."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@composite
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape and the same elements."""
    return input.shape == other.shape and bool((input == other).all())


@composite
def is_inference(input: Tensor) -> bool:
    """Whether a tensor was made in `inference_mode`."""
    return input.is_inference()
