"""What autocast does to a call: its inputs come to the dtype that a list has for the op, by casts that are recorded like any other.

Whether it is on, and in which dtype, is kept per thread and per device type. A call looks only whether *anybody* listens in any thread
(`active`), so where nobody does, it costs one look at an empty set. The op itself then runs with autocast off: what it is made of is not
cast again. Read next: `autocast_lists.py`; `../amp/autocast_mode.py`, the context manager.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..arrays.device import on_host, xp_of
from ..arrays.dtypes import bfloat16, dtype, float16, float32, float64, from_numpy_dtype
from ..arrays.threads import of_each_thread
from ..autograd.grad_mode import enable_grad, grad_mode, inference_mode
from .autocast_lists import FLOAT32, FLOAT32_RESULT, LOWER, words_for

Tensor: Any = None  # tensor.py sets this to its class: the one place where the import cycle is cut
DEVICES = ("cpu", "cuda")


class _Autocast(threading.local):
    """What one thread has set."""

    def __init__(self) -> None:
        self.enabled = dict.fromkeys(DEVICES, False)
        self.dtype = {"cpu": bfloat16, "cuda": float16}
        self.cache_enabled = True
        self.nesting = 0  # how many regions this thread is in
        self.cache: dict[tuple[int, dtype], tuple[Any, Any]] = {}  # of a weight and a dtype: the weight, and its cast


state = of_each_thread(_Autocast())
active: set[tuple[str, int]] = set()  # who listens at the door, and in which thread: autocast, or a trace (`listening.py`)


def listen(who: str, on: bool) -> None:
    """Say whether somebody listens in this thread."""
    (active.add if on else active.discard)((who, threading.get_ident()))


def switch(device: str, enabled: bool) -> None:
    """Turn it on or off in this thread, for tensors on this type of device."""
    state.enabled[device] = enabled
    listen("autocast", is_on_for_any())


def inside() -> bool:
    """Whether this thread is in a region, or has it on without one."""
    return state.nesting > 0 or is_on_for_any()


def is_on_for_any() -> bool:
    """Whether this thread casts what is on some type of device."""
    return any(state.enabled.values())


class off:
    """In this block nothing is cast on this device (None: on any), for what runs is one op."""

    def __init__(self, device: str | None = None) -> None:
        self.devices = DEVICES if device is None else (device,)

    def __enter__(self) -> None:
        self.outside = {device: state.enabled[device] for device in self.devices}
        state.enabled.update(dict.fromkeys(self.devices, False))

    def __exit__(self, *exc: Any) -> None:
        state.enabled.update(self.outside)


def as_it_is(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """The call, with nothing cast: torch casts no call in place or with `out=`, whose results go where another dtype is."""
    with off():
        return function(*args, **kwargs)


class as_it_was:
    """In this block autocast is as it was where this was made: for what runs again in backward."""

    def __init__(self) -> None:
        self.then = dict(state.enabled), dict(state.dtype), state.cache_enabled

    def __enter__(self) -> None:
        self.outside = dict(state.enabled), dict(state.dtype), state.cache_enabled
        state.nesting += 1
        self._set(*self.then)

    def __exit__(self, *exc: Any) -> None:
        state.nesting -= 1
        if not state.nesting:
            state.cache.clear()
        self._set(*self.outside)

    def _set(self, enabled: dict, dtypes: dict, cache_enabled: bool) -> None:
        for device, value in enabled.items():
            switch(device, value)
        state.dtype.update(dtypes)
        state.cache_enabled = cache_enabled


# ---- a call ----


def concerned(words: dict[str, str], args: tuple, kwargs: dict) -> str | None:
    """The device type on which autocast has a word for this call; None if it leaves the call as it is.

    A call with `out=` is left: its result has the dtype of what is there.
    """
    on = [device for device in words if state.enabled[device]]
    if not on or kwargs.get("out") is not None:
        return None
    there = {_device_of(x) for x in _tensors((*args, *kwargs.values()))}
    return next((device for device in on if device in there), None)


def cast_first(function: Callable, args: tuple, kwargs: dict, *, words: dict[str, str], device: str) -> Any:
    """The call with its inputs cast as the word of its list says, and with autocast off inside."""
    word = words[device]
    if word == FLOAT32_RESULT:
        kwargs = _with_float32_result(function, device, args, kwargs)
    else:
        given = (*args, *kwargs.values())
        target = state.dtype[device] if word == LOWER else float32 if word == FLOAT32 else _widest(device, given)
        args, kwargs = _cast(args, target, device), {name: _cast(x, target, device) for name, x in kwargs.items()}
    with off(device):
        return function(*args, **kwargs)


def _with_float32_result(function: Callable, device: str, args: tuple, kwargs: dict) -> dict:
    """The options with dtype=float32, if the call gives no other and its input is a float that float32 holds."""
    try:
        given = inspect.signature(function).bind_partial(*args, **kwargs).arguments
    except TypeError:  # names that torch has for NumPy's sake, or a mistake, which the op will tell
        given = kwargs
    first = next(_tensors((*args, *kwargs.values())))
    return {**kwargs, "dtype": float32} if given.get("dtype") is None and _is_cast(first, device) else kwargs


def _widest(device: str, given: tuple) -> dtype:
    """float32 if one of the inputs has it, else the region's dtype. float64 has no say; another half precision is refused."""
    found = state.dtype[device]
    for x in _tensors(given):
        if _is_cast(x, device):
            own = from_numpy_dtype(_array_of(x).dtype)
            if float32 in (found, own):
                found = float32
            elif own is not found:
                raise RuntimeError(
                    f"Unexpected floating ScalarType in at::autocast::prioritize: got {own!r} in a region of {found!r}; convert it "
                    "with .float()"
                )
    return found


