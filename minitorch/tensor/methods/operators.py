"""What `+` and its kin are made of: an op of two operands that leaves it to the other one if it does not know its type.

So `x + np.ones(3)` is asked of NumPy's array, `[0] * n` of the list; and where nobody knows, Python says that the operator is unsupported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..tensor import Tensor


def operator(op: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Tensor]:
    """`self ∘ other`"""

    def method(self: Any, other: Any) -> Any:
        try:
            return op(self, other)
        except TypeError:
            return NotImplemented

    return method


def reflected(op: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Tensor]:
    """`other ∘ self`, which Python asks for when `other` does not know."""

    def method(self: Any, other: Any) -> Any:
        try:
            return op(other, self)
        except TypeError:
            return NotImplemented

    return method
