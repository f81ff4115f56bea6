"""Losses: a distance of predictions from targets, reduced to their mean, their sum, or not at all.

Primitives only where stability earns them (cross-entropy of logits, `binary_cross_entropy_with_logits`); the others say
their formula in our ops. Read next: `nn/modules/loss.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.device import must_hold
from ..arrays.dtypes import bool_, int64, uint8
from ..arrays.warning import warn
from ..autograd.grad_mode import is_grad_enabled
from ..op import Array, Index, composite, elementwise, op
from ..op.signature import Flag, Reduction
from .activation import hardtanh, log_softmax_grad, log_softmax_kernel, logsigmoid
from .elementwise import abs_ as absolute
from .elementwise import clamp_min, exp, log, square, where
from .gather import scattered
from .index import holds_within
from .reducing import check_reduction, check_weight, in_one_shape, reduced, reduction_of, weighted
from .shape import reshape, zeros
from .special import sigmoid, xlogy

if TYPE_CHECKING:
    from ..tensor import Tensor


# ---- distances ----


@composite(grad_fn="MseLossBackward0")
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: Flag | None = None,
    reduce: Flag | None = None,
    reduction: Reduction = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """w (x − y)²; the mean divides by Σ w."""
    x, y = in_one_shape(input, target)
    reduction = reduction_of(size_average, reduce, reduction)
    return weighted(squared_error(x, y), weight, input, reduction)


@elementwise(name="mse_loss", public=False, only="floats")
def squared_error(xp: Any, x: Array, y: Array) -> Array:
    """(x − y)²"""
    difference = x - y
    return difference * difference


@squared_error.grad("x")
def squared_error_grad_x(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """∂L/∂x = g · 2 (x − y)"""
    return g * (2 * (x - y))


@squared_error.grad("y")
def squared_error_grad_y(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """∂L/∂y = −g · 2 (x − y)"""
    return g * (2 * (y - x))


@composite
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Flag | None = None,
    reduce: Flag | None = None,
    reduction: Reduction = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """w |x − y|; the mean divides by Σ w."""
    x, y = in_one_shape(input, target)
    reduction = reduction_of(size_average, reduce, reduction)
    return weighted(absolute(x - y), weight, input, reduction)


@composite(grad_fn="SmoothL1LossBackward0")
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Flag | None = None,
    reduce: Flag | None = None,
    reduction: Reduction = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d² / 2β where d = |x − y| < β, and d − β/2 beyond: quadratic near 0, linear far away."""
    input, target = in_one_shape(input, target)
    reduction = reduction_of(size_average, reduce, reduction)
    if not beta >= 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return reduced(absolute(input - target), reduction)
    return reduced(quadratic_then_linear(_difference("smooth_l1_loss", input, target), beta, 1 / beta), reduction)


