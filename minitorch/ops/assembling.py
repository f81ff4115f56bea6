"""What is assembled from other tensors: block matrices, products of sets, powers; and pieces of one tensor.

Most are made of the ops of `rearrange.py` and `shape.py`. Read next: `scattering.py`, which puts a piece back.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ..op import Array, composite, op
from ..op.signature import Dims, tensor_list
from .diagonals import diag
from .index import narrow
from .masked import masked_select
from .rearrange import cat, flip, meshgrid, stack, tensor_split
from .scan import cumprod
from .shape import expand, flatten, ones, reshape, table, unsqueeze

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(name="block_diag", public=False)
def blocks(xp: Any, *xs: Array) -> Array:
    """The matrices one after the other along the diagonal, 0 elsewhere."""
    corners = list(itertools.accumulate((_as_matrix(x.shape) for x in xs), _after, initial=(0, 0)))
    out = xp.zeros(corners[-1], xs[0].dtype)
    for (i, j), (i_end, j_end), x in zip(corners, corners[1:], xs):
        out[i:i_end, j:j_end] = x.reshape(_as_matrix(x.shape))
    return out


@blocks.grad
def blocks_grad(g: Tensor, xs_shape: list[tuple]) -> list[Tensor]:
    """∂L/∂xₖ = the block of g where xₖ stands"""
    corners = list(itertools.accumulate(map(_as_matrix, xs_shape), _after, initial=(0, 0)))
    found = zip(corners, corners[1:], xs_shape)
    return [reshape(g[i:i_end, j:j_end], shape) for (i, j), (i_end, j_end), shape in found]


def _as_matrix(shape: tuple) -> tuple[int, int]:
    """The shape of a block: a vector is a row, a number a matrix of one element."""
    return (1,) * (2 - len(shape)) + tuple(shape)  # type: ignore[return-value]


def _after(corner: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    return corner[0] + shape[0], corner[1] + shape[1]


@composite
def block_diag(*tensors: Tensor) -> Tensor:
    """The matrices along the diagonal of a larger one, 0 elsewhere; vectors count as rows.

    >>> minitorch.block_diag(minitorch.ones(1, 2), minitorch.tensor([3.0]))
    tensor([[1., 1., 0.],
            [0., 0., 3.]])
    """
    if not tensors:
        from ..tensor.creation import empty

        return empty((1, 0))
    given = tensor_list("block_diag", tensors)
    for k, x in enumerate(given):
        if x.ndim > 2:
            raise RuntimeError(
                f"block_diag: Input tensors must have 2 or fewer dimensions. Input {k} has {x.ndim} dimensions"
            )
    return blocks(given)


@composite
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every choice of one element of each vector, a row each, the last changing fastest. Of one vector: itself."""
    vectors = tensor_list("cartesian_prod", tensors)
    for v in vectors:
        _must_be_vector(v)
    if len(vectors) == 1:
        return vectors[0]
    return stack([flatten(grid) for grid in meshgrid(*vectors, indexing="ij")], 1)


@composite
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of r elements of a vector in its order, a row each; with_replacement: one may be chosen again.

    >>> minitorch.combinations(minitorch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    _must_be_vector(input)
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if input.numel() ** r >= 2**63:
        raise RuntimeError(
            f"numel: integer multiplication overflow: {input.numel()} elements to the power of {r} are too many"
        )
    if r == 0:
        return input.new_empty((0,))
    numbers = table(input, tuple(range(input.numel())), "int64")
    places = meshgrid(*[numbers] * r, indexing="ij")
    chosen = places[0] >= 0
    for earlier, later in itertools.pairwise(places):
        chosen = chosen & (earlier <= later if with_replacement else earlier < later)
    return stack([masked_select(grid, chosen) for grid in meshgrid(*[input] * r, indexing="ij")], 1)


def _must_be_vector(x: Tensor) -> None:
    if x.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.shape)}")


