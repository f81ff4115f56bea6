"""Layers as functions: torch's names and signatures on top of `minitorch/ops/`, where the mathematics is.

Most names are the ops themselves. Written out here is only what torch adds at this level: `inplace`, a `dim` that may be
left out, checks of batch sizes, and functions made of several ops.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import minitorch
from minitorch.arrays.dtypes import promote_types
from minitorch.arrays.warning import warn
from minitorch.autograd import no_grad
from minitorch.op.signature import Flag, checked
from minitorch.ops import activation as _activation
from minitorch.ops import dropout as _dropout
from minitorch.ops import normalize as _normalize
from minitorch.ops.activation import gelu, glu, hardshrink, logsigmoid, prelu, softplus, softshrink, softsign, tanhshrink
from minitorch.ops.einsum import bilinear
from minitorch.ops.elementwise import clamp_min, tanh
from minitorch.ops.gather import embedding as _embedding
from minitorch.ops.gather import one_hot
from minitorch.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from minitorch.ops.matmul import linear
from minitorch.ops.normalize import layer_norm, normalize, rms_norm
from minitorch.ops.pad import constant_pad_nd, pad_from_inside
from minitorch.ops.rearrange import broadcast_tensors
from minitorch.ops.special import sigmoid
from minitorch.tensor import Tensor

__all__ = [
    "alpha_dropout", "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu",
    "celu_", "cosine_similarity", "cross_entropy", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "elu_",
    "embedding", "feature_alpha_dropout", "gelu", "glu", "group_norm", "gumbel_softmax", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "hardtanh_", "huber_loss", "instance_norm", "kl_div", "l1_loss", "layer_norm", "leaky_relu",
    "leaky_relu_", "linear", "log_softmax", "logsigmoid", "mish", "mse_loss", "nll_loss", "normalize", "one_hot", "pad",
    "pairwise_distance", "prelu", "relu", "relu6", "relu_", "rms_norm", "selu", "selu_", "sigmoid", "silu",
    "smooth_l1_loss", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
    "threshold_",
]  # fmt: skip

# ---- activations with `inplace` ------------------------------------------------------------------------------------


def _in_place(function: Callable, input: Tensor, *options: Any) -> Tensor:
    """Write function(input) into input's memory; backward keeps a copy of what was there."""
    return input._update(lambda x: function(x.clone(), *options))


@checked
def relu(input: Tensor, inplace: Flag = False) -> Tensor:
    """max(x, 0)"""
    return input._update(_activation.relu) if inplace else _activation.relu(input)


@checked
def relu6(input: Tensor, inplace: Flag = False) -> Tensor:
    """min(max(x, 0), 6)"""
    return hardtanh(input, 0.0, 6.0, inplace)


@checked
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: Flag = False) -> Tensor:
    """x moved into [min_val, max_val]"""
    if inplace:
        return _in_place(_activation.hardtanh, input, min_val, max_val)
    return _activation.hardtanh(input, min_val, max_val)


@checked
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: Flag = False) -> Tensor:
    """x for x > 0, negative_slope · x otherwise"""
    if inplace:
        return _in_place(_activation.leaky_relu, input, negative_slope)
    return _activation.leaky_relu(input, negative_slope)


@checked
def threshold(input: Tensor, threshold: float, value: float, inplace: Flag = False) -> Tensor:
    """x for x > threshold, `value` otherwise"""
    if inplace:
        return _in_place(_activation.threshold, input, threshold, value)
    return _activation.threshold(input, threshold, value)


@checked
def elu(input: Tensor, alpha: float = 1.0, inplace: Flag = False) -> Tensor:
    """x for x > 0, α (eˣ − 1) otherwise"""
    return _in_place(_activation.elu, input, alpha) if inplace else _activation.elu(input, alpha)


@checked
def celu(input: Tensor, alpha: float = 1.0, inplace: Flag = False) -> Tensor:
    """x for x > 0, α (e^(x/α) − 1) otherwise"""
    return _in_place(_activation.celu, input, alpha) if inplace else _activation.celu(input, alpha)


@checked
def selu(input: Tensor, inplace: Flag = False) -> Tensor:
    """A scaled ELU that keeps mean 0 and variance 1"""
    return _in_place(_activation.selu, input) if inplace else _activation.selu(input)


