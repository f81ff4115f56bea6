"""Small real data that ships inside the package, each file with its source and licence beside it."""

from __future__ import annotations

from .digits import load_digits
from .names import load_names

__all__ = ["load_digits", "load_names"]
