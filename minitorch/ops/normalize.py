"""Normalisation: batch, layer, group and instance norm are one op, `standardize`, over different dimensions.

x̂ = (x − mean) / √(var + ε), with the biased variance; then an affine map per channel or element. Layer norm standardizes
each row, group norm each group of channels, batch norm each channel over the whole batch.
Read next: `nn/modules/batchnorm.py`, where the running statistics live.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..arrays.blocks import by_rows
from ..arrays.device import has_kernels
from ..autograd.grad_mode import no_grad
from ..op import Array, Index, composite, op
from ..op.signature import Dims, Sizes
from .dims import as_ints
from .elementwise import clamp_min, rsqrt

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- the core ----


@op(promote=None, public=False, outputs=("out", "mean", "var"), grad_fn="NativeNormBackward0", in_float32=True)
def standardize(xp: Any, x: Array, dims: tuple, eps: float) -> tuple[Array, Array, Array]:
    """x̂ = (x − mean) / √(var + ε) over `dims`; also the mean and the (biased) variance, with `dims` kept as size 1."""
    _floating(x)
    mean = _mean(xp, x, dims)
    out = x - mean
    var = _mean_product(xp, out, out, dims)
    out *= 1 / xp.sqrt(var + eps)
    return out, mean, var


@standardize.grad
def standardize_grad(g: Tensor | None, g_var: Tensor | None, out: Tensor, var: Tensor, dims: tuple, eps: float) -> Tensor:
    """∂L/∂x = (g − ⟨g⟩ − x̂ ⟨g x̂⟩) / √(var + ε), ⟨⟩ the mean over `dims`; through var itself: g_var · 2 x̂ √(var + ε) / n"""
    spread = var + eps
    through_out = None if g is None else projected(g, out, spread.rsqrt(), dims)
    if g_var is None:
        return through_out  # type: ignore[return-value]
    through_var = g_var * (2 / max(math.prod(out.shape[d] for d in dims), 1)) * out * spread.sqrt()
    return through_var if through_out is None else through_out + through_var


@op(promote=None, public=False, in_float32=True)
def projected(xp: Any, h: Array, z: Array, s: Array, dims: tuple) -> Array:
    """s · (h − ⟨h⟩ − z ⟨h z⟩): h without its mean and its part along z, ⟨⟩ the mean over `dims`."""

    def project(h: Array, z: Array, s: Array) -> Array:
        out = z * -_mean_product(xp, h, z, dims)
        out += h
        out -= _mean(xp, h, dims)
        out *= s
        return out

    return project(h, z, s) if 0 in dims else by_rows(project, h, z, s)


@projected.grad("h")
def projected_grad_h(g: Tensor, z: Tensor, s: Tensor, dims: tuple) -> Tensor:
    """∂L/∂h = the same projection of g: it is its own adjoint"""
    return projected(g, z, s, dims)


@projected.grad("z")
def projected_grad_z(g: Tensor, h: Tensor, z: Tensor, s: Tensor, dims: tuple) -> Tensor:
    """∂L/∂z = −s · (g ⟨h z⟩ + h ⟨g z⟩)"""
    return -s * (g * (h * z).mean(dims, True) + h * (g * z).mean(dims, True))


@projected.grad("s")
def projected_grad_s(g: Tensor, h: Tensor, z: Tensor, dims: tuple) -> Tensor:
    """∂L/∂s = Σ g · (h − ⟨h⟩ − z ⟨h z⟩) (summed by the engine: s was broadcast)"""
    return g * (h - h.mean(dims, True) - z * (h * z).mean(dims, True))


def _mean(xp: Any, x: Array, dims: tuple) -> Array:
    """⟨x⟩ over `dims`, kept as size 1; rows by a matrix-vector product."""
    if _are_rows(x, dims):
        return xp.matmul(x, xp.ones((x.shape[1], 1), x.dtype)) / xp.asarray(x.shape[1], x.dtype)
    return x.mean(dims, keepdims=True)


def _mean_product(xp: Any, x: Array, y: Array, dims: tuple) -> Array:
    """⟨x y⟩ over `dims`, kept as size 1; rows without the product in memory."""
    if _are_rows(x, dims):
        return (xp.einsum("ij,ij->i", x, y) / xp.asarray(x.shape[1], x.dtype))[:, None]
    return (x * y).mean(dims, keepdims=True)


def _are_rows(x: Array, dims: tuple) -> bool:
    return x.ndim == 2 and dims == (1,) and x.shape[1] > 0


def _floating(x: Array) -> None:
    if x.dtype.kind not in "fV":
        kind = dtypes.from_numpy_dtype(x.dtype)
        raise NotImplementedError(
            f"expected a floating-point tensor, got {kind!r}: normalisation divides; convert with .float()"
        )


@op(promote=None, public=False, grad_fn="NativeNormBackward0", in_float32=True)
def scale_and_shift(xp: Any, x: Array, weight: Array | None, bias: Array | None) -> Array:
    """x · w + b, where w and b broadcast with x"""
    out = x * weight if weight is not None else x + bias
    if weight is not None and bias is not None:
        out += bias
    return out


@scale_and_shift.grad("x")
def scale_and_shift_grad_x(g: Tensor, weight: Tensor | None) -> Tensor:
    """∂L/∂x = g · w"""
    return g if weight is None else g * weight


@scale_and_shift.grad("weight")
def scale_and_shift_grad_weight(g: Tensor, x: Tensor) -> Tensor:
    """∂L/∂w = g · x (summed by the engine: w was broadcast)"""
    return g * x


@scale_and_shift.grad("bias")
def scale_and_shift_grad_bias(g: Tensor) -> Tensor:
    """∂L/∂b = g (summed by the engine)"""
    return g


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, dtype: dtypes.dtype, dim: int | None = None) -> Tensor:
    """x · w + b in `dtype`; w or b may be missing, they stand along dimension `dim` of x, or at its end."""
    if weight is None and bias is None:
        # The derivative reads x̂, and the caller may write to what it gets.
        return x.to(dtype) if x.dtype is not dtype else x.clone() if x.requires_grad else x
    if not x.is_floating_point():
        _floating(x._array)
    for v in (weight, bias):
        if v is not None and v.dtype != dtype and not (dtype.itemsize == 2 and v.dtype is dtypes.float32):
            raise RuntimeError(f"mixed dtype: expected parameters of dtype {dtype!r} as the input has, got {v.dtype!r}")
    if dim is not None and dim != x.ndim - 1:
        shape = [-1 if d == dim else 1 for d in range(x.ndim)]
        weight, bias = (None if v is None else v.reshape(shape) for v in (weight, bias))
    if x.dtype is dtype:
        return scale_and_shift(x, weight, bias)
    return scale_and_shift(x, *(None if v is None else v.to(x.dtype) for v in (weight, bias))).to(dtype)


def _wide(x: Tensor) -> Tensor:
    """x, in float32 if its dtype is of half precision: a norm rounds once, at its end, as torch's kernels do."""
    return x.to(dtypes.float32) if x.dtype.itemsize == 2 and x.is_floating_point() else x


