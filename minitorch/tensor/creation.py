"""Making tensors from nothing or from data: `tensor`, `zeros`, `arange`, `from_numpy`, …

The one idea: the dtype is inferred as torch does it. Python floats become the default dtype (float32), integers int64;
NumPy arrays keep theirs. `tensor` copies; `as_tensor` and `from_numpy` share memory.
Read next: `random/` for tensors of random numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays import layout as _layout
from ..arrays.determinism import filled
from ..arrays.device import adopted, as_array, as_device, on_a_gpu
from ..arrays.dtypes import dtype as DType
from ..arrays.layout import contiguous_format, memory_format, preserve_format
from ..arrays.numbers import WIDEST, fitting, read
from ..arrays.quiet import silent
from ..arrays.warning import warn, warn_once
from ..op.signature import Device, Number, Sizes, checked
from ..ops.dims import as_ints
from .making import makes
from .reading import read_data
from .tensor import Tensor


@checked
def tensor(data: Any, *, dtype: DType | None = None, device: Device | None = None, requires_grad: bool = False) -> Tensor:
    """A new tensor holding a copy of `data`: a number, nested sequences of numbers, an array or a tensor.

    >>> tensor([1.0, 2.0])
    tensor([1., 2.])
    """
    if isinstance(data, Tensor):
        warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor)."
        )
        target = data.device if device is None else as_device(device)
        found = data.detach().to(target)
        array = (found if dtype is None or dtype is data.dtype else found.to(dtype))._array
        array = target.xp.array(array, copy=True)
    else:
        there = on_a_gpu(data)
        if there is not None:  # a copy of it, where it is unless the device is told
            return as_tensor(there.copy(), dtype=dtype, device=device).requires_grad_(requires_grad)
        target = as_device(device)
        array = as_array(target.xp, read_data(data, dtype))
    made = Tensor._wrap(array)
    return made.requires_grad_() if requires_grad else made


@checked
def as_tensor(data: Any, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """`data` as a tensor, sharing its memory and history where dtype and device allow it."""
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    if isinstance(data, np.ndarray) and data.flags.writeable:
        return from_numpy(data).to(device=device, dtype=dtype)
    if (array := on_a_gpu(data)) is not None:
        return Tensor._wrap(array).to(device=device, dtype=dtype)
    return tensor(data, dtype=dtype, device=device)


@checked
def asarray(
    obj: Any,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`obj` as a tensor without history: on its memory where that is possible (copy=False: or not at all), or a copy (copy=True)."""
    if isinstance(obj, Tensor) and not requires_grad:
        made = obj.to(device=device, dtype=dtype, copy=bool(copy))
    elif isinstance(obj, Tensor):
        made = obj.detach().to(device=device, dtype=dtype, copy=bool(copy))
    else:
        made = tensor(obj, dtype=dtype, device=device) if copy else as_tensor(obj, dtype=dtype, device=device)
    shared = made is obj or (isinstance(obj, np.ndarray) and np.shares_memory(made._array, obj))
    if copy is False and not shared:
        raise ValueError("can't alias: it takes a copy to make a tensor of this; leave copy away")
    return made.requires_grad_() if requires_grad else made


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor on the array's own memory: a write to either shows in both."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__}); for lists use minitorch.tensor")
    dtypes.from_numpy_dtype(ndarray.dtype)
    if any(stride < 0 for stride in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently "
            "supported. (You can probably work around this by making a copy of your array with array.copy().)"
        )
    if not ndarray.flags.writeable:
        warn_once(
            "The given NumPy array is not writable, and tensors that share its memory cannot be written to either. Copy the array "
            "before converting it to a tensor, or call clone() on the tensor."
        )
    return Tensor._wrap(ndarray)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor on the memory of any object with `__dlpack__`."""
    return Tensor._wrap(adopted(ext_tensor))


__all__ = [
    "arange", "as_tensor", "asarray", "empty", "empty_like", "eye", "from_dlpack", "from_numpy", "full", "full_like",
    "linspace", "logspace", "ones", "ones_like", "range", "scalar_tensor", "tensor", "tril_indices", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip


# ---- filled with one value ----


@makes
def full(
    size: Sizes,
    fill_value: Tensor | float,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of shape `size` filled with `fill_value`, whose type gives the dtype."""
    if isinstance(fill_value, Tensor) and fill_value.ndim:
        raise TypeError("full(): argument 'fill_value' (position 2) must be Number, not Tensor")
    value = read(fill_value.item() if isinstance(fill_value, Tensor) else fill_value)
    wanted = (dtype or dtypes.scalar_dtype(value)).numpy
    array = as_device(device).xp.full(_size((size,)), fitting(value, wanted), dtype=wanted)
    return _finish(array, requires_grad)


