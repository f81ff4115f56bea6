"""Matrix products: `matmul` and the forms made of it, `linear`.

For C = A B with upstream g: ∂L/∂A = g Bᵀ and ∂L/∂B = Aᵀ g. The transposes are views, which BLAS reads without a copy.
Read next: `arrays/blas.py`, which multiplies; `einsum.py`, or `nn/modules/linear.py`.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from ..arrays import blas, dtypes
from ..arrays.numbers import fitting
from ..op import Array, composite, named, op
from ..op.half_precision import derivative_in_float32, in_float32
from ..op.signature import Number
from .reduce import sum_
from .shape import reshape, t, transpose, unsqueeze

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- two matrices, two batches, matrix and vector ----


def _same_dtype(a: Array, b: Array) -> None:
    if a.dtype != b.dtype:
        names = [dtypes.SCALAR_NAMES[dtypes.from_numpy_dtype(x.dtype).name].lower() for x in (a, b)]
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {names[0]} != {names[1]}; convert one with .to(dtype)"
        )


def _numbers_of_one_dtype(a: Array, b: Array) -> None:
    """What the kernel of batches refuses, which looks at the dtype of a alone before it compares."""
    if a.dtype == bool:
        raise NotImplementedError("\"bmm\" not implemented for 'Bool'; convert the input first, e.g. x.float()")
    _same_dtype(a, b)


def _rank(name: str, argument: str, x: Array, ndim: int) -> None:
    if x.ndim != ndim:
        raise RuntimeError(f"{name}: {argument} must be a {ndim}-D tensor, got shape {tuple(x.shape)}")


@op(promote=None, named="b=mat2")
def mm(xp: Any, a: Array, b: Array) -> Array:
    """C_ij = Σ_k a_ik b_kj for matrices a (N, K) and b (K, M)."""
    _rank("mm", "self", a, 2)
    _rank("mm", "mat2", b, 2)
    _same_dtype(a, b)
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]}): "
            "the first must have as many columns as the second has rows"
        )
    if a.dtype == bool:
        raise NotImplementedError("\"mm\" not implemented for 'Bool'; convert the input first, e.g. x.float()")
    return blas.matmul(xp, a, b)


@mm.grad("a")
def mm_grad_a(g: Tensor, b: Tensor) -> Tensor:
    """∂L/∂a = g bᵀ"""
    return mm(g, t(b))


@mm.grad("b")
def mm_grad_b(g: Tensor, a: Tensor) -> Tensor:
    """∂L/∂b = aᵀ g"""
    return mm(t(a), g)


@op(promote=None, named="b=mat2")
def bmm(xp: Any, a: Array, b: Array) -> Array:
    """C_n = a_n b_n for batches of matrices a (B, N, K) and b (B, K, M)."""
    _rank("bmm", "batch1", a, 3)
    _rank("bmm", "batch2", b, 3)
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}] but got: "
            f"[{b.shape[0]}, {b.shape[1]}]."
        )
    _numbers_of_one_dtype(a, b)
    return blas.matmul(xp, a, b)


@bmm.grad("a")
def bmm_grad_a(g: Tensor, b: Tensor) -> Tensor:
    """∂L/∂a_n = g_n b_nᵀ"""
    return bmm(g, transpose(b, 1, 2))


@bmm.grad("b")
def bmm_grad_b(g: Tensor, a: Tensor) -> Tensor:
    """∂L/∂b_n = a_nᵀ g_n"""
    return bmm(transpose(a, 1, 2), g)


@op(promote=None, only="numbers", named="v=vec")
def mv(xp: Any, a: Array, v: Array) -> Array:
    """a v for a matrix (N, K) and a vector (K)."""
    if not a.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions (mv(): self)")
    _rank("mv", "self", a, 2)
    _rank("mv", "vec", v, 1)
    _same_dtype(a, v)
    if a.shape[1] != v.shape[0]:
        raise RuntimeError(f"size mismatch, got input ({a.shape[0]}), mat ({a.shape[0]}x{a.shape[1]}), vec ({v.shape[0]})")
    return blas.matmul(xp, a, v)


@mv.grad("a")
def mv_grad_a(g: Tensor, v: Tensor) -> Tensor:
    """∂L/∂a = g vᵀ"""
    return outer(g, v)


@mv.grad("v")
def mv_grad_v(g: Tensor, a: Tensor) -> Tensor:
    """∂L/∂v = aᵀ g"""
    return mv(t(a), g)


@op(promote=None, named="b=tensor")
def dot(xp: Any, a: Array, b: Array) -> Array:
    """Σ a_i b_i of two vectors."""
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.shape != b.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{a.shape[0]}] and src [{b.shape[0]}] to have the same number of "
            f"elements, but got {a.shape[0]} and {b.shape[0]} elements respectively"
        )
    if a.dtype != b.dtype:
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {a.dtype} and {b.dtype}")
    if a.dtype == bool:
        raise NotImplementedError("\"dot\" not implemented for 'Bool'; convert the input first, e.g. x.float()")
    return blas.dot(xp, a, b)


@dot.grad("a")
def dot_grad_a(g: Tensor, b: Tensor) -> Tensor:
    """∂L/∂a = g b"""
    return g * b


@dot.grad("b")
def dot_grad_b(g: Tensor, a: Tensor) -> Tensor:
    """∂L/∂b = g a"""
    return g * a


@composite(out=True, grad_fn="VdotBackward0")
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """`dot`, for real numbers."""
    return dot(input, other)


@composite(out="cast")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """C_ij = a_i b_j of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D arguments, got shapes {tuple(input.shape)} and {tuple(vec2.shape)}")
    return unsqueeze(input, 1) * vec2