def is_on(x: Any) -> bool:
    """Whether this thread casts what is on x's device."""
    return bool(active) and state.enabled[_device_of(x)]


def listed_as(name: str, function: Callable) -> Callable:
    """The function, which stands under this name in the lists."""
    words = words_for(name)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if active and (device := concerned(words, args, kwargs)):
            return cast_first(function, args, kwargs, words=words, device=device)
        return function(*args, **kwargs)

    return call if words else function


# ---- inputs ----


def _array_of(x: Any) -> Any:
    return getattr(x, "_array", x)


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor) or (grad_mode.on_arrays and hasattr(x, "strides"))


def _device_of(x: Any) -> str:
    return "cpu" if on_host(xp_of(_array_of(x))) else "cuda"


def _tensors(values: Any) -> Iterator[Any]:
    """The tensors among the values and in lists of them; in a backward that is not recorded, arrays."""
    for x in values:
        if isinstance(x, (list, tuple)):
            yield from _tensors(x)
        elif _is_tensor(x):
            yield x


def _is_cast(x: Any, device: str) -> bool:
    """Whether autocast may convert it: a float on this device, but no float64."""
    dtype = from_numpy_dtype(_array_of(x).dtype)
    return dtype.is_floating_point and dtype is not float64 and _device_of(x) == device


def _cast(value: Any, target: dtype, device: str) -> Any:
    """The value, or those in a list, in the target dtype where autocast may convert them."""
    if isinstance(value, (list, tuple)):
        each = [_cast(x, target, device) for x in value]
        return value._make(each) if hasattr(value, "_make") else type(value)(each)
    if not _is_tensor(value) or not _is_cast(value, device):
        return value
    own = from_numpy_dtype(_array_of(value).dtype)
    if own is target:
        return value
    is_weight = own is float32 and target is state.dtype[device] and isinstance(value, Tensor) and _is_leaf(value)
    return _cached(value, target) if is_weight and state.cache_enabled else _to(value, target)


def _is_leaf(x: Any) -> bool:
    return x._requires_grad and x._grad_fn is None and x._base is None


def _cached(weight: Any, target: dtype) -> Any:
    """A weight's cast, which all calls until the end of the outermost region share: it costs once, and gradients meet in it.

    It is recorded whatever the mode is, for a later call may want the gradient.
    """
    key = (id(weight), target)
    if key not in state.cache:
        with inference_mode(False), enable_grad():
            state.cache[key] = weight, _to(weight, target)
    return state.cache[key][1]


def _to(x: Any, target: dtype) -> Any:
    from ..ops.elementwise import to

    return to(x, target)
