"""Normal numbers, √(−2 ln u₁) · cos and sin of 2π u₂ (Box and Muller, 1958), by torch's two paths.

The *block* path serves row-major tensors of 16 elements and more: eight u₁, then eight u₂, make sixteen normals. In float32
it has logarithm, sine and cosine of its own: `cephes.py`. The *scalar* path serves all other tensors, always in float64, one pair at a time; an unused
second number stays in the generator for the next call. Read next: `cephes.py`, `exact.py`.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from . import cephes, exact
from .generator import Generator, at_once

Array = np.ndarray


# ---- the scalar path ----


@at_once
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


@at_once
def block_normals(g: Generator, n: int, dtype: Any, mean: float, std: float) -> Array:
    """n ≥ 16 normals. If n is no multiple of 16, the last 16 are drawn again: their block overlaps the one before."""
    whole = n - n % 16
    wide = dtype == np.float64
    halves = dtype.itemsize == 2
    if wide:
        out = _blocks64(g.uniform64(n)[:whole], mean, std)
    else:
        out = _blocks32(g, whole, mean, std)
        g.words(0 if halves else n % 16)  # the half-precision types draw nothing for the incomplete block
    if n % 16:
        last = _blocks64(g.uniform64(16), mean, std) if wide else _blocks32(g, 16, mean, std)
        out = np.concatenate([out[: n - 16], last])
    return out.astype(dtype, copy=False)


def _blocks64(u: Array, mean: float, std: float) -> Array:
    """float64: uniforms, a multiple of 16, → normals."""
    u = u.reshape(-1, 2, 8)
    r, t = np.sqrt(-2 * exact.C.log(1 - u[:, 0])), 2 * np.pi * u[:, 1]
    z = np.stack([r * exact.C.cos(t), r * exact.C.sin(t)], axis=1).reshape(-1)
    return z if (mean, std) == (0, 1) else exact.fma(z, std, mean)


def _blocks32(g: Generator, n: int, mean: float, std: float) -> Array:
    """float32: n normals, a multiple of 16. Many are made on two threads: NumPy computes outside Python's lock."""
    out = np.empty(n, np.float32)
    starts, turn = iter(range(0, n, cephes.BLOCK)), threading.Lock()

    def work() -> None:
        block = cephes.Block(min(n, cephes.BLOCK) // 2)
        while True:
            with turn:  # words are drawn in their order; while one thread draws, the other makes normals of what it drew
                start = next(starts, None)
                if start is None:
                    return
                part = out[start : start + cephes.BLOCK]
                words = g.words(len(part))
            block.fill(words, part)

    helper = threading.Thread(target=work)
    if n >= 2 * cephes.BLOCK:
        helper.start()
    work()
    if n >= 2 * cephes.BLOCK:
        helper.join()
    return out if (mean, std) == (0, 1) else exact.fma(out, np.float32(std), np.float32(mean))
