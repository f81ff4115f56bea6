"""Observers: modules that let tensors through, remember how large their numbers are, and choose a scale and a zero point for them.

    s = (max − min) / (q_max − q_min),   z = q_min − round(min / s)          (affine)
    s = 2 max(|min|, |max|) / (q_max − q_min),   z = the middle              (symmetric)

They differ in what they remember: the extremes ever seen, a moving average of each batch's, those of each channel, or a histogram
(`histogram.py`), whose outliers are cut off. Read next: `histogram.py`, `qconfig.py`.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn

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
RANGES |= {d: (minitorch.iinfo(d).min, minitorch.iinfo(d).max) for d in (minitorch.uint8, minitorch.int8, minitorch.int16, minitorch.int32)}
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


class MinMaxObserver(UniformQuantizationObserverBase):
    """Remembers the smallest and the largest number ever seen."""

    schemes = PER_TENSOR

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
        super().__init__(dtype, qscheme, reduce_range, quant_min, quant_max, factory_kwargs, eps, is_dynamic, **kwargs)
        self.register_buffer("min_val", minitorch.tensor(float("inf"), **(factory_kwargs or {})))
        self.register_buffer("max_val", minitorch.tensor(float("-inf"), **(factory_kwargs or {})))

    def forward(self, x_orig: Tensor) -> Tensor:
        """Widen the range to hold x."""
        if x_orig.numel():
            low, high = minitorch.aminmax(x_orig.detach().to(self.min_val.dtype))
            self.min_val.copy_(minitorch.min(low, self.min_val))
            self.max_val.copy_(minitorch.max(high, self.max_val))
        return x_orig

    def reset_min_max_vals(self) -> None:
        """Forget what was seen."""
        self.min_val.fill_(float("inf"))
        self.max_val.fill_(float("-inf"))


class MovingAverageMinMaxObserver(MinMaxObserver):
    """Remembers a moving average of the extremes of each batch: min ← min + c (min of x − min), c = averaging_constant."""

    def __init__(
        self,
        averaging_constant: float = 0.01,
        dtype: Any = minitorch.quint8,
        qscheme: Any = minitorch.per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dtype, qscheme, reduce_range, quant_min, quant_max, eps=eps, is_dynamic=is_dynamic, **kwargs
        )
        if is_dynamic and averaging_constant != 1:
            raise NotImplementedError(
                f"MovingAverageMinMaxObserver doesn't support dynamic quantization for averaging constant of {averaging_constant}"
            )
        self.averaging_constant = averaging_constant

    def forward(self, x_orig: Tensor) -> Tensor:
        """Move the range towards that of x."""
        if x_orig.numel():
            low, high = minitorch.aminmax(x_orig.detach().to(self.min_val.dtype))
            if self.min_val.item() != float("inf") or self.max_val.item() != float("-inf"):
                low = self.min_val + self.averaging_constant * (low - self.min_val)
                high = self.max_val + self.averaging_constant * (high - self.max_val)
            self.min_val.copy_(low)
            self.max_val.copy_(high)
        return x_orig


class PerChannelMinMaxObserver(UniformQuantizationObserverBase):
    """Remembers the smallest and the largest number of each channel: of each index of the dimension `ch_axis`."""

    schemes = PER_CHANNEL

    def __init__(
        self,
        ch_axis: int = 0,
        dtype: Any = minitorch.quint8,
        qscheme: Any = minitorch.per_channel_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        if is_dynamic:
            raise NotImplementedError("PerChannelMinMaxObserver doesn't support dynamic quantization")
        super().__init__(dtype, qscheme, reduce_range, quant_min, quant_max, factory_kwargs, eps, is_dynamic, **kwargs)
        self.ch_axis = ch_axis
        self.register_buffer("min_val", minitorch.tensor([], **(factory_kwargs or {})))
        self.register_buffer("max_val", minitorch.tensor([], **(factory_kwargs or {})))

    def forward(self, x_orig: Tensor) -> Tensor:
        """Widen each channel's range."""
        if x_orig.numel():
            low, high = self._extremes(x_orig)
            if self.min_val.numel():
                low, high = minitorch.min(low, self.min_val), minitorch.max(high, self.max_val)
            self._remember(low, high)
        return x_orig

    def _extremes(self, x: Tensor) -> Any:
        """The extremes of each channel."""
        channels = x.detach().to(self.min_val.dtype).transpose(0, self.ch_axis)
        return minitorch.aminmax(channels.flatten(1) if x.ndim > 1 else channels.unsqueeze(1), dim=1)

    def _remember(self, low: Tensor, high: Tensor) -> None:
        self.min_val.resize_(low.shape).copy_(low)
        self.max_val.resize_(high.shape).copy_(high)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        for name in ("min_val", "max_val"):
            if prefix + name in state_dict:
                getattr(self, name).resize_(state_dict[prefix + name].shape)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def reset_min_max_vals(self) -> None:
        """Forget what was seen."""
        self.min_val, self.max_val = minitorch.tensor([]), minitorch.tensor([])