@composite(out="cast")
def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """`outer` by its BLAS name."""
    return outer(input, vec2)


@composite(out=True, check_first=False)
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """a @ b: dot for vectors, mm for matrices, batched and broadcast for more dimensions.

    A vector on the left is a row, on the right a column; the dimension added for that is removed again.
    """
    if not hasattr(other, "_array") or not hasattr(input, "_array"):
        wrong = other if hasattr(input, "_array") else input
        raise TypeError(f"matmul(): argument 'other' (position 2) must be Tensor, not {type(wrong).__name__}")
    a, b = input.ndim, other.ndim
    if a == 0 or b == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    if a == 1 and b == 1:
        return dot(input, other)
    if a == 2 and b == 2:
        return mm(input, other)
    if a == 2 and b == 1:
        return mv(input, other)
    if a == 1:
        return matmul(input.unsqueeze(0), other).squeeze(-2)
    if b == 1:
        return matmul(input, other.unsqueeze(1)).squeeze(-1)
    if b == 2:  # the batch is rows: one large product instead of many small ones
        *lead, last = input.shape
        return _as_batch(mm(input.reshape(math.prod(lead), last), other), (*lead, other.shape[-1]))
    return batched(input, other)


_as_batch = named(lambda rows, shape: rows.reshape(shape), "UnsafeViewBackward0")


@op(name="matmul", promote=None, public=False, autocast="bmm", grad_fn="UnsafeViewBackward0")
def batched(xp: Any, a: Array, b: Array) -> Array:
    """C = a b for matrices in the last two dimensions; the others broadcast."""
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{b.shape[0]}, {a.shape[-1]}] but got: "
            f"[{b.shape[0]}, {b.shape[-2]}]: the last dimension of {tuple(a.shape)} meets the last but one of "
            f"{tuple(b.shape)}"
        )
    _numbers_of_one_dtype(a, b)
    try:
        return blas.matmul(xp, a, b)
    except ValueError:
        raise RuntimeError(
            f"The size of tensor a {tuple(a.shape[:-2])} must match the size of tensor b {tuple(b.shape[:-2])} in the batch "
            "dimensions"
        ) from None


@batched.grad("a")
def batched_grad_a(g: Tensor, a_shape: tuple, b: Tensor) -> Tensor:
    """∂L/∂a = g bᵀ, summed over what was broadcast"""
    b = transpose(b, -1, -2)
    return batched(g, b) if a_shape[:-2] == g.shape[:-2] else _summed(g, b, a_shape)


@batched.grad("b")
def batched_grad_b(g: Tensor, a: Tensor, b_shape: tuple) -> Tensor:
    """∂L/∂b = aᵀ g, summed over what was broadcast"""
    a = transpose(a, -1, -2)
    return batched(a, g) if b_shape[:-2] == g.shape[:-2] else _summed(a, g, b_shape)


