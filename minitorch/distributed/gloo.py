"""The backend gloo: processes that a script starts by itself on one machine.

Every call is an exchange or two over a mesh (`mesh.py`). Reductions add up in the order of the ranks, so that all ranks have the same
bits: a small array goes to everybody; of a large one, rank r gets everybody's piece r, adds, and gives the sum to everybody, so
that each rank sends and receives 2 (N − 1) / N of it, as in a ring, in two steps instead of 2 (N − 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .mesh import connect_all
from .process_group import Communicator, Request
from .reduce_op import ReduceOp
from .store import Store

SMALL = 1 << 13  # bytes up to which an array that is reduced goes to everybody whole


def connect(store: Store, rank: int, size: int, timeout: float, ranks: Sequence[int], name: str) -> Communicator:
    """This process's end of a group; every member calls it."""
    return Gloo(store, rank, ranks, timeout)


class Gloo(Communicator):
    """See the module's docstring."""

    def __init__(self, store: Store, rank: int, members: Sequence[int], timeout: float) -> None:
        self.rank, self.size = rank, len(members)
        self._others = [peer for peer in range(self.size) if peer != rank]
        self._mesh = connect_all(store, rank, members, timeout)

    @property
    def timeout(self) -> float:  # type: ignore[override]
        """How long a call waits for others, in seconds."""
        return self._mesh.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._mesh.timeout = seconds

    def allreduce(self, array: Any, op: ReduceOp) -> None:
        call = _words(f"all_reduce {op.name}", array)
        if array.nbytes <= SMALL or self.size == 1:
            self._combine(array, self._all_to_all_ranks(call, array), op)
            return
        flat = array.reshape(-1)
        pieces = np.array_split(flat, self.size)
        mine = pieces[self.rank]
        theirs = {peer: np.empty_like(mine) for peer in self._others}
        self._mesh.exchange(call, {peer: pieces[peer] for peer in self._others}, theirs)
        self._combine(mine, theirs, op)
        self._mesh.exchange(call, dict.fromkeys(self._others, mine), {peer: pieces[peer] for peer in self._others})

    def broadcast(self, array: Any, root: int) -> None:
        self._from_root(_words(f"broadcast from rank {root}", array), array, dict.fromkeys(self._others, array), root)

    def reduce(self, array: Any, root: int, op: ReduceOp) -> None:
        call = _words(f"reduce {op.name} to rank {root}", array)
        theirs = {peer: np.empty_like(array) for peer in self._others} if self.rank == root else {}
        self._mesh.exchange(call, {} if self.rank == root else {root: array}, theirs)
        if self.rank == root:
            self._combine(array, theirs, op)

    def allgather(self, outs: Sequence[Any], array: Any) -> None:
        call = _words("all_gather", array)
        self._mesh.exchange(call, dict.fromkeys(self._others, array), {peer: outs[peer] for peer in self._others})
        outs[self.rank][...] = array

    def gather(self, outs: Sequence[Any] | None, array: Any, root: int) -> None:
        call = _words(f"gather to rank {root}", array)
        if outs is None:
            self._mesh.exchange(call, {root: array}, {})
        else:
            self._mesh.exchange(call, {}, {peer: outs[peer] for peer in self._others})
            outs[root][...] = array

    def scatter(self, array: Any, ins: Sequence[Any] | None, root: int) -> None:
        sends = {} if ins is None else {peer: ins[peer] for peer in self._others}
        self._from_root(_words(f"scatter from rank {root}", array), array, sends, root)
        if ins is not None:
            array[...] = ins[root]

    def reduce_scatter(self, array: Any, ins: Sequence[Any], op: ReduceOp) -> None:
        theirs = {peer: np.empty_like(array) for peer in self._others}
        call = _words(f"reduce_scatter {op.name}", sum(piece.size for piece in ins), array)
        self._mesh.exchange(call, {peer: ins[peer] for peer in self._others}, theirs)
        array[...] = ins[self.rank]
        self._combine(array, theirs, op)

    def alltoall(self, outs: Sequence[Any], ins: Sequence[Any]) -> None:
        call = f"all_to_all of {_name(ins[0].dtype)}"
        own = ins[self.rank].copy()
        self._mesh.exchange(call, {peer: ins[peer] for peer in self._others}, {peer: outs[peer] for peer in self._others})
        outs[self.rank][...] = own

    def barrier(self) -> None:
        nothing = np.empty(0, np.uint8)
        self._mesh.exchange("barrier", dict.fromkeys(self._others, nothing), dict.fromkeys(self._others, nothing))

    def isend(self, array: Any, dst: int, tag: int) -> Request:
        return self._mesh.post.send(array, dst, tag)

    def irecv(self, array: Any, src: int | None, tag: int) -> Request:
        return self._mesh.post.receive(array, src, tag)

    def close(self, why: str = "") -> None:
        self._mesh.close(why)

    # ---- pieces of the above ----

    def _all_to_all_ranks(self, call: str, array: Any) -> dict[int, Any]:
        """Everybody's array but this rank's."""
        theirs = {peer: np.empty_like(array) for peer in self._others}
        self._mesh.exchange(call, dict.fromkeys(self._others, array), theirs)
        return theirs

    def _from_root(self, call: str, array: Any, sends: dict[int, Any], root: int) -> None:
        """The root sends; all others receive into the array."""
        if self.rank == root:
            self._mesh.exchange(call, sends, {})
        else:
            self._mesh.exchange(call, {}, {root: array})

    def _combine(self, mine: Any, theirs: dict[int, Any], op: ReduceOp) -> None:
        """mine = theirs[0] `op` … `op` mine `op` … `op` theirs[N − 1], in this order on every rank."""
        total = mine if self.rank == 0 else theirs[0]
        for peer in range(1, self.size):
            op.combine(total, mine if peer == self.rank else theirs[peer], np)
        if op is ReduceOp.AVG:
            total /= self.size
        if total is not mine:
            mine[...] = total


def _words(call: str, of: Any, array: Any = None) -> str:
    """A call in words that are the same on every rank: `all_reduce SUM of 6 × float32`."""
    size, dtype = (of.size, of.dtype) if array is None else (of, array.dtype)
    return f"{call} of {size} × {_name(dtype)}"


def _name(dtype: Any) -> str:
    if dtype == np.int16:
        raise RuntimeError("Invalid scalar type: torch's gloo does not take int16, and so this does not; use int32")
    return dtype.name
