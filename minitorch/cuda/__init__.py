"""`minitorch.cuda`: which GPU there is, what it holds, waiting for it, streams and events. Everything is asked of CuPy.

CuPy is imported when something is asked, and may be missing: then there is no GPU, and what needs one says what to install.
One GPU a process: the current one. Read next: `minitorch/arrays/device.py`, where CPU and GPU part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..arrays.capturing import refuse
from ..arrays.device import as_device, device, has_gpu, raise_what_was_noted
from ..arrays.gpu_memory import OutOfMemoryError
from ..rooms import when_used as _when_used
from ..tensor.legacy import ON_CUDA
from .memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_stats,
    memory_stats_as_nested_dict,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_peak_memory_stats,
)
from .random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)

with _when_used(__name__):
    from . import amp  # the old names

# `cuda.FloatTensor` and its kin: the types by which tensors were once made.
(ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, BoolTensor, HalfTensor, BFloat16Tensor, FloatTensor,
 DoubleTensor) = ON_CUDA.values()  # fmt: skip

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor",
    "LongTensor", "OutOfMemoryError", "ShortTensor", "CUDAGraph", "Event", "Stream", "current_device", "current_stream", "default_stream", "device_count", "empty_cache",
    "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state", "get_rng_state_all", "graph", "graph_pool_handle", "init",
    "initial_seed", "is_available", "is_bf16_supported", "is_current_stream_capturing", "is_initialized", "make_graphed_callables", "manual_seed", "manual_seed_all",
    "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_reserved", "memory_stats",
    "memory_stats_as_nested_dict", "memory_summary", "reset_accumulated_memory_stats", "reset_peak_memory_stats", "seed", "seed_all", "set_device",
    "set_rng_state", "set_rng_state_all", "set_stream", "stream", "synchronize",
]  # fmt: skip


def _cupy() -> Any:
    """CuPy, or a RuntimeError that says what is missing and what to install."""
    return device("cuda").xp


# ---- which GPU ----


def is_available() -> bool:
    """Whether CuPy is installed and finds a GPU. Never raises.

    >>> minitorch.cuda.is_available() == (minitorch.cuda.device_count() > 0)
    True
    """
    return has_gpu()


def is_initialized() -> bool:
    """Whether a GPU can be used: there is nothing to initialise."""
    return is_available()


def init() -> None:
    """Nothing, or the error that says why no GPU can be used."""
    _cupy()


def device_count() -> int:
    """How many GPUs there are; 0 where CuPy or the driver is missing."""
    return _cupy().cuda.runtime.getDeviceCount() if is_available() else 0


def current_device() -> int:
    """The number of the GPU that `device="cuda"` means."""
    return _cupy().cuda.Device().id


def set_device(device: Any) -> None:
    """Make that GPU the one `device="cuda"` means, before anything is put on one."""
    _cupy().cuda.Device(_number(device)).use()


def get_device_name(device: Any = None) -> str:
    """The GPU's name, such as "NVIDIA H200"."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """(major, minor) of the GPU's compute capability."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


class Properties(NamedTuple):
    """What `get_device_properties` tells: memory in bytes, and the compute capability major.minor."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int


def get_device_properties(device: Any = None) -> Properties:
    """Name, compute capability, memory and number of multiprocessors of the GPU."""
    found = _cupy().cuda.runtime.getDeviceProperties(_number(device))
    return Properties(
        found["name"].decode(), found["major"], found["minor"], found["totalGlobalMem"], found["multiProcessorCount"]
    )


def is_bf16_supported() -> bool:
    """Whether the GPU computes with bfloat16 itself (from compute capability 8.0 on)."""
    return is_available() and get_device_capability() >= (8, 0)


def _number(spec: Any) -> int:
    """A GPU's number from None (the current one), a number, "cuda:1" or a device."""
    if isinstance(spec, int):
        return spec
    index = None if spec is None else device(spec).index
    return current_device() if index is None else index


# ---- waiting ----


def synchronize(device: Any = None) -> None:
    """Wait until the GPU has done all it was given; a bad index in it is raised here."""
    refuse("the host would wait for the GPU (synchronize())")
    _cupy().cuda.Device(_number(device)).synchronize()
    raise_what_was_noted()


# ---- streams and events ----


class Stream:
    """A queue of work on the GPU; work in two of them may run at the same time. `with s:` or `with cuda.stream(s):` uses it."""

    def __init__(self, device: Any = None, priority: int = 0, *, _made: Any = None) -> None:
        cuda = _cupy().cuda
        as_device("cuda" if device is None else device)
        self._made = _made or cuda.Stream(non_blocking=True, priority=priority)

    @property
    def cuda_stream(self) -> int:
        """CUDA's handle of the stream, for other libraries."""
        return self._made.ptr

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.cuda_stream == other.cuda_stream

    def __hash__(self) -> int:
        return hash(self.cuda_stream)

    def __enter__(self) -> Stream:
        self._made.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._made.__exit__(*error)

    def synchronize(self) -> None:
        """Wait until all work in this stream is done."""
        self._made.synchronize()
        raise_what_was_noted()

    def query(self) -> bool:
        """Whether all work in this stream is done."""
        return self._made.done

    def record_event(self, event: Event | None = None) -> Event:
        """An event that is reached once the work given so far is done."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Work given to this stream from here on starts after the event."""
        self._made.wait_event(event._made)

    def wait_stream(self, stream: Stream) -> None:
        """Work given to this stream from here on starts after what the other one has been given."""
        self.wait_event(stream.record_event())


class Event:
    """A mark in a stream: to wait for, and with `enable_timing=True` to measure the time between two of them."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False) -> None:
        self._made = _cupy().cuda.Event(block=blocking, disable_timing=not enable_timing)

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark after the work that the stream has been given."""
        self._made.record((stream or current_stream())._made)

    def wait(self, stream: Stream | None = None) -> None:
        """Make the stream wait for this event."""
        (stream or current_stream()).wait_event(self)

    def query(self) -> bool:
        """Whether the event has been reached."""
        return self._made.done

    def synchronize(self) -> None:
        """Wait for the event."""
        self._made.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to the other; both must have been reached."""
        return _cupy().cuda.get_elapsed_time(self._made, end_event._made)


def current_stream(device: Any = None) -> Stream:
    """The stream that ops are given to now."""
    return Stream(device, _made=_cupy().cuda.get_current_stream())


def default_stream(device: Any = None) -> Stream:
    """The stream that ops are given to where no other is chosen; it is torch's default stream, too."""
    return Stream(device, _made=_cupy().cuda.Stream.null)


def set_stream(stream: Stream | None) -> None:
    """From here on ops are given to that stream; None changes nothing."""
    if stream is not None:
        stream._made.use()


@contextlib.contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """In the block, ops are given to that stream; None changes nothing."""
    with stream or contextlib.nullcontext():
        yield


from .graphs import (
    CUDAGraph,
    graph,
    graph_pool_handle,
    is_current_stream_capturing,
    make_graphed_callables,
)
