"""What a row's arguments are drawn from: floats, integers, indices, dims — as small functions of a `Source`.

A strategy is called as `strategy(source, case)`: `source` makes the choices (hypothesis in the tests, a seeded generator in
the report), `case` holds the arguments drawn so far, so that `dim_of("x")` can look at x. Shapes are patterns: capitals are
sizes shared by all arguments of a case, digits are themselves, `*` stands for any further leading dimensions.

    floats("N C")          an N×C array of floats      floats("*", away_from=0)   any shape, no element near 0
    floats("*", ties=True) with repeated values         ints("N", 0, 5)            integers 0 ≤ k < 5

Read next: `table.py`, where rows are declared with these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Strategy = Callable[["Source", dict], Any]


class Source:
    """Where choices come from: here a seeded generator; `drawn.py` gives one driven by hypothesis."""

    def __init__(self, seed: int = 0):
        self.rng = np.random.default_rng(seed)
        self.sizes: dict[str, Any] = {}
        self.broadcast: tuple[int, ...] | None = None
        self.empty = True  # whether sizes may be 0
        self.expand = True  # whether arrays may be expanded: elements are then equal
        self.special = False  # whether floats are sprinkled with 0, ±∞ and nan
        self.layout: int | None = None  # the memory layout that all arrays get; None: drawn

    def integer(self, low: int, high: int) -> int:
        """low ≤ k ≤ high"""
        return int(self.rng.integers(low, high + 1))

    def choice(self, options: Sequence) -> Any:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    # ---- shapes ----

    def size(self, symbol: str) -> int:
        """The size of a capital in this case, drawn when first met."""
        if symbol not in self.sizes:
            smallest = 0 if self.empty and self.integer(0, 15) == 0 else 1
            self.sizes[symbol] = self.integer(smallest, 4) if smallest else 0
        return self.sizes[symbol]

    def shape(self, pattern: str) -> tuple[int, ...]:
        """The shape a pattern stands for in this case."""
        shape: list[int] = []
        for token in pattern.split():
            if token == "*":
                if "*" not in self.sizes:
                    self.sizes["*"] = tuple(self.size(f"*{k}") for k in range(self.integer(0, 3)))
                shape.extend(self.sizes["*"])
            else:
                shape.append(int(token) if token.isdigit() else self.size(token))
        return tuple(shape)

    def broadcastable(self) -> tuple[int, ...]:
        """A shape that broadcasts with the others of this case: some dims 1, some leading dims missing."""
        if self.broadcast is None:
            self.broadcast = tuple(self.size(f"B{k}") for k in range(self.integer(0, 3)))
        kept = [1 if self.integer(0, 3) == 0 else n for n in self.broadcast]
        return tuple(kept[self.integer(0, len(kept)) if self.integer(0, 3) == 0 else 0 :])


class Simplest(Source):
    """Every choice is the first: the smallest sizes, the first options. Sizes that may be 0 are."""

    def integer(self, low: int, high: int) -> int:
        """low"""
        return low


# ---- arrays ----


class floats:
    """An array of floats in [low, high]; `away_from` keeps a distance of 0.1 from those points, `ties` repeats values.

    `among`: the values themselves, instead of an interval.
    """

    def __init__(
        self,
        pattern: str = "*",
        low: float = -3.0,
        high: float = 3.0,
        *,
        away_from: Any = (),
        ties: bool = False,
        among: tuple[float, ...] = (),
        specials: bool = True,
        nan: bool = True,
    ):
        self.pattern, self.low, self.high, self.ties = pattern, low, high, ties
        self.away_from = away_from if isinstance(away_from, (tuple, list)) else (away_from,)
        self.among, self.specials, self.nan = among, specials, nan

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        shape = source.shape(self.pattern) if source.broadcast is None else source.broadcastable()
        return self.fill(source, shape)

    def fill(self, source: Source, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers for a known shape, in one of several memory layouts."""
        x = source.rng.choice(self.among, shape) if self.among else source.rng.uniform(self.low, self.high, shape)
        if self.ties:
            x = np.clip(np.round(x), np.ceil(self.low), np.floor(self.high))
        for point in self.away_from:
            near = np.abs(x - point) < 0.1
            x = np.where(near, np.where(x >= point, point + 0.1, point - 0.1), x)
        x = np.asarray(x, dtype=np.float64)
        if source.special and self.specials and x.size:
            spots = source.rng.random(shape) < 0.3
            choices = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, *([np.nan] if self.nan else [])]
            x = np.where(spots, source.rng.choice(choices, shape), x)
        return laid_out(source, x)


