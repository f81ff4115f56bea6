"""Fake quantizers: an observer, and after it the rounding that the scale it chose would cause.

In quantization-aware training one stands behind every layer and one on every weight, so that the loss sees the rounding and the weights
settle where it does little harm. How a gradient passes through the rounding is in `../../ops/fake_quantize.py`. Read next:
`../nn/intrinsic/qat/modules/conv_fused.py`, the layers of such a training.
"""

from __future__ import annotations

from typing import Any

import minitorch
from minitorch.nn import Module
from minitorch.ops.quantized import chosen_between
from minitorch.tensor import Tensor

from .observer import (
    FixedQParamsObserver,
    HistogramObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    default_fixed_qparams_range_0to1_observer,
    default_fixed_qparams_range_neg1to1_observer,
)
from .observer_base import PER_CHANNEL, RANGES, SYMMETRIC, with_args

__all__ = [
    "FakeQuantize", "FakeQuantizeBase", "FixedQParamsFakeQuantize", "FusedMovingAvgObsFakeQuantize",
    "default_affine_fixed_qparams_fake_quant", "default_dynamic_fake_quant", "default_embedding_fake_quant",
    "default_fake_quant", "default_fixed_qparams_range_0to1_fake_quant", "default_fixed_qparams_range_neg1to1_fake_quant",
    "default_fused_act_fake_quant", "default_fused_per_channel_wt_fake_quant", "default_fused_wt_fake_quant",
    "default_histogram_fake_quant", "default_per_channel_weight_fake_quant", "default_symmetric_fixed_qparams_fake_quant",
    "default_weight_fake_quant", "disable_fake_quant", "disable_observer", "enable_fake_quant", "enable_observer",
    "fused_per_channel_wt_fake_quant_range_neg_127_to_127", "fused_wt_fake_quant_range_neg_127_to_127",
]  # fmt: skip


class FakeQuantizeBase(Module):
    """What every fake quantizer is: two switches, kept as buffers, so that a state dict holds them."""

    fake_quant_enabled: Tensor
    observer_enabled: Tensor
    switch_dtype: Any = minitorch.uint8

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fake_quant_enabled", minitorch.tensor([1], dtype=self.switch_dtype))
        self.register_buffer("observer_enabled", minitorch.tensor([1], dtype=self.switch_dtype))

    def calculate_qparams(self, **kwargs: Any) -> Any:
        """(scale, zero point)."""
        raise NotImplementedError

    def enable_fake_quant(self, enabled: bool = True) -> None:
        """Round from now on, or not."""
        self.fake_quant_enabled[0] = 1 if enabled else 0

    def disable_fake_quant(self) -> None:
        """Do not round from now on."""
        self.enable_fake_quant(False)

    def enable_observer(self, enabled: bool = True) -> None:
        """Observe from now on, or keep the scale as it is."""
        self.observer_enabled[0] = 1 if enabled else 0

    def disable_observer(self) -> None:
        """Keep the scale as it is from now on."""
        self.enable_observer(False)

    with_args = classmethod(with_args)


