"""Normal numbers, √(−2 ln u₁) · cos and sin of 2π u₂ (Box and Muller, 1958), by torch's two paths.

The *block* path serves row-major tensors of 16 elements and more: eight u₁, then eight u₂, make sixteen normals. In float32
it has its own logarithm, sine and cosine, polynomials from Moshier's Cephes library, and equals torch only if each step is
rounded as torch rounds it. The *scalar* path serves all other tensors, always in float64, one pair at a time; an unused
second number stays in the generator for the next call. Read next: `exact.py` for the rounding.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from . import exact
from .generator import Generator

Array = np.ndarray


# ---- the scalar path ----


def scalar_normals(g: Generator, n: int, library: exact.Library) -> Array:
    """n standard normals in float64, in pairs r cos t, r sin t; the generator keeps one that is left over."""
    kept = [] if g.cached_normal is None or n == 0 else [g.cached_normal]
    wanted = n - len(kept)
    if kept:
        g.cached_normal = None
    u = g.uniform64((wanted + 1) // 2 * 2).reshape(-1, 2)
    pairs = _pairs(u, library)
    if wanted % 2:
        g.cached_normal = float(_pairs(u[-1:], exact.C)[0, 1])  # its bits are part of the generator's state
    return np.concatenate([kept, pairs.reshape(-1)[:wanted]])


def _pairs(u: Array, library: exact.Library) -> Array:
    """(K, 2) uniforms → (K, 2) normals. Here the first uniform is the angle."""
    r, t = np.sqrt(-2 * library.log1p(-u[:, 1])), 2 * np.pi * u[:, 0]
    return np.stack([r * library.cos(t), r * library.sin(t)], axis=1)


# ---- the block path ----


def block_normals(g: Generator, n: int, dtype: Any, mean: float, std: float) -> Array:
    """n ≥ 16 normals. If n is no multiple of 16, the last 16 are drawn again: their block overlaps the one before."""
    whole = n - n % 16
    wide = dtype == np.float64
    halves = dtype.itemsize == 2
    if wide:
        out = _blocks64(g.uniform64(n)[:whole], mean, std)
    else:
        words = g.words(whole if halves else n)  # the half-precision types draw nothing for the incomplete block
        out = _blocks32(words[:whole], mean, std)
    if n % 16:
        last = _blocks64(g.uniform64(16), mean, std) if wide else _blocks32(g.words(16), mean, std)
        out = np.concatenate([out[: n - 16], last])
    return out.astype(dtype, copy=False)


def _blocks64(u: Array, mean: float, std: float) -> Array:
    """float64: uniforms, a multiple of 16, → normals."""
    u = u.reshape(-1, 2, 8)
    r, t = np.sqrt(-2 * exact.C.log(1 - u[:, 0])), 2 * np.pi * u[:, 1]
    z = np.stack([r * exact.C.cos(t), r * exact.C.sin(t)], axis=1).reshape(-1)
    return z if (mean, std) == (0, 1) else exact.fma(z, std, mean)


def _blocks32(words: Array, mean: float, std: float) -> Array:
    """float32: words, a multiple of 16, → normals. Many are made on two threads: NumPy computes outside Python's lock."""
    out = np.empty(len(words), np.float32)
    half = len(words) // 2 & -16 if len(words) >= 2 * _BLOCK else 0
    helper = threading.Thread(target=_fill32, args=(words[:half], out[:half]))
    if half:
        helper.start()
    _fill32(words[half:], out[half:])
    if half:
        helper.join()
    return out if (mean, std) == (0, 1) else exact.fma(out, np.float32(std), np.float32(mean))


_BLOCK = 1 << 16  # what stays in the processor's cache while some forty operations pass over it


