"""Stores: a dictionary that several processes share, by which ranks find each other.

Keys are texts, values bytes. `get` and `wait` wait for keys that are not there yet. `HashStore` is the dictionary itself, for threads
of one process; `TCPStore` (`tcp_store.py`) asks one in another process, `FileStore` (`file_store.py`) keeps it in a file;
`PrefixStore` is a part of another store. Read next: `rendezvous.py`, which makes the store that a run begins with.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from .constants import DistStoreError, default_store_timeout

T = TypeVar("T")


class Store:
    """What all stores can do. A kind of store says how the dictionary is changed (`_change`) and waited for (`_wait`)."""

    __module__ = "minitorch.distributed"
    _timeout: timedelta = default_store_timeout

    @property
    def timeout(self) -> timedelta:
        """How long `get` and `wait` wait."""
        return self._timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Let `get` and `wait` wait so long from now on."""
        self._timeout = timeout

    def set(self, key: str, value: str | bytes) -> None:
        """Put a value under a key, whether there is one or not."""
        self._ask("set", key, as_bytes(value))

    def get(self, key: str) -> bytes:
        """The value of a key, which is waited for; DistStoreError after the timeout."""
        self.wait([key])
        return self._ask("read", key)

    def add(self, key: str, amount: int) -> int:
        """Add to the number under a key, 0 if there is none yet, and return the sum."""
        return int(self._ask("add", key, b"%d" % amount))

    def append(self, key: str, value: str | bytes) -> None:
        """Put a value behind the one that is there."""
        self._ask("append", key, as_bytes(value))

    def compare_set(self, key: str, expected_value: str | bytes, desired_value: str | bytes) -> bytes:
        """Set if the value is the expected one, or if there is none and "" is expected; returns what is there then."""
        return self._ask("compare_set", key, as_bytes(expected_value), as_bytes(desired_value))

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all keys are there."""
        return all(self._ask("check", key) == b"1" for key in keys)

    def delete_key(self, key: str) -> bool:
        """Remove a key; whether there was one."""
        return self._ask("delete_key", key) == b"1"

    def num_keys(self) -> int:
        """How many keys there are."""
        return int(self._ask("num_keys", ""))

    def multi_get(self, keys: Sequence[str]) -> list[bytes]:
        """The values of several keys, which are waited for."""
        return [self.get(key) for key in keys]

    def multi_set(self, keys: Sequence[str], values: Sequence[str | bytes]) -> None:
        """Set several keys."""
        for key, value in zip(keys, values, strict=True):
            self.set(key, value)

    def has_extended_api(self) -> bool:
        """Whether there are `append`, `multi_get` and `multi_set`."""
        return True

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Return when all keys are there; DistStoreError, which names the missing ones, after the timeout."""
        seconds = (timeout or self._timeout).total_seconds()
        deadline = time.monotonic() + seconds
        for key in keys:
            if not self._wait(key, max(0.0, deadline - time.monotonic())):
                missing = ", ".join(each for each in keys if not self.check([each]))
                raise DistStoreError(f"wait timeout after {seconds * 1000:.0f}ms, keys: {missing}")

    def _ask(self, what: str, key: str, *values: bytes) -> bytes:
        """Do one of the actions of `_Table`."""
        raise NotImplementedError

    def _wait(self, key: str, seconds: float) -> bool:
        """Wait for a key; whether it came."""
        raise NotImplementedError


def as_bytes(value: str | bytes) -> bytes:
    """Text as UTF-8."""
    return value.encode() if isinstance(value, str) else bytes(value)


class Table:
    """The dictionary, and all that is done to it. What comes back is bytes, for it may have to travel."""

    ACTIONS = ("set", "read", "add", "append", "compare_set", "check", "delete_key", "num_keys")

    def __init__(self, values: dict[str, bytes] | None = None) -> None:
        self.values: dict[str, bytes] = {} if values is None else values

    def act(self, what: str, key: str, *values: bytes) -> bytes:
        """Do what is asked; KeyError unless it is one of ACTIONS."""
        if what not in self.ACTIONS:
            raise KeyError(what)
        return getattr(self, what)(key, *values) or b""

    def set(self, key: str, value: bytes) -> None:
        self.values[key] = value

    def read(self, key: str) -> bytes:
        return self.values[key]

    def add(self, key: str, amount: bytes) -> bytes:
        self.values[key] = b"%d" % (int(self.values.get(key, b"0")) + int(amount))
        return self.values[key]

    def append(self, key: str, value: bytes) -> None:
        self.values[key] = self.values.get(key, b"") + value

    def compare_set(self, key: str, expected: bytes, desired: bytes) -> bytes:
        there = self.values.get(key)
        if there == expected or (there is None and not expected):
            self.values[key] = there = desired
        return expected if there is None else there

    def check(self, key: str) -> bytes:
        return b"%d" % (key in self.values)

    def delete_key(self, key: str) -> bytes:
        return b"%d" % (self.values.pop(key, None) is not None)

    def num_keys(self, key: str) -> bytes:
        return b"%d" % len(self.values)


class HashStore(Store):
    """A store for the threads of one process.

    >>> store = minitorch.distributed.HashStore()
    >>> store.set("key", "value")
    >>> store.get("key"), store.add("count", 2), store.num_keys()
    (b'value', 2, 2)
    """

    __module__ = "minitorch.distributed"

    def __init__(self) -> None:
        self._table = Table()
        self._changed = threading.Condition()

    def _ask(self, what: str, key: str, *values: bytes) -> bytes:
        with self._changed:
            answer = self._table.act(what, key, *values)
            self._changed.notify_all()
        return answer

    def _wait(self, key: str, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: key in self._table.values, seconds)


class PrefixStore(Store):
    """The keys of another store that begin with `prefix`, a slash after it."""

    __module__ = "minitorch.distributed"

    def __init__(self, prefix: str, store: Store) -> None:
        self._prefix, self._store = prefix, store
        self._timeout = store.timeout

    @property
    def underlying_store(self) -> Store:
        """The store that it is a part of."""
        return self._store

    def set_timeout(self, timeout: timedelta) -> None:
        self._timeout = timeout
        self._store.set_timeout(timeout)

    def _ask(self, what: str, key: str, *values: bytes) -> bytes:
        return self._store._ask(what, f"{self._prefix}/{key}", *values)

    def _wait(self, key: str, seconds: float) -> bool:
        return self._store._wait(f"{self._prefix}/{key}", seconds)


def poll(there: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again, at longer and longer intervals, whether something is so."""
    deadline, pause = time.monotonic() + seconds, 0.001
    while not there():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(2 * pause, 0.05)
    return True
