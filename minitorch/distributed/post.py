"""The post of a mesh: messages between two ranks (send, recv), and bad news.

A thread reads and writes the second socket of each pair whatever the program does. So messages are taken in before somebody asks for
them, a death is noticed at once (the system closes a dead process's sockets), a rank that gives up can tell all others why, and a
rank that is waited for can say what it is at. A message that is received before its `recv` is kept; else it goes right into the
array. Read next: `mesh.py`.
"""

from __future__ import annotations

import collections
import contextlib
import os
import select
import socket
import struct
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .constants import DistBackendError
from .process_group import Request

_HEADER = struct.Struct("<BqQ64s")  # the kind, the tag, the bytes of the body, of a message how many numbers of which dtype
_MESSAGE, _ABORT, _BYE, _ASK, _ANSWER = range(5)
_STATE = struct.Struct(
    "<Q?112s64s"
)  # an answer: the number of the exchange, whether it is under way, its call, who it waits for
LONGEST_STORY = 1 << 16
PATIENCE = 1.0  # seconds for an answer, and for the last words of a rank that ends


class _Sent(Request):
    """A message that goes out, or is to come in."""

    def __init__(self, post: Post, words: str, peer: int | None) -> None:
        self.words, self.peer, self.source = words, peer, -1
        self.array: Any = None  # where to receive
        self.tag = 0
        self._post = post
        self._ended = threading.Event()
        self._error: str | None = None

    def end(self, error: str | None = None) -> None:
        """It has ended."""
        self._error = error
        self._ended.set()

    def done(self) -> bool:
        return self._ended.is_set()

    def wait(self, timeout: float) -> int:
        if not self._ended.wait(timeout):
            story = self._post.why_not(self)
            if not self._ended.is_set():
                raise DistBackendError(f"{self.words}: no end after {timeout:g} seconds: {story}")
        if self._error is not None:
            raise DistBackendError(f"{self.words}: {self._error}")
        return self.source


class _Parcel(NamedTuple):
    """A message that nobody has asked for yet."""

    source: int
    tag: int
    kind: bytes
    body: Any


