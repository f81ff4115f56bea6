"""What lies along a diagonal: as a view, taken out, put in, summed; and the triangles on either side of it.

A diagonal's derivative is zeros with g on the diagonal, and the other way round. Read next: `strided.py`, views in general.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.device import moving
from ..op import Array, composite, op
from ..op.declaring import named
from .dims import canonical_dim
from .shape import expand

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(promote=None, view=True)
def diagonal(xp: Any, x: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """The elements x[…, i, i + offset] of the matrices that dim1 and dim2 span, as the last dimension."""
    d1, d2 = canonical_dim(dim1, x.ndim), canonical_dim(dim2, x.ndim)
    if d1 == d2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    x = xp.moveaxis(x, (d1, d2), (-2, -1))
    x = x[..., max(-offset, 0) :, max(offset, 0) :]
    # NumPy's own diagonal() is read-only; a step of one row and one column at once is the same memory, writable.
    steps = (*x.strides[:-2], x.strides[-2] + x.strides[-1])
    return xp.lib.stride_tricks.as_strided(x, (*x.shape[:-2], min(x.shape[-2:])), steps)


@diagonal.grad
def diagonal_grad(g: Tensor, x_shape: tuple, offset: int, dim1: int, dim2: int) -> Tensor:
    """∂L/∂x = zeros with g on the diagonal"""
    return on_diagonal(g, x_shape, offset, dim1, dim2)


@op(promote=None, public=False, grad_fn="DiagEmbedBackward0")
def on_diagonal(xp: Any, x: Array, shape: tuple, offset: int, dim1: int, dim2: int) -> Array:
    """Zeros of `shape` with x on the diagonal."""
    out = xp.zeros(shape, x.dtype)
    diagonal.forward(xp, out, offset, dim1, dim2)[...] = x
    return out


@on_diagonal.grad
def on_diagonal_grad(g: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
    """∂L/∂x = the diagonal of g"""
    return diagonal(g, offset, dim1, dim2)


@composite
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices that are zero but for a diagonal, which is the last dimension of x.

    >>> minitorch.diag_embed(minitorch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    ndim = input.ndim + 1
    d1, d2 = canonical_dim(dim1, ndim), canonical_dim(dim2, ndim)
    if d1 == d2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    shape, n = list(input.shape[:-1]), input.shape[-1] + abs(offset)
    for d in sorted((d1, d2)):
        shape.insert(d, n)
    return on_diagonal(input, tuple(shape), offset, d1, d2)


@composite(out=True)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector's diagonal matrix, or a copy of a matrix's diagonal."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return diag_embed(input, diagonal) if input.ndim == 1 else _taken_out(input, diagonal)


def _copied(input: Tensor, offset: int) -> Tensor:
    return input.diagonal(offset).clone()


_taken_out = named(_copied, "DiagonalBackward0_copy")


@op(promote=None, takes_out=False)
def trace(xp: Any, x: Array) -> Array:
    """Σᵢ x[i, i]"""
    if x.dtype == bool:
        raise NotImplementedError("\"trace\" not implemented for 'Bool'; convert the input first, e.g. x.int()")
    if x.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {x.ndim}")
    return xp.trace(x, dtype=x.dtype if x.dtype.kind in "fV" else "int64")


@trace.grad
def trace_grad(g: Tensor, x_shape: tuple) -> Tensor:
    """∂L/∂x = g · I"""
    return on_diagonal(expand(g, (min(x_shape),)), x_shape, 0, 0, 1)


@op(promote=None)
def tril(xp: Any, x: Array, diagonal: int = 0) -> Array:
    """The lower triangle of x: elements above the `diagonal`-th diagonal become 0."""
    return moving(xp, lambda x: xp.tril(x, diagonal), _matrices(x, "tril"))


@op(promote=None)
def triu(xp: Any, x: Array, diagonal: int = 0) -> Array:
    """The upper triangle of x: elements below the `diagonal`-th diagonal become 0."""
    return moving(xp, lambda x: xp.triu(x, diagonal), _matrices(x, "triu"))


@tril.grad
def tril_grad(g: Tensor, diagonal: int) -> Tensor:
    """∂L/∂x = tril(g)"""
    return tril(g, diagonal)


@triu.grad
def triu_grad(g: Tensor, diagonal: int) -> Tensor:
    """∂L/∂x = triu(g)"""
    return triu(g, diagonal)


def _matrices(x: Array, name: str) -> Array:
    if x.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions, got {x.ndim}")
    return x
