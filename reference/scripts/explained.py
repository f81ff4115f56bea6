"""Differences that have an explanation, each in words; a script ends there, and they are counted."""

from __future__ import annotations

import re
from typing import Any

from .compare import Difference

# What turns a difference in a last bit into another result.
DECIDES = re.compile(
    r"[<>=!]=|[<>]|//|%|floor|ceil|round|trunc|frac|sign|arg|sort|max|min|median|kthvalue|topk|where|masked|mask|relu|thresh|hard"
    r"|shrink|clamp|clip|int|long|bool|uint8|unique|nonzero|eq|ne|lt|le|gt|ge|equal|any|all|remainder|fmod|abs|elu|dropout|l1_|huber|heaviside|norm|dist"
)


def explanation(text: str, difference: Difference, errors: list[Any], same_bits: bool) -> str:
    """The words for a difference that is nobody's fault; "" for one that is."""
    if not same_bits and DECIDES.search(text) and difference.what in ("values", "value", "number", "array"):
        return "decided by a last bit"
    if "INTERNAL ASSERT" in str(errors[1]):
        return "torch fails an assertion of its own"
    return ""
