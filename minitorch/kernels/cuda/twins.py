"""Every kernel that stands in for an op: importing this module registers them. It is imported when a GPU is first met.

Read next: `softmax.py`, the one to learn from.
"""

from __future__ import annotations

from . import cross_entropy, dropout, embedding, join, norm, optim, random, softmax

__all__ = ["cross_entropy", "dropout", "embedding", "join", "norm", "optim", "random", "softmax"]
