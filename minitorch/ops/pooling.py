"""Pooling: the largest or the mean of each window of the last one, two or three dimensions.

A window is a product of intervals, so all poolings go one dimension at a time: the largest of a rectangle is the largest of its
rows' largest, and its sum the sum of its rows' sums. A `Windows` says for one dimension which window has which element at which
of its places; how windows are laid (sliding, adaptive, at random) changes nothing else. Read next: `nn/functional/pooling.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays.device import as_number, as_table
from ..arrays.layout import channels_last, contiguous_format, laid_out_in, memory_format, suggested
from ..op import Array, Index, composite, op
from ..op.signature import Dims
from .dims import as_ints
from .gather import scatter_add
from .index import add_slices
from .reduce import mean
from .shape import reshape, squeeze, unsqueeze, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor


class Windows(NamedTuple):
    """The windows of a pooling along one dimension."""

    laid: str  # how: "" as they slide, "Adaptive" or "Fractional"
    first: Any  # the first element of each
    # For each place in a window: the windows that have an element there, and which element it is; slices, or index arrays.
    # Where windows differ from plane to plane, the elements are (N, C, windows).
    places: Sequence[tuple[Any, Any]]
    sizes: Any  # how many elements the mean of each divides by


@lru_cache(256)
def sliding(
    n: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil_mode: bool = False, pad_counts: bool = False
) -> Windows:
    """Windows of `kernel` elements, `dilation` apart, that begin every `stride` elements, over n with `padding` on both sides.

    ceil_mode: the last one may reach over the end, if it begins before it. pad_counts: whether padding counts in the mean.
    """
    begin = stride * np.arange(how_many(n, kernel, stride, padding, dilation, ceil_mode)) - padding
    elements = begin[:, None] + dilation * np.arange(kernel)
    sizes = np.minimum(begin + kernel, n + padding) - begin if pad_counts else None
    return _windows("", elements, (elements >= 0) & (elements < n), sizes)


def how_many(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """The number of sliding windows: ⌊(n + 2 padding − reach) / stride⌋ + 1, reach = dilation (kernel − 1) + 1."""
    left = n + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return left // stride + 1
    count = -(-left // stride) + 1
    return count - 1 if (count - 1) * stride >= n + padding else count  # it would begin in the padding at the end


@lru_cache(256)
def adaptive(n: int, count: int) -> Windows:
    """`count` windows that cover n elements: the o-th from ⌊o n / count⌋ to before ⌈(o + 1) n / count⌉."""
    o = np.arange(count)
    begin, end = o * n // max(count, 1), -(-(o + 1) * n // max(count, 1))
    elements = begin[:, None] + np.arange((end - begin).max(initial=0))
    return _windows("Adaptive", elements, elements < end[:, None])


def fractional(begin: Any, kernel: int) -> Windows:
    """Windows of `kernel` elements that begin where `begin` (N, C, windows) says: in each plane elsewhere."""
    return Windows("Fractional", begin, [(slice(None), begin + k) for k in range(kernel)], kernel)


def _windows(laid: str, elements: np.ndarray, inside: np.ndarray, sizes: np.ndarray | None = None) -> Windows:
    """Of the elements of each window (windows, places), those that are inside the input."""
    first = np.take_along_axis(elements, inside.argmax(1)[:, None], 1)[:, 0] if elements.size else elements[:, :0].sum(1)
    places = [(_key(np.flatnonzero(i)), _key(e[i])) for e, i in zip(elements.T, inside.T)]
    return Windows(laid, first, places, inside.sum(1) if sizes is None else sizes)


def _key(index: np.ndarray) -> Any:
    """Ascending numbers as a slice, if they are evenly spaced; else as they are."""
    steps = set(np.diff(index).tolist()) or {1}
    if index.size == 0:
        return slice(0)
    if len(steps) == 1 and (step := steps.pop()) > 0:
        return slice(int(index[0]), int(index[-1]) + 1, step)
    return index


def _at(xp: Any, axis: int, key: Any) -> tuple:
    """The key of those elements along one dimension."""
    return (*(slice(None),) * axis, key if isinstance(key, slice) else as_table(xp, key))


def _seen(xp: Any, x: Array, axis: int, elements: Any) -> Array:
    """Those elements along one dimension; in each plane its own, if they are (N, C, windows)."""
    if isinstance(elements, slice) or elements.ndim == 1:
        return x[_at(xp, axis, elements)]
    *planes, count = elements.shape
    ones = (1,) * (x.ndim - len(planes) - 1)
    k = axis - len(planes)
    return xp.take_along_axis(x, elements.reshape((*planes, *ones[:k], count, *ones[k:])), axis)


# ---- the largest ----


def _max_name(windows: Sequence[Windows]) -> str:
    laid = windows[-1].laid
    return f"{laid}MaxPool{len(windows)}D{'' if laid else 'WithIndices'}Backward0"


@op(
    only="numbers",
    public=False,
    outputs=("out", "indices"),
    in_float32=True,
    keeps_layout=True,
    flat=True,
    grad_fn=_max_name,
)
def max_pool(xp: Any, x: Array, windows: Any) -> tuple[Array, Array]:
    """The largest of each window, and its number in the plane, row by row: the first of equal ones, the last of nans."""
    plane = x.shape[x.ndim - len(windows) :]
    form = _format(x, windows, windows[-1].laid == "")
    number = xp.broadcast_to(xp.arange(math.prod(plane)).reshape(plane), x.shape)
    for axis in reversed(range(x.ndim - len(windows), x.ndim)):
        x, number = _largest_along(xp, x, number, axis, windows[axis - x.ndim])
    return laid_out_in(xp, x, form), laid_out_in(xp, number, form)


def _format(x: Array, windows: Sequence[Windows], of_volumes: bool) -> memory_format:
    """The memory format of the result: x's where torch's kernel knows it, which is not of volumes or of windows at random."""
    unknown = windows[-1].laid == "Fractional" or (len(windows) == 3 and not of_volumes)
    form = contiguous_format if unknown else suggested(x)
    if len(windows) == 3 and form is channels_last:
        raise RuntimeError(
            "Unsupported memory format. Supports only ChannelsLast3d, Contiguous: a volume (C, D, H, W) lies in channels_last, as an "
            "image does; call .contiguous() first"
        )
    return form


def _largest_along(xp: Any, x: Array, number: Array, axis: int, windows: Windows) -> tuple[Array, Array]:
    """The largest of each window along one dimension, and the number that it brings along."""
    largest, its_number = _seen(xp, x, axis, windows.first), _seen(xp, number, axis, windows.first)
    for which, elements in windows.places:
        which = _at(xp, axis, which)
        value = _seen(xp, x, axis, elements)
        larger = (value > largest[which]) | (value != value)
        largest[which] = xp.where(larger, value, largest[which])
        its_number[which] = xp.where(larger, _seen(xp, number, axis, elements), its_number[which])
    return largest, its_number


@op(promote=None, public=False, discrete=True)
def beginnings(xp: Any, samples: Index, n: int, count: int, kernel: int) -> Array:
    """Where `count` windows of `kernel` elements begin over n: window i at ⌊(i + u) a⌋ − ⌊u a⌋, a = (n − kernel) / (count − 1).

    u are the samples, in [0, 1); the last window ends where the input does. Rounded as the samples are.
    """
    begin = xp.full((*samples.shape, count), n - kernel, "int64")
    if count > 1:
        dtype = samples.dtype.type
        u, a = samples[..., None], dtype(n - kernel) / dtype(count - 1)
        steps = xp.arange(count - 1).astype(samples.dtype)
        begin[..., :-1] = ((steps + u) * a).astype("int64") - (u * a).astype("int64")
    return begin


@max_pool.grad
def max_pool_grad(g: Tensor, x: Tensor, indices: Tensor, windows: Any) -> Tensor:
    """∂L/∂x = g at the largest of each window, 0 elsewhere; an element that is the largest of several gets their sum"""
    n = len(windows)
    planes = scatter_add(zeros(g, _flat(x.shape, n)), -1, in_row(indices, n), in_row(g, n))
    return reshape(planes, x.shape)


def in_row(x: Tensor, n: int) -> Tensor:
    """x with its last n dimensions as one."""
    return reshape(x, _flat(x.shape, n))


def _flat(shape: Sequence[int], n: int) -> tuple[int, ...]:
    return (*shape[: len(shape) - n], math.prod(shape[len(shape) - n :]))


# ---- the mean ----


@op(
    only="numbers",
    public=False,
    in_float32=True,
    keeps_layout=True,
    flat=True,
    grad_fn=lambda windows: f"{windows[-1].laid}AvgPool{len(windows)}DBackward0",
)
def avg_pool(xp: Any, x: Array, windows: Any, divisor: int | None = None) -> Array:
    """The sum of each window, divided by its size, or by `divisor`"""
    if x.dtype.kind in "iu" and (x.dtype != "int64" or windows[-1].laid == "Adaptive"):
        raise NotImplementedError(f"\"avg_pool\" not implemented for '{x.dtype}'; convert the input first, e.g. x.float()")
    dtype, form = x.dtype, _format(x, windows, False)
    for axis in range(x.ndim - len(windows), x.ndim):
        x = _sums_along(xp, x, axis, windows[axis - x.ndim])
    sizes = _divisors(xp, windows, divisor)
    if dtype.kind == "i":  # as C divides: towards 0
        return laid_out_in(xp, xp.sign(x) * xp.sign(sizes) * (abs(x) // abs(sizes)), form)
    return laid_out_in(xp, x / sizes.astype(dtype), form)


@op(promote=None, public=False, in_float32=True, format_of="x")
def avg_pool_backward(xp: Any, x: Array, shape: tuple, windows: Any, divisor: int | None) -> Array:
    """Each element of x, divided as by `avg_pool`, added to all elements of its window, in a tensor of that shape."""
    x = x / _divisors(xp, windows, divisor).astype(x.dtype)
    for axis in range(x.ndim - len(windows), x.ndim):
        x = _spread_along(xp, x, axis, windows[axis - x.ndim], shape[axis])
    return x


@avg_pool.grad
def avg_pool_grad(g: Tensor, x: Tensor, windows: Any, divisor: int | None) -> Tensor:
    """∂L/∂x = Σ g / size over the windows that hold the element"""
    return avg_pool_backward(g, x.shape, windows, divisor)


@avg_pool_backward.grad
def avg_pool_backward_grad(g: Tensor, windows: Any, divisor: int | None) -> Tensor:
    """∂L/∂x = the mean of g over the window"""
    return avg_pool(g, windows, divisor)


def _sums_along(xp: Any, x: Array, axis: int, windows: Windows) -> Array:
    """The sum of each window along one dimension."""
    sums = xp.zeros((*x.shape[:axis], len(windows.sizes), *x.shape[axis + 1 :]), x.dtype)
    for which, elements in windows.places:
        sums[_at(xp, axis, which)] += x[_at(xp, axis, elements)]
    return sums


def _spread_along(xp: Any, x: Array, axis: int, windows: Windows, n: int) -> Array:
    """Element o of x added to all of the n elements that window o holds: the transpose of `_sums_along`."""
    out = xp.zeros((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype)
    for which, elements in windows.places:
        share = x[_at(xp, axis, which)]
        if isinstance(elements, slice):
            out[_at(xp, axis, elements)] += share
        else:
            add_slices(xp, out, axis, as_table(xp, elements), share)
    return out


def _divisors(xp: Any, windows: Sequence[Windows], divisor: int | None) -> Array:
    """What the sum of each window is divided by."""
    if divisor is not None:
        return as_number(xp, divisor, "int64")
    sizes: Any = np.ones((), "int64")
    for w in windows:
        sizes = sizes[..., None] * w.sizes
    return as_table(xp, sizes)


# ---- what users call: the arguments checked, and the windows that they mean ----


def pooled(pool: Callable, x: Tensor, windows: Sequence[Windows], *options: Any) -> Any:
    """pool(x, windows). What has one dimension is pooled as a plane of one row, as in torch, where it shows in the graph."""
    if len(windows) > 1:
        return pool(x, windows, *options)
    found = pool(unsqueeze(x, -2), (ONE, *windows), *options)
    return squeeze(found, -2) if pool is avg_pool else tuple(squeeze(each, -2) for each in found)


Sizes = tuple[int, int, int, int]  # of windows in one dimension: kernel, stride, padding, dilation
ONE = sliding(1, 1, 1, 0)  # the window of a dimension of size 1


def max_pool_nd(
    n: int,
    input: Tensor,
    kernel_size: Dims,
    stride: Dims | None = (),
    padding: Dims = 0,
    dilation: Dims = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """The largest of each window of `kernel_size` elements, and its number in the plane: (out, indices).

    x (N, C, …) or (C, …). Windows begin every `stride` elements, by default one beside the other; padding is never the largest.
    """
    name = f"max_pool{n}d"
    sizes = sizes_of_windows(name, n, kernel_size, stride, padding, dilation)
    out, indices = pooled(max_pool, input, all_sliding(name, input.shape, sizes, ceil_mode))
    return out, indices


def avg_pool_nd(
    n: int,
    input: Tensor,
    kernel_size: Dims,
    stride: Dims | None = (),
    padding: Dims = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of `kernel_size` elements: Σ x / (how many), or / divisor_override.

    x (N, C, …) or (C, …). Windows begin every `stride` elements, by default one beside the other.
    """
    name = f"avg_pool{n}d"
    if divisor_override == 0:
        raise RuntimeError(f"{name}(): divisor must be not zero")
    sizes = sizes_of_windows(name, n, kernel_size, stride, padding)
    return pooled(avg_pool, input, all_sliding(name, input.shape, sizes, ceil_mode, count_include_pad), divisor_override)


