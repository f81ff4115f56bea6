"""Normalisation: layer, batch, group and instance norm are one op, `norm`, over different dimensions.

x̂ = (x − mean) / √(var + ε), with the biased variance; then x̂ · w + b. Layer norm takes each row, group norm each group of
channels, batch norm each channel over the whole batch. Faster forms of `norm`: `kernels/cpu/norm.py`, `kernels/cuda/norm.py`.
Read next: `nn/modules/batchnorm.py`, where the running statistics live.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..arrays.device import has_kernels
from ..arrays.layout import contiguous_format, suggested
from ..autograd.grad_mode import no_grad
from ..op import Array, Index, composite, named, op
from ..op.autocast import is_on, listed_as
from ..op.half_precision import in_float32
from ..op.signature import Dims, Number, Sizes, checked
from .dims import as_ints, canonical_dim
from .elementwise import clamp_min, rsqrt, where
from .index import narrow
from .norms import vector_norm, vector_norm_grad
from .pad import constant_pad_nd
from .reduce import count, sum_, total
from .reduce import mean as average
from .shape import reshape

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- the core ----


@op(
    promote=None, public=False, outputs=("out", "mean", "var"), grad_fn="NativeNormBackward0", in_float32=True, format_of="x"
)
def norm(xp: Any, x: Array, weight: Array | None, bias: Array | None, dims: tuple, eps: float) -> tuple[Array, Array, Array]:
    """x̂ · w + b with x̂ = (x − mean) / √(var + ε), mean and (biased) variance over `dims`; w and b broadcast with x.

    Also the mean and the variance, with `dims` kept as size 1.
    """
    n = count(x.shape, dims)
    mean = total(xp, x, dims, True) / n
    out = x - mean
    var = total(xp, out * out, dims, True) / n
    return _times_plus(out / xp.sqrt(var + eps), weight, bias), mean, var


@norm.grad("x")
def norm_grad_x(
    g: Tensor | None,
    g_mean: Tensor | None,
    g_var: Tensor | None,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    var: Tensor,
    dims: tuple,
    eps: float,
) -> Tensor:
    """∂L/∂x = (h − ⟨h⟩ − x̂ ⟨h x̂⟩) / √(var + ε) + (g_mean + 2 (x − mean) g_var) / n, h = g · w, ⟨⟩ the mean over `dims`"""
    centred, scale = x - mean, rsqrt(var + eps)
    gradient: Any = 0.0
    if g is not None:
        h, z = g if weight is None else g * weight, centred * scale
        gradient = (h - average(h, dims, True) - z * average(h * z, dims, True)) * scale
    if g_mean is not None:
        gradient = gradient + g_mean / count(x.shape, dims)
    if g_var is not None:
        gradient = gradient + 2 * centred * g_var / count(x.shape, dims)
    return gradient


@norm.grad("weight")
def norm_grad_weight(g: Tensor | None, x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor | None:
    """∂L/∂w = g · x̂ (summed by the engine: w was broadcast)"""
    return None if g is None else g * ((x - mean) * rsqrt(var + eps))


@norm.grad("bias")
def norm_grad_bias(g: Tensor | None) -> Tensor | None:
    """∂L/∂b = g (summed by the engine: b was broadcast)"""
    return g


@op(promote=None, public=False, grad_fn="NativeBatchNormBackward0", in_float32=True, format_of="x")
def norm_by(xp: Any, x: Array, mean: Index, var: Index, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """(x − mean) / √(var + ε) · w + b with a given mean and variance; all broadcast with x."""
    return _times_plus((x - mean) / xp.sqrt(var + eps), weight, bias)


@norm_by.grad("x")
def norm_by_grad_x(g: Tensor, var: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """∂L/∂x = g · w / √(var + ε)"""
    scale = rsqrt(var + eps)
    return g * (scale if weight is None else scale * weight)


@norm_by.grad("weight")
def norm_by_grad_weight(g: Tensor, x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """∂L/∂w = g · (x − mean) / √(var + ε) (summed by the engine: w was broadcast)"""
    return g * ((x - mean) * rsqrt(var + eps))


@norm_by.grad("bias")
def norm_by_grad_bias(g: Tensor) -> Tensor:
    """∂L/∂b = g (summed by the engine: b was broadcast)"""
    return g


def _times_plus(x: Array, weight: Array | None, bias: Array | None) -> Array:
    """x · w + b; either may be missing."""
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


# ---- dtypes ----


def _check_dtypes(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> None:
    """RuntimeError unless w and b are of x's dtype, or float32 beside half precision; NotImplementedError unless x is of floats."""
    for v in (weight, bias):
        if v is not None and v.dtype is not x.dtype and not (x.dtype.itemsize == 2 and v.dtype is dtypes.float32):
            raise RuntimeError(f"mixed dtype: expected parameters of dtype {x.dtype!r} as the input has, got {v.dtype!r}")
    _check_floating(x)


