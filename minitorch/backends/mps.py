"""`minitorch.backends.mps`: Apple's GPUs, which are not computed on here."""

from __future__ import annotations


def is_built() -> bool:
    """False."""
    return False


def is_available() -> bool:
    """False, on a Mac too."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """RuntimeError: there is nothing that could be asked."""
    raise RuntimeError("Cannot execute isOnMacOSorNewer() without MPS backend.")
