"""Whether ops are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`.

The switch is one attribute, kept per thread. Each class here is both a context manager and a decorator.
Read next: `engine.py`.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

from ..arrays.threads import of_each_thread
from ..arrays.warning import warn


class _GradMode(threading.local):
    enabled = True
    inference = False
    asked = False  # whether, in inference mode, somebody has asked to record: nothing is, but he is told so
    on_arrays = False  # whether this thread is in a backward that is not recorded: its derivatives compute with bare arrays


grad_mode = of_each_thread(_GradMode())
inference_blocks: list[Any] = []  # the inference_mode blocks that any thread is in: if none, nobody looks further


def is_grad_enabled() -> bool:
    """Whether ops are being recorded in this thread."""
    return grad_mode.enabled or (grad_mode.inference and grad_mode.asked)


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside `inference_mode`."""
    return grad_mode.inference


def _now() -> tuple[bool, bool, bool]:
    return grad_mode.enabled, grad_mode.inference, grad_mode.asked


class _Switch:
    """Set the mode on entry, put the old one back on exit; as a decorator, around every call."""

    def __init__(self, enabled: bool, inference: bool | None = None):
        self._enabled, self._inference = enabled, inference
        self._previous: list[tuple[bool, bool, bool]] = []

    def __enter__(self) -> None:
        self._previous.append(_now())
        if self._inference:
            inference_blocks.append(self)
        self._apply()

    def _apply(self) -> None:
        if self._inference is not None:
            grad_mode.inference = self._inference
        grad_mode.asked = self._enabled
        grad_mode.enabled = self._enabled and not grad_mode.inference

    def __exit__(self, *exc: Any) -> None:
        if self._inference:
            inference_blocks.pop()
        grad_mode.enabled, grad_mode.inference, grad_mode.asked = self._previous.pop()

    def __call__(self, function: Callable) -> Callable:
        if inspect.isclass(function):
            warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate functions or "
                "methods. To preserve the current behavior of class decoration, you can directly decorate the `__init__` method "
                "and nothing else.",
                FutureWarning,
            )
        if inspect.isgeneratorfunction(function):
            return _around_generator(self._clone, function)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self._clone():
                return function(*args, **kwargs)

        return wrapper

    def _clone(self) -> _Switch:
        return _Switch(self._enabled, self._inference)


def _around_generator(switch: Callable[[], _Switch], function: Callable) -> Callable:
    """A decorated generator runs each of its steps in the mode, and its caller never does."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        resume, value = generator.send, None
        while True:
            try:
                with switch():
                    item = resume(value)
            except StopIteration as stop:
                return stop.value
            try:
                resume, value = generator.send, (yield item)
            except GeneratorExit:
                with switch():
                    generator.close()
                raise
            except BaseException as error:
                resume, value = generator.throw, error

    return wrapper


class no_grad(_Switch):
    """Record nothing in this block: results do not require grad.

    >>> x = minitorch.ones(1, requires_grad=True)
    >>> with no_grad():
    ...     (x * 2).requires_grad
    False
    """

    def __init__(self, function: Callable | None = None) -> None:
        super().__init__(False)

    def __new__(cls, function: Callable | None = None) -> Any:
        """`@no_grad` without parentheses decorates too, as in torch."""
        return super().__new__(cls) if function is None else cls()(function)


class enable_grad(_Switch):
    """Record in this block, inside a `no_grad` too."""

    def __init__(self, function: Callable | None = None) -> None:
        super().__init__(True)

    def __new__(cls, function: Callable | None = None) -> Any:
        """`@enable_grad` without parentheses decorates too, as in torch."""
        return super().__new__(cls) if function is None else cls()(function)


class set_grad_enabled(_Switch):
    """Record or not from this call on; as a context manager, until the block ends."""

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}")
        super().__init__(mode)
        self._before = _now()
        self._apply()

    def __enter__(self) -> None:
        self._previous.append(self._before)
        self._apply()

    def __call__(self, function: Callable) -> Callable:
        grad_mode.enabled, _, grad_mode.asked = self._before  # used as a decorator: the call itself must not switch the mode
        return super().__call__(function)


class inference_mode(_Switch):
    """`no_grad` for code whose results will never be differentiated: the tensors made inside count no versions.

    Outside they can be read and computed with, but not saved for backward, written to, or made to require grad.

    >>> with inference_mode():
    ...     x = minitorch.ones(2)
    >>> x.is_inference()
    True
    """

    def __init__(self, mode: Any = True) -> None:
        super().__init__(not mode, bool(mode))

    def __new__(cls, mode: Any = True) -> Any:
        """`@inference_mode` without parentheses decorates too, as in torch."""
        return super().__new__(cls) if isinstance(mode, bool) else cls()(mode)


class users_code:
    """Within this block a user's own code runs (a hook, a Function): what ops are called with are Tensors, as everywhere."""

    def __enter__(self) -> None:
        self.outside, grad_mode.on_arrays = grad_mode.on_arrays, False

    def __exit__(self, *exc: Any) -> None:
        grad_mode.on_arrays = self.outside
