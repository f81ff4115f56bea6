"""Devices, and the file that knows NumPy from CuPy.

A `device` names where an array lives; `device.xp` is the array library that works there. Ops receive that library as
`xp` and use only what both libraries have; where the two differ the difference is bridged here: `scatter_add`, special
functions, and how a bad index is noticed without the host waiting for the GPU (`must_hold`). Matrix products have a file of
their own beside it, `blas.py`.
Read next: `op/door.py`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from . import dtypes, gpu_memory
from .batched import Batched
from .capturing import Capture, now, refuse
from .quantized import QArray
from .recorded import Recorded, library, running
from .threads import of_each_thread


class device:
    """Where a tensor lives: `device("cpu")`, `device("cuda", 0)`, `device("cuda:0")`, `device(0)`.

    `with device("cuda"):` makes tensors there that name no device.
    """

    __module__ = "minitorch"  # where users find it
    __slots__ = ("index", "type")

    def __init__(self, type: str | device | int, index: int | None = None):
        if isinstance(type, (int, np.integer)) and not isinstance(type, bool):
            if not -(2**63) <= type < 2**63:
                raise ValueError(f"Overflow when unpacking long long: there is no GPU {type}")
            index, type = int(type), "cuda"
        if not isinstance(type, (str, device)):
            raise TypeError(f"device(): argument 'type' (position 1) must be str or int, not {type.__class__.__name__}")
        name, colon, number = str(type).partition(":")
        if name not in ("cpu", "cuda") or (colon and not number.isdecimal()):
            hint = f"; a dtype has no quotes: minitorch.{name}" if name in dtypes.SCALAR_NAMES else ""
            hint = "; a GPU is called 'cuda'" if name.lower() in ("gpu", "cuda", "nvidia", "cdua") else hint
            raise RuntimeError(f"Expected one of cpu, cuda device type at start of device string: {type!r}{hint}")
        if colon and index is not None:
            raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {type}")
        if index is not None and index < 0:
            raise RuntimeError(f"Device index must not be negative, got {index}")
        self.type: str = name
        self.index: int | None = int(number) if colon else index

    def __enter__(self) -> device:
        _default.stack.append(as_device(self))
        return self

    def __exit__(self, *error: object) -> None:
        _default.stack.pop()

    @property
    def xp(self) -> ModuleType:
        """The array library of this device: NumPy for cpu, CuPy for cuda; while a step is recorded, what records NumPy."""
        if self.type == "cpu":
            return np if running.record is None else library
        return _cupy()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type + (f":{self.index}" if self.index is not None else "")


CPU = device("cpu")


class _Default(threading.local):
    """Where tensors are made that name no device, in this thread: on the last of the stack."""

    def __init__(self) -> None:
        self.stack = [CPU]


_default = of_each_thread(_Default())


def get_default_device() -> device:
    """Where tensors are made that name no device."""
    return _default.stack[-1]


def set_default_device(device: device | str | int | None) -> None:
    """Make tensors there that name no device; None: on the CPU, as at first."""
    _default.stack[-1] = CPU if device is None else as_device(device)


def as_device(spec: device | str | int | None) -> device:
    """`None`, a string, a device or a GPU's number, as a device that can be used now; RuntimeError in words if it cannot.

    None is the default device, "cuda" the current GPU. Another than the current one is refused: a process uses one, chosen by
    `cuda.set_device`.
    """
    if spec is None:
        return _default.stack[-1]
    found = device(spec)
    if found.type == "cpu":
        return found
    current = found.xp.cuda.Device().id  # raises here, before any work, if there is no GPU
    if found.index not in (None, current):
        raise RuntimeError(
            f"device '{found}' is not the current GPU, which is cuda:{current}; a process uses one: choose it first, with "
            f"minitorch.cuda.set_device({found.index})"
        )
    return device("cuda", current)


@functools.cache  # it is asked for in every op
def _cupy() -> ModuleType:
    try:
        import cupy
    except ImportError:
        raise RuntimeError(
            "device 'cuda' needs CuPy, which is not installed: pip install cupy-cuda13x (for CUDA 12: cupy-cuda12x)"
        ) from None
    if not cupy.cuda.is_available():
        raise RuntimeError("device 'cuda' was asked for, but CuPy finds no NVIDIA GPU or driver; use device='cpu'")
    gpu_memory.watch(cupy)
    importlib.import_module("minitorch.kernels.cuda.twins")  # the ops' faster forms, which nobody needs without a GPU
    importlib.import_module("minitorch.compiler.cuda.twins").for_every_row()
    return cupy


def _cupyx(part: str = "") -> Any:
    """`cupyx`; or a part of it, which importing `cupyx` alone does not bring."""
    return importlib.import_module(f"cupyx.{part}" if part else "cupyx")


def has_gpu() -> bool:
    """Whether CuPy is installed and finds a GPU. Never raises."""
    try:
        _cupy()
    except RuntimeError:
        return False
    return True


def page_locked(size: int) -> np.ndarray:
    """So many bytes of page-locked memory."""
    return _cupyx().empty_pinned(size, np.uint8)


def xp_of(array: Any) -> ModuleType:
    """The library an array belongs to."""
    if isinstance(array, (np.ndarray, np.generic, QArray)):
        return np
    if isinstance(array, Recorded):
        return library
    return xp_of(array.samples) if isinstance(array, Batched) else _cupy()


def on_host(xp: Any) -> bool:
    """Whether a library computes as NumPy does: NumPy itself, or what records it."""
    return xp is np or xp is library


# Whether there are shorter ways than the plain door and the plain formula; see `op.plain`.
shortcuts = SimpleNamespace(enabled=os.environ.get("MINITORCH_PLAIN") != "1")


def has_kernels(x: Any) -> bool:
    """Whether kernels may stand in for plain ops on this tensor."""
    return x.is_cuda and shortcuts.enabled


def device_of(array: Any) -> device:
    """The device an array lives on."""
    if isinstance(array, (np.ndarray, Recorded, QArray)):
        return CPU
    return device_of(array.samples) if isinstance(array, Batched) else device("cuda", array.device.id)


def mixed_devices(arrays: Iterable) -> RuntimeError | None:
    """torch's error for arrays of several devices; None if they are of one."""
    devices = sorted({str(device_of(a)) for a in arrays}, reverse=True)
    if len(devices) < 2:
        return None
    return RuntimeError(
        f"Expected all tensors to be on the same device, but found at least two devices, {' and '.join(devices)}! "
        "Move one with .to(device)"
    )


