"""Fake quantization: numbers rounded to those that quantized integers could stand for, and left floats.

A network that is trained with it learns weights that stand the rounding. The derivative of rounding is 0 almost everywhere, so nothing
would be learned through it; the *straight-through estimator* takes it for the identity where nothing is cut off, and for 0 where a
number lies beyond the ends (Bengio et al. 2013, "Estimating or propagating gradients through stochastic neurons").
Read next: `../ao/quantization/fake_quantize.py`, the module; `../arrays/quantized.py`, real quantization.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..arrays.device import must_hold
from ..op import Array, Index, composite, op
from .dims import canonical_dim
from .shape import reshape

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(
    promote=None,
    public=False,
    only="floats",
    in_float32=True,
    keeps_layout=True,
    outputs=("out", "mask"),
    grad_fn=lambda form: f"FakeQuantizePer{form}Backward0",
)
def fake_quantize(
    xp: Any, x: Array, scale: Index, zero_point: Index, quant_min: int, quant_max: int, form: str
) -> tuple[Array, Array]:
    """(clamp(round(x / s) + z, q_min, q_max) − z) · s, and where nothing was cut off. A float z is added before rounding."""
    # (What is rounded, and in which dtype, is as in torch's kernels: of float64 too the products with one scale are float32's.)
    if zero_point.dtype.kind == "f":
        q = xp.rint(x.astype("float32") * (1 / scale) + zero_point).astype("float64")
    else:
        within = (zero_point >= quant_min) & (zero_point <= quant_max)
        must_hold(
            within.all(),
            RuntimeError,
            f"`zero_point` must be between `quant_min` and `quant_max`: {quant_min}, {quant_max}.",
        )
        q = xp.rint(x * (1 / scale)).astype("float64") + zero_point
    # torch's kernels make q_min of nan; the one for channels also of what 64 bits do not hold.
    q = xp.where((q != q) | ((abs(q) >= 2.0**63) & (scale.ndim > 0)), -xp.inf, q)
    kept = (q >= quant_min) & (q <= quant_max)
    steps = xp.clip(q, quant_min, quant_max) - zero_point
    return ((steps if scale.ndim else steps.astype("float32")) * scale).astype(x.dtype), kept


@fake_quantize.grad
def fake_quantize_grad(g: Tensor, mask: Tensor) -> Tensor:
    """∂L/∂x = g where nothing was cut off, 0 elsewhere: the straight-through estimator"""
    return g * mask


@composite
def fake_quantize_per_tensor_affine(
    input: Tensor, scale: Tensor | float, zero_point: Tensor | int, quant_min: int, quant_max: int
) -> Tensor:
    """x rounded to the numbers (q − z) · s of the integers q from quant_min to quant_max, all with one scale.

    The derivative is 1 where x lies between the ends and 0 beyond. No gradient flows to a scale that is a tensor.

    >>> x = minitorch.tensor([0.26, 0.74, 9.0], requires_grad=True)
    >>> y = minitorch.fake_quantize_per_tensor_affine(x, 0.5, 0, 0, 7)
    >>> y.detach(), minitorch.autograd.grad(y.sum(), x)
    (tensor([0.5000, 0.5000, 3.5000]), (tensor([1., 1., 0.]),))
    """
    form = "TensorAffineCachemask"
    _check_limits(quant_min, quant_max)
    if hasattr(scale, "_array") and hasattr(zero_point, "_array"):
        form += "TensorQparams"
    else:
        scale, zero_point = float(scale), int(zero_point)
    scales, zero_points = _as_tensor(input, scale, dtypes.float32), _as_tensor(input, zero_point, dtypes.int32)
    if scales.numel() != 1 or zero_points.numel() != 1:
        raise RuntimeError(
            f"fake_quantize_per_tensor_affine: expected one scale and one zero point, got {scales.numel()} and {zero_points.numel()}; "
            "fake_quantize_per_channel_affine takes one for each channel"
        )
    scales, zero_points = reshape(scales, ()), reshape(zero_points, ())
    return fake_quantize(input, scales, zero_points, quant_min, quant_max, form)[0]


@composite
def fake_quantize_per_channel_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
) -> Tensor:
    """The same with a scale and a zero point for each index of the dimension `axis`; zero points are int32, or floats."""
    if scale.dtype not in (dtypes.float32, dtypes.bfloat16):
        raise RuntimeError(
            f"Scale must be Float or BFloat16, found {dtypes.SCALAR_NAMES[scale.dtype.name]}; convert it with .float()"
        )
    if zero_point.dtype not in (dtypes.int32, dtypes.float32, dtypes.float16):
        found = dtypes.SCALAR_NAMES[zero_point.dtype.name]
        raise RuntimeError(f"Zero-point must be Int32, Float or Half, found {found}; convert it with .int()")
    if scale.ndim != 1 or zero_point.ndim != 1:
        raise RuntimeError("scale and zero point should be 1-D tensors, one number for each channel")
    if scale.numel() != zero_point.numel():
        raise RuntimeError(
            f"scale and zero-point need to have the same dimensions, got {scale.numel()} and {zero_point.numel()} numbers"
        )
    if axis < 0:
        raise RuntimeError(f"`axis` must be between 0 and number of dimensions of input, got {axis}")
    axis = canonical_dim(axis, input.ndim)
    if scale.numel() != input.shape[axis]:
        raise RuntimeError(
            f"dimensions of scale and zero-point are not consistent with input tensor: {scale.numel()} scales, but dimension {axis} of "
            f"shape {tuple(input.shape)} has {input.shape[axis]} channels"
        )
    _check_limits(quant_min, quant_max)
    shape = [-1 if d == axis else 1 for d in range(input.ndim)]
    scales, zero_points = reshape(scale.detach().float(), shape), reshape(zero_point.detach(), shape)
    return fake_quantize(input, scales, zero_points, quant_min, quant_max, "ChannelAffineCachemask")[0]


def _as_tensor(x: Tensor, value: Any, dtype: dtypes.dtype) -> Tensor:
    """The value as a tensor without a history, on the device of x."""
    if not hasattr(value, "_array"):
        return x.new_tensor(value, dtype=dtype)
    if value.requires_grad:
        raise RuntimeError(
            "The function '_fake_quantize_per_tensor_affine_cachemask_tensor_qparams' is not differentiable with respect to its scale and "
            "zero point: detach() them"
        )
    return value.to(dtype) if value.dtype is not dtype else value


def _check_limits(quant_min: int, quant_max: int) -> None:
    if quant_min > quant_max:
        raise RuntimeError(f"`quant_min` should be less than or equal to `quant_max`, got {quant_min} and {quant_max}.")
