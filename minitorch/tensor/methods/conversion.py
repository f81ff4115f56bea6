"""The methods of Tensor: conversion to other dtypes, devices, Python and NumPy, and tensors made like this one.

Read next: `../creation.py`.
"""

from __future__ import annotations

import functools
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arrays import dtypes
from ...arrays.device import as_device, to_numpy
from ...arrays.layout import memory_format, preserve_format, suggested
from ...arrays.numbers import stored
from ...arrays.quantized import QArray
from ...autograd.grad_mode import grad_mode
from ...op.signature import Device, checked

if TYPE_CHECKING:
    from ..tensor import Tensor


class Conversion:
    """Conversion to other dtypes, devices, Python and NumPy."""

    _array: Any
    _requires_grad: bool
    shape: Any
    ndim: Any
    dtype: Any
    device: Any
    is_cuda: Any
    unbind: Any
    clone: Any

    # ---- tensors like this one ----

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """`to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`: this tensor itself if nothing changes."""
        target, dtype, copy, form, non_blocking = parse_to(*args, **kwargs)
        out: Any = self
        if target is not None and as_device(target) != self.device:
            from ...ops.elementwise import to_device

            out = to_device(out, as_device(target), self.device, non_blocking)
        another_form = form is not preserve_format and form is not suggested(self._array)
        if (dtype is not None and dtype is not out.dtype) or another_form or (copy and out is self):
            from ...ops.elementwise import to

            out = to(out, dtype or out.dtype, None if form is preserve_format else form)
        return out

    def _like_this(self, dtype: Any, device: Any) -> dict[str, Any]:
        """What was given, else this tensor's own."""
        return {"dtype": self.dtype if dtype is None else dtype, "device": self.device if device is None else device}

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The tensor in that dtype, a class such as FloatTensor, or the name of one; without dtype, the name of its own."""
        from .. import legacy

        return legacy.type_name(self) if dtype is None else legacy.converted(self, dtype)

    def new(self, *data: Any, device: Any = None) -> Tensor:
        """A tensor of this dtype, in the old way: `x.new(2, 3)` of that shape, `x.new([2, 3])` of these numbers."""
        from .. import legacy

        return legacy.made(self.dtype, data, self.device if device is None else device)

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """A new tensor of `data`, by default with this tensor's dtype and device."""
        from .. import creation

        return creation.tensor(data, **self._like_this(dtype, device), requires_grad=requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, **others: Any) -> Tensor:
        """Zeros, by default with this tensor's dtype and device."""
        from .. import creation

        return creation.zeros(*size, **self._like_this(dtype, device), **others)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, **others: Any) -> Tensor:
        """Ones, by default with this tensor's dtype and device."""
        from .. import creation

        return creation.ones(*size, **self._like_this(dtype, device), **others)

    def new_full(self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, **others: Any) -> Tensor:
        """`fill_value` everywhere, by default with this tensor's dtype and device."""
        from .. import creation

        return creation.full(size, fill_value, **self._like_this(dtype, device), **others)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, **others: Any) -> Tensor:
        """Whatever was in memory, by default with this tensor's dtype and device."""
        from .. import creation

        return creation.empty(*size, **self._like_this(dtype, device), **others)

    def new_empty_strided(self, size: Any, stride: Any, *, dtype: Any = None, device: Any = None, **others: Any) -> Tensor:
        """Whatever was in memory, in those strides, by default with this tensor's dtype and device."""
        from .. import by_memory

        return by_memory.empty_strided(size, stride, **self._like_this(dtype, device), **others)

    # ---- Python and NumPy ----

    def apply_(self, callable: Any) -> Any:
        """x_i ← callable(x_i), one Python number after the other."""
        return self._by_numbers("apply_", callable)

    @checked
    def map_(self: Any, other: Tensor, callable: Any) -> Any:
        """x_i ← callable(x_i, other_i), one pair of Python numbers after the other."""
        return self._by_numbers("map_", callable, other)

    @checked
    def map2_(self: Any, x: Tensor, y: Tensor, callable: Any) -> Any:
        """x_i ← callable(x_i, x_i, y_i) of this tensor and of both others."""
        return self._by_numbers("map2_", callable, x, y)

    def _by_numbers(self: Any, name: str, function: Any, *others: Any) -> Any:
        for x in (self, *others):
            if x.requires_grad:
                raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
            if x.dtype is not self.dtype:
                raise TypeError(
                    f"{name}: expected another tensor of {self.dtype!r}, got {x.dtype!r}; convert it with .to(dtype)"
                )
        columns = [x.expand(self.shape).reshape(-1).tolist() for x in (self, *others)]
        results = [function(*numbers) for numbers in zip(*columns)]
        found = [x.item() if hasattr(x, "item") else x for x in results]
        return self.copy_(self.new_tensor([stored(x, self._array.dtype) for x in found]).reshape(self.shape))

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self._array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self._array.size} elements cannot be converted to Scalar; reduce it first, e.g. .mean()"
            )
        return _numbers(self._array).item()

    def tolist(self) -> Any:
        """The elements as nested Python lists."""
        return to_numpy(self._array).tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The same memory as a NumPy array. `force=True` detaches and copies to the CPU as needed."""
        if self._requires_grad and grad_mode.enabled and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.dtype is dtypes.bfloat16:
            raise TypeError(
                "Got unsupported ScalarType BFloat16: NumPy has no such dtype; convert it first, e.g. x.float().numpy()"
            )
        if self.dtype.integers is not None:
            raise TypeError(
                f"Got unsupported ScalarType {dtypes.SCALAR_NAMES[self.dtype.name]}: NumPy has no quantized numbers; take "
                "dequantize().numpy(), or the integers by int_repr().numpy()"
            )
        if self.is_cuda and not force:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        return to_numpy(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return np.array(array, dtype=dtype, copy=copy) if dtype is not None or copy else array

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """What NumPy hands back when it has computed with this tensor: a tensor, in which truth is uint8 as in torch."""
        from ..creation import from_numpy

        return from_numpy(np.asarray(array.astype("uint8") if array.dtype == bool else array))

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self._requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self._array.__dlpack__(**kwargs)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Where the numbers lie on the GPU, for other libraries. AttributeError on the CPU, so that nobody takes it for a GPU's."""
        if not self.is_cuda:
            raise AttributeError(
                "Can't get __cuda_array_interface__ on non-CUDA tensor type: "
                f"{self.type()} If CUDA data is required use tensor.cuda() to copy tensor to device memory."
            )
        if self._requires_grad:
            raise RuntimeError(
                "Can't get __cuda_array_interface__ on Variable that requires grad. If gradients aren't required, use var.detach() to get "
                "Variable that doesn't require grad."
            )
        return self._array.__cuda_array_interface__

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __repr__(self: Any, *, tensor_contents: Any = None) -> str:
        from ..printing import tensor_repr

        return tensor_repr(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: a table of a few numbers, a heat map of many."""
        from ...utils.html import tensor_html

        return tensor_html(self)

    def __format__(self, spec: str) -> str:
        """Of a tensor without dimensions its number's: `f"{loss:.3f}"`."""
        from ..tensor import Tensor

        return format(self.item(), spec) if self.ndim == 0 and type(self) is Tensor else object.__format__(self, spec)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._array.shape[0]

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __bool__(self) -> bool:
        if self._array.size != 1:
            what = "no values" if self._array.size == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous; use .any() or .all()")
        return bool(_numbers(self._array).item())

    def __int__(self) -> int:
        return int(self._scalar())

    def __float__(self) -> float:
        return float(self._scalar())

    def _scalar(self) -> Any:
        if self._array.size != 1:
            raise ValueError(
                f"only one element tensors can be converted to Python scalars, got shape {tuple(self.shape)}; reduce it first, "
                "e.g. .mean()"
            )
        return _numbers(self._array).item()

    def __index__(self) -> int:
        if self.dtype.is_floating_point or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __contains__(self, element: Any) -> bool:
        if not hasattr(element, "_array") and not isinstance(element, Number):
            raise RuntimeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}; tensor(…) makes one of it"
            )
        return bool((self == element).any())