# ---- in one op, for a GPU ----


def _at_once(x: Tensor, *others: Tensor | None) -> bool:
    """Whether a norm of x is one op: where that has kernels. On the CPU its steps, which keep x̂ for backward, are faster."""
    served = has_kernels(x) and x.is_floating_point() and x.numel() > 0
    return served and all(v is None or v.dtype is x.dtype for v in others)


@op(promote=None, public=False, outputs=("out", "mean", "var"), grad_fn="NativeNormBackward0", in_float32=True)
def norm(xp: Any, x: Array, weight: Array | None, bias: Array | None, dims: tuple, eps: float) -> tuple[Array, Array, Array]:
    """(x − mean) / √(var + ε) · w + b, mean and var over `dims`, w and b along dimension 1; also the mean and the variance."""
    out, mean, var = standardize.forward(xp, x, dims, eps)
    return _times_plus(out, weight, bias), mean, var


@norm.grad("x")
def norm_grad_x(g: Tensor, x: Tensor, weight: Tensor | None, dims: tuple, eps: float) -> Tensor:
    """∂L/∂x = (h − ⟨h⟩ − x̂ ⟨h x̂⟩) / √(var + ε) with h = g · w, and x̂ standardized anew"""
    out, _, var = standardize(x, dims, eps)
    return projected(g if weight is None else g * _along(weight, x), out, (var + eps).rsqrt(), dims)


@norm.grad("weight")
def norm_grad_weight(g: Tensor, x: Tensor, dims: tuple, eps: float) -> Tensor:
    """∂L/∂w = Σ g · x̂"""
    return _per_parameter(g * standardize(x, dims, eps)[0])


@norm.grad("bias")
def norm_grad_bias(g: Tensor) -> Tensor:
    """∂L/∂b = Σ g"""
    return _per_parameter(g)


