"""The memory that a call's result is going to be written into: a kernel may write there at once.

In-place forms and `out=` run an op and then put its result into memory that is there already. Where a kernel computes the result, that
would be a pass too many. So the memory is offered to this one op, whose kernel may take it: what the op returns then is that
very array, and nothing is left to be copied. Who does not take it makes new memory, as ever.
Read next: `tensor/writing.py`, which offers; `compiler/cuda/launching.py`, which takes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from ..arrays.threads import of_each_thread


class _Offer(threading.local):
    """What is on offer in this thread: the op that it is for, and the array."""

    op: Any = None
    array: Any = None


_offer = of_each_thread(_Offer())


@contextlib.contextmanager
def offered(op: Any, array: Any) -> Iterator[None]:
    """In this block the first call of the op may write its result into the array."""
    before = _offer.op, _offer.array
    _offer.op, _offer.array = op, array
    try:
        yield
    finally:
        _offer.op, _offer.array = before


def taken(op: Any) -> Any:
    """The array that is on offer to the op, which nobody is offered again; None if there is none."""
    if _offer.op is not op:
        return None
    array, _offer.op, _offer.array = _offer.array, None, None
    return array
