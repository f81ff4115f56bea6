"""Activations: the functions between layers, with torch's conventions at their kinks.

Those with their own derivative earn it by stability (softmax, softplus) or cost (gelu); the others are a row. Faster forms
of the commonest stand in `kernels/cpu` and `kernels/cuda`. Read next: `reducing.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import as_number, device_of, to_numpy
from ..arrays.numbers import computing, fitting
from ..op import Array, Index, composite, elementwise, op, row
from ..op.half_precision import in_float32
from ..random.generator import Generator, chosen
from ..random.gpu import GpuGenerator
from ..random.uniform import uniform_in_double
from .dims import canonical_dim
from .elementwise import exp, tanh, where
from .gpu_draws import floats
from .reduce import sum_
from .special import erf, sigmoid, special

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- piecewise linear ----

relu = row("relu", "max(x, 0)", lambda xp, x: xp.maximum(0, x), lambda g, out: relu_grad(g, out), only="numbers", refusal=RuntimeError,
           takes_out=False, flat=True)  # fmt: skip


@elementwise(public=False)
def relu_grad(xp: Any, g_out: Array, out: Index) -> Array:
    """∂L/∂x = g where out > 0 (or nan), 0 elsewhere and at the kink"""
    return xp.where(out <= 0, xp.zeros((), g_out.dtype), g_out)


@relu_grad.grad("g_out")
def relu_grad_grad(g: Tensor, out: Tensor) -> Tensor:
    """the same mask again"""
    return relu_grad(g, out)


@elementwise(flat=True, only="floats", takes_out=False, numbers_by={"negative_slope": computing})
def leaky_relu(xp: Any, x: Array, negative_slope: float = 0.01) -> Array:
    """x for x > 0, slope · x otherwise"""
    return xp.where(x > 0, x, x * negative_slope)


@leaky_relu.grad
def leaky_relu_grad(g: Tensor, x: Tensor, negative_slope: float) -> Tensor:
    """∂L/∂x = g for x > 0, g · slope otherwise"""
    return where(x > 0, g, g * negative_slope)


@elementwise(flat=True, promote=None, name="_prelu_kernel", public=False, grad_fn="PreluKernelBackward0")
def prelu_kernel(xp: Any, x: Array, weight: Array) -> Array:
    """x for x > 0, w · x otherwise; w broadcasts with x"""
    return xp.where(x > 0, x, weight * x)


@prelu_kernel.grad("x")
def prelu_grad_x(g: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """∂L/∂x = g for x > 0, g · w otherwise"""
    return where(x > 0, g, weight * g)


@prelu_kernel.grad("weight")
def prelu_grad_weight(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂w = g · x for x ≤ 0, 0 otherwise"""
    return where(x > 0, 0.0, x * g)