def _check_floating(x: Tensor) -> None:
    if not x.is_floating_point():
        raise NotImplementedError(
            f"expected a floating-point tensor, got {x.dtype!r}: normalisation divides; convert with .float()"
        )


def _wide(x: Tensor | None) -> Any:
    """x, in float32 if its dtype is of half precision: a norm rounds once, at its end, as torch's kernels do."""
    return x.to(dtypes.float32) if x is not None and x.dtype.itemsize == 2 else x


def _all_wide(*tensors: Tensor | None) -> tuple[Any, ...]:
    """All of them so, unless there are kernels for them as they are, which round once too."""
    x = tensors[0]
    if x.dtype.itemsize > 2 or (has_kernels(x) and all(v is None or v.dtype is x.dtype for v in tensors)):  # type: ignore[union-attr]
        return tensors
    return tuple(map(_wide, tensors))


# ---- over the last dimensions ----


@composite(grad_fn="NativeLayerNormBackward0")
def layer_norm(
    input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x − mean) / √(var + ε) · w + b over the last dimensions, whose sizes are `normalized_shape` (Ba et al., 2016).

    >>> minitorch.nn.functional.layer_norm(minitorch.tensor([1.0, 3.0]), (2,))
    tensor([-1.0000,  1.0000])
    """
    shape = _trailing("layer_norm", input, normalized_shape, weight, bias)
    _check_dtypes(input, weight, bias)
    x, w, b = _all_wide(input, weight, bias)
    out = norm(x, w, b, tuple(range(x.ndim - len(shape), x.ndim)), eps)[0]
    return out.to(input.dtype, memory_format=contiguous_format)


@composite
def rms_norm(input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """x / √(⟨x²⟩ + ε) · w over the last dimensions (Zhang and Sennrich, 2019); ε is the dtype's epsilon unless given."""
    if input.ndim < len(as_ints(normalized_shape)):
        raise ValueError(f"Input tensor must have at least {len(as_ints(normalized_shape))} dimensions, got {input.ndim}")
    shape = _trailing("rms_norm", input, normalized_shape, weight)
    _check_floating(input)
    dims = tuple(range(input.ndim - len(shape), input.ndim))
    x = _wide(input.contiguous())
    eps = dtypes.finfo(x.dtype).eps if eps is None else eps
    out = x * (x.square().mean(dims, True) + eps).rsqrt()
    return (out if weight is None else out * weight).to(input.dtype)


