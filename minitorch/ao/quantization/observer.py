"""Observers: modules that let tensors through and remember how large their numbers are.

They differ in what they remember: the extremes ever seen, a moving average of each batch's, those of each channel, or a histogram
(`histogram.py`), whose outliers are cut off. How a scale comes of that is in `observer_base.py`. Read next: `histogram.py`, `qconfig.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

import minitorch
from minitorch.arrays.warning import warn
from minitorch.nn import Module
from minitorch.tensor import Tensor

from .histogram import HistogramObserver
from .observer_base import EPS, PER_CHANNEL, PER_TENSOR, ObserverBase, UniformQuantizationObserverBase

__all__ = [
    "FixedQParamsObserver", "HistogramObserver", "MinMaxObserver", "MovingAverageMinMaxObserver",
    "MovingAveragePerChannelMinMaxObserver", "NoopObserver", "ObserverBase", "PerChannelMinMaxObserver",
    "PlaceholderObserver", "RecordingObserver", "ReuseInputObserver", "UniformQuantizationObserverBase",
    "default_affine_fixed_qparams_observer", "default_debug_observer", "default_dynamic_quant_observer",
    "default_fixed_qparams_range_0to1_observer", "default_fixed_qparams_range_neg1to1_observer",
    "default_float_qparams_observer", "default_histogram_observer", "default_observer",
    "default_per_channel_weight_observer", "default_placeholder_observer", "default_reuse_input_observer",
    "default_symmetric_fixed_qparams_observer", "default_weight_observer", "get_observer_state_dict",
    "load_observer_state_dict", "per_channel_weight_observer_range_neg_127_to_127", "weight_observer_range_neg_127_to_127",
]  # fmt: skip


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
        super().__init__(dtype, qscheme, reduce_range, quant_min, quant_max, eps=eps, is_dynamic=is_dynamic, **kwargs)
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
        self.min_val.resize_as_(low).copy_(low)
        self.max_val.resize_as_(high).copy_(high)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:  # type: ignore[override]
        for name in ("min_val", "max_val"):
            if prefix + name in state_dict:
                getattr(self, name).resize_as_(state_dict[prefix + name])
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
            warn(
                "Please use `is_dynamic` instead of `compute_dtype`. `compute_dtype` will be deprecated in a future release of PyTorch."
            )
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
