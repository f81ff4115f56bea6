"""The backend `nccl`: NVIDIA's library moves arrays from GPU to GPU, one GPU for each process (CuPy brings it).

**It has not been run on GPUs**: there is no machine with two here. It is tested against a stand-in that records the calls and does them in
one process's memory. The idea: calls go to a stream of their own, which waits for what was computed before, so that they run beside what
is computed after; the host asks until they are done, and gives up after the timeout. Read next: `process_group.py`, what a backend is.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from . import process_group
from .constants import DistBackendError
from .mpi import divide
from .process_group import Array, Communicator
from .reduce_op import ReduceOp

PAUSE = 2e-5  # seconds between two looks whether a call is done
DTYPES = {
    "int8": "INT8", "uint8": "UINT8", "bool": "UINT8", "int32": "INT32", "uint32": "UINT32", "int64": "INT64", "uint64": "UINT64",
    "float16": "FLOAT16", "bfloat16": "BFLOAT16", "float32": "FLOAT32", "float64": "FLOAT64",
}  # fmt: skip
OPS = {ReduceOp.SUM: "SUM", ReduceOp.AVG: "SUM", ReduceOp.PRODUCT: "PROD", ReduceOp.MIN: "MIN", ReduceOp.MAX: "MAX"}


def connect(store: Any, rank: int, size: int, timeout: float, ranks: Sequence[int], name: str) -> NCCLCommunicator:
    """Rank 0 of the group makes the group's name, which the others find in the store."""
    import cupy
    from cupy.cuda import nccl

    if rank == 0:
        store.set("nccl", bytes(nccl.get_unique_id()))
    return NCCLCommunicator(cupy, nccl, nccl.NcclCommunicator(size, store.get("nccl"), rank), rank, size, timeout, ranks)