@composite(only="floats", same_dtype="input weight")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x for x > 0, w · x otherwise; w has one element, or one per channel (dimension 1)."""
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.numel() not in (1, channels):
        raise RuntimeError(
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and channel "
            f"size = {channels}."
        )
    if weight.ndim and input.ndim > 1:
        weight = weight.reshape([-1 if d == 1 else 1 for d in range(input.ndim)])
    return prelu_kernel(input, weight.reshape(()) if input.ndim == 0 else weight)


@op(promote=None, name="rrelu_with_noise", public=False, only="floats", outputs=("out", "slopes"), grad_fn="RreluWithNoiseBackward0",
    flat=True, in_float32=True)  # fmt: skip
def rrelu_kernel(xp: Any, x: Array, lower: float, upper: float, generator: Generator | None) -> tuple[Array, Array]:
    """a · x, and a: drawn from U(lower, upper) for each x ≤ 0 in row-major order, 1 elsewhere"""
    g = chosen(generator, device_of(x))
    if isinstance(g, GpuGenerator):
        drawn = floats(g, xp, x, "uniform", lower, upper).reshape(x.shape)
        slopes = xp.where(x <= 0, drawn, as_number(xp, 1, x.dtype))
        return x * slopes, slopes
    below = to_numpy(x) <= 0
    slopes = np.ones(x.shape, x.dtype)
    slopes[below] = uniform_in_double(g, int(below.sum()), lower, upper)
    slopes = xp.asarray(slopes)
    return xp.ascontiguousarray(x * slopes).reshape(x.shape), slopes


@rrelu_kernel.grad("x")
def rrelu_grad(g: Tensor, x: Tensor, slopes: Tensor) -> Tensor:
    """∂L/∂x = g for x > 0, g · a otherwise"""
    return where(x > 0, g, g * slopes)


@composite(grad_fn="RreluWithNoiseBackward0")
def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """x for x > 0, a · x otherwise; in training each a is drawn from U(lower, upper), else it is their mean (Xu et al., 2015)"""
    for name, bound in (("lower", lower), ("upper", upper)):
        if not math.isfinite(bound):
            raise RuntimeError(f"rrelu: {name} bound must be finite, got {bound}")
    if lower > upper:
        raise RuntimeError(f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}")
    if not training:
        return leaky_relu(input.contiguous(), (lower + upper) / 2)
    if input.dtype is dtypes.float16:
        raise NotImplementedError("rrelu: training is not implemented for 'Half'; convert the input first, e.g. x.float()")
    return rrelu_kernel(input, lower, upper, generator)[0]


def _limit(value: Any, dtype: Any) -> Any:
    if dtype.kind == "u" and value < 0:
        raise RuntimeError(f"cannot do hardtanh on an unsigned type with negative limits, got {value}")
    return fitting(value, dtype)


@elementwise(
    flat=True, only="numbers", refusal=RuntimeError, takes_out=False, numbers_by={"min_val": _limit, "max_val": _limit}
)
def hardtanh(xp: Any, x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x moved into [min_val, max_val]"""
    if min_val > max_val:
        raise ValueError(f"min_val cannot be greater than max_val, got {min_val} and {max_val}")
    return xp.minimum(max_val, xp.maximum(min_val, x)).astype(x.dtype, copy=False)


@hardtanh.grad
def hardtanh_grad(g: Tensor, x: Tensor, min_val: float, max_val: float) -> Tensor:
    """∂L/∂x = 0 on the bounds and outside, g inside (and at nan)"""
    return where((x <= min_val) | (x >= max_val), 0.0, g)


@composite
def relu6(input: Tensor) -> Tensor:
    """min(max(x, 0), 6)"""
    return hardtanh(input, 0.0, 6.0)


@elementwise(flat=True, only="floats", takes_out=False)
def hardsigmoid(xp: Any, x: Array) -> Array:
    """min(max(x + 3, 0), 6) / 6"""
    return xp.minimum(xp.maximum(x + 3, 0), 6) / 6