def _fill32(words: Array, out: Array) -> None:
    """Standard normals into `out`, block by block."""
    for start in range(0, len(words), _BLOCK):
        part = slice(start, start + _BLOCK)
        eights = words[part].view("V32").reshape(-1, 2)  # 32 bytes, eight words: NumPy copies them as one item
        u1, u2 = (eights[:, k].copy().view(np.uint32) & np.uint32(2**24 - 1) for k in (0, 1))
        r = log32(1 - u1.astype(np.float32) * np.float32(2.0**-24))
        r *= np.float32(-2)
        np.sqrt(r, out=r)
        sine, cosine = sincos32(u2.astype(np.float32) * np.float32(np.float32(2 * np.pi) * 2.0**-24))
        cosine *= r
        sine *= r
        eights = out[part].view("V32").reshape(-1, 2)
        eights[:, 0], eights[:, 1] = cosine.view("V32"), sine.view("V32")


# ---- Cephes in float32 ----

# Coefficients as float64 copies of float32 numbers.
_LOG, _COS, _SIN = (
    [float(np.float32(c)) for c in coefficients]
    for coefficients in (
        (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
         2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
        (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2),
        (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1),
    )
)  # fmt: skip
# ln 2 and π/4, each a sum of parts with few bits, so that a small integer times a part is exact.
_LN2 = np.float32(0.693359375), np.float32(-2.12194440e-4)
_PI_4 = 0.78515625 + 2.4187564849853515625e-4 + float(np.float32(3.77489497744594108e-8))
_SQRT_HALF = np.float32(0.70710678).view(np.int32)


def log32(x: Array) -> Array:
    """ln x in float32, x > 0; x is overwritten. With x = (1 + t) 2ᵉ, √½ ≤ 1 + t < √2: a polynomial in t, + e ln 2."""
    bits = x.view(np.int32)
    e = bits - _SQRT_HALF  # a float's upper bits are its exponent; shifted so that a mantissa of √½ starts a new one
    e >>= 23
    bits -= e << 23
    t = x
    t -= np.float32(1)
    z = t * t
    wide, scratch = t.astype(np.float64), np.empty(x.shape, np.float64)
    y = _horner(_LOG, wide, scratch)
    y *= t
    e = e.astype(np.float32)
    wide[...] = z
    _fma32(y, wide, (e * _LN2[1]).astype(np.float64), scratch)
    z *= np.float32(0.5)
    y -= z
    y += t
    e *= _LN2[0]
    y += e
    return y


def sincos32(x: Array) -> tuple[Array, Array]:
    """(sin x, cos x) in float32, x ≥ 0: polynomials on [−π/4, π/4] around an even multiple j of π/4."""
    j = (x * np.float32(1.27323954473516)).astype(np.int32)
    j += 1
    j &= -2
    # j times the 48 bits of π/4 is exact in float64, and so is the difference: one rounding, as Cephes' three steps have.
    scratch, wide = j * -_PI_4, x.astype(np.float64)
    scratch += wide
    x = scratch.astype(np.float32)
    z = x * x
    wide[...] = z
    cosine, sine = _horner(_COS, wide, scratch), _horner(_SIN, wide, scratch)
    cosine *= z
    sine *= z
    _fma32(cosine, wide, wide * -0.5, scratch)
    cosine += np.float32(1)
    wide[...] = x
    _fma32(sine, wide, wide, scratch)
    # The quarter turns, in the bits: j & 2 exchanges the two, j & 4 and (j + 2) & 4 turn a sign. (`where` takes longer.)
    s, c = sine.view(np.int32), cosine.view(np.int32)
    exchanged = s ^ c
    exchanged &= (j << 30) >> 31
    s ^= exchanged
    c ^= exchanged
    s ^= (j & 4) << 29
    c ^= (j + 2 & 4) << 29
    return sine, cosine


def _horner(coefficients: list[float], t: Array, scratch: Array) -> Array:
    """c₀ tⁿ + … + cₙ in float32, each step rounded once; t is float32 numbers held in float64."""
    first, second, *others = coefficients
    np.multiply(t, first, out=scratch)
    scratch += second
    y = scratch.astype(np.float32)
    for c in others:
        _fma32(y, t, c, scratch)
    return y


def _fma32(y: Array, t: Array, c: Any, scratch: Array) -> None:
    """y ← y t + c: the product of two float32 is exact in float64, so that only the last step rounds.

    (The sum in float64 rounds as well. That two roundings differ from one is never met: all 2²⁴ uniforms were tried.)
    """
    scratch[...] = y
    scratch *= t
    scratch += c
    y[...] = scratch