class NCCLCommunicator(Communicator):
    """One process's end of a communicator of NCCL."""

    def __init__(self, cupy: Any, nccl: Any, comm: Any, rank: int, size: int, timeout: float, ranks: Sequence[int]) -> None:
        self.cupy, self.nccl, self.comm = cupy, nccl, comm
        self.rank, self.size, self.timeout, self.ranks = rank, size, timeout, tuple(ranks)
        self.stream = cupy.cuda.Stream(non_blocking=True)

    def allreduce(self, array: Array, op: ReduceOp) -> None:
        with self._calling("all_reduce") as stream:
            self.comm.allReduce(at(array), at(array), array.size, self._dtype(array), self._op(op), stream)
        divide(array, op, self.size)

    def broadcast(self, array: Array, root: int) -> None:
        with self._calling("broadcast") as stream:
            self.comm.bcast(at(array), *self._bytes(array), root, stream)

    def reduce(self, array: Array, root: int, op: ReduceOp) -> None:
        with self._calling("reduce") as stream:
            self.comm.reduce(at(array), at(array), array.size, self._dtype(array), self._op(op), root, stream)
        if self.rank == root:
            divide(array, op, self.size)

    def allgather(self, outs: Sequence[Array], array: Array) -> None:
        whole = self.cupy.empty((self.size, array.size), array.dtype)
        with self._calling("all_gather") as stream:
            self.comm.allGather(at(array), at(whole), *self._bytes(array), stream)
        for out, part in zip(outs, whole):
            out[...] = part.reshape(out.shape)

    def gather(self, outs: Sequence[Array] | None, array: Array, root: int) -> None:
        self._exchange("gather", {root: array}, dict(enumerate(outs)) if outs is not None else {})

    def scatter(self, array: Array, ins: Sequence[Array] | None, root: int) -> None:
        self._exchange("scatter", dict(enumerate(ins)) if ins is not None else {}, {root: array})

    def alltoall(self, outs: Sequence[Array], ins: Sequence[Array]) -> None:
        self._exchange("all_to_all", dict(enumerate(ins)), dict(enumerate(outs)))

    def reduce_scatter(self, array: Array, ins: Sequence[Array], op: ReduceOp) -> None:
        """By all_reduce, for the pieces may differ in size."""
        whole = self.cupy.concatenate([piece.reshape(-1) for piece in ins])
        self.allreduce(whole, op)
        start = sum(piece.size for piece in ins[: self.rank])
        array[...] = whole[start : start + array.size].reshape(array.shape)

    def barrier(self) -> None:
        self.allreduce(self.cupy.zeros(1, "int32"), ReduceOp.SUM)

    def isend(self, array: Array, dst: int, tag: int) -> Request:
        """There are no tags: messages between two processes come in the order in which they were sent."""
        with self._after_what_was_computed():
            self.comm.send(at(array), *self._bytes(array), dst, self.stream.ptr)
        return Request(self, f"send to rank {self.ranks[dst]}", dst)

    def irecv(self, array: Array, src: int | None, tag: int) -> Request:
        if src is None:
            raise ValueError("nccl has no receiving from any rank: tell the source")
        with self._after_what_was_computed():
            self.comm.recv(at(array), *self._bytes(array), src, self.stream.ptr)
        return Request(self, f"recv from rank {self.ranks[src]}", src)

    def close(self, why: str = "") -> None:
        if self.comm is not None:
            self.comm.destroy()
            self.comm = None

    # ---- how a call is made ----

    @contextlib.contextmanager
    def _after_what_was_computed(self) -> Iterator[None]:
        """What is called within waits for the kernels launched before, and kernels launched after do not wait for it."""
        before = self.cupy.cuda.Event()
        before.record()
        self.stream.wait_event(before)
        yield

    @contextlib.contextmanager
    def _calling(self, what: str) -> Iterator[int]:
        """The stream for a call; at the end the host has waited for it."""
        with self._after_what_was_computed():
            yield self.stream.ptr
        if not self.ended(event := self._mark(), self.timeout):
            self.comm.abort()
            raise DistBackendError(
                f"{what}: not done within {self.timeout:g} seconds; a rank has died, hangs or calls something else (NCCL cannot tell which)"
            )
        del event

    def _mark(self) -> Any:
        """An event after all that was called so far."""
        event = self.cupy.cuda.Event()
        event.record(self.stream)
        return event

    def ended(self, event: Any, timeout: float) -> bool:
        """Whether what the event marks is done within so many seconds."""
        limit = time.monotonic() + timeout
        while not event.done:
            if time.monotonic() > limit:
                return False
            time.sleep(PAUSE)
        return True

    def _exchange(self, what: str, given: dict[int, Array], taken: dict[int, Array]) -> None:
        """Arrays to ranks and from ranks, all at the same time."""
        with self._calling(what) as stream:
            self.nccl.groupStart()
            for rank, array in given.items():
                self.comm.send(at(array), *self._bytes(array), rank, stream)
            for rank, array in taken.items():
                self.comm.recv(at(array), *self._bytes(array), rank, stream)
            self.nccl.groupEnd()

    def _bytes(self, array: Array) -> tuple[int, int]:
        """(count, type) for calls that only move."""
        return array.nbytes, self.nccl.NCCL_UINT8

    def _dtype(self, array: Array) -> int:
        name = array.dtype.name
        if name not in DTYPES:
            raise TypeError(f"nccl reduces {', '.join(DTYPES)}, not {name}; copy the tensor to the CPU for it")
        return getattr(self.nccl, f"NCCL_{DTYPES[name]}")

    def _op(self, op: ReduceOp) -> int:
        if op not in OPS:
            raise ValueError(f"Cannot use ReduceOp.{op.name} with NCCL; it has {', '.join(o.name for o in OPS)}")
        return getattr(self.nccl, f"NCCL_{OPS[op]}")


class Request(process_group.Request):
    """A message that is being sent or received."""

    def __init__(self, of: NCCLCommunicator, what: str, rank: int) -> None:
        self.of, self.what, self.rank, self.event = of, what, rank, of._mark()

    def done(self) -> bool:
        return self.event.done

    def wait(self, timeout: float) -> int:
        if not self.of.ended(self.event, timeout):
            raise DistBackendError(f"{self.what}: not done within {timeout:g} seconds; does that rank call its part?")
        return self.rank


def at(array: Array) -> int:
    """The address of its memory."""
    return array.data.ptr
