"""`ndarray`: an array that behaves as CuPy's does where NumPy's is more lenient, and counts what would wait for the GPU.

The numbers are in a NumPy array nobody else may touch. No implicit conversion to NumPy, no host arrays beside it (the real
one lets some of these pass, in silence: this one none), integer indices out of range wrap around, writes to repeated indices
come in another order than NumPy's, and every result of no dimensions is an array still. `counting()` tells where the host
waited for the device. Read next: `namespace.py`.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import cublas, memory
from .graphs import Block, do, launching, refuse

synchronisations: list[str] = []  # what waited for the GPU, and where in minitorch
on_the_way: list[tuple[np.ndarray, np.ndarray]] = []  # copies to the host: where to, and the numbers
uploads: list[str] = []  # where something was copied to it
copies: list[str] = []  # where memory was copied within it, by the card's own copying
BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "left_shift", "rshift": "right_shift", "matmul": "matmul",
}  # fmt: skip
COMPARED = {"lt": "less", "le": "less_equal", "eq": "equal", "ne": "not_equal", "gt": "greater", "ge": "greater_equal"}


class ndarray:
    """A stand-in for `cupy.ndarray`. `_host` is the memory it would have on the GPU."""

    __slots__ = ("__weakref__", "_host")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray):
        if host.dtype.kind not in "?biufc" and host.dtype.name != "bfloat16":
            raise ValueError(f"Unsupported dtype {host.dtype}")
        self._host = host
        if memory.total:
            memory.ask_for(host)

    def __getattr__(self, name: str) -> Any:
        from .namespace import allowed, called, wrapped

        if not allowed(f"cupy.ndarray.{name}"):
            raise AttributeError(f"'ndarray' object of CuPy has no attribute {name!r}")
        value = getattr(self._host, name)
        if callable(value):
            return lambda *args, **kwargs: called(f"cupy.ndarray.{name}", getattr(np.ndarray, name), args, kwargs, self)
        return wrapped(value)

    # ---- the device ----

    @property
    def device(self) -> Any:
        return SimpleNamespace(id=0, synchronize=lambda: waited("synchronize"))

    @property
    def base(self) -> Any:
        base = self._host.base
        return ndarray(base) if isinstance(base, np.ndarray) and not isinstance(base, Block) else None

    @property
    def data(self) -> Any:
        pointer = cublas.expose(self._host)
        low, high = cublas.exposed[pointer]
        return Pointer(pointer, SimpleNamespace(ptr=low, size=high - low))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self._host.dtype.name == "bfloat16":
            raise TypeError("bfloat16 has no typestr")
        host = self._host
        strides = None if host.flags.c_contiguous else host.strides
        return {"shape": host.shape, "typestr": host.dtype.str, "descr": host.dtype.descr, "version": 3, "strides": strides,
                "data": (cublas.expose(host), False), "stream": 1}  # fmt: skip

    @property
    def flags(self) -> Any:
        found = self._host.flags
        return SimpleNamespace(c_contiguous=found.c_contiguous, f_contiguous=found.f_contiguous, owndata=found.owndata)

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        """Copy from a host array."""
        if self._host.size:
            uploaded()
        self._host[...] = arr

    def fill(self, value: Any) -> None:
        """Write a number everywhere."""
        do(filled, self._host, hosts(value), writes=self)

    # ---- what waits for the device ----

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        """A copy on the host; without `blocking` it is there once the host has waited for something."""
        if not blocking and out is not None:
            on_the_way.append((out, self._host.copy()))
            return out
        waited("get")
        return self._host.copy(order)  # type: ignore[arg-type]

    def item(self) -> Any:
        waited("item")
        return self._host.item()

    def tolist(self) -> Any:
        waited("tolist")
        return self._host.tolist()

    def nonzero(self) -> tuple:
        waited("nonzero")
        return tuple(map(ndarray, self._host.nonzero()))

    def __bool__(self) -> bool:
        waited("bool()")
        return bool(self._host)

    def __int__(self) -> int:
        waited("int()")
        return int(self._host)

    def __float__(self) -> float:
        waited("float()")
        return float(self._host)

    def __complex__(self) -> complex:
        waited("complex()")
        return complex(self._host)

    def __repr__(self) -> str:
        waited("repr()")
        return repr(self._host)

    # ---- what is not defined, and other than NumPy's here ----

    def argmax(self, axis: Any = None) -> ndarray:
        return ndarray(np.asarray(do(lambda a: last_nan(a, axis, a.argmax(axis)), self._host)))

    def argmin(self, axis: Any = None) -> ndarray:
        return ndarray(np.asarray(do(lambda a: last_nan(a, axis, a.argmin(axis)), self._host)))

    # ---- what is refused ----

    def __array__(self, dtype: Any = None) -> Any:  # CuPy's takes no copy=, of which NumPy warns
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct one explicitly."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from .namespace import cupy

        return getattr(getattr(cupy, ufunc.__name__), method)(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: tuple, kwargs: dict) -> Any:
        from .namespace import cupy

        return getattr(cupy, function.__name__)(*args, **kwargs)

    # ---- containers ----

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[ndarray]:
        return (self[i] for i in range(len(self._host)))

    def __getitem__(self, key: Any) -> ndarray:
        return ndarray(np.asarray(do(_got, self, key)))

    def __setitem__(self, key: Any, value: Any) -> None:
        do(_set, self, key, value, writes=self)

    def __copy__(self) -> ndarray:
        return ndarray(do(np.ndarray.copy, self._host))

    def __deepcopy__(self, memo: dict) -> ndarray:
        return ndarray(do(np.ndarray.copy, self._host))

    def __reduce__(self) -> Any:
        return ndarray, (self.get(),)


def _got(a: ndarray, key: Any) -> np.ndarray:
    return np.asarray(a._host[wrapped_around(key, a._host.shape)])


def _set(a: ndarray, key: Any, value: Any) -> None:
    key, value = wrapped_around(key, a._host.shape), hosts(value)
    if not isinstance(value, np.ndarray):  # CuPy fills
        value = filled(np.empty((), a._host.dtype), value)
    if not has_index_arrays(key):
        a._host[key] = value
        return
    places, values = unordered(a._host, key, value)
    a._host.flat[places] = values


class Pointer:
    """`cupy.cuda.MemoryPointer`: where an array begins, and the memory that this is in."""

    device_id = 0

    def __init__(self, ptr: int, mem: Any):
        self.ptr, self.mem = ptr, mem

    def copy_from_device_async(self, src: Pointer, size: int, stream: Any = None) -> None:
        """Copy so many bytes from another pointer; they must lie within both memories, and apart."""
        for pointer in (self, src):
            low, end = pointer.mem.ptr, pointer.mem.ptr + pointer.mem.size
            if not low <= pointer.ptr <= pointer.ptr + size <= end:
                raise ValueError(f"{size} bytes at {pointer.ptr:#x} are not within the memory from {low:#x} to {end:#x}")
        if self.ptr < src.ptr + size and src.ptr < self.ptr + size:
            raise ValueError("memcpyAsync of memory that overlaps is not defined")
        copies.append(_where())
        do(_moved, self.ptr, src.ptr, size, runs=False)


def _moved(to: int, start: int, size: int) -> None:
    if launching:
        for pointer in (to, start):
            launching[-1].exposed[pointer].array()  # which says whether it is there still
    ctypes.memmove(to, start, size)


def _operators() -> None:
    """a + b, b + a, a += b and the other operators, through the ufuncs of the namespace."""

    def of(ufunc: str, swapped: bool = False, in_place: bool = False) -> Any:
        def operator(self: ndarray, *others: Any) -> Any:
            from .namespace import cupy

            if others and not isinstance(others[0], (ndarray, np.ndarray, np.generic, bool, int, float, complex)):
                return NotImplemented
            args = (*others, self) if swapped else (self, *others)
            return getattr(cupy, ufunc)(*args, **({"out": self} if in_place else {}))

        return operator

    for name, ufunc in {
        **BINARY,
        **COMPARED,
        "neg": "negative",
        "pos": "positive",
        "abs": "absolute",
        "invert": "invert",
    }.items():
        setattr(ndarray, f"__{name}__", of(ufunc))
    for name, ufunc in BINARY.items():
        setattr(ndarray, f"__r{name}__", of(ufunc, swapped=True))
        if name != "matmul":
            setattr(ndarray, f"__i{name}__", of(ufunc, in_place=True))


_operators()


# ---- counting ----


@contextlib.contextmanager
def counting() -> Iterator[list[str]]:
    """The synchronisations in the block, each as "what, where"."""
    before, found = len(synchronisations), []  # type: ignore[var-annotated]
    yield found
    found += synchronisations[before:]


@contextlib.contextmanager
def copies_to_the_gpu() -> Iterator[list[str]]:
    """Where in the block something was copied to the GPU, tables that are kept there left out (`arrays.device.as_table`).

    Numbers that are a kernel's arguments, or fill an array, are not copied.
    """
    before, found = len(uploads), []  # type: ignore[var-annotated]
    yield found
    found += [place for place in uploads[before:] if not place.endswith(" in _kept_table")]


@contextlib.contextmanager
def not_counted() -> Iterator[None]:
    """What is copied in the block is data of the user's."""
    before = len(uploads)
    yield
    del uploads[before:]


