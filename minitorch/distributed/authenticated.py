"""Connections whose two ends have shown each other that they know the same key: `multiprocessing.connection`'s handshake.

A stranger who connects is turned away before anything of his is read, and a process never answers a stranger's questions. The key is
never sent: each side sends random bytes, and the other sends back their HMAC. What goes over the connection afterwards is not
encrypted. Read next: `tcp_store.py`, `mesh.py`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
import struct
import tempfile
import time
from math import inf
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge

from .constants import DistNetworkError

_FOLDER = f"minitorch-gloo-{getattr(os, 'getuid', int)()}-"
HANDSHAKE = 10.0  # seconds that the other end has to show that it knows the key


def listen_on_this_machine() -> tuple[socket.socket, str]:
    """A new Unix socket in a folder that only this user can open, and its path."""
    _clear_away()
    path = os.path.join(tempfile.mkdtemp(prefix=_FOLDER), "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    return listener, path


def stop_listening(listener: socket.socket, path: str) -> None:
    """Close it, and remove its folder."""
    listener.close()
    with contextlib.suppress(OSError):
        os.unlink(path)
        os.rmdir(os.path.dirname(path))


def _clear_away() -> None:
    """Remove folders of processes that were killed while they listened: nobody answers there, and they are no longer new."""
    with os.scandir(tempfile.gettempdir()) as entries:
        old = [each for each in entries if each.name.startswith(_FOLDER) and _is_old(each)]
    for folder in old:
        path = os.path.join(folder.path, "socket")
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path):
                stop_listening(probe, path)


def _is_old(folder: os.DirEntry[str]) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > 60
    except FileNotFoundError:  # another process has removed it since the folder was read
        return False


def accept(listener: socket.socket, key: bytes, deadline: float) -> Connection | None:
    """The next who connects; None if he does not know the key. TimeoutError if nobody does before the deadline."""
    listener.settimeout(max(0.001, deadline - time.monotonic()))
    end, _ = listener.accept()
    return welcome(end, key, deadline)


def welcome(end: socket.socket, key: bytes, deadline: float = inf) -> Connection | None:
    """The listener's side of the handshake; None if the other end does not know the key, or says nothing."""
    connection = _connection(end, deadline)
    try:
        deliver_challenge(connection, key)
        answer_challenge(connection, key)
    except (AuthenticationError, EOFError, OSError):
        connection.close()
        return None
    _reads_end_after(0, connection.fileno())
    return connection


def connect(end: socket.socket, address: str | tuple[str, int], key: bytes, deadline: float) -> Connection:
    """Connect to a listener's address, and shake hands. OSError or EOFError if nobody is there; DistNetworkError if it is a stranger."""
    try:
        end.settimeout(_at_most(deadline))
        end.connect(address)
    except OSError:
        end.close()
        raise
    connection = _connection(end, deadline)
    try:
        answer_challenge(connection, key)
        deliver_challenge(connection, key)
    except AuthenticationError:
        connection.close()
        raise DistNetworkError(
            f"who listens at {address} does not know the key of this run: it is another run's, or another user's"
        ) from None
    except BaseException:
        connection.close()
        raise
    _reads_end_after(0, connection.fileno())
    return connection


def as_socket(connection: Connection) -> socket.socket:
    """The connection's socket, in place of the connection."""
    end = socket.socket(fileno=os.dup(connection.fileno()))
    connection.close()
    return end


def _at_most(deadline: float) -> float:
    return min(HANDSHAKE, max(0.01, deadline - time.monotonic()))


def _connection(end: socket.socket, deadline: float) -> Connection:
    end.settimeout(None)
    _reads_end_after(_at_most(deadline), end.fileno())
    return Connection(end.detach())


def _reads_end_after(seconds: float, number: int) -> None:
    """Let the system end a read of this socket after some seconds; 0: never."""
    end = socket.socket(fileno=os.dup(number))
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6)))
    end.close()


# ---- keys ----


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(32)


def key_file(port: int) -> str:
    """Where the key of this user's store at a port lies: in a folder that nobody else may open. DistNetworkError if others may."""
    folder = os.path.join(tempfile.gettempdir(), f"minitorch-keys-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise DistNetworkError(f"{folder} is to hold keys, but is not a folder of yours alone; remove it, or chmod 700 it")
    return os.path.join(folder, f"store-{port}.key")
