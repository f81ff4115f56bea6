"""Integers: in a range, permutations, and indices drawn by weight. A word modulo the range is all there is to it.

Read next: `minitorch/ops/sampling.py`, which checks ranges and fills tensors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .generator import Generator, at_once

Array = np.ndarray


@at_once
def integers(g: Generator, n: int, low: int, span: int, two_words: bool) -> Array:
    """n int64 in low … low + span − 1, wrapped at 2⁶⁴; `two_words`: from 64 bits instead of 32."""
    raw = g.words64(n) if two_words else g.words(n).astype(np.uint64)
    if span < 2**64:
        raw %= np.uint64(span)
    return (raw + np.uint64(low % 2**64)).view(np.int64)


@at_once
def permutation(g: Generator, n: int) -> list[int]:
    """0 … n−1 in random order (Fisher and Yates); from 2³²/20 on each step takes two words, for their remainder is biased."""
    if n >= (2**32 - 1) // 20:
        order = list(range(n))
        for i, word in enumerate(g.words64(n).tolist()):
            j = word % (i + 1)
            order[i], order[j] = order[j], i
        return order
    order = list(range(n))
    steps = np.arange(max(n - 1, 0))
    others = steps + g.words(len(steps)) % (n - steps)
    for i, j in enumerate(others.tolist()):
        order[i], order[j] = order[j], order[i]
    return order


@at_once
def by_weight(g: Generator, weights: Array, n: int) -> Array:
    """n indices with replacement: where u falls among the running sums of the weights, summed in float32 or float64."""
    sums = weights.astype(np.float64 if weights.dtype == np.float64 else np.float32).cumsum()
    shares = sums / sums[-1]
    return np.searchsorted(shares.astype(np.float64), g.uniform64(n), side="left")


def random_range(dtype: Any, digits: int) -> tuple[int, bool]:
    """What `random_()` without limits draws for a dtype: the number of values, and whether from two words each."""
    if dtype.kind == "b":
        return 2, False
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).max) + 1, dtype.itemsize == 8
    return 2**digits + 1, digits == 53


def inward(low: int, high: int, dtype: Any, digits: int) -> tuple[int, int]:
    """The limits of a range of integers as a float dtype can hold them: never beyond the limits given."""

    def held(v: int) -> int:
        r = float(np.array(v).astype(np.float64 if digits == 53 else np.float32).astype(dtype))
        return int(r) if abs(r) < 2**63 else -(2**63)

    def step(v: int) -> int:
        return 2 ** max(abs(v).bit_length() - digits, 0)

    if held(low + 1) < low:
        low = held(low + 1) + step(low + 1)
    if held(high - 1) >= high:
        high = held(high - 1) - step(high - 1)
    return low, high
