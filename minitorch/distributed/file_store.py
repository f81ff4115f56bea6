"""`FileStore`: the dictionary of a run in a file that all ranks can reach.

The file is a list of records, one for each change; who reads it goes on where he stopped. A lock on the file makes each change one
step. Nobody but the file's owner may read it, for it holds the run's key. Read next: `store.py`.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from typing import Any

from .constants import DistStoreError
from .store import Store, Table, poll

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_RECORD = struct.Struct("<II")  # the lengths of a key and its value; the value's is GONE if the key was deleted
_GONE = 0xFFFFFFFF


class FileStore(Store):
    """A store in the file of that name, which is made if it is not there.

    world_size: how many processes use it; the last that is done with it removes the file. −1: nobody does.
    """

    __module__ = "minitorch.distributed"

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        if fcntl is None:
            raise RuntimeError("FileStore: this system has no locks on files (fcntl); use a TCPStore")
        self._path, self._world_size = os.fspath(file_name), world_size
        self._table, self._read_to = Table(), 0
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        except OSError as error:
            raise DistStoreError(f"FileStore: cannot open {self._path!r}: {error.strerror}") from None

    @property
    def path(self) -> str:
        """The file's name."""
        return self._path

    def _ask(self, what: str, key: str, *values: bytes) -> bytes:
        with self._locked() as number:
            self._catch_up(number)
            before = self._table.values.get(key)
            answer = self._table.act(what, key, *values)
            after = self._table.values.get(key)
            if after != before or (what == "set" and after is not None):
                self._write(number, key.encode(), after)
        return answer

    def _wait(self, key: str, seconds: float) -> bool:
        return poll(lambda: self.check([key]), seconds)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            number = os.open(self._path, os.O_RDWR)
        except FileNotFoundError:
            raise DistStoreError(f"FileStore: {self._path!r} has been removed") from None
        try:
            if not poll(lambda: _lock(number), self._timeout.total_seconds()):
                raise DistStoreError(
                    f"FileStore: another process holds the lock of {self._path!r} for {self._timeout.total_seconds():g} seconds: one of the "
                    "ranks has been stopped"
                )
            yield number
        finally:
            os.close(number)

    def _catch_up(self, number: int) -> None:
        """Read the records that others have written since."""
        os.lseek(number, self._read_to, os.SEEK_SET)
        with os.fdopen(os.dup(number), "rb") as file:
            while len(head := file.read(_RECORD.size)) == _RECORD.size:
                of_key, of_value = _RECORD.unpack(head)
                gone = of_value == _GONE
                record = file.read(of_key + (0 if gone else of_value))
                if len(record) < of_key:
                    raise DistStoreError(f"FileStore: {self._path!r} is damaged; remove it")
                key = record[:of_key].decode()
                if gone:
                    self._table.values.pop(key, None)
                else:
                    self._table.values[key] = record[of_key:]
                self._read_to += len(head) + len(record)

    def _write(self, number: int, key: bytes, value: bytes | None) -> None:
        record = _RECORD.pack(len(key), _GONE if value is None else len(value)) + key + (value or b"")
        os.lseek(number, self._read_to, os.SEEK_SET)
        os.truncate(number, self._read_to)  # half a record is of somebody who was killed
        while record:
            record = record[os.write(number, record) :]
        self._read_to = os.lseek(number, 0, os.SEEK_CUR)


def _lock(number: int) -> bool:
    """Whether the file could be locked."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
