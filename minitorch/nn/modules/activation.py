"""Activation layers: a function of `minitorch.nn.functional` with its options, and nothing else.

The one idea: a class names its function and the options it keeps; `_Activation` calls and prints it. The formulas and
derivatives are in `minitorch/ops/activation.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minitorch
from minitorch.nn import functional as F
from minitorch.nn import init
from minitorch.nn.modules.attention import MultiheadAttention
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import Parameter
from minitorch.tensor import Tensor

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "MultiheadAttention", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmax2d", "Softmin", "Softplus",
    "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


class _Activation(Module):
    """forward(x) = function(x, **options), where the options are the attributes named in `options`."""

    function: Callable[..., Tensor]
    options: tuple[str, ...] = ()

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, **{name: getattr(self, name) for name in self.options})

    def extra_repr(self) -> str:
        shown = [f"{name}={getattr(self, name)}" for name in self.options if name != "inplace"]
        return ", ".join([*shown, "inplace=True"] if getattr(self, "inplace", False) else shown)


class _Plain(_Activation):
    """An activation without options."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input)


class _MayBeInPlace(_Activation):
    """An activation whose only option is to overwrite its input."""

    options: tuple[str, ...] = ("inplace",)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.inplace)


class _OverDim(_Activation):
    """An activation along a dimension."""

    options = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim


# ---- piecewise linear ----------------------------------------------------------------------------------------------


class ReLU(_MayBeInPlace):
    """max(x, 0)

    >>> minitorch.nn.ReLU()(minitorch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    function = F.relu


class LeakyReLU(_Activation):
    """x for x > 0, negative_slope · x otherwise"""

    function = F.leaky_relu
    options = ("negative_slope", "inplace")

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace


class RReLU(_Activation):
    """x for x > 0, a · x otherwise; in training each a is drawn from U(lower, upper), else it is their mean (Xu et al., 2015)"""

    options = ("lower", "upper", "inplace")

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class PReLU(Module):
    """x for x > 0, w · x otherwise, with w trained: one weight, or one per channel (He et al., 2015)"""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(minitorch.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Every weight starts at `init`."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Threshold(_Activation):
    """x for x > threshold, `value` otherwise"""

    function = F.threshold
    options = ("threshold", "value", "inplace")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace


class Hardtanh(_Activation):
    """x moved into [min_val, max_val]"""

    function = F.hardtanh
    options = ("min_val", "max_val", "inplace")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if max_val <= min_val:
            raise AssertionError(f"max_val must be larger than min_val, got min_val={min_val} and max_val={max_val}")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace


class ReLU6(Hardtanh):
    """min(max(x, 0), 6)"""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardsigmoid(_MayBeInPlace):
    """min(max(x + 3, 0), 6) / 6"""

    function = F.hardsigmoid

    def extra_repr(self) -> str:
        return ""  # torch's Hardsigmoid and Hardswish do not show `inplace`


class Hardswish(_MayBeInPlace):
    """x · min(max(x + 3, 0), 6) / 6 (Howard et al., 2019)"""

    function = F.hardswish

    def extra_repr(self) -> str:
        return ""


class Hardshrink(_Activation):
    """x for |x| > λ, 0 otherwise"""

    function = F.hardshrink
    options = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Hardshrink):
    """x moved towards 0 by λ, and 0 for |x| ≤ λ"""

    function = F.softshrink


# ---- smooth --------------------------------------------------------------------------------------------------------


class Sigmoid(_Plain):
    """1 / (1 + e⁻ˣ)"""

    function = F.sigmoid


class Tanh(_Plain):
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)"""

    function = F.tanh


class SiLU(_MayBeInPlace):
    """x · σ(x), also called swish"""

    function = F.silu


class Mish(_MayBeInPlace):
    """x · tanh(ln(1 + eˣ)) (Misra, 2019)"""

    function = F.mish


class GELU(_Activation):
    """x · Φ(x), Φ the normal distribution function; approximate="tanh" for the cheaper form of BERT and GPT-2"""

    function = F.gelu
    options = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class ELU(_Activation):
    """x for x > 0, α (eˣ − 1) otherwise (Clevert et al., 2016)"""

    function = F.elu
    options = ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class CELU(ELU):
    """x for x > 0, α (e^(x/α) − 1) otherwise: an ELU whose slope at 0 is 1 for every α"""

    function = F.celu


class SELU(_MayBeInPlace):
    """A scaled ELU that keeps mean 0 and variance 1 from layer to layer (Klambauer et al., 2017)"""

    function = F.selu


class Softplus(_Activation):
    """ln(1 + e^(β x)) / β; x itself where β x > threshold"""

    function = F.softplus
    options = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold


class Softsign(_Plain):
    """x / (1 + |x|)"""

    function = F.softsign


class Tanhshrink(_Plain):
    """x − tanh x"""

    function = F.tanhshrink


class LogSigmoid(_Plain):
    """ln σ(x)"""

    function = F.logsigmoid


# ---- along a dimension ---------------------------------------------------------------------------------------------


class GLU(_Activation):
    """a · σ(b) for the halves a, b of x along `dim` (Dauphin et al., 2016)"""

    function = F.glu
    options = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim


class Softmax(_OverDim):
    """p_i = exp(x_i) / Σ_j exp(x_j) along `dim`"""

    function = F.softmax


class Softmax2d(Module):
    """p_c = exp(x_c) / Σ_k exp(x_k) over the channels of each place of an image x (N, C, H, W) or (C, H, W)"""

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)


class LogSoftmax(_OverDim):
    """ln softmax(x) along `dim`; with NLLLoss it makes the cross-entropy"""

    function = F.log_softmax


class Softmin(_OverDim):
    """softmax(−x) along `dim`"""

    function = F.softmin
