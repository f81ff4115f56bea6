"""The methods of Tensor: elementwise functions, operators and conversions. Each is one line that names its op.

Go to definition on the right-hand side to read the op, with its derivative beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...arrays import dtypes
from ...arrays.layout import memory_format, preserve_format
from ...op.signature import checked
from ...ops import activation, division, elementwise, matmul, mixing, special
from ...ops import index as indexing
from .operators import operator, reflected

if TYPE_CHECKING:
    from ..tensor import Tensor

# The class has methods of these names, which would hide the types from its annotations.
_int = int
_float = float
_bool = bool


class Arithmetic:
    """Elementwise functions, operators and conversions."""

    to: Any
    dtype: Any
    is_floating_point: Any

    # ---- operators ----

    __add__ = operator(elementwise.add.binary)
    __radd__ = operator(elementwise.add.binary)
    __sub__ = operator(elementwise.sub.binary)
    __rsub__ = reflected(elementwise.sub.binary)
    __mul__ = operator(elementwise.mul.binary)
    __rmul__ = operator(elementwise.mul.binary)
    __truediv__ = operator(elementwise.true_div.binary)
    __rtruediv__ = operator(lambda self, other: elementwise.reciprocal(self) * other)  # in torch's two steps
    __floordiv__ = operator(division.floor_divide)
    __rfloordiv__ = reflected(division.floor_divide)
    __mod__ = operator(division.remainder)
    __rmod__ = reflected(division.remainder)
    __pow__ = operator(elementwise.pow_)
    __rpow__ = reflected(elementwise.pow_)

    def __neg__(self) -> Tensor:
        return elementwise.neg(self)

    def __pos__(self) -> Tensor:
        return elementwise.positive(self)

    def __abs__(self) -> Tensor:
        return elementwise.abs_(self)

    __matmul__ = operator(matmul.matmul)
    __rmatmul__ = reflected(matmul.matmul)

    def __getitem__(self, key: Any) -> Tensor:
        return indexing.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        indexing.setitem(self, key, value)

    # ---- elementwise, one input ----

    def neg(self) -> Tensor:
        return elementwise.neg(self)

    def exp(self) -> Tensor:
        return elementwise.exp(self)

    def exp2(self) -> Tensor:
        return elementwise.exp2(self)

    def expm1(self) -> Tensor:
        return elementwise.expm1(self)

    def log(self) -> Tensor:
        return elementwise.log(self)

    def log2(self) -> Tensor:
        return elementwise.log2(self)

    def log10(self) -> Tensor:
        return elementwise.log10(self)

    def log1p(self) -> Tensor:
        return elementwise.log1p(self)

    def sqrt(self) -> Tensor:
        return elementwise.sqrt(self)

    def rsqrt(self) -> Tensor:
        return elementwise.rsqrt(self)

    def reciprocal(self) -> Tensor:
        return elementwise.reciprocal(self)

    def abs(self) -> Tensor:
        return elementwise.abs_(self)

    def sign(self) -> Tensor:
        return elementwise.sign(self)

    def sgn(self) -> Tensor:
        return elementwise.sgn(self)

    def square(self) -> Tensor:
        return elementwise.square(self)

    def sin(self) -> Tensor:
        return elementwise.sin(self)

    def cos(self) -> Tensor:
        return elementwise.cos(self)

    def tan(self) -> Tensor:
        return elementwise.tan(self)

    def asin(self) -> Tensor:
        return elementwise.asin(self)

    def acos(self) -> Tensor:
        return elementwise.acos(self)

    def atan(self) -> Tensor:
        return elementwise.atan(self)

    def sinh(self) -> Tensor:
        return elementwise.sinh(self)

    def cosh(self) -> Tensor:
        return elementwise.cosh(self)

    def tanh(self) -> Tensor:
        return elementwise.tanh(self)

    def asinh(self) -> Tensor:
        return elementwise.asinh(self)

    def acosh(self) -> Tensor:
        return elementwise.acosh(self)

    def atanh(self) -> Tensor:
        return elementwise.atanh(self)

    def sigmoid(self) -> Tensor:
        return special.sigmoid(self)

    def erf(self) -> Tensor:
        return special.erf(self)

    def erfc(self) -> Tensor:
        return special.erfc(self)

    def erfinv(self) -> Tensor:
        return special.erfinv(self)

    def lgamma(self) -> Tensor:
        return special.lgamma(self)

    def digamma(self) -> Tensor:
        return special.digamma(self)

    def floor(self) -> Tensor:
        return elementwise.floor(self)

    def ceil(self) -> Tensor:
        return elementwise.ceil(self)

    def trunc(self) -> Tensor:
        return elementwise.trunc(self)

    def frac(self) -> Tensor:
        return elementwise.frac(self)

    def round(self, *, decimals: _int = 0) -> Tensor:
        return elementwise.round_(self, decimals=decimals)

    def logit(self, eps: _float | None = None) -> Tensor:
        return special.logit(self, eps)

    def nan_to_num(self, nan: _float = 0.0, posinf: _float | None = None, neginf: _float | None = None) -> Tensor:
        return elementwise.nan_to_num(self, nan, posinf, neginf)

    def positive(self) -> Tensor:
        return elementwise.positive(self)

    def prelu(self, weight: Tensor) -> Tensor:
        return activation.prelu(self, weight)

    def hardshrink(self, lambd: _float = 0.5) -> Tensor:
        return activation.hardshrink(self, lambd)

    def relu(self) -> Tensor:
        return activation.relu(self)

    def softmax(self, dim: _int, dtype: Any = None) -> Tensor:
        return activation.softmax(self, dim, dtype=dtype)

    def log_softmax(self, dim: _int, dtype: Any = None) -> Tensor:
        return activation.log_softmax(self, dim, dtype=dtype)

    # ---- elementwise, two inputs and more ----

    def add(self, other: Any, *, alpha: Any = 1) -> Tensor:
        return elementwise.add(self, other, alpha=alpha)

    def sub(self, other: Any, *, alpha: Any = 1) -> Tensor:
        return elementwise.sub(self, other, alpha=alpha)

    def mul(self, other: Any) -> Tensor:
        return elementwise.mul(self, other)

    def true_divide(self, other: Any) -> Tensor:
        return elementwise.true_div(self, other)

    def div(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        return division.div(self, other, rounding_mode=rounding_mode)

    def pow(self, exponent: Any) -> Tensor:
        return elementwise.pow_(self, exponent)

    def fmod(self, other: Any) -> Tensor:
        return division.fmod(self, other)

    def remainder(self, other: Any) -> Tensor:
        return division.remainder(self, other)

    def floor_divide(self, other: Any) -> Tensor:
        return division.floor_divide(self, other)

    def maximum(self, other: Any) -> Tensor:
        return elementwise.maximum(self, other)

    def minimum(self, other: Any) -> Tensor:
        return elementwise.minimum(self, other)

    def fmax(self, other: Any) -> Tensor:
        return elementwise.fmax(self, other)

    def fmin(self, other: Any) -> Tensor:
        return elementwise.fmin(self, other)

    def atan2(self, other: Any) -> Tensor:
        return elementwise.atan2(self, other)

    def hypot(self, other: Any) -> Tensor:
        return elementwise.hypot(self, other)

    def xlogy(self, other: Any) -> Tensor:
        return special.xlogy(self, other)

    def logaddexp(self, other: Any) -> Tensor:
        return special.logaddexp(self, other)

    def copysign(self, other: Any) -> Tensor:
        return elementwise.copysign(self, other)

    def heaviside(self, values: Tensor) -> Tensor:
        return elementwise.heaviside(self, values)

    def polygamma(self, n: _int) -> Tensor:
        return special.polygamma(n, self)

    def clamp_min(self, min: Any) -> Tensor:
        return elementwise.clamp_min(self, min)

    def clamp_max(self, max: Any) -> Tensor:
        return elementwise.clamp_max(self, max)

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        return elementwise.clamp(self, min, max)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        return elementwise.where(condition, self, other)

    def lerp(self, end: Tensor, weight: Any) -> Tensor:
        return mixing.lerp(self, end, weight)

    def addcmul(self, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
        return mixing.addcmul(self, tensor1, tensor2, value=value)

    def addcdiv(self, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
        return mixing.addcdiv(self, tensor1, tensor2, value=value)

    # torch's second names
    absolute, negative, fix, clip = abs, neg, trunc, clamp
    multiply, subtract, divide = mul, sub, div
    arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
    arcsinh, arccosh, arctanh = asinh, acosh, atanh

    # ---- copies and conversions ----

    def clone(self, *, memory_format: memory_format | None = None) -> Tensor:
        return elementwise.clone(self) if memory_format is None else elementwise.clone(self, memory_format=memory_format)

    @checked
    def type_as(self, other: Tensor) -> Tensor:
        return self.to(other.dtype)

    def float(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.float32, memory_format=memory_format)

    def double(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.float64, memory_format=memory_format)

    def half(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.float16, memory_format=memory_format)

    def bfloat16(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.bfloat16, memory_format=memory_format)

    def int(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.int32, memory_format=memory_format)

    def long(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.int64, memory_format=memory_format)

    def char(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.int8, memory_format=memory_format)

    def byte(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.uint8, memory_format=memory_format)

    def short(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.int16, memory_format=memory_format)

    def bool(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(dtypes.bool_, memory_format=memory_format)

    def cpu(self, *, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to("cpu", memory_format=memory_format)

    def cuda(
        self, device: Any = None, non_blocking: Any = False, *, memory_format: memory_format = preserve_format
    ) -> Tensor:
        return self.to("cuda" if device is None else device, non_blocking=bool(non_blocking), memory_format=memory_format)
