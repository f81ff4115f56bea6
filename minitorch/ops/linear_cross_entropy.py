"""Cross-entropy of x Wᵀ + b: for many classes the scores (N, C) are by far the largest array of a step, and need not be kept.

`in_chunks` computes them for some rows at a time, in backward again: one more product, for memory of (rows, C) instead of (N, C).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.dtypes import int64
from ..arrays.warning import warn
from ..op import Array, Index, composite, op
from ..op.signature import Reduction
from .activation import log_softmax_kernel, softmax_kernel
from .class_loss import cross_entropy, picked
from .matmul import linear
from .reducing import all_must_hold

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """cross_entropy of x Wᵀ + b, for x (N, F) or (F), W (C, F) or (C, d₁, …, F), b and the scores of a sample of W's other sizes.

    With `options` (LinearCrossEntropyOptions), by chunks of rows that need less memory: where the target holds classes, nothing is
    smoothed and W is (C, F). Then there is no second derivative.
    """
    classes, positions = _check(input, linear_weight, linear_bias)
    scores_shape = (*input.shape[:-1], classes, *positions)
    if tuple(target.shape) == scores_shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignore_index = -100 if ignore_index is None else ignore_index
    if options is not None:
        known = reduction in ("mean", "sum", "none")
        if known and label_smoothing == 0.0 and target.dtype is int64 and not positions:
            rows, y = (input, target) if input.ndim == 2 else (input.unsqueeze(0), target.unsqueeze(0))
            _check_classes(rows, y, classes, ignore_index)
            if weight is not None and weight.shape != (classes,):
                raise IndexError(f"weight has one number for each of {classes} classes, got shape {tuple(weight.shape)}")
            size = options._rows_at_a_time(*rows.shape, classes, rows)
            loss = _by_chunks(rows, linear_weight, y, linear_bias, weight, reduction, ignore_index, size)
            return loss.squeeze(0) if input.ndim == 1 and reduction == "none" else loss
        warn(
            "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in {'mean','sum','none'}, label_smoothing == 0, "
            f"target.dtype == int64, out_features == (). Got reduction={reduction!r}, label_smoothing={label_smoothing}, "
            f"target.dtype={target.dtype!r}, out_features={positions}."
        )
    if positions:
        linear_weight = linear_weight.reshape(-1, input.shape[-1])
        linear_bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = linear(input, linear_weight, linear_bias).reshape(scores_shape)
    return cross_entropy(
        scores, target, weight=weight, reduction=reduction, ignore_index=ignore_index, label_smoothing=label_smoothing
    )


def _check(input: Tensor, linear_weight: Tensor, linear_bias: Tensor | None) -> tuple[int, tuple[int, ...]]:
    """The number of classes and the sizes of a sample's positions; RuntimeError if the shapes do not fit."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if linear_weight.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.ndim}")
    if input.shape[-1] != linear_weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {input.shape[-1]} and {linear_weight.shape[-1]}, respectively"
        )
    classes, *positions = linear_weight.shape[:-1]
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:-1]:
        raise RuntimeError(f"expected linear_bias shape {tuple(linear_weight.shape[:-1])}, got {tuple(linear_bias.shape)}")
    if positions and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {input.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        )
    return classes, tuple(positions)


def _check_classes(rows: Tensor, target: Tensor, classes: int, ignore_index: int) -> None:
    """RuntimeError unless there is one class for each row, and it is there."""
    if target.shape != rows.shape[:1]:
        raise RuntimeError(f"expected one class for each of {len(rows)} rows, got a target of shape {tuple(target.shape)}")
    are_there = (target == ignore_index) | ((target >= 0) & (target < classes))
    all_must_hold(are_there, f"Target is out of bounds: {classes} classes are numbered 0 … {classes - 1}")


def _by_chunks(x: Tensor, w: Tensor, target: Tensor, b: Tensor | None, weight: Tensor | None, *options: Any) -> Tensor:
    """`in_chunks` in x's dtype, whatever b and weight have; half precision beside another dtype of W in float32."""
    dtype = x.dtype
    if dtype.itemsize == 2 and w.dtype is not dtype:
        x, w = x.float(), w.float()
    b, weight = (None if v is None else v.to(x.dtype) for v in (b, weight))
    return in_chunks(x, w, target, b, weight, *options)[0].to(dtype)


@op(
    promote=None,
    name="_linear_cross_entropy_batch_chunked",
    outputs=("out", "total_weight"),
    public=False,
    only="floats",
    in_float32=True,
    same_dtype="x w",
)
def in_chunks(
    xp: Any,
    x: Array,
    w: Array,
    target: Index,
    b: Array | None,
    weight: Index | None,
    reduction: str,
    ignore_index: int,
    size: int,
) -> tuple[Array, Array]:
    """−v_y ln softmax(x Wᵀ + b)_y of rows x (N, F) and classes y (N), `size` rows at a time, reduced; also Σ v_y."""
    losses, total = xp.zeros(len(x), x.dtype), xp.zeros((), x.dtype)
    for rows in _chunks(len(x), size):
        log_p = log_softmax_kernel.forward(xp, _scores(x[rows], w, b), 1)
        losses[rows], of_chunk = picked.forward(xp, log_p, target[rows], weight, "none", ignore_index)
        total = total + of_chunk
    if reduction == "none":
        return losses, total
    return losses.sum() / total if reduction == "mean" else losses.sum(), total


def _chunks(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def _scores(x: Array, w: Array, b: Array | None) -> Array:
    return x @ w.T if b is None else x @ w.T + b


@in_chunks.grad("x", "w", "b")
def in_chunks_grad(
    g: Tensor,
    x: Tensor,
    w: Tensor,
    target: Tensor,
    b: Tensor | None,
    weight: Any,
    reduction: str,
    ignore_index: int,
    size: int,
    total_weight: Tensor,
) -> tuple:
    """∂L/∂scores = g v_y (p − 1 at the class), so ∂L/∂x = that · W, ∂L/∂W = thatᵀ · x, ∂L/∂b = its sum over the rows"""
    share = g / total_weight if reduction == "mean" else g
    return tuple(in_chunks_backward(share, x, w, target, b, weight, ignore_index, size))


@op(promote=None, name="_linear_cross_entropy_batch_chunked_backward", outputs=("x", "w", "b"), public=False)
def in_chunks_backward(
    xp: Any,
    share: Array,
    x: Array,
    w: Array,
    target: Index,
    b: Array | None,
    weight: Index | None,
    ignore_index: int,
    size: int,
) -> tuple[Array, Array, Array]:
    """The gradients of rows, weight and bias, with the scores computed again, `size` rows at a time."""
    g_x, g_w, g_b = xp.zeros_like(x), xp.zeros_like(w), xp.zeros(len(w), x.dtype)
    keep = target != ignore_index
    classes = xp.where(keep, target, 0)
    share = share * (keep.astype(x.dtype) if weight is None else weight[classes] * keep)
    for rows in _chunks(len(x), size):
        g_scores = softmax_kernel.forward(xp, _scores(x[rows], w, b), 1)
        g_scores[xp.arange(len(g_scores)), classes[rows]] -= 1
        g_scores *= share[rows, None]
        g_x[rows] = g_scores @ w
        g_w += g_scores.T @ x[rows]
        g_b += g_scores.sum(0)
    return g_x, g_w, g_b
