"""Activations: those with `inplace`, and those along a dimension that may be left out.

The formulas and derivatives are in `minitorch/ops/activation.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import minitorch
from minitorch.arrays.warning import warn
from minitorch.op import named
from minitorch.op.declaration import SignatureLater
from minitorch.op.signature import Flag, checked
from minitorch.ops import activation as _activation
from minitorch.ops.activation import gelu, glu, hardshrink, logsigmoid, prelu, softplus, softshrink, softsign, tanhshrink
from minitorch.ops.elementwise import tanh
from minitorch.ops.special import sigmoid
from minitorch.tensor import Tensor

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6", "relu_", "rrelu",
    "rrelu_", "selu", "selu_", "sigmoid", "silu", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
    "threshold", "threshold_",
]  # fmt: skip

# ---- with `inplace` ----


def _in_place(function: Callable, input: Tensor, *options: Any, grad_fn: str = "") -> Tensor:
    """Write function(input) into input's memory; backward keeps a copy of what was there."""

    def written(x: Tensor) -> Tensor:
        return function(x.clone(), *options)

    return input._update(named(written, grad_fn) if grad_fn else written)


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
        return _in_place(_activation.leaky_relu, input, negative_slope, grad_fn="LeakyReluBackward1")
    return _activation.leaky_relu(input, negative_slope)


@checked
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: Flag = False
) -> Tensor:
    """x for x > 0, a · x otherwise; in training each a is drawn from U(lower, upper), else it is their mean"""
    if inplace:
        return _in_place(_activation.rrelu, input, lower, upper, training, grad_fn="RreluWithNoiseBackward1")
    return _activation.rrelu(input, lower, upper, training)


@checked
def threshold(input: Tensor, threshold: float, value: float, inplace: Flag = False) -> Tensor:
    """x for x > threshold, `value` otherwise"""
    if inplace:
        return _in_place(_activation.threshold, input, threshold, value, grad_fn="ThresholdBackward1")
    return _activation.threshold(input, threshold, value)


@checked
def elu(input: Tensor, alpha: float = 1.0, inplace: Flag = False) -> Tensor:
    """x for x > 0, α (eˣ − 1) otherwise"""
    if inplace:
        return _in_place(_activation.elu, input, alpha, grad_fn="EluBackward1")
    return _activation.elu(input, alpha)


@checked
def celu(input: Tensor, alpha: float = 1.0, inplace: Flag = False) -> Tensor:
    """x for x > 0, α (e^(x/α) − 1) otherwise"""
    if inplace:
        return _in_place(_activation.celu, input, alpha, grad_fn="CeluBackward1")
    return _activation.celu(input, alpha)


@checked
def selu(input: Tensor, inplace: Flag = False) -> Tensor:
    """A scaled ELU that keeps mean 0 and variance 1"""
    return _in_place(_activation.selu, input, grad_fn="EluBackward1") if inplace else _activation.selu(input)


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
    made.__signature__ = SignatureLater(lambda: _without_inplace(inspect.signature(function)))
    made.__name__ = made.__qualname__ = f"{function.__name__}_"
    made.__doc__ = f"{function.__doc__}, written into x"
    return made


def _without_inplace(signature: inspect.Signature) -> inspect.Signature:
    return signature.replace(parameters=[p for p in signature.parameters.values() if p.name != "inplace"])


celu_, elu_, hardtanh_, leaky_relu_ = _writing(celu), _writing(elu), _writing(hardtanh), _writing(leaky_relu)
relu_, rrelu_, selu_, threshold_ = _writing(relu), _writing(rrelu), _writing(selu), _writing(threshold)


# ---- along a dimension ----


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
