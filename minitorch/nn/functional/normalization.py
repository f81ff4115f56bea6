"""Normalisation: checks of batch sizes before the ops of `minitorch/ops/normalize.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import minitorch
from minitorch.op.signature import checked
from minitorch.ops import normalize as _normalize
from minitorch.ops.normalize import layer_norm, local_response_norm, normalize, rms_norm
from minitorch.tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm"]


@checked
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x − mean) / √(var + ε) · w + b per channel; training updates the running statistics in place"""
    if training:
        _more_than_one_value(input.shape)
    if eps < 0 or (training and eps == 0):
        least = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {least}, but got {eps}")
    return _normalize.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


@checked
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample normalised on its own"""
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    return _normalize.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)


@checked
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Each sample's channels in `num_groups` groups, each normalised; w and b per channel"""
    if input.ndim >= 2 and num_groups > 0:
        _more_than_one_value((input.shape[0] * input.shape[1] // num_groups, num_groups, *input.shape[2:]))
    return _normalize.group_norm(input, num_groups, weight, bias, eps)


def _more_than_one_value(size: Sequence[int]) -> None:
    if not size:
        raise IndexError("Expected an input of shape (N, C, …), got one without dimensions")
    if math.prod(size[2:]) * size[0] == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {minitorch.Size(size)}: the variance "
            "of one value is 0; use a larger batch, or eval()"
        )
