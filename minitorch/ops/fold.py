"""A kernel that slides over an image: `unfold` writes what it sees at each place as a column, `fold` adds the columns up again.

The two are each other's derivative, and a convolution is a matrix product with such columns. How the kernel slides is a `Sliding`,
for any number of spatial dimensions. Read next: `convolution.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..op import Array, op
from ..op.signature import Sizes
from .dims import as_ints

if TYPE_CHECKING:
    from ..tensor import Tensor


class Sliding(NamedTuple):
    """How a kernel slides over an image: a number for each spatial dimension.

    Its element k stands at pixel p · stride + k · dilation − padding of the image when the kernel is at its place p.
    """

    size: tuple[int, ...]  # of the image
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    places: tuple[int, ...]  # at how many the kernel stands

    @classmethod
    def over(cls, size: tuple, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> Sliding:
        """At all places where the whole kernel sees the image with its padding; their number is not positive if it never does."""
        rooms = (n + 2 * p - d * (k - 1) - 1 for n, k, p, d in zip(size, kernel, padding, dilation))
        return cls(size, kernel, stride, padding, dilation, tuple(room // s + 1 for room, s in zip(rooms, stride)))

    def padded_size(self) -> tuple[int, ...]:
        return tuple(n + 2 * p for n, p in zip(self.size, self.padding))

    def inside(self) -> tuple[slice, ...]:
        """Where the image lies in the padded one."""
        return tuple(slice(p, p + n) for n, p in zip(self.size, self.padding))

    def views(self) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        """Each element of the kernel, and what of the padded image it sees from all places."""
        for element in np.ndindex(self.kernel):
            starts = [k * d for k, d in zip(element, self.dilation)]
            yield element, tuple(slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip(starts, self.stride, self.places))


# ---- on arrays ----


def columns(xp: Any, x: Array, how: Sliding) -> Array:
    """x (A, B, *size) → (A, *kernel, B, *places): [a, k, b, p] = x[a, b, p · stride + k · dilation − padding], 0 outside."""
    A, B = x.shape[:2]
    if any(how.padding):
        padded = xp.zeros((A, B, *how.padded_size()), x.dtype)
        padded[(..., *how.inside())] = x
    else:
        padded = x
    out = xp.empty((A, *how.kernel, B, *how.places), x.dtype)
    for element, seen in how.views():
        out[(slice(None), *element)] = padded[(..., *seen)]
    return out


def added_up(xp: Any, cols: Array, how: Sliding) -> Array:
    """(A, *kernel, B, *places) → (A, B, *size): each column's elements added where `columns` takes them from."""
    A, B = cols.shape[0], cols.shape[1 + len(how.kernel)]
    padded = xp.zeros((A, B, *how.padded_size()), cols.dtype)
    for element, seen in how.views():
        padded[(..., *seen)] += cols[(slice(None), *element)]
    return padded[(..., *how.inside())]


# ---- unfold and fold ----


@op(promote=None, public=False, name="im2col", grad_fn="Im2ColBackward0", in_float32=True)
def im2col(xp: Any, x: Array, how: Sliding) -> Array:
    """x (*, C, H, W) → (*, C · kH · kW, L): a column for each of the L places, what the kernel sees there"""
    *lead, C = x.shape[:-2]
    cols = columns(xp, x.reshape(math.prod(lead) * C, 1, *how.size), how)
    return cols.reshape(*lead, C * math.prod(how.kernel), math.prod(how.places))


@im2col.grad
def im2col_grad(g: Tensor, how: Sliding) -> Tensor:
    """∂L/∂x = Σ g over the places and elements of the kernel where a pixel was seen"""
    return col2im(g, how)


@op(promote=None, public=False, name="col2im", grad_fn="Col2ImBackward0", in_float32=True)
def col2im(xp: Any, x: Array, how: Sliding) -> Array:
    """Columns (*, C · kH · kW, L) → (*, C, H, W): each element added to the pixel that `im2col` takes it from"""
    lead, C = x.shape[:-2], x.shape[-2] // math.prod(how.kernel)
    return added_up(xp, x.reshape(math.prod(lead) * C, *how.kernel, 1, *how.places), how).reshape(*lead, C, *how.size)


@col2im.grad
def col2im_grad(g: Tensor, how: Sliding) -> Tensor:
    """∂L/∂x = g at the pixel to which the element was added"""
    return im2col(g, how)


def unfolded(x: Tensor, kernel_size: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Tensor:
    """`im2col` of images (N, C, H, W), or of one (C, H, W), with what it refuses."""
    kernel, dilation, padding, stride = _in_two_dimensions(kernel_size, dilation, padding, stride)
    if not (x.ndim in (3, 4) and 0 not in x.shape[-3:]):
        if x.ndim < 3:
            raise IndexError(f"unfold expects an image (C, H, W) or a batch (N, C, H, W), got shape {tuple(x.shape)}")
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: "
            f"{list(x.shape)}"
        )
    _refuse_integers("unfold", x)
    how = Sliding.over(tuple(x.shape[-2:]), kernel, stride, padding, dilation)
    if min(how.places) < 1:
        raise RuntimeError(
            f"Given input with spatial size {how.size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, calculated "
            f"shape of the array of sliding blocks as {how.places}, but its components must be at least one: the kernel is larger "
            "than the image"
        )
    return im2col(x, how)


def folded(x: Tensor, output_size: Sizes, kernel_size: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Tensor:
    """`col2im` of columns (N, C · kH · kW, L), or (C · kH · kW, L), with what it refuses."""
    size = _two("output_size", output_size)
    kernel, dilation, padding, stride = _in_two_dimensions(kernel_size, dilation, padding, stride)
    if not (x.ndim in (2, 3) and 0 not in x.shape[-2:]):
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got: "
            f"{list(x.shape)}"
        )
    if x.shape[-2] % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={x.shape[-2]} and kernel_size={kernel}."
        )
    how = Sliding.over(size, kernel, stride, padding, dilation)
    if math.prod(how.places) != x.shape[-1] or min(how.places) < 1:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, stride={stride}, expected "
            f"size of input's dimension 2 to match the calculated number of sliding blocks {how.places[0]} * {how.places[1]} = "
            f"{math.prod(how.places)}, but got input.size(2)={x.shape[-1]}."
        )
    _refuse_integers("fold", x)
    return col2im(x, how)


def pair(value: Any) -> tuple[int, ...]:
    """(height, width): an int stands for both."""
    return as_ints(value) * 2 if isinstance(value, int) else as_ints(value)


def _refuse_integers(name: str, x: Tensor) -> None:
    if x._array.dtype.kind in "iu":
        raise NotImplementedError(f'"{name}" not implemented for {x.dtype!r}; convert the input first, e.g. x.float()')


def _two(name: str, value: Sizes) -> tuple[int, ...]:
    if len(value) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(value)}: give an int, or (height, width)")
    return tuple(value)


def _in_two_dimensions(kernel_size: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> list[tuple[int, ...]]:
    """The four as pairs (height, width); RuntimeError for what no kernel can do."""
    given = {"kernel_size": (kernel_size, 1), "dilation": (dilation, 1), "padding": (padding, 0), "stride": (stride, 1)}
    for name, (value, least) in given.items():
        if min(_two(name, value)) < least:
            raise RuntimeError(
                f"{name} should be {'non-negative' if least == 0 else 'greater than zero'}, but got {tuple(value)}"
            )
    return [tuple(value) for value, _ in given.values()]