def to_numpy(array: Any) -> np.ndarray:
    """The array on the host: itself on the CPU, a copy from a GPU, for which the host waits."""
    if isinstance(array, np.ndarray):
        return array
    refuse("the host would wait for numbers of the GPU (item(), cpu(), tolist(), print)")
    raise_what_was_noted()
    return array.get()


def as_array(xp: ModuleType, value: Any, dtype: Any = None) -> Any:
    """`xp.asarray`, of what may be a number or an array on the host.

    What has no dimensions CuPy fills, so that nothing is copied to the GPU. It writes by memset whatever equals 0, and −0 loses its
    sign: −0 is made of 0.
    """
    if on_host(xp) or not isinstance(value, (bool, int, float, np.ndarray, np.generic)):
        return xp.asarray(value, dtype)
    host = np.asarray(value, dtype)
    if host.ndim:
        refuse("numbers of the host would be copied to the GPU; do it before, and copy_() others into the same tensor")
    made = xp.asarray(host)
    return -made if host.ndim == 0 and host.dtype.kind in "fV" and host == 0 and np.signbit(host) else made


def as_number(xp: ModuleType, value: Any, dtype: Any) -> Any:
    """A number of `dtype` to compute with beside arrays; an array comes back as one.

    On a GPU it is a NumPy scalar: CuPy gives that to its kernel as an argument, where an array would be made by a launch of its own.
    """
    if on_host(xp) or not isinstance(value, (bool, int, float, np.ndarray, np.generic)):
        return xp.asarray(value, dtype)
    return np.asarray(value, dtype)[()]