def adaptive_max_pool_nd(n: int, input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """The largest of each of `output_size` windows that cover x, and its number in the plane: (out, indices).

    x (N, C, …) or (C, …). Window o of m over a dimension of n: from ⌊o n / m⌋ to before ⌈(o + 1) n / m⌉.
    """
    name = f"adaptive_max_pool{n}d"
    counts = counts_of_windows(name, n, input.shape, output_size)
    out, indices = pooled(max_pool, input, all_adaptive(name, input.shape, counts, input.shape[1:]))
    return out, indices


def adaptive_avg_pool_nd(n: int, input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of `output_size` windows that cover x; of one alone, the mean.

    x (N, C, …) or (C, …). Window o of m over a dimension of n: from ⌊o n / m⌋ to before ⌈(o + 1) n / m⌉.
    """
    name = f"adaptive_avg_pool{n}d"
    counts = counts_of_windows(name, n, input.shape, output_size)
    if set(counts) == {1} and (n > 1 or input.ndim in (2, 3)):
        return mean(input, tuple(range(-n, 0)), True) if n > 1 else squeeze(mean(unsqueeze(input, -2), (-2, -1), True), -2)
    return pooled(avg_pool, input, all_adaptive(name, input.shape, counts, input.shape[1 if n == 3 else -n :]))


@composite(only="floats")
def max_pool1d(
    input: Tensor,
    kernel_size: Dims,
    stride: Dims | None = (),
    padding: Dims = 0,
    dilation: Dims = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest of each window of `kernel_size` elements of x (N, C, L) or (C, L), every `stride` elements."""
    return max_pool_nd(1, input, kernel_size, stride, padding, dilation, ceil_mode)[0]


@composite
def max_pool2d(
    input: Tensor,
    kernel_size: Dims,
    stride: Dims | None = (),
    padding: Dims = 0,
    dilation: Dims = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest of each window of `kernel_size` elements of x (N, C, H, W) or (C, H, W), every `stride` elements.

    >>> minitorch.max_pool2d(minitorch.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return max_pool_nd(2, input, kernel_size, stride, padding, dilation, ceil_mode)[0]


@composite
def max_pool3d(
    input: Tensor,
    kernel_size: Dims,
    stride: Dims | None = (),
    padding: Dims = 0,
    dilation: Dims = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest of each window of `kernel_size` elements of x (N, C, D, H, W) or (C, D, H, W), every `stride` elements."""
    return max_pool_nd(3, input, kernel_size, stride, padding, dilation, ceil_mode)[0]


@composite
def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Dims,
    stride: Dims | None = (),
    padding: Dims = 0,
    dilation: Dims = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """(out, indices): the largest of each window of x (N, C, L) or (C, L), and its number in L."""
    return max_pool_nd(1, input, kernel_size, stride, padding, dilation, ceil_mode)


@composite(only="floats")
def adaptive_max_pool1d(input: Tensor, output_size: Dims) -> tuple[Tensor, Tensor]:
    """(out, indices): the largest of each of `output_size` windows that cover x (N, C, L) or (C, L), and its number in L."""
    return adaptive_max_pool_nd(1, input, output_size)


@composite
def adaptive_avg_pool1d(input: Tensor, output_size: Dims) -> Tensor:
    """The mean of each of `output_size` windows that cover x (N, C, L) or (C, L)."""
    return adaptive_avg_pool_nd(1, input, output_size)


@composite
def avg_pool1d(
    input: Tensor,
    kernel_size: Dims,
    stride: Dims | None = (),
    padding: Dims = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of `kernel_size` elements of x (N, C, L) or (C, L); padding counts as zeros, unless told."""
    return avg_pool_nd(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def each(name: str, n: int, what: str, value: Any) -> tuple[int, ...]:
    """A size for each of n dimensions, given as n of them or as one for all."""
    sizes = as_ints(value)
    if len(sizes) not in (1, n):
        raise RuntimeError(f"{name}: {what} must be an int or a tuple of {n}, one for each dimension, got {value}")
    return sizes * n if len(sizes) == 1 else sizes


def sizes_of_windows(name: str, n: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1) -> list[Sizes]:
    """(kernel, stride, padding, dilation) for each dimension; each may come as one number for all."""
    stride = kernel_size if stride is None or (not isinstance(stride, int) and len(stride) == 0) else stride
    given = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    found = list(zip(*(each(name, n, what, value) for what, value in given.items())))
    for k, s, p, d in found:
        if min(k, s, d) <= 0:
            raise RuntimeError(f"{name}: kernel_size, stride and dilation must be greater than zero, got {k}, {s} and {d}")
        if not 0 <= p <= k // 2:
            raise RuntimeError(f"{name}: padding must be at least 0 and at most half of kernel size {k}, but got {p}")
    return found


def all_sliding(
    name: str, shape: Sequence[int], sizes: list[Sizes], ceil_mode: bool, pad_counts: bool = False
) -> tuple[Windows, ...]:
    """The sliding windows of each dimension of a plane."""
    n = len(sizes)
    if len(shape) not in (n + 1, n + 2) or 0 in shape[-n - 1 :]:
        raise (IndexError if name == "avg_pool2d" and len(shape) < 3 else RuntimeError)(
            f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got: "
            f"{list(shape)}"
        )
    too_small = any(how_many(size, *each, ceil_mode) < 1 for size, each in zip(shape[-n:], sizes))
    if too_small or (name == "avg_pool3d" and any(size < each[0] for size, each in zip(shape[-n:], sizes))):
        raise RuntimeError(
            f"{name}: no window of kernel_size {[k for k, *_ in sizes]} fits into {list(shape[-n:])}. Output size is too "
            "small; give a smaller kernel or a larger input"
        )
    windows = tuple(sliding(size, *each, ceil_mode, pad_counts) for size, each in zip(shape[-n:], sizes))
    if any(0 in w.sizes for w in windows):
        raise RuntimeError(
            f"{name}: a window of {sizes} (kernel_size, stride, padding, dilation) lies in the padding altogether"
        )
    return windows


def counts_of_windows(name: str, n: int, shape: Sequence[int], output_size: Any) -> tuple[int, ...]:
    """How many adaptive windows each dimension of a plane has; where the output size is None, as many as elements."""
    if n > 1 and isinstance(output_size, (tuple, list)):
        if len(shape) <= len(output_size):
            raise ValueError(f"{name}: Input dimension should be at least {len(output_size) + 1}, got {list(shape)}")
        output_size = [size if o is None else o for o, size in zip(output_size, shape[len(shape) - len(output_size) :])]
    counts = as_ints(output_size)
    counts = counts * n if isinstance(output_size, int) else counts
    if len(counts) != n or min(counts) < 0:
        raise RuntimeError(f"{name}: output_size must be an int or {n} of them, not negative, got {output_size}")
    return counts


def all_adaptive(name: str, shape: Sequence[int], counts: tuple[int, ...], must_hold: Sequence[int]) -> tuple[Windows, ...]:
    """The adaptive windows of each dimension of a plane. must_hold: the sizes that may not be 0."""
    n = len(counts)
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got {list(shape)}")
    if 0 in must_hold:
        raise RuntimeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {list(shape)}"
        )
    return tuple(map(adaptive, shape[-n:], counts))
