"""`Size`: a tensor's shape. Read next: `memory.py`, how a shape lies in memory."""

from __future__ import annotations

import math
import operator
from typing import Any

new_tuple = tuple.__new__  # of a shape that is known to hold ints


class Size(tuple):
    """A tensor's shape: a tuple that prints as torch's does and knows its `numel()`."""

    __module__ = "minitorch"  # where users find it

    def __new__(cls, sizes: Any = ()) -> Size:
        sizes = tuple(sizes)
        for i, n in enumerate(sizes):
            if not hasattr(n, "__index__"):
                raise TypeError(f"minitorch.Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')")
        # (an int of a class of its own stays what it is: a trace knows sizes by theirs)
        return new_tuple(cls, (n if isinstance(n, int) and n.__class__ is not bool else operator.index(n) for n in sizes))

    def numel(self) -> int:
        """The product of the sizes."""
        return math.prod(self)

    def __getitem__(self, key: Any) -> Any:
        item = super().__getitem__(key)
        return new_tuple(Size, item) if isinstance(key, slice) else item

    def __add__(self, other: Any) -> Size:
        return Size(super().__add__(tuple(other)))

    def __repr__(self) -> str:
        return f"minitorch.Size([{', '.join(map(str, self))}])"
