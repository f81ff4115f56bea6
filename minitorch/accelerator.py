"""`minitorch.accelerator`: whichever GPU there is, asked without naming its maker. Here it is CUDA's, or none.

Without one every question but the first ones is a RuntimeError. Read next: `cuda/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import cuda
from .arrays.device import device as _device
from .arrays.warning import warn
from .rooms import answer_for_what_is_missing as _answer_for_what_is_missing


def is_available() -> bool:
    """Whether there is a GPU. Never raises."""
    return cuda.is_available()


def device_count() -> int:
    """How many there are."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> Any:
    """The device, without a number: `device(type='cuda')`; None where there is none.

    >>> device = minitorch.accelerator.current_accelerator() or minitorch.device("cpu")
    """
    return _device("cuda") if is_available() else None


def current_device_index() -> int:
    """The number of the GPU that is used."""
    return _ask(cuda.current_device)


def set_device_index(device: Any, /) -> None:
    """Use that GPU: a number, a name or a device."""
    _ask(cuda.set_device, device)


def current_device_idx() -> int:
    """`current_device_index` by its older name."""
    warn("Use `current_device_index` instead.", FutureWarning)
    return current_device_index()


def set_device_idx(device: Any, /) -> None:
    """`set_device_index` by its older name."""
    warn("Use `set_device_index` instead.", FutureWarning)
    set_device_index(device)


class device_index:
    """In the block, use that GPU; None changes nothing."""

    def __init__(self, device: int | None, /) -> None:
        self._wanted = device

    def __enter__(self) -> None:
        if self._wanted is not None:
            self._before = current_device_index()
            set_device_index(self._wanted)

    def __exit__(self, *error: object) -> None:
        if self._wanted is not None:
            set_device_index(self._before)


def synchronize(device: Any = None, /) -> None:
    """Wait until the GPU has done all it was given."""
    _ask(cuda.synchronize, device)


def current_stream(device: Any = None, /) -> cuda.Stream:
    """The stream that ops are given to now."""
    return _ask(cuda.current_stream, device)


def set_stream(stream: cuda.Stream) -> None:
    """From here on ops are given to that stream."""
    _ask(cuda.set_stream, stream)


def empty_cache() -> None:
    """Give the pool's free memory back to the GPU."""
    _ask(cuda.empty_cache)


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes that arrays hold on the GPU."""
    return _ask(cuda.memory_allocated, device_index)


def memory_reserved(device_index: Any = None, /) -> int:
    """Bytes that the pool holds, used and free."""
    return _ask(cuda.memory_reserved, device_index)


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The most bytes that arrays have held."""
    return _ask(cuda.max_memory_allocated, device_index)


def max_memory_reserved(device_index: Any = None, /) -> int:
    """The most bytes that the pool has held."""
    return _ask(cuda.max_memory_reserved, device_index)


def memory_stats(device_index: Any = None, /) -> dict[str, int]:
    """What is counted, by name: see `cuda.memory_stats`."""
    return _ask(cuda.memory_stats, device_index)


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Count the peaks anew."""
    _ask(cuda.reset_peak_memory_stats, device_index)


def reset_accumulated_memory_stats(device_index: Any = None, /) -> None:
    """Count what came and went anew."""
    _ask(cuda.reset_accumulated_memory_stats, device_index)


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """(free, total) bytes of the GPU."""
    return _ask(cuda.mem_get_info, device_index)


def _ask(question: Callable, *args: Any) -> Any:
    if not is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return question(*args)


_answer_for_what_is_missing(__name__)
