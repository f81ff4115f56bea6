"""Ops that arrange elements anew without computing with them: views, copies, joining, splitting.

Every derivative here is the way back: of a permutation its inverse, of `expand` a sum (which the engine does), of `cat`
a split, of a slice writing into zeros. Ops marked `view=True` share memory with their input, as in torch.
Read next: `rearrange.py` for the ops made of these, `index.py` for `x[...]`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..arrays.device import as_table, expanded
from ..arrays.layout import contiguous_format, memory_format, preserve_format
from ..arrays.warning import warn, warn_once
from ..op import Array, Index, composite, op, register
from ..op.signature import Dims, Sizes
from .dims import as_ints, canonical_dim, canonical_dims

if TYPE_CHECKING:
    from ..tensor import Tensor


# ---- another shape for the same elements ----


@op(promote=None, view=True, named="shape=size")
def view(xp: Any, x: Array, shape: Sizes) -> Array:
    """x with another shape and the same memory; RuntimeError if the strides of x do not allow that."""
    out = x.reshape(inferred_shape(x.size, shape))
    if not x.flags.c_contiguous and x.size and not xp.may_share_memory(x, out):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return out


@view.grad
def view_grad(g: Tensor, x_shape: tuple) -> Tensor:
    """∂L/∂x = g in x's shape"""
    return reshape(g, x_shape)


@op(promote=None, public=False, grad_fn="UnsafeViewBackward0")
def copied_view(xp: Any, x: Array, shape: Any) -> Array:
    """x with another shape, in new memory."""
    return x.copy().reshape(shape)


@copied_view.grad
def copied_view_grad(g: Tensor, x_shape: tuple) -> Tensor:
    """∂L/∂x = g in x's shape"""
    return reshape(g, x_shape)


@composite
def reshape(input: Tensor, shape: Sizes) -> Tensor:
    """x with another shape: a view where the strides allow it, else a copy. One size may be −1.

    >>> minitorch.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    try:
        return view(input, shape)
    except RuntimeError:  # the strides do not allow it; or no tensor has such a shape, which the next line says again
        pass
    return copied_view(input, inferred_shape(math.prod(input.shape), shape))


def inferred_shape(size: int, shape: Any) -> tuple[int, ...]:
    """`shape` with its −1, if any, replaced so that it holds `size` elements; RuntimeError if it cannot."""
    shape = as_ints(shape)
    if math.prod(shape) == size and min(shape, default=0) >= 0:
        return shape
    known = math.prod(n for n in shape if n != -1)
    unknown = sum(n == -1 for n in shape)
    if unknown > 1:
        raise RuntimeError("only one dimension can be inferred")
    if any(n < -1 for n in shape):
        raise RuntimeError(f"invalid shape dimension {min(shape)}")
    if unknown and known == 0 and size == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 can "
            "be any value and is ambiguous"
        )
    if size % known if unknown and known else known != size:
        holds = f"a multiple of {known}" if unknown else known
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}: it holds {holds} elements")
    return tuple(size // known if n == -1 else n for n in shape) if unknown else shape


@composite
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from start_dim to end_dim made one."""
    shape = tuple(input.shape)
    first, last = canonical_dim(start_dim, len(shape)), canonical_dim(end_dim, len(shape))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last and shape:
        return input
    return reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@composite
def unflatten(input: Tensor, dim: int, sizes: Sizes) -> Tensor:
    """Dimension `dim` split into several; one of `sizes` may be −1."""
    shape, dim, sizes = tuple(input.shape), canonical_dim(dim, input.ndim), as_ints(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if not shape:
        raise RuntimeError("unflatten: a 0-d tensor has no dimension to split; reshape it instead")
    known = math.prod(n for n in sizes if n != -1)
    if known != shape[dim] if -1 not in sizes else not known or shape[dim] % known:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[dim]}) in the "
            "input tensor"
        )
    return view(input, (*shape[:dim], *inferred_shape(shape[dim], sizes), *shape[dim + 1 :]))


