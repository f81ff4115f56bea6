"""`ReduceOp`: how the arrays of several ranks become one.

Arrays are combined in the order of the ranks, so every rank that does it gets the same bits. Read next: `gloo.py`.
"""

from __future__ import annotations

import enum
from typing import Any


class ReduceOp(enum.Enum):
    """SUM, PRODUCT, MIN, MAX; AVG (nccl and mpi); of integers bit by bit BAND, BOR, BXOR."""

    __module__ = "minitorch.distributed"

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7

    def __repr__(self) -> str:
        return f"<RedOpType.{self.name}: {self.value}>"

    def combine(self, into: Any, other: Any, xp: Any) -> None:
        """into = into `op` other, in place; AVG adds: what divides knows how many there were."""
        getattr(xp, _UFUNCS[self])(into, other, out=into)


_UFUNCS = {
    ReduceOp.SUM: "add", ReduceOp.AVG: "add", ReduceOp.PRODUCT: "multiply", ReduceOp.MIN: "minimum", ReduceOp.MAX: "maximum",
    ReduceOp.BAND: "bitwise_and", ReduceOp.BOR: "bitwise_or", ReduceOp.BXOR: "bitwise_xor",
}  # fmt: skip
