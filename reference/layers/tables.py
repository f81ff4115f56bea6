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


def bags(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Rows of numbers, or a vector of them with offsets; sometimes with factors, which only sums take."""
    high = options["num_embeddings"] + choose(one_of([0, 0, 0, 1]))
    shape = choose(one_of([(3, 4), (2, 1), (7,), (0,), (2, 2, 2), (0, 2)]))
    numbers = rng.integers(0, high, shape)
    if options.get("scale_grad_by_freq"):  # torch's CPU divides by how often another index comes
        numbers[...] = high - 1
    given = [numbers]
    if choose(one_of([len(shape) == 1] * 5 + [len(shape) != 1])):
        offsets = np.sort(rng.integers(0, numbers.shape[0] + 1, 4))
        offsets[0] = choose(one_of([0, 0, 0, 0, offsets[0]]))
        if options.get("include_last_offset"):
            offsets[-1] = numbers.shape[0]
        given.append(offsets)
    if options.get("mode") == "sum" and choose(flags):
        return [*given, {"per_sample_weights": rng.standard_normal(shape)}]
    return given


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
    Row(
        "EmbeddingBag",
        required(
            {"num_embeddings": 5, "embedding_dim": 3},
            max_norm=one_of([0.5, 2.0]),
            norm_type=one_of([1.0, 2.0]),
            scale_grad_by_freq=flags,
            mode=one_of(["sum", "mean", "max", "sum", "prod"]),
            include_last_offset=flags,
            padding_idx=one_of([0, -1, 3, 7]),
        ),
        bags,
    ),
]
