"""Rows of layers that multiply by weights, and of those that only reshape."""

from __future__ import annotations

from hypothesis import strategies as st

from .drawing import anything, flags, one_of, optional, required, shaped
from .run import Row

ROWS = [
    Row(
        "Linear",
        required({"in_features": 3, "out_features": one_of([1, 5])}, bias=flags),
        shaped((3,), (6, 3), (2, 4, 3), (0, 3), (6, 2)),
    ),
    Row(
        "LazyLinear",
        required({"out_features": one_of([1, 5])}, bias=flags),
        shaped((3,), (6, 3), (2, 4, 3), (0, 3)),
    ),
    Row(
        "Bilinear",
        required({"in1_features": 3, "in2_features": 2, "out_features": 4}, bias=flags),
        lambda choose, rng, options: [rng.standard_normal((5, 3)), rng.standard_normal((5, choose(one_of([2, 2, 3]))))],
    ),
    Row("Identity", st.just({}), anything),
    Row(
        "Flatten", optional(start_dim=one_of([0, 1, 2]), end_dim=one_of([-1, 1, 2])), shaped((2, 3, 4), (2, 3, 4, 2), (3, 4))
    ),
    Row(
        "Unflatten",
        required({"dim": one_of([0, 1, -1]), "unflattened_size": one_of([(2, 3), (3, -1), (2, 2)])}),
        shaped((6, 6), (6, 4)),
    ),
]