class FakeQuantize(FakeQuantizeBase):
    """out = (clamp(round(x / s) + z, q_min, q_max) − z) · s, with the scale and the zero point that the observer finds.

    observer: a class of observers; observer_kwargs are its arguments.
    """

    scale: Tensor
    zero_point: Tensor

    def __init__(
        self,
        observer: Any = MovingAverageMinMaxObserver,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_dynamic: bool = False,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__()
        if quant_min is not None and quant_max is not None:
            _check_ends(observer, observer_kwargs, quant_min, quant_max)
            observer_kwargs |= {"quant_min": quant_min, "quant_max": quant_max}
        observer_kwargs["is_dynamic"] = is_dynamic
        self.activation_post_process = seen = observer(**observer_kwargs)
        self.quant_min, self.quant_max, self.is_dynamic = seen.quant_min, seen.quant_max, seen.is_dynamic
        float_zero_points = seen.qscheme is minitorch.per_channel_affine_float_qparams
        self.register_buffer("scale", minitorch.tensor([1.0], dtype=minitorch.float32))
        kind = minitorch.float32 if float_zero_points else minitorch.int32
        self.register_buffer("zero_point", minitorch.tensor([0], dtype=kind))
        self.dtype, self.qscheme = seen.dtype, seen.qscheme
        self.ch_axis = getattr(seen, "ch_axis", -1)
        self.is_per_channel = self.qscheme in PER_CHANNEL

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """(scale, zero point) for what the observer has seen."""
        return self.activation_post_process.calculate_qparams()

    def forward(self, X: Tensor) -> Tensor:
        """Observe, if that is on; then round, if that is on."""
        if self.observer_enabled.item():
            self.activation_post_process(X.detach())
            scale, zero_point = self.calculate_qparams()
            self.scale.resize_as_(scale).copy_(scale)
            self.zero_point.resize_as_(zero_point).copy_(zero_point)
        return self._rounded(X) if self.fake_quant_enabled.item() else X

    def _rounded(self, X: Tensor) -> Tensor:
        low, high = self.activation_post_process.quant_min, self.activation_post_process.quant_max
        if self.is_per_channel:
            return minitorch.fake_quantize_per_channel_affine(X, self.scale, self.zero_point, self.ch_axis, low, high)
        return minitorch.fake_quantize_per_tensor_affine(X, self.scale, self.zero_point, low, high)

    def extra_repr(self) -> str:
        seen = self.activation_post_process
        return (
            f"fake_quant_enabled={self.fake_quant_enabled}, observer_enabled={self.observer_enabled}, quant_min={seen.quant_min}, "
            f"quant_max={seen.quant_max}, dtype={self.dtype}, qscheme={self.qscheme}, ch_axis={self.ch_axis}, scale={self.scale}, "
            f"zero_point={self.zero_point}"
        )

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:  # type: ignore[override]
        for name in ("scale", "zero_point"):
            if prefix + name in state_dict:
                getattr(self, name).resize_as_(state_dict[prefix + name])
        super()._load_from_state_dict(state_dict, prefix, *args)


def _check_ends(observer: Any, observer_kwargs: dict, quant_min: int, quant_max: int) -> None:
    """AssertionError for ends that the dtype does not have."""
    if quant_min > quant_max:
        raise AssertionError(f"quant_min must be less than or equal to quant_max, got {quant_min} and {quant_max}")
    dtype = observer_kwargs.get("dtype", minitorch.quint8)
    dtype = getattr(getattr(observer, "p", None), "keywords", {}).get("dtype", dtype)
    low, high = RANGES[dtype]
    for name, end, beyond in (("quant_min", quant_min, quant_min < low), ("quant_max", quant_max, quant_max > high)):
        if beyond:
            raise AssertionError(f"{name} out of bound: {end}, but {dtype!r} goes from {low} to {high}")


class FixedQParamsFakeQuantize(FakeQuantize):
    """A fake quantizer whose scale and zero point are known beforehand."""

    def __init__(self, observer: Any) -> None:
        super().__init__(observer=observer)
        seen = self.activation_post_process
        if type(seen) is not FixedQParamsObserver:
            raise AssertionError(
                f"{type(self).__name__}'s observer must be a FixedQParamsObserver, got {type(seen).__name__}"
            )
        self._observer_ctr = observer
        self.scale, self.zero_point = seen.scale, seen.zero_point

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """The scale and the zero point."""
        return self.scale, self.zero_point


class FusedMovingAvgObsFakeQuantize(FakeQuantize):
    """The same in one step in torch's C++, which chooses scales as dynamic quantization does; so their last bits, and the symmetric ones,
    are not those of the observer, which `convert` asks in the end."""

    switch_dtype = minitorch.int64

    def __init__(
        self, observer: Any = MovingAverageMinMaxObserver, quant_min: int = 0, quant_max: int = 255, **observer_kwargs: Any
    ) -> None:
        super().__init__(observer, quant_min, quant_max, **observer_kwargs)
        if not isinstance(
            self.activation_post_process, (MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver)
        ):
            raise AssertionError("Fused observer+fake_quant module only works with MovingAverageMinMaxObserver")
        self.is_symmetric_quant = self.qscheme in SYMMETRIC

    def forward(self, X: Tensor) -> Tensor:
        """Observe, if that is on; then round, if that is on."""
        seen = self.activation_post_process
        if self.observer_enabled.item():
            seen(X.detach())
            lows, highs = seen.min_val.reshape(-1).tolist(), seen.max_val.reshape(-1).tolist()
            ends = seen.quant_min, seen.quant_max
            chosen = [chosen_between(low, high, *ends, self.is_symmetric_quant) for low, high in zip(lows, highs)]
            self.scale.resize_(len(chosen)).copy_(minitorch.tensor([params.scale for params in chosen]))
            self.zero_point.resize_(len(chosen)).copy_(minitorch.tensor([params.zero_point for params in chosen]))
        return self._rounded(X) if self.fake_quant_enabled.item() else X


# ---- the defaults ----

_OF_ACTIVATIONS = {"observer": MovingAverageMinMaxObserver, "quant_min": 0, "quant_max": 255, "dtype": minitorch.quint8}
_OF_WEIGHTS = {"observer": MovingAverageMinMaxObserver, "quant_min": -128, "quant_max": 127, "dtype": minitorch.qint8}
_OF_CHANNELS = {**_OF_WEIGHTS, "observer": MovingAveragePerChannelMinMaxObserver}
_TENSOR, _CHANNEL = minitorch.per_tensor_symmetric, minitorch.per_channel_symmetric

default_fake_quant = FakeQuantize.with_args(**_OF_ACTIVATIONS, qscheme=minitorch.per_tensor_affine, reduce_range=True)
default_weight_fake_quant = FakeQuantize.with_args(**_OF_WEIGHTS, qscheme=_TENSOR, reduce_range=False)
default_dynamic_fake_quant = FakeQuantize.with_args(**_OF_ACTIVATIONS, is_dynamic=True, averaging_constant=1)
default_fixed_qparams_range_neg1to1_fake_quant = FixedQParamsFakeQuantize.with_args(
    observer=default_fixed_qparams_range_neg1to1_observer
)
default_fixed_qparams_range_0to1_fake_quant = FixedQParamsFakeQuantize.with_args(
    observer=default_fixed_qparams_range_0to1_observer
)
default_symmetric_fixed_qparams_fake_quant = default_fixed_qparams_range_neg1to1_fake_quant
default_affine_fixed_qparams_fake_quant = default_fixed_qparams_range_0to1_fake_quant
default_per_channel_weight_fake_quant = FakeQuantize.with_args(
    **_OF_CHANNELS, qscheme=_CHANNEL, reduce_range=False, ch_axis=0
)
default_embedding_fake_quant = FakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver,
    qscheme=minitorch.per_channel_affine_float_qparams,
    dtype=minitorch.quint8,
    quant_min=0,
    quant_max=255,
    ch_axis=0,
    averaging_constant=1,
)
default_histogram_fake_quant = FakeQuantize.with_args(
    **{**_OF_ACTIVATIONS, "observer": HistogramObserver}, qscheme=minitorch.per_tensor_affine, reduce_range=True
)
default_fused_act_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(**_OF_ACTIVATIONS)
default_fused_wt_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(**_OF_WEIGHTS, qscheme=_TENSOR)
default_fused_per_channel_wt_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(**_OF_CHANNELS, qscheme=_CHANNEL)
fused_wt_fake_quant_range_neg_127_to_127 = default_fused_wt_fake_quant.with_args(quant_min=-127, eps=2**-12)
fused_per_channel_wt_fake_quant_range_neg_127_to_127 = default_fused_per_channel_wt_fake_quant.with_args(
    quant_min=-127, eps=2**-12
)


# ---- the switches of a whole model: `model.apply(disable_observer)` ----


def disable_fake_quant(mod: Module) -> None:
    """Let a fake quantizer no longer round."""
    if isinstance(mod, FakeQuantizeBase):
        mod.disable_fake_quant()


def enable_fake_quant(mod: Module) -> None:
    """Let a fake quantizer round."""
    if isinstance(mod, FakeQuantizeBase):
        mod.enable_fake_quant()


def disable_observer(mod: Module) -> None:
    """Let a fake quantizer keep its scale."""
    if isinstance(mod, FakeQuantizeBase):
        mod.disable_observer()


def enable_observer(mod: Module) -> None:
    """Let a fake quantizer observe."""
    if isinstance(mod, FakeQuantizeBase):
        mod.enable_observer()
