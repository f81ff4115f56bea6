"""How the ranks of a run find each other: by an address that all know, a rank's number, and how many there are.

A handler turns an address (`env://`, `tcp://host:port`, `file://path`) into a store, a rank and the number of ranks; others can be
registered. `meet` then waits at the store until every rank has come, and says who has not. Read next: `groups.py`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlparse

from .constants import DistError, DistStoreError, default_pg_timeout
from .file_store import FileStore
from .store import PrefixStore, Store
from .tcp_store import TCPStore

_handlers: dict[str, Callable[..., Iterator[tuple[Store, int, int]]]] = {}


def register_rendezvous_handler(scheme: str, handler: Callable[..., Iterator[tuple[Store, int, int]]]) -> None:
    """Let `handler(url, timeout=…)`, a generator of (store, rank, world size), deal with addresses that begin with `scheme://`."""
    if scheme in _handlers:
        raise RuntimeError(f"Rendezvous handler for {scheme}:// already registered")
    _handlers[scheme] = handler


def rendezvous(url: str, rank: int = -1, world_size: int = -1, **kwargs: Any) -> Iterator[tuple[Store, int, int]]:
    """The handler of an address at work; rank and world size are in the address where they are not given."""
    if not isinstance(url, str):
        raise RuntimeError(f"`url` must be a string. {type(url)}: {url}")
    for name, value in ("rank", rank), ("world_size", world_size):
        if not isinstance(value, int):
            raise RuntimeError(f"`{name}` must be an integer. {value}")
    told = {name: value for name, value in (("rank", rank), ("world_size", world_size)) if value != -1}
    parts = urlparse(url)
    if told:
        if {"rank", "world_size"} & set(parse_qs(parts.query)):
            raise AssertionError(f"The url: {url} has node-specific arguments(rank, world_size) already.")
        url = parts._replace(
            query="&".join([parts.query] * bool(parts.query) + [f"{k}={v}" for k, v in told.items()])
        ).geturl()
    if parts.scheme not in _handlers:
        raise RuntimeError(f"No rendezvous handler for {parts.scheme}://")
    return _handlers[parts.scheme](url, **kwargs)


def _told(url: str, name: str, kind: str, words: str) -> int:
    value = parse_qs(urlparse(url).query).get(name)
    if value is None:
        raise _error(kind, f"{words} parameter missing")
    return int(value[0])


def _error(kind: str, message: str) -> ValueError:
    return ValueError(f"Error initializing minitorch.distributed using {kind}:// rendezvous: {message}")


def _by_file(url: str, timeout: timedelta = default_pg_timeout, **kwargs: Any) -> Iterator[tuple[Store, int, int]]:
    path = urlparse(url).path
    if not path:
        raise _error("file", "path missing")
    rank, world_size = _told(url, "rank", "file", "rank"), _told(url, "world_size", "file", "world size")
    yield FileStore(path, world_size), rank, world_size
    raise RuntimeError("Unable to perform rerendezvous using file:// method")


def _by_tcp(url: str, timeout: timedelta = default_pg_timeout, **kwargs: Any) -> Iterator[tuple[Store, int, int]]:
    parts = urlparse(url)
    if parts.port is None:
        raise _error("tcp", "port number missing")
    if parts.hostname is None:
        raise _error("tcp", "host missing")
    rank, world_size = _told(url, "rank", "tcp", "rank"), _told(url, "world_size", "tcp", "world size")
    yield _tcp_store(parts.hostname, parts.port, rank, timeout), rank, world_size
    raise RuntimeError("Unable to perform re-rendezvous using tcp:// method")


def _by_environment(url: str, timeout: timedelta = default_pg_timeout, **kwargs: Any) -> Iterator[tuple[Store, int, int]]:
    query = parse_qs(urlparse(url).query)

    def told(name: str) -> str:
        if name.lower() in query:
            return query[name.lower()][0]
        if not (value := os.environ.get(name)):
            raise _error("env", f"environment variable {name} expected, but not set")
        return value

    rank, world_size = (_number(name, told(name)) for name in ("RANK", "WORLD_SIZE"))
    address, port = told("MASTER_ADDR"), _number("MASTER_PORT", told("MASTER_PORT"))
    yield _tcp_store(address, port, rank, timeout), rank, world_size
    raise RuntimeError("Unable to perform re-rendezvous using env:// method")


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _error("env", f"environment variable {name} is to be a number, not {text!r}") from None


def _tcp_store(host: str, port: int, rank: int, timeout: timedelta) -> Store:
    if not 0 <= port < 2**16:
        raise ValueError(f"port must have value from 0 to 65535 but was {port}.")
    return TCPStore(host, port, is_master=rank == 0, timeout=timeout, multi_tenant=True)


register_rendezvous_handler("file", _by_file)
register_rendezvous_handler("tcp", _by_tcp)
register_rendezvous_handler("env", _by_environment)


# ---- everybody is there ----

_CALLED_OFF = "!"  # what stands in the place of a rank's world size when nothing comes of it


class Meeting:
    """The run that begins at a store: `store` is for it alone, for runs may follow each other at one store."""

    def __init__(self, store: Store, rank: int, world_size: int, timeout: timedelta) -> None:
        if not 0 <= rank < world_size:
            raise DistError(
                f"rank {rank} does not exist in a world of {world_size}: ranks go from 0 to world_size - 1. Check RANK and WORLD_SIZE"
            )
        self._left = f"rank {rank} has left"
        number = store.add(f"rank {rank} has come", 1)
        self.store = PrefixStore(f"run {number}", store)
        if number > 1 and not store.check([f"run {number - 1}/{self._left}"]):
            raise DistStoreError(
                f"rank {rank} has come already and is not gone ({self._who(PrefixStore(f'run {number - 1}', store), rank)}): two processes "
                "were given the same rank, or the store (file) is of a run that has died: remove it"
            )
        self._meet(rank, world_size, timeout)

    def _meet(self, rank: int, world_size: int, timeout: timedelta) -> None:
        self.store.set(f"rank {rank}", f"{world_size}|process {os.getpid()} on {socket.gethostname()}")
        with contextlib.suppress(DistStoreError):
            self.store.wait([f"rank {each}" for each in range(world_size)], timeout)
        if missing := [each for each in range(world_size) if not self.store.check([f"rank {each}"])]:
            self._call_off(
                rank,
                missing,
                f"Timed out after {timeout.total_seconds():g} seconds waiting for ranks. {world_size - len(missing)}/{world_size} came; "
                f"missing: {', '.join(map(str, missing))}. Was each started, with the same address and WORLD_SIZE={world_size}?",
            )
        for each in range(world_size):
            theirs = self.store.get(f"rank {each}").decode()
            if theirs.startswith(_CALLED_OFF):
                raise DistStoreError(theirs.removeprefix(_CALLED_OFF))
            if (size := int(theirs.split("|")[0])) != world_size:
                story = f"rank {each} was started with world_size {size}, rank {rank} with {world_size}"
                self._call_off(rank, range(max(size, world_size)), story)

    def _call_off(self, rank: int, ranks: Iterable[int], story: str) -> NoReturn:
        """Tell those who wait for `ranks` that it comes to nothing; rank 0, the store's home, gives them the time to hear it."""
        for each in ranks:
            self.store.set(f"rank {each}", f"{_CALLED_OFF}{story}")
        if rank == 0:
            time.sleep(0.5)
        raise DistStoreError(story)

    def _who(self, store: Store, rank: int) -> str:
        key = f"rank {rank}"
        return store.get(key).decode().split("|")[-1] if store.check([key]) else "which has not said who it is"

    def leave(self) -> None:
        """This rank has done with the run."""
        with contextlib.suppress(RuntimeError):  # rank 0, and the store with it, left first
            self.store.set(self._left, b"1")
