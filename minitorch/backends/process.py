"""Switches of the whole process that scripts set at their start: deterministic algorithms, denormal numbers, threads, warnings.

Read next: `../arrays/denormals.py`.
"""

from __future__ import annotations

import os

from ..arrays import denormals, determinism, warning
from .switches import check_bool

# ---- deterministic algorithms ----


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Whether an op that may give other numbers on the next run is refused; warn_only: it warns only.

    On the CPU all ops give the same numbers on every run but `put_`, of an index that comes twice. While the mode is on, `empty` and its
    kin are filled with nan or the largest integer, so that nobody uses what happened to be in memory.
    """
    for position, (name, value) in enumerate([("mode", mode), ("warn_only", warn_only)], start=1):
        if not isinstance(value, bool):
            where = f"'{name}' (position {position})" if name == "mode" else f"'{name}'"
            kind = type(value).__name__
            raise TypeError(f"_set_deterministic_algorithms(): argument {where} must be bool, not {kind}")
    determinism.state.enabled, determinism.state.warn_only = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms` is on."""
    return determinism.state.enabled


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether it is to warn only."""
    return determinism.state.warn_only


MODES = ("default", "warn", "error")


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same by one word, or its number: "default" (0), "warn" (1), "error" (2)."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in MODES:
            known = ", ".join(f"`{name}`" for name in MODES)
            raise RuntimeError(f"invalid value of debug_mode, expected one of {known}, but got {debug_mode}")
        debug_mode = MODES.index(debug_mode)
    if not 0 <= debug_mode < len(MODES):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2: see `set_deterministic_debug_mode`."""
    if not determinism.state.enabled:
        return 0
    return 1 if determinism.state.warn_only else 2


# ---- denormal numbers ----


def set_flush_denormal(mode: bool) -> bool:
    """Whether this thread takes numbers too small to be normal (below 1e-38 in float32) for 0; returns whether the processor can.

    >>> minitorch.set_flush_denormal(False) in (True, False)
    True
    """
    check_bool("flush_denormal", mode)
    return denormals.flush(mode)


# ---- threads ----

_interop_threads: int | None = None


def get_num_interop_threads() -> int:
    """How many ops might run at a time: a number that is remembered, for here one op runs after another."""
    return _interop_threads or os.cpu_count() or 1


def set_num_interop_threads(number: int) -> None:
    """Set that number, once in a process."""
    global _interop_threads
    if isinstance(number, bool) or not isinstance(number, int):
        raise RuntimeError(f"set_num_interop_threads expects an int, but got {type(number).__name__}")
    if number < 1:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    if _interop_threads is not None:
        raise RuntimeError(
            "Error: cannot set number of interop threads after parallel work has started or set_num_interop_threads called"
        )
    _interop_threads = number


# ---- warnings ----


def set_warn_always(b: bool, /) -> None:
    """Whether warnings that are told once in a process are told each time."""
    check_bool("setWarnOnlyOnce", b)
    warning.state.always = b


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` set."""
    return warning.state.always
