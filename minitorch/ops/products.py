"""Products of matrices with themselves and with others: powers, e^A, chains, reflections.

What is made of products alone needs no derivative of its own. Read next: `nn/utils/parametrizations.py`, which uses some of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..arrays import lapack
from ..arrays.dtypes import SCALAR_NAMES
from ..arrays.warning import warn_once
from ..op import Array, composite, op
from ..op.signature import tensor_list
from .diagonals import diagonal
from .linalg import linalg_inv
from .matmul import matmul
from .matrices import function, identity, mT, must_be_floats, must_be_square
from .rearrange import cat

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- powers and e^A ----


@function(out=True)
def linalg_matrix_power(input: Tensor, n: int) -> Tensor:
    """Aⁿ of matrices (*, N, N), by squaring; the identity for n = 0, and powers of A⁻¹ for n < 0."""
    must_be_square("linalg.matrix_power", input)
    if n < 0:
        return linalg_matrix_power(linalg_inv(input), -n)
    if n == 0:
        return input.clone().copy_(identity(input, input.shape[-1]))
    out, square = input if n % 2 else None, input
    while n := n // 2:
        square = square @ square
        if n % 2:
            out = square if out is None else out @ square
    return input.clone() if out is None or out is input else out


@composite(out=True)
def matrix_power(input: Tensor, n: int) -> Tensor:
    """`linalg.matrix_power`: Aⁿ"""
    return linalg_matrix_power(input, n)


TERMS = 18  # of the series: for ‖A‖ ≤ 1 what follows is below the rounding of float64


@op(promote=None, in_float32=True, takes_out=False, grad_fn="LinalgMatrixExpBackward0")
def matrix_exp(xp: Any, input: Array) -> Array:
    """e^A = Σ_k Aᵏ / k!, as (e^(A / 2ˢ))^(2ˢ), s so large that few terms of the series are enough"""
    must_be_floats("linalg.matrix_exp", input)
    must_be_square("linalg.matrix_exp", input)
    norm = float(xp.abs(input).sum(-2).max()) if input.size else 0.0
    squarings = max(0, math.ceil(math.log2(norm))) if 0 < norm < math.inf else 0
    scaled, one = input / 2**squarings, xp.eye(input.shape[-1], dtype=input.dtype)
    out = xp.broadcast_to(one, input.shape)
    for k in range(TERMS, 0, -1):  # I + A (I + A / 2 (I + A / 3 (…)))
        out = one + xp.matmul(scaled, out) / k
    for _ in range(squarings):
        out = xp.matmul(out, out)
    return out


@matrix_exp.grad
def matrix_exp_grad(g: Tensor, input: Tensor) -> Tensor:
    """∂L/∂A = what stands where g did in e^[[Aᵀ, g], [0, Aᵀ]] (R. Mathias, *A chain rule for matrix functions*, 1996)"""
    n = input.shape[-1]
    block = cat([cat([mT(input), g], -1), cat([input * 0, mT(input)], -1)], -2)
    return matrix_exp(block)[..., :n, n:]


@function
def linalg_matrix_exp(input: Tensor) -> Tensor:
    """`matrix_exp`: e^A"""
    return matrix_exp(input)


# ---- reflections ----


def reflected(v: Tensor, tau: Tensor, x: Tensor, transpose: bool = False) -> Tensor:
    """H₁ H₂ … x, H_i = I − τ_i v vᵀ: v is column i of `v` below the diagonal, 1 on it, 0 above; or … H₂ H₁ x"""
    n, count = v.shape[-2], tau.shape[-1]
    if not v.numel() or not count:
        return unreflected(x, v, tau)
    columns = v.tril(-1)[..., :count] + identity(v, n)[:, :count]
    for i in range(count) if transpose else reversed(range(count)):
        column = columns[..., i : i + 1]
        x = x - tau[..., i, None, None] * matmul(column, matmul(column.mT, x))
    return x


@op(public=False, promote=None)
def unreflected(xp: Any, x: Array, v: Array, tau: Array) -> Array:
    """x, where there are no reflections"""
    return x.copy()


@unreflected.grad("x", "v", "tau")
def unreflected_grad(g: Tensor) -> tuple:
    """∂L/∂x = g; nothing depends on v and τ, which are empty"""
    return g, None, None


@function(out=True, grad_fn="LinalgHouseholderProductBackward0")
def linalg_householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first columns of H₁ H₂ … of matrices (*, M, N), N ≤ M: H_i = I − τ_i v vᵀ, v column i below the diagonal, 1 on it, 0 above.

    So Q comes of what `geqrf` gives.
    """
    name = "linalg.householder_product"
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    m, n = input.shape[-2:]
    if m < n:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if n < tau.size(-1):
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if input.ndim - tau.ndim != 1 or input.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, and input's batch dimensions, got {list(tau.shape)} for "
            f"{list(input.shape)}"
        )
    if tau.dtype is not input.dtype:
        kinds = [SCALAR_NAMES[x.dtype.name] for x in (tau, input)]
        raise RuntimeError(f"{name}: tau dtype {kinds[0]} does not match input dtype {kinds[1]}")
    lapack.of_full_precision("orgqr_cpu", input._array)
    return reflected(input, tau, identity(input, m)[:, :n].expand(input.shape))