@derivative_in_float32
def _summed(a: Tensor, b: Tensor, shape: tuple) -> Tensor:
    """a b, summed over the copies of a tensor of that shape: here and not by the engine, so that half precision is rounded once."""
    product = batched(a, b)
    extra = product.ndim - len(shape)
    copies = (extra + d for d, n in enumerate(shape[:-2]) if n == 1 != product.shape[extra + d])
    return reshape(sum_(product, (*range(extra), *copies)), shape)


@composite
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of a times all of b, as blocks."""
    ndim = max(input.ndim, other.ndim)
    a, b = ((1,) * (ndim - x.ndim) + tuple(x.shape) for x in (input, other))
    wide = input.reshape([n for size in a for n in (size, 1)]) * other.reshape([n for size in b for n in (1, size)])
    return wide.reshape([n * m for n, m in zip(a, b)]).contiguous()


# ---- with something added ----

# Rounded once, as in torch; on a GPU the product is rounded before the sum, so that tensor cores do it.
on_cpu_in_float32 = functools.partial(in_float32, gpu=False)


def _linear_name(out_shape: tuple, wanting: list[str]) -> str:
    """torch calls a product by what its result went through last."""
    matrix, bias = len(out_shape) == 2, "bias" in wanting
    return (
        ("AddmmBackward0" if matrix else "ViewBackward0") if bias else ("MmBackward0" if matrix else "UnsafeViewBackward0")
    )


@op(promote=None, grad_fn=_linear_name, only="numbers", same_dtype="x weight")
def linear(xp: Any, x: Array, weight: Array, bias: Array | None = None) -> Array:
    """y = x Wᵀ + b: x (…, in), W (out, in), b (out), y (…, out)."""
    _check_linear(x, weight, bias)
    y = blas.matmul(xp, x, weight.T, bias)
    return y if y.dtype == x.dtype else y.astype(x.dtype)


for _product in (mm, bmm, mv, batched, linear):
    _product.announces = True  # all that they do is in `arrays/blas.py`, but for results of another dtype, which are new


@linear.grad("bias")  # first: so it is the first to get its gradient
def linear_grad_bias(g: Tensor) -> Tensor:
    """∂L/∂b = g (summed over the rows by the engine: b was broadcast)"""
    return g


@linear.grad("x")
def linear_grad_x(g: Tensor, weight: Tensor) -> Tensor:
    """∂L/∂x = g W, over all rows of the batch"""
    if weight.ndim == 1:
        return unsqueeze(g, -1) * weight
    if g.ndim == 2:
        return mm(g, weight)
    *lead, out_features = g.shape
    return reshape(mm(reshape(g, (math.prod(lead), out_features)), weight), (*lead, weight.shape[1]))


@linear.grad("weight")
def linear_grad_weight(g: Tensor, x: Tensor, weight_shape: tuple) -> Tensor:
    """∂L/∂W = gᵀ x, over all rows of the batch"""
    if g.ndim == 2 and x.ndim == 2:
        return mm(t(g), x)
    n = math.prod(x.shape[:-1])
    rows = reshape(g, (n, weight_shape[0] if len(weight_shape) == 2 else 1))
    product = mm(t(rows), reshape(x, (n, weight_shape[-1])))
    return product if len(weight_shape) == 2 else reshape(product, weight_shape)


def _check_linear(x: Array, weight: Array, bias: Array | None) -> None:
    """RuntimeError, in torch's words and with what to do, unless the three fit."""
    if x.dtype != weight.dtype:
        _same_dtype(x, weight)
    if not x.ndim or not weight.ndim:
        raise RuntimeError(f"both arguments to linear need to be at least 1D, but they are {x.ndim}D and {weight.ndim}D")
    if weight.ndim > 2:
        raise RuntimeError(f"linear expects a weight of shape (out_features, in_features), got {tuple(weight.shape)}")
    if weight.ndim == 1 and bias is not None:
        raise RuntimeError(
            "mat2 must be a matrix, got 1-D tensor: linear with a bias expects weight (out_features, in_features)"
        )
    if x.shape[-1] != weight.shape[-1]:
        rows = math.prod(x.shape[:-1])
        hint = "; to make features of all dimensions but the first, flatten first: x.flatten(1)" if x.ndim > 2 else ""
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and {weight.shape[-1]}x{weight.shape[0]}): Linear "
            f"expected last dimension {weight.shape[-1]} (in_features), got {x.shape[-1]} from input of shape "
            f"{tuple(x.shape)}{hint}"
        )
    # Beside a batch that lies otherwise torch adds the bias in place, whatever its dtype, and a number beside all but matrices.
    by_addmm = bias is not None and (x.ndim == 2 or (bias.ndim > 0 and (x.ndim < 2 or x.flags.c_contiguous)))
    if bias is not None and bias.dtype != x.dtype and by_addmm:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got a bias of {bias.dtype} for an input of {x.dtype}"
        )
    if bias is not None and (bias.size not in (1, len(weight)) or bias.ndim > x.ndim):
        raise RuntimeError(
            f"The expanded size of the tensor ({len(weight)}) must match the existing size ({bias.size}) at non-singleton "
            f"dimension {x.ndim - 1}: linear expects a bias of shape ({len(weight)},), got {tuple(bias.shape)}"
        )


