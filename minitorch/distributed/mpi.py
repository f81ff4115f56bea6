"""The backend `mpi`: mpi4py's calls on the memory of arrays, on one machine or on many (`pip install 'minitorch[mpi]'`).

The idea: every call is one that does not block, asked again and again whether it has ended; so it can give up after the timeout, which
MPI itself never does. Before each collective the ranks tell each other what they are about to call. A rank that calls something else is
named by that, and one that does not come by what the others tell while they wait. Read next: `process_group.py`, what a backend is.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import process_group
from .constants import DistBackendError
from .process_group import Array, Communicator
from .rank import LAUNCHERS
from .reduce_op import ReduceOp

SPINS = 200  # so often a call is asked without a pause, some 50 µs; then it leaves the core to others
PAUSE = 2e-5  # seconds
TELL = 1.0  # after so many seconds of waiting a rank tells the others where it waits
CALLS = ("barrier", "all_reduce", "broadcast", "reduce", "all_gather", "gather", "scatter", "reduce_scatter", "all_to_all")


def is_launched() -> bool:
    """Whether mpiexec, or what stands for it, has started this process."""
    return any(names[0] in os.environ and names[1] in os.environ for names in LAUNCHERS)


def world() -> tuple[int, int]:
    """This process's rank, and how many there are."""
    mpi = library()
    return mpi.COMM_WORLD.rank, mpi.COMM_WORLD.size


def library() -> Any:
    """mpi4py's MPI; importing it starts MPI."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ModuleNotFoundError("the backend mpi needs mpi4py and an MPI library: pip install 'minitorch[mpi]'") from error
    return MPI


def connect(store: Any, rank: int, size: int, timeout: float, ranks: Sequence[int], name: str) -> MPICommunicator:
    """The group of these ranks of MPI's world, of all if none is named. No store is needed: mpiexec has brought them together."""
    mpi = library()
    if mpi.Query_thread() < mpi.THREAD_MULTIPLE:
        raise DistBackendError("this MPI does not let several threads call it (MPI_THREAD_MULTIPLE), which async_op needs")
    everyone = mpi.COMM_WORLD
    expected = int(os.environ.get("WORLD_SIZE") or 1)
    if everyone.size == 1 < expected:
        raise RuntimeError(
            f"MPI knows of this process alone, but WORLD_SIZE is {expected}: it was not started by mpiexec; start it with "
            f"python -m minitorch.distributed.run --backend mpi -n {expected}, or use the backend gloo"
        )
    if not ranks:
        return MPICommunicator(mpi, everyone.Dup(), timeout, range(everyone.size))
    if max(ranks) >= everyone.size or everyone.rank != ranks[rank]:
        raise ValueError(
            f"rank {ranks[rank]} of {max(ranks) + 1} was asked for, but MPI started this process as rank {everyone.rank} of "
            f"{everyone.size}; start the script with python -m minitorch.distributed.run -n {max(ranks) + 1}"
        )
    members = everyone.Get_group().Incl(list(ranks))
    return MPICommunicator(mpi, everyone.Create_group(members), timeout, ranks)


