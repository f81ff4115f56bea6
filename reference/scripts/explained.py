"""Differences that have an explanation, each in words; a script ends there, and they are counted."""

from __future__ import annotations

import re
from typing import Any

from .compare import Difference, array_of

# What turns a difference in a last bit into another result.
DECIDES = re.compile(
    r"[<>=!]=|[<>]|//|%|floor|ceil|round|trunc|frac|sign|arg|sort|max|min|median|kthvalue|topk|where|masked|mask|relu|thresh|hard"
    r"|shrink|clamp|clip|int|long|bool|uint8|unique|nonzero|eq|ne|lt|le|gt|ge|equal|any|all|remainder|fmod|abs|elu|dropout|l1_|huber|heaviside|norm|dist"
)


def explanation(text: str, difference: Difference, errors: list[Any], before: list[tuple[Any, bytes, bytes]]) -> str:
    """The words for a difference that is nobody's fault; "" for one that is.

    before: the tensors that the statement names, ours, with the bytes of both before it.
    """
    same_bits = all(ours == theirs for _, ours, theirs in before)
    if not same_bits and DECIDES.search(text) and difference.what in ("values", "value", "number", "array"):
        return "decided by a last bit"
    if "INTERNAL ASSERT" in str(errors[1]):
        return "torch fails an assertion of its own"
    unchanged = all(array_of(t).tobytes() == ours for t, ours, _ in before)
    if None not in errors and unchanged and difference.what in ("values", "shape", "version", "stride()", "requires_grad"):
        return "torch had changed something before it raised"
    return ""