def as_table(xp: ModuleType, host: Any, dtype: Any = None) -> Any:
    """An array of numbers that depend on sizes and options alone, such as which pixel a place of a resized image takes.

    It is copied to a GPU once, and kept there: it is known by what is in it. Nobody may write into it.
    """
    if on_host(xp) or not isinstance(host, (np.ndarray, list, tuple)):
        return xp.asarray(host, dtype)
    host = np.asarray(host, dtype, order="C")
    if host.ndim == 0 or not host.size:
        return xp.asarray(host)
    if now.capture is not None:
        return now.capture.table(host)
    cuda = xp.cuda  # each stream has tables of its own: they are copied in its turn, and another would not wait for that
    return _kept_table(xp, (cuda.Device().id, cuda.get_current_stream().ptr), host.tobytes(), host.dtype, host.shape)


@functools.lru_cache(256)
def _kept_table(xp: ModuleType, where: tuple[int, int], numbers: bytes, dtype: np.dtype, shape: tuple[int, ...]) -> Any:
    return xp.asarray(np.frombuffer(numbers, dtype).reshape(shape))


def adopted(foreign: Any) -> Any:
    """An array on the memory of any object with `__dlpack__`, where that memory is."""
    device_type, _ = foreign.__dlpack_device__()
    return (_cupy() if device_type == _DLPACK_CUDA else np).from_dlpack(foreign)


def on_a_gpu(foreign: Any) -> Any:
    """An array on the memory of an object with `__cuda_array_interface__`, which is on a GPU; None if it is no such object."""
    if isinstance(foreign, (np.ndarray, list, tuple, int, float)) or not hasattr(foreign, "__cuda_array_interface__"):
        return None
    return _cupy().asarray(foreign)


_DLPACK_CUDA = 2

# ---- what is checked on a GPU ----

_noted: dict[tuple[type, str], Any] = {}  # an error and its words -> whether all is well: a bool on the GPU
_replayed: dict[int, tuple[Any, type, str]] = {}  # the flags of graphs that have been replayed since


def must_hold(flag: Any, error: type, words: str) -> None:
    """Raise `error(words)` if the flag is False: at once on the host; of a bool on a GPU, once the host waits for it anyway.

    To look at the flag now would make the host wait in every op that takes indices. torch's kernels stop in the same way:
    "device-side assert triggered" comes late as well. Until then a bad index reads some other element, inside the array.
    """
    if isinstance(flag, (bool, np.bool_)):
        if not flag:
            raise error(words)
        return
    if isinstance(flag, Recorded):
        flag.record.check(flag, error, words)
        return
    if now.capture is not None:
        now.capture.watch(flag, error, words)
        return
    before = _noted.get((error, words))
    _noted[error, words] = flag if before is None else before & flag


def replay(capture: Capture) -> None:
    """Launch what was captured, in the current stream; its flags are looked at when the host next waits."""
    capture.replay()
    for flag in capture.flags:
        _replayed[id(flag[0])] = flag


def raise_what_was_noted() -> None:
    """Look at all flags at once; called where the host waits: `item`, `numpy`, `cpu`, `cuda.synchronize`."""
    if not _noted and not _replayed:
        return
    asked = [*_replayed.values(), *((flag, error, words) for (error, words), flag in _noted.items())]
    again = len(_replayed)
    _noted.clear()
    _replayed.clear()
    flags = [flag.reshape(()) for flag, _, _ in asked]
    wrong = [k for k, held in enumerate(xp_of(flags[0]).stack(flags).get()) if not held]
    for k in wrong:
        if k < again:  # the next replay begins anew
            asked[k][0].fill(True)
    for k in wrong[:1]:
        _, error, words = asked[k]
        raise error(f"{words} (in an earlier op: on a GPU this is noticed when the host next waits for it)")


# ---- where the libraries differ ----


def special_functions(xp: ModuleType) -> ModuleType:
    """SciPy's special functions for that library, imported when first used."""
    return importlib.import_module("scipy.special") if on_host(xp) else _cupyx("scipy.special")


def linear_algebra(xp: ModuleType) -> ModuleType:
    """SciPy's linear algebra for that library, imported when first used."""
    return importlib.import_module("scipy.linalg") if on_host(xp) else _cupyx("scipy.linalg")


