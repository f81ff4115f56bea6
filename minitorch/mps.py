"""`minitorch.mps`: Apple's GPUs, which are not computed on here: there is none, and what needs one says so."""

from __future__ import annotations

from typing import NoReturn

from .rooms import answer_for_what_is_missing as _answer_for_what_is_missing


def is_available() -> bool:
    """False, on a Mac too."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator to seed."""


def seed() -> NoReturn:
    """RuntimeError."""
    _refuse("getDefaultGenerator")


def synchronize() -> NoReturn:
    """RuntimeError."""
    _refuse("deviceSynchronize")


def empty_cache() -> NoReturn:
    """RuntimeError."""
    _refuse("emptyCache")


def current_allocated_memory() -> NoReturn:
    """RuntimeError."""
    _refuse("getCurrentAllocatedMemory")


def driver_allocated_memory() -> NoReturn:
    """RuntimeError."""
    _refuse("getDriverAllocatedMemory")


def _refuse(what: str) -> NoReturn:
    raise RuntimeError(f"Cannot execute {what}() without MPS backend.")


_answer_for_what_is_missing(__name__)
