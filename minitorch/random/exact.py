"""Arithmetic with one rounding where NumPy has two, and the C library's functions: what makes draws equal to the last bit.

torch's kernels use the processor's fused multiply-add, a·b + c rounded once. NumPy has none, but the error of a sum and of a
product is itself a float and can be computed, so the one rounding can be redone from the exact result.
Read next: `uniform.py` and `normal.py`, which need it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import Array

BLOCK = 1 << 16


def rounded(x: Array, dtype: Any) -> Array:
    """float64 x in another dtype; to the half-precision types by way of float32, as torch goes."""
    halved = dtype.itemsize == 2 and dtype.kind not in "iu"
    return (x.astype(np.float32) if halved else x).astype(dtype, copy=False)


def fma(a: Array, b: Any, c: Any) -> Array:
    """a · b + c in float64 with one rounding (Boldo and Melquiond, 2008); in float32 if a is float32."""
    if a.dtype == np.float32:
        return _fma32(a, float(b), float(c))
    high, low = two_product(a, b)
    t, t_low = two_sum(c, low)
    v, v_low = two_sum(high, t)
    once = v + sum_to_odd(t_low, v_low)
    return np.where(np.isfinite(once), once, a * b + c)  # the tricks make nan of ∞


def _fma32(a: Array, b: float, c: float) -> Array:
    """The same in float32, for one b and c. In float64 the product is exact, so only the sum can be rounded before the end.

    That matters where it lands right between two float32, which is rare. A block at a time, so that it stays in the cache.
    """
    out = np.empty(a.shape, np.float32)
    for start in range(0, len(a), BLOCK):
        product = a[start : start + BLOCK].astype(np.float64)
        product *= b
        wide = product + c
        between = (wide.view(np.int64) & 0x1FFFFFFF) == 0x10000000  # the 29 bits that float32 does not have: one half
        if between.any():
            wide[between] = sum_to_odd(product[between], c)
        out[start : start + BLOCK] = wide
    return out


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """(s, e) with s = a + b rounded and s + e = a + b exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """(p, e) with p = a · b rounded and p + e = a · b exactly (Dekker): the four products of halves are exact."""
    a1, a2 = _halves(a)
    b1, b2 = _halves(b)
    p = a * b
    return p, a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)


def _halves(x: Any) -> tuple[Any, Any]:
    """x as a sum of two numbers of 26 bits each (Veltkamp)."""
    c = x * 134217729.0  # 2²⁷ + 1
    high = c - (c - x)
    return high, x - high


def sum_to_odd(a: Any, b: Any) -> Array:
    """a + b, where an inexact sum takes whichever neighbour has an odd last bit.

    An odd last bit says "not exact" to whoever rounds next, so that two roundings in a row cannot do worse than one: the
    second never meets a tie that was none.
    """
    s, e = two_sum(a, b)
    s = np.asarray(s)
    bits = s.view(np.int64)
    up = np.where((e > 0) == (s > 0), 1, -1)  # in the bits of a float, +1 is one step away from zero
    return (bits + np.where((e != 0) & (bits & 1 == 0), up, 0)).view(np.float64)


# ---- the C library ----


def _c_library(name: str) -> Callable[[Array], Array]:
    """A function of Python's `math` on arrays, which gives infinity where `math` raises."""
    function = getattr(math, name)

    def careful(x: float) -> float:
        try:
            return function(x)
        except (OverflowError, ValueError):
            return math.inf if x > 0 else -math.inf  # exp of something large; log of 0

    each: Any = np.frompyfunc(careful, 1, 1)
    return lambda x: each(x).astype(np.float64)


class Library:
    """The functions that distributions are made of, from one source."""

    def __init__(self, function: Callable[[str], Any]):
        self.log, self.log1p, self.exp = function("log"), function("log1p"), function("exp")
        self.sin, self.cos, self.tan = function("sin"), function("cos"), function("tan")


C = Library(_c_library)
NUMPY = Library(lambda name: getattr(np, name))


def library_for(dtype: Any) -> Library:
    """Where functions come from for a result of that dtype.

    torch calls the C library, and so does `math`, one number at a time. NumPy's own differ from it in the last bit of a
    float64 now and then; after rounding to float32 nothing of that is left, and they are ten times as fast.
    """
    return C if dtype == np.float64 else NUMPY
