"""The arithmetic of quantized layers: sums of products of integers, and how such a sum becomes an integer again.

A number is x = (q − z) · s  (`../arrays/quantized.py`). A layer's output is therefore

    y_j = Σ_i x_i w_ji + b_j = s_x s_w · ( Σ_i (q_i − z_x)(p_ji − z_w) + b_j / (s_x s_w) )

The sum is of integers alone. *Requantization* makes an integer of the output, which has a scale and a zero point of its own:

    q_y = clamp( round( (Σ + b / (s_x s_w)) · (s_x s_w / s_y) ) + z_y )

torch's kernels keep the sums in 32 bits, and so do these numbers fit; here BLAS adds them up in a float dtype that holds each of
them exactly. What is rounded, and in which dtype, is as in torch's kernels, so that the integers are the same: the two products of scales
in float32. Kernels differ in how the bias takes part: `state.engine`. Read next: `../ao/nn/quantized/modules/linear.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import blas
from ..arrays.dtypes import dtype, qint8, quint8
from ..arrays.quantized import PerChannel, PerTensor, QArray, limits, quantized, state
from .convolution import Sliding, _image_size, conv, conv_transpose, sliding

f32 = np.float32

# ---- the parameters that suit numbers ----

_SMALLEST_SCALE = float(f32(6.1e-5))  # torch's kernels make no smaller one


def chosen_for(x: np.ndarray, dtype: dtype = quint8, reduce_range: bool = False) -> PerTensor:
    """The scale and the zero point for which the integers just hold all of x: dynamic quantization finds them anew for each input.

    reduce_range: with half of the integers, so that pairs of products fit into 16 bits where an instruction adds them there.
    """
    q_min, q_max = limits(dtype)
    if reduce_range:
        q_min, q_max = int(q_min / 2), int(q_max / 2)
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
    return chosen_between(low, high, q_min, q_max)


def chosen_between(low: float, high: float, q_min: int, q_max: int, symmetric: bool = False) -> PerTensor:
    """The scale and the zero point for numbers from low to high, and 0 exactly.

    s = (high − low) / (q_max − q_min),   z = round(q_min − low / s), or the same from the other end: whichever errs less.
    symmetric: 0 is the middle integer, if there are numbers on both sides.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    middle = symmetric and low < 0 < high
    if middle:
        half = (q_max - q_min) // 2
        widest = max(abs(f32(low) / f32(-half - 1)), abs(f32(high) / f32(half)))
        low, high = float(widest * f32(-half - 1)), float(widest * f32(half))
    scale = (high - low) / (q_max - q_min)
    with np.errstate(all="ignore"):
        if f32(scale) == 0 or np.isinf(f32(1) / f32(scale)):
            scale = 0.1
    if scale < _SMALLEST_SCALE:
        low, high = _widened(low, high, scale, q_max - q_min)
        scale = _SMALLEST_SCALE
    error_below, error_above = abs(q_min) + abs(low / scale), abs(q_max) + abs(high / scale)
    zero_point = q_min - low / scale if error_below < error_above else q_max - high / scale
    if middle:
        zero_point = (q_min + q_max) / 2
    return PerTensor(scale, int(np.rint(min(max(zero_point, q_min), q_max))))


def _widened(low: float, high: float, scale: float, steps: int) -> tuple[float, float]:
    """The ends that the smallest scale has."""
    if low == 0:
        return low, float(f32(_SMALLEST_SCALE * steps))
    if high == 0:
        return float(-f32(_SMALLEST_SCALE * steps)), high
    wider = f32(_SMALLEST_SCALE / scale)
    return float(f32(low) * wider), float(f32(high) * wider)


# ---- sums of products of integers ----


def centred(q: QArray, dtype: Any) -> np.ndarray:
    """q − z: integers in which 0 stands for 0, as floats that hold them exactly."""
    _, zero_point = q.params.along(q.ndim)
    return q.integers.astype(dtype) - np.asarray(zero_point, dtype)


def _exact(terms: int) -> Any:
    """The float dtype in which sums of so many products of 8-bit integers, less their zero points, are exact."""
    return np.float32 if terms * 255 * 255 < 2**24 else np.float64


def linear_sums(x: QArray, weight: QArray) -> np.ndarray:
    """Σ_i (q_i − z_x)(p_ji − z_w): x (…, I), weight (O, I), sums (…, O)."""
    dtype = _exact(weight.shape[1])
    return blas.matmul(np, centred(x, dtype), np.ascontiguousarray(centred(weight, dtype).T))


