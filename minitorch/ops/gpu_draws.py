"""Random numbers drawn on a GPU, as ops, so that a kernel can stand in for the formula.

What is computed, and for which number, is in `random/gpu.py`; an op here gets a seed and a counter, and draws nothing of its own.
Read next: `sampling.py`, which calls these; `kernels/cuda/random.py`, the kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays.device import must_hold
from ..op import Array, Index, op
from ..random import gpu


@op(promote=None, public=False)
def philox_floats(
    xp: Any, x: Index, kind: str, a: float, b: float, seed: Any, counter: Any, threads: int, calls: int, each: int
) -> Array:
    """As many numbers as x has, of its dtype: uniform, normal, …, with the two parameters that the kind has"""
    wide = gpu.width(x.dtype)
    words = gpu.Draw(seed, counter, threads, calls, each).words(xp)
    numbers = gpu.normals(xp, words, wide) if kind in gpu.OF_NORMALS else gpu.uniforms(words, wide)
    return gpu.MADE_OF[kind](xp, gpu.in_order(xp, numbers, x.size), a, b, x.dtype)


@op(promote=None, public=False)
def philox_integers(
    xp: Any, x: Index, low: int, span: int, seed: Any, counter: Any, threads: int, calls: int, each: int
) -> Array:
    """As many int64 as x has, in low … low + span − 1, wrapped at 2⁶⁴"""
    words = gpu.Draw(seed, counter, threads, calls, each).words(xp)
    raw = gpu.in_order(xp, list(words) if each == 4 else gpu.of_64_bits(words), x.size)
    if span < 2**64:
        raw = raw % np.uint64(span)
    return (raw + np.uint64(low % 2**64)).view("int64")


def floats(g: gpu.GpuGenerator, xp: Any, x: Array, kind: str, a: float, b: float) -> Array:
    """The next numbers of the generator, as many as x has, flat."""
    if not x.size:
        return xp.empty(0, x.dtype)
    return philox_floats.compute(xp, x, kind, a, b, *g.draw(x.size, 2 if x.dtype == "float64" else 4))


def integers(g: gpu.GpuGenerator, xp: Any, x: Array, low: int, span: int, two_words: bool) -> Array:
    """The next int64 of the generator, as many as x has, flat."""
    if not x.size:
        return xp.empty(0, "int64")
    return philox_integers.compute(xp, x, low, span, *g.draw(x.size, 2 if two_words else 4))


def by_probability(g: gpu.GpuGenerator, xp: Any, p: Array) -> Array:
    """[u_i ≤ p_i] in float32, of row p: here a thread makes four numbers that lie together, and an offset of 12 is taken."""
    must_hold(
        ((p >= 0) & (p <= 1)).all(),
        RuntimeError,
        "Expected p_in >= 0 && p_in <= 1 to be true, but got a probability outside",
    )
    words = gpu.Draw(*g.advance(12), -(-p.size // 4), 1, 4).words(xp)
    return xp.stack(gpu.uniforms(words, np.float32), -1).reshape(-1)[: p.size] <= p


def permutation(g: gpu.GpuGenerator, xp: Any, n: int) -> Array:
    """0 … n−1 in the order of random keys; where keys are alike, which is rare, drawn once more."""
    if not n:
        return xp.empty(0, "int64")
    bits = gpu.bits_of_keys(n)
    low, span = (-(2**31), 2**32 - 1) if bits <= 32 else (-(2**63), 2**64 - 1)
    keys = integers(g, xp, xp.empty(n, "int64"), low, span, True)
    if bits < 32:
        keys = keys & (2**bits - 1)
    order = xp.argsort(keys, kind="stable")
    return order[_among_alike(xp, keys[order], g)]


def _among_alike(xp: Any, keys: Array, g: gpu.GpuGenerator) -> Array:
    """0 … n−1, with the places of equal keys in random order (Fisher and Yates): each run of them is a thread's, the one of its first place.

    Runs of up to four are: a longer one, which nobody will meet, stays as it is behind its fourth.
    """
    n = keys.size
    words = gpu.Draw(*g.advance(-(-n // 4) * 4), n, 1, 4).words(xp)
    alike = xp.concatenate([xp.zeros(1, bool), keys[1:] == keys[:-1], xp.zeros(4, bool)])  # place i as place i − 1
    place, run = xp.arange(n), ~alike[:n]
    size = xp.ones(n, "int64")
    for k in (1, 2, 3):
        run = run & alike[k : n + k]
        size += run
    order = xp.arange(n + 1)  # the last place is for what is not swapped
    for step in range(3):
        i = size - 1 - step
        swapped = i > 0
        other = (words[step][0] % (xp.maximum(i, 0) + 1).astype("uint64")).astype("int64")
        a, b = xp.where(swapped, place + i, n), xp.where(swapped, place + other, n)
        at_a, at_b = order[a], order[b]
        order[a], order[b] = at_b, at_a
    return order[:n]
