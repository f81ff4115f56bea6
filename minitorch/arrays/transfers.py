"""Copies between the CPU and a GPU: when the host waits for one, and what must stay in memory until it is done.

A GPU copies by itself from and to page-locked ("pinned") memory, while the host goes on; from other memory CuPy makes a pinned copy first. A
copy from pinned memory is waited for unless the caller says `non_blocking`, since the caller may write there next. What is on its way, or
used by another stream, is kept in a list beside an event: once the event has been reached it may go.
Read next: `device.py`.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from . import device as devices
from .device import device, has_gpu, to_numpy
from .memory import owner


def pinned(array: np.ndarray) -> np.ndarray:
    """A copy in page-locked memory, from which the GPU copies by itself. RuntimeError without a GPU."""
    if not has_gpu():
        raise RuntimeError("Cannot access accelerator device when none is available: memory is page-locked for a GPU only")
    copy = devices._cupyx().empty_like_pinned(array)
    copy[...] = array
    return copy


def is_pinned(owner: Any) -> bool:
    """Whether an array that owns its memory, or has it from CuPy, is in page-locked memory."""
    return has_gpu() and isinstance(owner.base, devices._cupy().cuda.PinnedMemoryPointer)


def moved(array: Any, target: device, non_blocking: bool = False) -> Any:
    """A copy of the array on another device.

    non_blocking: the host does not wait. To the CPU the copy is in pinned memory, and its numbers are there once the stream has been waited
    for; from pinned memory nobody may write to the source until then.
    """
    if target.type == "cpu":
        return _fetched(array) if non_blocking and not isinstance(array, np.ndarray) else to_numpy(array).copy()
    host = to_numpy(array)
    if not non_blocking and host.ndim and is_pinned(owner(host)):
        return target.xp.asarray(host, blocking=True)
    return devices.as_array(target.xp, host)


def _fetched(array: Any) -> np.ndarray:
    """A copy on the host that is on its way."""
    host = devices._cupyx().empty_pinned(array.shape, array.dtype)
    array.get(out=host, blocking=False)
    keep_until_done((array, host), devices._cupy().cuda.get_current_stream())
    return host


# ---- what must stay ----

_in_use: list[tuple[Any, Any]] = []  # (an event, what may go once it has been reached)


def keep_until_done(what: Any, stream: Any, event: Any = None) -> None:
    """Keep an object until the stream has done what it has been given so far: until the event, which is put there."""
    _in_use[:] = [(reached, kept) for reached, kept in _in_use if not reached.done]
    event = event or devices._cupy().cuda.Event(disable_timing=True)
    event.record(stream)
    _in_use.append((event, what))


def used_by(tensor: Any, stream: Any) -> None:
    """When the tensor goes, keep its memory until the stream has done what it has been given by then.

    CuPy's pool gives memory that is free to the next array of the stream it was made in, which does not wait for other streams.
    """
    event = devices._cupy().cuda.Event(disable_timing=True)
    weakref.finalize(tensor, keep_until_done, tensor._array, stream, event).atexit = False