@composite(grad_fn="HuberLossBackward0")
def huber_loss(
    input: Tensor, target: Tensor, reduction: Reduction = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """w · (d² / 2 where d = |x − y| ≤ δ, and δ (d − δ/2) beyond) (Huber, 1964); the mean divides by the number of losses."""
    x, y = in_one_shape(input, target)
    if not delta > 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, got {delta}")
    losses = quadratic_then_linear(_difference("huber_loss", x, y), delta, 1.0)
    if not input.is_floating_point():
        raise RuntimeError(
            f"result type {losses.dtype!r} can't be cast to the desired output type {input.dtype!r}; convert the input with .float()"
        )
    losses = losses.to(input.dtype)
    if weight is not None:
        check_weight(weight, input)
        losses = losses * weight
    return reduced(losses, reduction)


def _difference(name: str, x: Tensor, y: Tensor) -> Tensor:
    """x − y, where a bool beside numbers counts as 0 or 1; of floats, one of the two at least."""
    if not (x.is_floating_point() or y.is_floating_point()):
        raise NotImplementedError(f'"{name}" not implemented for {x.dtype!r}; convert the input first, e.g. x.float()')
    if x.dtype is not y.dtype and bool_ in (x.dtype, y.dtype):
        return x.to(y.dtype) - y if x.dtype is bool_ else x - y.to(x.dtype)
    return x - y


@elementwise(promote="float", name="huber_loss", public=False)
def quadratic_then_linear(xp: Any, x: Array, knee: float, scale: float) -> Array:
    """s · x² / 2 up to the knee k, s · k (|x| − k/2) beyond"""
    size = xp.abs(x)
    return xp.where(size < knee, scale * 0.5 * x * x, scale * knee * (size - 0.5 * knee))


@quadratic_then_linear.grad
def quadratic_then_linear_grad(g: Tensor, x: Tensor, knee: float, scale: float) -> Tensor:
    """∂L/∂x = g · s · x up to the knee, g · s · k · sign(x) beyond: x clamped"""
    return g * (hardtanh(x, -knee, knee) * scale)


# ---- classes ----


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
    return losses.sum() / total if reduction == "mean" else losses.sum(), total


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
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Flag | None = None,
    ignore_index: int = -100,
    reduce: Flag | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """−w_y x_y of log-probabilities x (N, C, …) at the classes y (N, …); the mean divides by Σ w_y."""
    reduction = reduction_of(size_average, reduce, reduction)
    rows, classes, shape = _rows(input, target, weight)
    _check_class_weight(weight, rows.shape[1], rows.dtype)
    check_reduction(reduction)
    loss = picked(rows, classes, weight, reduction, ignore_index)[0]
    return loss.reshape(shape) if reduction == "none" else loss


def _constant(weight: Tensor | None) -> None:
    """RuntimeError if somebody wants a gradient for the weights of classes: torch has none."""
    if weight is not None and weight.requires_grad and is_grad_enabled():
        raise RuntimeError(
            "The function 'nll_loss_forward' is not differentiable with respect to argument 'weight'. This input cannot have "
            "requires_grad True: detach() it."
        )


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
    if input.ndim == 0:
        raise ValueError("nll_loss: Expected 1 or more dimensions (got 0)")
    shape = tuple(target.shape)
    if input.ndim > 1 and (not shape or input.shape[0] != shape[0]):
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({shape[0] if shape else 0}): the "
            "target holds one class for each sample"
        )
    _constant(weight)
    if input.ndim == 1:
        if target.ndim > 1:
            raise RuntimeError(f"0D or 1D target tensor expected, multi-target not supported: got shape {shape}")
        if target.numel() != 1:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {list(target.shape)}; scores of N samples have "
                "shape (N, C)"
            )
        return input.unsqueeze(0), _class_numbers(target).reshape(1), ()
    if input.ndim == 2 and len(shape) == 1:
        return input, _class_numbers(target), shape
    if tuple(input.shape[2:]) != shape[1:]:
        says = "0D or 1D target tensor expected, multi-target not supported" if input.ndim == 2 else "size mismatch"
        raise RuntimeError(
            f"{says}: for an input of shape {tuple(input.shape)} the target has shape {(input.shape[0], *input.shape[2:])}, got "
            f"{shape}"
        )
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
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Flag | None = None,
    ignore_index: int = -100,
    reduce: Flag | None = None,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−ln softmax(x)_y of logits x (N, C, …) at classes y (N, …) (int64), or −Σ_c q_c ln p_c for probabilities q like x.

    label_smoothing ε moves ε/C of the target to every class. Classes equal to ignore_index do not count.

    >>> minitorch.nn.functional.cross_entropy(minitorch.zeros(1, 10), minitorch.tensor([3]))
    tensor(2.3026)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    if label_smoothing > 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    label_smoothing = label_smoothing if label_smoothing > 0.0 else 0.0  # as in torch, less than 0 and nan count as 0
    if input.shape == target.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    if not input.ndim:
        raise IndexError("Dimension out of range: the input has a score for each class, (C) or (N, C, …), but got shape ()")
    if not input.is_floating_point():
        nll_of_logits.signature.refuse_dtype(input._array.dtype)
    rows, classes, shape = _rows(input, target, weight)
    _check_class_weight(weight, rows.shape[1], rows.dtype)
    loss = nll_of_logits(rows, classes, weight, reduction, ignore_index, label_smoothing)[0]
    return loss.reshape(shape) if reduction == "none" else loss


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
    check_reduction(reduction)
    if reduction == "none":
        return -(log_p * target).sum(class_dim)
    total = -(log_p * target).sum()
    if reduction == "sum":
        return total
    return total / (log_p.numel() / classes) if log_p.numel() else total + math.nan  # of no samples there is no mean


# ---- probabilities ----


@composite(grad_fn="BinaryCrossEntropyBackward0")
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Flag | None = None,
    reduce: Flag | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """−w (y ln p + (1 − y) ln(1 − p)), with each logarithm at least −100, so that no loss is infinite."""
    reduction = reduction_of(size_average, reduce, reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. Please "
            "ensure they have the same size."
        )
    if input.dtype is not target.dtype:
        raise RuntimeError(f"Found dtype {target.dtype!r} but expected {input.dtype!r}: convert the targets with .to(dtype)")
    if not input.is_floating_point():
        bernoulli_loss.signature.refuse_dtype(input._array.dtype)
    _probabilities(
        input,
        "all elements of input should be between 0 and 1, and not nan; for logits use binary_cross_entropy_with_logits",
    )
    _probabilities(target, "all elements of target should be between 0 and 1, and not nan")
    losses = bernoulli_loss(input, target)
    return reduced(losses if weight is None else losses * weight, reduction)