def conv_sums(x: QArray, weight: QArray, how: Any, groups: int, transposed: bool = False) -> np.ndarray:
    """The same over the windows of a convolution. Padding is by the integer z_x, which less z_x is 0."""
    dtype = _exact(int(np.prod(weight.shape[1:])) * (weight.shape[0] if transposed else 1))
    op = conv_transpose if transposed else conv
    return op.compute(np, centred(x, dtype), centred(weight, dtype), None, how, groups)


# ---- from a sum to an integer ----


def requantized(
    sums: np.ndarray, scales: Any, bias: np.ndarray | None, out: PerTensor, dtype: dtype, relu: bool = False
) -> QArray:
    """The output as integers. scales: s_x s_w, in float32; bias: b; both broadcast with the sums. relu: nothing below 0.

    x86 and fbgemm add b / (s_x s_w) as a float; qnnpack rounds it to an integer first.
    """
    low, high = limits(dtype)
    if relu:
        low = max(low, out.zero_point)
    total = sums.astype(f32)
    if bias is not None:
        share = bias / scales
        total = total + share if state.engine != "qnnpack" else (sums + np.rint(share)).astype(f32)
    places = np.rint(total * (scales / f32(out.scale))).astype(np.float64) + out.zero_point
    return QArray(np.clip(places, low, high).astype(dtype.integers), out, dtype)


def scales_of(x: QArray, weight: QArray, channels: int, ndim: int) -> np.ndarray:
    """s_x s_w for each output channel, in float32, with `ndim` dimensions after the channels."""
    scale = weight.params.scales if isinstance(weight.params, PerChannel) else np.full(channels, weight.params.scale)
    return (f32(x.params.scale) * scale.astype(f32)).reshape(-1, *[1] * ndim)  # type: ignore[union-attr]


def linear(x: QArray, weight: QArray, bias: np.ndarray | None, out: PerTensor, relu: bool = False) -> QArray:
    """y = x Wᵀ + b, quantized; `relu`: max(y, 0)."""
    check_input("linear", x, weight)
    if x.shape[-1] != weight.shape[1]:
        raise RuntimeError(
            f"The number of rows in the packB should be equal to K: the input of shape {tuple(x.shape)} has {x.shape[-1]} features, the "
            f"quantized linear layer takes {weight.shape[1]}"
        )
    return requantized(linear_sums(x, weight), scales_of(x, weight, len(weight), 0), bias, out, x.dtype, relu)


def convolution(
    x: QArray,
    weight: QArray,
    bias: np.ndarray | None,
    out: PerTensor,
    steps: Sequence[Any],
    groups: int,
    relu: bool = False,
    transposed: Sequence[int] | None = None,
) -> QArray:
    """A convolution, quantized. steps: stride, padding, dilation; transposed: the output padding of a transposed one."""
    n = weight.ndim - 2
    check_input(f"conv{n}d", x, weight)
    if x.ndim != n + 2:
        raise RuntimeError(f"Expected activation data tensor of {n + 2} dimensions (N, C, …), got shape {tuple(x.shape)}")
    channels = weight.shape[0] if transposed is not None else weight.shape[1] * groups
    if x.shape[1] != channels:
        raise RuntimeError(
            f"[QConv{n}D] Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(x.shape)} to have {channels} "
            f"channels, but got {x.shape[1]} channels instead"
        )
    size, kernel = x.shape[2:], weight.shape[2:]
    if transposed is None:
        how = sliding(size, kernel, *steps)
    else:
        stride, padding, dilation = map(tuple, steps)
        image = _image_size(size, kernel, stride, padding, dilation, tuple(transposed))
        how = Sliding(image, kernel, stride, padding, dilation, size)
    sums = conv_sums(x, weight, how, groups, transposed is not None)
    scales = scales_of(x, weight, sums.shape[1], n)
    return requantized(sums, scales, None if bias is None else bias.reshape(-1, *[1] * n), out, x.dtype, relu)


def check_input(name: str, x: Any, weight: QArray) -> None:
    """RuntimeError for an input that is not quantized as layers take it."""
    if not isinstance(x, QArray):
        raise NotImplementedError(
            f"Could not run 'quantized::{name}' with arguments from the 'CPU' backend: a quantized layer takes a quantized tensor; in a "
            "model a QuantStub stands before the first of them, and becomes Quantize() when the model is converted"
        )
    if not isinstance(x.params, PerTensor) or x.dtype not in (quint8, qint8):
        raise RuntimeError(f"quantized::{name}: Expected activation data type QUInt8 with one scale but got {x.dtype!r}")
    if weight.dtype is not qint8:
        raise RuntimeError(f"quantized::{name}: the weight must be of qint8, got {weight.dtype!r}")


