"""What an option may be: argparse's `type=` for whole numbers, positive numbers and shares. What does not fit is told in one line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def whole(least: int) -> Callable[[str], int]:
    """A whole number, at least that."""

    def whole_number(text: str) -> int:
        if not text.strip().isdecimal() or not least <= int(text) < 2**63:
            raise argparse.ArgumentTypeError(f"expected a whole number, at least {least}, got {text!r}")
        return int(text)

    return whole_number


def positive(text: str) -> float:
    """A finite number above 0."""
    return _number(text, lambda x: 0 < x < math.inf, "a number above 0")


def share(text: str) -> float:
    """A number from 0 to below 1."""
    return _number(text, lambda x: 0 <= x < 1, "a number from 0 to below 1")


def _number(text: str, fits: Callable[[float], bool], expected: str) -> float:
    try:
        if fits(float(text)):
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