@composite
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension: a view where they lie in memory in that order."""
    return view(contiguous(input), (-1,))


@op(promote=None, view=True, grad_fn=lambda dim: f"SqueezeBackward{_squeeze_form(dim)}")
def squeeze(xp: Any, x: Array, dim: Dims | None = None) -> Array:
    """x without the dimensions of size 1: all of them, or those given."""
    return x.squeeze(_squeezed(x.shape, dim))


@squeeze.grad
def squeeze_grad(g: Tensor, x_shape: tuple, dim: Any) -> Tensor:
    """∂L/∂x = g with the dimensions of size 1 put back"""
    return view(g, x_shape)  # dim is kept for the node's name


def _squeezed(shape: tuple, dim: Any) -> tuple[int, ...]:
    """Which of the dimensions `squeeze` removes."""
    asked = () if dim in ((), []) else canonical_dims(dim, len(shape))
    return tuple(d for d in asked if shape[d] == 1)


def _squeeze_form(dim: Any) -> int:
    return 0 if dim is None else 2 if isinstance(dim, (tuple, list)) else 1


@op(promote=None, view=True)
def unsqueeze(xp: Any, x: Array, dim: int) -> Array:
    """x with a new dimension of size 1 at `dim`."""
    d = canonical_dim(dim, x.ndim + 1)
    if x.flags.c_contiguous:
        return xp.expand_dims(x, d)
    step = x.shape[d] * x.strides[d] if d < x.ndim else x.itemsize  # as torch has it, where NumPy has 0
    return xp.lib.stride_tricks.as_strided(x, (*x.shape[:d], 1, *x.shape[d:]), (*x.strides[:d], step, *x.strides[d:]))


@unsqueeze.grad
def unsqueeze_grad(g: Tensor, dim: int) -> Tensor:
    """∂L/∂x = g without the dimension"""
    return squeeze(g, dim)


@op(promote=None, view=True)
def expand(xp: Any, x: Array, size: Sizes) -> Array:
    """x repeated along dimensions of size 1 and new ones in front, without a copy (stride 0). −1 keeps a size."""
    size = as_ints(size)
    if min(size, default=0) < 0:
        size = _without_minus_one(x.shape, size)
    try:
        return expanded(xp, x, size)
    except ValueError:
        raise _cannot_expand(x.shape, size) from None


@expand.grad
def expand_grad(g: Tensor) -> Tensor:
    """∂L/∂x = Σ over the repetitions of g (the engine sums)"""
    return g


def _cannot_expand(old: tuple[int, ...], new: tuple[int, ...]) -> RuntimeError:
    """What to say, naming the last dimension that does not fit."""
    sizes = f"  Target sizes: {list(new)}.  Tensor sizes: {list(old)}"
    if len(new) < len(old):
        return RuntimeError(
            f"expand: the number of sizes provided ({len(new)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({len(old)}).{sizes}"
        )
    dim = max((d for d in range(-len(old), 0) if old[d] not in (1, new[d])), default=None)
    if dim is None:
        return RuntimeError(f"Storage size calculation overflowed with sizes={list(new)}")
    return RuntimeError(
        f"The expanded size of the tensor ({new[dim]}) must match the existing size ({old[dim]}) at non-singleton dimension "
        f"{len(new) + dim}.{sizes}"
    )


def _without_minus_one(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes with each −1 replaced by the size there is."""
    extra = len(new) - len(old)
    if extra < 0 or any(n < 0 for n in new[:extra]) or any(n < -1 for n in new):
        raise RuntimeError(
            f"expand: sizes {list(new)} don't fit a tensor of sizes {list(old)}: −1 keeps an existing dimension, new ones "
            "in front need a size"
        )
    return (*new[:extra], *(o if n == -1 else n for o, n in zip(old, new[extra:])))


@composite
def broadcast_to(input: Tensor, size: Sizes) -> Tensor:
    """`expand` under NumPy's name."""
    return expand(input, size)


@composite
def contiguous(input: Tensor, *, memory_format: memory_format = contiguous_format) -> Tensor:
    """x itself if it lies in memory in row-major order, or in the format that is told, else a copy that does."""
    if input.is_contiguous(memory_format=memory_format):
        return input
    if memory_format is preserve_format:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator; say in which it should be")
    return row_major(input) if memory_format is contiguous_format else input.clone(memory_format=memory_format)


@op(promote=None, public=False, grad_fn="CloneBackward0")
def row_major(xp: Any, x: Array) -> Array:
    """A copy of x in row-major order."""
    return xp.array(x, order="C")


@row_major.grad
def row_major_grad(g: Tensor) -> Tensor:
    """∂L/∂x = g"""
    return g


@op(promote=None, public=False)
def zeros(xp: Any, like: Index, shape: Sizes) -> Array:
    """Zeros of that shape, in the dtype of `like` and beside it: where derivatives start from. Nothing flows back."""
    return xp.zeros(tuple(shape), like.dtype)


@op(promote=None, public=False)
def ones(xp: Any, like: Index, shape: Sizes) -> Array:
    """Ones of that shape, in the dtype of `like` and beside it."""
    return xp.ones(tuple(shape), like.dtype)


@op(promote=None, public=False)
def table(xp: Any, like: Index, numbers: tuple, dtype: str) -> Array:
    """These numbers beside `like`: they depend on sizes and options alone, so that a GPU keeps them. Not to be written into."""
    return as_table(xp, numbers, dtype)


@op(promote=None, public=False)
def hang(xp: Any, g: Array, x: Array) -> Array:
    """g, which depends on x, if only with slope 0."""
    return g


