"""Switches from outside a compiled function: what may become a program at the moment, which functions never do, forgetting all programs.

Names and errors are those of `torch.compiler`. Read next: `step.py`, which asks.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from ..arrays.recorded import running

STANCES = (
    "default", "eager_then_compile", "aot_eager_then_compile", "force_eager", "eager_on_recompile", "fail_on_recompile",
)  # fmt: skip
compiled: weakref.WeakSet = weakref.WeakSet()  # all compiled functions


class _Stance:
    """The stance at the moment."""

    def __init__(self) -> None:
        self.name, self.runs_programs = "default", True

    def set(self, name: str) -> None:
        """Take another."""
        self.name, self.runs_programs = name, name != "force_eager"


stance = _Stance()


class set_stance:
    """What compiled functions do from now on, or in a `with` block, or in the decorated function.

    "default"; "force_eager": they run as they are; "eager_on_recompile": what no program fits runs as it is; "fail_on_recompile": it is
    an error. "eager_then_compile" and "aot_eager_then_compile" are as the default, whose first calls are the function itself.
    """

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None) -> None:
        """skip_guard_eval_unsafe, force_backend: torch's; conditions are always looked at, and backends are what they were."""
        if force_backend is not None and stance != "default":
            raise RuntimeError("non-default stance cannot have force_backend set")
        if stance not in STANCES:
            raise RuntimeError(f"invalid stance: {stance!r}, expected one of {', '.join(STANCES)}")
        self.stance, self.before = stance, _now().name
        _now().set(stance)

    def __enter__(self) -> None:
        _now().set(self.stance)

    def __exit__(self, *error: Any) -> None:
        _now().set(self.before)

    def __call__(self, function: Callable) -> Callable:
        """A decorator."""
        _now().set(self.before)

        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with set_stance(self.stance):
                return function(*args, **kwargs)

        return within


def _now() -> _Stance:
    return stance


def disabled(function: Any, reason: str | None) -> Any:
    """The function, which no program calls: where it is called a step is in pieces."""
    name = getattr(function, "__name__", type(function).__name__)
    because = f" ({reason})" if reason else ""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        record = running.record
        if record is None:
            return function(*args, **kwargs)
        record.fail(f"it calls {name}, which minitorch.compiler.disable leaves to Python{because}")
        return function(*args, **kwargs)

    call.is_disabled = True  # type: ignore[attr-defined]
    return call


def forget_all() -> None:
    """Compiled functions are as before their first call."""
    for each in compiled:
        each.forget()
