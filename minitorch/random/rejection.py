"""Counts, drawn by trying until a try is taken: Poisson and binomial numbers, each from as many uniform numbers as its tries take.

Small ones are counted as they are defined. Large ones are guessed by a formula that is nearly right, and a second uniform number says
whether the guess is taken (Hörmann, "The transformed rejection method for generating Poisson random variables", 1993, and "The
generation of binomial random variates", 1993). Read next: `minitorch/ops/sampling.py`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

import numpy as np

from .generator import Generator, at_once

Array = np.ndarray
Draw = Callable[[], float]


@at_once
def poisson(g: Generator, rates: Array) -> Array:
    """For each rate λ a number k, with probability λᵏ e^(−λ) / k!."""
    with _uniforms(g, 2 * rates.size) as u:
        return np.array([_poisson(u, rate) for rate in rates.tolist()])


@at_once
def binomial(g: Generator, counts: Array, probabilities: Array) -> Array:
    """For each pair of n and p how many of n trials succeed, each with probability p."""
    with _uniforms(g, 2 * counts.size) as u:
        return np.array([_binomial(u, n, p) for n, p in zip(counts.tolist(), probabilities.tolist())])


@contextlib.contextmanager
def _uniforms(g: Generator, n: int) -> Iterator[Draw]:
    """A function that returns the next uniform number. They are drawn in blocks, and what is left at the end is given back."""
    block: list[float] = []
    used, before = 0, g._twister().get_state()

    def draw() -> float:
        nonlocal block, used, before
        if used == len(block):
            before = g._twister().get_state()
            block, used = g.uniform64(max(n, 16)).tolist(), 0
        used += 1
        return block[used - 1]

    try:
        yield draw
    finally:
        g._twister().set_state(before)
        g.words(2 * used)


def _poisson(u: Draw, rate: float) -> float:
    if not rate >= 0:
        raise RuntimeError(f"invalid Poisson rate, expected rate to be non-negative, got {rate}")
    if rate == 0:
        return 0
    return _poisson_guessed(u, rate) if rate >= 10 else _poisson_counted(u, rate)


def _poisson_counted(u: Draw, rate: float) -> float:
    """How many events there are within one unit of time, when the time to the next is −ln u / λ."""
    least, product, k = math.exp(-rate), u(), 0
    while product > least:
        k += 1
        product *= u()
    return k


def _poisson_guessed(u: Draw, rate: float) -> float:
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_sure = 0.9277 - 3.6224 / (b - 2)
    while True:
        x, v = u() - 0.5, u()
        edge = 0.5 - abs(x)  # how far x is from ±½, where the guess is bad
        k = math.floor((2 * a / edge + b) * x + rate + 0.43)
        if edge >= 0.07 and v <= v_sure:
            return k
        if k < 0 or (edge < 0.013 and v > edge):
            continue
        tried = _log(v) + math.log(inverse_alpha) - math.log(a / (edge * edge) + b)
        if tried <= -rate + k * math.log(rate) - math.lgamma(k + 1):
            return k


def _binomial(u: Draw, n: float, p: float) -> float:
    """Of p above ½, the failures are drawn."""
    if n <= 0 or p <= 0:
        return 0
    if p >= 1:
        return n
    if math.isnan(n) or math.isnan(p):
        return math.nan
    rarer = min(p, 1 - p)
    k = _binomial_guessed(u, n, rarer) if n * rarer >= 10 else _binomial_counted(u, n, rarer)
    return k if p <= 0.5 else n - k


def _binomial_counted(u: Draw, n: float, p: float) -> float:
    """How many successes there are before the n trials are used up, when the next takes ⌈ln u / ln(1 − p)⌉ of them."""
    trials, k, log_failure = 0.0, 0, math.log1p(-p)
    while True:
        log_u = _log(u())
        trials += math.ceil(log_u / log_failure) if math.isfinite(log_u) else math.inf
        if trials > n:
            return k
        k += 1


def _binomial_guessed(u: Draw, n: float, p: float) -> float:
    deviation = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha = (2.83 + 5.1 / b) * deviation
    v_sure = 0.92 - 4.2 / b
    odds, middle = p / (1 - p), math.floor((n + 1) * p)
    while True:
        x, v = u() - 0.5, u()
        edge = 0.5 - abs(x)
        k = math.floor((2 * a / edge + b) * x + n * p + 0.5)
        if not 0 <= k <= n:
            continue
        if edge >= 0.07 and v <= v_sure:
            return k
        likelihood = (
            (middle + 0.5) * math.log((middle + 1) / (odds * (n - middle + 1)))
            + (n + 1) * math.log((n - middle + 1) / (n - k + 1))
            + (k + 0.5) * math.log(odds * (n - k + 1) / (k + 1))
            + (_stirling_rest(middle) + _stirling_rest(n - middle) - _stirling_rest(k) - _stirling_rest(n - k))
        )
        if _log(v * alpha / (a / (edge * edge) + b)) <= likelihood:
            return k


def _stirling_rest(k: float) -> float:
    """ln k! less Stirling's formula for it."""
    if k <= 9:
        return _RESTS[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


_RESTS = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
)  # fmt: skip


def _log(x: float) -> float:
    return math.log(x) if x else -math.inf
