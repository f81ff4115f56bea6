"""`TCPStore`: the dictionary of a run lies in one process, the master's, and the others ask it over TCP.

A question is an action of `Table`, a key and values; the server answers each client in a thread of its own. Client and server know
the same key (`authenticated.py`): the environment's MINITORCH_AUTHKEY if it is set, else a file that only this user can read, which
is why that variable is needed where ranks run on several machines. The server listens where `host_name` says, on no other
interface. Read next: `store.py`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from datetime import timedelta
from multiprocessing.connection import Connection

from ..utils.files import replacing
from .authenticated import connect, key_file, new_key, welcome
from .constants import DistNetworkError, DistStoreError, default_store_timeout
from .store import HashStore, Store

LONGEST = 1 << 26  # bytes of a message


class TCPStore(Store):
    """A store at host_name:port, of which the master (`is_master`) is the server.

    port 0: the master's is a free one, `.port` tells which. world_size: the master waits for so many processes, itself one of them
    (unless not `wait_for_workers`). timeout: for this, for connecting and for `get` and `wait`. DistNetworkError if the port is
    in use or nobody answers there; DistStoreError, which says how many came, if some did not. `use_libuv` does nothing here.
    """

    __module__ = "minitorch.distributed"

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: timedelta = default_store_timeout,
        wait_for_workers: bool = True,
        multi_tenant: bool = False,
        master_listen_fd: int | None = None,
        use_libuv: bool = True,
    ) -> None:
        self._host, self._timeout = host_name, timeout
        self._server: _Server | None = None
        self._connection: Connection | None = None
        self._asking = threading.Lock()
        if is_master:
            self._server = _server(host_name, port, multi_tenant, master_listen_fd)
            port = self._server.port
        self._port = port
        if not is_master:
            self._connection = _connected(host_name, port, timeout.total_seconds())
        if world_size is not None and world_size > 0 and wait_for_workers:
            self._wait_for_workers(world_size)

    @property
    def host(self) -> str:
        """The server's host."""
        return self._host

    @property
    def port(self) -> int:
        """The server's port."""
        return self._port

    def _wait_for_workers(self, world_size: int) -> None:
        self.add("init/", 1)
        if self._server is None:
            return
        deadline = time.monotonic() + self._timeout.total_seconds()
        while (count := self.add("init/", 0)) < world_size:
            if time.monotonic() >= deadline:
                raise DistStoreError(
                    f"Timed out after {self._timeout.total_seconds():g} seconds waiting for clients. "
                    f"{count}/{world_size} clients joined."
                )
            time.sleep(0.005)

    def _ask(self, what: str, key: str, *values: bytes) -> bytes:
        if self._server is not None:
            return self._server.store._ask(what, key, *values)
        return self._question(what, key, *values)

    def _wait(self, key: str, seconds: float) -> bool:
        if self._server is not None:
            return self._server.store._wait(key, seconds)
        return self._question("wait", key, b"%d" % int(seconds * 1000)) == b"1"

    def _question(self, what: str, key: str, *values: bytes) -> bytes:
        with self._asking:
            if self._connection is None:
                raise DistNetworkError("TCPStore: it has been closed")
            try:
                self._connection.send_bytes(_packed(what.encode(), key.encode(), *values))
                answer, value = _unpacked(self._connection.recv_bytes(LONGEST))
            except (OSError, EOFError):
                raise DistNetworkError(f"TCPStore: the server at {self._host}:{self._port} (rank 0) is gone") from None
        if answer != b"ok":
            raise DistStoreError(f"TCPStore: {value.decode()}")
        return value

    def close(self) -> None:
        """Leave; a server that is nobody else's stops."""
        with self._asking:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        if self._server is not None and not self._server.shared:
            self._server.stop()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


