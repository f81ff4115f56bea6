"""One dtype for the inputs of a call, by torch's rules: tensors with dimensions decide, then those without, then numbers.

The rules themselves are `dtypes.result_dtype`. Which input changes, and how, depends on dtypes alone, so it is worked out once for
each kind of call. Read next: `recipe.py`, which asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.memory import order_of_a_copy
from ..arrays.numbers import wrapping
from .declaration import Declaration

Casts = list[tuple[int, Callable[[Any], Any]]]


def casts(declaration: Declaration, arrays: list, inputs: list[int], tensors: Collection[int]) -> tuple[Casts, bool]:
    """(position, cast) for each argument that changes; and whether that settles it, or the default dtype had a say.

    inputs: the positions of those that are promoted together, numbers among them; tensors: those that are arrays.
    """
    changes, settled = _promotions(declaration, arrays, inputs, tensors)
    if not declaration.numbers_by and not declaration.factors:
        return changes, settled
    first = next(i for i in range(len(arrays)) if i in tensors)
    done = [i for i, _ in changes]
    dtype = _common(declaration, arrays, inputs, tensors).numpy if first in done else arrays[first].dtype
    for name in declaration.factors:
        _refuse_factor(name, arrays[declaration.place(name)], dtype)
    for name, rule in declaration.numbers_by.items():
        i = declaration.place(name)
        if i not in tensors and i not in done and arrays[i] is not None:
            changes.append((i, partial(rule, dtype=dtype)))
    return changes, settled


def _refuse_factor(name: str, factor: Any, dtype: np.dtype) -> None:
    """RuntimeError for a factor of a kind above the dtype's: 0.5 beside integers; and for a bool beside numbers."""
    if isinstance(factor, bool) and dtype.kind != "b":
        raise RuntimeError(f"Boolean {name} only supported for Boolean results; give an int or a float")
    if dtype.kind in "iub" and not isinstance(factor, (int, np.integer)):
        raise RuntimeError(
            f"For integral input tensors, argument {name} must not be a floating point number: convert them with .float()"
        )


def _promotions(declaration: Declaration, arrays: list, inputs: list[int], tensors: Collection[int]) -> tuple[Casts, bool]:
    """The same for the inputs that are promoted together."""
    promote = declaration.promote
    found = {arrays[i].dtype for i in inputs if i in tensors}
    numbers = [i for i in inputs if i not in tensors]
    if promote is None or not inputs or (len(found) == 1 and not numbers and promote != "float"):
        return [], True
    if len(found) == 1 and next(iter(found)).kind == "f" and all(type(arrays[i]) in (float, int) for i in numbers):
        return [], True  # NumPy's promotion of Python numbers is torch's
    dtype = _common(declaration, arrays, inputs, tensors)
    made: Casts = [(i, partial(_rule(declaration, i), dtype=dtype.numpy)) for i in numbers]
    made += [(i, partial(_array, dtype=dtype.numpy)) for i in inputs if i in tensors and arrays[i].dtype != dtype.numpy]
    return made, not dtype.is_floating_point or any(d.kind in "fV" for d in found)


def _common(declaration: Declaration, arrays: list, inputs: list[int], tensors: Collection[int]) -> dtypes.dtype:
    """The dtype that all come to."""
    ranks: tuple[list, list, list] = ([], [], [])  # dtypes of tensors with dimensions, of those without, of numbers
    for i in inputs:
        is_bool = isinstance(arrays[i], bool) or getattr(arrays[i], "dtype", None) == "bool"
        if declaration.promote == "no bool" and is_bool:
            raise RuntimeError(
                f"{declaration.name} with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
                "`logical_not()` operator instead."
            )
        if i in tensors:
            ranks[0 if arrays[i].ndim else 1].append(dtypes.from_numpy_dtype(arrays[i].dtype))
        else:
            ranks[2].append(dtypes.scalar_dtype(arrays[i]))
    dtype = dtypes.result_dtype(*ranks)
    return dtypes.get_default_dtype() if declaration.promote == "float" and not dtype.is_floating_point else dtype


def _array(array: Any, dtype: np.dtype) -> Any:
    with np.errstate(all="ignore"):
        return array.astype(dtype, order=order_of_a_copy(array))


def _rule(declaration: Declaration, i: int) -> Callable:
    """How a number at this position comes to the common dtype."""
    return wrapping if declaration.variadic else declaration.numbers_by.get(declaration.names[i], wrapping)
