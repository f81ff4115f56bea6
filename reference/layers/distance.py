"""Rows of distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from .drawing import Arrays, flags, one_of, optional
from .run import Row


def two(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Two batches of vectors, of shapes that broadcast or do not."""
    first, second = choose(one_of([((5, 3), (5, 3)), ((5, 3), (1, 3)), ((2, 3, 4), (3, 4)), ((3,), (3,)), ((5, 3), (4, 3))]))
    return [rng.standard_normal(first), rng.standard_normal(second)]


ROWS = [
    Row("PairwiseDistance", optional(p=one_of([1.0, 2, 3.0]), eps=one_of([1e-6, 0.1]), keepdim=flags), two),
    Row("CosineSimilarity", optional(dim=one_of([0, 1, -1]), eps=one_of([1e-8, 0.5])), two),
]
