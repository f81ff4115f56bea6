"""What a backend is (`Communicator`), what users hold (`ProcessGroup`), and a call that is under way (`Work`).

The one idea: a backend only knows how to move arrays, one blocking call after the other. That calls may run beside the program
(`async_op=True`), in the order in which they were made, is done here once for all backends: by a thread for each group that has
been asked to. Read next: `distributed_c10d.py`, the functions that users call; `gloo.py`, a backend.

To write a backend: a subclass of `Communicator`, and a function
`connect(store, rank, size, timeout, ranks, name) -> Communicator` that every member of a group calls, named in
`backend.py`. `store` is a `Store` that only this group uses (None for backends that need none); `ranks` are the
members' ranks in the whole world, by which errors name them; `timeout` is in seconds.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

from .constants import DistBackendError
from .reduce_op import ReduceOp

AT_THE_END = 1.0  # seconds that a program which is ending waits for calls that are under way
Array = Any  # a C-contiguous array: NumPy's, or of the device that a backend is for


class Request:
    """A message that is being sent or received."""

    def done(self) -> bool:
        """Whether it has come to its end, a good or a bad one."""
        raise NotImplementedError

    def wait(self, timeout: float) -> int:
        """Wait for its end, for so many seconds at most, and return the sender's rank in the group. Raises what went wrong."""
        raise NotImplementedError


class Communicator:
    """One process's end of a group. Ranks in it count from 0 to size − 1 within the group.

    All calls but `isend` and `irecv` are collective: every member makes the same calls in the same order. They return when the
    result is there, write results into the arrays that they are given (in place), and raise DistBackendError, which names the rank,
    when a member has died, has hung for `timeout` seconds, or has called something else. After an error the group is of no more use.
    Arrays are C-contiguous and have the same dtype and number of elements on every rank, unless said otherwise.
    """

    rank: int
    size: int
    timeout: float  # seconds

    def allreduce(self, array: Array, op: ReduceOp) -> None:
        """array = the `op` of all ranks' arrays, to the bit the same on every rank."""
        raise NotImplementedError

    def broadcast(self, array: Array, root: int) -> None:
        """array = the root's array."""
        raise NotImplementedError

    def reduce(self, array: Array, root: int, op: ReduceOp) -> None:
        """On the root: array = the `op` of all ranks' arrays. On other ranks it stays as it is."""
        raise NotImplementedError

    def allgather(self, outs: Sequence[Array], array: Array) -> None:
        """outs[r] = rank r's array."""
        raise NotImplementedError

    def gather(self, outs: Sequence[Array] | None, array: Array, root: int) -> None:
        """On the root: outs[r] = rank r's array. On other ranks `outs` is None."""
        raise NotImplementedError

    def scatter(self, array: Array, ins: Sequence[Array] | None, root: int) -> None:
        """array = the root's ins[rank]. On other ranks than the root `ins` is None."""
        raise NotImplementedError

    def reduce_scatter(self, array: Array, ins: Sequence[Array], op: ReduceOp) -> None:
        """array = the `op` of all ranks' ins[rank]; the pieces of `ins` may differ in size, piece r alike on all ranks."""
        raise NotImplementedError

    def alltoall(self, outs: Sequence[Array], ins: Sequence[Array]) -> None:
        """outs[r] = rank r's ins[rank]; every piece may have a size of its own."""
        raise NotImplementedError

    def barrier(self) -> None:
        """Return when all ranks have come here."""
        raise NotImplementedError

    def isend(self, array: Array, dst: int, tag: int) -> Request:
        """Begin to send; the array may not change until the request is done. Messages of one tag arrive in order."""
        raise NotImplementedError

    def irecv(self, array: Array, src: int | None, tag: int) -> Request:
        """Begin to receive into the array, from `src` or from whoever sends first."""
        raise NotImplementedError

    def close(self, why: str = "") -> None:
        """Leave the group in good order; `why` is what to tell others who wait for this rank. It can be called twice."""
        raise NotImplementedError


