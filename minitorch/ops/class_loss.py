"""Losses of predicted classes: minus the logarithm of the probability that the right class gets.

A primitive of the logits (`nll_of_logits`), because the softmax and its logarithm together are stable and have a short derivative.
Read next: `probability_loss.py`; `docs/losses.md`, where the derivative comes from.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.dtypes import int64, uint8
from ..op import Array, Index, composite, op
from ..op.signature import Reduction
from .activation import log_softmax_grad, log_softmax_kernel
from .elementwise import where
from .gather import scattered
from .index import holds_within
from .reducing import check_reduction, no_gradient, takes_size_average
from .shape import reshape, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(promote=None, name="nll_loss", outputs=("out", "total_weight"), public=False, only="floats", in_float32=True)
def picked(xp: Any, x: Array, target: Index, weight: Array | None, reduction: str, ignore_index: int) -> tuple[Array, Array]:
    """−w_y x_y for each row (N, C) and its class y, summed, divided by Σ w_y, or left as they are; also Σ w_y."""
    keep = target != ignore_index
    classes = xp.where(keep, target, 0)
    if type(x) is not np.ndarray:
        holds_within(classes, 0, x.shape[1], IndexError, out_of_bounds(x))
    elif classes.size and (int(classes.min()) < 0 or int(classes.max()) >= x.shape[1]):
        wrong = classes[(classes < 0) | (classes >= x.shape[1])][0]
        raise IndexError(f"Target {int(wrong)} is out of bounds: {x.shape[1]} classes are numbered 0 … {x.shape[1] - 1}")
    w = keep.astype(x.dtype) if weight is None else weight[classes] * keep
    losses = xp.where(keep, -w * x[xp.arange(len(classes)), classes], xp.zeros((), x.dtype))
    total = w.sum()
    if reduction == "none":
        return losses, total
    out = losses.sum() + 0.0  # torch's sum begins at 0: no −0 comes of it
    return out / total if reduction == "mean" else out, total


def out_of_bounds(x: Array) -> str:
    """What is said on a GPU, where it is noticed too late to tell which class it was."""
    return f"Target is out of bounds: {x.shape[1]} classes are numbered from 0"


@picked.grad("x")
def picked_grad(
    g: Tensor, x_shape: tuple, target: Tensor, weight: Any, reduction: str, ignore_index: int, total_weight: Tensor
) -> Tensor:
    """∂L/∂x = −g w_y at the class, 0 elsewhere; over Σ w_y for the mean"""
    keep = target != ignore_index
    classes = where(keep, target, 0)
    share = g / total_weight if reduction == "mean" else g
    values = -share if weight is None else -(share * weight[classes])
    column = reshape(where(keep, values, 0.0), (-1, 1))
    return scattered(zeros(g, x_shape), 1, reshape(classes, (-1, 1)), column)


@composite
@takes_size_average(before="ignore_index")
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Tensor:
    """−w_y x_y of log-probabilities x (N, C, …) at the classes y (N, …); the mean divides by Σ w_y."""
    rows, classes, shape = _rows(input, target, weight)
    _check_class_weight(weight, rows.shape[1], rows.dtype)
    reduction = check_reduction(reduction)
    loss = picked(rows, classes, weight, _of_one(input, reduction), ignore_index)[0]
    return loss if reduction != "none" or loss.shape == shape else loss.reshape(shape)


def _of_one(input: Tensor, reduction: str) -> str:
    """The reduction of the losses of several samples; a single one (C) has none to leave as they are, and is summed."""
    return "sum" if reduction == "none" and input.ndim == 1 else reduction


def _check_class_weight(weight: Tensor | None, classes: int, dtype: Any = None) -> None:
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape: "
            f"{list(weight.shape)}"
        )
    if weight is not None and dtype is not None and weight.dtype is not dtype and dtype.is_floating_point:
        raise RuntimeError(f"expected scalar type {dtype!r} but found {weight.dtype!r}; convert the weights with .to(dtype)")


def _rows(input: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, tuple]:
    """(N, C, …) predictions and (N, …) classes as rows (M, C) and classes (M); and the shape of the losses."""
    x, y = input._array, target._array
    if weight is None and x.ndim == 2 and y.ndim == 1 and len(x) == len(y) and y.dtype == np.int64:
        return input, target, y.shape  # they are rows and classes
    if input.ndim == 0:
        raise ValueError("nll_loss: Expected 1 or more dimensions (got 0)")
    shape = tuple(target.shape)
    if input.ndim > 1 and (not shape or input.shape[0] != shape[0]):
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({shape[0] if shape else 0}): the "
            "target holds one class for each sample"
        )
    no_gradient("nll_loss_forward", weight=weight)
    if input.ndim == 1:
        if target.ndim > 1:
            raise RuntimeError(f"0D or 1D target tensor expected, multi-target not supported: got shape {shape}")
        classes = _class_numbers(target)
        if target.numel() != 1:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {list(target.shape)}; scores of N samples have "
                "shape (N, C)"
            )
        return input.unsqueeze(0), classes.reshape(1), ()
    if input.ndim == 2 and len(shape) == 1:
        return input, _class_numbers(target), shape
    if tuple(input.shape[2:]) != shape[1:]:
        says = "0D or 1D target tensor expected, multi-target not supported" if input.ndim == 2 else "size mismatch"
        raise RuntimeError(
            f"{says}: for an input of shape {tuple(input.shape)} the target has shape {(input.shape[0], *input.shape[2:])}, got "
            f"{shape}"
        )
    if target.dtype is uint8:
        raise RuntimeError("expected scalar type Long but found Byte: convert the class numbers with .long()")
    return input.movedim(1, -1).reshape(-1, input.shape[1]), _class_numbers(target).reshape(-1), shape


def _class_numbers(target: Tensor) -> Tensor:
    """The classes as int64; RuntimeError if they are neither that nor uint8."""
    if target.dtype is int64:
        return target
    if target.dtype is not uint8:
        raise RuntimeError(
            f"expected target dtype to be Long or Byte, but got {target.dtype!r}: class numbers are integers, convert them with "
            ".long(); probabilities have the shape of the input"
        )
    return target.to(int64)


@composite(check_first=False)
@takes_size_average(before="ignore_index")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−ln softmax(x)_y of logits x (N, C, …) at classes y (N, …) (int64), or −Σ_c q_c ln p_c for probabilities q like x.

    label_smoothing ε moves ε/C of the target to every class. Classes equal to ignore_index do not count.

    >>> minitorch.nn.functional.cross_entropy(minitorch.zeros(1, 10), minitorch.tensor([3]))
    tensor(2.3026)
    """
    reduction = check_reduction(reduction)
    if label_smoothing > 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    label_smoothing = label_smoothing if label_smoothing > 0.0 else 0.0  # as in torch, less than 0 and nan count as 0
    x = input._array
    if x.shape == target._array.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    if not x.ndim:
        raise IndexError("Dimension out of range: the input has a score for each class, (C) or (N, C, …), but got shape ()")
    if x.dtype.kind in "iub":
        nll_of_logits.signature.refuse_dtype(x.dtype)
    rows, classes, shape = _rows(input, target, weight)
    if weight is not None:
        _check_class_weight(weight, rows.shape[1], rows.dtype)
    loss = nll_of_logits(rows, classes, weight, _of_one(input, reduction), ignore_index, label_smoothing)[0]
    return loss if reduction != "none" or loss.shape == shape else loss.reshape(shape)