def waited(what: str) -> None:
    """Note that the host would wait here; in a capture that is refused."""
    refuse(f"waiting for the GPU ({what})")
    for host, numbers in on_the_way:
        host[...] = numbers
    on_the_way.clear()
    synchronisations.append(f"{what} {_where()}")


def uploaded() -> None:
    """Note a copy to the GPU; in a capture that is refused."""
    refuse("a copy from the host")
    uploads.append(_where())


def _where() -> str:
    """The innermost line outside this package, and the function that it is in."""
    frame: Any = sys._getframe(2)
    while frame and __name__.rpartition(".")[0] in str(frame.f_globals.get("__name__")):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}" if frame else "?"


# ---- indices, and what may stand beside an array ----


def wrapped_around(key: Any, shape: tuple) -> Any:
    """The key on the host, its integer arrays taken modulo the sizes, as CuPy's kernels do; masks count as waiting."""
    parts = key if isinstance(key, tuple) else (key,)
    used = sum(k.ndim if _is_mask(k) else 0 if k is None or k is Ellipsis else 1 for k in parts)
    made, dim = [], 0
    for k in parts:
        if k is Ellipsis:
            made.append(k)
            dim += len(shape) - used
            continue
        if _is_mask(k):
            waited("mask as index")
            dim += k.ndim - 1
            k = k._host
        elif isinstance(k, ndarray):
            k = k._host.astype(np.int64) % shape[dim] if dim < len(shape) and shape[dim] else k._host
        elif isinstance(k, (np.ndarray, list)):
            raise TypeError(f"a host {type(k).__name__} as an index would be copied to the GPU at each use")
        made.append(k)
        dim += k is not None
    return tuple(made) if isinstance(key, tuple) else made[0]