def telling_failures(xp: ModuleType) -> Any:
    """A block in which xp.linalg raises where a matrix cannot be factorized. CuPy says nothing unless it is told to."""
    return contextlib.nullcontext() if on_host(xp) else _cupyx().errstate(linalg="raise")


def scatter_add(xp: ModuleType, out: Any, index: Any, values: Any) -> None:
    """out[index] += values, in place, where repeated indices all count (`out[index] += values` keeps only one)."""
    name = out.dtype.name
    if not on_host(xp) and name == "int64":  # it has no atomic addition; that of uint64 gives the same bits
        out, values = out.view("uint64"), values.astype(name).view("uint64")
    wide = _ROUNDED_ONCE if on_host(xp) else _ADDED_AS
    if out.dtype.itemsize > 2 or name not in wide:
        xp.add.at(out, index, values)
        return
    total = out.astype(wide[name])
    xp.add.at(total, index, values.astype(total.dtype))
    out[...] = total.astype(out.dtype)


def combine_at(xp: ModuleType, combine: Any, out: Any, index: tuple, values: Any) -> None:
    """out[index] = combine(out[index], values), in place, where repeated indices all count; `combine` is xp.multiply or such.

    CuPy has that for few functions and dtypes: there in rounds, one for each time that a place is met again.
    """
    if on_host(xp):
        combine.at(out, index, values)
        return
    places = (xp.arange(out.size).reshape(out.shape)[index]).reshape(-1)
    row, values = out.reshape(-1), values.reshape(-1)
    while places.size:
        _, first = xp.unique(places, return_index=True)
        row[places[first]] = combine(row[places[first]], values[first])
        rest = xp.ones(places.size, bool)
        rest[first] = False
        places, values = places[rest], values[rest]
    out[...] = row.reshape(out.shape)


_ROUNDED_ONCE = {"float16": "float32", "bfloat16": "float32"}  # a sum of many, rounded at each, would stop growing
_ADDED_AS = _ROUNDED_ONCE | {"bool": "int32", "uint8": "int32", "int8": "int32", "int16": "int32"}  # no atomic addition


def moving(xp: ModuleType, function: Callable, *arrays: Any) -> Any:
    """function(*arrays), which computes nothing and only chooses among their elements.

    On a GPU it gets bfloat16 as bits: CuPy's `where`, and `tril` and `triu`, which are made of it, would give float32.
    """
    dtype = arrays[0].dtype
    if on_host(xp) or dtype.name != "bfloat16":
        return function(*arrays)
    return function(*(a.view("uint16") for a in arrays)).view(dtype)


def index_of_extreme(xp: ModuleType, name: str, x: Any, axis: int | None = None) -> Any:
    """x.argmax(axis) or x.argmin(axis): of several nan the first, where CuPy gives whichever its threads meet first."""
    found = getattr(x, name)(axis)
    if on_host(xp) or x.dtype.kind in "iub":
        return found
    nan = xp.isnan(x)
    return xp.where(nan.any(axis), nan.argmax(axis), found)


def expanded(xp: ModuleType, array: Any, shape: tuple) -> Any:
    """A view of `shape`, stride 0 where it repeats, torch's strides elsewhere; ValueError if the shapes do not fit.

    `broadcast_to` would do, but forbids writing and gives every dimension of size 1 the stride 0.
    """
    new = len(shape) - array.ndim
    strides: list[int] = []
    for d in range(len(shape) - 1, -1, -1):
        size = array.shape[d - new] if d >= new else 1
        if size not in (1, shape[d]):
            raise ValueError(f"cannot expand {array.shape} to {shape}")
        if size != shape[d]:
            strides.append(0)
        elif d >= new:
            strides.append(array.strides[d - new])
        else:
            strides.append(shape[d + 1] * strides[-1] if strides else array.itemsize)
    if new < 0:
        raise ValueError(f"cannot expand {array.shape} to {shape}")
    return xp.lib.stride_tricks.as_strided(array, shape, strides[::-1])