def _trailing(name: str, x: Tensor, normalized_shape: Sizes, *parameters: Tensor | None) -> tuple[int, ...]:
    """`normalized_shape` as a tuple; RuntimeError if x does not end with it or a parameter has another shape."""
    shape = as_ints(normalized_shape)
    if not shape:
        raise RuntimeError(f"Expected normalized_shape to be at least 1-dimensional, got {normalized_shape!r} ({name})")
    if tuple(x.shape[x.ndim - len(shape) :]) != shape or x.ndim < len(shape):
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got "
            f"input of size{list(x.shape)}"
        )
    for v in parameters:
        if v is not None and tuple(v.shape) != shape:
            raise RuntimeError(
                f"Expected weight and bias to be of same shape as normalized_shape, but got {list(v.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    return shape


# ---- over channels ----


@composite(grad_fn="NativeGroupNormBackward0")
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Each sample's channels (dimension 1) in `num_groups` groups, each standardized (Wu and He, 2018); w, b per channel."""
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    N, C = input.shape[:2]
    if num_groups <= 0 or C % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    _per_channel("group_norm", C, True, weight=weight, bias=bias)
    _check_dtypes(input, weight, bias)
    group = (num_groups, C // num_groups)
    x, w, b = _all_wide(input, *(None if v is None else v.reshape(*group, 1) for v in (weight, bias)))
    out = norm(x.contiguous().reshape(N, *group, math.prod(x.shape[2:])), w, b, (2, 3), eps)[0]
    return unsafe_view(out, input.shape).to(input.dtype, memory_format=suggested(input._array))


@op(promote=None, public=False, in_float32=True)
def unsafe_view(xp: Any, x: Array, shape: Sizes) -> Array:
    """x with another shape, in the memory of x. Nobody may hold x any more: this is not tracked as a view."""
    return x.reshape(shape)


@unsafe_view.grad
def unsafe_view_grad(g: Tensor, x_shape: tuple) -> Tensor:
    """∂L/∂x = g in x's shape"""
    return reshape(g, x_shape)


@composite(grad_fn="NativeBatchNormBackward0")
def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Each channel (dimension 1) standardized over the batch, or with the running statistics; then · w + b.

    Training normalises with the biased variance and moves running_var towards the *unbiased* one:
    running ← (1 − momentum) running + momentum batch (Ioffe and Szegedy, 2015).
    """
    if not input.numel():  # torch looks no further
        scaled = input.clone() if weight is None else input.clone() * weight[0]
        return scaled if bias is None else scaled + bias[0]
    _check_batch_norm(input, weight, bias, running_mean, running_var, training)
    w, b = _along_channels(weight, input), _along_channels(bias, input)
    if not training:
        moments = _along_channels(running_mean, input), _along_channels(running_var, input)
        x, mean, var, w, b = _all_wide(input, *moments, w, b)
        return norm_by(x, mean, var, w, b, eps).to(input.dtype)
    x, w, b = _all_wide(input, w, b)
    out, mean, var = norm(x, w, b, (0, *range(2, x.ndim)), eps)
    # Last, so that a call that raises leaves the statistics alone.
    _move_towards(running_mean, mean, momentum)
    _move_towards(running_var, _unbiased(var, input.numel() // input.shape[1]), momentum)
    return out.to(input.dtype)


def _check_batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
) -> None:
    """What batch_norm refuses, in words."""
    C = x.shape[1] if x.ndim > 1 else 0
    _per_channel("batch_norm", C, False, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("running_mean and running_var must be defined in evaluation mode")
    if x.ndim < 2:
        raise IndexError(f"batch_norm expects (N, C, …), with channels in dimension 1, got {x.ndim} dimensions")
    _check_floating(x)
    kinds = {v.dtype for v in (weight, bias, running_mean, running_var) if v is not None}
    if kinds - {x.dtype} and not (kinds == {dtypes.float32} and x.dtype.itemsize == 2):
        raise RuntimeError(
            f"mixed dtype: batch_norm expects parameters and statistics of the input's dtype {x.dtype!r}, or all of float32 "
            f"beside half precision, got {', '.join(sorted(map(repr, kinds)))}"
        )


@composite
def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Each channel of each sample standardized on its own; running statistics are the samples' averages."""
    if not use_input_stats:
        return batch_norm(input.contiguous(), weight, bias, running_mean, running_var, False, momentum, eps)
    N, C = input.shape[:2]
    if not input.numel():
        return _instance_norm_of_nothing(input, weight, bias, running_mean, running_var)
    _per_channel("instance_norm", C, False, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    _check_floating(input)
    _check_dtypes(input, weight, bias)
    x, w, b = _all_wide(input, *(None if v is None else v.reshape(C, 1) for v in (weight, bias)))
    size = math.prod(x.shape[2:])
    out, mean, var = norm(x.reshape(N, C, size), w, b, (2,), eps)
    _move_towards(running_mean, mean.detach().mean(0), momentum)
    _move_towards(running_var, _unbiased(var, size).mean(0), momentum)
    return out.reshape(input.shape).to(input.dtype)


def _instance_norm_of_nothing(x: Tensor, weight: Any, bias: Any, *running: Tensor | None) -> Tensor:
    """What torch makes of it: a batch norm of one sample with N · C channels, for each of which there is all that C channels have."""
    N, C = x.shape[:2]
    w, b = (None if v is None else v.repeat(N) for v in (weight, bias))
    with no_grad():
        for kept in [v for v in running if v is not None]:
            kept.copy_(kept.repeat(N).view(N, C).mean(0))
    return batch_norm(x.view(1, N * C, *x.shape[2:]), w, b, None, None, True, 0.0, 1.0).view(x.shape)


def _along_channels(v: Tensor | None, x: Tensor) -> Tensor | None:
    """A vector, in a shape in which it broadcasts along dimension 1 of x."""
    return v if v is None or v.ndim == x.ndim - 1 == 1 else v.reshape(-1, *(1 for _ in x.shape[2:]))


def _unbiased(var: Tensor, n: int) -> Tensor:
    """The variance of n numbers, divided by n − 1 instead of n."""
    return var.detach() * (n / (n - 1) if n > 1 else math.nan)


def _move_towards(running: Tensor | None, batch: Tensor, momentum: float) -> None:
    """running ← (1 − momentum) · running + momentum · batch, in place and outside the graph."""
    if running is not None:
        with no_grad():
            running.copy_((1 - momentum) * _wide(running) + momentum * batch.detach().reshape(running.shape))


def _per_channel(name: str, channels: int, must_be_vectors: bool, **parameters: Tensor | None) -> None:
    for what, v in parameters.items():
        if v is not None and (v.numel() != channels or (v.ndim != 1 and must_be_vectors)):
            raise RuntimeError(
                f"{what} should contain {channels} elements not {v.numel()}: {name} wants a vector with one element for each of "
                f"the {channels} channels (dimension 1) of the input, got shape {tuple(v.shape)}"
            )


# ---- over neighbouring channels ----


@checked
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x_c / (k + α · mean of x²_j over the `size` channels j around c)^β (Krizhevsky et al., 2012)

    x is (N, C, …); beyond the first and the last channel stand zeros, which count as channels.
    """
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if not input.numel():
        return input
    wide = input.is_floating_point() or input.dtype is dtypes.int64
    if not wide or (input.ndim > 3 and input.dtype.itemsize == 2 and not is_on(input)):
        raise NotImplementedError(f"local_response_norm is not implemented for {input.dtype!r}; convert with .float()")
    if size < 1:
        raise RuntimeError(f"local_response_norm: size should be greater than zero, but got {size}")
    return (_by_its_neighbours if input.ndim == 3 else _as_volumes)(input, size, alpha, beta, k)


@in_float32
def _by_its_neighbours(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    sums = windows(x * x, size // 2, (size - 1) // 2)
    means = sums / size if x.is_floating_point() else sums // size
    return x / (means * alpha + k) ** beta


_as_volumes = listed_as("avg_pool3d", _by_its_neighbours)  # torch pools a volume whose depth are the channels


def windows(x: Tensor, before: int, after: int) -> Tensor:
    """Σ_j x_j over the channels j from c − before to c + after, for each channel c (dimension 1); zeros stand beyond the ends."""
    padded = constant_pad_nd(x, (*[0, 0] * (x.ndim - 2), before, after))
    sums = narrow(padded, 1, 0, x.shape[1])
    for start in range(1, before + after + 1):
        sums = sums + narrow(padded, 1, start, x.shape[1])
    return sums


# ---- vectors of length one ----


@composite(out="cast")
def normalize(input: Tensor, p: float | str | None = 2.0, dim: Dims | None = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖_p, ε) along `dim`."""
    return input / clamp_min(input.norm(p, dim, keepdim=True), eps)


@op(promote=None)
def renorm(xp: Any, x: Array, p: Number, dim: int, maxnorm: Number) -> Array:
    """x, with each slice of `dim` whose p-norm is larger than maxnorm scaled down to it

    >>> minitorch.renorm(minitorch.tensor([[3.0, 4.0], [1.0, 0.0]]), 2, 0, 1)
    tensor([[0.6000, 0.8000],
            [1.0000, 0.0000]])
    """
    if x.dtype.kind not in "fV":
        raise RuntimeError(f"renorm: expected a tensor of floats, got {x.dtype}; convert it with .float()")
    if not p > 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got p = {p}")
    if not maxnorm >= 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if x.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {x.ndim} dimensions")
    wide = x.astype("float32" if x.dtype.itemsize == 2 else "float64")  # norms are summed up so
    length = vector_norm.compute(xp, wide, p, _all_but(dim, x.ndim), True)
    return x * xp.where(length > maxnorm, maxnorm / (length + 1e-7), 1).astype(x.dtype)


@renorm.grad
def renorm_grad(g: Tensor, x: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """∂L/∂x = maxnorm / ‖x‖ · (g − ⟨g, x⟩ / ‖x‖ · ∂‖x‖/∂x) in the slices that were scaled down, else g"""
    dims = _all_but(dim, x.ndim)
    length = vector_norm(x, p, dims, True)
    through_length = vector_norm_grad(sum_(g * x, dims, keepdim=True), x, length, p, dims, True)
    inverse = 1 / (length + 1e-7)
    return where(length > maxnorm, maxnorm * inverse * (g - inverse * through_length), g)


def _all_but(dim: int, ndim: int) -> tuple[int, ...]:
    """The other dimensions."""
    axis = canonical_dim(dim, ndim)
    return tuple(d for d in range(ndim) if d != axis)


# ---- weights of a given length ----


@composite
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norms ‖v‖ over all dimensions but `dim`, which are kept with size 1; one norm of all if `dim` is −1

    >>> minitorch.norm_except_dim(minitorch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5.],
            [1.]])
    """
    if dim == -1:
        return v.norm(pow)
    if not v.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = canonical_dim(dim, v.ndim)
    size = v.shape[dim]
    return v.transpose(0, dim).reshape(size, -1).norm(pow, 1).view([size if d == dim else 1 for d in range(v.ndim)])


def weight_norm_by(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """g · v / ‖v‖, the norms over all dimensions but `dim` (Salimans and Kingma, 2016)"""
    return (_as_one_op if dim in (0, v.ndim - 1) else _scaled_to)(v, g, dim)


def _scaled_to(v: Tensor, g: Tensor, dim: int) -> Tensor:
    return v * (g / norm_except_dim(v, 2, dim))


_as_one_op = named(_scaled_to, "WeightNormInterfaceBackward0")