def _connected(host: str, port: int, seconds: float) -> Connection:
    """A connection to the server, which may not be there yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            key = _key_for(port)  # before there is a socket to close
            return connect(_socket_to(host, port), (host, port), key, deadline)
        except (OSError, EOFError) as error:
            if isinstance(error, socket.gaierror):
                raise DistNetworkError(f"TCPStore: the host {host!r} is not known: {error.strerror}") from None
            if time.monotonic() >= deadline:
                why = "no store of this user's has this port here" if isinstance(error, FileNotFoundError) else error
                raise DistNetworkError(
                    f"TCPStore: nobody answers at {host}:{port} after {seconds:g} seconds ({why}): is rank 0 there, with the same "
                    "MASTER_ADDR and MASTER_PORT? On another machine both need the same MINITORCH_AUTHKEY"
                ) from None
            time.sleep(0.02)


def _socket_to(host: str, port: int) -> socket.socket:
    family, kind, protocol, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    end = socket.socket(family, kind, protocol)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return end


def _key_for(port: int) -> bytes:
    """The key of the server at a port. FileNotFoundError if it is not there yet."""
    if told := os.environ.get("MINITORCH_AUTHKEY"):
        return told.encode()
    with open(key_file(port), "rb") as file:
        return file.read()


# ---- the server ----

_SHARED: dict[tuple[str, int], _Server] = {}  # of this process: whoever begins another run at the same port goes on with it


def _server(host: str, port: int, shared: bool, listening: int | None) -> _Server:
    if not shared or not port:
        return _Server(host, port, False, listening)
    if (host, port) not in _SHARED:
        _SHARED[host, port] = _Server(host, port, True, listening)
    return _SHARED[host, port]


class _Server:
    """The dictionary, and the threads that answer for it."""

    def __init__(self, host: str, port: int, shared: bool, listening: int | None) -> None:
        self.store, self.shared = HashStore(), shared
        self._socket = _bound(host, port) if listening is None else socket.socket(fileno=listening)
        self.port: int = self._socket.getsockname()[1]
        self._key_file = ""
        try:
            self._key = os.environ.get("MINITORCH_AUTHKEY", "").encode() or self._key_of_its_own()
        except BaseException:
            self._socket.close()
            raise
        self._socket.listen(1024)
        self._process = os.getpid()
        threading.Thread(target=self._accept, name="TCPStore", daemon=True).start()

    def _key_of_its_own(self) -> bytes:
        key, path = new_key(), key_file(self.port)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of a run that was killed
        with replacing(path) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(key)
        self._key_file = path
        return key

    def _accept(self) -> None:
        while True:
            try:
                end, _ = self._socket.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(end,), name="TCPStore client", daemon=True).start()

    def _serve(self, end: socket.socket) -> None:
        """Answer one client until it is gone."""
        with contextlib.suppress(OSError):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = welcome(end, self._key)
        if connection is None:
            return
        with connection, contextlib.suppress(OSError, EOFError):
            while True:
                connection.send_bytes(self._answer(connection.recv_bytes(LONGEST)))

    def _answer(self, question: bytes) -> bytes:
        try:
            what, key, *values = _unpacked(question)
            if what == b"wait":
                return _packed(b"ok", b"%d" % self.store._wait(key.decode(), int(values[0]) / 1000))
            return _packed(b"ok", self.store._ask(what.decode(), key.decode(), *values))
        except Exception as error:
            return _packed(b"error", f"{type(error).__name__}: {error}".encode())

    def stop(self) -> None:
        if os.getpid() != self._process:  # a fork's copy
            return
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()
        if self._key_file:
            with contextlib.suppress(OSError):
                os.unlink(self._key_file)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise DistNetworkError(f"The server socket cannot listen at {host}:{port}: {error.strerror}") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        name = errno.errorcode.get(error.errno or 0, "?")
        hint = {
            "EADDRINUSE": "another process uses the port, or two were started as rank 0; choose another MASTER_PORT",
            "EADDRNOTAVAIL": "the host is not this machine: MASTER_ADDR is the address of rank 0's",
            "EACCES": "ports below 1024 are the administrator's",
        }.get(name, "")
        raise DistNetworkError(
            f"The server socket has failed to listen on any local network address. port: {port}, code: {-(error.errno or 0)}, "
            f"name: {name}, message: {error.strerror}" + (f". {host}:{port}: {hint}" if hint else "")
        ) from None
    return made


# ---- messages ----


def _packed(*parts: bytes) -> bytes:
    return b"".join(struct.pack("<Q", len(part)) + part for part in parts)


def _unpacked(message: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(message):
        (length,) = struct.unpack_from("<Q", message, at)
        parts.append(message[at + 8 : at + 8 + length])
        at += 8 + length
    return parts
