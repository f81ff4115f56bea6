"""The methods of Tensor: random numbers. Those that end in `_` fill the tensor, in the order of its memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ops import sampling

if TYPE_CHECKING:
    from ...random import Generator
    from ..tensor import Tensor


class Sampling:
    """Random numbers in a tensor's place, or by a tensor's values."""

    _update: Callable[..., Tensor]

    def uniform_(self, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Fill with uniform numbers in [from, to)."""
        return self._update(sampling.uniform_, from_, to, generator)

    def normal_(self, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Fill with normal numbers."""
        return self._update(sampling.normal_, mean, std, generator)

    def exponential_(self, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Fill with −ln(1 − u) / λ, of density λ e^(−λx)."""
        return self._update(sampling.exponential_, lambd, generator)

    def cauchy_(self, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Fill with median + σ tan(π (u − ½))."""
        return self._update(sampling.cauchy_, median, sigma, generator)

    def log_normal_(self, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
        """Fill with exp(z), z normal of that mean and standard deviation."""
        return self._update(sampling.log_normal_, mean, std, generator)

    def geometric_(self, p: float, *, generator: Generator | None = None) -> Tensor:
        """Fill with the number of trials until one of probability p succeeds."""
        return self._update(sampling.geometric_, p, generator)

    def bernoulli_(self, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
        """Fill with 1 with probability p (a number, or a tensor of one for each element), else 0."""
        fill = sampling.bernoulli_number if isinstance(p, int | float | np.number | np.bool_) else sampling.bernoulli_tensor
        return self._update(fill, p, generator)

    def random_(self, *limits: int | None, generator: Generator | None = None, **named: int | None) -> Tensor:
        """Fill with integers: `random_()` of all sizes, `random_(to)` in [0, to), `random_(from, to)` in [from, to)."""
        return self._update(sampling.random_, *sampling.limits(*limits, **named), generator)

    def bernoulli(self, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
        """1 with probability p, or with this tensor's own values for probabilities; else 0."""
        return sampling.bernoulli_out(self, p, generator)

    def multinomial(self, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Tensor:
        """Indices drawn with this tensor's values for weights, row by row."""
        return sampling.multinomial(self, num_samples, replacement, generator)
