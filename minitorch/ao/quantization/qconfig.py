"""`QConfig`: which observer looks at the activations of a layer and which at its weight; and the defaults for each kind of processor.

What a layer's `qconfig` is, its children's are too, unless they have their own; None leaves a layer as it is. Read next: `quantize.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import minitorch
from minitorch.nn import Identity, Module

from . import fake_quantize as fq
from . import observer as ob
from .observer_base import _PartialWrapper

__all__ = [
    "QConfig", "QConfigAny", "default_activation_only_qconfig", "default_debug_qconfig", "default_dynamic_qat_qconfig",
    "default_dynamic_qconfig", "default_embedding_qat_qconfig", "default_per_channel_qconfig",
    "default_per_channel_symmetric_qnnpack_qat_qconfig", "default_per_channel_symmetric_qnnpack_qconfig",
    "default_qat_qconfig", "default_qat_qconfig_v2", "default_qconfig", "default_quint8_weight_qconfig",
    "default_reuse_input_qconfig", "default_symmetric_qnnpack_qat_qconfig", "default_symmetric_qnnpack_qconfig",
    "default_weight_only_qconfig", "float16_dynamic_qconfig", "float16_static_qconfig", "float_qparams_weight_only_qconfig",
    "get_default_qat_qconfig", "get_default_qconfig", "per_channel_dynamic_qconfig", "qconfig_equals",
]  # fmt: skip

BACKENDS = ("fbgemm", "x86", "qnnpack", "onednn")


class _Pair(NamedTuple):
    activation: Any
    weight: Any


class QConfig(_Pair):
    """Makers of observers (or of fake quantizers): each layer gets its own.

    >>> from minitorch.ao.quantization import MinMaxObserver, QConfig, default_weight_observer
    >>> chosen = QConfig(activation=MinMaxObserver.with_args(quant_min=0, quant_max=127), weight=default_weight_observer)
    >>> chosen.weight()
    MinMaxObserver(min_val=inf, max_val=-inf)
    """

    __slots__ = ()

    def __new__(cls, activation: Any, weight: Any) -> QConfig:
        if isinstance(activation, Module) or isinstance(weight, Module):
            raise ValueError(
                "QConfig received observer instance, please pass observer class instead. Use MyObserver.with_args(x=1) to override arguments to "
                "constructor if needed"
            )
        return super().__new__(cls, activation, weight)


QConfigAny = QConfig | None

_FLOAT16 = ob.PlaceholderObserver.with_args(dtype=minitorch.float16)

default_qconfig = QConfig(ob.default_observer, ob.default_weight_observer)
default_debug_qconfig = QConfig(ob.default_debug_observer, ob.default_weight_observer)
default_per_channel_qconfig = QConfig(ob.default_observer, ob.default_per_channel_weight_observer)
default_dynamic_qconfig = QConfig(ob.default_dynamic_quant_observer, ob.default_weight_observer)
float16_dynamic_qconfig = QConfig(ob.PlaceholderObserver.with_args(dtype=minitorch.float16, is_dynamic=True), _FLOAT16)
float16_static_qconfig = QConfig(_FLOAT16, _FLOAT16)
per_channel_dynamic_qconfig = QConfig(ob.default_dynamic_quant_observer, ob.default_per_channel_weight_observer)
float_qparams_weight_only_qconfig = QConfig(ob.default_placeholder_observer, ob.default_float_qparams_observer)
default_qat_qconfig = QConfig(fq.default_fake_quant, fq.default_weight_fake_quant)
default_dynamic_qat_qconfig = QConfig(fq.default_dynamic_fake_quant, fq.default_weight_fake_quant)
default_weight_only_qconfig = QConfig(Identity, fq.default_weight_fake_quant)
default_activation_only_qconfig = QConfig(fq.default_fake_quant, Identity)
default_qat_qconfig_v2 = QConfig(fq.default_fused_act_fake_quant, fq.default_fused_wt_fake_quant)
default_reuse_input_qconfig = QConfig(ob.default_reuse_input_observer, ob.NoopObserver)
default_quint8_weight_qconfig = QConfig(ob.HistogramObserver, ob.MinMaxObserver)
default_embedding_qat_qconfig = QConfig(ob.NoopObserver.with_args(dtype=minitorch.float32), fq.default_embedding_fake_quant)

_SIGNED = ob.HistogramObserver.with_args(dtype=minitorch.qint8, reduce_range=False, eps=2**-12)
default_symmetric_qnnpack_qconfig = QConfig(_SIGNED, ob.weight_observer_range_neg_127_to_127)
default_per_channel_symmetric_qnnpack_qconfig = QConfig(_SIGNED, ob.per_channel_weight_observer_range_neg_127_to_127)
_SIGNED_FAKE = fq.FusedMovingAvgObsFakeQuantize.with_args(
    observer=ob.MovingAverageMinMaxObserver,
    quant_min=-128,
    quant_max=127,
    dtype=minitorch.qint8,
    reduce_range=False,
    eps=2**-12,
)
default_symmetric_qnnpack_qat_qconfig = QConfig(_SIGNED_FAKE, fq.fused_wt_fake_quant_range_neg_127_to_127)
default_per_channel_symmetric_qnnpack_qat_qconfig = QConfig(
    _SIGNED_FAKE, fq.fused_per_channel_wt_fake_quant_range_neg_127_to_127
)


def get_default_qconfig(backend: str = "x86", version: int = 0) -> QConfig:
    """The default for static quantization: histograms of activations; weights by channel, but for qnnpack.

    x86 and fbgemm use half of the activations' integers: an instruction of theirs adds two products in 16 bits.
    """
    _check(backend, version, (0,), "get_default_qconfig")
    return QConfig(
        activation=ob.HistogramObserver.with_args(reduce_range=backend in ("x86", "fbgemm")),
        weight=ob.default_weight_observer if backend == "qnnpack" else ob.default_per_channel_weight_observer,
    )


def get_default_qat_qconfig(backend: str = "x86", version: int = 1) -> QConfig:
    """The default for quantization-aware training: moving averages of the extremes. version 1: the fused fake quantizers."""
    _check(backend, version, (0, 1), "get_default_qat_qconfig")
    maker = fq.FusedMovingAvgObsFakeQuantize if version == 1 else fq.FakeQuantize
    options = {} if backend == "onednn" else {"reduce_range": backend != "qnnpack"}
    per_tensor = fq.default_fused_wt_fake_quant if version == 1 else fq.default_weight_fake_quant
    per_channel = fq.default_fused_per_channel_wt_fake_quant if version == 1 else fq.default_per_channel_weight_fake_quant
    return QConfig(
        activation=maker.with_args(observer=ob.MovingAverageMinMaxObserver, quant_min=0, quant_max=255, **options),
        weight=per_tensor if backend == "qnnpack" else per_channel,
    )


def _check(backend: str, version: int, versions: tuple, name: str) -> None:
    if backend not in BACKENDS:
        raise AssertionError(f"backend: {backend} not supported. backend must be one of {list(BACKENDS)}")
    if version not in versions:
        known = " or ".join(map(str, versions))
        raise AssertionError(f"Version number: {version} in {name} is not supported. Version number must be {known}")


def qconfig_equals(q1: Any, q2: Any) -> bool:
    """Whether two configurations make the same observers."""
    if q1 is None or q2 is None:
        return q1 is q2
    return all(_parts(a) == _parts(b) for a, b in zip(q1, q2, strict=True))


def _parts(maker: Any) -> Any:
    """What a maker calls, and with which arguments."""
    if isinstance(maker, _PartialWrapper):
        arguments = {name: _parts(value) for name, value in maker.p.keywords.items()}
        return _parts(maker.p.func), maker.p.args, arguments, maker.callable_args
    return maker