@norm.twin("cuda")
def norm_on_gpu(
    xp: Any, x: Array, weight: Array | None, bias: Array | None, dims: tuple, eps: float
) -> tuple[Array, Array, Array] | None:
    """Rows read once and written once; channels read twice and written once."""
    from ..kernels.cuda import batch_norm, layer_norm

    if dims == (1,):
        return layer_norm.forward(xp, x, weight, bias, eps)
    if not batch_norm.serves(x):
        return None
    mean, var = batch_norm.moments(xp, x)
    shape = (-1, *(1 for _ in dims[1:]))
    return batch_norm.forward(xp, x, mean, var, weight, bias, eps), mean.reshape(shape), var.reshape(shape)


@norm.twin_grad("cuda", "x", "weight", "bias")
def norm_grad_on_gpu(
    xp: Any, g: Array, x: Array, weight: Array | None, mean: Array, var: Array, dims: tuple, eps: float
) -> tuple[Array, Array, Array] | None:
    """Rows of g and x read once, dx written once; channels of g and x read twice, dx written once."""
    from ..kernels.cuda import batch_norm, layer_norm

    if dims == (1,):
        return layer_norm.backward(xp, g, x, weight, mean, var, eps)
    return batch_norm.backward(xp, g, x, mean.reshape(-1), var.reshape(-1), weight, eps, of_batch=True)


