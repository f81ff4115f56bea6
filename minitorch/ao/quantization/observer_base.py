"""What every observer is, and how a scale and a zero point are chosen for a range.

    s = (max − min) / (q_max − q_min),   z = q_min − round(min / s)          (affine)
    s = 2 max(|min|, |max|) / (q_max − q_min),   z = the middle              (symmetric)

Read next: `observer.py`, what they remember.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import minitorch
from minitorch.arrays.quantized import SCHEMES, limits
from minitorch.arrays.warning import warn
from minitorch.nn import Module
from minitorch.tensor import Tensor

EPS = minitorch.finfo(minitorch.float32).eps
PER_TENSOR = (minitorch.per_tensor_affine, minitorch.per_tensor_symmetric)
PER_CHANNEL = tuple(scheme for scheme in SCHEMES if scheme not in PER_TENSOR)
SYMMETRIC = (minitorch.per_tensor_symmetric, minitorch.per_channel_symmetric)
# Plain integers are for those who quantize by hand; the range is the same.
RANGES = {d: limits(d) for d in (minitorch.quint8, minitorch.qint8, minitorch.qint32)}
RANGES |= {
    d: (minitorch.iinfo(d).min, minitorch.iinfo(d).max)
    for d in (minitorch.uint8, minitorch.int8, minitorch.int16, minitorch.int32)
}
UNSIGNED = (minitorch.quint8, minitorch.uint8)


class _PartialWrapper:
    """A class with some of its arguments: `MinMaxObserver.with_args(dtype=qint8)` makes observers of that dtype when it is called."""

    def __init__(self, p: functools.partial) -> None:
        self.p = p
        self.callable_args: dict[str, Callable] = {}

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        made_now = {name: make() for name, make in self.callable_args.items() if name not in keywords}
        return self.p(*args, **made_now, **keywords)

    def __repr__(self) -> str:
        return repr(self.p) + repr(self.callable_args)

    def with_args(self, **kwargs: Any) -> _PartialWrapper:
        """With more arguments."""
        return with_args(self, **kwargs)

    def with_callable_args(self, **kwargs: Any) -> _PartialWrapper:
        """With arguments that are made anew for each observer."""
        made = self.with_args()
        made.callable_args = {**self.callable_args, **kwargs}
        return made


def with_args(made_by: Any, **kwargs: Any) -> _PartialWrapper:
    """What makes the same with these arguments."""
    return _PartialWrapper(functools.partial(made_by, **kwargs))


class ObserverBase(Module):
    """What every observer is. dtype: of the integers that are wanted; is_dynamic: whether scales are chosen when the model runs."""

    def __init__(self, dtype: Any, is_dynamic: bool = False) -> None:
        super().__init__()
        self.dtype, self.is_dynamic = dtype, is_dynamic

    def forward(self, x: Tensor) -> Tensor:
        """Look at x and let it through."""
        raise NotImplementedError

    def calculate_qparams(self, **kwargs: Any) -> Any:
        """(scale, zero point) for what was seen."""
        raise NotImplementedError

    with_args = classmethod(with_args)
    with_callable_args = classmethod(lambda cls, **kwargs: with_args(cls).with_callable_args(**kwargs))


class UniformQuantizationObserverBase(ObserverBase):
    """What observers are that find the smallest and the largest number.

    qscheme: affine or symmetric. reduce_range: half of the integers, for processors whose instructions add two products in 16 bits.
    quant_min, quant_max: other ends than the dtype's. eps: the smallest scale.
    """

    _version = 3
    schemes: tuple = SCHEMES
    eps: Tensor
    min_val: Tensor
    max_val: Tensor

    def __init__(
        self,
        dtype: Any = minitorch.quint8,
        qscheme: Any = minitorch.per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if qscheme not in self.schemes:
            known = ", ".join(map(repr, self.schemes))
            raise NotImplementedError(f"{name}'s qscheme only supports {known}; got {qscheme!r}")
        if dtype not in RANGES:
            known = ", ".join(map(repr, RANGES))
            raise AssertionError(f"Default Observer only works for ({known}) data type, got {dtype!r}")
        super().__init__(dtype=dtype, is_dynamic=is_dynamic, **kwargs)
        if reduce_range:
            warn(
                "Please use quant_min and quant_max to specify the range for observers. reduce_range will be deprecated in a future "
                "release of PyTorch."
            )
        if qscheme in SYMMETRIC and reduce_range and dtype is minitorch.quint8:
            raise NotImplementedError("Cannot reduce range for symmetric quantization for quint8")
        self.qscheme, self.reduce_range = qscheme, reduce_range
        self.register_buffer("eps", minitorch.tensor([eps], **(factory_kwargs or {})))
        self.has_customized_qrange = quant_min is not None and quant_max is not None
        self.quant_min, self.quant_max = _ends(dtype, quant_min, quant_max, reduce_range)

    def _calculate_qparams(self, min_val: Tensor, max_val: Tensor) -> tuple[Tensor, Tensor]:
        """(scales, zero points) for these extremes, of one tensor or of each channel; both are vectors."""
        if not saw_something(min_val, max_val):
            return minitorch.tensor([1.0]), minitorch.tensor([0])
        steps = float(self.quant_max - self.quant_min)
        low, high = min_val.clamp(max=0), max_val.clamp(min=0)  # 0 must be among the numbers
        zero_point = minitorch.zeros(low.shape, dtype=minitorch.int64)
        if self.qscheme in SYMMETRIC:
            scale = minitorch.max(minitorch.max(-low, high) / (steps / 2), self.eps)
            if self.dtype in UNSIGNED:
                middle = (self.quant_min + self.quant_max) // 2 if self.has_customized_qrange else 128
                zero_point = zero_point + middle
        elif self.qscheme is minitorch.per_channel_affine_float_qparams:
            scale = (max_val - min_val) / steps
            scale = minitorch.where(scale > self.eps, scale, minitorch.ones_like(scale))
            zero_point = -1 * min_val / scale
        else:
            scale = minitorch.max((high - low) / steps, self.eps)
            zero_point = (self.quant_min - minitorch.round(low / scale).int()).clamp(self.quant_min, self.quant_max)
        return scale.reshape(-1), zero_point.reshape(-1)

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """(scale, zero point) for what was seen."""
        return self._calculate_qparams(self.min_val, self.max_val)

    def reset_min_max_vals(self) -> None:
        """Forget what was seen."""
        raise NotImplementedError("Cannot reset min/max values in the given observer.")

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


def _ends(dtype: Any, quant_min: int | None, quant_max: int | None, reduce_range: bool) -> tuple[int, int]:
    """The smallest and the largest integer that are used."""
    if quant_min is None or quant_max is None:
        low, high = RANGES[dtype]
    else:
        low, high = quant_min, quant_max
        if not low <= 0 <= high:
            raise AssertionError(f"Used-specified quantization range must include 0, got [{low}, {high}].")
        if low >= high:
            raise AssertionError("qmin must be strictly less than qmax for user-specified quantization range.")
        if dtype in (minitorch.qint8, minitorch.int8) and high - low >= 256:
            raise AssertionError("quantization range should be positive and not exceed the maximum bit range (=256).")
    return (low // 2, high // 2) if reduce_range and high - low < 256 else (low, high)


def saw_something(min_val: Tensor, max_val: Tensor) -> bool:
    """Whether there are extremes; a warning if there are none."""
    nothing = not min_val.numel() or not max_val.numel()
    if not nothing and min_val.ndim == 0:
        nothing = min_val.item() == float("inf") and max_val.item() == float("-inf")
    if nothing:
        warn(
            "must run observer before calling calculate_qparams. Returning default values: scale 1 and zero point 0. An observer knows "
            "the range of numbers when the prepared model has run on some"
        )
    elif (min_val > max_val).any():
        raise AssertionError(f"min {min_val} should be less than max {max_val}")
    return not nothing
