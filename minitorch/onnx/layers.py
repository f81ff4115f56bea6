"""Convolutions, normalization, tables and resampling in ONNX. Read next: `table.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .builder import Builder, Ref, as_list
from .errors import Unsupported
from .pooling import adaptive_pool, as_before, batched


def conv(
    b: Builder,
    input: Ref,
    weight: Ref,
    bias: Ref | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    n = weight.ndim - 2
    batch = batched(b, input, n)
    strides, dilations = as_list(stride, n), as_list(dilation, n)
    pads: list[int] | None = None
    if padding == "same":  # torch puts the odd one behind
        totals = [d * (k - 1) for d, k in zip(dilations, _kernel(weight))]
        pads = [t // 2 for t in totals] + [t - t // 2 for t in totals]
    elif padding != "valid":
        pads = as_list(padding, n) * 2
    found = b.op(
        "Conv",
        batch,
        weight,
        bias,
        strides=strides,
        pads=pads,
        dilations=dilations,
        group=groups,
        kernel_shape=_kernel(weight),
    )
    return as_before(b, found, input, n)


def conv_transpose(
    b: Builder,
    input: Ref,
    weight: Ref,
    bias: Ref | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    n = weight.ndim - 2
    if any(o >= s for o, s in zip(as_list(output_padding, n), as_list(stride, n))):
        raise Unsupported("with output_padding that is not smaller than the stride, which runtimes refuse")
    options: dict[str, Any] = {
        "strides": as_list(stride, n),
        "pads": as_list(padding, n) * 2,
        "output_padding": as_list(output_padding, n),
    }
    found = b.op(
        "ConvTranspose", batched(b, input, n), weight, bias, **options, dilations=as_list(dilation, n), group=groups
    )
    return as_before(b, found, input, n)


def _kernel(weight: Ref) -> list[int]:
    return [int(k) for k in weight.shape[2:] if k is not None]


# ---- normalization ----


def batch_norm(
    b: Builder,
    input: Ref,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if training or running_mean is None:
        return _by_batch(b, input, weight, bias, eps)
    channels = running_mean.shape
    scale = np.ones(channels, input.dtype) if weight is None else weight
    shift = np.zeros(channels, input.dtype) if bias is None else bias
    return b.op("BatchNormalization", input, scale, shift, running_mean, running_var, epsilon=eps)


def _by_batch(b: Builder, input: Ref, weight: Any, bias: Any, eps: float) -> Any:
    """By the batch's own mean and variance."""
    axes = np.array([0, *range(2, input.ndim)], np.int64)
    away = b.op("Sub", input, b.op("ReduceMean", input, axes, keepdims=1))
    variance = b.op("ReduceMean", b.op("Mul", away, away), axes, keepdims=1)
    found = b.op("Div", away, b.op("Sqrt", b.op("Add", variance, b.number(eps))))
    return _affine(b, found, weight, bias, input.ndim - 2)


def _affine(b: Builder, x: Any, weight: Any, bias: Any, trailing: int) -> Any:
    """weight · x + bias, one of each for a channel."""
    for kind, each in (("Mul", weight), ("Add", bias)):
        x = x if each is None else b.op(kind, x, b.reshape(each, [-1] + [1] * trailing) if trailing else each)
    return x