@op(promote=None, public=False, grad_fn="NativeBatchNormBackward0", in_float32=True)
def norm_by(xp: Any, x: Array, mean: Index, var: Index, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """(x − mean) / √(var + ε) · w + b by channels (dimension 1), with a given mean and variance."""
    return _times_plus((x - _along(mean, x)) / xp.sqrt(_along(var, x) + eps), weight, bias)


@norm_by.grad("x")
def norm_by_grad_x(g: Tensor, var: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """∂L/∂x = g · w / √(var + ε)"""
    scale = (var + eps).rsqrt()
    return g * _along(scale if weight is None else scale * weight, g)


@norm_by.grad("weight")
def norm_by_grad_weight(g: Tensor, x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """∂L/∂w = Σ g · (x − mean) / √(var + ε)"""
    return _per_parameter(g * (x - _along(mean, x)) * _along((var + eps).rsqrt(), x))


@norm_by.grad("bias")
def norm_by_grad_bias(g: Tensor) -> Tensor:
    """∂L/∂b = Σ g"""
    return _per_parameter(g)


@norm_by.twin("cuda")
def norm_by_on_gpu(
    xp: Any, x: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float
) -> Array | None:
    """x read once and written once."""
    from ..kernels.cuda import batch_norm, computed

    if not batch_norm.serves(x):
        return None
    mean, var = (v.astype(computed(x.dtype)) for v in (mean, var))
    return batch_norm.forward(xp, x, mean, var, weight, bias, eps)


@norm_by.twin_grad("cuda", "x", "weight", "bias")
def norm_by_grad_on_gpu(
    xp: Any, g: Array, x: Array, mean: Array, var: Array, weight: Array | None, eps: float
) -> tuple[Array, Array, Array] | None:
    """g and x read twice, dx written once."""
    from ..kernels.cuda import batch_norm, computed

    mean, var = (v.astype(computed(x.dtype)) for v in (mean, var))
    return batch_norm.backward(xp, g, x, mean, var, weight, eps, of_batch=False)


def _times_plus(x: Array, weight: Array | None, bias: Array | None) -> Array:
    """x · w + b; either may be missing."""
    x = x if weight is None else x * _along(weight, x)
    return x if bias is None else x + _along(bias, x)


def _along(v: Any, x: Any) -> Any:
    """A vector, so that it broadcasts along dimension 1 of x; arrays or Tensors."""
    return v.reshape((-1, *(1 for _ in x.shape[2:])))


def _per_parameter(g: Tensor) -> Tensor:
    """The sum over all but dimension 1."""
    return g.sum((0, *range(2, g.ndim)))


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
    if _at_once(input, weight, bias):
        if input.ndim == 2 and len(shape) == 1:
            return norm(input, weight, bias, (1,), eps)[0]
        rows = input.reshape(_leading(input, shape), math.prod(shape))
        weight, bias = (None if v is None else v.reshape(-1) for v in (weight, bias))
        return norm(rows, weight, bias, (1,), eps)[0].reshape(input.shape)
    x = _wide(input)
    rows = x if x.ndim == 2 and len(shape) == 1 else x.reshape(_leading(x, shape), math.prod(shape))
    out = standardize(rows, (1,), eps)[0]
    return _affine(out if rows is x else out.reshape(x.shape), weight, bias, input.dtype)


@composite(only="floats")
def rms_norm(input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """x / √(⟨x²⟩ + ε) · w over the last dimensions (Zhang and Sennrich, 2019); ε is the dtype's epsilon unless given."""
    if input.ndim < len(as_ints(normalized_shape)):
        raise ValueError(f"Input tensor must have at least {len(as_ints(normalized_shape))} dimensions, got {input.ndim}")
    shape = _trailing("rms_norm", input, normalized_shape, weight)
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


def _leading(x: Tensor, shape: tuple[int, ...]) -> int:
    return math.prod(x.shape[: x.ndim - len(shape)])


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
    _per_channel("group_norm", C, weight=weight, bias=bias)
    size = input.numel() // (N * num_groups) if N else 0
    out = standardize(_wide(input).reshape(N * num_groups, size), (1,), eps)[0].reshape(input.shape)
    return _affine(out, weight, bias, input.dtype, 1)


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
    if not input.is_floating_point():
        _floating(input._array)
    if input.ndim < 2:
        raise RuntimeError(f"batch_norm expects (N, C, …), got {input.ndim} dimensions")
    C = input.shape[1]
    _per_channel("batch_norm", C, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("running_mean and running_var must be defined in evaluation mode")
    kinds = {v.dtype for v in (weight, bias, running_mean, running_var) if v is not None}
    if kinds - {input.dtype} and not (kinds == {dtypes.float32} and input.dtype.itemsize == 2):
        raise RuntimeError(
            f"mixed dtype: batch_norm expects parameters and statistics of the input's dtype {input.dtype!r}, or all of float32 "
            f"beside half precision, got {', '.join(sorted(map(repr, kinds)))}"
        )
    at_once = _at_once(input, weight, bias, running_mean, running_var)
    if not training and at_once:
        return norm_by(input, running_mean, running_var, weight, bias, eps)
    if not training:
        shape = [-1 if d == 1 else 1 for d in range(input.ndim)]
        mean, var = _wide(running_mean).reshape(shape), _wide(running_var).reshape(shape)  # type: ignore[arg-type]
        x = _wide(input)
        return _affine(((x - mean) * rsqrt(var + eps)).to(x.dtype), weight, bias, input.dtype, 1)
    dims = (0, *range(2, input.ndim))
    if at_once:
        out, mean, var = norm(input, weight, bias, dims, eps)
    else:
        out, mean, var = standardize(_wide(input), dims, eps)
        out = _affine(out, weight, bias, input.dtype, 1)
    if input.numel():  # last, so that a call that raises leaves the statistics alone
        n = input.numel() // C
        _move_towards(running_mean, mean, momentum)
        _move_towards(running_var, var.detach() * (n / (n - 1) if n > 1 else math.nan), momentum)
    return out


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
        return batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)
    N, C = input.shape[:2]
    _per_channel("instance_norm", C, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    size = math.prod(input.shape[2:])
    out, mean, var = standardize(_wide(input).reshape(N * C, size), (1,), eps)
    out = _affine(out.reshape(input.shape), weight, bias, input.dtype, 1)
    _move_towards(running_mean, mean.detach().reshape(N, C).mean(0), momentum)
    _move_towards(running_var, var.detach().reshape(N, C).mean(0) * (size / (size - 1) if size > 1 else math.nan), momentum)
    return out


def _move_towards(running: Tensor | None, batch: Tensor, momentum: float) -> None:
    """running ← (1 − momentum) · running + momentum · batch, in place and outside the graph."""
    if running is not None:
        with no_grad():
            running.copy_((1 - momentum) * _wide(running) + momentum * batch.detach().reshape(running.shape))


def _per_channel(name: str, channels: int, **parameters: Tensor | None) -> None:
    for what, v in parameters.items():
        if v is not None and (v.numel() != channels or (v.ndim != 1 and name == "group_norm")):
            raise RuntimeError(
                f"{what} should contain {channels} elements not {v.numel()}: {name} wants a vector with one element for each of "
                f"the {channels} channels (dimension 1) of the input, got shape {tuple(v.shape)}"
            )


# ---- vectors of length one ----


@composite(out=True, check_first=True)
def normalize(input: Tensor, p: float | str | None = 2.0, dim: Dims | None = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖_p, ε) along `dim`."""
    return input / clamp_min(input.norm(p, dim, keepdim=True), eps)
