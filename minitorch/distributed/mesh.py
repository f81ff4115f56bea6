"""A mesh: every rank of a group connected with every other, by two sockets, one for collective calls and one for the post.

The one idea: every collective call is one or two *exchanges*, in which each rank sends some others a piece and gets pieces from some,
all at once, so that nobody waits for a buffer of somebody who waits for him. Each piece travels behind a header that says which call
it belongs to: ranks that do not call the same thing find out. Bytes of arrays go as they are; nothing is pickled.
Read next: `gloo.py`, the calls; `post.py`, which carries messages and bad news.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from .authenticated import accept, as_socket, connect, listen_on_this_machine, new_key, stop_listening
from .constants import DistBackendError, DistNetworkError, DistStoreError
from .post import Post
from .store import Store, poll

HEADER = struct.Struct("<QQ112s")  # the number of the exchange, the bytes of the piece, the call in words
BUFFER = 1 << 21  # bytes that a socket takes before its reader has come, if the system allows so many


class Mesh:
    """One rank's sockets, and the exchanges over them. `members[r]` is the rank in the world of the group's rank r."""

    def __init__(
        self, rank: int, members: Sequence[int], timeout: float, data: dict[int, Any], post: dict[int, Any]
    ) -> None:
        self.rank, self.members, self.timeout = rank, tuple(members), timeout
        self._data = data
        self._number = 0  # of the exchange
        self._by_fileno = {end.fileno(): peer for peer, end in data.items()}
        self.post = Post(rank, members, post)

    def exchange(self, call: str, sends: Mapping[int, Any], receives: Mapping[int, Any]) -> None:
        """Send each array to its rank, and fill each array from its rank. DistBackendError, which names who is to blame."""
        self.post.check(call)
        self._number += 1
        now = _Exchange(call, self._number, sends, receives)
        self.post.begins(call, self._number, now.awaited)
        try:
            self._exchange(now)
        except Broken as broken:
            self.post.abort(str(broken))
            raise DistBackendError(f"{call}: {broken}") from None
        except BaseException as error:  # Ctrl-C: what is half sent cannot be taken back
            self.post.abort(f"{type(error).__name__} in {call}")
            raise
        self.post.ends()

    def _exchange(self, now: _Exchange) -> None:
        poller = select.poll()
        poller.register(self.post.bad_news, select.POLLIN)
        for peer, end in self._data.items():
            poller.register(end, now.interest(peer))
        deadline = time.monotonic() + self.timeout
        for peer in list(now.sending):
            self._send(now, peer, poller)
        while now.sending or now.receiving:
            ready = poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready and time.monotonic() >= deadline:
                self._give_up(now)
            for number, event in ready:
                if number == self.post.bad_news:
                    raise Broken(self.post.fault)
                peer = self._by_fileno[number]
                if event & select.POLLOUT:
                    self._send(now, peer, poller)
                if event & ~select.POLLOUT:
                    self._receive(now, peer, poller)

    def _send(self, now: _Exchange, peer: int, poller: Any) -> None:
        """As much as the socket takes."""
        parts = now.sending[peer]
        try:
            sent = self._data[peer].sendmsg(parts)
        except BlockingIOError:
            return
        except OSError:
            self._lost(now, peer)
        while parts and sent >= len(parts[0]):
            sent -= len(parts.pop(0))
        if parts:
            parts[0] = parts[0][sent:]
        else:
            del now.sending[peer]
            poller.modify(self._data[peer], now.interest(peer))

    def _receive(self, now: _Exchange, peer: int, poller: Any) -> None:
        """As much as is there of the header, or of the piece."""
        end = self._data[peer]
        if peer not in now.receiving:  # it has gone ahead to the next exchange, or is gone
            start = self._peek(end)
            if not start:
                if self.post.farewell(peer) is None or self.post.fault:
                    self._lost(now, peer)
                poller.unregister(end)  # it has nothing more to call, and nothing more is wanted of it
            if len(start) == HEADER.size:
                self._must_be_later(now, peer, start)
                poller.unregister(end) if peer not in now.sending else poller.modify(end, select.POLLOUT)
            return
        view = now.receiving[peer]
        try:
            count = end.recv_into(view)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self._lost(now, peer)
        if (header := now.received(peer, count)) is not None:
            self._must_be_this(now, peer, header)
        if peer not in now.receiving:
            poller.modify(end, now.interest(peer))

    def _must_be_this(self, now: _Exchange, peer: int, header: bytes | bytearray) -> None:
        """A piece is expected from a rank, and this comes before it."""
        number, length, words = HEADER.unpack(header)
        if (number, words) == (now.number, now.words) and length == len(now.receiving.get(peer, b"")):
            return
        raise self._differs(now, peer, length if words == now.words else None, words)

    def _must_be_later(self, now: _Exchange, peer: int, header: bytes | bytearray) -> None:
        """Nothing is expected from a rank in this exchange, so what it sends must belong to a later one."""
        number, _, words = HEADER.unpack(header)
        if number <= now.number and words != now.words:
            raise self._differs(now, peer, None, words)

    def _differs(self, now: _Exchange, peer: int, length: int | None, words: bytes) -> Broken:
        piece = "" if length is None else f", sending {length} bytes"
        theirs = words.rstrip(b"\0").decode(errors="replace")
        expected = "" if length is None else f", expecting {len(now.receiving.get(peer, b''))}"
        return Broken(
            f"ranks do not call the same: rank {self.members[peer]} called {theirs}{piece}; rank {self.members[self.rank]} {now.call}"
            f"{expected}. Every rank makes the same calls in the same order, with tensors of one dtype and size"
        )

    def _peek(self, end: Any) -> bytes:
        try:
            return end.recv(HEADER.size, socket.MSG_PEEK)
        except BlockingIOError:
            return b"?"
        except OSError:
            return b""

    def _lost(self, now: _Exchange, peer: int) -> NoReturn:
        """A socket has closed: the post knows why, or will in a moment."""
        story = self.post.farewell(peer)
        raise Broken(self.post.fault or f"rank {self.members[peer]} {story or 'has closed its connection'}")

    def _give_up(self, now: _Exchange) -> NoReturn:
        """The time is over: ask those who are waited for what they are at, and blame who is not in the call."""
        story = self.post.ask(now.awaited(), now.number)
        raise Broken(self.post.fault or f"no end after {self.timeout:g} seconds: {story}")

    def close(self, why: str = "") -> None:
        """Leave in good order."""
        self.post.close(why)
        for end in self._data.values():
            end.close()


class Broken(Exception):
    """Why a group is of no more use, and who is to blame."""


class _Exchange:
    """What is still to be sent and received."""

    def __init__(self, call: str, number: int, sends: Mapping[int, Any], receives: Mapping[int, Any]) -> None:
        self.call, self.number, self.words = call, number, call.encode()[:112].ljust(112, b"\0")
        self.sending = {}
        for peer, array in sends.items():
            piece = as_bytes(array)
            self.sending[peer] = [memoryview(HEADER.pack(number, len(piece), self.words)), *([piece] if len(piece) else [])]
        self._headers = {peer: bytearray(HEADER.size) for peer in receives}
        self._pieces: dict[int, memoryview] = {peer: as_bytes(array) for peer, array in receives.items()}
        self.receiving = {peer: memoryview(header) for peer, header in self._headers.items()}

    def awaited(self) -> list[int]:
        """Who has not taken or not sent all."""
        return sorted({*list(self.sending), *list(self.receiving)})

    def interest(self, peer: int) -> int:
        """What to wait for at a socket: whoever sends nothing is watched too."""
        return select.POLLIN | (select.POLLOUT if peer in self.sending else 0)

    def received(self, peer: int, count: int) -> bytearray | None:
        """So many bytes have come in. The header, if it is complete with them: then the piece is what is received next."""
        rest = self.receiving[peer][count:]
        header = None
        if not len(rest) and peer in self._headers:
            header, rest = self._headers.pop(peer), self._pieces[peer]
        self.receiving[peer] = rest
        if not len(rest):
            del self.receiving[peer]
        return header


def as_bytes(array: Any) -> memoryview:
    """The memory of a contiguous array, byte by byte."""
    return memoryview(array.reshape(-1).view("uint8"))


# ---- how a mesh comes to be ----


def connect_all(store: Store, rank: int, members: Sequence[int], timeout: float) -> Mesh:
    """Each rank listens, and connects to those below it. The store carries addresses and the key, which rank 0 makes up."""
    data: dict[int, socket.socket] = {}
    post: dict[int, socket.socket] = {}
    joining = _Joining(store, members, time.monotonic() + timeout)
    if rank == 0:
        store.set("key", new_key())
    listener, path = listen_on_this_machine()
    try:
        store.set(f"address of {rank}", path)
        for peer in range(rank):
            for ends, purpose in (data, b"data"), (post, b"post"):
                ends[peer] = joining.connect_to(peer, struct.pack("<Q4s", rank, purpose))
        joining.await_higher(rank, listener, {b"data": data, b"post": post})
    except BaseException as error:
        for end in [*data.values(), *post.values()]:
            end.close()
        joining.call_off(f"{type(error).__name__} on rank {members[rank]}: {error}")
        raise
    finally:
        stop_listening(listener, path)
    for end in [*data.values(), *post.values()]:
        for option in socket.SO_SNDBUF, socket.SO_RCVBUF:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        end.setblocking(False)
    return Mesh(rank, members, timeout, data, post)


class _Joining:
    """How the ranks of a new group connect. One that gives up tells the others why, at the store."""

    def __init__(self, store: Store, members: Sequence[int], deadline: float) -> None:
        self._store, self._members, self._deadline = store, members, deadline

    def connect_to(self, peer: int, hello: bytes) -> socket.socket:
        """Connect to a rank, and say hello. DistNetworkError, which names it."""
        try:
            path, key = self._get(peer, f"address of {peer}").decode(), self._get(0, "key")
            connection = connect(socket.socket(socket.AF_UNIX), path, key, self._deadline)
            connection.send_bytes(hello)
        except (OSError, EOFError) as error:
            self._check()
            raise DistNetworkError(
                f"cannot connect to rank {self._members[peer]} at {path} ({error}): it has died, or runs on another machine, where the "
                "backend gloo does not reach: use mpi"
            ) from None
        return as_socket(connection)

    def _get(self, peer: int, what: str) -> bytes:
        there = poll(lambda: self._check() or self._store.check([what]), self._deadline - time.monotonic())
        if not there:
            raise DistStoreError(
                f"rank {self._members[peer]} has not said its {what.split()[0]} in time: it has died, or hangs"
            )
        return self._store.get(what)

    def await_higher(self, rank: int, listener: socket.socket, ends: dict[bytes, dict[int, socket.socket]]) -> None:
        """Let every higher rank connect, once for each purpose."""
        key = self._get(0, "key")
        while any(len(each) < len(self._members) - 1 for each in ends.values()):
            try:
                connection = accept(listener, key, min(self._deadline, time.monotonic() + 0.2))
            except TimeoutError:
                self._check()
                if time.monotonic() < self._deadline:
                    continue
                missing = [self._members[peer] for peer in range(rank + 1, len(self._members)) if peer not in ends[b"post"]]
                raise DistStoreError(f"rank(s) {', '.join(map(str, missing))} did not connect in time") from None
            if connection is not None:
                peer, purpose = struct.unpack("<Q4s", connection.recv_bytes(64))
                ends[purpose][peer] = as_socket(connection)

    def _check(self) -> bool:
        """DistStoreError if another rank has given up; else False."""
        if self._store.check(["given up"]):
            raise DistStoreError(f"the group did not come to be: {self._store.get('given up').decode()}")
        return False

    def call_off(self, story: str) -> None:
        """This rank gives up; the first story is the one."""
        with contextlib.suppress(RuntimeError):  # the store may be gone too
            self._store.compare_set("given up", "", story)
