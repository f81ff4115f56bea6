"""`autocast`: a region in which each op chooses its dtype; `custom_fwd` and `custom_bwd`, for a Function inside one.

What happens to a call is in `../op/autocast.py`, which op goes to which dtype in `../op/autocast_lists.py`. Here are the switches.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np

from ..arrays.device import has_gpu
from ..arrays.dtypes import bfloat16, dtype, float16, float64
from ..arrays.warning import warn
from ..op.autocast import DEVICES, state, switch
from ..tensor import Tensor

HALF = (bfloat16, float16)
UNAVAILABLE = ("mps", "xpu", "hpu", "mtia", "maia", "xla", "ipu")  # torch has autocast for these, and this library no device


def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for this type of device: for "cpu" and "cuda"."""
    return _checked(device_type, "is_autocast_available") in DEVICES


class autocast:
    """In this block products compute in half precision and what needs more in float32, whatever the dtypes of their inputs.

    device_type: "cpu" or "cuda": tensors on others are left alone. dtype: bfloat16 or float16; by default bfloat16 on the CPU,
    float16 on a GPU. enabled=False: a block in which nothing is cast. cache_enabled: a weight is cast once, for all its uses up to the
    end of the outermost region. As a decorator, around every call. Put forward and the loss inside, backward and the optimizer outside.

    >>> with autocast("cpu"):
    ...     y = minitorch.ones(2, 2) @ minitorch.ones(2, 2)
    ...     loss = minitorch.nn.functional.mse_loss(y, minitorch.zeros(2, 2))
    >>> y.dtype, loss.dtype
    (minitorch.bfloat16, minitorch.float32)
    """

    def __init__(
        self, device_type: str, dtype: dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`; e.g. x.device.type")
        if not is_autocast_available(device_type):
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{device_type}'; there are 'cpu' and 'cuda'"
            )
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = state.cache_enabled if cache_enabled is None else cache_enabled
        self._enabled = enabled and self._is_possible()
        self._outside: list[tuple] = []  # one instance may be entered again, by a decorated function that calls itself

    def _is_possible(self) -> bool:
        if self.device == "cuda" and not has_gpu():
            warn("CUDA is not available. Disabling autocast: nothing is cast. For tensors on the CPU write autocast('cpu').")
            return False
        if self.device == "cuda":
            from ..cuda import is_bf16_supported

            if self.fast_dtype is bfloat16 and not is_bf16_supported():
                raise RuntimeError("Current CUDA Device does not support bfloat16. Please switch dtype to float16.")
        elif self.fast_dtype not in HALF:
            warn(
                f"In {self.device.upper()} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{self.device.upper()} Autocast only supports dtypes of {', '.join(map(repr, HALF))} currently, not "
                f"{self.fast_dtype!r}."
            )
            return False
        return True

    def __enter__(self) -> autocast:
        _must_be_a_dtype(self.fast_dtype)
        self._outside.append((state.enabled[self.device], state.dtype[self.device], state.cache_enabled))
        autocast_increment_nesting()
        self._set(self._enabled, self.fast_dtype, self._cache_enabled)
        return self

    def __exit__(self, *exc: Any) -> Literal[False]:
        if autocast_decrement_nesting() == 0:
            clear_autocast_cache()
        self._set(*self._outside.pop())
        return False

    def _set(self, enabled: bool, dtype: dtype, cache_enabled: bool) -> None:
        switch(self.device, enabled)
        state.dtype[self.device], state.cache_enabled = dtype, cache_enabled

    def __call__(self, function: Callable) -> Callable:
        if not callable(function):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(function).__name__}. Did you mean to use autocast as a "
                "context manager? For example:\n    with minitorch.autocast(device_type=...):\n        output = model(input)"
            )
        return autocast_decorator(self, function)


def autocast_decorator(autocast_instance: autocast, func: Callable) -> Callable:
    """The function, in the region whenever it is called."""

    @functools.wraps(func)
    def decorate_autocast(*args: Any, **kwargs: Any) -> Any:
        with autocast_instance:
            return func(*args, **kwargs)

    return decorate_autocast


# ---- the switches themselves, as torch has them at its top level ----


def _checked(device_type: str, name: str) -> str:
    if not isinstance(device_type, str):
        raise TypeError(f"{name}(): argument 'device_type' (position 1) must be str, not {type(device_type).__name__}")
    if device_type not in (*DEVICES, *UNAVAILABLE, "meta"):
        raise RuntimeError(f"Expected one of cpu, cuda device type at start of device string: {device_type}")
    return device_type


def _known(device_type: str, name: str) -> str:
    if _checked(device_type, name) not in DEVICES:
        raise RuntimeError(f"unknown device type for autocast: {device_type}; there are 'cpu' and 'cuda'")
    return device_type


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether this thread casts what is on this type of device; without one, on "cuda"."""
    return state.enabled["cuda" if device_type is None else _known(device_type, "is_autocast_enabled")]


def set_autocast_enabled(device_type: Any, enabled: Any = None) -> None:
    """Cast from now on, or not. `autocast` does it for a block. Given a bool alone: on "cuda"."""
    device, value = ("cuda", device_type) if enabled is None else (_known(device_type, "set_autocast_enabled"), enabled)
    if not isinstance(value, bool):
        position = 1 if enabled is None else 2
        raise TypeError(
            f"set_autocast_enabled(): argument 'enabled' (position {position}) must be bool, not {type(value).__name__}"
        )
    switch(device, value)


def get_autocast_dtype(device_type: str) -> dtype:
    """The half precision that a region of this device type has unless it is told another."""
    return state.dtype[_known(device_type, "get_autocast_dtype")]


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """The half precision of regions from now on."""
    _must_be_a_dtype(dtype)
    state.dtype[_known(device_type, "set_autocast_dtype")] = dtype


_dtype = dtype  # where a parameter has its name


def _must_be_a_dtype(dtype: Any) -> None:
    if not isinstance(dtype, _dtype):
        raise TypeError(
            f"set_autocast_dtype(): argument 'dtype' (position 2) must be minitorch.dtype, not {type(dtype).__name__}"
        )


def is_autocast_cache_enabled() -> bool:
    """Whether a weight's cast is kept for its next use."""
    return state.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Keep a weight's cast for its next use, or not."""
    if not isinstance(enabled, bool):
        raise TypeError(f"set_autocast_cache_enabled(): argument 'enabled' must be bool, not {type(enabled).__name__}")
    state.cache_enabled = enabled


def clear_autocast_cache() -> None:
    """Forget the casts of weights: after they have changed within a region, for example."""
    state.cache.clear()


def autocast_increment_nesting() -> int:
    """One region further in: the number of regions that this thread is in."""
    state.nesting += 1
    return state.nesting


def autocast_decrement_nesting() -> int:
    """One region further out."""
    state.nesting -= 1
    return state.nesting


def _old(name: str, now: str, function: Callable) -> Callable:
    """One of the switches from when each device had its own."""

    def old(*args: Any) -> Any:
        warn(f"minitorch.{name}() is deprecated. Please use minitorch.{now} instead.", DeprecationWarning)
        return function(*args)

    old.__name__ = old.__qualname__ = name
    old.__doc__ = f"The old name of `{now}`."
    return old


is_autocast_cpu_enabled = _old(
    "is_autocast_cpu_enabled", "is_autocast_enabled('cpu')", functools.partial(is_autocast_enabled, "cpu")
)
set_autocast_cpu_enabled = _old(
    "set_autocast_cpu_enabled", "set_autocast_enabled('cpu', enabled)", functools.partial(set_autocast_enabled, "cpu")
)
get_autocast_cpu_dtype = _old(
    "get_autocast_cpu_dtype", "get_autocast_dtype('cpu')", functools.partial(get_autocast_dtype, "cpu")
)
set_autocast_cpu_dtype = _old(
    "set_autocast_cpu_dtype", "set_autocast_dtype('cpu', dtype)", functools.partial(set_autocast_dtype, "cpu")
)
get_autocast_gpu_dtype = _old(
    "get_autocast_gpu_dtype", "get_autocast_dtype('cuda')", functools.partial(get_autocast_dtype, "cuda")
)
set_autocast_gpu_dtype = _old(
    "set_autocast_gpu_dtype", "set_autocast_dtype('cuda', dtype)", functools.partial(set_autocast_dtype, "cuda")
)


# ---- a derivative of your own, inside a region ----


def _cast(value: Any, device_type: str, dtype: dtype) -> Any:
    """A Tensor, or those in tuples, lists and dicts, in that dtype, where it is a float on that device and no float64."""
    if isinstance(value, Tensor):
        eligible = value.is_floating_point() and value.device.type == device_type and value.dtype is not float64
        return value.to(dtype) if eligible else value
    if isinstance(value, (str, bytes, np.ndarray)):
        return value
    if isinstance(value, Mapping):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, Iterable):
        each = (_cast(v, device_type, dtype) for v in value)
        return type(value)(each) if isinstance(value, (list, tuple)) else each  # type: ignore[call-arg]
    return value


def _must_be_a_name(device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`; e.g. 'cpu'")


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: dtype | None = None) -> Any:
    """Decorator for the `forward` of an `autograd.Function`: it remembers the region for `custom_bwd`.

    cast_inputs: within a region its floating inputs come to this dtype, and forward runs with autocast off.
    """
    _must_be_a_name(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorate_fwd(*args: Any, **kwargs: Any) -> Any:
        ctx, is_on = args[0], is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = is_on and cast_inputs is None
        if cast_inputs is None or not is_on:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return decorate_fwd


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Any:
    """Decorator for the `backward` of an `autograd.Function`: it runs in the region, or none, that forward ran in."""
    _must_be_a_name(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorate_bwd(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return decorate_bwd
