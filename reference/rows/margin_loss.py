"""Rows of losses with a margin, of counts and of normal distributions: ties at the hinges, targets of −1, 0 and 1, nan."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as TF

from minitorch.nn import functional as F

from ..strategies import Source, booleans, floats, given, of, positive
from ..table import pair

reduction = of("none", "mean", "sum")
signs = floats(among=(-1.0, 1.0, 0.0), specials=False)
apart = {"x": floats("N", 2.2, 3.0), "y": floats("N", -0.4, 0.9)}


class labels:
    """Numbers, which get no gradient, of x's shape or of the pattern."""

    is_array = True

    def __init__(self, *among: float, pattern: str | None = None):
        self.among, self.pattern = among, pattern

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        shape = source.shape(self.pattern) if self.pattern is not None else case["x"].shape
        return np.asarray(source.rng.choice(self.among, shape))


# ---- scores ----

pair("margin_ranking_loss", TF.margin_ranking_loss, F.margin_ranking_loss, x=floats("N", ties=True), y=floats("N", ties=True),
    target=labels(-1.0, 0.0, 1.0), margin=of(0, 1.0, 0.5), reduction=reduction, smooth=apart | {"margin": of(0, 0.5)})  # fmt: skip
pair("margin_ranking_loss", TF.margin_ranking_loss, F.margin_ranking_loss, x=floats("N 3"), y=floats("N 3"), target=floats("1 3"),
    margin=of(1.0), reduction=reduction, smooth={"x": floats("N 3", 0.1, 0.4), "y": floats("N 3", 0.1, 0.4)})  # fmt: skip


class class_numbers:
    """A class number for each row of x (N, C), for x (C), or for one score alone."""

    is_array = True

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        x = case["x"]
        return np.asarray(source.rng.integers(0, x.shape[-1] if x.ndim else 1, x.shape[:-1]))


def class_weight(case: dict, source: Source) -> Any:
    """None, or a positive weight per class."""
    x = case["x"]
    return source.rng.uniform(0.2, 2, x.shape[-1:] or (1,)) if source.integer(0, 1) else None


for shape in ("N 4", "4"):
    pair("multi_margin_loss", TF.multi_margin_loss, F.multi_margin_loss, x=floats(shape, ties=True), target=class_numbers(),
        p=of(1, 2), margin=of(1.0, 0.5, 2.0), weight=given(class_weight), reduction=reduction, empty=False,
        smooth={"x": floats(shape, -0.2, 0.2), "margin": of(1.0)})  # fmt: skip
pair("multi_margin_loss", TF.multi_margin_loss, F.multi_margin_loss, x=floats(""), target=class_numbers(), p=of(1, 2),
    reduction=reduction)  # fmt: skip


class right_classes:
    """For each row of x some class numbers, one twice sometimes, then −1, and anything after it."""

    is_array = True

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        x = case["x"]
        return np.asarray(source.rng.integers(-1, x.shape[-1], x.shape))


for shape in ("N 4", "4"):
    pair("multilabel_margin_loss", TF.multilabel_margin_loss, F.multilabel_margin_loss, x=floats(shape, ties=True),
        target=right_classes(), reduction=reduction, empty=False, smooth={"x": floats(shape, -0.2, 0.2)})  # fmt: skip

# ---- probabilities ----

pair("soft_margin_loss", TF.soft_margin_loss, F.soft_margin_loss, x=floats("N C"), target=labels(-1.0, 0.0, 1.0),
    reduction=reduction, half=2.0)  # fmt: skip
pair("soft_margin_loss", TF.soft_margin_loss, F.soft_margin_loss, x=floats("N C", -40, 40), target=labels(-1.0, 1.0, 0.5, pattern="C"),
    reduction=reduction, half=2.0, smooth={"x": floats("N C")})  # fmt: skip
# half: its gradient, w (σ(x) − y), is a difference of two larger ones.
pair("multilabel_soft_margin_loss", TF.multilabel_soft_margin_loss, F.multilabel_soft_margin_loss, x=floats("N C"),
    target=floats("N C", 0, 1), reduction=reduction, half=8.0)  # fmt: skip
pair("multilabel_soft_margin_loss", lambda x, y, w, **o: TF.multilabel_soft_margin_loss(x, y, w, **o),
    lambda x, y, w, **o: F.multilabel_soft_margin_loss(x, y, w, **o),
    x=floats("C"), target=floats("C", 0, 1), weight=positive("C"), reduction=reduction, half=8.0)  # fmt: skip

# ---- similarities and distances ----

pair("hinge_embedding_loss", TF.hinge_embedding_loss, F.hinge_embedding_loss, x=floats("N C", ties=True),
    target=labels(-1.0, 0.0, 1.0, 2.0), margin=of(1.0, 2.0, 0.5), reduction=reduction,
    smooth={"x": floats("N C", -0.4, 0.4)})  # fmt: skip
for shapes in (("N 3", "N"), ("3", "")):
    pair("cosine_embedding_loss", TF.cosine_embedding_loss, F.cosine_embedding_loss, x=floats(shapes[0]), y=floats(shapes[0]),
        target=labels(-1.0, 1.0, 0.0, pattern=shapes[1]),
        margin=of(0, 0.5, -0.5), reduction=reduction, half=8.0,  # (as of cosine_similarity: a difference of two larger numbers)
        smooth={"x": floats(shapes[0], 0.5, 1), "y": floats(shapes[0], 0.5, 1), "margin": of(-0.5, 0)})  # fmt: skip