def _numbers(array: Any) -> np.ndarray:
    """The numbers on the host; of quantized ones what they stand for."""
    return array.dequantized() if isinstance(array, QArray) else to_numpy(array)


# How `to` may be called, by what its first argument is.
FORMS = {
    "device": ("device", "dtype", "non_blocking", "copy"),
    "dtype": ("dtype", "non_blocking", "copy"),
    "other": ("other", "non_blocking", "copy"),
}


def parse_to(*args: Any, memory_format: Any = preserve_format, **kwargs: Any) -> tuple:
    """(device, dtype, copy, memory format, non_blocking) from any of the forms of `Tensor.to`."""
    first = args[0] if args else kwargs.get("other")
    form = FORMS["other" if hasattr(first, "_array") else "dtype" if args and _is_dtype(first) else "device"]
    given = dict(zip(form, args))
    if len(args) > len(form) or kwargs.keys() - set(form) or kwargs.keys() & given.keys():
        raise TypeError(
            f"to() takes {', '.join(form)}, each once, got {len(args)} by position and {list(kwargs)} by keyword"
        )
    given |= kwargs
    if "other" in given:
        given = {"device": given["other"].device, "dtype": given["other"].dtype} | {
            n: given[n] for n in given if n != "other"
        }
    return _to(**given, memory_format=memory_format)


@functools.partial(checked, name="to")
def _to(
    device: Device | None = None,
    dtype: dtypes.dtype | None = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: memory_format | None = None,
) -> tuple:
    return device, dtype, copy, preserve_format if memory_format is None else memory_format, non_blocking


def _is_dtype(x: Any) -> bool:
    return isinstance(x, (dtypes.dtype, type))
