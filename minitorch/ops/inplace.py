"""Ops that exist to be written into a tensor: `copy_`, `fill_`, `zero_`.

The old contents play no part in the result, so their gradient is zero. Read next: `Tensor._update` in `tensor/tensor.py`, which
turns any op into its in-place form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.memory import order_of_a_copy
from ..arrays.numbers import fitting
from ..op import Array, Operand, op
from .shape import zeros

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(promote=None, keeps_layout=True, grad_fn="torch::autograd::CopyBackwards", public=False, ends_history=True)
def copy(xp: Any, x: Array, src: Array) -> Array:
    """x ← src, broadcast to x's shape and converted to its dtype."""
    src = xp.asarray(src)
    return xp.broadcast_to(src, np.broadcast_shapes(x.shape, src.shape)).astype(x.dtype)


@op(promote=None, keeps_layout=True, numbers_by={"value": fitting}, ends_history=True)
def fill(xp: Any, x: Array, value: Operand) -> Array:
    """x_i ← value, a number or a 0-d tensor."""
    if getattr(value, "ndim", 0):
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
    return xp.full_like(x, value, order=order_of_a_copy(x))


@op(promote=None, public=False)
def set_(xp: Any, x: Array, source: Array) -> Array:
    """source, whose memory x shows from now on. There is no derivative, and backward says so."""
    return source


@op(promote=None, public=False)
def zero(xp: Any, x: Array) -> Array:
    """x_i ← 0."""
    return xp.zeros_like(x)


@op(promote=None, public=False)
def compared(xp: Any, x: Array, other: Array, result: Array) -> Array:
    """x ← result, which no change of x or other moves: that of a comparison."""
    return result.astype(x.dtype)


def nothing(g: Tensor) -> Tensor:
    """∂L/∂x = 0: what was there before is gone."""
    return zeros(g, g.shape)


def everything(g: Tensor) -> Tensor:
    """∂L/∂src = g, summed by the engine over what was broadcast."""
    return g


for written in (copy, fill, zero, compared):
    written.grad("x")(nothing)
compared.grad("other")(nothing)
copy.grad("src")(everything)
fill.grad("value")(everything)
