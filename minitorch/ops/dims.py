"""How every family reads `dim`: negative numbers count from the end, and one that does not exist is an error in words.

Two functions, so that all ops accept the same forms and raise the same errors. A 0-d tensor accepts 0 and −1, as in torch.
"""

from __future__ import annotations

import operator
from typing import Any

from ..arrays.numbers import of_64_bits


def canonical_dim(dim: Any, ndim: int) -> int:
    """The dimension `dim` of an `ndim`-dimensional tensor, counted from the front.

    >>> canonical_dim(-1, 3)
    2
    """
    if not isinstance(dim, int) or isinstance(dim, bool):
        dim = _index(dim)
    n = ndim or 1
    if not -n <= dim < n:
        of_64_bits(dim)
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim % n


def canonical_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions meant by `dim`, an int or several: None and () mean all of them. Empty for a 0-d tensor.

    >>> canonical_dims((0, -1), 3)
    (0, 2)
    """
    if dim is None:
        return tuple(range(ndim))
    if type(dim) is int and 0 <= dim < ndim:
        return (dim,)
    dims = tuple(canonical_dim(d, ndim) for d in as_ints(dim))
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    if not ndim or not dims:
        return tuple(range(ndim))
    return dims


def as_ints(value: Any) -> tuple[int, ...]:
    """One int or a sequence of ints (a shape, dims, repeats) as a tuple.

    >>> as_ints(3), as_ints([1, 2])
    ((3,), (1, 2))
    """
    if isinstance(value, (tuple, list)):
        if value and isinstance(value[0], bool):  # as in torch, who looks at the first: later ones count as 0 and 1
            raise TypeError(f"expected a tuple of ints, got {value!r}")
        return tuple(map(_element, value))
    if hasattr(value, "__index__"):
        return (_index(value),)
    raise TypeError(f"expected an int or a sequence of ints, got {value!r}")


def _element(value: Any) -> int:
    """One of several ints."""
    n = _index(int(value) if isinstance(value, bool) else value)
    if not -(2**63) <= n < 2**63:
        raise TypeError(f"expected a tuple of ints, but {n} does not fit into 64 bits")
    return n


def _index(value: Any) -> int:
    """What stands for an int; a bool does not."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"expected an int, got {value!r}")
