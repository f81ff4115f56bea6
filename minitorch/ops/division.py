"""Division with a remainder: `floor_divide`, `remainder`, `fmod`, and `div` with its ways of rounding.

⌊a / b⌋ rounds down, so its remainder has the sign of b; trunc(a / b) rounds towards zero, so its remainder has the sign of a.
Read next: `elementwise.py`, the table that these rows belong to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.device import as_number, must_hold, on_host
from ..op import Array, Operand, composite, elementwise, row
from .elementwise import constant, true_div

if TYPE_CHECKING:
    from ..tensor import Tensor


def _no_zero_divisor(xp: Any, a: Array, b: Array) -> None:
    integers = all(getattr(x, "dtype", None) is None or x.dtype.kind in "iub" for x in (a, b))
    if not integers or isinstance(b, float) or not getattr(a, "size", 1):
        return
    words = "ZeroDivisionError: an integer was divided by zero; use floats for an inf"
    if not on_host(xp) and hasattr(b, "dtype"):
        must_hold((b != 0).all(), RuntimeError, words)
    elif not np.all(b):
        raise RuntimeError(words)


def _floor_divide(xp: Any, a: Array, b: Array) -> Array:
    _no_zero_divisor(xp, a, b)
    return a // b


def _trunc_divide(xp: Any, a: Array, b: Array) -> Array:
    _no_zero_divisor(xp, a, b)
    if xp.result_type(a, b).kind == "f":
        return xp.trunc(xp.true_divide(a, b))
    a, b = (x if hasattr(x, "dtype") else as_number(xp, x, xp.result_type(a, b)) for x in (a, b))
    down = a // b
    return down + ((down * b != a) & ((a < 0) != (b < 0)))


def _remainder(xp: Any, a: Array, b: Array) -> Array:
    _no_zero_divisor(xp, a, b)
    rest = xp.fmod(a, b)  # with the sign of a, zeros too
    if rest.dtype.kind in "iub":
        return xp.remainder(a, b)
    return xp.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)


def _fmod(xp: Any, a: Array, b: Array) -> Array:
    _no_zero_divisor(xp, a, b)
    return xp.fmod(a, b)


# torch has no derivative of floor_divide, and none is made up here; the rounded quotients of `div` have the derivative 0.
floor_divide = row("floor_divide", "⌊a / b⌋", _floor_divide, only="numbers", exact="b")
trunc_divide = row(
    "trunc_divide",
    "trunc(a / b)",
    _trunc_divide,
    constant,
    constant,
    only="numbers",
    exact="b",
    grad_fn="DivBackward2",
    takes_out=False,
)


@elementwise(name="div", public=False, only="numbers", exact="b", grad_fn="DivBackward2")
def floored_quotient(xp: Any, a: Operand, b: Operand) -> Array:
    """⌊a / b⌋"""
    return _floor_divide(xp, a, b)


floored_quotient.grad("a")(constant)
floored_quotient.grad("b")(constant)
remainder = row("remainder", "a − b·⌊a / b⌋, with the sign of b", _remainder,
                lambda g: g, lambda g, a, b: -g * floored_quotient(a, b), only="numbers")  # fmt: skip
fmod = row("fmod", "a − b·trunc(a / b), with the sign of a", _fmod,
           lambda g: g, lambda g, a, b: -g * trunc_divide(a, b), numbers="b", only="numbers")  # fmt: skip


@composite(out="cast")
def div(input: Tensor | float, other: Tensor | float, *, rounding_mode: str | None = None) -> Tensor:
    """a / b; rounded down with rounding_mode="floor", towards zero with "trunc". Integers divide to floats."""
    if rounding_mode is None:
        return true_div(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}")
    return floored_quotient(input, other) if rounding_mode == "floor" else trunc_divide(input, other)
