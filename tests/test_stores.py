"""Stores beside torch's, and who is let in."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch.distributed

import minitorch.distributed as dist
from minitorch.distributed import authenticated, tcp_store

pytestmark = pytest.mark.outside
SOON = timedelta(seconds=0.3)


def hash_store(lib: Any, folder: Path) -> list[Any]:
    return [lib.HashStore()] * 2


def file_store(lib: Any, folder: Path) -> list[Any]:
    return [lib.FileStore(str(folder / lib.__name__), 2) for _ in range(2)]


def tcp_stores(lib: Any, folder: Path) -> list[Any]:
    master = lib.TCPStore("127.0.0.1", 0, None, True, timedelta(seconds=5))
    return [master, lib.TCPStore("127.0.0.1", master.port, None, False, timedelta(seconds=5))]


def prefix_store(lib: Any, folder: Path) -> list[Any]:
    return [lib.PrefixStore("part", lib.HashStore())] * 2


KINDS = [hash_store, file_store, tcp_stores, prefix_store]


def answers(one: Any, other: Any) -> list[Any]:
    """What two ends of a store say to the same questions."""
    one.set("a", "1")
    one.set("b", b"\x00\xff" * 2000)
    said: list[Any] = [other.get("a"), other.get("b"), other.add("n", 3), one.add("n", -1), one.get("n")]
    said += [other.check(["a", "b"]), other.check(["a", "c"]), one.compare_set("a", "1", "2"), other.get("a")]
    said += [one.compare_set("a", "1", "3"), one.compare_set("new", "", "x"), one.compare_set("newer", "y", "z")]
    other.set("a", "again")
    said += [one.get("a"), one.delete_key("b"), other.check(["b"])]
    one.wait(["a", "n"], timedelta(seconds=1))
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_stores_answer_as_torchs_do(kind: Callable[[Any, Path], list[Any]], tmp_path: Path) -> None:
    assert answers(*kind(dist, tmp_path)) == answers(*kind(torch.distributed, tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_waited_for(kind: Callable[[Any, Path], list[Any]], tmp_path: Path) -> None:
    one, other = kind(dist, tmp_path)
    later = threading.Timer(0.1, one.set, ["late", "here"])
    later.start()
    assert other.get("late") == b"here"
    with pytest.raises(dist.DistStoreError, match="wait timeout after 300ms, keys: never, nor"):
        other.wait(["late", "never", "nor"], SOON)
    other.set_timeout(SOON)
    assert other.timeout == SOON
    with pytest.raises(dist.DistStoreError, match="never"):
        other.get("never")
    later.join()


def test_clients_that_do_not_come_are_counted() -> None:
    for lib in torch.distributed, dist:
        with pytest.raises(
            lib.DistStoreError, match=r"Timed out after \S+ seconds waiting for clients. 1/2 clients joined."
        ):
            lib.TCPStore("127.0.0.1", 0, 2, True, timedelta(seconds=1))


def test_half_a_record_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "store"
    one = dist.FileStore(str(path))
    one.set("a", "1")
    with path.open("ab") as file:
        file.write(b"\x05\x00")  # of somebody who was killed
    other = dist.FileStore(str(path))
    other.set("b", "2")
    assert (one.get("a"), one.get("b"), dist.FileStore(str(path)).num_keys()) == (b"1", b"2", 2)


# ---- who is let in ----


def test_nobody_else_can_read_the_key(tmp_path: Path) -> None:
    store = dist.TCPStore("127.0.0.1", 0, None, True)
    path = authenticated.key_file(store.port)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    store.close()
    assert not os.path.exists(path)
    dist.FileStore(str(tmp_path / "file")).set("key", "secret")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_folder_for_keys_that_others_can_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    os.chmod(os.path.dirname(authenticated.key_file(1)), 0o755)
    with pytest.raises(dist.DistNetworkError, match="is not a folder of yours alone"):
        dist.TCPStore("127.0.0.1", 0, None, True)


def test_a_stranger_is_turned_away_and_hinders_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    store = dist.TCPStore("127.0.0.1", 0, None, True)
    silent = socket.create_connection(("127.0.0.1", store.port))  # says nothing
    loud = socket.create_connection(("127.0.0.1", store.port))
    loud.sendall(b"\x00\x00\x00\x05hello" * 10)
    friend = dist.TCPStore("127.0.0.1", store.port, None, False, timedelta(seconds=5))
    friend.set("a", "1")
    assert store.get("a") == b"1"
    monkeypatch.setattr(tcp_store, "_key_for", lambda port: b"another")
    with pytest.raises(dist.DistNetworkError, match=r"does not know the key of this run|nobody answers"):
        dist.TCPStore("127.0.0.1", store.port, None, False, SOON)
    silent.close()
    loud.close()
    store.close()


def test_a_server_listens_where_it_is_told() -> None:
    store = dist.TCPStore("127.0.0.1", 0, None, True)
    assert store._server is not None and store._server._socket.getsockname()[0] == "127.0.0.1"
    store.close()
    start = time.monotonic()
    with pytest.raises(dist.DistNetworkError, match="the host is not this machine"):
        dist.TCPStore("192.0.2.1", 0, None, True)
    assert time.monotonic() - start < 5


def test_the_server_only_does_what_stores_do() -> None:
    store = dist.TCPStore("127.0.0.1", 0, None, True)
    client = dist.TCPStore("127.0.0.1", store.port, None, False)
    for question in "act", "values", "__class__":
        with pytest.raises(dist.DistStoreError, match="KeyError"):
            client._ask(question, "key")
    store.close()


@pytest.mark.parametrize("age", [0, 3600])
def test_a_folder_that_is_removed_while_it_is_looked_at(age: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that begin at once clear away at once what others have left; neither stumbles over the other."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tempfile.mkdtemp(prefix=authenticated._FOLDER)
    os.utime(left, (time.time() - age,) * 2)
    read = os.scandir

    def by_somebody_else(folder: str) -> Any:
        entries = read(folder)
        listed = contextlib.nullcontext([*entries])
        os.rmdir(left)
        return listed

    monkeypatch.setattr(os, "scandir", by_somebody_else)
    authenticated.stop_listening(*authenticated.listen_on_this_machine())
    assert not [*tmp_path.iterdir()]