class MovingAveragePerChannelMinMaxObserver(PerChannelMinMaxObserver):
    """Remembers a moving average of the extremes of each channel."""

    def __init__(
        self,
        averaging_constant: float = 0.01,
        ch_axis: int = 0,
        dtype: Any = minitorch.quint8,
        qscheme: Any = minitorch.per_channel_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ch_axis, dtype, qscheme, reduce_range, quant_min, quant_max, eps=eps, is_dynamic=is_dynamic, **kwargs
        )
        self.averaging_constant = averaging_constant

    def forward(self, x_orig: Tensor) -> Tensor:
        """Move each channel's range towards that of x."""
        if x_orig.numel():
            low, high = self._extremes(x_orig)
            if self.min_val.numel():
                low = self.min_val + self.averaging_constant * (low - self.min_val)
                high = self.max_val + self.averaging_constant * (high - self.max_val)
            self._remember(low, high)
        return x_orig


# ---- observers that look at nothing ----


class FixedQParamsObserver(ObserverBase):
    """Knows the scale and the zero point beforehand: what comes out of a sigmoid lies between 0 and 1."""

    scale: Tensor
    zero_point: Tensor

    def __init__(
        self,
        scale: float,
        zero_point: int,
        dtype: Any = minitorch.quint8,
        qscheme: Any = minitorch.per_tensor_affine,
        quant_min: int = 0,
        quant_max: int = 255,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        if is_dynamic:
            raise NotImplementedError("FixedQParamsObserver doesn't support dynamic quantization")
        super().__init__(dtype=dtype, is_dynamic=is_dynamic, **kwargs)
        self.quant_min, self.quant_max, self.qscheme = quant_min, quant_max, qscheme
        self.register_buffer("scale", minitorch.tensor([scale], dtype=minitorch.float32))
        self.register_buffer("zero_point", minitorch.tensor([zero_point], dtype=minitorch.int32))

    def forward(self, X: Tensor) -> Tensor:
        """Let X through."""
        return X

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """The scale and the zero point it was given."""
        return self.scale, self.zero_point


class _LooksAtNothing(ObserverBase):
    """An observer that lets tensors through and has no parameters to tell."""

    def forward(self, x: Tensor) -> Tensor:
        """Let x through."""
        return x

    def calculate_qparams(self, **kwargs: Any) -> NoReturn:
        """RuntimeError: it has seen nothing."""
        raise RuntimeError(f"calculate_qparams should not be called for {type(self).__name__}")


class PlaceholderObserver(_LooksAtNothing):
    """Tells a dtype only: for dynamic quantization, whose scales are chosen when the model runs, and for float16."""

    def __init__(
        self,
        dtype: Any = minitorch.float32,
        custom_op_name: str = "",
        compute_dtype: Any = None,
        quant_min: int | None = None,
        quant_max: int | None = None,
        qscheme: Any = None,
        eps: float | None = None,
        is_dynamic: bool = False,
    ) -> None:
        super().__init__(dtype=dtype, is_dynamic=is_dynamic)
        if compute_dtype:
            warn("Please use `is_dynamic` instead of `compute_dtype`. `compute_dtype` will be deprecated in a future release of PyTorch.")
        self.qscheme = minitorch.per_tensor_affine if qscheme is None else qscheme
        self.quant_min, self.quant_max, self.eps = quant_min, quant_max, EPS if eps is None else eps
        self.custom_op = custom_op_name

    def extra_repr(self) -> str:
        return f"dtype={self.dtype}, is_dynamic={self.is_dynamic}"


class NoopObserver(_LooksAtNothing):
    """Tells a dtype only."""

    def __init__(self, dtype: Any = minitorch.float16, custom_op_name: str = "") -> None:
        super().__init__(dtype=dtype, is_dynamic=False)
        self.custom_op = custom_op_name


class RecordingObserver(_LooksAtNothing):
    """Keeps a copy of every tensor that comes, to look at when something is wrong."""

    def __init__(self, dtype: Any = minitorch.quint8) -> None:
        super().__init__(dtype=dtype, is_dynamic=False)
        self.tensor_val: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """Keep a copy, and let x through."""
        self.tensor_val.append(x.clone())
        return x

    def get_tensor_value(self) -> list[Tensor]:
        """The copies."""
        return self.tensor_val


class ReuseInputObserver(_LooksAtNothing):
    """Says that the output is quantized as the input is: for reshape and its kin."""

    def __init__(self) -> None:
        super().__init__(minitorch.quint8, is_dynamic=False)


# ---- what observers have seen, as a state dict ----


def is_observer(module: Any) -> bool:
    """Whether a module is an observer or a fake quantizer."""
    from .fake_quantize import FakeQuantizeBase

    return isinstance(module, (ObserverBase, FakeQuantizeBase))


def get_observer_state_dict(mod: Module) -> OrderedDict:
    """Of the model's state dict, what its observers have seen."""
    state = mod.state_dict()
    seen = OrderedDict((name, value) for name, value in state.items() if "activation_post_process" in name)
    seen._metadata = state._metadata  # type: ignore[attr-defined]
    return seen


def load_observer_state_dict(mod: Module, obs_dict: dict) -> None:
    """Let the model's observers have seen that."""
    missing: list[str] = []
    unexpected: list[str] = []
    for name, module in mod.named_modules():
        if is_observer(module):
            module._load_from_state_dict(obs_dict, name + ".", {}, False, missing, unexpected, [])
    for what, names in (("Missing", missing), ("Unexpected", unexpected)):
        for name in names:
            if "observer" in name or "activation_post_process" in name:
                raise RuntimeError(f"{what} keys for observer {name} in state_dict")


# ---- the defaults ----

from .histogram import HistogramObserver as HistogramObserver  # (it is an observer itself)

default_observer = MinMaxObserver.with_args(quant_min=0, quant_max=127)  # half of the range: see `reduce_range`
default_placeholder_observer = PlaceholderObserver
default_debug_observer = RecordingObserver
default_weight_observer = MinMaxObserver.with_args(dtype=minitorch.qint8, qscheme=minitorch.per_tensor_symmetric)
weight_observer_range_neg_127_to_127 = default_weight_observer.with_args(quant_min=-127, quant_max=127, eps=2**-12)
default_histogram_observer = HistogramObserver.with_args(quant_min=0, quant_max=127)
default_per_channel_weight_observer = PerChannelMinMaxObserver.with_args(
    dtype=minitorch.qint8, qscheme=minitorch.per_channel_symmetric
)
per_channel_weight_observer_range_neg_127_to_127 = default_per_channel_weight_observer.with_args(
    quant_min=-127, quant_max=127, eps=2**-12
)
default_dynamic_quant_observer = PlaceholderObserver.with_args(
    dtype=minitorch.quint8, quant_min=0, quant_max=255, is_dynamic=True
)
default_float_qparams_observer = PerChannelMinMaxObserver.with_args(
    dtype=minitorch.quint8, qscheme=minitorch.per_channel_affine_float_qparams, ch_axis=0
)
default_fixed_qparams_range_neg1to1_observer = FixedQParamsObserver.with_args(
    scale=2.0 / 256.0, zero_point=128, dtype=minitorch.quint8, quant_min=0, quant_max=255
)
default_fixed_qparams_range_0to1_observer = FixedQParamsObserver.with_args(
    scale=1.0 / 256.0, zero_point=0, dtype=minitorch.quint8, quant_min=0, quant_max=255
)
default_symmetric_fixed_qparams_observer = default_fixed_qparams_range_neg1to1_observer
default_affine_fixed_qparams_observer = default_fixed_qparams_range_0to1_observer
default_reuse_input_observer = ReuseInputObserver
