"""Every kernel that stands in for an op: importing this module registers them. It is imported when a GPU is first met.

Read next: `softmax.py`, the one to learn from.
"""

from __future__ import annotations

from ...op import ops
from . import dropout, embedding

__all__ = ["dropout", "embedding"]

for op in ops:
    if op.twin_derivatives:
        op.plans.clear()  # those made on the CPU before know of no kernel
