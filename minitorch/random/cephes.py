"""Normal numbers in float32 with torch's own logarithm, sine and cosine: polynomials from Moshier's Cephes library.

They equal torch's only if each step is rounded as its vector kernel rounds it: y t + c once, all else as usual. NumPy has
no such y t + c; but the product of two float32 is exact in float64, so going there and back rounds once. This is the one
place written for speed: every step goes to memory made beforehand, a block at a time, so that it stays in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray

BLOCK = 1 << 17  # words, and as many normals: in smaller blocks two threads meet too often at Python's lock


def _constant(x: Any, dtype: Any = np.float32) -> Array:
    """A number as an array without dimensions: NumPy takes it sooner than Python's."""
    return np.array(x, dtype)


# Coefficients: float32 numbers held in float64.
_LOG, _COS, _SIN = (
    [_constant(np.float32(c), np.float64) for c in coefficients]
    for coefficients in (
        (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
         2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
        (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2),
        (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1),
    )
)  # fmt: skip
# ln 2 and π/4, each a sum of parts with few bits, so that a small integer times a part is exact.
_LN2, _LN2_REST = _constant(0.693359375), _constant(-2.12194440e-4)
_PI_4 = 0.78515625 + 2.4187564849853515625e-4 + float(np.float32(3.77489497744594108e-8))
_MINUS_PI_4 = _constant(-_PI_4, np.float64)
_FOUR_OVER_PI = _constant(1.27323954473516)
_SQRT_HALF = _constant(np.float32(0.70710678)).view(np.int32)
_LOW_24 = _constant(2**24 - 1, np.uint32).view(np.int32)
_SIGN = _constant(-(2**31), np.int32)
_ONE, _HALF, _MINUS_TWO = _constant(1), _constant(0.5), _constant(-2)
_MINUS_HALF = _constant(-0.5, np.float64)
_UNIT, _TURN = _constant(2.0**-24), _constant(np.float32(2 * np.pi) * np.float32(2.0**-24))


class Block:
    """Memory for n pairs of normals, and what is computed there.

    x, y, z, s, r: float32 (y the logarithm's and cosine's polynomial, s the sine's, r the radius); k: integers;
    t, c: float32 numbers held in float64; wide: scratch of `_fma`.
    """

    def __init__(self, n: int) -> None:
        self.x, self.y, self.z, self.s, self.r = (np.empty(n, np.float32) for _ in range(5))
        self.t, self.c, self.wide = (np.empty(n, np.float64) for _ in range(3))
        self.k = np.empty(n, np.int32)

    def fill(self, words: Array, out: Array) -> None:
        """Standard normals from as many words: of sixteen, eight make u₁ and eight u₂ in √(−2 ln u₁) · (cos, sin)(2π u₂)."""
        if len(words) != 2 * len(self.x):
            return Block(len(words) // 2).fill(words, out)
        eights = words.view("V32").reshape(-1, 2)  # 32 bytes, eight words: NumPy copies them as one item
        cosine, sine = self.normals(eights[:, 0], eights[:, 1])
        eights = out.view("V32").reshape(-1, 2)
        eights[:, 0], eights[:, 1] = cosine.view("V32"), sine.view("V32")

    def normals(self, first: Array, second: Array) -> tuple[Array, Array]:
        """(r cos 2πu₂, r sin 2πu₂) with r = √(−2 ln(1 − u₁)), from the words of u₁ and of u₂."""
        x, k = self.x, self.k
        k.view("V32")[...] = first
        np.bitwise_and(k, _LOW_24, k)
        x[...] = k
        x *= _UNIT
        np.subtract(_ONE, x, x)
        r = self.log()
        r *= _MINUS_TWO
        np.sqrt(r, r)
        k.view("V32")[...] = second
        np.bitwise_and(k, _LOW_24, k)
        x[...] = k
        x *= _TURN
        cosine, sine = self.cos_sin()
        cosine *= r
        sine *= r
        return cosine, sine

    def log(self) -> Array:
        """r ← ln x. With x = (1 + t) 2ᵏ, √½ ≤ 1 + t < √2: a polynomial in t, + k ln 2."""
        x, y, z, s, r, k = self.x, self.y, self.z, self.s, self.r, self.k
        bits, shifted = x.view(np.int32), y.view(np.int32)
        np.subtract(bits, _SQRT_HALF, k)  # a float's upper bits are its exponent; shifted so that √½ starts a new one
        k >>= 23
        np.left_shift(k, 23, shifted)
        bits -= shifted
        x -= _ONE
        r[...] = k
        self.t[...] = x
        self._horner(_LOG, y)
        y *= x
        np.multiply(x, x, z)
        self.t[...] = z
        np.multiply(r, _LN2_REST, s)
        self.c[...] = s
        self._fma(y, self.c)
        z *= _HALF
        y -= z
        y += x
        r *= _LN2
        r += y
        return r

    def cos_sin(self) -> tuple[Array, Array]:
        """(y, s) ← (cos x, sin x) for x ≥ 0: polynomials on [−π/4, π/4] around an even multiple k of π/4."""
        x, y, z, s, t, k = self.x, self.y, self.z, self.s, self.t, self.k
        np.multiply(x, _FOUR_OVER_PI, z)
        k[...] = z
        k += 1
        k &= -2
        # k times the 48 bits of π/4 is exact in float64, and so is the difference: one rounding, as Cephes' three steps have.
        np.multiply(k, _MINUS_PI_4, self.wide)
        t[...] = x
        self.wide += t
        x[...] = self.wide
        np.multiply(x, x, z)
        t[...] = z
        self._horner(_COS, y)
        y *= z
        np.multiply(t, _MINUS_HALF, self.c)
        self._fma(y, self.c)
        y += _ONE
        self._horner(_SIN, s)
        s *= z
        t[...] = x
        self._fma(s, t)
        self._turn(y.view(np.int32), s.view(np.int32), x.view(np.int32), z.view(np.int32))
        return y, s

    def _turn(self, cosine: Array, sine: Array, mask: Array, scratch: Array) -> None:
        """Quarter turns, on the bits: k & 2 exchanges sine and cosine, k & 4 and (k + 2) & 4 turn their signs."""
        k = self.k
        np.left_shift(k, 30, mask)
        mask >>= 31  # all ones where k & 2
        np.bitwise_xor(sine, cosine, scratch)
        mask &= scratch
        sine ^= mask
        cosine ^= mask
        k <<= 29
        np.bitwise_and(k, _SIGN, mask)
        sine ^= mask
        k += 2 << 29
        k &= _SIGN
        cosine ^= k

    def _horner(self, coefficients: list[Array], y: Array) -> None:
        """y ← c₀ tⁿ + … + cₙ, each step rounded once."""
        first, second, *others = coefficients
        np.multiply(self.t, first, self.wide)
        self.wide += second
        y[...] = self.wide
        for c in others:
            self._fma(y, c)

    def _fma(self, y: Array, c: Array) -> None:
        """y ← y t + c, rounded once.

        (The sum in float64 rounds as well. That two roundings differ from one is never met: all 2²⁴ uniforms were tried.)
        """
        wide = self.wide
        wide[...] = y
        wide *= self.t
        wide += c
        y[...] = wide