class _Line:
    """One peer's socket: what goes out, and what is just coming in."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.out: collections.deque[tuple[list[memoryview], _Sent | None]] = collections.deque()
        self.header = bytearray(_HEADER.size)
        self.expect_header()

    def expect_header(self) -> None:
        self.head: tuple[int, int, int, bytes] | None = None
        self.body: Any = None
        self.request: _Sent | None = None
        self.view = memoryview(self.header)


class Post:
    """See the module's docstring."""

    def __init__(self, rank: int, members: Sequence[int], ends: dict[int, socket.socket]) -> None:
        self._rank, self._members = rank, tuple(members)
        self._lines = {peer: _Line(end) for peer, end in ends.items()}
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._wanted: list[_Sent] = []
        self._arrived: list[_Parcel] = []
        self.fault = ""  # why the group is broken, if it is
        self.gone: dict[int, str] = {}  # who left, and how
        self._state: tuple[int, bool, bytes] = (0, False, b"")
        self._awaited: Callable[[], Sequence[int]] = tuple  # who the exchange that is under way waits for
        self._answers: dict[int, tuple[int, bool, bytes, bytes]] = {}
        self._told = False  # everybody has been told what went wrong
        self._closing = False
        self._bell, self._hear_bell = socket.socketpair()
        self._sad, self._hear_sad = socket.socketpair()
        self._bell.setblocking(False)
        self.bad_news = self._hear_sad.fileno()  # can be read when there are bad news
        self._thread = threading.Thread(target=self._run, name="minitorch post", daemon=True)
        self._thread.start()
        _POSTS.add(self)

    # ---- what the mesh asks ----

    def check(self, call: str) -> None:
        """DistBackendError if the group is broken."""
        if self.fault:
            raise DistBackendError(f"{call}: {self.fault}")

    def begins(self, call: str, number: int, awaited: Callable[[], Sequence[int]]) -> None:
        """A collective call is under way from now on; `awaited` tells which ranks it still waits for."""
        self._awaited = awaited
        self._state = number, True, call.encode()[:112]

    def ends(self) -> None:
        """It has ended."""
        number, _, call = self._state
        self._state = number, False, call

    def farewell(self, peer: int) -> str | None:
        """What a rank whose socket has closed said when it left in good order; None if it did not, or something is broken."""
        with self._news:
            self._news.wait_for(lambda: self.fault or peer in self.gone, PATIENCE)
            return self.gone.get(peer)

    def abort(self, story: str) -> None:
        """This rank gives up: the group is broken, and all others are told why."""
        with self._news:
            told, self._told = self._told, True
            self._break(story)
            if not told and not self._closing:
                for peer in self._lines:
                    self._put(peer, _ABORT, 0, b"", memoryview(story.encode()[:LONGEST_STORY]))
        self._flush(PATIENCE)

    def ask(self, peers: Sequence[int], number: int) -> str:
        """Why ranks that are waited for have not come, from their own answers."""
        with self._news:
            self._answers.clear()
            for peer in peers:
                self._put(peer, _ASK, 0, b"", None)
            self._news.wait_for(lambda: self.fault or len(self._answers) == len(peers), PATIENCE)
            silent = [peer for peer in peers if peer not in self._answers]
            elsewhere = {peer: state for peer, state in self._answers.items() if not state[1] or state[0] != number}
        if silent:
            return f"{self._names(silent)} did not answer: stopped, or too busy to"
        if elsewhere:
            return "; ".join(f"rank {self._members[p]} {_at(state)}" for p, state in sorted(elsewhere.items()))
        return f"{self._names(peers)} made the call too, but the data did not come"

    # ---- messages ----

    def send(self, array: Any, dst: int, tag: int) -> Request:
        """Begin to send."""
        sent = _Sent(self, f"send to rank {self._members[dst]}", dst)
        kind, view = _kind(array), _bytes(array)
        with self._lock:
            if self._is_over(sent, dst):
                return sent
            if dst == self._rank:
                self._deliver_here(_Parcel(dst, tag, kind, bytes(view)))
                sent.end()
            else:
                self._put(dst, _MESSAGE, tag, kind, view, sent)
        return sent

    def receive(self, array: Any, src: int | None, tag: int) -> Request:
        """Begin to receive."""
        wanted = _Sent(self, "recv from any rank" if src is None else f"recv from rank {self._members[src]}", src)
        wanted.array, wanted.tag = array, tag
        with self._lock:
            for parcel in self._arrived:
                if _fits(wanted, parcel.source, parcel.tag):
                    self._arrived.remove(parcel)
                    self._hand_over(parcel, wanted)
                    return wanted
            if not self._is_over(wanted, src):
                self._wanted.append(wanted)
        return wanted

    def why_not(self, request: _Sent) -> str:
        """Why a message has not come, or not gone; nobody waits for it any more."""
        with self._lock:
            if request in self._wanted:
                self._wanted.remove(request)
        peers = list(self._lines) if request.peer is None else [request.peer]
        if request.peer == self._rank:
            return "this rank has not sent it"
        story = self.ask(peers, -1)
        return self.fault or story

    def _is_over(self, request: _Sent, peer: int | None) -> bool:
        """Whether a message has no hope, because its other end is gone."""
        if self.fault:
            request.end(self.fault)
        elif peer in self.gone:
            request.end(f"rank {self._members[peer]} {self.gone[peer]}")  # type: ignore[index]
        return request.done()

    def _deliver_here(self, parcel: _Parcel) -> None:
        wanted = next((each for each in self._wanted if _fits(each, parcel.source, parcel.tag)), None)
        if wanted is None:
            self._arrived.append(parcel)
        else:
            self._wanted.remove(wanted)
            self._hand_over(parcel, wanted)

    def _hand_over(self, parcel: _Parcel, wanted: _Sent) -> None:
        if (error := self._unlike(parcel.kind, wanted, parcel.source)) is None:
            _bytes(wanted.array)[:] = parcel.body
        wanted.source = parcel.source
        wanted.end(error)

    def _unlike(self, kind: bytes, wanted: _Sent, source: int) -> str | None:
        if kind == _kind(wanted.array):
            return None
        sent, expected = (each.rstrip(b"\0").decode() for each in (kind, _kind(wanted.array)))
        return f"rank {self._members[source]} sent {sent}, and this is a tensor of {expected} (tag {wanted.tag})"

    # ---- the thread ----

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._hear_bell, select.POLLIN)
        lines = {line.socket.fileno(): (peer, line) for peer, line in self._lines.items()}
        while True:
            with self._lock:
                if self._closing and not any(line.out for line in self._lines.values()):
                    return
                for number, (peer, line) in lines.items():
                    if peer in self.gone:
                        with contextlib.suppress(KeyError):
                            poller.unregister(number)
                    else:
                        poller.register(number, select.POLLIN | (select.POLLOUT if line.out else 0))
            for number, event in poller.poll():
                if number == self._hear_bell.fileno():
                    self._hear_bell.recv(4096)
                    continue
                peer, line = lines[number]
                with self._news:
                    if event & ~select.POLLOUT:
                        self._read(peer, line)
                    if event & select.POLLOUT and peer not in self.gone:
                        self._write(peer, line)
                    self._news.notify_all()

    def _put(self, peer: int, kind: int, tag: int, words: bytes, body: memoryview | None, sent: _Sent | None = None) -> None:
        """Send what the socket takes now; the thread sends the rest."""
        if peer in self.gone:
            return
        line = self._lines[peer]
        header = memoryview(_HEADER.pack(kind, tag, 0 if body is None else len(body), words))
        line.out.append(([header, *([body] if body is not None and len(body) else [])], sent))
        if len(line.out) == 1:
            self._write(peer, line)
        if line.out:
            self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it will hear
            self._bell.send(b"!")

    def _write(self, peer: int, line: _Line) -> None:
        while line.out:
            parts, sent = line.out[0]
            try:
                count = line.socket.sendmsg(parts)
            except BlockingIOError:
                return
            except OSError:
                return  # reading tells how it ended
            while parts and count >= len(parts[0]):
                count -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][count:]
                return
            line.out.popleft()
            if sent is not None:
                sent.end()

    def _read(self, peer: int, line: _Line) -> None:
        """Take in what is there."""
        while True:
            try:
                count = line.socket.recv_into(line.view) if len(line.view) else -1
            except BlockingIOError:
                return
            except OSError:
                count = 0
            if count == 0:
                self._lost(peer, "has died: its connections have closed")
                return
            line.view = line.view[max(count, 0) :]
            if len(line.view):
                continue
            if line.head is None:
                self._open(peer, line)
            if not len(line.view):
                self._close_parcel(peer, line)
            if peer in self.gone:
                return

    def _open(self, peer: int, line: _Line) -> None:
        """A header has come: where does the body go?"""
        line.head = kind, tag, length, words = _HEADER.unpack(line.header)
        if kind == _MESSAGE:
            wanted = next((each for each in self._wanted if _fits(each, peer, tag)), None)
            if wanted is not None and self._unlike(words, wanted, peer) is None:
                self._wanted.remove(wanted)
                line.request = wanted
                line.view = _bytes(wanted.array)
                return
        elif length > LONGEST_STORY:
            self._lost(peer, "has sent what is no message")
            return
        line.body = bytearray(length)
        line.view = memoryview(line.body)

    def _close_parcel(self, peer: int, line: _Line) -> None:
        """A parcel is complete."""
        assert line.head is not None
        kind, tag, _, words = line.head
        body, request = line.body, line.request
        line.expect_header()
        if kind == _MESSAGE and request is not None:
            request.source = peer
            request.end()
        elif kind == _MESSAGE:
            self._deliver_here(_Parcel(peer, tag, words, body))
        elif kind == _ABORT:
            self._told = True
            self._break(f"rank {self._members[peer]} has given up: {body.decode(errors='replace')}")
        elif kind == _BYE:
            self._lost(peer, f"has left the group{body.decode(errors='replace')}", in_good_order=True)
        elif kind == _ASK:
            number, under_way, call = self._state
            awaited = self._names(self._awaited()).encode()[:64] if under_way else b""
            self._put(peer, _ANSWER, 0, b"", memoryview(_STATE.pack(number, under_way, call, awaited)))
        elif kind == _ANSWER:
            self._answers[peer] = _STATE.unpack(body)

    def _lost(self, peer: int, how: str, in_good_order: bool = False) -> None:
        """A rank is gone. If it did not say goodbye the group is broken."""
        if peer in self.gone:
            return
        line = self._lines[peer]
        self.gone[peer] = how
        story = f"rank {self._members[peer]} {how}"
        for _, sent in line.out:
            if sent is not None:
                sent.end(story)
        line.out.clear()
        if line.request is not None:
            line.request.end(story)
        everybody = len(self.gone) == len(self._lines)
        for wanted in [each for each in self._wanted if each.peer == peer or (each.peer is None and everybody)]:
            self._wanted.remove(wanted)
            wanted.end(story)
        if not in_good_order:
            self._break(story)

    def _break(self, story: str) -> None:
        """The group is of no more use; the first story is the one."""
        if self.fault:
            return
        self.fault = story
        for wanted in self._wanted:
            wanted.end(story)
        self._wanted.clear()
        with contextlib.suppress(OSError):
            self._sad.send(b"!")
        self._news.notify_all()

    # ---- the end ----

    def close(self, why: str = "") -> None:
        """Say goodbye, and stop."""
        if self.fault:  # others may hear of this rank's end before they see why
            self.abort(self.fault)
        with self._lock:
            if self._closing:
                return
            for peer in self._lines:
                self._put(peer, _BYE, 0, b"", memoryview(why.encode()[:LONGEST_STORY]))
            self._closing = True
        self._ring()
        self._flush(PATIENCE)
        with self._lock:
            for line in self._lines.values():
                line.out.clear()
        self._ring()
        self._thread.join(PATIENCE)
        self.drop()

    def _flush(self, seconds: float) -> None:
        """Wait until all has gone out."""
        with self._news:
            self._news.wait_for(lambda: not any(line.out for line in self._lines.values()), seconds)

    def drop(self) -> None:
        """Close all sockets."""
        for end in [*(line.socket for line in self._lines.values()), self._bell, self._hear_bell, self._sad, self._hear_sad]:
            end.close()

    def _names(self, peers: Sequence[int]) -> str:
        return f"rank{'s' if len(peers) > 1 else ''} {', '.join(str(self._members[peer]) for peer in peers)}"


def _fits(wanted: _Sent, source: int, tag: int) -> bool:
    return wanted.tag == tag and wanted.peer in (None, source)


def _kind(array: Any) -> bytes:
    return f"{array.size} × {array.dtype.name}".encode().ljust(64, b"\0")


def _bytes(array: Any) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))


def _at(state: tuple[int, bool, bytes, bytes]) -> str:
    _, under_way, call, awaited = state
    words, others = (each.rstrip(b"\0").decode(errors="replace") for each in (call, awaited))
    if under_way:
        return f"is in another call, {words}, and waits for {others}"
    return f"is alive but has not come; its last call was {words}" if words else "is alive but has called nothing yet"


_POSTS: weakref.WeakSet[Post] = weakref.WeakSet()


def _in_a_forked_child() -> None:
    """A fork's copies of the sockets would keep a dead rank's connections open."""
    for post in list(_POSTS):
        post.drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_forked_child)