@hang.grad("g")
def hang_grad_g(g: Tensor) -> Tensor:
    """∂L/∂g = g"""
    return g


@hang.grad("x")
def hang_grad_x(g: Tensor, x_shape: tuple) -> Tensor:
    """∂L/∂x = 0"""
    return zeros(g, x_shape)


# ---- another order of the dimensions ----


@op(promote=None, view=True)
def permute(xp: Any, x: Array, dims: Sizes) -> Array:
    """x with its dimensions in the order `dims`."""
    dims = as_ints(dims)
    if len(dims) != x.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {x.ndim} is not equal to len(dims) = {len(dims)}"
        )
    order = [canonical_dim(d, x.ndim) for d in dims]
    if len(set(order)) < len(order):
        raise RuntimeError(f"permute(): duplicate dims are not allowed, got {list(dims)}")
    return x.transpose(order)


@permute.grad
def permute_grad(g: Tensor, dims: Any) -> Tensor:
    """∂L/∂x = g in the inverse order"""
    places = {canonical_dim(d, g.ndim): place for place, d in enumerate(as_ints(dims))}
    return permute(g, [places[d] for d in range(g.ndim)])


@op(promote=None, view=True)
def transpose(xp: Any, x: Array, dim0: int, dim1: int) -> Array:
    """x with two dimensions exchanged."""
    d0, d1 = canonical_dim(dim0, x.ndim), canonical_dim(dim1, x.ndim)
    return x.swapaxes(d0, d1) if x.ndim else x.view()


@transpose.grad
def transpose_grad(g: Tensor, dim0: int, dim1: int) -> Tensor:
    """∂L/∂x = gᵀ"""
    return transpose(g, dim0, dim1)


@composite(check_first=False)
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """x with two dimensions exchanged: `transpose` by NumPy's name."""
    return transpose(input, axis0, axis1)


register("swapdims", transpose)


@op(promote=None, view=True)
def t(xp: Any, x: Array) -> Array:
    """xᵀ of a matrix; vectors and 0-d tensors stay as they are."""
    if x.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim}D; use .mT or .permute")
    return x.transpose()


@t.grad
def t_grad(g: Tensor) -> Tensor:
    """∂L/∂x = gᵀ"""
    return t(g)


def T(input: Any) -> Tensor:
    """x with all its dimensions in reverse order: the transpose of a matrix."""
    if input.ndim == 0:
        _is_the_identity("Tensor.T", "This function is the identity in these cases.")
    elif input.ndim != 2:
        warn_once(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an "
            "error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor."
        )
    return permute(input, tuple(range(input.ndim))[::-1])


def mT(input: Any) -> Tensor:
    """The last two dimensions exchanged: each matrix of a batch transposed."""
    return _of_matrices(input, "mT", "This function is the identity in these cases.")


def H(input: Any) -> Tensor:
    """The transpose of a matrix; complex numbers would be conjugated, and there are none here."""
    if input.ndim not in (0, 2):
        more = "" if input.ndim == 1 else " For batches of matrices, consider using tensor.mH"
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor.{more}")
    return _of_matrices(input, "H", "Consider using x.conj().")


def mH(input: Any) -> Tensor:
    """mT; complex numbers would be conjugated, and there are none here."""
    return _of_matrices(input, "mH", "Consider using x.conj().")


@composite
def adjoint(input: Tensor) -> Tensor:
    """mT; complex numbers would be conjugated, and there are none here."""
    return _of_matrices(input, "adjoint()", "Consider using x.conj().")


def _of_matrices(x: Any, name: str, instead: str) -> Tensor:
    if x.ndim == 0:
        _is_the_identity(name if name == "adjoint()" else f"Tensor.{name}", instead)
        return x
    if x.ndim == 1:
        raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got {x.ndim}-D tensor.")
    return transpose(x, -2, -1)


def _is_the_identity(name: str, instead: str) -> None:
    warn(f"{name} is deprecated on 0-D tensors. {instead}")


@composite
def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Dimensions moved from their places `source` to the places `destination`; the others keep their order."""
    if isinstance(source, (tuple, list)) is not isinstance(destination, (tuple, list)):
        raise TypeError(
            f"movedim(): source and destination must be both ints or both tuples, got {source!r} and {destination!r}"
        )
    source, destination = as_ints(source), as_ints(destination)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number of "
            f"dims as destination ({list(destination)} dims)"
        )
    source = tuple(canonical_dim(d, input.ndim) for d in source)
    destination = tuple(canonical_dim(d, input.ndim) for d in destination)
    for dims, what in ((source, "source"), (destination, "destination")):
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({list(dims)})")
    order = [d for d in range(input.ndim) if d not in source]
    for place, d in sorted(zip(destination, source)):
        order.insert(place, d)
    return permute(input, order) if input.ndim else view(input, ())


register("moveaxis", movedim)