class MPICommunicator(Communicator):
    """One process's end of a communicator of MPI."""

    def __init__(self, mpi: Any, comm: Any, timeout: float, ranks: Sequence[int]) -> None:
        self.mpi, self.comm, self.timeout, self.ranks = mpi, comm, timeout, tuple(ranks)
        self.rank, self.size = comm.rank, comm.size
        self.aside = comm.Dup()  # for what waiting ranks tell each other
        self.calls = 0  # collective calls made so far
        self.closed = False
        self.ops = {
            ReduceOp.SUM: mpi.SUM, ReduceOp.AVG: mpi.SUM, ReduceOp.PRODUCT: mpi.PROD, ReduceOp.MIN: mpi.MIN,
            ReduceOp.MAX: mpi.MAX, ReduceOp.BAND: mpi.BAND, ReduceOp.BOR: mpi.BOR, ReduceOp.BXOR: mpi.BXOR,
        }  # fmt: skip

    # ---- the collective calls ----

    def allreduce(self, array: Array, op: ReduceOp) -> None:
        self._meet("all_reduce", array, op.value)
        with self._reducible(array, op) as (numbers, function):
            self._end("all_reduce", self.comm.Iallreduce(self.mpi.IN_PLACE, numbers, function))
            divide(numbers, op, self.size)

    def broadcast(self, array: Array, root: int) -> None:
        self._meet("broadcast", array, root)
        with in_host_memory(array) as host:
            self._end("broadcast", self.comm.Ibcast(as_bytes(host), root))

    def reduce(self, array: Array, root: int, op: ReduceOp) -> None:
        self._meet("reduce", array, root)
        if self.rank == root:
            with self._reducible(array, op) as (numbers, function):
                self._end("reduce", self.comm.Ireduce(self.mpi.IN_PLACE, numbers, function, root))
                divide(numbers, op, self.size)
        else:
            with self._reducible(array.copy(), op) as (numbers, function):
                self._end("reduce", self.comm.Ireduce(numbers, None, function, root))

    def allgather(self, outs: Sequence[Array], array: Array) -> None:
        self._meet("all_gather", array)
        with in_host_memory(array) as host:
            everything = np.empty((self.size, host.nbytes), np.uint8)
            self._end("all_gather", self.comm.Iallgather(as_bytes(host), everything))
        fill(outs, everything)

    def gather(self, outs: Sequence[Array] | None, array: Array, root: int) -> None:
        self._meet("gather", array, root)
        with in_host_memory(array) as host:
            everything = np.empty((self.size, host.nbytes), np.uint8) if outs is not None else None
            self._end("gather", self.comm.Igather(as_bytes(host), everything, root))
        if outs is not None:
            fill(outs, everything)

    def scatter(self, array: Array, ins: Sequence[Array] | None, root: int) -> None:
        self._meet("scatter", array, root)
        with in_host_memory(array) as host:
            self._end("scatter", self.comm.Iscatter(None if ins is None else joined(ins), as_bytes(host), root))

    def reduce_scatter(self, array: Array, ins: Sequence[Array], op: ReduceOp) -> None:
        """By all_reduce: the pieces may be of any dtype, and this rank keeps its own."""
        whole = joined(ins).view(array.dtype)
        self.allreduce(whole, op)
        start = sum(piece.size for piece in ins[: self.rank])
        fill([array], [as_bytes(whole[start : start + array.size])])

    def alltoall(self, outs: Sequence[Array], ins: Sequence[Array]) -> None:
        self._meet("all_to_all")
        received = np.empty(sum(out.nbytes for out in outs), np.uint8)
        counts_in, counts_out = [piece.nbytes for piece in ins], [out.nbytes for out in outs]
        given, taken = [joined(ins), counts_in, self.mpi.BYTE], [received, counts_out, self.mpi.BYTE]
        self._end("all_to_all", self.comm.Ialltoallv(given, taken))
        fill(outs, np.split(received, np.cumsum(counts_out)[:-1]))

    def barrier(self) -> None:
        self._meet("barrier")

    # ---- from one to one ----

    def isend(self, array: Array, dst: int, tag: int) -> Request:
        host = array.get() if hasattr(array, "get") else array
        return Request(self, self.comm.Isend(as_bytes(host), dst, tag), f"send to rank {self.ranks[dst]}")

    def irecv(self, array: Array, src: int | None, tag: int) -> Request:
        host = np.empty(array.shape, array.dtype) if hasattr(array, "get") else array
        source = self.mpi.ANY_SOURCE if src is None else src
        whom = "any rank" if src is None else f"rank {self.ranks[src]}"
        arrived = (lambda: array.set(host)) if host is not array else None
        return Request(self, self.comm.Irecv(as_bytes(host), source, tag), f"recv from {whom}", arrived)

    def close(self, why: str = "") -> None:
        """Others are not told why: a program that raises ends by `rank.py`, and mpiexec with it all."""
        if not self.closed:
            self.closed = True
            self.aside.Free()
            self.comm.Free()

    # ---- meeting, and waiting for those who do not come ----

    def _meet(self, call: str, array: Array | None = None, detail: int = 0) -> None:
        """All ranks tell all what they are about to call; DistBackendError names those who call something else."""
        self.calls += 1
        if self.size == 1:
            return
        dtype, count = (-1, 0) if array is None else (dtype_number(array.dtype), array.size)
        mine = np.array([self.calls, CALLS.index(call), dtype, count, detail], np.int64)
        all_ = np.empty((self.size, mine.size), np.int64)
        self._end(call, self.comm.Iallgather(mine, all_))
        others = [r for r in range(self.size) if (all_[r] != mine).any()]
        if others:
            theirs = "; ".join(f"rank {self.ranks[r]} calls {told(*all_[r])}" for r in others)
            raise DistBackendError(
                f"ranks have called different things: rank {self.ranks[self.rank]} calls {told(*mine)}; {theirs}. "
                "All ranks of a group make the same calls, in the same order, on arrays of the same dtype and size"
            )

    def _end(self, call: str, request: Any) -> None:
        """Wait until a collective call has ended; DistBackendError after the timeout names the ranks that did not come."""
        if ended(request, min(TELL, self.timeout / 4)):
            return
        mine = np.array([self.calls], np.int64)
        sent = [self.aside.Isend(mine, r) for r in range(self.size) if r != self.rank]
        if ended(request, self.timeout - min(TELL, self.timeout / 4)):
            self._forget(sent)
            return
        missing = [f"rank {self.ranks[r]}" for r in self._not_here()]
        raise DistBackendError(
            f"{call}, the group's call {self.calls}: {', '.join(missing) or 'no rank'} did not come to it within {self.timeout:g} seconds; "
            + (
                "it has died, it hangs, or it calls less often"
                if missing
                else "all are here, but nothing arrives: see the network"
            )
        )

    def _not_here(self) -> list[int]:
        """The ranks that have not told that they wait where this one does."""
        here = {self.rank}
        limit = time.monotonic() + 2 * TELL  # those who came last have not told yet
        while time.monotonic() < limit and len(here) < self.size:
            time.sleep(0.01)
            here |= {source for source, at in self._told() if at >= self.calls}
        return sorted(set(range(self.size)) - here)

    def _told(self) -> Iterator[tuple[int, int]]:
        """(rank, its call) for each of the messages of waiting ranks."""
        status, at = self.mpi.Status(), np.empty(1, np.int64)
        while self.aside.Iprobe(status=status):
            self.aside.Recv(at, status.source)
            yield status.source, int(at[0])

    def _forget(self, sent: list) -> None:
        """The rank for which all waited has come: what was told is of no more use."""
        for _ in self._told():
            pass
        for request in sent:
            request.Free()

    # ---- numbers that MPI can reduce ----

    @contextlib.contextmanager
    def _reducible(self, array: Array, op: ReduceOp) -> Iterator[tuple[np.ndarray, Any]]:
        """The array as numbers that MPI knows, to be written to, and its operation.

        There is no MPI type for bfloat16, which becomes float32 meanwhile; of bools a sum is "or" and a product "and", as NumPy has it.
        """
        with in_host_memory(array) as host:
            if host.dtype.kind == "b":
                logical = {ReduceOp.SUM: ReduceOp.MAX, ReduceOp.PRODUCT: ReduceOp.MIN}
                yield host.view(np.uint8), self.ops[logical.get(op, op)]
            elif host.dtype.name == "bfloat16":
                wide = host.astype(np.float32)
                yield wide, self.ops[op]
                host[...] = wide.astype(host.dtype)
            else:
                yield host, self.ops[op]


