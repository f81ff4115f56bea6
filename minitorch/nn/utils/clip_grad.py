"""Clipping gradients between `backward()` and `optimizer.step()`.

By norm: all gradients together are one long vector, scaled down if it is longer than `max_norm`, so that its direction
stays. By value: each element is moved into [−clip_value, clip_value].
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

import minitorch
from minitorch.arrays.warning import warn
from minitorch.autograd import no_grad
from minitorch.tensor import Tensor


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by min(1, max_norm / (norm + 1e-6)), in place; returns their norm before.

    >>> x = minitorch.tensor([3.0, 4.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> minitorch.nn.utils.clip_grad_norm_(x, 1.0)
    tensor(10.)
    """
    given_generator = isinstance(parameters, types.GeneratorType)
    params = _listed(parameters)
    if given_generator and not params:
        warn("`parameters` is an empty generator, no gradient clipping will occur.")
    total_norm = get_total_norm(_gradients(params), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(params, max_norm, total_norm, foreach)
    return total_norm


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """`clip_grad_norm_` under its name of old, with a warning."""
    warn(
        "`minitorch.nn.utils.clip_grad_norm` is now deprecated in favor of `minitorch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors as one vector: the norm of their norms."""
    norm_type = float(norm_type)
    norms: Any = [tensor.norm(norm_type) for tensor in _listed(tensors)]
    if not norms:
        return minitorch.tensor(0.0)
    total_norm = minitorch.stack([_beside(norms[0], n) for n in norms]).norm(norm_type)  # type: ignore[attr-defined]
    if error_if_nonfinite and not bool(minitorch.isfinite(total_norm)):  # type: ignore[attr-defined]
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total_norm


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """The second half of `clip_grad_norm_`, for a norm that is known already."""
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for grad in _gradients(_listed(parameters)):
        grad.mul_(_beside(grad, scale))


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Move every element of every gradient into [−clip_value, clip_value], in place."""
    for grad in _gradients(_listed(parameters)):
        grad.clamp_(min=-float(clip_value), max=float(clip_value))


def _beside(tensor: Tensor, moved: Tensor) -> Tensor:
    """The other one, where this one is."""
    return moved if moved.device == tensor.device else moved.to(tensor.device)


def _listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(params: list[Tensor]) -> list[Tensor]:
    return [param.grad for param in params if param.grad is not None]
