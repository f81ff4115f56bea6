"""`minitorch.backends.mkldnn`: switches of a library that is not used here, so they switch nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager

from .switches import Switch, switched, with_attributes


def is_available() -> bool:
    """False: NumPy computes here."""
    return False


def flags(enabled: bool = False, deterministic: bool = False) -> AbstractContextManager[None]:
    """In the block, the switches are so."""
    return switched(__name__, {"enabled": enabled, "deterministic": deterministic})


with_attributes(
    __name__,
    enabled=Switch("set_enabled_mkldnn", True),
    deterministic=Switch("set_deterministic_mkldnn", False),
)
