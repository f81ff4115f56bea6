"""Where arrays lie in memory: whether one repeats an element, whether two overlap, what one shows of another.

A write through an array whose elements coincide, or into memory that an input of the same call reads elsewhere, has no one right
result, so in-place ops refuse it, as torch does. And what a view shows of its base: `Geometry`. Read next: `Tensor._update` in
`tensor/writing.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from .batched import of_all_samples
from .device import xp_of
from .quantized import QArray, integers_of
from .recorded import array_of


def repeats(array: Any) -> bool:
    """Whether some element of an array stands for several (stride 0, as `expand` makes)."""
    if 0 not in array.strides or not array.size:
        return False
    return any(stride == 0 and n > 1 for stride, n in zip(array.strides, array.shape))


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """What NumPy says of arrays that no memory holds, as the RuntimeError that torch raises."""
    try:
        yield
    except MemoryError as error:
        raise RuntimeError(f"can't allocate memory: {error}") from None
    except ValueError as error:
        if "too big" not in str(error) and "Maximum allowed" not in str(error):
            raise
        raise RuntimeError(f"Storage size calculation overflowed: {error}") from None


def order_of_a_copy(array: Any) -> str:
    """NumPy's `order=` for a copy laid out as torch would: the order of the dimensions is kept, unless elements repeat.

    (With "K" NumPy would put a repeated dimension innermost, and `view` could not flatten the copy.)
    """
    return "C" if repeats(array) else "K"


def overlap(a: Any, b: Any) -> str:
    """ "none", "full" (the same elements in the same order) or "partial"; "none" too where it is hard to tell."""
    if not (a.size and b.size and is_dense(a) and is_dense(b)):
        return "none"
    a_start, b_start = address(a), address(b)
    if a_start == b_start and a.nbytes == b.nbytes:
        return "full" if _steps(a) == _steps(b) else "partial"
    return "partial" if a_start < b_start + b.nbytes and b_start < a_start + a.nbytes else "none"


def same_data(a: Any, b: Any) -> bool:
    """Whether both show the same elements in the same places."""
    return (address(a), a.shape, a.strides, a.dtype) == (address(b), b.shape, b.strides, b.dtype)


def is_dense(array: Any) -> bool:
    """Whether the elements fill a block of memory, in any order of the dimensions."""
    expected = array.itemsize
    for stride, n in sorted(_steps(array)):
        if stride != expected:
            return False
        expected *= n
    return True


def _steps(array: Any) -> list[tuple[int, int]]:
    """(stride, size) of the dimensions that have more than one element."""
    return [(stride, n) for stride, n in zip(array.strides, array.shape) if n > 1]


def address(array: Any) -> int:
    """The address of the first element."""
    return array.ctypes.data if hasattr(array, "ctypes") else array.data.ptr


# ---- the memory that a view shows ----


def owner(array: Any) -> Any:
    """The array whose memory this one is a view of, perhaps itself. (What `as_strided` makes has an object between the two.)"""
    array = integers_of(array_of(of_all_samples(array)))
    base = getattr(array, "base", None)
    while base is not None:
        if type(base) is type(array):
            array = base
        base = getattr(base, "base", None)
    return array


def flat(array: Any) -> Any:
    """All elements that lie in memory from an array's first to its last, those it skips too, as a view of one dimension."""
    last = sum((n - 1) * stride for stride, n in zip(array.strides, array.shape)) if array.size else -array.itemsize
    return strided(array, (last // array.itemsize + 1,), (array.itemsize,))


def strided(array: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """A view that starts where `array` does; strides in bytes. Nothing checks that it stays within the memory."""
    if isinstance(array, QArray):
        return array.like(strided(array.integers, shape, strides))
    return xp_of(array).lib.stride_tricks.as_strided(array, shape, strides)


def copy_of_storage(array: Any) -> Any:
    """A copy of the array in a copy of its storage, up to its last element: with the same offset, strides and gaps."""
    if repeats(array):
        return array.copy()
    offset, strides = storage_offset(array), element_strides(array)
    whole = _view(array, (offset + span(array.shape, strides),), (1,), -offset).copy()
    return _view(whole, array.shape, strides, offset)


def resized(array: Any, new: Any) -> Any:
    """An array shaped and laid out as `new`, in the memory that `array` begins in if there is enough behind its first element.

    Otherwise it is `new` itself, which then begins with what lies there in memory.
    """
    whole = owner(array)
    there = (address(whole) + whole.nbytes - address(array)) // array.itemsize  # elements
    if new.size <= there:
        return strided(array, new.shape, new.strides)
    there = max(there, 0)  # (what is empty lies anywhere)
    new.ravel("K")[:there] = strided(array, (there,), (array.itemsize,))
    return new


# ---- views by strides ----


class Geometry(NamedTuple):
    """What a view shows of its base. Strides and offset count elements; the view begins `offset` after the base's first."""

    base_size: tuple[int, ...]
    base_stride: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, base: Any, view: Any) -> Geometry:
        """What an array shows of another, whose memory it shares."""
        if owner(base) is owner(view):
            offset = (address(view) - address(base)) // view.itemsize
        else:  # (CuPy's `as_strided` does not say whose memory it shows; and `.data` may have given one of them another)
            offset = storage_offset(view) - storage_offset(base)
        return cls(base.shape, element_strides(base), view.shape, element_strides(view), offset if view.size else 0)

    def repeats(self) -> bool:
        """Whether an element may be shown several times: a step of some dimension stays within the reach of the shorter ones."""
        reach = 0
        for stride, n in sorted((s, n) for s, n in zip(self.stride, self.size) if n > 1):
            if stride <= reach:
                return True
            reach += stride * (n - 1)
        return False

    def fits(self, x: Any) -> bool:
        """Whether x fills a block of memory as the base does, and the view lies within it."""
        alike = all(a == b for a, b, n in zip(element_strides(x), self.base_stride, x.shape) if n > 1)
        return alike and is_dense(x) and self._span() == (0, x.size)

    def memory(self, xp: Any, dtype: Any) -> tuple[Any, Any]:
        """New zeros that both base and view lie in, and the part that is the base."""
        low, high = self._span()
        memory = xp.zeros(high - low, dtype)
        return memory, _view(memory, self.base_size, self.base_stride, -low)

    def places(self, xp: Any, within: Geometry | None = None) -> Any:
        """For each element of the view, its place in that memory, or in the memory of another geometry of the same base."""
        low, high = (within or self)._span()
        return _view(xp.arange(high - low), self.size, self.stride, self.offset - low)

    def of_itself(self) -> Geometry:
        """The base as a view of itself."""
        return Geometry(self.base_size, self.base_stride, self.base_size, self.base_stride, 0)

    def _span(self) -> tuple[int, int]:
        """The first place that base or view uses, from the base's first element, and the one after the last."""
        ends = span(self.base_size, self.base_stride), self.offset + span(self.size, self.stride)
        return min(0, self.offset), max(ends)


def as_strided(array: Any, geometry: Geometry) -> Any:
    """The view of an array that `geometry` describes. Nothing checks that it stays within the memory: see `must_hold_view`."""
    return _view(array, geometry.size, geometry.stride, geometry.offset)


def must_hold_view(array: Any, geometry: Geometry) -> None:
    """RuntimeError if the view is not within the memory of an array."""
    length = span(geometry.size, geometry.stride)
    begin, room = storage_offset(array) + geometry.offset, storage(array)[1] // array.itemsize
    if length and not 0 <= begin <= begin + length <= room:
        raise RuntimeError(
            f"setStorage: sizes {list(geometry.size)}, strides {list(geometry.stride)}, storage offset {begin}, and itemsize "
            f"{array.itemsize} requiring a storage size of {(begin + length) * array.itemsize} are out of bounds for storage of "
            f"size {room * array.itemsize}"
        )


def _view(array: Any, shape: tuple, strides: tuple, offset: int) -> Any:
    """Whatever lies there: nothing is checked."""
    itemsize = array.itemsize
    if offset:  # step there, which may be backwards
        array = strided(array, (abs(offset) + 1,), (itemsize if offset > 0 else -itemsize,))[-1:]
    return strided(array, shape, tuple(s * itemsize for s in strides))


def span(shape: tuple, strides: tuple) -> int:
    """How many places it is from the first element to the last, with both; 0 if there are none."""
    return 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, strides))


def element_strides(array: Any) -> tuple[int, ...]:
    """For each dimension, how many elements apart its neighbours lie in memory (NumPy counts bytes)."""
    return tuple(s // array.itemsize for s in array.strides)


def storage_offset(array: Any) -> int:
    """How many elements of its storage come before its first."""
    return (address(array) - storage(array)[0]) // array.itemsize


def storage(array: Any) -> tuple[int, int]:
    """The memory that an array is a part of: where it begins, and how many bytes it has."""
    if not hasattr(array, "ctypes"):
        return array.data.mem.ptr, array.data.mem.size
    whole = owner(array)
    return address(whole), whole.itemsize * span(whole.shape, element_strides(whole))


def whole(array: Any) -> Any:
    """All of the memory that an array is a part of, as a view of one dimension and of its dtype."""
    return _view(array, (storage(array)[1] // array.itemsize,), (1,), -storage_offset(array))
