"""What can be computed with a tensor: every method is one line that names its op.

Go to definition on the right-hand side to read the op with its derivative. Methods that end in `_` write in place:
`_update` runs the op and puts the result into the tensor's memory (see `tensor.py`).
Read next: `ops/elementwise.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import dtypes
from .ops import activation, elementwise, inplace, matmul, reduce, sort
from .ops import index as indexing
from .ops import shape as shaping

if TYPE_CHECKING:
    from .tensor import Tensor


class TensorMethods:
    """The methods of Tensor that are ops."""

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
        return elementwise.sigmoid(self)

    def erf(self) -> Tensor:
        return elementwise.erf(self)

    def erfc(self) -> Tensor:
        return elementwise.erfc(self)

    def erfinv(self) -> Tensor:
        return elementwise.erfinv(self)

    def lgamma(self) -> Tensor:
        return elementwise.lgamma(self)

    def digamma(self) -> Tensor:
        return elementwise.digamma(self)

    def floor(self) -> Tensor:
        return elementwise.floor(self)

    def ceil(self) -> Tensor:
        return elementwise.ceil(self)

    def trunc(self) -> Tensor:
        return elementwise.trunc(self)

    def frac(self) -> Tensor:
        return elementwise.frac(self)

    def isnan(self) -> Tensor:
        return elementwise.isnan(self)

    def isinf(self) -> Tensor:
        return elementwise.isinf(self)

    def isfinite(self) -> Tensor:
        return elementwise.isfinite(self)

    def logical_not(self) -> Tensor:
        return elementwise.logical_not(self)

    def bitwise_not(self) -> Tensor:
        return elementwise.bitwise_not(self)

    def round(self, decimals: int = 0) -> Tensor:
        return elementwise.round_(self, decimals)

    def logit(self, eps: float | None = None) -> Tensor:
        return elementwise.logit(self, eps)

    def nan_to_num(self, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
        return elementwise.nan_to_num(self, nan, posinf, neginf)

    def relu(self) -> Tensor:
        return activation.relu(self)

    def softmax(self, dim: int, dtype: Any = None) -> Tensor:
        return activation.softmax(self, dim, dtype=dtype)

    def log_softmax(self, dim: int, dtype: Any = None) -> Tensor:
        return activation.log_softmax(self, dim, dtype=dtype)

    # ---- elementwise, two inputs and more ----

    def add(self, other: Any, *, alpha: Any = 1) -> Tensor:
        return elementwise.add(self, other, alpha)

    def sub(self, other: Any, *, alpha: Any = 1) -> Tensor:
        return elementwise.sub(self, other, alpha)

    def mul(self, other: Any) -> Tensor:
        return elementwise.mul(self, other)

    def div(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        return elementwise.div(self, other, rounding_mode=rounding_mode)

    def pow(self, exponent: Any) -> Tensor:
        return elementwise.pow_(self, exponent)

    def fmod(self, other: Any) -> Tensor:
        return elementwise.fmod(self, other)

    def remainder(self, other: Any) -> Tensor:
        return elementwise.remainder(self, other)

    def floor_divide(self, other: Any) -> Tensor:
        return elementwise.floor_divide(self, other)

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
        return elementwise.xlogy(self, other)

    def logaddexp(self, other: Any) -> Tensor:
        return elementwise.logaddexp(self, other)

    def copysign(self, other: Any) -> Tensor:
        return elementwise.copysign(self, other)

    def heaviside(self, other: Any) -> Tensor:
        return elementwise.heaviside(self, other)

    def eq(self, other: Any) -> Tensor:
        return elementwise.eq(self, other)

    def ne(self, other: Any) -> Tensor:
        return elementwise.ne(self, other)

    def lt(self, other: Any) -> Tensor:
        return elementwise.lt(self, other)

    def le(self, other: Any) -> Tensor:
        return elementwise.le(self, other)

    def gt(self, other: Any) -> Tensor:
        return elementwise.gt(self, other)

    def ge(self, other: Any) -> Tensor:
        return elementwise.ge(self, other)

    def logical_and(self, other: Any) -> Tensor:
        return elementwise.logical_and(self, other)

    def logical_or(self, other: Any) -> Tensor:
        return elementwise.logical_or(self, other)

    def logical_xor(self, other: Any) -> Tensor:
        return elementwise.logical_xor(self, other)

    def bitwise_and(self, other: Any) -> Tensor:
        return elementwise.bitwise_and(self, other)

    def bitwise_or(self, other: Any) -> Tensor:
        return elementwise.bitwise_or(self, other)

    def bitwise_xor(self, other: Any) -> Tensor:
        return elementwise.bitwise_xor(self, other)

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        return elementwise.clamp(self, min, max)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        return elementwise.where(condition, self, other)

    def lerp(self, end: Tensor, weight: Any) -> Tensor:
        return elementwise.lerp(self, end, weight)

    def addcmul(self, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
        return elementwise.addcmul(self, tensor1, tensor2, value=value)

    def addcdiv(self, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
        return elementwise.addcdiv(self, tensor1, tensor2, value=value)

    def isclose(self, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
        return elementwise.isclose(self, other, rtol, atol, equal_nan)

    def allclose(self, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
        return elementwise.allclose(self, other, rtol, atol, equal_nan)

    def equal(self, other: Tensor) -> bool:
        return elementwise.equal(self, other)

    absolute, negative, multiply, subtract, divide, true_divide, clip = abs, neg, mul, sub, div, div, clamp

    # ---- operators ----

    def __add__(self, other: Any) -> Tensor:
        return elementwise.add(self, other, 1)

    def __radd__(self, other: Any) -> Tensor:
        return elementwise.add(self, other, 1)

    def __sub__(self, other: Any) -> Tensor:
        return elementwise.sub(self, other, 1)

    def __rsub__(self, other: Any) -> Tensor:
        return elementwise.sub(other, self, 1)

    def __mul__(self, other: Any) -> Tensor:
        return elementwise.mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return elementwise.mul(self, other)

    def __truediv__(self, other: Any) -> Tensor:
        return elementwise.div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return elementwise.div(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return elementwise.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return elementwise.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return elementwise.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return elementwise.remainder(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return elementwise.pow_(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return elementwise.pow_(other, self)

    def __neg__(self) -> Tensor:
        return elementwise.neg(self)

    def __pos__(self) -> Tensor:
        return elementwise.positive(self)

    def __abs__(self) -> Tensor:
        return elementwise.abs_(self)

    def __invert__(self) -> Tensor:
        return elementwise.bitwise_not(self)

    def __eq__(self, other: Any) -> Any:
        return elementwise.eq(self, other)

    def __ne__(self, other: Any) -> Any:
        return elementwise.ne(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return elementwise.lt(self, other)

    def __le__(self, other: Any) -> Tensor:
        return elementwise.le(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return elementwise.gt(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return elementwise.ge(self, other)

    def __and__(self, other: Any) -> Tensor:
        return elementwise.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Tensor:
        return elementwise.bitwise_and(self, other)

    def __or__(self, other: Any) -> Tensor:
        return elementwise.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Tensor:
        return elementwise.bitwise_or(self, other)

    def __xor__(self, other: Any) -> Tensor:
        return elementwise.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return elementwise.bitwise_xor(self, other)

    def __matmul__(self, other: Tensor) -> Tensor:
        return matmul.matmul(self, other)

    def __rmatmul__(self, other: Tensor) -> Tensor:
        return matmul.matmul(other, self)

    def __getitem__(self, key: Any) -> Tensor:
        return indexing.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        indexing.setitem(self, key, value)

    # ---- reductions and scans ----

    def sum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return reduce.sum_(self, dim, keepdim, dtype)

    def nansum(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return reduce.nansum(self, dim, keepdim, dtype=dtype)

    def mean(self, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return reduce.mean(self, dim, keepdim, dtype)

    def prod(self, dim: int | None = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
        return reduce.prod(self, dim, keepdim, dtype=dtype)

    def var(self, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None) -> Tensor:
        return reduce.var(self, dim, unbiased, keepdim, correction=correction)

    def std(self, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None) -> Tensor:
        return reduce.std(self, dim, unbiased, keepdim, correction=correction)

    def amax(self, dim: Any = (), keepdim: bool = False) -> Tensor:
        return reduce.amax(self, dim, keepdim)

    def amin(self, dim: Any = (), keepdim: bool = False) -> Tensor:
        return reduce.amin(self, dim, keepdim)

    def max(self, dim: Any = None, keepdim: bool = False) -> Any:
        return reduce.max_(self, dim, keepdim)

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        return reduce.min_(self, dim, keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        return reduce.argmax(self, dim, keepdim)

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        return reduce.argmin(self, dim, keepdim)

    def aminmax(self, *, dim: int | None = None, keepdim: bool = False) -> Any:
        return reduce.aminmax(self, dim=dim, keepdim=keepdim)

    def norm(self, p: Any = 'fro', dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
        return reduce.norm(self, p, dim, keepdim, dtype=dtype)

    def logsumexp(self, dim: Any, keepdim: bool = False) -> Tensor:
        return reduce.logsumexp(self, dim, keepdim)

    def cumsum(self, dim: int, *, dtype: Any = None) -> Tensor:
        return reduce.cumsum(self, dim, dtype=dtype)

    def cumprod(self, dim: int, *, dtype: Any = None) -> Tensor:
        return reduce.cumprod(self, dim, dtype=dtype)

    def logcumsumexp(self, dim: int) -> Tensor:
        return reduce.logcumsumexp(self, dim)

    def cummax(self, dim: int) -> Any:
        return reduce.cummax(self, dim)

    def cummin(self, dim: int) -> Any:
        return reduce.cummin(self, dim)

    def all(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        return reduce.all_(self, dim, keepdim)

    def any(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        return reduce.any_(self, dim, keepdim)

    def count_nonzero(self, dim: Any = None) -> Tensor:
        return reduce.count_nonzero(self, dim)

    def dist(self, other: Tensor, p: Any = 2) -> Tensor:
        return reduce.dist(self, other, p)

    # ---- shape ----

    def reshape(self, *shape: Any) -> Tensor:
        return shaping.reshape(self, _spread(shape))

    def view(self, *shape: Any) -> Tensor:
        return shaping.view(self, _spread(shape))

    def reshapeas(self, other: Tensor) -> Tensor:
        return shaping.reshape(self, other.shape)

    def view_as(self, other: Tensor) -> Tensor:
        return shaping.view(self, other.shape)

    def ravel(self) -> Tensor:
        return shaping.ravel(self)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        return shaping.flatten(self, start_dim, end_dim)

    def unflatten(self, dim: int, sizes: Any) -> Tensor:
        return shaping.unflatten(self, dim, sizes)

    def permute(self, *dims: Any) -> Tensor:
        return shaping.permute(self, _spread(dims))

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        return shaping.transpose(self, dim0, dim1)

    swapaxes = swapdims = transpose

    def t(self) -> Tensor:
        return shaping.t(self)

    @property
    def T(self) -> Tensor:
        return shaping.T(self)

    @property
    def mT(self) -> Tensor:
        return shaping.mT(self)

    def squeeze(self, dim: Any = None) -> Tensor:
        return shaping.squeeze(self, dim)

    def unsqueeze(self, dim: int) -> Tensor:
        return shaping.unsqueeze(self, dim)

    def expand(self, *sizes: Any) -> Tensor:
        return shaping.expand(self, _spread(sizes))

    def expand_as(self, other: Tensor) -> Tensor:
        return shaping.expand(self, other.shape)

    def broadcast_to(self, size: Any) -> Tensor:
        return shaping.expand(self, size)

    def flip(self, *dims: Any) -> Tensor:
        return shaping.flip(self, _spread(dims))

    def fliplr(self) -> Tensor:
        return shaping.fliplr(self)

    def flipud(self) -> Tensor:
        return shaping.flipud(self)

    def roll(self, shifts: Any, dims: Any = None) -> Tensor:
        return shaping.roll(self, shifts, dims)

    def rot90(self, k: int = 1, dims: Any = (0, 1)) -> Tensor:
        return shaping.rot90(self, k, dims)

    def repeat(self, *repeats: Any) -> Tensor:
        return shaping.repeat(self, _spread(repeats))

    def repeat_interleave(self, repeats: Any, dim: int | None = None) -> Tensor:
        return shaping.repeat_interleave(self, repeats, dim)

    def tile(self, *dims: Any) -> Tensor:
        return shaping.tile(self, _spread(dims))

    def movedim(self, source: Any, destination: Any) -> Tensor:
        return shaping.movedim(self, source, destination)

    moveaxis = movedim

    def narrow(self, dim: int, start: int, length: int) -> Tensor:
        return shaping.narrow(self, dim, start, length)

    def select(self, dim: int, index: int) -> Tensor:
        return shaping.select(self, dim, index)

    def split(self, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
        return shaping.split(self, split_size, dim)

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        return shaping.chunk(self, chunks, dim)

    def tensor_split(self, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
        return shaping.tensor_split(self, indices_or_sections, dim)

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        return shaping.unbind(self, dim)

    def tril(self, diagonal: int = 0) -> Tensor:
        return shaping.tril(self, diagonal)

    def triu(self, diagonal: int = 0) -> Tensor:
        return shaping.triu(self, diagonal)

    def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
        return shaping.diagonal(self, offset, dim1, dim2)

    def diag(self, diagonal: int = 0) -> Tensor:
        return shaping.diag(self, diagonal)

    def diag_embed(self, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
        return shaping.diag_embed(self, offset, dim1, dim2)

    def trace(self) -> Tensor:
        return shaping.trace(self)

    def contiguous(self) -> Tensor:
        return shaping.contiguous(self)

    # ---- indexing and sorting ----

    def gather(self, dim: int, index: Tensor) -> Tensor:
        return indexing.gather(self, dim, index)

    def scatter(self, dim: int, index: Tensor, src: Any) -> Tensor:
        return indexing.scatter(self, dim, index, src)

    def scatter_add(self, dim: int, index: Tensor, src: Tensor) -> Tensor:
        return indexing.scatter_add(self, dim, index, src)

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        return indexing.index_select(self, dim, index)

    def index_add(self, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
        return indexing.index_add(self, dim, index, source, alpha=alpha)

    def index_copy(self, dim: int, index: Tensor, source: Tensor) -> Tensor:
        return indexing.index_copy(self, dim, index, source)

    def index_fill(self, dim: int, index: Tensor, value: Any) -> Tensor:
        return indexing.index_fill(self, dim, index, value)

    def index_put(self, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
        return indexing.index_put(self, indices, values, accumulate)

    def masked_fill(self, mask: Tensor, value: Any) -> Tensor:
        return indexing.masked_fill(self, mask, value)

    def masked_select(self, mask: Tensor) -> Tensor:
        return indexing.masked_select(self, mask)

    def take(self, index: Tensor) -> Tensor:
        return indexing.take(self, index)

    def take_along_dim(self, indices: Tensor, dim: int | None = None) -> Tensor:
        return indexing.take_along_dim(self, indices, dim)

    def nonzero(self, *, as_tuple: bool = False) -> Any:
        return indexing.nonzero(self, as_tuple=as_tuple)

    def argwhere(self) -> Tensor:
        return indexing.argwhere(self)

    def sort(self, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
        return sort.sort(self, dim, descending, stable)

    def argsort(self, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
        return sort.argsort(self, dim, descending, stable)

    def topk(self, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
        return sort.topk(self, k, dim, largest, sorted)

    # ---- matrices ----

    def matmul(self, other: Tensor) -> Tensor:
        return matmul.matmul(self, other)

    def mm(self, mat2: Tensor) -> Tensor:
        return matmul.mm(self, mat2)

    def bmm(self, mat2: Tensor) -> Tensor:
        return matmul.bmm(self, mat2)

    def mv(self, vec: Tensor) -> Tensor:
        return matmul.mv(self, vec)

    def dot(self, tensor: Tensor) -> Tensor:
        return matmul.dot(self, tensor)

    def outer(self, vec2: Tensor) -> Tensor:
        return matmul.outer(self, vec2)

    def inner(self, other: Tensor) -> Tensor:
        return matmul.inner(self, other)

    def addmm(self, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return matmul.addmm(self, mat1, mat2, beta=beta, alpha=alpha)

    def baddbmm(self, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return matmul.baddbmm(self, batch1, batch2, beta=beta, alpha=alpha)

    # ---- copies and conversions ----

    def clone(self) -> Tensor:
        return elementwise.clone(self)

    def type_as(self, other: Tensor) -> Tensor:
        return self.to(other.dtype)

    def float(self) -> Tensor:
        return self.to(dtypes.float32)

    def double(self) -> Tensor:
        return self.to(dtypes.float64)

    def half(self) -> Tensor:
        return self.to(dtypes.float16)

    def bfloat16(self) -> Tensor:
        return self.to(dtypes.bfloat16)

    def int(self) -> Tensor:
        return self.to(dtypes.int32)

    def long(self) -> Tensor:
        return self.to(dtypes.int64)

    def short(self) -> Tensor:
        return self.to(dtypes.int16)

    def bool(self) -> Tensor:
        return self.to(dtypes.bool_)

    def cpu(self) -> Tensor:
        return self.to('cpu')

    def cuda(self, device: Any = 'cuda') -> Tensor:
        return self.to(device)

    # ---- in place ----

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
        return self._update(elementwise.sigmoid)

    def erf_(self) -> Tensor:
        return self._update(elementwise.erf)

    def floor_(self) -> Tensor:
        return self._update(elementwise.floor)

    def ceil_(self) -> Tensor:
        return self._update(elementwise.ceil)

    def trunc_(self) -> Tensor:
        return self._update(elementwise.trunc)

    def frac_(self) -> Tensor:
        return self._update(elementwise.frac)

    def round_(self, decimals: int = 0) -> Tensor:
        return self._update(elementwise.round_, decimals)

    def relu_(self) -> Tensor:
        return self._update(activation.relu)

    def add_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        return self._update(elementwise.add, other, alpha)

    def sub_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        return self._update(elementwise.sub, other, alpha)

    def mul_(self, other: Any) -> Tensor:
        return self._update(elementwise.mul, other)

    def div_(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        return self._update(elementwise.div, other, rounding_mode=rounding_mode)

    def pow_(self, exponent: Any) -> Tensor:
        return self._update(elementwise.pow_, exponent)

    def fmod_(self, other: Any) -> Tensor:
        return self._update(elementwise.fmod, other)

    def remainder_(self, other: Any) -> Tensor:
        return self._update(elementwise.remainder, other)

    def floor_divide_(self, other: Any) -> Tensor:
        return self._update(elementwise.floor_divide, other)

    def clamp_(self, min: Any = None, max: Any = None) -> Tensor:
        return self._update(elementwise.clamp, min, max)

    def lerp_(self, end: Tensor, weight: Any) -> Tensor:
        return self._update(elementwise.lerp, end, weight)

    def addcmul_(self, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
        return self._update(elementwise.addcmul, tensor1, tensor2, value=value)

    def addcdiv_(self, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
        return self._update(elementwise.addcdiv, tensor1, tensor2, value=value)

    def copy_(self, src: Tensor, non_blocking: bool = False) -> Tensor:
        return self._update(inplace.copy, src)

    def fill_(self, value: Any) -> Tensor:
        return self._update(inplace.fill, value)

    def zero_(self) -> Tensor:
        return self._update(inplace.zero)

    def masked_fill_(self, mask: Tensor, value: Any) -> Tensor:
        return self._update(indexing.masked_fill, mask, value)

    def scatter_(self, dim: int, index: Tensor, src: Any) -> Tensor:
        return self._update(indexing.scatter, dim, index, src)

    def scatter_add_(self, dim: int, index: Tensor, src: Tensor) -> Tensor:
        return self._update(indexing.scatter_add, dim, index, src)

    def index_add_(self, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
        return self._update(indexing.index_add, dim, index, source, alpha=alpha)

    def index_fill_(self, dim: int, index: Tensor, value: Any) -> Tensor:
        return self._update(indexing.index_fill, dim, index, value)

    def index_put_(self, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
        return self._update(indexing.index_put, indices, values, accumulate)

    def index_copy_(self, dim: int, index: Tensor, source: Tensor) -> Tensor:
        return self._update(indexing.index_copy, dim, index, source)

    def tril_(self, diagonal: int = 0) -> Tensor:
        return self._update(shaping.tril, diagonal)

    def triu_(self, diagonal: int = 0) -> Tensor:
        return self._update(shaping.triu, diagonal)

    __iadd__, __isub__, __imul__, __itruediv__, __ipow__ = add_, sub_, mul_, div_, pow_


def _spread(dims: tuple) -> Any:
    """`x.permute(0, 1)` and `x.permute((0, 1))` mean the same; no argument at all means None."""
    if len(dims) == 1 and not isinstance(dims[0], int):
        return dims[0]
    return tuple(dims) or None