def instance_norm(
    b: Builder,
    input: Ref,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if not use_input_stats:
        return batch_norm(b, input, running_mean, running_var, weight, bias, False, momentum, eps)
    c = input.shape[1]
    scale = np.ones(c or 0, input.dtype) if weight is None else weight
    shift = np.zeros(c or 0, input.dtype) if bias is None else bias
    return b.op("InstanceNormalization", input, scale, shift, epsilon=eps)


def group_norm(b: Builder, input: Ref, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Each group as one channel of an instance norm; then each channel's weight and bias."""
    grouped = b.op("Reshape", input, np.array([0, num_groups, -1], np.int64))
    ones, zeros = np.ones(num_groups, input.dtype), np.zeros(num_groups, input.dtype)
    found = b.op("InstanceNormalization", grouped, ones, zeros, epsilon=eps)
    return _affine(b, b.op("Reshape", found, b.op("Shape", input)), weight, bias, input.ndim - 2)


def layer_norm(
    b: Builder, input: Ref, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    scale = np.ones(shape, input.dtype) if weight is None else weight
    return b.op("LayerNormalization", input, scale, bias, axis=-len(shape), epsilon=eps)


def rms_norm(b: Builder, input: Ref, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """x / √(mean(x²) + ε) · weight"""
    n = len(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else 1
    mean = b.op("ReduceMean", b.op("Mul", input, input), np.arange(-n, 0), keepdims=1)
    small = np.finfo(input.dtype).eps if eps is None else eps
    found = b.op("Div", input, b.op("Sqrt", b.op("Add", mean, b.number(small))))
    return found if weight is None else b.op("Mul", found, weight)


def local_response_norm(b: Builder, input: Ref, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """ONNX's windows have the odd channel behind, torch's before: an even size is another window."""
    if size % 2 == 0:
        raise Unsupported("with an even size, whose windows are others in ONNX")
    if input.ndim not in (3, 4):
        raise Unsupported("of volumes, which runtimes do not have it for")
    last = np.array([-1], np.int64)
    planes = b.op("Unsqueeze", input, last) if input.ndim == 3 else input  # runtimes have it for planes
    found = b.op("LRN", planes, size=size, alpha=float(alpha), beta=float(beta), bias=float(k))
    return b.op("Squeeze", found, last) if input.ndim == 3 else found


# ---- tables ----


def embedding(b: Builder, input: Ref, weight: Ref, *args: Any, max_norm: Any = None, **options: Any) -> Any:
    if max_norm is not None or (len(args) > 1 and args[1] is not None):
        raise Unsupported("with max_norm, which changes the weights when it is called")
    return b.op("Gather", weight, input)


def embedding_bag(
    b: Builder,
    input: Ref,
    weight: Ref,
    offsets: Any = None,
    max_norm: Any = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Bags of one size: (N, bag) → (N, features)"""
    if input.ndim != 2 or max_norm is not None or padding_idx is not None:
        raise Unsupported("of bags of several sizes" if input.ndim != 2 else "with max_norm or padding_idx")
    rows = b.op("Gather", weight, input)
    if per_sample_weights is not None:
        rows = b.op("Mul", rows, b.op("Unsqueeze", per_sample_weights, np.array([-1], np.int64)))
    kind = {"mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax"}[mode]
    return b.op(kind, rows, np.array([1], np.int64), keepdims=0)


# ---- windows ----


def unfold(b: Builder, input: Ref, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The windows as columns: a convolution whose kernels pick one element each."""
    if input.ndim != 4 or input.shape[1] is None:
        raise Unsupported("of an input that is not (N, C, H, W) with as many channels in each run")
    (h, w), c = as_list(kernel_size, 2), input.shape[1]
    picks = np.tile(np.eye(h * w, dtype=input.dtype).reshape(h * w, 1, h, w), (c, 1, 1, 1))
    options: dict[str, Any] = {
        "strides": as_list(stride, 2),
        "pads": as_list(padding, 2) * 2,
        "dilations": as_list(dilation, 2),
    }
    found = b.op("Conv", input, picks, **options, group=c, kernel_shape=[h, w])
    return b.op("Reshape", found, np.array([0, c * h * w, -1], np.int64))


def fold(
    b: Builder, input: Ref, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    if input.ndim != 3:
        raise Unsupported("of a sample without a batch")
    options: dict[str, Any] = {
        "strides": as_list(stride, 2),
        "pads": as_list(padding, 2) * 2,
        "dilations": as_list(dilation, 2),
    }
    return b.op("Col2Im", input, np.array(as_list(output_size, 2)), np.array(as_list(kernel_size, 2)), **options)


def interpolate(
    b: Builder,
    input: Ref,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    n = input.ndim - 2
    if antialias or input.dtype.kind != "f":
        raise Unsupported("with antialias, for which runtimes have other weights" if antialias else "of integers")
    if mode == "area":
        if size is None:
            raise Unsupported("mode 'area' with scale_factor; give the size")
        return adaptive_pool(n, "Average")(b, input, size)
    kind, transform, nearest = {
        "nearest": ("nearest", "asymmetric", "floor"),
        "nearest-exact": ("nearest", "half_pixel", "round_prefer_ceil"),
    }.get(mode, ("cubic" if mode == "bicubic" else "linear", "align_corners" if align_corners else "half_pixel", None))
    options: dict[str, Any] = {
        "mode": kind,
        "coordinate_transformation_mode": transform,
        "nearest_mode": nearest,
    }
    options["cubic_coeff_a"] = -0.75 if kind == "cubic" else None
    if scale_factor is not None and not recompute_scale_factor:
        scales = [1.0, 1.0, *(scale_factor if isinstance(scale_factor, (tuple, list)) else [scale_factor] * n)]
        return b.op("Resize", input, None, np.array(scales, np.float32), **options)
    wanted = list(size) if isinstance(size, (tuple, list)) else [size] * n
    if size is None:
        wanted = list(b.out.shape[2:])
        if None in wanted:
            raise Unsupported("with recompute_scale_factor of planes whose size depends on the input")
    return b.op("Resize", input, None, None, b.ints([*b.sizes(input)[:2], *wanted]), **options)


def grid_sample(
    b: Builder, input: Ref, grid: Ref, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: Any = None
) -> Any:
    if mode == "nearest" and padding_mode == "reflection":
        raise Unsupported("with mode 'nearest' and padding_mode 'reflection', which runtimes round otherwise")
    names = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}
    if b.opset < 20:
        names = {"bilinear": "bilinear", "nearest": "nearest", "bicubic": "bicubic"}
    return b.op(
        "GridSample", input, grid, mode=names[mode], padding_mode=padding_mode, align_corners=int(bool(align_corners))
    )
