"""The memory that tensors are views of: `x.untyped_storage()`. Two tensors share memory if their storages begin at one address.

Here a storage is only looked at: an array library owns the memory. Read next: `arrays/memory.py`.
"""

from __future__ import annotations

from typing import Any

from ..arrays.memory import storage


class UntypedStorage:
    """A block of memory, in bytes.

    >>> x = minitorch.zeros(3)
    >>> x[1:].untyped_storage().data_ptr() == x.untyped_storage().data_ptr(), x.untyped_storage().nbytes()
    (True, 12)
    """

    def __init__(self, array: Any) -> None:
        self._array = array  # keeps the memory alive

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return storage(self._array)[0]

    def nbytes(self) -> int:
        """How many bytes it has."""
        return storage(self._array)[1]

    size = __len__ = nbytes
