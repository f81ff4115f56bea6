"""Convolution, for any number of spatial dimensions: a kernel slides over an image, and at each place it takes a weighted sum.

    y[o, p] = Σ_c,k  w[o, c, k] · x[c, p · stride + k · dilation − padding]

Written as columns (`fold.py`), y = W · columns(x). With an upstream g of y's shape, the number Σ g · y is linear in x, in w and in g,
and its slopes by the three are three ops:

    conv(x, w)            = W · columns(x)           by g: the convolution
    conv_transpose(g, w)  = added_up(Wᵀ · g)         by x: the transposed convolution
    conv_weight(x, g)     = g · columns(x)ᵀ          by w: a convolution of the images with the upstreams

So the derivatives of each are the other two, to any order. Read next: `nn/modules/conv.py`; `docs/convolution.md`, where all this is
derived. The fast forms are in `kernels/cpu/convolution.py`, plain loops in `reference/definitions/convolution.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..arrays import blas, dtypes
from ..arrays.warning import warn_once
from ..op import Array, composite, op
from ..op.signature import Dims, Sizes
from .dims import as_ints
from .fold import Sliding, added_up, columns
from .pad import constant_pad_nd
from .reduce import sum_

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- three ops, each other's derivatives ----
# x is an image (N, C, *size), y what a kernel made of it (N, O, *places), w (O, C / groups, *kernel).


@op(promote=None, public=False, only="numbers", in_float32=True, format_of="x weight", grad_fn="ConvolutionBackward0")
def conv(xp: Any, x: Array, weight: Array, bias: Array | None, how: Sliding, groups: int) -> Array:
    """W · columns(x) + b"""
    W, cols = weight_matrix(weight, groups), _matrices(columns(xp, xp.moveaxis(x, 0, 1), how), how, groups)
    y = blas.matmul(xp, W, cols).reshape(len(weight), len(x), *how.places)
    return xp.moveaxis(_plus(y, bias), 0, 1)


@conv.grad("x")
def conv_grad_x(g: Tensor, weight: Tensor, how: Sliding, groups: int) -> Tensor:
    """∂L/∂x = added_up(Wᵀ · g), the transposed convolution"""
    return conv_transpose(g, weight, None, how, groups)


@conv.grad("weight")
def conv_grad_weight(g: Tensor, x: Tensor, how: Sliding, groups: int) -> Tensor:
    """∂L/∂w = g · columns(x)ᵀ"""
    return conv_weight(x, g, how, groups)


@conv.grad("bias")
def conv_grad_bias(g: Tensor) -> Tensor:
    """∂L/∂b = Σ g over samples and places"""
    return _per_channel(g)


@op(promote=None, public=False, only="numbers", in_float32=True, format_of="x weight", grad_fn="ConvolutionBackward0")
def conv_transpose(xp: Any, x: Array, weight: Array, bias: Array | None, how: Sliding, groups: int) -> Array:
    """added_up(Wᵀ · x) + b; here x is what a kernel makes, and the result is the image"""
    W, rows = weight_matrix(weight, groups), _matrices(xp.moveaxis(x, 0, 1), how, groups)
    cols = blas.matmul(xp, W.swapaxes(1, 2), rows)
    image = added_up(xp, cols.reshape(groups * weight.shape[1], *how.kernel, len(x), *how.places), how)
    return xp.moveaxis(_plus(image, bias), 0, 1)


@conv_transpose.grad("x")
def conv_transpose_grad_x(g: Tensor, weight: Tensor, how: Sliding, groups: int) -> Tensor:
    """∂L/∂x = W · columns(g), the convolution"""
    return conv(g, weight, None, how, groups)


@conv_transpose.grad("weight")
def conv_transpose_grad_weight(g: Tensor, x: Tensor, how: Sliding, groups: int) -> Tensor:
    """∂L/∂w = x · columns(g)ᵀ"""
    return conv_weight(g, x, how, groups)


@conv_transpose.grad("bias")
def conv_transpose_grad_bias(g: Tensor) -> Tensor:
    """∂L/∂b = Σ g over samples and pixels"""
    return _per_channel(g)


@op(promote=None, public=False, only="numbers", in_float32=True, grad_fn="ConvolutionBackwardBackward0")
def conv_weight(xp: Any, x: Array, y: Array, how: Sliding, groups: int) -> Array:
    """y · columns(x)ᵀ, in the shape of w: how often, and how strongly, each element of the kernel took part"""
    rows, cols = _matrices(xp.moveaxis(y, 0, 1), how, groups), _matrices(columns(xp, xp.moveaxis(x, 0, 1), how), how, groups)
    return blas.matmul(xp, rows, cols.swapaxes(1, 2)).reshape(y.shape[1], x.shape[1] // groups, *how.kernel)


@conv_weight.grad("x")
def conv_weight_grad_x(g: Tensor, y: Tensor, how: Sliding, groups: int) -> Tensor:
    """∂L/∂x = added_up(Gᵀ · y)"""
    return conv_transpose(y, g, None, how, groups)


@conv_weight.grad("y")
def conv_weight_grad_y(g: Tensor, x: Tensor, how: Sliding, groups: int) -> Tensor:
    """∂L/∂y = G · columns(x)"""
    return conv(x, g, None, how, groups)


def weight_matrix(weight: Array, groups: int) -> Array:
    """W in groups: (groups, O / groups, C / groups · kernel)."""
    return weight.reshape(groups, len(weight) // groups, math.prod(weight.shape[1:]))


def _matrices(x: Array, how: Sliding, groups: int) -> Array:
    """x (channels, …, N, *places) as matrices, one a group: (groups, channels / groups · …, all places of all samples)."""
    n = x.ndim - 1 - len(how.places)
    return x.reshape(groups, math.prod(x.shape[:n]) // groups, math.prod(x.shape[n:]))


def _plus(x: Array, bias: Array | None) -> Array:
    """x (channels, …) + b, a number for each channel."""
    return x if bias is None else x + bias.reshape(-1, *(1 for _ in x.shape[1:]))


def _per_channel(g: Tensor) -> Tensor:
    """g (N, channels, …) summed to a number for each channel."""
    return sum_(g, (0, *range(2, g.ndim)))


# ---- the general call ----


@composite
def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
) -> Tensor:
    """x (N, C, *size) with w (O, C / groups, *kernel), or transposed with w (C, O / groups, *kernel) → (N, O, *size'), plus b.

    Sizes are a number for each spatial dimension, or one for all. `output_padding` are pixels at the end of the transposed one's
    result: a stride leaves open how large the image was.
    """
    n = weight.ndim - 2
    if n < 1:
        raise RuntimeError(
            f"weight should have at least three dimensions (out, in, *kernel), got shape {tuple(weight.shape)}"
        )
    given = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    steps = {name: _for_each_dimension(name, value, n) for name, value in given.items()}
    _refuse_steps(steps, groups)
    _refuse_operands(input, weight, bias, groups, transposed)
    bias = None if bias is None else bias.to(input.dtype)
    stride, padding, output_padding, dilation = steps.values()
    size, kernel = tuple(input.shape[2:]), tuple(weight.shape[2:])
    if transposed:
        if input.numel():
            _refuse_transposed(input, steps)
        image = _image_size(size, kernel, stride, padding, dilation, output_padding)
        return conv_transpose(input, weight, bias, Sliding(image, kernel, stride, padding, dilation, size), groups)
    how = sliding(size, kernel, stride, padding, dilation)
    if input.dtype is dtypes.bool_ or (
        max(dilation) > 1 and input._array.dtype.kind in "iu" and input.dtype is not dtypes.int64
    ):
        raise NotImplementedError(f'"conv" not implemented for {input.dtype!r}; convert the input first, e.g. x.float()')
    if not input.shape[1]:  # torch gives no channels back
        weight, bias = weight[:0], None if bias is None else bias[:0]
    return conv(input, weight, bias, how, groups)


def sliding(size: Sequence[int], kernel: Sequence[int], stride: Any, padding: Any, dilation: Any) -> Sliding:
    """How a kernel of this size goes over such an image; RuntimeError if it is larger."""
    n = len(kernel)
    given = {"stride": stride, "padding": padding, "dilation": dilation}
    how = Sliding.over(tuple(size), tuple(kernel), *(_for_each_dimension(name, value, n) for name, value in given.items()))
    if min(how.places) < 1:
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, how.dilation)]
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_times(how.padded_size())}). Kernel size: ({_times(reach)}). Kernel size "
            "can't be greater than actual input size"
        )
    return how


def _for_each_dimension(name: str, value: Any, n: int) -> tuple[int, ...]:
    numbers = as_ints(value)
    if len(numbers) not in (1, n):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution dimensions, but got "
            f"{name}={list(numbers)}"
        )
    return numbers if len(numbers) == n else numbers * n


def _image_size(size: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple, more: tuple) -> tuple[int, ...]:
    """The size of the image whose convolution has this size: (places − 1) · stride + dilation · (k − 1) + 1, without the padding."""
    image = tuple(
        (places - 1) * s + d * (k - 1) + 1 - 2 * p + m
        for places, k, s, p, d, m in zip(size, kernel, stride, padding, dilation, more)
    )
    if min(image) < 0:
        raise RuntimeError(
            f"Given input size per channel: ({_times(size)}). Calculated output size per channel: ({_times(image)}). Output size "
            "is too small: give less padding"
        )
    return image


def _times(size: Any) -> str:
    return " x ".join(map(str, size))


def _refuse_steps(steps: dict[str, tuple[int, ...]], groups: int) -> None:
    """RuntimeError for steps that no kernel can take."""
    for name in ("padding", "output_padding"):
        if min(steps[name]) < 0:
            raise RuntimeError(f"negative {name} is not supported, got {steps[name]}")
    for name in ("stride", "dilation"):
        if min(steps[name]) <= 0:
            raise RuntimeError(f"non-positive {name} is not supported, got {steps[name]}")
    if groups <= 0:
        raise RuntimeError(f"non-positive groups is not supported, got {groups}")


def _refuse_operands(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, transposed: bool) -> None:
    """RuntimeError for tensors that do not fit together; NotImplementedError for a dtype there is no product of."""
    shape, w, which = list(x.shape), list(weight.shape), "transposed=1" if transposed else f"groups={groups}"
    if transposed or x.dtype is not dtypes.bool_:  # (no kernel takes bools, which is told once the shapes fit)
        _refuse_mixed("weight", x, weight)
    if x.ndim != weight.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {w}, but got {x.ndim}-dimensional input "
            f"of size {shape} instead"
        )
    if w[0] < groups or w[0] % groups:
        needed = f"at least {groups}" if w[0] < groups else f"divisible by {groups}"
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be {needed} at dimension 0, but got weight of size {w} instead"
        )
    channels, made = (w[0], w[1] * groups) if transposed else (w[1] * groups, w[0])
    if shape[1] != channels:
        raise RuntimeError(
            f"Given {which}, weight of size {w}, expected input{shape} to have {channels} channels, but got {shape[1]} channels instead"
        )
    if bias is not None and list(bias.shape) != [made]:
        raise RuntimeError(
            f"Given {'transposed=1, ' * transposed}weight of size {w}, expected bias to be 1-dimensional with {made} elements, but got "
            f"bias of size {list(bias.shape)} instead"
        )
    if 0 in shape[2:] and 0 not in shape[:2]:
        raise RuntimeError(f"Only zero batch or zero channel inputs are supported, but got input shape: {shape}")
    if 0 in w[2:] or made == 0:
        raise RuntimeError(f"convolution: weight of size {w} has no elements; each size of the kernel must be at least 1")


def _refuse_mixed(name: str, x: Tensor, v: Tensor | None) -> None:
    if v is not None and v.dtype is not x.dtype:
        raise RuntimeError(
            f"Input type ({x.dtype!r}) and {name} type ({v.dtype!r}) should be the same; convert one with .to()"
        )


def _refuse_transposed(x: Tensor, steps: dict[str, tuple[int, ...]]) -> None:
    """What torch's transposed kernels refuse, if there is anything to compute."""
    if any(m >= s and m >= d for m, s, d in zip(steps["output_padding"], steps["stride"], steps["dilation"])):
        told = ", ".join(f"{name}={steps[name]}" for name in ("output_padding", "stride", "dilation"))
        raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {told}")
    if x._array.dtype.kind in "iu" and x.dtype is not dtypes.int64:
        raise NotImplementedError(
            f'"conv_transpose" not implemented for {x.dtype!r}; convert the input first, e.g. x.float()'
        )


# ---- by the number of dimensions ----


def _one_sample_too(n: int, name: str, convolve: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """convolve(x) of a batch (N, C, *size), or of one sample (C, *size)."""
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {list(x.shape)}"
        )
    return convolve(x) if x.ndim == n + 2 else convolve(x.unsqueeze(0)).squeeze(0)


def _called(name: str, doc: str) -> Callable[[Any], Any]:
    """A decorator that names a function and documents it."""

    def name_it(function: Any) -> Any:
        function.__name__ = function.__qualname__ = name  # where it is found, so that it can be pickled by name
        function.__doc__ = doc
        return function

    return name_it


def _conv(n: int) -> Any:
    """`conv1d`, `conv2d` or `conv3d`."""
    name, size = f"conv{n}d", ", ".join("DHW"[-n:]) if n > 1 else "L"
    doc = f"""y_o = Σ_c w_oc ⋆ x_c + b_o, a kernel that slides over x (N, C, {size}), or (C, {size}); w (O, C / groups, *kernel).

    `padding` are zeros at both ends; "valid" is none, "same" as many as keep the size. Channels of one group see those of no other.
    """

    @composite
    @_called(name, doc)
    def convolve(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Dims = 1,
        padding: Dims | str = 0,
        dilation: Dims = 1,
        groups: int = 1,
    ) -> Tensor:
        def of_batch(x: Tensor) -> Tensor:
            if isinstance(padding, str):
                x, around = _padded_by_name(x, weight, as_ints(stride), padding, as_ints(dilation))
            else:
                around = as_ints(padding)
                _refuse_mixed("bias", x, bias)
            return convolution(x, weight, bias, as_ints(stride), around, as_ints(dilation), False, (0,), groups)

        return _one_sample_too(n, name, of_batch, input)

    return convolve


conv1d, conv2d, conv3d = map(_conv, (1, 2, 3))


def _padded_by_name(
    x: Tensor, weight: Tensor, stride: tuple, padding: str, dilation: tuple
) -> tuple[Tensor, tuple[int, ...]]:
    """x and the zeros at both of its ends for "valid" and "same". Where "same" wants one more at the end, x has it already."""
    n = weight.ndim - 2
    if padding == "valid":
        return x, (0,)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: {padding!r}; there are 'valid' and 'same'")
    if max(stride) > 1:
        raise RuntimeError(f"padding='same' is not supported for strided convolutions, got stride={stride}")
    totals = [d * (k - 1) for k, d in zip(weight.shape[2:], _for_each_dimension("dilation", dilation, n))]
    if any(total % 2 for total in totals):
        warn_once(
            "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy of the input be created"
        )
        x = constant_pad_nd(x, [k for total in reversed(totals) for k in (0, total % 2)])
    return x, tuple(total // 2 for total in totals)


def _conv_transpose(n: int) -> Any:
    """`conv_transpose1d`, `conv_transpose2d` or `conv_transpose3d`."""
    name = f"conv_transpose{n}d"
    doc = f"""The derivative of `conv{n}d` by its input: each pixel of x lays down w (C, O / groups, *kernel) times itself; they add up.

    Each dimension becomes (size − 1) · stride − 2 · padding + dilation · (kernel − 1) + 1 + output_padding.
    """

    @composite
    @_called(name, doc)
    def convolve(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Dims = 1,
        padding: Dims = 0,
        output_padding: Dims = 0,
        groups: int = 1,
        dilation: Dims = 1,
    ) -> Tensor:
        def of_batch(x: Tensor) -> Tensor:
            steps, more = (as_ints(stride), as_ints(padding), as_ints(dilation)), as_ints(output_padding)
            if n == 3 and len(x):  # (torch's kernels for fewer dimensions convert the bias)
                _refuse_mixed("bias", x, bias)
            return convolution(x, weight, bias, *steps, True, more, groups)

        return _one_sample_too(n, name, of_batch, input)

    return convolve


conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_conv_transpose, (1, 2, 3))


@composite(grad_fn="ConvTbcBackward0")
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """`conv1d` of x (time, batch, channels) with w (kernel, in, out) and b: the time comes first."""
    if input.ndim != 3 or weight.ndim != 3:
        raise RuntimeError(
            "conv_tbc expects an input (time, batch, in_channels) and a weight (kernel_width, in_channels, out_channels), got shapes "
            f"{tuple(input.shape)} and {tuple(weight.shape)}"
        )
    y = convolution(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, (1,), (pad,), (1,), False, (0,), 1)
    return y.permute(2, 0, 1).contiguous()
