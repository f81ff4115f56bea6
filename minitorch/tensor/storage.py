"""The memory that tensors are views of: `x.untyped_storage()`, in bytes, and `x.storage()`, in numbers of x's dtype.

Two tensors share memory if their storages begin at one address. An array library owns the memory; a storage shows it, and writes
through it are seen in the tensors. Read next: `arrays/memory.py`.
"""

from __future__ import annotations

from typing import Any

from ..arrays import dtypes
from ..arrays.device import device, device_of, to_numpy
from ..arrays.memory import owner, storage, strided
from ..arrays.transfers import is_pinned
from ..arrays.warning import warn_once


class _Storage:
    """What both kinds have: a row of elements."""

    _array: Any  # an array in that memory, which keeps it alive
    _dtype: dtypes.dtype

    def _row(self) -> Any:
        """All of the memory as an array of one dimension."""
        whole = owner(self._array)
        count = storage(self._array)[1] // whole.itemsize
        return strided(whole, (count,), (whole.itemsize,)).view(self._dtype.numpy)

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return storage(self._array)[0]

    def nbytes(self) -> int:
        """How many bytes it has."""
        return storage(self._array)[1]

    def size(self) -> int:
        """How many elements it has."""
        return self.nbytes() // self.element_size()

    def __len__(self) -> int:
        return self.size()

    def element_size(self) -> int:
        """Bytes of an element."""
        return self._dtype.itemsize

    @property
    def device(self) -> device:
        """Where the memory is."""
        return device_of(self._array)

    @property
    def is_cuda(self) -> bool:
        """Whether it is a GPU's."""
        return self.device.type == "cuda"

    is_sparse = False

    def is_pinned(self, device: Any = None) -> bool:
        """Whether it is page-locked."""
        return is_pinned(owner(self._array))

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return to_numpy(self._row()).tolist()

    def __getitem__(self, index: Any) -> Any:
        self._check(index)
        return self._row()[index].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check(index)
        self._row()[index] = value

    def _check(self, index: Any) -> None:
        if isinstance(index, slice):
            raise RuntimeError(f"a {type(self).__name__} is read one element at a time here: use .tolist(), or a tensor")
        if not isinstance(index, int):
            raise RuntimeError(f"can't index a {type(self)} with {type(index)}")
        if not -self.size() <= index < self.size():
            raise IndexError(f"index {index} out of range for storage of size {self.size()}")

    def fill_(self, value: Any) -> Any:
        """Write the value into every element."""
        self._row()[...] = value
        return self

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.data_ptr(), self.nbytes()) == (other.data_ptr(), other.nbytes())

    def __hash__(self) -> int:
        return hash((self.data_ptr(), self.nbytes()))

    def _elements(self) -> str:
        return "".join(f" {number}\n" for number in self.tolist())


class UntypedStorage(_Storage):
    """A block of memory, in bytes.

    >>> x = minitorch.zeros(3)
    >>> x[1:].untyped_storage().data_ptr() == x.untyped_storage().data_ptr(), x.untyped_storage().nbytes()
    (True, 12)
    """

    __module__ = "minitorch"
    _dtype = dtypes.uint8

    def __init__(self, array: Any) -> None:
        self._array = array

    def __repr__(self) -> str:
        return f"{self._elements()}[minitorch.storage.UntypedStorage(device={self.device}) of size {self.size()}]"


class TypedStorage(_Storage):
    """The same in numbers of one dtype: the old kind, of which its use warns once.

    >>> minitorch.ones(2, 2)[1:].storage().tolist()  # doctest: +SKIP
    [1.0, 1.0, 1.0, 1.0]
    """

    __module__ = "minitorch"

    def __init__(self, array: Any) -> None:
        warn_once(
            "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only storage class. "
            "This should only matter to you if you are using storages directly.  To access UntypedStorage directly, use "
            "tensor.untyped_storage() instead of tensor.storage()"
        )
        self._array, self._dtype = array, dtypes.from_numpy_dtype(array.dtype)

    @property
    def dtype(self) -> dtypes.dtype:
        """Of its numbers."""
        return self._dtype

    def type(self) -> str:
        """`minitorch.FloatStorage`."""
        return f"minitorch.{'cuda.' if self.is_cuda else ''}{self.pickle_storage_type()}"

    def pickle_storage_type(self) -> str:
        """`FloatStorage`."""
        return f"{dtypes.SCALAR_NAMES[self._dtype.name]}Storage"

    def untyped(self) -> UntypedStorage:
        """The same memory in bytes."""
        return UntypedStorage(self._array)

    def __repr__(self) -> str:
        kind = f"[minitorch.storage.TypedStorage(dtype={self._dtype!r}, device={self.device}) of size {self.size()}]"
        return self._elements() + kind


def is_storage(obj: Any, /) -> bool:
    """Whether it is a storage."""
    return isinstance(obj, _Storage)