class Request(process_group.Request):
    """A message that is being sent or received."""

    def __init__(self, of: MPICommunicator, request: Any, what: str, arrived: Callable[[], None] | None = None) -> None:
        self.of, self.request, self.what, self.arrived = of, request, what, arrived
        self.status = of.mpi.Status()
        self.ended = False

    def done(self) -> bool:
        if not self.ended and self.request.Test(self.status):
            self.ended = True
            if self.arrived is not None:
                self.arrived()
        return self.ended

    def wait(self, timeout: float) -> int:
        if not ended(self, timeout, Request.done):
            raise DistBackendError(
                f"{self.what}: nothing came to pass within {timeout:g} seconds; does that rank call its part?"
            )
        return self.status.source


def ended(request: Any, timeout: float, test: Callable[[Any], bool] | None = None) -> bool:
    """Whether a request ends within so many seconds. MPI moves data only while it is called, so that asking is what drives it."""
    is_done = test or type(request).Test
    for _ in range(SPINS):
        if is_done(request):
            return True
    limit = time.monotonic() + timeout
    while not is_done(request):
        if time.monotonic() > limit:
            return False
        time.sleep(PAUSE)
    return True


def dtype_number(dtype: Any) -> int:
    """The same number for the same dtype on every rank."""
    return int.from_bytes(dtype.name.encode()[:7], "big")


def told(number: int, call: int, dtype: int, count: int, detail: int) -> str:
    """What a rank is about to call, in words."""
    name = int(dtype).to_bytes(7, "big").strip(b"\0").decode() if dtype >= 0 else ""
    of = f" of {count} × {name}" if name else ""
    return f"{CALLS[call]}{of} ({'root' if CALLS[call] != 'all_reduce' else 'op'} {detail}) as its call {number}"


# ---- memory ----


@contextlib.contextmanager
def in_host_memory(array: Array) -> Iterator[np.ndarray]:
    """The array itself; of an array on a GPU a copy, which is written back when the block ends."""
    if not hasattr(array, "get"):
        yield array
        return
    host = array.get()
    yield host
    array.set(host)


def as_bytes(host: np.ndarray) -> np.ndarray:
    """Its memory, for calls that only move: every dtype can be moved."""
    return host.reshape(-1).view(np.uint8)


def divide(numbers: Any, op: ReduceOp, size: int) -> None:
    """The sum of AVG as a mean, in place; of integers rounded down."""
    if op is ReduceOp.AVG:
        if numbers.dtype.kind in "iub":
            numbers //= size
        else:
            numbers /= size


def joined(arrays: Sequence[Array]) -> np.ndarray:
    """The bytes of all, one after the other."""
    return np.concatenate([as_bytes(a.get() if hasattr(a, "get") else a) for a in arrays])


def fill(outs: Sequence[Array], pieces: Any) -> None:
    """Each array from its bytes."""
    for out, piece in zip(outs, pieces):
        host = np.asarray(piece).view(out.dtype).reshape(out.shape)
        if hasattr(out, "get"):
            out.set(host)
        else:
            out[...] = host
