"""Losses of predicted probabilities: cross-entropies of yes and no, and the divergence of two distributions.

`binary_cross_entropy_with_logits` is a primitive of the logits, as it is stable there alone. Read next: `margin_loss.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.device import as_number
from ..arrays.warning import warn
from ..op import Array, Index, composite, elementwise
from ..op.signature import Reduction
from .activation import logsigmoid
from .elementwise import clamp_min, exp, log, square
from .reducing import all_must_hold, check_reduction, check_reduction_name, no_gradient, reduced, takes_size_average
from .special import sigmoid, xlogy

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite(grad_fn="BinaryCrossEntropyBackward0")
@takes_size_average
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """−w (y ln p + (1 − y) ln(1 − p)), with each logarithm at least −100, so that no loss is infinite."""
    no_gradient("binary_cross_entropy", weight=weight)
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
    return reduced(losses if weight is None else (losses * weight).to(input.dtype), reduction)


def _probabilities(x: Tensor, words: str) -> None:
    """RuntimeError in those words unless all of x lie in [0, 1]; nan does not."""
    x = x.detach()
    all_must_hold((x >= 0) & (x <= 1), words)


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
    return (p - y) / xp.maximum((1 - p) * p, as_number(xp, np.float32(_TINY), p.dtype))


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
@takes_size_average
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """−w (v y ln σ(x) + (1 − y) ln(1 − σ(x))) for logits x, without computing σ: finite for every finite x."""
    no_gradient("binary_cross_entropy_with_logits", weight=weight, pos_weight=pos_weight)
    if input.shape != target.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    if not input.is_floating_point():
        logits_loss.signature.refuse_dtype(input._array.dtype)
    if not target.is_floating_point():
        raise RuntimeError(
            f"result type {input.dtype!r} can't be cast to the desired output type {target.dtype!r}: the targets are "
            "probabilities; convert them with .float()"
        )
    losses = logits_loss(input, target) if pos_weight is None else weighted_logits_loss(input, target, pos_weight)
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


@elementwise(name="binary_cross_entropy_with_logits", public=False, grad_fn="BinaryCrossEntropyWithLogitsBackward0")
def weighted_logits_loss(xp: Any, x: Array, y: Array, v: Index) -> Array:
    """−v y ln σ(x) − (1 − y) ln σ(−x) = (1 − y) x + (1 + (v − 1) y) ln(1 + e^−x)"""
    return (1 - y) * x + (1 + (v - 1) * y) * (xp.maximum(-x, 0) + xp.log1p(xp.exp(-xp.abs(x))))


@weighted_logits_loss.grad("x")
def weighted_logits_loss_grad_x(g: Tensor, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """∂L/∂x = g ((v y + 1 − y) σ(x) − v y)"""
    return g * ((v * y + 1 - y) * sigmoid(x) - v * y)


@weighted_logits_loss.grad("y")
def weighted_logits_loss_grad_y(g: Tensor, x: Tensor, v: Tensor) -> Tensor:
    """∂L/∂y = g (ln σ(−x) − v ln σ(x))"""
    return g * (logsigmoid(-x) - v * logsigmoid(x))


@composite(grad_fn="SoftMarginLossBackward0")
@takes_size_average
def soft_margin_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """ln(1 + e^(−y x)) for scores x and targets y of −1 or 1, which broadcast to x's shape."""
    reduction = check_reduction(reduction)
    no_gradient("soft_margin_loss", target=target)
    if not input.is_floating_point():
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {input.dtype!r}; convert with .float()"
        )
    return reduced(logistic_loss(input, target.to(input.dtype).expand(input.shape)), reduction)


@elementwise(name="soft_margin_loss", public=False)
def logistic_loss(xp: Any, x: Array, y: Index) -> Array:
    """ln(1 + e^(−y x))"""
    return xp.log1p(xp.exp(-x * y))


@logistic_loss.grad
def logistic_loss_grad(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """∂L/∂x = −g y z / (1 + z) with z = e^(−y x); nan where z overflows, as in torch"""
    z = exp(-y * x)
    return -y * z / (z + 1) * g


@composite
@takes_size_average
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor | float, weight: Tensor | float | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """−Σ_c w_c (y_c ln σ(x_c) + (1 − y_c) ln σ(−x_c)) / C along the last dimension: a mean of binary cross-entropies of logits."""
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    losses = losses if weight is None else losses * weight
    if not input.ndim:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions: the last one is that of the labels")
    return reduced(losses.sum(input.ndim - 1) / input.shape[-1], check_reduction_name(reduction))


@composite
@takes_size_average
def kl_div(
    input: Tensor,
    target: Tensor,
    reduction: Reduction = "mean",
    log_target: bool = False,
) -> Tensor:
    """q (ln q − x) for log-probabilities x and probabilities q (their logarithms with log_target).

    "batchmean" divides the sum by the batch size: the Kullback–Leibler divergence proper.
    """
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
