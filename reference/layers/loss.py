"""Rows of losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .drawing import Arrays, flags, one_of, optional
from .run import Row


def pairs(*shapes: tuple[int, ...]) -> Callable[..., Arrays]:
    """Predictions and targets of one shape, sometimes equal in places."""

    def draw(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
        shape = choose(one_of(shapes))
        x, y = rng.standard_normal((2, *shape))
        return [x, np.asarray(np.where(rng.random(shape) < 0.3, x, y))]

    return draw


def classes(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Scores (N, 4, …) and class numbers, some of them ignored."""
    shape = choose(one_of([(5, 4), (4,), (2, 4, 3), (2, 4, 2, 3)]))
    scores = rng.standard_normal(shape) * 3
    target = rng.integers(0, 4, (*shape[:1], *shape[2:]) if len(shape) > 1 else ())
    ignored = rng.random(target.shape) < 0.3
    return [scores, np.asarray(np.where(ignored, options.get("ignore_index", 0), target))]


def classes_or_probabilities(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """As `classes`, or with a distribution over the classes as the target."""
    scores, target = classes(choose, rng, options)
    if choose(flags):
        return [scores, target]
    weights = rng.random(scores.shape) + 0.01
    return [scores, weights / weights.sum(min(1, scores.ndim - 1), keepdims=True)]


def probabilities(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Probabilities, 0 and 1 among them, and targets in [0, 1]."""
    p = rng.random((5, 3))
    return [np.where(rng.random(p.shape) < 0.2, np.round(p), p), rng.random(p.shape)]


def logits(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Logits, large ones among them, and targets in [0, 1]."""
    return [rng.standard_normal((5, 3)) * choose(one_of([1, 30])), rng.random((5, 3))]


def log_probabilities(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Logarithms of probabilities, and probabilities (or their logarithms)."""
    p, q = rng.random((2, 5, 3)) + 0.01
    return [np.log(p), np.log(q) if options.get("log_target") else np.where(rng.random(q.shape) < 0.2, 0, q)]


known = one_of(["mean", "sum", "none"])


def reduced(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A loss's options with its reduction; or an unknown reduction alone: which of two mistakes is told is no promise."""
    return optional(reduction=known, **options) | st.just({"reduction": "average"})


class_weight = st.just(np.array([0.5, 2.0, 1.0, 0.25]))


ROWS = [
    Row("MSELoss", reduced(), pairs((5, 3), (4,), ())),
    Row("L1Loss", reduced(), pairs((5, 3), (4,), ())),
    Row("SmoothL1Loss", reduced(beta=one_of([0.0, 0.5, 2.0, -1.0])), pairs((5, 3), (4,))),
    Row("HuberLoss", reduced(delta=one_of([0.5, 2.0, 0.0])), pairs((5, 3), (4,))),
    Row(
        "CrossEntropyLoss",
        reduced(
            weight=class_weight,
            ignore_index=one_of([-100, 1]),
            label_smoothing=one_of([0.1, 1.0, 2.0]),
        ),
        classes_or_probabilities,
    ),
    Row("NLLLoss", reduced(weight=class_weight, ignore_index=one_of([-100, 1])), classes),
    Row("BCELoss", reduced(weight=st.just(np.array([0.5, 2.0, 1.0]))), probabilities),
    Row(
        "BCEWithLogitsLoss",
        reduced(weight=st.just(np.array([0.5, 2.0, 1.0])), pos_weight=st.just(np.array([3.0, 1.0, 0.5]))),
        logits,
    ),
    Row("KLDivLoss", optional(reduction=one_of(["mean", "sum", "none", "batchmean"]), log_target=flags), log_probabilities),
]