@op(
    promote=None,
    name="cross_entropy",
    outputs=("out", "log_p", "total_weight"),
    public=False,
    only="floats",
    in_float32=True,
    grad_fn=lambda smoothing: "AddBackward0" if smoothing else "NllLossBackward0",
)
def nll_of_logits(
    xp: Any, x: Array, target: Index, weight: Array | None, reduction: str, ignore_index: int, smoothing: float
) -> tuple[Array, Array, Array]:
    """−w_y ln p_y of p = softmax(x) for each row of logits (N, C) and its class y, reduced; also ln p and Σ w_y.

    smoothing ε: (1 − ε) of that, and ε times the mean of −w_c ln p_c over all classes c.
    """
    log_p = log_softmax_kernel.forward(xp, x, 1)
    out, total_weight = picked.forward(xp, log_p, target, weight, reduction, ignore_index)
    if smoothing:
        everywhere = -(log_p if weight is None else log_p * weight).mean(1)
        everywhere = xp.where(target == ignore_index, xp.zeros((), x.dtype), everywhere)
        if reduction != "none":
            everywhere = everywhere.sum() / total_weight if reduction == "mean" else everywhere.sum()
        out = (1 - smoothing) * out + smoothing * everywhere
    return out, log_p, total_weight


@nll_of_logits.grad("x")
def nll_of_logits_grad(
    g: Tensor | None,
    g_log_p: Tensor | None,
    log_p: Tensor,
    target: Tensor,
    weight: Any,
    reduction: str,
    ignore_index: int,
    smoothing: float,
    total_weight: Tensor,
) -> Tensor:
    """∂L/∂x = h − p Σ h with h = ∂L/∂ln p: −g w_y at the class, smoothed as they are, and g_log_p if backward is differentiated"""
    h: Any = 0.0
    if g is not None:
        h = picked_grad(g, log_p.shape, target, weight, reduction, ignore_index, total_weight)
    if g is not None and smoothing:
        share = where(target == ignore_index, 0.0, g / total_weight if reduction == "mean" else g)
        everywhere = -reshape(share, (-1, 1)) / log_p.shape[1]
        h = (1 - smoothing) * h + smoothing * (everywhere if weight is None else everywhere * weight)
    if g_log_p is not None:
        h = h + g_log_p
    return log_softmax_grad(h, log_p, 1)


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    """−Σ_c w_c q_c ln p_c, with the targets q given as probabilities; the mean is over the samples."""
    if not target.is_floating_point():
        raise RuntimeError(f"Expected floating point type for target with class probabilities, got {target.dtype!r}")
    class_dim = 0 if input.ndim == 1 else 1
    log_p = log_softmax_kernel(input, class_dim)
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    classes = log_p.shape[class_dim]
    _check_class_weight(weight, classes)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / max(classes, 1)
    if weight is not None:
        log_p = log_p * weight.reshape([-1 if d == class_dim else 1 for d in range(log_p.ndim)])
    if reduction == "none":
        return -(log_p * target).sum(class_dim)
    total = -(log_p * target).sum()
    if reduction == "sum":
        return total
    return total / (log_p.numel() / classes) if log_p.numel() else total + math.nan  # of no samples there is no mean