@composite(out=True, grad_fn="LinalgHouseholderProductBackward0")
def orgqr(input: Tensor, input2: Tensor) -> Tensor:
    """`linalg.householder_product` by its LAPACK name."""
    return linalg_householder_product(input, input2)


@op(promote=None, outputs=("a", "tau"), keeps_layout=True)
def geqrf(xp: Any, input: Array) -> tuple[Array, Array]:
    """(R above the diagonal and the reflections below it, τ): what `linalg.householder_product` makes Q of, as LAPACK leaves it"""
    if input.ndim < 2:
        raise RuntimeError("geqrf: input must have at least 2 dimensions.")
    return lapack.geqrf(xp, input)


@composite(out=True, grad_fn="OrmqrBackward0")
def ormqr(input: Tensor, input2: Tensor, input3: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """Q C, Qᵀ C with `transpose`; C Q, C Qᵀ without `left`: Q is what `geqrf` has found, `input` and τ = `input2`; C = `input3`"""
    name, tau, C = "ormqr", input2, input3
    if input.ndim < 2 or C.ndim < 2:
        raise RuntimeError(f"{name}: {'input' if input.ndim < 2 else 'other'} must have at least 2 dimensions.")
    side, count = -2 if left else -1, tau.size(-1)
    if C.shape[side] < count:
        raise RuntimeError(f"{name}: other.shape[{side}] must be greater than or equal to tau.shape[-1]")
    if C.shape[side] != input.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be equal to input.shape[-2]")
    if count != min(C.shape[side], input.shape[-1]):
        raise RuntimeError(f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    if input.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.ndim} and input.ndim is "
            f"equal to {input.ndim}"
        )
    if C.ndim != input.ndim or not input.shape[:-2] == tau.shape[:-1] == C.shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected input, tau and other to have the same batch dimensions, got {list(input.shape)}, {list(tau.shape)} and "
            f"{list(C.shape)}"
        )
    for other, what in ((tau, "tau"), (C, "other")):
        if other.dtype is not input.dtype:
            kinds = [SCALAR_NAMES[x.dtype.name] for x in (input, other)]
            raise RuntimeError(
                f"{name}: Expected input and {what} to have the same dtype, but input has dtype {kinds[0]} and {what} has dtype {kinds[1]}"
            )
    lapack.of_full_precision("ormqr_cpu", input._array)
    return reflected(input, tau, C, transpose) if left else reflected(input, tau, C.mT, not transpose).mT


# ---- chains, and products of vectors ----


