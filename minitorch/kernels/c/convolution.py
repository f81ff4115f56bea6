"""The loops of `convolution.h` on NumPy arrays: a convolution and its two derivatives, shared among threads by samples.

Each returns None where C is not to be had, or arrays lie in a way that the loops do not take. The numbers of a call (how many samples
are taken at a time, how much room they need) are the same for eager and for a compiled program. Read next: `convolution.h`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...ops.fold import Sliding
from ..cpu import blocks
from .blas import by_one_thread
from .library import address, kernel

WIDE = 64  # places that a product has at least, of as many samples as that takes
MULTIPLICATIONS = 32  # of a product take as long as a number in a loop
LARGE = 1 << 17  # numbers whose work is worth a part
PARTS = 4  # a derivative by the weights is the sum of so many at most, however many threads there are


def convolution(x: np.ndarray, w: np.ndarray, bias: Any, how: Sliding, groups: int) -> np.ndarray | None:
    """W · columns(x) + b"""
    function, x = _kernel("convolution", x), _planes(x)
    if function is None:
        return None
    y = np.empty((len(x), len(w), *how.places), x.dtype)
    _by_samples(
        function, how, sizes_of(x.shape, y.shape, how, groups), work_of(x.shape, y.shape, how, groups), [x, w, bias, y]
    )
    return y


def convolution_transposed(y: np.ndarray, w: np.ndarray, bias: Any, how: Sliding, groups: int) -> np.ndarray | None:
    """added_up(Wᵀ · y) + b"""
    function, y = _kernel("convolution_transposed", y), _planes(y)
    if function is None:
        return None
    x = np.empty((len(y), groups * w.shape[1], *how.size), y.dtype)
    _by_samples(
        function, how, sizes_of(x.shape, y.shape, how, groups), work_of(x.shape, y.shape, how, groups), [y, w, bias, x]
    )
    return x


def convolution_weight(x: np.ndarray, y: np.ndarray, how: Sliding, groups: int) -> np.ndarray | None:
    """Σ over samples of y · columns(x)ᵀ: of each part of them, then of these."""
    function, x, y = _kernel("convolution_weight", x), _planes(x), _planes(y)
    if function is None:
        return None
    chunk, C, O, room = sizes_of(x.shape, y.shape, how, groups, True)
    N = len(x)
    work = work_of(x.shape, y.shape, how, groups)
    parts = min(PARTS, N, max(1, work // LARGE))
    sums = np.empty((parts, groups * O, C, *how.kernel), x.dtype)
    slides = as_struct(how)

    def run(first: int, last: int) -> None:
        memory = np.empty(room, x.dtype)
        for k in range(first, last):
            lo, hi = N * k // parts, N * (k + 1) // parts
            of_x, of_y = x[lo:hi], y[lo:hi]
            given = address(of_x), *_ways(x), address(of_y), *_ways(y), address(sums[k]), address(memory)
            function(slides, hi - lo, chunk, groups, C, O, *given)

    shared(run, parts, work)
    return sums[0] if parts == 1 else sums.sum(0)


def sizes_of(
    x: Sequence[int], y: Sequence[int], how: Sliding, groups: int, of_weight: bool = False
) -> tuple[int, int, int, int]:
    """Of images and of what a kernel makes of them, (N, channels, …): samples at a time, a group's channels, and the room they need."""
    N, C, O, P, K = x[0], x[1] // groups, y[1] // groups, math.prod(how.places), math.prod(how.kernel)
    chunk = max(1, min(N, -(-WIDE // max(P, 1))))
    room = (C * K + (O if chunk > 1 or of_weight else 0)) * chunk * P + (C * K * O if of_weight else 0)
    return chunk, C, O, room


def work_of(x: Sequence[int], y: Sequence[int], how: Sliding, groups: int) -> int:
    """As much as that of so many numbers that are read and written once: a product costs its part of that."""
    numbers = math.prod(y)
    return max(math.prod(x), numbers, numbers * x[1] // groups * math.prod(how.kernel) // MULTIPLICATIONS)


def as_threes(how: Sliding) -> list[list[int]]:
    """As three dimensions, the first of which do nothing."""
    return [[fill] * (3 - len(sizes)) + [*sizes] for sizes, fill in zip(how, (1, 1, 1, 0, 1, 1))]


@lru_cache(256)
def as_struct(how: Sliding) -> Any:
    """As C takes it: `const Sliding *`."""
    numbers = [n for sizes in as_threes(how) for n in sizes]
    return (ctypes.c_long * len(numbers))(*numbers)


def is_there(x: Any) -> bool:
    """Whether C computes convolutions of such images."""
    return _kernel("convolution", x) is not None


def _kernel(name: str, x: Any) -> Callable[..., None] | None:
    return kernel("convolution", name, x.dtype) if x.size and x.ndim <= 5 else None


def _planes(x: np.ndarray) -> np.ndarray:
    """x, if its planes lie row by row and those of a sample apart; else a copy."""
    plane, (_, channel) = x.shape[2:], x.strides[:2]
    rows = (x.itemsize * math.prod(plane[k + 1 :]) for k in range(len(plane)))
    lies = all(n == 1 or s == row for n, s, row in zip(plane, x.strides[2:], rows))
    apart = x.shape[1] == 1 or channel >= math.prod(plane) * x.itemsize
    whole = all(s % x.itemsize == 0 for s in x.strides[:2])  # (a field of a record need not be)
    return x if lies and apart and whole else np.ascontiguousarray(x)


def _ways(x: np.ndarray) -> list[int]:
    """The ways from sample to sample and from channel to channel, in numbers."""
    return [math.prod(x.shape[2:]) if n == 1 else s // x.itemsize for n, s in zip(x.shape[:2], x.strides)]


def _by_samples(function: Callable[..., None], how: Sliding, sizes: tuple, work: int, arrays: Sequence[Any]) -> None:
    source, w, bias, made = arrays
    w = np.ascontiguousarray(w)
    bias = None if bias is None else np.ascontiguousarray(bias)
    (chunk, C, O, room), groups = sizes, w.shape[0] // sizes[2]
    slides, N = as_struct(how), len(source)
    given = address(source), *_ways(source), address(w), address(bias), address(made), *_ways(made)

    def run(lo: int, hi: int) -> None:
        memory = np.empty(room, made.dtype)
        function(slides, lo, hi, chunk, groups, C, O, *given, address(memory))

    shared(run, N, work)


def shared(run: Callable[[int, int], Any], count: int, work: int) -> None:
    """run(lo, hi) for shares of `count`, by as many threads as the work of so many numbers is worth."""
    threads = max(1, min(blocks.get_num_threads(), count, work // blocks.LEAST))
    bounds = [count * k // threads for k in range(threads + 1)]
    if count == 1:
        return run(0, 1)
    with by_one_thread():
        blocks.run_at_once(run, [(bounds[k], bounds[k + 1]) for k in range(threads)])