@composite
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers x⁰ … xᴺ⁻¹ of each element of a vector, a row each, the highest first unless `increasing`."""
    if x.ndim != 1:
        raise RuntimeError(f"x must be a one-dimensional tensor, got {x.ndim} dimensions")
    n = x.numel() if N is None else N
    if n < 0:
        raise RuntimeError(f"N must be non-negative, got {n}")
    varying = x if n > 1 else x.detach()  # (x⁰ is 1 whatever x is)
    powers = cumprod(expand(unsqueeze(varying, 1), (x.numel(), max(n - 1, 0))), 1)
    if n:
        powers = cat([ones(powers, (x.numel(), 1)), powers], 1)
    return powers if increasing else flip(powers, (1,))


@composite
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A square matrix with all elements of x on a diagonal, 0 elsewhere."""
    return diag(reshape(input, (-1,)), offset)


# ---- pieces of one tensor ----


@composite
def hsplit(
    input: Tensor, indices_or_sections: Dims | None = None, *, indices: Dims | None = None, sections: int | None = None
) -> tuple[Tensor, ...]:
    """Views of the parts of x along dimension 1, of a vector along 0: so many of one size, or cut at the indices."""
    return _parts("hsplit", input, (indices_or_sections, indices, sections), 1 if input.ndim > 1 else 0, 1)


@composite
def vsplit(
    input: Tensor, indices_or_sections: Dims | None = None, *, indices: Dims | None = None, sections: int | None = None
) -> tuple[Tensor, ...]:
    """Views of the parts of x along dimension 0: so many of one size, or cut at the indices."""
    return _parts("vsplit", input, (indices_or_sections, indices, sections), 0, 2)


@composite
def dsplit(
    input: Tensor, indices_or_sections: Dims | None = None, *, indices: Dims | None = None, sections: int | None = None
) -> tuple[Tensor, ...]:
    """Views of the parts of x along dimension 2: so many of one size, or cut at the indices."""
    return _parts("dsplit", input, (indices_or_sections, indices, sections), 2, 3)


def _parts(name: str, x: Tensor, given: tuple, dim: int, least: int) -> tuple[Tensor, ...]:
    """What the three do: `tensor_split` along `dim`, of what has at least so many dimensions, into parts of one size."""
    wanted: list[Any] = [w for w in given if w is not None]
    if len(wanted) != 1:
        raise TypeError(f"{name}() expects either how many sections, or the indices to cut at; got {len(wanted)} of them")
    if x.ndim < least:
        raise RuntimeError(
            f"{name} requires a tensor with at least {least} dimension{'s' if least > 1 else ''}, but got a tensor with "
            f"{x.ndim} dimensions!"
        )
    n = x.shape[dim]
    if isinstance(wanted[0], int) and (wanted[0] == 0 or n % wanted[0]):
        raise RuntimeError(
            f"{name} attempted to split along dimension {dim}, but the size of the dimension {n} is not divisible by the "
            f"split_size {wanted[0]}!"
        )
    return tensor_split(x, wanted[0], dim)


@composite(out=True, grad_fn="NarrowCopyBackward0")
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of `length` slices of x along `dim`, from `start` on."""
    if dim >= input.ndim > 0:  # (torch's check is an internal one)
        raise RuntimeError(f"narrow_copy(): there is no dimension {dim} in shape {list(input.shape)}")
    return narrow(input, dim, start, length).contiguous().clone()


def sum_to_size(input: Any, size: tuple[int, ...]) -> Tensor:
    """x summed over the dimensions in which that size has been broadcast to x's; x itself if there are none."""
    if not size:
        return input.sum()
    more = input.ndim - len(size)
    if more < 0 or any(n not in (1, m) for n, m in zip(size, input.shape[more:])):
        raise RuntimeError(f"size {{{list(size)}}} is not expandable to size {{{list(input.shape)}}}.")
    dims = [d for d, m in enumerate(input.shape) if d < more or (size[d - more] == 1 and m != 1)]
    summed = input.sum(dims, keepdim=True) if dims else input
    return reshape(summed, size) if more else summed