class Work:
    """A call that may still be running; what `async_op=True`, `isend` and `irecv` return."""

    def __init__(self, what: str, timeout: float, result: Sequence[Any] = ()) -> None:
        self._what = what
        self._timeout = timeout
        self._future: Future[Any] = Future()
        self._result = list(result)

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait until it has ended, and raise what went wrong. `timeout`: not longer than this."""
        seconds = timeout.total_seconds() if timeout else None
        try:
            # The backend gives up by itself after the group's timeout, and knows more to say; calls before this one may take as long.
            self._future.result(seconds)
        except TimeoutError:
            if self._future.done():
                raise
            raise DistBackendError(
                f"{self._what}: still running after the {seconds:g} seconds that wait() was given"
            ) from None
        return True

    def is_completed(self) -> bool:
        """Whether it has ended, well or not."""
        return self._future.done()

    def is_success(self) -> bool:
        """Whether it has ended well."""
        return self._future.done() and self._future.exception() is None

    def exception(self) -> BaseException | None:
        """What went wrong, None if nothing did or it still runs."""
        return self._future.exception() if self._future.done() else None

    def result(self) -> list[Any]:
        """The tensors that it wrote to."""
        return self._result

    def get_future(self) -> Future[Any]:
        """A `concurrent.futures.Future` whose result is what `result` returns."""
        return self._future

    def synchronize(self) -> None:
        """The same as `wait`: there are no streams on a CPU."""
        self.wait()

    def _run(self, call: Callable[[], Any]) -> None:
        """Make the call, and keep how it ended."""
        try:
            call()
        except BaseException as error:
            self._future.set_exception(error)
        else:
            self._future.set_result(self._result)


class Message(Work):
    """The Work of a message."""

    def __init__(self, what: str, timeout: float, request: Request, tensor: Any) -> None:
        super().__init__(what, timeout, [tensor])
        self._request = request
        self._source = -1

    def wait(self, timeout: timedelta | None = None) -> bool:
        if not self._future.done():
            seconds = timeout.total_seconds() if timeout else self._timeout
            self._run(lambda: self._end(seconds))
        return super().wait()

    def _end(self, seconds: float) -> None:
        self._source = self._request.wait(seconds)

    def is_completed(self) -> bool:
        if not self._future.done() and self._request.done():
            self._run(lambda: self._end(0))
        return super().is_completed()

    def is_success(self) -> bool:
        return self.is_completed() and super().is_success()

    def _source_rank(self) -> int:
        """The sender's rank in the group."""
        return self._source

    source_rank = _source_rank


class ProcessGroup:
    """The processes that call together, as one of them sees them. `init_process_group` and `new_group` make it.

    A group has a communicator for each kind of device that its backend is for, made when it is first needed: `cpu` at once.
    """

    def __init__(
        self,
        rank: int,
        ranks: Sequence[int],
        devices: dict[str, str],
        connect: Callable[[str], Communicator],
        timeout: float,
        name: str,
        description: str,
    ) -> None:
        self.ranks = tuple(ranks)  # of the members, in the whole world
        self.devices = devices  # the name of the backend for each kind of device
        self.timeout = timeout
        self.group_name, self.group_desc = name, description
        self._rank = rank
        self._connect = connect
        self._communicators: dict[str, Communicator] = {}
        self._turn = threading.Lock()  # held by the call that runs
        self._calls: queue.SimpleQueue[tuple[Work, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._waiting = 0  # calls that the thread has not ended
        self._thread: threading.Thread | None = None
        self._closed = False

    def rank(self) -> int:
        """This process's rank in the group."""
        return self._rank

    def size(self) -> int:
        """How many processes are in it."""
        return len(self.ranks)

    def name(self) -> str:
        """The backend's name."""
        return next(iter(self.devices.values()))

    def __repr__(self) -> str:
        return f"<ProcessGroup {self.group_name}: {self.name()}, rank {self.rank()} of {self.size()}>"

    def communicator(self, device: str) -> Communicator:
        """What moves arrays of a kind of device. RuntimeError if the backend is not for these."""
        if self._closed:
            raise ValueError(f"the process group {self.group_name!r} has been destroyed")
        backend = self.devices.get(device)
        if backend is None:
            raise RuntimeError(
                f"No backend type associated with device type {device}: the backend {self.name()} is for "
                f"{' and '.join(self.devices)} tensors"
            )
        if backend not in self._communicators:
            self._communicators[backend] = self._connect(backend)
        return self._communicators[backend]

    def call(self, what: str, call: Callable[[], Any], async_op: bool, result: Sequence[Any] = ()) -> Work:
        """Make a collective call when those before it have ended: here and now, or in the group's thread if `async_op`."""
        work = Work(what, self.timeout, result)
        if async_op:
            self._enqueue(work, call)
        elif self._waiting:  # it is not its turn yet
            self._enqueue(work, call)
            work.wait()
        else:
            with self._turn:
                call()
            work._future.set_result(work._result)
        return work

    def _enqueue(self, work: Work, call: Callable[[], Any]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=_serve, args=(weakref.proxy(self), self._calls), daemon=True)
            self._thread.start()
        with _COUNTING:
            self._waiting += 1
        self._calls.put((work, call))

    def _served(self, work: Work, call: Callable[[], Any]) -> None:
        with self._turn:
            work._run(call)
        with _COUNTING:
            self._waiting -= 1

    def shutdown(self, why: str = "") -> None:
        """Leave the group when the calls that are under way have ended; soon in any case, if the program is ending (`why`)."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._calls.put(None)
            self._thread.join(AT_THE_END if why else self.timeout)
        for communicator in self._communicators.values():
            communicator.close(why)


_COUNTING = threading.Lock()


def _serve(group: ProcessGroup, calls: queue.SimpleQueue[Any]) -> None:
    """What a group's thread does. It holds no reference to the group, and ends with it."""
    while (job := calls.get()) is not None:
        try:
            group._served(*job)
        except ReferenceError:
            return