@hardsigmoid.grad
def hardsigmoid_grad(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂x = g / 6 for −3 < x < 3 (torch's 1/6 is a float32, in float64 too)"""
    return where((x > -3) & (x < 3), g * _SIXTH, 0.0)


_SIXTH = float(np.float32(1 / 6))


@elementwise(only="floats", takes_out=False)
def hardswish(xp: Any, x: Array) -> Array:
    """x · min(max(x + 3, 0), 6) / 6"""
    return x * xp.minimum(xp.maximum(x + 3, 0), 6) / 6


@hardswish.grad
def hardswish_grad(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂x = g · (x / 3 + 1/2) for −3 < x < 3, g from 3 on (and at nan), 0 up to −3"""
    return where(x <= -3, 0.0, where(x < 3, g * (x / 3 + 0.5), g))


@elementwise(flat=True, only="floats", takes_out=False, numbers_by={"lambd": fitting})
def hardshrink(xp: Any, x: Array, lambd: float = 0.5) -> Array:
    """x where |x| > λ, 0 otherwise"""
    return xp.where((x >= -lambd) & (x <= lambd), xp.zeros_like(x), x)


@hardshrink.grad
def hardshrink_grad(g: Tensor, x: Tensor, lambd: float) -> Tensor:
    """∂L/∂x = 0 where |x| ≤ λ, g elsewhere"""
    return where((x >= -lambd) & (x <= lambd), 0.0, g)


@elementwise(flat=True, only="floats", takes_out=False, numbers_by={"lambd": fitting})
def softshrink(xp: Any, x: Array, lambd: float = 0.5) -> Array:
    """x moved towards 0 by λ, and 0 where |x| ≤ λ"""
    if not lambd >= 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return xp.where(x > lambd, x - lambd, xp.where(x < -lambd, x + lambd, x * 0))


@softshrink.grad
def softshrink_grad(g: Tensor, x: Tensor, lambd: float) -> Tensor:
    """∂L/∂x = 0 where |x| ≤ λ, g elsewhere"""
    return where((x >= -lambd) & (x <= lambd), 0.0, g)


@elementwise(flat=True, only="numbers", takes_out=False, numbers_by={"threshold": computing, "value": fitting})
def threshold(xp: Any, x: Array, threshold: float, value: float) -> Array:
    """x where x > threshold, `value` otherwise"""
    return xp.where(x <= threshold, as_number(xp, value, x.dtype), x)


@threshold.grad
def threshold_grad(g: Tensor, x: Tensor, threshold: float) -> Tensor:
    """∂L/∂x = g where x > threshold"""
    return where(x <= threshold, 0.0, g)


# ---- exponential ----


def _elu(xp: Any, x: Array, alpha: float, scale: float, input_scale: float) -> Array:
    return xp.where(x > 0, x * scale, xp.expm1(x * input_scale) * (alpha * scale))


@elementwise(name="elu", public=False, numbers_by={"alpha": computing, "scale": computing, "input_scale": computing})
def elu_kernel(xp: Any, x: Array, alpha: float, scale: float, input_scale: float) -> Array:
    """s · x for x > 0, s · α (e^(c·x) − 1) otherwise"""
    return _elu(xp, x, alpha, scale, input_scale)


@elu_kernel.grad
def elu_grad(g: Tensor, x: Tensor, alpha: float, scale: float, input_scale: float) -> Tensor:
    """∂L/∂x = g · s for x > 0, g · s α c e^(c·x) otherwise"""
    below = where(x < 0, x, 0.0)  # so that the second derivative at the kink is 0
    return where(x <= 0, g * (exp(below * input_scale) * (alpha * scale * input_scale)), g * scale)


@composite(only="floats")
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x for x > 0, α (eˣ − 1) otherwise"""
    return elu_kernel(input, alpha, 1.0, 1.0)


@composite(only="floats", grad_fn="CeluBackward0")
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x for x > 0, α (e^(x/α) − 1) otherwise"""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return elu_kernel(input, alpha, 1.0, 1.0 / alpha)


@composite(only="floats")
def selu(input: Tensor) -> Tensor:
    """s · elu(x, α) with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return elu_kernel(input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


silu = row("silu", "x · σ(x)", lambda xp, x: x * special(xp, "expit", x),
           lambda g, x: g * (sigmoid(x) * (1 + x * (1 - sigmoid(x)))), only="floats", takes_out=False)  # fmt: skip


@elementwise(only="floats", takes_out=False, numbers_by={"beta": computing, "threshold": computing})
def softplus(xp: Any, x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """ln(1 + e^(β x)) / β, and x itself where β x > threshold"""
    scaled = x * beta
    above = scaled > threshold
    return xp.where(above, x, xp.log1p(xp.exp(xp.where(above, scaled.dtype.type(0), scaled))) / beta)


@softplus.grad
def softplus_grad(g: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
    """∂L/∂x = g · σ(β x), and g above the threshold"""
    return where(x * beta > threshold, g, g * sigmoid(x * beta))


@elementwise(only="floats", takes_out=False)
def mish(xp: Any, x: Array) -> Array:
    """x · tanh(ln(1 + eˣ)) (Misra, 2019)"""
    return x * xp.tanh(softplus.forward(xp, x))


@mish.grad
def mish_grad(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂x = g · (t + x σ(x) (1 − t²)) with t = tanh(ln(1 + eˣ))"""
    t = tanh(softplus(x))
    return g * (t + x * sigmoid(x) * (1 - t * t))


@elementwise(grad_fn="LogSigmoidBackward0", only="floats", takes_out=False, keeps_layout=False)
def logsigmoid(xp: Any, x: Array) -> Array:
    """ln σ(x) = min(x, 0) − ln(1 + e^−|x|)"""
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))


@logsigmoid.grad
def logsigmoid_grad(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂x = g · σ(−x)"""
    return g * sigmoid(-x)


@composite
def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)"""
    return input / (input.abs() + 1)


@composite
def tanhshrink(input: Tensor) -> Tensor:
    """x − tanh x"""
    return input - tanh(input)


@composite(only="floats", grad_fn="GluBackward0")
@in_float32
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · σ(b), for the two halves a, b of x along `dim` (Dauphin et al., 2016)"""
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = canonical_dim(dim, input.ndim)
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    a, b = input.chunk(2, dim)
    return a * sigmoid(b)


# ---- gelu ----


@elementwise(only="floats", takes_out=False, by_keyword="approximate")
def gelu(xp: Any, x: Array, approximate: str = "none") -> Array:
    """x · Φ(x), Φ the normal distribution function; "tanh" approximates it (Hendrycks and Gimpel, 2016)."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate!r}")
    if approximate == "tanh":
        return 0.5 * x * (1 + xp.tanh(_inner(x)))
    return 0.5 * x * (1 + special(xp, "erf", x * _SQRT_HALF))


@gelu.grad
def gelu_grad(g: Tensor, x: Tensor, approximate: str) -> Tensor:
    """∂L/∂x = g · (Φ(x) + x φ(x)), φ the normal density; or the same of the tanh form"""
    if approximate == "tanh":
        t = tanh(_inner(x))
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (_SQRT_2_OVER_PI * (1 + 3 * 0.044715 * x * x)))
    return g * (0.5 * (1 + erf(x * _SQRT_HALF)) + x * exp(-0.5 * x * x) / _SQRT_2_PI)


_SQRT_HALF, _SQRT_2_PI, _SQRT_2_OVER_PI = math.sqrt(0.5), math.sqrt(2 * math.pi), math.sqrt(2 / math.pi)


def _inner(x: Any) -> Any:
    return _SQRT_2_OVER_PI * (x + 0.044715 * (x * x * x))


# ---- softmax ----


@op(promote=None, name="softmax", public=False, in_float32=True)
def softmax_kernel(xp: Any, x: Array, dim: int) -> Array:
    """p_i = exp(x_i) / Σ_j exp(x_j) along `dim`, shifted by the largest x: exp cannot overflow."""
    axis = canonical_dim(dim, x.ndim)
    _floating("softmax", x)
    if not x.size:
        return x.copy()
    if not x.ndim:
        return xp.exp(x - x)
    e = xp.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@softmax_kernel.grad
def softmax_grad(g: Tensor, out: Tensor, dim: int) -> Tensor:
    """∂L/∂x = p · (g − ⟨g, p⟩)"""
    p, weighted = out, g * out
    return weighted - p * sum_(weighted, dim, keepdim=True)


@composite
def softmax(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """p_i = exp(x_i) / Σ_j exp(x_j) along `dim`: positive numbers that sum to 1.

    >>> minitorch.tensor([0.0, 0.0]).softmax(0)
    tensor([0.5000, 0.5000])
    """
    return softmax_kernel(input if dtype is None else input.to(dtype), dim)


@op(promote=None, name="log_softmax", public=False, in_float32=True)
def log_softmax_kernel(xp: Any, x: Array, dim: int) -> Array:
    """ln p_i = x_i − ln Σ_j exp(x_j) along `dim`, shifted by the largest x."""
    axis = canonical_dim(dim, x.ndim)
    _floating("log_softmax", x)
    if not x.size:
        return x.copy()
    if not x.ndim:
        return x - x
    shifted = x - x.max(axis, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis, keepdims=True))


@log_softmax_kernel.grad
def log_softmax_grad(g: Tensor, out: Tensor, dim: int) -> Tensor:
    """∂L/∂x = g − p Σ g"""
    return g - exp(out) * sum_(g, dim, keepdim=True)


softmax_kernel.row_major = log_softmax_kernel.row_major = True  # unlike the elementwise functions around them


@composite
def log_softmax(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """ln softmax(x) along `dim`, computed without taking the logarithm of a small number."""
    return log_softmax_kernel(input if dtype is None else input.to(dtype), dim)


@composite
def softmin(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """softmax(−x)"""
    return softmax(-input, dim, dtype)


def _floating(name: str, x: Array) -> None:
    if x.dtype.kind in "iub" and x.size:
        kind = dtypes.SCALAR_NAMES[dtypes.from_numpy_dtype(x.dtype).name]
        raise NotImplementedError(f"\"{name}\" not implemented for '{kind}'; convert the input first, e.g. x.float()")
