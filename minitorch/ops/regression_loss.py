"""Losses of predicted numbers: how far x is from y, or how improbable y is under a distribution with the predicted mean.

The others are in `class_loss.py`, `probability_loss.py`, `margin_loss.py`; what they share, in `reducing.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays.batched import of_all_samples
from ..arrays.device import must_hold
from ..arrays.dtypes import bool_, can_cast, promote_types
from ..autograd.grad_mode import no_grad
from ..op import Array, composite, elementwise
from ..op.signature import Flag, Reduction
from .activation import hardtanh
from .elementwise import abs_ as absolute
from .elementwise import exp, log, square
from .reducing import check_reduction_name, check_weight, in_one_shape, reduced, takes_size_average, weighted

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite(grad_fn="MseLossBackward0")
@takes_size_average
def mse_loss(
    input: Tensor,
    target: Tensor,
    reduction: Reduction = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """w (x − y)²; the mean divides by Σ w."""
    x, y = in_one_shape(input, target)
    if weight is None:
        return reduced(squared_error(x, y), reduction)
    return weighted(square(x - y), weight, input, reduction)


@elementwise(name="mse_loss", public=False, only="floats")
def squared_error(xp: Any, x: Array, y: Array) -> Array:
    """(x − y)²"""
    difference = x - y
    return difference * difference


@squared_error.grad("x")
def squared_error_grad_x(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """∂L/∂x = g · 2 (x − y)"""
    return g * (2 * (_numbers(x) - _numbers(y)))


@squared_error.grad("y")
def squared_error_grad_y(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """∂L/∂y = −g · 2 (x − y)"""
    return g * (2 * (_numbers(y) - _numbers(x)))


def _numbers(x: Tensor) -> Tensor:
    """x, as 0 and 1 if it is bools: Tensors of those do not subtract."""
    return x * 1 if str(x.dtype).endswith("bool") else x


@composite
@takes_size_average
def l1_loss(
    input: Tensor,
    target: Tensor,
    reduction: Reduction = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """w |x − y|; the mean divides by Σ w."""
    x, y = in_one_shape(input, target)
    return weighted(absolute(x - y), weight, input, reduction)


@composite(grad_fn="SmoothL1LossBackward0")
@takes_size_average
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    reduction: Reduction = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d² / 2β where d = |x − y| < β, and d − β/2 beyond: quadratic near 0, linear far away."""
    input, target = in_one_shape(input, target)
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
    result = promote_types(x.dtype, y.dtype)
    if not can_cast(result, input.dtype):
        raise RuntimeError(
            f"result type {result!r} can't be cast to the desired output type {input.dtype!r}; convert the input with .float()"
        )
    losses = quadratic_then_linear(_difference("huber_loss", x, y), delta, 1.0).to(input.dtype)
    if weight is not None:
        check_weight(weight, input)
        losses = losses * weight
    return reduced(losses, reduction)


def _difference(name: str, x: Tensor, y: Tensor) -> Tensor:
    """x − y, where a bool beside numbers counts as 0 or 1; of floats, one of the two at least."""
    if not (x.is_floating_point() or y.is_floating_point()):
        x.float() - y.float()  # shapes that do not fit are refused first
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


# ---- distributions ----


@composite
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor | float,
    var: Tensor | float,
    full: Flag = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Tensor:
    """½ (ln v + (x − y)² / v) for a normal distribution with mean x and variance v (Nix and Weigend, 1994); `full` adds ½ ln 2π.

    v: of x's shape, without its last dimension or with size 1 in one, or a float. It counts as at least `eps`, which its gradient
    does not notice.
    """
    v = _variance(var, input)
    reduction = check_reduction_name(reduction)
    v = v.clone()
    with no_grad():
        v.clamp_(min=eps)
    losses = 0.5 * (log(v) + square(input - target) / v)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def _variance(var: Any, input: Tensor) -> Tensor:
    """The variances as a Tensor that broadcasts with the means; ValueError if one is negative or the shape will not do."""
    if isinstance(var, int):
        raise TypeError(f"gaussian_nll_loss(): argument 'var' must be Tensor or float, not {type(var).__name__}")
    fine = not var < 0 if isinstance(var, float) else (~(of_all_samples(var._array) < 0)).all()
    must_hold(fine, ValueError, "var has negative entry/entries: variances are at least 0")
    if isinstance(var, float):
        return var * input.new_ones(input.shape)
    if var.shape == input.shape:
        return var
    if input.shape[:-1] == var.shape:
        return var.unsqueeze(-1)
    of_other_size = [m for n, m in zip(input.shape, var.shape) if n != m]
    if var.ndim != input.ndim or sum(of_other_size) != 1:
        raise ValueError(
            f"var is of incorrect size: for an input of shape {tuple(input.shape)} it has that shape, or lacks its last "
            f"dimension, or has size 1 in one; got {tuple(var.shape)}"
        )
    return var


@composite
@takes_size_average(before="eps")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Tensor:
    """eˣ − y x for the logarithm x of an expected count, or x − y ln(x + ε) for the count itself (`log_input=False`).

    `full` adds Stirling's approximation of ln y!, y ln y − y + ½ ln 2πy, where y > 1.
    """
    reduction = check_reduction_name(reduction)
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        stirling = target * log(target) - target + 0.5 * log(2 * math.pi * target)
        losses += stirling.masked_fill(target <= 1, 0)  # in place: the dtype stays
    return reduced(losses, reduction)
