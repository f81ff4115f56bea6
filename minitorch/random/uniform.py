"""Numbers made from one uniform number each: uniform in [a, b), exponential, Cauchy, geometric, log-normal, 0 or 1.

Each function draws n numbers in order and returns them flat. Read next: `normal.py`, `discrete.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .exact import fma, library_for, rounded
from .generator import Generator, at_once
from .normal import scalar_normals

Array = np.ndarray


@at_once
def uniform(g: Generator, n: int, dtype: Any, a: float, b: float) -> Array:
    """a + (b − a) u with one rounding, in float32 for the half-precision types; a where rounding reaches b."""
    wide = np.float64 if dtype == np.float64 else np.float32
    u = g.uniform64(n) if wide is np.float64 else g.uniform32(n)
    low, high = wide(a), wide(b)
    if (a, b) != (0, 1):
        u = fma(u, high - low, low)
    r = u.astype(dtype, copy=False)
    if (a, b) != (0, 1) or dtype.itemsize == 2:  # a float16 can round up to 1
        r[r == high.astype(dtype)] = low.astype(dtype)
    return r


@at_once
def uniform_in_double(g: Generator, n: int, a: float, b: float) -> Array:
    """a + (b − a) u in float64, whatever the numbers are for"""
    return g.uniform64(n) * (b - a) + a


@at_once
def exponential(g: Generator, n: int, dtype: Any, rate: float) -> Array:
    """−ln(1 − u) / λ"""
    return rounded((-1 / rate) * library_for(dtype).log1p(-g.uniform64(n)), dtype)


@at_once
def cauchy(g: Generator, n: int, dtype: Any, median: float, sigma: float) -> Array:
    """median + σ tan(π (u − ½))"""
    return rounded(fma(library_for(dtype).tan(np.pi * (g.uniform64(n) - 0.5)), sigma, median), dtype)


@at_once
def geometric(g: Generator, n: int, dtype: Any, p: float) -> Array:
    """⌈ln u / ln(1 − p)⌉: how many trials until one of probability p succeeds"""
    return rounded(np.ceil(library_for(dtype).log(g.uniform64(n)) / np.log1p(-p)), dtype)


@at_once
def log_normal(g: Generator, n: int, dtype: Any, mean: float, std: float) -> Array:
    """exp(mean + std z), z by the scalar path whatever n"""
    library = library_for(dtype)
    return rounded(library.exp(fma(scalar_normals(g, n, library), std, mean)), dtype)


@at_once
def bernoulli(g: Generator, n: int, p: Any) -> Array:
    """u < p as bools, for one p or n of them. One p is compared with 53 bits, an array of p with as many as it has."""
    if isinstance(p, np.ndarray) and p.dtype != np.float64:
        return g.uniform32(n) < p.astype(np.float32)
    return g.uniform64(n) < p
