"""Rows of losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .drawing import Arrays, flags, one_of, optional, required
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


# Predictions and targets of other kinds; ties at the hinges, and targets that are none of those asked for.


def signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """−1 and 1, and 0 now and then."""
    return np.asarray(rng.choice([-1.0, 1.0, 1.0, -1.0, 0.0], shape))


def halves(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Multiples of ½."""
    return np.asarray(np.round(rng.standard_normal(shape) * 2) / 2)


def signed(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Scores or distances, and −1 or 1 for each."""
    shape = choose(one_of([(5, 3), (4,), (0, 3)]))
    return [halves(rng, shape), signs(rng, shape).astype(choose(one_of([np.float64, np.int64])))]


def ranked(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Two scores, and which of them should be larger; sometimes of another number of dimensions."""
    shape = choose(one_of([(5, 3), (4,)]))
    return [halves(rng, shape), halves(rng, shape), signs(rng, choose(one_of([shape, shape, (1,)])))]


def embedded(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Two vectors, or two rows of them, and whether they are alike; sometimes of a shape that will not do."""
    shape = choose(one_of([(5, 3), (3,), (0, 3), (2, 2, 3)]))
    return [rng.standard_normal(shape), halves(rng, shape), signs(rng, shape[:-1])]


def triplets(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Anchor, positive and negative; sometimes one has too few dimensions."""
    shape = choose(one_of([(5, 3), (3,), (2, 2, 3)]))
    return [
        rng.standard_normal(shape),
        halves(rng, shape),
        halves(rng, choose(one_of([shape, shape, shape[:-1] or (1, 3)]))),
    ]


def squared_distance(x: Any, y: Any) -> Any:
    """Σ (x − y)²"""
    return ((x - y) * (x - y)).sum(-1)


def one_class(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Scores and the class that should lead; sometimes one that is not there."""
    shape = choose(one_of([(5, 4), (4,)]))
    return [halves(rng, shape), rng.integers(0, choose(one_of([4, 4, 6])), shape[:-1])]


def several_classes(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Scores and the classes that should lead, before −1; sometimes one that is not there."""
    shape = choose(one_of([(5, 4), (4,)]))
    return [halves(rng, shape), rng.integers(-1, choose(one_of([4, 4, 5])), shape)]


def normals(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Means, targets and variances, of fewer sizes sometimes; a float; and some that are wrong."""
    x, y = rng.standard_normal((2, 4, 3))
    shape = choose(one_of([(4, 3), (4,), (4, 1), (1, 3), (3,), (4, 2), ()]))
    return [x, y, choose(one_of([0.5, rng.random(shape), rng.random(shape), rng.random(shape) - 0.1]))]


def counts(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Expected counts, or their logarithms, and counts."""
    return [rng.random((5, 3)) * 2, rng.integers(0, 4, (5, 3)).astype(np.float64)]


def rows_of_classes(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Inputs of 3 features, or of 2 by mistake, and a class of 4 for each position; or one sample alone."""
    count, positions = choose(one_of([(5,), (1,), ()])), options.get("out_features", ())
    return [rng.standard_normal((*count, choose(one_of([3, 3, 3, 2])))), rng.integers(0, 4, (*count, *positions))]


def frequent_and_rare(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Inputs of 8 features and a class of 10 for each; or one alone; or one that is not there."""
    count = choose(one_of([(6,), (1,), ()]))
    return [rng.standard_normal((*count, 8)), rng.integers(0, choose(one_of([3, 10, 10, 12])), count)]


def spoken(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Scores, labels and lengths; now and then one length is too large, or the target holds too few."""
    scores, lengths = rng.standard_normal((5, 3, 4)), rng.integers(1, choose(one_of([4, 4, 5])), 3)
    labels = 1 + rng.integers(0, 2, choose(one_of([(3, 3), (3, 3), int(lengths.sum())])))
    inputs = rng.integers(0, choose(one_of([6, 6, 7])), 3)
    if choose(flags):
        return [scores, labels, tuple(map(int, inputs)), tuple(map(int, lengths))]
    return [scores, labels, inputs, lengths]


known = one_of(["mean", "sum", "none"])
margins = one_of([0.5, 2.0, 1])


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
    Row("NLLLoss2d", reduced(weight=class_weight, ignore_index=one_of([-100, 1])), classes),
    Row("PoissonNLLLoss", reduced(log_input=flags, full=flags, eps=one_of([1e-3])), counts),
    Row("GaussianNLLLoss", reduced(full=flags, eps=one_of([1e-3, 0.5])), normals),
    Row("SoftMarginLoss", reduced(), signed),
    Row("MultiLabelSoftMarginLoss", reduced(weight=st.just(np.array([0.5, 2.0, 1.0]))), logits),
    Row("HingeEmbeddingLoss", reduced(margin=margins), signed),
    Row("MarginRankingLoss", reduced(margin=margins), ranked),
    Row("CosineEmbeddingLoss", reduced(margin=one_of([0.5, -0.5])), embedded),
    Row("MultiMarginLoss", reduced(p=one_of([1, 2, 3]), margin=margins, weight=class_weight), one_class),
    Row("MultiLabelMarginLoss", reduced(), several_classes),
    Row(
        "TripletMarginLoss",
        reduced(margin=one_of([0.5, 2.0, 0.0]), p=one_of([1, 2.0, 3.0]), eps=one_of([1e-3]), swap=flags),
        triplets,
    ),
    Row(
        "TripletMarginWithDistanceLoss",
        reduced(margin=one_of([0.5, 2.0, 0.0]), swap=flags, distance_function=st.just(squared_distance)),
        triplets,
    ),
    Row("CTCLoss", reduced(blank=one_of([0, 3, 4]), zero_infinity=flags), spoken),
    Row(
        "LinearCrossEntropyLoss",
        required(
            {"in_features": 3, "num_classes": 4},
            out_features=one_of([(), (2,), (2, 3)]),
            bias=flags,
            reduction=known,
            weight=class_weight,
            ignore_index=one_of([1, None]),
            label_smoothing=one_of([0.1, 2.0]),
        ),
        rows_of_classes,
    ),
    Row(
        "AdaptiveLogSoftmaxWithLoss",
        required(
            {"in_features": 8, "n_classes": 10, "cutoffs": one_of([[3], [2, 5], (4, 6, 9), [], [5, 3], [0, 3], [4, 10]])},
            div_value=one_of([2.0, 1.5]),
            head_bias=flags,
        ),
        frequent_and_rare,
    ),
]