@checked
def silu(input: Tensor, inplace: Flag = False) -> Tensor:
    """x · σ(x)"""
    return _in_place(_activation.silu, input) if inplace else _activation.silu(input)


@checked
def mish(input: Tensor, inplace: Flag = False) -> Tensor:
    """x · tanh(ln(1 + eˣ))"""
    return _in_place(_activation.mish, input) if inplace else _activation.mish(input)


@checked
def hardsigmoid(input: Tensor, inplace: Flag = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6"""
    return _in_place(_activation.hardsigmoid, input) if inplace else _activation.hardsigmoid(input)


@checked
def hardswish(input: Tensor, inplace: Flag = False) -> Tensor:
    """x · min(max(x + 3, 0), 6) / 6"""
    return _in_place(_activation.hardswish, input) if inplace else _activation.hardswish(input)


def _writing(function: Callable) -> Callable:
    """`relu_(x)` is `relu(x, inplace=True)`."""

    def call(*args: Any, **kwargs: Any) -> Tensor:
        return function(*args, **kwargs, inplace=True)

    made: Any = call
    signature = inspect.signature(function)
    made.__signature__ = signature.replace(parameters=[p for p in signature.parameters.values() if p.name != "inplace"])
    made.__name__ = made.__qualname__ = f"{function.__name__}_"
    made.__doc__ = f"{function.__doc__}, written into x"
    return made


celu_, elu_, hardtanh_, leaky_relu_ = _writing(celu), _writing(elu), _writing(hardtanh), _writing(leaky_relu)
relu_, selu_, threshold_ = _writing(relu), _writing(selu), _writing(threshold)


# ---- along a dimension ---------------------------------------------------------------------------------------------


@checked
def softmax(input: Tensor, dim: int | None = None, _stacklevel: Any = 3, dtype: Any = None) -> Tensor:
    """p_i = exp(x_i) / Σ_j exp(x_j) along `dim`; say which, the default is torch's old guess and warns"""
    return _activation.softmax(input, _guessed_dim("softmax", input, dim), dtype)


@checked
def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: Any = 3, dtype: Any = None) -> Tensor:
    """ln softmax(x) along `dim`"""
    return _activation.log_softmax(input, _guessed_dim("log_softmax", input, dim), dtype)


@checked
def softmin(input: Tensor, dim: int | None = None, _stacklevel: Any = 3, dtype: Any = None) -> Tensor:
    """softmax(−x) along `dim`"""
    return _activation.softmin(input, _guessed_dim("softmin", input, dim), dtype)


def _guessed_dim(name: str, input: Tensor, dim: int | None) -> int:
    if dim is not None:
        return dim
    warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.")
    return 0 if input.ndim in (0, 1, 3) else 1


# ---- dropout -------------------------------------------------------------------------------------------------------


@checked
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: Flag = False) -> Tensor:
    """x · mask / (1 − p). It drops unless `training=False`: it cannot know of `model.eval()`; the layer does."""
    return _dropout_by(_dropout.dropout, input, p, training, inplace)


@checked
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: Flag = False) -> Tensor:
    """Dropout of whole channels of x (N, C, L) or (C, L)"""
    _check_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input")
    return _batched_dropout(input, 3, p, training, inplace)


@checked
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: Flag = False) -> Tensor:
    """Dropout of whole channels of x (N, C, H, W). Three dimensions are taken for (N, C, L), with a warning."""
    _check_probability(p)
    if input.ndim != 4:
        warn(f"dropout2d: Received a {input.ndim}-D input, taken for (N, C, …); use dropout1d")
    return _dropout_by(_dropout.feature_dropout, input, p, training, inplace)


@checked
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: Flag = False) -> Tensor:
    """Dropout of whole channels of x (N, C, D, H, W) or (C, D, H, W)"""
    _check_probability(p)
    if input.ndim not in (4, 5):
        warn(f"dropout3d: Received a {input.ndim}-D input, taken for (C, …); use dropout")
    return _batched_dropout(input, 5, p, training, inplace)


@checked
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: Flag = False) -> Tensor:
    """a · (x where kept, α′ where dropped) + b: dropout that keeps the mean 0 and variance 1 of SELU networks"""
    return _dropout_by(_dropout.alpha_dropout, input, p, training, inplace)


@checked
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: Flag = False) -> Tensor:
    """Alpha dropout of whole channels of x (N, C, …)"""
    return _dropout_by(_dropout.feature_alpha_dropout, input, p, training, inplace)


