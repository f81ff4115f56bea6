"""`Keys`: what keys cost in a dict. Keys that have one hash are compared each with all before it, and a file can be full of such keys.

Texts have hashes that nobody can foresee, small integers have hashes of their own. Read next: `unpickler.py`, which counts work.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from typing import Any

_DISTINCT = sys.hash_info.modulus  # integers of less have hashes of their own


class Keys:
    """How many keys of which hash each dict has been given."""

    def __init__(self) -> None:
        self._alike: defaultdict[int, Counter[int]] = defaultdict(Counter)

    def cost(self, made: int, key: Any) -> int:
        """With how many keys of the dict `made` a new one is compared."""
        if isinstance(key, (str, bytes, bool)) or key is None or (type(key) is int and -_DISTINCT < key < _DISTINCT):
            return 0
        alike = self._alike[made]
        alike[hash(key)] += 1
        return alike[hash(key)] - 1