def has_index_arrays(key: Any) -> bool:
    """Whether there are integer arrays in a key that is on the host: only then places may repeat."""
    return any(isinstance(k, np.ndarray) and k.dtype != bool for k in (key if isinstance(key, tuple) else (key,)))


def unordered(a: np.ndarray, key: Any, value: Any) -> tuple[np.ndarray, np.ndarray]:
    """The places of a[key], counted along a, and what goes there: from last to first.

    Threads write in no order, so nothing may rest on NumPy's: that the last value stays, how sums of repeated places round.
    """
    places = np.arange(a.size).reshape(a.shape)[key]
    return places.ravel()[::-1], np.broadcast_to(value, places.shape).ravel()[::-1]


def filled(a: np.ndarray, value: Any) -> np.ndarray:
    """`a` with a number everywhere. What equals 0 CuPy writes by memset: −0 becomes 0."""
    a[...] = value
    a[a == 0] = 0
    return a


def last_nan(a: np.ndarray, axis: Any, found: Any) -> np.ndarray:
    """The index of an extreme; of several nan CuPy returns any: here the last, where NumPy returns the first."""
    if a.dtype.kind != "f" or not np.isnan(a).any():
        return np.asarray(found)
    nan = np.isnan(a.reshape(-1) if axis is None else a)
    last = nan.shape[axis or 0] - 1 - np.flip(nan, axis).argmax(axis)
    return np.where(nan.any(axis), last, found)


def _is_mask(k: Any) -> bool:
    return isinstance(k, ndarray) and k._host.dtype == bool


def hosts(value: Any) -> Any:
    """The value with every array of ours as its NumPy array; a host array among them is refused."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: a host array cannot be used with arrays on a GPU")
    if isinstance(value, (list, tuple)):
        return type(value)(map(hosts, value)) if not hasattr(value, "_fields") else tuple(map(hosts, value))
    return value
