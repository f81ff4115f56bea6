"""A layer and the batch norm after it as one layer: in evaluation both are affine maps, and so is one after the other.

(W x + b − mean) / √(var + ε) · γ + β  =  (s W) x + s (b − mean) + β,   s = γ / √(var + ε)
"""

from __future__ import annotations

import copy
from typing import Any

import minitorch
from minitorch.nn.parameter import Parameter
from minitorch.tensor import Tensor

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of a convolution that computes bn(conv(x)); both must be in evaluation. `transpose`: a transposed convolution."""
    fused, statistics = _copy_for_evaluation(conv, bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, *statistics, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of the convolution that does what both do; dtypes and `requires_grad` are the convolution's."""
    weight_dtype = conv_w.dtype
    bias_dtype = weight_dtype if conv_b is None else conv_b.dtype
    conv_b = minitorch.zeros_like(bn_rm) if conv_b is None else conv_b
    bn_w = minitorch.ones_like(bn_rm) if bn_w is None else bn_w
    bn_b = minitorch.zeros_like(bn_rm) if bn_b is None else bn_b
    scale = (bn_rv + bn_eps).rsqrt()
    per_channel = [1, -1] if transpose else [-1, 1]
    weight = conv_w * (bn_w * scale).reshape(per_channel + [1] * (conv_w.ndim - 2))
    bias = (conv_b - bn_rm) * scale * bn_w + bn_b
    return (
        Parameter(weight.to(weight_dtype), conv_w.requires_grad),
        Parameter(bias.to(bias_dtype), conv_b.requires_grad),
    )


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of a linear layer that computes bn(linear(x)); both must be in evaluation, bn of as many features, or of one."""
    _check_evaluation(linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            f"To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused, statistics = _copy_for_evaluation(linear, bn)
    fused.weight, fused.bias = fuse_linear_bn_weights(fused.weight, fused.bias, *statistics, bn.eps, bn.weight, bn.bias)
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of the linear layer that does what both do; dtypes and `requires_grad` are the linear layer's."""
    weight_dtype = linear_w.dtype
    bias_dtype = weight_dtype if linear_b is None else linear_b.dtype
    linear_b = minitorch.zeros_like(bn_rm) if linear_b is None else linear_b
    scale = bn_w * (bn_rv + bn_eps).rsqrt()
    weight = linear_w * scale.unsqueeze(-1).to(weight_dtype)
    bias = ((linear_b - bn_rm) * scale + bn_b).to(bias_dtype)
    return Parameter(weight, linear_w.requires_grad), Parameter(bias, linear_b.requires_grad)


def _check_evaluation(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")


def _copy_for_evaluation(layer: Any, bn: Any) -> tuple[Any, tuple[Tensor, Tensor]]:
    """A copy of the layer, and the running mean and variance."""
    _check_evaluation(layer, bn)
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    return copy.deepcopy(layer), (bn.running_mean, bn.running_var)