def _probabilities(x: Tensor, words: str) -> None:
    """RuntimeError in those words unless all of x lie in [0, 1]; nan does not."""
    x = x.detach()
    probable = ((x >= 0) & (x <= 1)).all()
    if x.is_cuda:
        must_hold(probable._array, RuntimeError, words)
    elif not bool(probable):
        raise RuntimeError(words)


@elementwise(name="binary_cross_entropy", public=False)
def bernoulli_loss(xp: Any, p: Array, y: Array) -> Array:
    """−(y ln p + (1 − y) ln(1 − p)), logarithms at least −100"""
    return (y - 1) * xp.maximum(xp.log1p(-p), -100) - y * xp.maximum(xp.log(p), -100)


@bernoulli_loss.grad("p")
def bernoulli_loss_grad_p(g: Tensor, p: Tensor, y: Tensor) -> Tensor:
    """∂L/∂p = g (p − y) / (p (1 − p))"""
    return g * bernoulli_slope(p, y)


@elementwise(public=False)
def bernoulli_slope(xp: Any, p: Array, y: Array) -> Array:
    """(p − y) / (p (1 − p)), the denominator at least 1e-12 (torch's is a float32, in float64 too)"""
    return (p - y) / xp.maximum((1 - p) * p, xp.asarray(np.float32(_TINY), p.dtype))


@bernoulli_slope.grad("p")
def bernoulli_slope_grad_p(g: Tensor, p: Tensor, y: Tensor) -> Tensor:
    """∂L/∂p = g (p² − 2py + y) / (p (1 − p))², with torch's 1e-12 in each factor"""
    return g * (p * p - 2 * p * y + y) / square((p + _TINY) * (1 - p + _TINY))


@bernoulli_slope.grad("y")
def bernoulli_slope_grad_y(g: Tensor, p: Tensor) -> Tensor:
    """∂L/∂y = −g / (p (1 − p)), the denominator at least 1e-12"""
    return -g / clamp_min(p * (1 - p), _TINY)


_TINY = 1e-12


@bernoulli_loss.grad("y")
def bernoulli_loss_grad_y(g: Tensor, p: Tensor) -> Tensor:
    """∂L/∂y = g (ln(1 − p) − ln p)"""
    return g * (log(1 - p) - log(p))


@composite(grad_fn="BinaryCrossEntropyWithLogitsBackward0")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Flag | None = None,
    reduce: Flag | None = None,
    reduction: Reduction = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """−w (v y ln σ(x) + (1 − y) ln(1 − σ(x))) for logits x, without computing σ: finite for every finite x."""
    reduction = reduction_of(size_average, reduce, reduction)
    if input.shape != target.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    if not input.is_floating_point():
        logits_loss.signature.refuse_dtype(input._array.dtype)
    if not target.is_floating_point():
        raise RuntimeError(
            f"result type {input.dtype!r} can't be cast to the desired output type {target.dtype!r}: the targets are "
            "probabilities; convert them with .float()"
        )
    if pos_weight is None:
        losses = logits_loss(input, target)
    else:
        positive = 1 + (pos_weight - 1) * target
        losses = (1 - target) * input + positive * -logsigmoid(input)
    losses = losses if weight is None else losses * weight
    return reduced(losses.to(target.dtype), reduction)


@elementwise(name="binary_cross_entropy_with_logits", public=False, grad_fn="BinaryCrossEntropyWithLogitsBackward0")
def logits_loss(xp: Any, x: Array, y: Array) -> Array:
    """(1 − y) x + ln(1 + e^−x) = (1 − y) x + max(−x, 0) + ln(1 + e^−|x|)"""
    return (1 - y) * x + xp.maximum(-x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


@logits_loss.grad("x")
def logits_loss_grad_x(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """∂L/∂x = g (σ(x) − y)"""
    return g * (sigmoid(x) - y)


@logits_loss.grad("y")
def logits_loss_grad_y(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂y = −g x"""
    return -g * x


@composite
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Flag | None = None,
    reduce: Flag | None = None,
    reduction: Reduction = "mean",
    log_target: bool = False,
) -> Tensor:
    """q (ln q − x) for log-probabilities x and probabilities q (their logarithms with log_target).

    "batchmean" divides the sum by the batch size: the Kullback–Leibler divergence proper.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if reduction == "mean":
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides only by "
            "the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the same as "
            "'batchmean' in the next major release."
        )
    if not (input.is_floating_point() and target.is_floating_point()):
        raise RuntimeError(
            f"kl_div: Integral inputs not supported, got {input.dtype!r} and {target.dtype!r}; convert with .float()"
        )
    losses = exp(target) * (target - input) if log_target else xlogy(target, target) - target * input
    if reduction == "batchmean":
        return losses.sum() / input.shape[0] if input.ndim else losses.sum()
    return reduced(losses, reduction)
