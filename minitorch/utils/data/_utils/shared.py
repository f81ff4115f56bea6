"""Objects between two processes: the bytes of arrays lie in shared memory, the rest is a pickle beside them.

A message is a pickle and the arrays it speaks of (pickle's protocol 5 leaves them out). A short one goes through a socket. A long
one is written to a block of memory that has no name, only a file descriptor, and the descriptor goes through the socket: the
receiver's arrays lie in the same memory. The system frees it with the last process that holds it, however that ends, so nothing can be
left over. Read next: `worker.py`, which sends batches.
"""

from __future__ import annotations

import array
import contextlib
import mmap
import os
import pickle
import socket
import struct
import weakref
from collections.abc import Sequence
from typing import Any

from ....arrays.shared_memory import ALIGNED, unnamed, write

SHORT = 1 << 12  # bytes that go through the socket: less than a page of memory, and as one piece
MAPPED_AT_MOST = 128  # blocks at a time: each holds a descriptor, of which a process may have a thousand

_HEADER = struct.Struct("<?QQ")  # whether a descriptor comes along; the length of the body; how many parts it has
_BY_DESCRIPTOR = hasattr(socket, "send_fds")  # not on Windows: there all goes through the socket

_mapped: list[weakref.ref[mmap.mmap]] = []  # no WeakSet: a Ctrl-C while one forgets an element is lost


def pair() -> tuple[Channel, Channel]:
    """Two ends: what is sent on one is received on the other."""
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


class Channel:
    """One end. It can be given to a process that is being started."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    def fileno(self) -> int:
        """What `multiprocessing.connection.wait` watches."""
        return self.socket.fileno()

    def send(self, message: Any, *, wait: bool = True) -> None:
        """Send an object. BlockingIOError without `wait`, if the receiver has not yet taken what came before."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(pickled), *(buffer.raw() for buffer in buffers)]
        offsets, length = _places([part.nbytes for part in parts])
        if length <= SHORT or not _BY_DESCRIPTOR:
            self._send(_HEADER.pack(False, length, len(parts)) + _body(parts, offsets, length), (), wait)
            return
        with unnamed() as descriptor:
            os.truncate(descriptor, length)
            for part, at in zip([memoryview(_sizes(parts)), *parts], [0, *offsets]):
                write(descriptor, part, at)
            self._send(_HEADER.pack(True, length, len(parts)), [descriptor], wait)

    def _send(self, data: bytes, descriptors: Sequence[int], wait: bool) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        if _BY_DESCRIPTOR:
            sent = self.socket.sendmsg([data], rights, 0 if wait else socket.MSG_DONTWAIT)
        else:
            sent = self.socket.send(data)
        if sent < len(data):
            self.socket.sendall(data[sent:])

    def receive(self) -> Any:
        """The next object; EOFError if the other end is closed, TimeoutError if the socket has a timeout."""
        descriptors: list[int] = []
        in_block, length, count = _HEADER.unpack(self._header(descriptors))
        if in_block:
            body: Any = _map(descriptors[0], length)
        else:
            body = bytearray(length)
            self._fill(memoryview(body))
        view = memoryview(body)
        sizes = struct.unpack_from(f"<{count}Q", view)
        offsets, _ = _places(sizes)
        pickled, *buffers = (view[at : at + size] for at, size in zip(offsets, sizes))
        return pickle.loads(pickled, buffers=buffers)

    def _header(self, descriptors: list[int]) -> bytearray:
        data = bytearray(_HEADER.size)
        try:
            if _BY_DESCRIPTOR:
                start, received, *_ = socket.recv_fds(self.socket, len(data), 1)
                descriptors += received
            else:
                start = self.socket.recv(len(data))
        except ConnectionError:
            start = b""
        if not start:
            raise EOFError("the other end of the channel is closed")
        data[: len(start)] = start
        self._fill(memoryview(data)[len(start) :])
        return data

    def _fill(self, view: memoryview) -> None:
        """Receive the rest of a message that has begun."""
        while view:
            with contextlib.suppress(TimeoutError):
                count = self.socket.recv_into(view)
                if not count:
                    raise EOFError("the other end of the channel closed within a message")
                view = view[count:]

    def close(self) -> None:
        """The other end receives nothing any more, nor does a copy of this end in another process keep it waiting."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


# ---- the body: the sizes of the parts, then the parts, each at an aligned place ----


def _places(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where each part begins, and where the last ends."""
    offsets, end = [], 8 * len(sizes)
    for size in sizes:
        offsets.append(-(-end // ALIGNED) * ALIGNED)
        end = offsets[-1] + size
    return offsets, end


def _sizes(parts: Sequence[memoryview]) -> bytes:
    return struct.pack(f"<{len(parts)}Q", *(part.nbytes for part in parts))


def _body(parts: Sequence[memoryview], offsets: Sequence[int], length: int) -> bytearray:
    body = bytearray(length)
    body[: 8 * len(parts)] = _sizes(parts)
    for part, at in zip(parts, offsets):
        body[at : at + part.nbytes] = part
    return body


# ---- blocks ----


def _map(descriptor: int, length: int) -> Any:
    """A block's memory, and the descriptor closed. If many blocks are in use already, a copy, which holds no descriptor."""
    try:
        block = mmap.mmap(descriptor, length)
    finally:
        os.close(descriptor)
    _mapped[:] = [ref for ref in _mapped if ref() is not None]
    if len(_mapped) >= MAPPED_AT_MOST:
        return bytearray(block)
    _mapped.append(weakref.ref(block))
    return block