@function(out=True)
def linalg_multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """A₁ A₂ …, multiplied in the order that takes the fewest steps; the first and the last may be vectors.

    The order: T. H. Cormen et al., *Introduction to Algorithms*, matrix-chain multiplication.
    """
    given = tensor_list("linalg_multi_dot", tensors) if len(tensors) else ()
    matrices = _chain(list(given))
    n = len(matrices)
    sizes = [matrices[0].shape[0], *(x.shape[1] for x in matrices)]
    cost: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(n)}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j] = min(
                (cost[i, k][0] + cost[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )

    def product(i: int, j: int) -> Tensor:
        k = cost[i, j][1]
        return matrices[i] if i == j else product(i, k) @ product(k + 1, j)

    out = product(0, n - 1)
    out = out.squeeze(-1) if given[-1].ndim == 1 else out
    return out.squeeze(0) if given[0].ndim == 1 else out


def _chain(tensors: list[Tensor]) -> list[Tensor]:
    """The factors as matrices; RuntimeError if they cannot be multiplied."""
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    for i, x in enumerate(tensors):
        at_an_end = i in (0, n - 1)
        if x.ndim not in ((1, 2) if at_an_end else (2,)):
            which = "the first tensor" if i == 0 else "the last tensor" if at_an_end else f"tensor {i}"
            raise RuntimeError(f"multi_dot(): {which} must be {'1D or ' if at_an_end else ''}2D but got {x.ndim}D")
        if x.dtype is not tensors[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {tensors[0].dtype!r} and tensor {i} {x.dtype!r}"
            )
    first, *middle, last = tensors
    matrices = [first.unsqueeze(0) if first.ndim == 1 else first, *middle, last.unsqueeze(-1) if last.ndim == 1 else last]
    for i, (a, b) in enumerate(itertools.pairwise(matrices)):
        if a.shape[1] != b.shape[0]:
            shapes = list(tensors[i].shape), list(tensors[i + 1].shape)
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {shapes[0]} and {shapes[1]} cannot be multiplied"
            )
    return matrices


@composite(out=True)
def chain_matmul(*matrices: Tensor) -> Tensor:
    """`linalg.multi_dot` of matrices, in its old form."""
    warn_once(
        "chain_matmul is deprecated and will be removed in a future release. Use linalg.multi_dot instead, which "
        "accepts a list of two or more tensors rather than multiple parameters."
    )
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for x in tensor_list("chain_matmul", matrices):
        if x.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {x.ndim}, expected 2 instead.")
    return matrices[0] if len(matrices) == 1 else linalg_multi_dot(matrices)


@function(out=True)
def linalg_vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Σ x y along `dim`"""
    must_be_floats("linalg.vecdot", x)
    if x.dtype is not y.dtype:
        kinds = [SCALAR_NAMES[t.dtype.name] for t in (x, y)]
        raise RuntimeError(
            f"linalg.vecdot: Expected x and y to have the same dtype, but found x of type {kinds[0]} and y of type {kinds[1]} instead"
        )
    return (x * y).sum(dim)


@function(out=True)
def linalg_matmul(input: Tensor, other: Tensor) -> Tensor:
    """`matmul`: A B"""
    return matmul(input, other)


@function
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """`diagonal` of the matrices in the last two dimensions, a view."""
    return diagonal(A, offset, dim1, dim2)


@function
def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers 1, x, x², … of every number, N of them: as a new last dimension, as many as the last has unless told."""
    if x.dtype.name == "bool":
        raise RuntimeError("linalg.vander supports floating point, complex, and integer tensors, but got Bool")
    x = x if x.ndim else x.unsqueeze(0)
    count = x.shape[-1] if N is None else N
    if count <= 1:
        raise RuntimeError(f"N must be greater than 1, got {count}.")
    powers = x.unsqueeze(-1).expand(*x.shape, count - 1).cumprod(-1)
    return cat([powers.new_ones((*x.shape, 1)), powers], -1)
