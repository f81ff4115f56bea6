"""A Source whose choices hypothesis makes, and can shrink."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .strategies import Source


class Drawn(Source):
    """Sizes and options are drawn by hypothesis; the numbers in arrays come from a seed that it draws."""

    def __init__(self, draw: Any):
        super().__init__()
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def integer(self, low: int, high: int) -> int:
        """low ≤ k ≤ high"""
        return self.draw(st.integers(low, high))