rows = {"anchor": floats("N 3"), "positive": floats("N 3"), "negative": floats("N 3")}
smooth = {
    "anchor": floats("N 3", 1, 2),
    "positive": floats("N 3", -2, -1),
    "negative": floats("N 3", 3, 3.5),
    "margin": of(3.0),
}
pair("triplet_margin_loss", TF.triplet_margin_loss, F.triplet_margin_loss, **rows, margin=of(1.0, 0.5), p=of(2, 1.0, 3.0),
    swap=booleans, reduction=reduction, half=2.0, smooth=smooth)  # fmt: skip
pair("triplet_margin_loss", TF.triplet_margin_loss, F.triplet_margin_loss, anchor=floats("3"), positive=floats("3"),
    negative=floats("3"), eps=of(1e-6, 1e-2), reduction=reduction, half=2.0, smooth={"anchor": floats("3", 1, 2),
    "positive": floats("3", -2, -1), "negative": floats("3", 3, 3.5), "margin": of(3.0)})  # fmt: skip
pair("triplet_margin_with_distance_loss", TF.triplet_margin_with_distance_loss, F.triplet_margin_with_distance_loss, **rows,
    distance_function=of(None, lambda x, y: ((x - y) * (x - y)).sum(-1)), margin=of(1.0, 3.0), swap=booleans, reduction=reduction,
    half=2.0, smooth=smooth)  # fmt: skip

# ---- distributions ----


def variance(case: dict, source: Source) -> float:
    """A variance for all."""
    return float(source.rng.uniform(0.1, 2))


pair("gaussian_nll_loss", lambda x, y, v, **o: TF.gaussian_nll_loss(x, y, v, **o), lambda x, y, v, **o: F.gaussian_nll_loss(x, y, v, **o),
    x=floats("N C"), y=floats("N C"), var=positive("N C"), full=booleans, eps=of(1e-6, 0.3), reduction=reduction, special=False,
    half=2.0, smooth={"var": floats("N C", 0.5, 2.0)})  # fmt: skip
for pattern in ("N", "N 1", "1 C"):
    pair("gaussian_nll_loss", lambda x, y, v, **o: TF.gaussian_nll_loss(x, y, v, **o),
        lambda x, y, v, **o: F.gaussian_nll_loss(x, y, v, **o), x=floats("N C"), y=floats("N C"), var=positive(pattern),
        reduction=reduction, special=False, half=2.0)  # fmt: skip
pair("gaussian_nll_loss", TF.gaussian_nll_loss, F.gaussian_nll_loss, x=floats("N C"), y=floats("N C"), var=given(variance),
    full=booleans, reduction=reduction, half=2.0)  # fmt: skip
counts = floats("N C", 0, 5, ties=True)
pair("poisson_nll_loss", TF.poisson_nll_loss, F.poisson_nll_loss, x=floats("N C"), y=counts, full=booleans, reduction=reduction,
    half=2.0, smooth={"y": floats("N C", 1.5, 3.0)})  # fmt: skip
pair("poisson_nll_loss", TF.poisson_nll_loss, F.poisson_nll_loss, x=positive("N C"), y=counts, log_input=of(False), full=booleans,
    eps=of(1e-8, 0.5), reduction=reduction, half=2.0, smooth={"y": floats("N C", 1.5, 3.0)})  # fmt: skip

# ---- torch's own, at its top level, where the reduction is a number ----

numbers = of(0, 1, 2)
pair(
    "kl_div",
    torch.kl_div,
    x=floats("N C", -5, 0),
    y=floats("N C", -5, 0),
    reduction=numbers,
    log_target=of(True),
    special=False,
)
pair("margin_ranking_loss", torch.margin_ranking_loss, x=floats("N"), y=floats("N"), target=labels(-1.0, 1.0), margin=of(0.5),
    reduction=numbers)  # fmt: skip
pair(
    "hinge_embedding_loss",
    torch.hinge_embedding_loss,
    x=floats("N"),
    target=labels(-1.0, 1.0),
    margin=of(1.0, 2.0),
    reduction=numbers,
)
pair("cosine_embedding_loss", torch.cosine_embedding_loss, x=floats("N 3"), y=floats("N 3"),
    target=labels(-1.0, 1.0, pattern="N"), margin=of(0.5), reduction=numbers, half=8.0, special=False)  # fmt: skip
pair("triplet_margin_loss", torch.triplet_margin_loss, **rows, swap=booleans, reduction=numbers, half=2.0, smooth=smooth)
pair("poisson_nll_loss", torch.poisson_nll_loss, x=floats("N C"), y=counts, log_input=of(True), full=booleans, eps=of(1e-8),
    reduction=numbers, half=2.0, smooth={"y": floats("N C", 1.5, 3.0)})  # fmt: skip
for logits in ("N C", "C", ""):  # (they broadcast to the targets)
    pair("binary_cross_entropy_with_logits", torch.binary_cross_entropy_with_logits, x=floats(logits), y=floats("N C", 0, 1),
        reduction=numbers)  # fmt: skip
