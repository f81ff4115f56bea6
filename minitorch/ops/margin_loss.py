"""Losses that ask for a margin: a score, a similarity or a distance should lead another by it; what leads enough costs nothing.

All are made of other ops, with max(0, ·) at their heart: its derivative says what counts at the hinge. Read next: `similarity.py`, `ctc.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.dtypes import int64
from ..op import composite
from ..op.half_precision import in_float32
from ..op.signature import Flag, Reduction
from .elementwise import clamp_min, minimum, where
from .reducing import all_must_hold, check_reduction, no_gradient, reduced, takes_size_average
from .similarity import pairwise_distance

if TYPE_CHECKING:
    from ..tensor import Tensor


# ---- of scores ----


@composite
@takes_size_average
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: Reduction = "mean"
) -> Tensor:
    """max(0, −y (x₁ − x₂) + margin): x₁ should be larger where y is 1, x₂ where it is −1."""
    reduction = check_reduction(reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)}"
        )
    return reduced(clamp_min(-target * (input1 - input2) + float(margin), 0), reduction)


@composite(grad_fn="MultiMarginLossBackward0", only="floats")
@takes_size_average
@in_float32
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: Any = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """w_y Σ_{c≠y} max(0, margin − x_y + x_c)^p / C for scores x (N, C) or (C) and classes y (N); p is 1 or 2."""
    reduction = check_reduction(reduction)
    if p != 1 and p != 2:
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    no_gradient("multi_margin_loss", weight=weight)
    scores, classes = _rows("multi_margin_loss", input), target.reshape(-1)
    if target.ndim > 1 or len(classes) != len(scores):
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). "
            f"Expected target size [{len(scores)}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if weight is not None and weight.numel() != scores.shape[1]:
        raise RuntimeError(f"inconsistent weight size, expected {scores.shape[1]} but got {list(weight.shape)}")
    _check_classes("target out of range", classes, 0, scores.shape[1])
    if weight is not None and weight.dtype is not scores.dtype:
        raise RuntimeError(f"expected scalar type {scores.dtype!r} but found {weight.dtype!r}; convert it with .to(dtype)")
    classes = classes.unsqueeze(1)
    excess = positive_part(float(margin) - scores.gather(1, classes) + scores)
    excess = (excess if p == 1 else excess * excess).scatter(1, classes, 0.0)
    losses = (excess if weight is None else excess * weight[classes]).sum(1) / scores.shape[1]
    return reduced(losses.reshape(target.shape) if input.ndim < 2 else losses, reduction)


@composite(grad_fn="MultilabelMarginLossBackward0", only="floats")
@takes_size_average
@in_float32
def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Σ_y Σ_c max(0, 1 − x_y + x_c) / C over the classes y that are right and all c that are not, for scores x (N, C) or (C).

    The target, of the same shape, holds the numbers of the right classes, from the left, up to the first −1.
    """
    reduction = check_reduction(reduction)
    scores = _rows("multilabel_margin_loss", input)
    if target.shape != input.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    classes = target.reshape(scores.shape)
    _check_classes("argument #2 'target' is out of range", classes, -1, scores.shape[1])
    right = (classes >= 0).cumprod(1).bool()  # the places before the first −1
    classes = where(right, classes, 0)
    is_right = scores.new_zeros(scores.shape).scatter_add(1, classes, right.to(scores.dtype)) > 0
    # [n, y, c]: how much the class in place y of the target leads the class c by too little.
    excess = positive_part(1 - scores.gather(1, classes).unsqueeze(2) + scores.unsqueeze(1))
    counts = right.unsqueeze(2) & ~is_right.unsqueeze(1)
    losses = where(counts, excess, 0.0).sum((1, 2)) / scores.shape[1]
    return reduced(losses.reshape(input.shape[:-1]), reduction)


def _rows(name: str, input: Tensor) -> Tensor:
    """Scores (N, C), (C) or one alone as (N, C), of floats and of some classes."""
    if input.ndim > 2 or (input.ndim and not input.shape[-1]):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}; {name} takes the "
            "scores of some classes, (N, C) or (C)"
        )
    return input.reshape(-1, input.shape[-1] if input.ndim else 1)


def _check_classes(words: str, classes: Tensor, lowest: int, count: int) -> None:
    """RuntimeError unless they are int64 and number classes."""
    if classes.dtype is not int64:
        raise RuntimeError(f"expected scalar type Long but found {classes.dtype!r}; convert the target with .long()")
    all_must_hold((classes >= lowest) & (classes < count), f"{words}: {count} classes are numbered 0 … {count - 1}")


def positive_part(x: Tensor) -> Tensor:
    """max(0, x), whose gradient at 0 is 0; of nan it is 0, as nothing is larger than another."""
    return where(x > 0, x, 0.0)


# ---- of similarities and distances ----

TINY = float(np.float32(1e-12))  # torch's, a float32 everywhere: with it a vector of zeros has the cosine 0 with any other


@composite
@takes_size_average
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """x where y is 1, max(0, margin − x) where it is −1, and their sum elsewhere."""
    reduction = check_reduction(reduction)
    zero = input.new_zeros(())
    apart = where(target != 1, clamp_min(input.new_full((), margin) - input, 0), zero)
    return reduced(apart + where(target != -1, input, zero), reduction)


@composite
@takes_size_average
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: Reduction = "mean"
) -> Tensor:
    """1 − cos(x₁, x₂) where y is 1, max(0, cos(x₁, x₂) − margin) where it is −1, for rows (N, D) and y (N), or (D) and y ()."""
    reduction = check_reduction(reduction)
    dim = target.ndim
    if dim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == dim + 1:
        raise RuntimeError(
            f"{dim}D target tensor expects {dim + 1}D input tensors, but found inputs with sizes {list(input1.shape)} and "
            f"{list(input2.shape)}."
        )
    squares1, squares2 = ((x * x).sum(dim) + TINY for x in (input1, input2))
    cosine = (input1 * input2).sum(dim) / (squares1 * squares2).sqrt()
    zero = cosine.new_zeros(())
    like = where(target == 1, 1 - cosine, zero)
    return reduced(like + where(target == -1, clamp_min(cosine - float(margin), 0), zero), reduction)


@composite
@takes_size_average
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    """max(0, d(a, p) − d(a, n) + margin) for rows (N, D) or (D) and d(x, y) = ‖x − y + ε‖_p.

    `swap`: min(d(a, n), d(p, n)) in place of d(a, n) (Balntas et al., 2016).
    """

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return _triplet_loss(distance, anchor, positive, negative, margin, swap, reduction)


@composite
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Any = None,
    margin: float = 1.0,
    swap: Flag = False,
    reduction: Reduction = "mean",
) -> Tensor:
    """max(0, d(a, p) − d(a, n) + margin) with a distance d that is given: a function of two Tensors."""
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet_loss(distance, anchor, positive, negative, margin, swap, reduction)


def _triplet_loss(
    distance: Callable, anchor: Tensor, positive: Tensor, negative: Tensor, margin: float, swap: Any, reduction: str
) -> Tensor:
    reduction = check_reduction(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor "
            f"{anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    to_positive, to_negative = distance(anchor, positive), distance(anchor, negative)
    if swap:
        to_negative = minimum(to_negative, distance(positive, negative))
    return reduced(clamp_min(margin + to_positive - to_negative, 0), reduction)
