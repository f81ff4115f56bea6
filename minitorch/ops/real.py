"""What is asked of complex numbers, of real ones: their conjugates and real parts are themselves, their angle is 0 or π.

No tensor here is complex; programs that take both ask all the same. Read next: `about.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

from ..arrays.memory import order_of_a_copy
from ..op import Array, composite, elementwise, row
from ..op.signature import checked
from .elementwise import constant

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite
def conj(input: Tensor) -> Tensor:
    """x itself: the conjugate of a real number."""
    return input


@composite
def resolve_conj(input: Tensor) -> Tensor:
    """x itself: nothing is left to be conjugated."""
    return input


@composite
def resolve_neg(input: Tensor) -> Tensor:
    """x itself: nothing is left to be negated."""
    return input


@composite
def real(input: Tensor) -> Tensor:
    """x itself: the real part of a real number."""
    return input


@composite(out=True)
def conj_physical(input: Tensor) -> Tensor:
    """x itself: the conjugate of a real number."""
    return input


@checked
def imag(input: Tensor) -> NoReturn:
    """RuntimeError: torch refuses the imaginary part of a real number."""
    raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")


@elementwise(promote="float")
def angle(xp: Any, x: Array) -> Array:
    """0 where x ≥ 0, π where x < 0"""
    return xp.where(xp.isnan(x), x, xp.where(x < 0, math.pi, 0)).astype(x.dtype)


angle.grad(constant)


isreal = row("isreal", "true everywhere: there are no complex numbers", lambda xp, x: xp.ones_like(x, dtype=bool, order=order_of_a_copy(x)),
             promote=None, discrete=True, takes_out=False)  # fmt: skip


@checked
def is_conj(input: Tensor) -> bool:
    """Whether it is to be conjugated when it is read: False."""
    return False


@checked
def is_neg(input: Tensor) -> bool:
    """Whether it is to be negated when it is read: False."""
    return False
