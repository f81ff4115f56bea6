"""The methods of Tensor: comparisons, logic and operations on bits. Each is one line that names its op.

Go to definition on the right-hand side to read the op.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ops import about, compare
from .operators import operator, reflected

if TYPE_CHECKING:
    from ..tensor import Tensor


class Comparison:
    """Comparisons, logic and operations on bits."""

    dtype: Any
    is_floating_point: Any

    # ---- operators ----

    def __invert__(self) -> Tensor:
        if self.is_floating_point():
            raise TypeError(
                f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, got {self.dtype!r}; -x negates"
            )
        return compare.bitwise_not(self)

    def __eq__(self, other: Any) -> Any:
        if (
            isinstance(other, np.ndarray) and other.dtype.kind in "biuf"
        ):  # (of the operators torch lets only this one take arrays)
            from ..creation import from_numpy

            other = from_numpy(other)
        return compare.eq(self, other) if _is_operand(other) else NotImplemented

    def __ne__(self, other: Any) -> Any:
        return compare.ne(self, other) if _is_operand(other) else NotImplemented

    __lt__ = operator(compare.lt)
    __le__ = operator(compare.le)
    __gt__ = operator(compare.gt)
    __ge__ = operator(compare.ge)
    __and__ = operator(compare.bitwise_and)
    __rand__ = operator(compare.bitwise_and)
    __or__ = operator(compare.bitwise_or)
    __ror__ = operator(compare.bitwise_or)
    __xor__ = operator(compare.bitwise_xor)
    __rxor__ = operator(compare.bitwise_xor)
    __lshift__ = operator(compare.bitwise_left_shift)
    __rlshift__ = reflected(compare.bitwise_left_shift)
    __rshift__ = operator(compare.bitwise_right_shift)
    __rrshift__ = reflected(compare.bitwise_right_shift)
    # ---- by name ----

    def eq(self, other: Any) -> Tensor:
        return compare.eq(self, other)

    def ne(self, other: Any) -> Tensor:
        return compare.ne(self, other)

    def lt(self, other: Any) -> Tensor:
        return compare.lt(self, other)

    def le(self, other: Any) -> Tensor:
        return compare.le(self, other)

    def gt(self, other: Any) -> Tensor:
        return compare.gt(self, other)

    def ge(self, other: Any) -> Tensor:
        return compare.ge(self, other)

    def logical_and(self, other: Any) -> Tensor:
        return compare.logical_and(self, other)

    def logical_or(self, other: Any) -> Tensor:
        return compare.logical_or(self, other)

    def logical_xor(self, other: Any) -> Tensor:
        return compare.logical_xor(self, other)

    def bitwise_and(self, other: Any) -> Tensor:
        return compare.bitwise_and(self, other)

    def bitwise_or(self, other: Any) -> Tensor:
        return compare.bitwise_or(self, other)

    def bitwise_xor(self, other: Any) -> Tensor:
        return compare.bitwise_xor(self, other)

    def bitwise_left_shift(self, other: Any) -> Tensor:
        return compare.bitwise_left_shift(self, other)

    def bitwise_right_shift(self, other: Any) -> Tensor:
        return compare.bitwise_right_shift(self, other)

    def isnan(self) -> Tensor:
        return compare.isnan(self)

    def isinf(self) -> Tensor:
        return compare.isinf(self)

    def isposinf(self) -> Tensor:
        return about.isposinf(self)

    def isneginf(self) -> Tensor:
        return about.isneginf(self)

    def isfinite(self) -> Tensor:
        return compare.isfinite(self)

    def logical_not(self) -> Tensor:
        return compare.logical_not(self)

    def bitwise_not(self) -> Tensor:
        return compare.bitwise_not(self)

    def signbit(self) -> Tensor:
        return compare.signbit(self)

    def isclose(self, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
        return compare.isclose(self, other, rtol, atol, equal_nan)

    def allclose(self, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
        return compare.allclose(self, other, rtol, atol, equal_nan)

    def equal(self, other: Tensor) -> bool:
        return compare.equal(self, other)

    # torch's second names
    greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne


def _is_operand(x: Any) -> bool:
    """Whether == compares elements; with anything else (None, a string) Python's own answer stands."""
    return hasattr(x, "_array") or isinstance(x, (int, float, np.generic))
