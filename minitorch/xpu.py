"""`minitorch.xpu`: Intel's GPUs, which are not computed on here: there is none, and what needs one says so."""

from __future__ import annotations

from typing import Any, NoReturn

from .rooms import answer_for_what_is_missing as _answer_for_what_is_missing


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing: there is no generator to seed."""


def empty_cache() -> None:
    """Nothing: there is no memory."""


def current_device() -> NoReturn:
    """AssertionError."""
    raise AssertionError("minitorch does not compute on XPU devices")


def synchronize(device: Any = None) -> NoReturn:
    """AssertionError."""
    current_device()


_answer_for_what_is_missing(__name__)
