"""Where arrays lie in memory: whether one repeats an element, whether two overlap, whose memory a view shows.

A write through an array whose elements coincide, or into memory that an input of the same call reads elsewhere, has no one right
result, so in-place ops refuse it, as torch does. Read next: `Tensor._update` in `tensor/tensor.py`.
"""

from __future__ import annotations

from typing import Any

from .device import xp_of


def repeats(array: Any) -> bool:
    """Whether some element of an array stands for several (stride 0, as `expand` makes)."""
    if 0 not in array.strides or not array.size:
        return False
    return any(stride == 0 and n > 1 for stride, n in zip(array.strides, array.shape))


def order_of_a_copy(array: Any) -> str:
    """NumPy's `order=` for a copy laid out as torch would: the order of the dimensions is kept, unless elements repeat.

    (With "K" NumPy would put a repeated dimension innermost, and `view` could not flatten the copy.)
    """
    return "C" if 0 in array.strides else "K"


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


def resized(xp: Any, array: Any, new: Any) -> Any:
    """An array shaped and laid out as `new`, in the memory that `array` begins in if there is enough behind its first element.

    Otherwise it is `new` itself, which then begins with the elements that there were.
    """
    owner = array
    while getattr(owner, "base", None) is not None:  # (as_strided puts an object of its own between)
        owner = owner.base
    if type(owner) is type(array) and address(array) + new.nbytes <= address(owner) + owner.nbytes:
        return xp.lib.stride_tricks.as_strided(array, new.shape, new.strides)
    new.ravel("K")[: array.size] = array.ravel("K")
    return new


def address(array: Any) -> int:
    """The address of the first element."""
    return array.ctypes.data if hasattr(array, "ctypes") else array.data.ptr


# ---- the memory that a view shows ----


def owner(array: Any) -> Any:
    """The array whose memory this one is a view of, perhaps itself. (What `as_strided` makes has an object between the two.)"""
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
    return xp_of(array).lib.stride_tricks.as_strided(array, shape, strides)