CHANNELS_LAST, COLUMN_MAJOR = 1, 2


def laid_out(source: Source, x: np.ndarray) -> np.ndarray:
    """The numbers in row-major, channels-last, column-major or strided memory; or a part of them, expanded along one dimension."""
    layout = source.integer(0, 4 if source.expand else 3) if source.layout is None else source.layout
    if layout == CHANNELS_LAST and x.ndim in (4, 5):
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    if layout == COLUMN_MAJOR and x.ndim > 1:
        return np.asfortranarray(x)
    if layout == 3 and x.ndim:
        gaps = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        gaps[..., ::2] = x
        return gaps[..., ::2]
    if layout == 4 and max(x.shape, default=0) > 1:
        return expanded(x, int(np.argmax(x.shape)))
    return np.ascontiguousarray(x).reshape(x.shape)


def expanded(x: np.ndarray, dim: int) -> np.ndarray:
    """x's first part along `dim` in place of all others, in the memory of one: stride 0, as `expand` makes it."""
    one = x.take([0], dim).copy()
    strides = [0 if d == dim else s for d, s in enumerate(one.strides)]
    return np.lib.stride_tricks.as_strided(one, x.shape, strides)  # `broadcast_to` would be read-only


def positive(pattern: str = "*", high: float = 3.0) -> floats:
    """Floats in [0.1, high]."""
    return floats(pattern, 0.1, high, specials=False)


class ints:
    """An int64 array with low ≤ k < high."""

    def __init__(self, pattern: str = "*", low: int = -5, high: int = 6, dtype: Any = np.int64):
        self.pattern, self.low, self.high, self.dtype = pattern, low, high, dtype

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        shape = source.shape(self.pattern) if source.broadcast is None else source.broadcastable()
        return laid_out(source, source.rng.integers(self.low, self.high, shape).astype(self.dtype))


class bools:
    """An array of bools."""

    def __init__(self, pattern: str = "*"):
        self.pattern = pattern

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        shape = source.shape(self.pattern) if source.broadcast is None else source.broadcastable()
        return np.asarray(source.rng.random(shape) < 0.5)


class several:
    """A list of 1 to 3 arrays, for `cat` and `stack`; with `along`, their sizes differ in dimension 0."""

    def __init__(self, one: floats, along: bool = False):
        self.one, self.along = one, along

    def __call__(self, source: Source, case: dict) -> list[np.ndarray]:
        shape = source.shape(self.one.pattern)
        count = source.integer(1, 3)
        shapes = [(source.integer(1, 3), *shape[1:]) if self.along and shape else shape for _ in range(count)]
        return [self.one.fill(source, s) for s in shapes]


# ---- options ----


def dim_of(name: str) -> Strategy:
    """A dimension of the argument `name`, counted from the front or from the end."""

    def draw(source: Source, case: dict) -> int:
        n = max(np.ndim(case[name][0] if isinstance(case[name], list) else case[name]), 1)
        return source.integer(-n, n - 1)

    return draw


def dims_of(name: str, none: bool = True) -> Strategy:
    """None, a dimension or a tuple of several different ones."""

    def draw(source: Source, case: dict) -> Any:
        n = np.ndim(case[name])
        kind = source.integer(0, 3)
        if (kind == 0 and none) or n == 0:
            return None if none else source.choice([0, -1])
        if kind == 1:
            return source.integer(-n, n - 1)
        chosen = source.rng.permutation(n)[: source.integer(1, n)]
        return tuple(int(d) - (n if source.integer(0, 1) else 0) for d in chosen)

    return draw


def index_into(name: str, pattern: str, dim: Any = 0) -> Strategy:
    """An int64 array of that pattern whose entries are valid indices of dimension `dim` (or option) of `name`."""

    def draw(source: Source, case: dict) -> np.ndarray:
        d = case[dim] if isinstance(dim, str) else dim
        size = case[name].shape[d] if case[name].ndim else 1
        shape = source.shape(pattern) if size else tuple(0 for _ in pattern.split())
        return source.rng.integers(0, max(size, 1), shape)

    return draw


def of(*options: Any) -> Strategy:
    """One of these values."""
    return lambda source, case: source.choice(options)


def number(low: float = -2.0, high: float = 2.0) -> Strategy:
    """A Python float."""
    return lambda source, case: float(source.rng.uniform(low, high))


def given(function: Callable[[dict, Source], Any]) -> Strategy:
    """A value computed from the arguments drawn before: `given(lambda case, source: ...)`."""
    return lambda source, case: function(case, source)


booleans = of(False, True)