@makes
def zeros(*size: Any, dtype: DType | None = None, device: Device | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`."""
    array = as_device(device).xp.zeros(_size(size), dtype=(dtype or dtypes.get_default_dtype()).numpy)
    return _finish(array, requires_grad)


@makes
def ones(*size: Any, dtype: DType | None = None, device: Device | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones: `ones(2, 3)` or `ones((2, 3))`."""
    array = as_device(device).xp.ones(_size(size), dtype=(dtype or dtypes.get_default_dtype()).numpy)
    return _finish(array, requires_grad)


@makes
def empty(
    *size: Any,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
    memory_format: memory_format = contiguous_format,
) -> Tensor:
    """A tensor with whatever was in memory."""
    numpy_dtype = (dtype or dtypes.get_default_dtype()).numpy
    array = _layout.empty(as_device(device).xp, _size(size), numpy_dtype, memory_format)
    return _finish(filled(array), requires_grad)


@checked
def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
    memory_format: memory_format = preserve_format,
) -> Tensor:
    """A tensor of input's shape, dtype, device and memory order, filled with `fill_value`."""
    made = empty_like(input, dtype=dtype, device=device, memory_format=memory_format)
    made._array[...] = fitting(fill_value.item() if isinstance(fill_value, Tensor) else fill_value, made._array.dtype)
    return made.requires_grad_() if requires_grad else made


@checked
def zeros_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
    memory_format: memory_format = preserve_format,
) -> Tensor:
    """Zeros of input's shape, dtype and device."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad, memory_format=memory_format)


@checked
def ones_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
    memory_format: memory_format = preserve_format,
) -> Tensor:
    """Ones of input's shape, dtype and device."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad, memory_format=memory_format)


@checked
def empty_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
    memory_format: memory_format = preserve_format,
) -> Tensor:
    """Whatever was in memory, in input's shape, dtype, device and memory order."""
    xp = as_device(input.device if device is None else device).xp
    numpy_dtype = (dtype or input.dtype).numpy
    if memory_format is preserve_format:
        return _finish(filled(_layout.empty_like(xp, input._array, numpy_dtype)), requires_grad)
    return _finish(filled(_layout.empty(xp, input._array.shape, numpy_dtype, memory_format)), requires_grad)


@makes
def scalar_tensor(
    s: Number, *, dtype: DType | None = None, device: Device | None = None, requires_grad: bool = False
) -> Tensor:
    """A number as a tensor without dimensions, of the default dtype even if it is an integer."""
    return full((), s, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)


# ---- sequences and matrices ----


@makes
@silent
def arange(
    start: Number = None,
    end: Number = None,
    step: Number = 1,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, … below `end`: ⌈(end − start) / step⌉ numbers; int64 if all three are integers."""
    if end is None:
        start, end = 0, start
    if end is None:
        raise TypeError("arange() missing required argument 'end'")
    start = 0 if start is None else start
    start, end, step = (read(x.item() if isinstance(x, Tensor) else x) for x in (start, end, step))
    inferred = dtypes.int64 if all(isinstance(x, int) for x in (start, end, step)) else dtypes.get_default_dtype()
    wanted = (dtype or inferred).numpy
    if wanted.kind == "b":
        raise NotImplementedError("\"arange_cpu\" not implemented for 'Bool'; make it of integers and compare")
    # Steps are counted and taken in a wider dtype, so that numbers too large for `wanted` wrap only at the end.
    wide = np.dtype("int64" if wanted.kind in "iu" else "float32" if wanted.itemsize == 2 else "float64")
    first, stride = fitting(start, wide), fitting(step, wide)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if any(isinstance(x, float) and not math.isfinite(x) for x in (start, end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) / step < 0:
        raise RuntimeError(f"upper bound and lower bound inconsistent with step sign: start={start}, end={end}, step={step}")
    if stride == 0 and wanted == "int64":  # (the other integers all come out as the first, as in torch)
        raise ValueError(f"step must be nonzero: {step} is 0 as an int64")
    if wanted == "int64":
        n = -((first - fitting(end, wide)) // stride)
    else:
        n = math.ceil((float(end) - float(start)) / float(step))
    if n >= WIDEST:
        raise RuntimeError(f"invalid size, possible overflow? {n} numbers from {start} to {end}")
    steps = as_device(device).xp.arange(n)
    exact = steps * stride + first  # computed in int64 or float64, then rounded once
    return _finish(exact.astype(wanted), requires_grad)


@makes
@silent
def range(
    start: Number = 0,
    end: Number = None,
    step: Number = 1,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, … up to `end`, which is included: deprecated, `arange` is what Python's range does."""
    if end is None:
        raise TypeError("range() missing required argument 'end'")
    warn(
        "minitorch.range is deprecated and will be removed in a future release because its behavior is inconsistent with Python's range "
        "builtin. Instead, use minitorch.arange, which produces values in [start, end)."
    )
    wanted = (dtype or dtypes.get_default_dtype()).numpy
    if wanted.kind == "b":
        raise NotImplementedError("\"range_cpu\" not implemented for 'Bool'; make it of integers and compare")
    wide = np.dtype("int64" if wanted.kind in "iu" else "float32" if wanted.itemsize == 2 else "float64")
    given = [read(x.item() if isinstance(x, Tensor) else x) for x in (start, end, step)]
    if not all(math.isfinite(x) for x in given[:2]):
        raise RuntimeError(f"unsupported range: {given[0]} -> {given[1]}")
    first, last, stride = (fitting(x, wide) for x in given)
    if stride == 0:
        raise RuntimeError(f"step must be nonzero, got {given[2]}")
    if (last - first) / stride < 0:
        raise RuntimeError(f"upper bound and lower bound inconsistent with step sign: {first} to {last} by {stride}")
    places = as_device(device).xp.arange(math.floor((last - first) / stride) + 1)
    return _finish((places * stride + first).astype(wanted), requires_grad)


@makes
@silent
def linspace(
    start: Tensor | Number,
    end: Tensor | Number,
    steps: int,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included."""
    wanted, numbers = _evenly("linspace", start, end, steps, dtype, device)
    return _finish(numbers.astype(wanted), requires_grad)


@makes
@silent
def logspace(
    start: Tensor | Number,
    end: Tensor | Number,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """base^start … base^end, evenly spaced in the exponent."""
    wanted, exponents = _evenly("logspace", start, end, steps, dtype, device)
    return _finish((float(base) ** exponents).astype(wanted), requires_grad)


def _evenly(name: str, start: Any, end: Any, steps: int, dtype: DType | None, device: Any) -> tuple[np.dtype, Any]:
    """The dtype that is wanted, and evenly spaced numbers in float64; the ends as the dtype has them."""
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {steps}")
    for x in (start, end):
        if isinstance(x, Tensor) and x.ndim:
            raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got {x.ndim} dimension(s).")
    wanted = (dtype or dtypes.get_default_dtype()).numpy
    if wanted.kind == "b":
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'; make it of floats and compare")
    first, last = (float(fitting(x.item() if isinstance(x, Tensor) else x, wanted)) for x in (start, end))
    xp = as_device(device).xp
    if name == "linspace" and wanted.itemsize == 2 and wanted.kind in "fV" and steps > 1:
        return wanted, _step_by_step(xp, first, last, steps, wanted)
    if name == "linspace" and wanted == "float32" and steps > 1 and abs(last - first) < 3e38:
        return wanted, _from_both_ends(xp, first, last, steps)
    if math.isfinite(first) and math.isfinite(last):
        return wanted, xp.linspace(first, last, steps)
    return wanted, xp.full(steps, first if steps == 1 else math.nan)  # ∞ − ∞ wherever one begins to count


def _from_both_ends(xp: Any, first: float, last: float, steps: int) -> Any:
    """Evenly spaced numbers with a step of float32, each rounded once (a fused multiply-add), as torch goes: from the first to the
    middle, from the last back."""
    first, last = float(np.float32(first)), float(np.float32(last))
    step = float(np.float32(float(np.float32(last - first)) / (steps - 1)))
    places = xp.arange(steps, dtype="float64")
    return xp.where(places < steps // 2, first + step * places, last - step * (steps - 1 - places))


def _step_by_step(xp: Any, first: float, last: float, steps: int, half: np.dtype) -> Any:
    """Evenly spaced numbers, each step rounded to half precision, as torch goes: from the first to the middle, from the last back."""

    def rounded(x: Any) -> Any:
        return xp.asarray(x).astype(half).astype("float64")

    first, last = rounded(first), rounded(last)
    step = rounded(rounded(last - first) / rounded(float(steps - 1)))
    places = xp.arange(steps, dtype="float64")
    forth = rounded(first + rounded(step * rounded(places)))
    back = rounded(last - rounded(step * rounded(steps - 1 - places)))
    return xp.where(places < steps // 2, forth, back)


@makes
def eye(
    n: int, m: int | None = None, *, dtype: DType | None = None, device: Device | None = None, requires_grad: bool = False
) -> Tensor:
    """The n×m matrix with ones on the diagonal."""
    if n < 0 or (m or 0) < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {min(n, m or 0)}")
    array = as_device(device).xp.eye(n, m, dtype=(dtype or dtypes.get_default_dtype()).numpy)
    return _finish(array, requires_grad)


@makes
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """(2, K) int64: the row and column numbers of the lower triangle."""
    _check_sizes(row=row, col=col)
    return tensor(np.stack(np.tril_indices(row, offset, col)), dtype=dtype, device=device)


@makes
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """(2, K) int64: the row and column numbers of the upper triangle."""
    _check_sizes(row=row, col=col)
    return tensor(np.stack(np.triu_indices(row, offset, col)), dtype=dtype, device=device)


def _check_sizes(**sizes: int) -> None:
    for name, n in sizes.items():
        if n < 0:
            raise RuntimeError(f"{name} must be non-negative, got {n}")


def _size(size: tuple) -> tuple[int, ...]:
    """`(2, 3)`, `((2, 3),)` or a Size, as a tuple of non-negative ints."""
    if not size:
        raise TypeError("missing 1 required positional argument: size; give () for a tensor without dimensions")
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    sizes = as_ints(size)
    for n in sizes:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(sizes)}")
    return sizes


def _finish(array: Any, requires_grad: bool) -> Tensor:
    made = Tensor._wrap(array)
    return made.requires_grad_() if requires_grad else made