# ---- dynamic: the input is quantized on the way, the output is floats ----


def linear_dynamic(x: np.ndarray, weight: QArray, bias: np.ndarray | None, reduce_range: bool = True) -> np.ndarray:
    """y = s_x s_w · Σ + b: the input's scale is chosen for the numbers it has this time."""
    if x.shape[-1] != weight.shape[1]:
        raise RuntimeError(
            f"The size of tensor A at dimension {x.ndim - 1} should be {weight.shape[1]} (in_features), got an input of shape {x.shape}"
        )
    q = quantized(x, chosen_for(x, quint8, reduce_range), quint8)
    y = linear_sums(q, weight).astype(f32) * scales_of(q, weight, len(weight), 0)
    return y if bias is None else y + bias


# ---- elementwise ----


def add(a: QArray, b: QArray, out: PerTensor, relu: bool = False) -> QArray:
    """a + b: scales differ, so the numbers are added and the sum is quantized."""
    total = a.dequantized() + b.dequantized()
    return quantized(np.maximum(total, 0) if relu else total, out, a.dtype)


def mul(a: QArray, b: QArray, out: PerTensor) -> QArray:
    """a · b: (q_a − z_a)(q_b − z_b) is an integer, and s_a s_b / s_y takes it to the output's scale."""
    scale = f32(a.params.scale) * f32(b.params.scale) * (f32(1) / f32(out.scale))  # type: ignore[union-attr]
    places = np.rint((centred(a, f32) * centred(b, f32)) * scale) + out.zero_point
    low, high = limits(a.dtype)
    return QArray(np.clip(places, low, high).astype(a.dtype.integers), out, a.dtype)


def matmul(a: QArray, b: QArray, out: PerTensor) -> QArray:
    """a @ b of two activations."""
    dtype = _exact(a.shape[-1])
    sums = blas.matmul(np, centred(a, dtype), centred(b, dtype))
    return requantized(sums, f32(a.params.scale) * f32(b.params.scale), None, out, a.dtype)  # type: ignore[union-attr]


def add_scalar(a: QArray, number: float, relu: bool = False) -> QArray:
    """a + c: the zero point moves by c / s, and no integer changes, as long as the zero point stays within the dtype."""
    scale, zero_point = a.params.scale, a.params.zero_point  # type: ignore[union-attr]
    low, high = limits(a.dtype)
    moved = zero_point - int(np.rint(number / scale))
    if low <= moved <= high:
        out = QArray(a.integers.copy(), PerTensor(scale, moved), a.dtype)
    else:  # the range begins (or ends) beyond 0: a larger scale takes both in
        end = low if moved < low else high
        reach = (high - moved) if moved < low else (moved - low)
        params = PerTensor(reach / (high - low) * scale, end)
        numbers = (a.integers.astype(f32) - f32(moved)) * f32(scale)
        out = quantized(numbers, params, a.dtype)
    return out.like(np.maximum(out.integers, out.params.zero_point)) if relu else out  # type: ignore[union-attr]


def mul_scalar(a: QArray, number: float) -> QArray:
    """c · a: the scale is multiplied; for c < 0 the integers are mirrored too; for 0 nothing is left."""
    scale, zero_point = a.params.scale, a.params.zero_point  # type: ignore[union-attr]
    low, high = limits(a.dtype)
    if number == 0:
        return QArray(np.zeros_like(a.integers), PerTensor(1.0, 0), a.dtype)
    if number > 0:
        return QArray(a.integers.copy(), PerTensor(number * scale, zero_point), a.dtype)
    mirrored = (low + high - a.integers.astype(np.int64)).astype(a.dtype.integers)
    return QArray(mirrored, PerTensor(-number * scale, low + high - zero_point), a.dtype)


def batch_norm(x: QArray, parameters: Sequence[Any], eps: float, out: PerTensor, relu: bool = False) -> QArray:
    """(x − mean) / √(var + ε) · w + b of each channel: (q − z) a + c, where the scales are in a and c beforehand.

    parameters: w, b, mean and var.
    """
    weight, bias, mean, var = parameters
    shape = (1, -1, *[1] * (x.ndim - 2))
    invert = weight / np.sqrt(var + f32(eps))
    factor = (invert * f32(x.params.scale) / f32(out.scale)).reshape(shape)  # type: ignore[union-attr]
    shift = ((bias - mean * invert) / f32(out.scale)).reshape(shape)
    low, high = limits(x.dtype)
    places = np.rint(centred(x, f32) * factor + shift) + out.zero_point
    return QArray(np.clip(places, max(low, out.zero_point) if relu else low, high).astype(x.dtype.integers), out, x.dtype)
