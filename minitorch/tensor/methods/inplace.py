"""The methods of Tensor: everything that ends in `_` and writes into the tensor. Each is one line that names its op.

Go to definition on the right-hand side to read the op, with its derivative beside it. `Tensor._update` runs an op and puts
the result into the tensor's memory."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Number
from typing import TYPE_CHECKING, Any

from ...arrays import dtypes
from ...op.signature import checked
from ...ops import (
    activation,
    compare,
    diagonals,
    division,
    elementwise,
    floats,
    inplace,
    masked,
    matmul,
    mixing,
    normalize,
    real,
    scan,
    scatter_reduce,
    special,
    strided,
)
from ...ops import gather as gathering
from ...ops import index as indexing
from ...ops import shape as shaping
from .operators import operator

if TYPE_CHECKING:
    from ..tensor import Tensor


def _in_its_dtype(scan: Callable) -> Callable:
    """A scan in the dtype of its input, in place of which the result is written; no other may be asked for."""

    def call(x: Tensor, dim: int, dtype: Any) -> Tensor:
        out = scan(x, dim, dtype=x.dtype if dtype is None else dtype)
        if out.dtype is not x.dtype:
            raise RuntimeError(
                f"Bad in-place call: input tensor dtype {x.dtype!r} and output tensor dtype {out.dtype!r} should match"
            )
        return out

    return call


class InPlace:
    """Everything that ends in `_` and writes into the tensor."""

    _array: Any
    device: Any
    dtype: Any
    _update: Callable[..., Tensor]
    _update_unrecorded: Callable[..., Tensor]
    _update_apart: Callable[..., Tensor]
    _turn: Callable[..., Tensor]
    new_tensor: Callable[..., Tensor]

    def neg_(self) -> Tensor:
        return self._update(elementwise.neg)

    def exp_(self) -> Tensor:
        return self._update(elementwise.exp)

    def exp2_(self) -> Tensor:
        return self._update(elementwise.exp2)

    def expm1_(self) -> Tensor:
        return self._update(elementwise.expm1)

    def log_(self) -> Tensor:
        return self._update(elementwise.log)

    def log2_(self) -> Tensor:
        return self._update(elementwise.log2)

    def log10_(self) -> Tensor:
        return self._update(elementwise.log10)

    def log1p_(self) -> Tensor:
        return self._update(elementwise.log1p)

    def sqrt_(self) -> Tensor:
        return self._update(elementwise.sqrt)

    def rsqrt_(self) -> Tensor:
        return self._update(elementwise.rsqrt)

    def reciprocal_(self) -> Tensor:
        return self._update(elementwise.reciprocal)

    def abs_(self) -> Tensor:
        return self._update(elementwise.abs_)

    def sign_(self) -> Tensor:
        return self._update(elementwise.sign)

    def square_(self) -> Tensor:
        return self._update(elementwise.square)

    def sin_(self) -> Tensor:
        return self._update(elementwise.sin)

    def cos_(self) -> Tensor:
        return self._update(elementwise.cos)

    def tan_(self) -> Tensor:
        return self._update(elementwise.tan)

    def asin_(self) -> Tensor:
        return self._update(elementwise.asin)

    def acos_(self) -> Tensor:
        return self._update(elementwise.acos)

    def atan_(self) -> Tensor:
        return self._update(elementwise.atan)

    def sinh_(self) -> Tensor:
        return self._update(elementwise.sinh)

    def cosh_(self) -> Tensor:
        return self._update(elementwise.cosh)

    def tanh_(self) -> Tensor:
        return self._update(elementwise.tanh)

    def asinh_(self) -> Tensor:
        return self._update(elementwise.asinh)

    def acosh_(self) -> Tensor:
        return self._update(elementwise.acosh)

    def atanh_(self) -> Tensor:
        return self._update(elementwise.atanh)

    def sigmoid_(self) -> Tensor:
        return self._update(special.sigmoid)

    def erf_(self) -> Tensor:
        return self._update(special.erf)

    def floor_(self) -> Tensor:
        return self._update(elementwise.floor)

    def ceil_(self) -> Tensor:
        return self._update(elementwise.ceil)

    def trunc_(self) -> Tensor:
        return self._update(elementwise.trunc)

    def frac_(self) -> Tensor:
        return self._update(elementwise.frac)

    def round_(self, *, decimals: int = 0) -> Tensor:
        return self._update(elementwise.round_, decimals=decimals)

    def relu_(self) -> Tensor:
        return self._update(activation.relu)

    def add_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        return self._update(elementwise.add, other, alpha=alpha)

    def sub_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        return self._update(elementwise.sub, other, alpha=alpha)

    def mul_(self, other: Any) -> Tensor:
        return self._update(elementwise.mul, other)

    def div_(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        return self._update(division.div, other, rounding_mode=rounding_mode)

    def true_divide_(self, other: Any) -> Tensor:
        return self._update(elementwise.true_div, other)

    def pow_(self, exponent: Any) -> Tensor:
        return self._update(elementwise.pow_, exponent)

    def fmod_(self, other: Any) -> Tensor:
        return self._update(division.fmod, other)

    def remainder_(self, other: Any) -> Tensor:
        return self._update(division.remainder, other)

    def floor_divide_(self, other: Any) -> Tensor:
        return self._update(division.floor_divide, other)

    def clamp_(self, min: Any = None, max: Any = None) -> Tensor:
        return self._update(elementwise.clamp, min, max)

    def lerp_(self, end: Tensor, weight: Any) -> Tensor:
        return self._update(mixing.lerp, end, weight)

    def addcmul_(self, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
        return self._update(mixing.addcmul, tensor1, tensor2, value=value)

    def addcdiv_(self, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
        return self._update(mixing.addcdiv, tensor1, tensor2, value=value)

    def copy_(self, src: Tensor | Number, non_blocking: bool = False) -> Tensor:
        if isinstance(src, Number):
            src = self.new_tensor(src, dtype=dtypes.int64 if isinstance(src, Integral) else dtypes.float64)
        if hasattr(src, "_array") and type(src._array) is not type(self._array):
            src = src.to(self.device, non_blocking=non_blocking)
        return self._update(inplace.copy, src)

    def fill_(self, value: Any) -> Tensor:
        return self._update(inplace.fill, value)

    @checked
    def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Tensor:
        """`fill_value` on the main diagonal. wrap: of a tall matrix, on another diagonal below each, one row left out between."""
        if self.ndim < 2:
            raise RuntimeError(f"dimensions must larger than 1, got {self.ndim}")
        if self.ndim > 2 and len(set(self.shape)) > 1:
            raise RuntimeError(f"all dimensions of input must be of equal length, got {list(self.shape)}")
        n, step = min(self.shape), sum(self.stride())
        self.as_strided((n,), (step,)).fill_(fill_value)
        height, width = self.shape[:2]
        if wrap and self.ndim == 2 and height > width + 1:
            below = self[width + 1 :]
            below.as_strided((-(-below.numel() // (width + 1)),), (step,)).fill_(fill_value)
        return self

    def zero_(self) -> Tensor:
        return self._update(inplace.zero)

    def masked_fill_(self, mask: Tensor, value: Any) -> Tensor:
        return self._update(masked.masked_fill, mask, value)

    def scatter_(self, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Tensor:
        return self._update_apart(src, gathering.scatter, dim, index, src, value=value, reduce=reduce)

    def scatter_add_(self, dim: int, index: Tensor, src: Tensor) -> Tensor:
        return self._update_apart(src, gathering.scatter_add, dim, index, src)

    def index_add_(self, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
        return self._update_apart(source, gathering.index_add, dim, index, source, alpha=alpha)

    def index_fill_(self, dim: int, index: Tensor, value: Any) -> Tensor:
        return self._update(gathering.index_fill, dim, index, value)

    def index_put_(self, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
        return self._update_apart(values, indexing.index_put, indices, values, accumulate)

    def masked_scatter_(self, mask: Tensor, source: Tensor) -> Tensor:
        return self._update_apart(source, masked.masked_scatter, mask, source)

    def index_copy_(self, dim: int, index: Tensor, source: Tensor) -> Tensor:
        return self._update_apart(source, gathering.index_copy, dim, index, source)

    def tril_(self, diagonal: int = 0) -> Tensor:
        return self._update(diagonals.tril, diagonal)

    def triu_(self, diagonal: int = 0) -> Tensor:
        return self._update(diagonals.triu, diagonal)

    def sgn_(self) -> Tensor:
        return self._update(elementwise.sgn)

    def erfc_(self) -> Tensor:
        return self._update(special.erfc)

    def erfinv_(self) -> Tensor:
        return self._update(special.erfinv)

    def lgamma_(self) -> Tensor:
        return self._update(special.lgamma)

    def digamma_(self) -> Tensor:
        return self._update(special.digamma)

    def polygamma_(self, n: int) -> Tensor:
        return self._update(special.polygamma_of, n)

    def logit_(self, eps: float | None = None) -> Tensor:
        return self._update(special.logit, eps)

    def xlogy_(self, other: Any) -> Tensor:
        return self._update(special.xlogy, other)

    def nan_to_num_(self, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Tensor:
        return self._update(elementwise.nan_to_num, nan, posinf, neginf)

    def atan2_(self, other: Tensor) -> Tensor:
        return self._update(elementwise.atan2, other)

    def hypot_(self, other: Tensor) -> Tensor:
        return self._update(elementwise.hypot, other)

    def copysign_(self, other: Any) -> Tensor:
        return self._update(elementwise.copysign, other)

    def heaviside_(self, values: Tensor) -> Tensor:
        return self._update(elementwise.heaviside, values)

    def clamp_min_(self, min: Any) -> Tensor:
        return self._update(elementwise.clamp, min, None)

    def clamp_max_(self, max: Any) -> Tensor:
        return self._update(elementwise.clamp, None, max)

    def eq_(self, other: Any) -> Tensor:
        return self._update(compare.eq, other)

    def ne_(self, other: Any) -> Tensor:
        return self._update(compare.ne, other)

    def lt_(self, other: Any) -> Tensor:
        return self._update(compare.lt, other)

    def le_(self, other: Any) -> Tensor:
        return self._update(compare.le, other)

    def gt_(self, other: Any) -> Tensor:
        return self._update(compare.gt, other)

    def ge_(self, other: Any) -> Tensor:
        return self._update(compare.ge, other)

    def logical_not_(self) -> Tensor:
        return self._update_unrecorded(compare.logical_not)

    def logical_and_(self, other: Tensor) -> Tensor:
        return self._update_unrecorded(compare.logical_and, other)

    def logical_or_(self, other: Tensor) -> Tensor:
        return self._update_unrecorded(compare.logical_or, other)

    def logical_xor_(self, other: Tensor) -> Tensor:
        return self._update_unrecorded(compare.logical_xor, other)

    def bitwise_not_(self) -> Tensor:
        return self._update(compare.bitwise_not)

    def bitwise_and_(self, other: Any) -> Tensor:
        return self._update(compare.bitwise_and, other)

    def bitwise_or_(self, other: Any) -> Tensor:
        return self._update(compare.bitwise_or, other)

    def bitwise_xor_(self, other: Any) -> Tensor:
        return self._update(compare.bitwise_xor, other)

    def bitwise_left_shift_(self, other: Any) -> Tensor:
        return self._update(compare.bitwise_left_shift, other)

    def bitwise_right_shift_(self, other: Any) -> Tensor:
        return self._update(compare.bitwise_right_shift, other)

    def cumsum_(self, dim: int, *, dtype: Any = None) -> Tensor:
        return self._update(_in_its_dtype(scan.cumsum), dim, dtype)

    def cumprod_(self, dim: int, *, dtype: Any = None) -> Tensor:
        return self._update(_in_its_dtype(scan.cumprod), dim, dtype)

    def put_(self, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
        return self._update_apart(source, masked.put, index, source, accumulate)

    def addmm_(self, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return self._update(matmul.addmm, mat1, mat2, beta=beta, alpha=alpha)

    def addmv_(self, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return self._update(matmul.addmv, mat, vec, beta=beta, alpha=alpha)

    def addr_(self, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return self._update(matmul.addr, vec1, vec2, beta=beta, alpha=alpha)

    def baddbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return self._update(matmul.baddbmm, batch1, batch2, beta=beta, alpha=alpha)

    def addbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return self._update(matmul.addbmm, batch1, batch2, beta=beta, alpha=alpha)

    def conj_physical_(self) -> Tensor:
        return self._update(real.conj_physical)

    def deg2rad_(self) -> Tensor:
        return self._update(elementwise.deg2rad)

    def rad2deg_(self) -> Tensor:
        return self._update(elementwise.rad2deg)

    def sinc_(self) -> Tensor:
        return self._update(special.sinc)

    def i0_(self) -> Tensor:
        return self._update(special.i0)

    def float_power_(self, exponent: Any) -> Tensor:
        if self.dtype is not dtypes.float64:
            raise RuntimeError(
                f"the base given to float_power_ has dtype {self.dtype!r} but the operation's result requires dtype float64"
            )
        return self._update(floats.float_power, exponent)

    def mvlgamma_(self, p: int) -> Tensor:
        return self._update(special.mvlgamma, p)

    def igamma_(self, other: Tensor) -> Tensor:
        return self._update(special.igamma, other)

    def igammac_(self, other: Tensor) -> Tensor:
        return self._update(special.igammac, other)

    def ldexp_(self, other: Tensor) -> Tensor:
        return self._update(floats.ldexp, other)

    def nextafter_(self, other: Tensor) -> Tensor:
        return self._update(floats.nextafter, other)

    def gcd_(self, other: Tensor) -> Tensor:
        return self._update(floats.gcd, other)

    def lcm_(self, other: Tensor) -> Tensor:
        return self._update(floats.lcm, other)

    def scatter_reduce_(self, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
        return self._update_apart(src, scatter_reduce.scatter_reduce, dim, index, src, reduce, include_self=include_self)

    def index_reduce_(self, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
        return self._update_apart(source, scatter_reduce.index_reduce, dim, index, source, reduce, include_self=include_self)

    def renorm_(self, p: Any, dim: int, maxnorm: Any) -> Tensor:
        return self._update(normalize.renorm, p, dim, maxnorm)

    # Another shape for this very tensor.

    def squeeze_(self, dim: Any = None) -> Tensor:
        return self._turn(shaping.squeeze, dim)

    def unsqueeze_(self, dim: int) -> Tensor:
        return self._turn(shaping.unsqueeze, dim)

    def transpose_(self, dim0: int, dim1: int) -> Tensor:
        return self._turn(shaping.transpose, dim0, dim1)

    def swapaxes_(self, axis0: int, axis1: int) -> Tensor:
        return self._turn(shaping.transpose, axis0, axis1)

    def t_(self) -> Tensor:
        return self._turn(shaping.t)

    def as_strided_(self, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
        return self._turn(strided.as_strided, size, stride, storage_offset)

    __iadd__ = operator(add_)
    __isub__ = operator(sub_)
    __imul__ = operator(mul_)
    __itruediv__ = operator(div_)
    __ipow__ = operator(pow_)
    __ifloordiv__ = operator(floor_divide_)
    __imod__ = operator(remainder_)
    __ilshift__ = operator(bitwise_left_shift_)
    __irshift__ = operator(bitwise_right_shift_)
    __iand__ = operator(bitwise_and_)
    __ior__ = operator(bitwise_or_)
    __ixor__ = operator(bitwise_xor_)

    # torch's second names.
    absolute_, negative_, fix_, clip_ = abs_, neg_, trunc_, clamp_
    subtract_, multiply_, divide_ = sub_, mul_, div_
    arcsin_, arccos_, arctan_, arctan2_ = asin_, acos_, atan_, atan2_
    arcsinh_, arccosh_, arctanh_ = asinh_, acosh_, atanh_
    greater_, greater_equal_, less_, less_equal_, not_equal_ = gt_, ge_, lt_, le_, ne_
    swapdims_ = transpose_