def _dropout_by(function: Callable, input: Tensor, p: float, training: bool, inplace: Flag) -> Tensor:
    """One of the four dropouts, written into x if `inplace`."""
    _check_probability(p)
    if not training or p == 0:
        return input
    return input._update(function, p, training) if inplace else function(input, p, training)


def _batched_dropout(input: Tensor, batched: int, p: float, training: bool, inplace: Flag) -> Tensor:
    """Feature dropout of x, which is a batch if it has `batched` dimensions and one sample otherwise."""
    if input.ndim == batched:
        return _dropout_by(_dropout.feature_dropout, input, p, training, inplace)
    if inplace:
        return input._update(lambda x: _dropout.feature_dropout(x.unsqueeze(0), p, training).squeeze(0))
    return _dropout.feature_dropout(input.unsqueeze(0), p, training).squeeze(0)


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p != p:
        raise RuntimeError("dropout probability has to be between 0 and 1, but got nan")


@checked
def gumbel_softmax(logits: Tensor, tau: float = 1, hard: Flag = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax((x + Gumbel noise) / τ): a sample from softmax(x) that has a gradient (Jang et al., 2017).

    `hard` gives the one-hot choice, with the gradient of the soft one. `eps` does nothing.
    """
    if eps != 1e-10:
        warn("`eps` parameter is deprecated and has no effect.")
    noise = -logits.new_empty(logits.shape).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    chosen = minitorch.zeros(logits.shape, dtype=logits.dtype, device=logits.device)
    chosen.scatter_(dim, soft.detach().max(dim, keepdim=True)[1], 1.0)
    return chosen - soft.detach() + soft


# ---- normalisation -------------------------------------------------------------------------------------------------


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


# ---- tables, distances, padding ------------------------------------------------------------------------------------


@checked
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that `input` numbers. With `max_norm` they are first scaled down to that norm, in place."""
    if padding_idx is not None:
        assert -weight.shape[0] <= padding_idx < weight.shape[0], "Padding_idx must be within num_embeddings"
        padding_idx %= weight.shape[0]
    if max_norm is not None and input.dtype in (minitorch.int64, minitorch.int32):  # others are refused below
        _shorten_rows(weight, input, max_norm, norm_type)
    return _embedding(weight, input, -1 if padding_idx is None else padding_idx, scale_grad_by_freq, sparse)


@no_grad()
def _shorten_rows(weight: Tensor, rows: Tensor, max_norm: float, norm_type: float) -> None:
    used = minitorch.tensor(sorted(set(rows.reshape(-1).tolist())), dtype=minitorch.int64)
    norms = weight[used].norm(norm_type, 1, keepdim=True)
    weight[used] = weight[used] * minitorch.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0)  # type: ignore[attr-defined]


@checked
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """⟨x₁, x₂⟩ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along `dim`"""
    if not eps >= 0:
        raise RuntimeError(f"eps must be non-negative, got: {eps}")
    dtype = promote_types(x1.dtype, x2.dtype)
    x1, x2 = broadcast_tensors(x1.to(dtype), x2.to(dtype))

    def at_least_eps(x: Tensor) -> Tensor:  # as in torch, the gradient of the norm passes even where it is clamped
        norm = x.norm(2, dim, keepdim=True)
        return norm + clamp_min(eps - norm.detach(), 0.0)

    return ((x1 / at_least_eps(x1)) * (x2 / at_least_eps(x2))).sum(dim)


@checked
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x₁ − x₂ + ε‖_p along the last dimension"""
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


@checked
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """More around x: `pad` is (left, right) of the last dimension, then of the one before it, and so on. Negative sizes cut off.

    mode: "constant" (`value`, 0 unless given), "reflect", "replicate" or "circular"; the last three pad the last 1 to 3 dimensions.

    >>> minitorch.nn.functional.pad(minitorch.tensor([[1, 2]]), (1, 0, 0, 1))
    tensor([[0, 1, 2],
            [0, 0, 0]])
    >>> minitorch.nn.functional.pad(minitorch.tensor([[1, 2, 3]]), (2, 1), "reflect")
    tensor([[3, 2, 1, 2, 3, 2]])
    """
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else float(value))
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    return pad_from_inside(input, pad, mode)
