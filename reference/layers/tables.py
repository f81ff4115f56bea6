"""Rows of tables of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .drawing import Arrays, flags, one_of, required
from .run import Row


def indices(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Row numbers of a table; sometimes one too many."""
    high = options["num_embeddings"] + choose(one_of([0, 0, 0, 1]))
    return [rng.integers(0, high, choose(one_of([(), (5,), (3, 4), (0,)])))]


ROWS = [
    Row(
        "Embedding",
        required(
            {"num_embeddings": 6, "embedding_dim": 3},
            padding_idx=one_of([0, -1, 3]),
            max_norm=one_of([0.5, 2.0]),
            norm_type=one_of([1.0, 2.0]),
            scale_grad_by_freq=flags,
        ),
        indices,
    ),
]