@composite(out=True, same_dtype="input mat1", grad_fn="AddmmBackward0")
@on_cpu_in_float32
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """β · input + α · mat1 mat2"""
    return _plus(input, mm(mat1, mat2), beta, alpha)


@composite(out=True, same_dtype="input mat", grad_fn="AddmvBackward0")
@on_cpu_in_float32
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """β · input + α · mat vec"""
    return _plus(input, mv(mat, vec), beta, alpha)


@composite(out="cast", grad_fn="AddrBackward0")
@in_float32
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """β · input + α · vec1 vec2ᵀ; of bools alone: whether either is true."""
    dtype = functools.reduce(dtypes.promote_types, (vec1.dtype, vec2.dtype, input.dtype))
    product = outer(vec1.to(dtype), vec2.to(dtype))  # half precision is not rounded on the way
    for name, factor in (("beta", beta), ("alpha", alpha)):
        if isinstance(factor, float) and not product.is_floating_point():
            raise RuntimeError(
                f"For integral input tensors, argument {name} must not be a floating point number, got {factor}"
            )
        if isinstance(factor, bool) and product.dtype is not dtypes.bool_:
            raise RuntimeError(f"Boolean {name} only supported for Boolean results, got {factor} for {product.dtype!r}")
    return _plus(input, product, beta, alpha)


@composite(out=True, grad_fn="BaddbmmBackward0")
@on_cpu_in_float32
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """β · input + α · batch1_n batch2_n"""
    return _plus(input, _batches(input, batch1, batch2), beta, alpha)


@composite(out=True, grad_fn="AddbmmBackward0")
@on_cpu_in_float32
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """β · input + α · Σ_n batch1_n batch2_n"""
    return _plus(input, _batches(input, batch1, batch2).sum(0, dtype=batch1.dtype), beta, alpha)


def _batches(input: Tensor, batch1: Tensor, batch2: Tensor) -> Tensor:
    """batch1_n batch2_n, refused for the first thing that torch would look at: the sizes, then what bmm refuses, then the dtypes."""
    batch1.size(1), batch2.size(2)
    product = bmm(batch1, batch2)
    if input.dtype is not batch1.dtype:
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {input.dtype!r}, batch1: {batch1.dtype!r}; convert one with .to(dtype)"
        )
    return product


def _plus(x: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """β x + α product, in the product's shape. Integers take the factors without their fractions, as torch does."""
    beta, alpha = (fitting(factor, y.dtype.numpy) for factor, y in ((beta, x), (alpha, product)))
    if any(n not in (1, m) for n, m in zip(x.shape[::-1], product.shape[::-1])) or x.ndim > product.ndim:
        raise RuntimeError(
            f"The expanded size of the tensor must match: input of shape {list(x.shape)} does not broadcast to the "
            f"product's {list(product.shape)}"
        )
    return (x if beta == 1 else scaled(x, beta)) + (product if alpha == 1 else product * alpha)


@op(name="mul", promote=None, public=False)
def scaled(xp: Any, x: Array, factor: Any) -> Array:
    """factor · x; where the factor is 0, x is not read, so that its nan does not spread."""
    return (x * factor).astype(x.dtype) if factor != 0 else xp.zeros_like(x)


@scaled.grad
def scaled_grad(g: Tensor, factor: Any) -> Tensor:
    """∂L/∂x = factor · g"""
    return g * factor
