"""Checkpoints as files, attacked: kills, full disks, modes, links, long names; errors of the caller's own."""

from __future__ import annotations

import errno
import io
import os
import resource
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import minitorch
from both import Scenarios, agree, assert_same
from minitorch.utils import files

ROOT = Path(__file__).parent.parent

# ---- a path is replaced whole or not at all ----

# Forks a process that saves again and again, kills it at some moment, and looks at what is there.
KILLED = """
import os, random, signal, sys, time
import minitorch
os.chdir(sys.argv[1])
chance, left_over = random.Random(int(sys.argv[3])), 0
minitorch.save(minitorch.full((300_000,), 0), "c.pt")
for turn in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        while True:
            for k in range(5):
                minitorch.save(minitorch.full((300_000,), k), "c.pt")
    time.sleep(chance.uniform(0.0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    there = minitorch.load("c.pt")
    assert there.shape == (300_000,) and (there == there[0]).all(), "neither the old nor the new file"
    left_over += len(os.listdir()) - 1
    minitorch.save(minitorch.full((300_000,), turn), "c.pt")
    assert os.listdir() == ["c.pt"], os.listdir()
print(left_over)
"""


def test_a_killed_save_leaves_a_whole_file_and_the_next_one_clears_up(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), os.environ.get("KILLS", "30"), "1"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0, "no kill came while a file was being written"


# Forks a process that saves, and is killed when so many bytes have been written: each time another number of them.
KILLED_AT = """
import os, random, signal, sys
import minitorch
from minitorch.utils import files
os.chdir(sys.argv[1])
chance, temporary, left_over = random.Random(int(sys.argv[3])), files._temporary, 0

class Dies:
    def __init__(self, file, left):
        self.file, self.left = file, left

    def write(self, data):
        data = memoryview(data).cast("B")
        self.file.write(data[: self.left])
        self.left -= len(data)
        if self.left < 0:
            self.flush()
        return len(data)

    def flush(self):
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

def content(k):
    return {"a": minitorch.full((3000,), k), "b": [k] * 100, "c": minitorch.nn.Linear(9, 9).state_dict()}

def save(k):
    if name == "c.safetensors":
        minitorch.serialization.safetensors.save_file({"a": content(k)["a"]}, name)
    else:
        minitorch.save(content(k), name, _use_new_zipfile_serialization=name == "c.pt")

for turn in range(int(sys.argv[2])):
    name = ["c.pt", "old.pt", "c.safetensors"][turn % 3]
    save(0)
    size = os.path.getsize(name)
    before = open(name, "rb").read()
    left = size if turn < 3 else chance.randrange(size)  # all of it: it is killed before the file takes the other's place
    child = os.fork()
    if child == 0:
        files._temporary = lambda *a: (lambda file, path: (Dies(file, left), path))(*temporary(*a))
        save(turn + 1)
        os._exit(7)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert open(name, "rb").read() == before, "not the old file"
    left_over += len(os.listdir()) - 1
    save(turn)
    assert os.listdir() == [name] and minitorch.load(name)["a"][0] == turn, os.listdir()
    os.remove(name)
assert left_over == turn + 1
"""


def test_a_save_that_is_killed_at_any_byte_leaves_the_old_file(tmp_path: Path) -> None:
    """By hand: `KILLS=300 pytest tests/test_files.py -k killed`."""
    command = [sys.executable, "-c", KILLED_AT, str(tmp_path), os.environ.get("KILLS", "30"), "1"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_being_written_is_not_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    with files.replacing(path) as slow:
        slow.write(b"slow")
        minitorch.save("quick", path)
        assert len(os.listdir(tmp_path)) == 2
        assert minitorch.load(path) == "quick"
    assert path.read_bytes() == b"slow"


def left_over(path: Path) -> str:
    """The name of a temporary file such as a process leaves that is killed while it saves to `path`."""
    file, name = files._temporary(str(path), None) or pytest.fail()
    file.close()
    return name


def test_only_what_was_left_for_the_same_file_is_cleared_away(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        minitorch.save(name, tmp_path / name)
    of_a = left_over(tmp_path / "a.pt")
    others = [".minitorch-0123456789abcdef-1.tmp", f"{of_a}x", "a.pt.123.tmp", "x.tmp"]
    for name in others:
        (tmp_path / name).write_text("somebody's")
    (tmp_path / f"{Path(of_a).name[:-8]}link.tmp").symlink_to(tmp_path / "x.tmp")
    minitorch.save("again", tmp_path / "b.pt")
    assert Path(of_a).exists()
    minitorch.save("again", tmp_path / "a.pt")
    assert not Path(of_a).exists()
    assert all((tmp_path / name).read_text() == "somebody's" for name in others)


def test_threads_that_save_to_one_path(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"

    def save(k: int) -> None:
        for _ in range(10):
            minitorch.save(minitorch.full((1000,), k), path)

    threads = [threading.Thread(target=save, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loaded = minitorch.load(path)
    assert bool((loaded == loaded[0]).all())
    assert os.listdir(tmp_path) == ["c.pt"]


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file of this process may become larger."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 10, 300, 1000, 4096, 9000])
def test_a_full_disk_leaves_nothing_half_written(size: int, tmp_path: Path) -> None:
    minitorch.save("old", tmp_path / "old.pt")
    for name in ("old.pt", "new.pt"):
        with small_disk(size), pytest.raises(OSError, match="File too large"):
            minitorch.save(minitorch.ones(5000), tmp_path / name)
    assert os.listdir(tmp_path) == ["old.pt"]
    assert minitorch.load(tmp_path / "old.pt") == "old"


def test_a_device_that_is_full() -> None:
    with pytest.raises(OSError, match="No space left"):
        minitorch.save(minitorch.ones(5000), "/dev/full")


# ---- modes, links, names ----


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o644, 0o664, 0o666, 0o755])
def test_the_mode_stays(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    minitorch.save(1, path)
    path.chmod(bits)
    with files.replacing(path) as file:
        (temporary,) = set(os.listdir(tmp_path)) - {"c.pt"}
        assert mode(tmp_path / temporary) == bits, "others could read it while it is being written"
        file.write(b"")
    minitorch.save(2, path)
    assert (mode(path), minitorch.load(path)) == (bits, 2)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_a_new_file_has_the_mode_of_any_new_file(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        minitorch.save(1, tmp_path / "c.pt")
        (tmp_path / "other").touch()
    finally:
        os.umask(before)
    assert mode(tmp_path / "c.pt") == mode(tmp_path / "other") == 0o666 & ~umask


@contextmanager
def somebody() -> Iterator[Path]:
    """A folder of somebody who is not root, who may write to everything."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.chown(folder, 65534, -1)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o777)
        shutil.rmtree(folder)


def test_a_file_that_may_not_be_written_to_is_refused() -> None:
    def scenario(lib: Any) -> None:
        with somebody() as folder:
            path = folder / "c.pt"
            lib.save(lib.ones(1), path)
            path.chmod(0o444)
            content = path.read_bytes()
            try:
                lib.save(lib.zeros(1), path)
            finally:
                assert path.read_bytes() == content
                assert os.listdir(folder) == ["c.pt"]

    assert agree(scenario).kind == "RuntimeError"


def test_a_folder_that_may_not_be_written_to() -> None:
    """The file in it may be: its content is replaced, as by torch."""

    def scenario(lib: Any) -> Any:
        with somebody() as folder:
            lib.save(lib.ones(1), folder / "c.pt")
            folder.chmod(0o555)
            lib.save(lib.zeros(1), folder / "c.pt")
            return lib.load(folder / "c.pt")

    assert_same(scenario)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    def scenario(lib: Any) -> Any:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "real").mkdir()
            (folder / "link.pt").symlink_to("real/c.pt")  # which is not there yet
            (folder / "link2.pt").symlink_to("link.pt")
            for k in range(2):
                lib.save(lib.full((1,), k), folder / "link2.pt")
            links = [(folder / each).is_symlink() for each in ("link.pt", "link2.pt")]
            return links, lib.load(folder / "real" / "c.pt"), sorted(p.name for p in folder.rglob("*"))

    assert_same(scenario)


@pytest.mark.parametrize("name", ["n" * 250, "n" * 255, "é" * 127, "名" * 85, ".pt", "-", "a b\n"])
def test_any_name_will_do(name: str, tmp_path: Path) -> None:
    for k in range(2):
        minitorch.save(k, tmp_path / name)
    assert minitorch.load(tmp_path / name) == 1
    assert os.listdir(tmp_path) == [name]


def test_nothing_is_written_through_a_planted_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim, path = tmp_path / "victim", tmp_path / "c.pt"
    victim.write_text("mine")
    Path(f"{path}.{os.getpid()}.tmp").symlink_to(victim)
    minitorch.save(1, path)
    beginning, _, _ = left_over(path).rpartition("-")
    monkeypatch.setattr(secrets, "token_hex", lambda n: "guessed")
    Path(f"{beginning}-guessed.tmp").symlink_to(victim)
    with pytest.raises(RuntimeError, match="cannot write to"):
        minitorch.save(2, path)
    assert victim.read_text() == "mine"


scenarios = Scenarios()


@scenarios.add
def paths_that_cannot_be_written(lib):
    kinds = []
    for path in (".", "", "missing/c.pt", "n" * 256, 5.5, b"c.pt", None):
        try:
            lib.save(lib.ones(1), path)
        except Exception as error:
            kinds.append(type(error).__name__)
    return kinds


@scenarios.add
def paths_that_cannot_be_read(lib):
    kinds = []
    for path in (".", "", "missing/c.pt", "n" * 256, 5.5, None):
        try:
            lib.load(path)
        except Exception as error:
            kinds.append(type(error).__name__)
    return kinds


# ---- errors of the caller's own ----


class Own(Exception):
    pass


def fails(error: Exception) -> Callable:
    def fail(*_: Any) -> Any:
        raise error

    return fail


OWN = [Own("mine"), KeyError("mine"), ValueError("mine"), OSError(errno.EIO, "mine"), MemoryError("mine"), EOFError("mine")]


@pytest.mark.parametrize("error", OWN, ids=repr)
@pytest.mark.parametrize("place", ["map_location", "read", "write"])
def test_the_callers_own_error_stays_as_it_is(place: str, error: Exception) -> None:
    def scenario(lib: Any) -> None:
        file = io.BytesIO()
        lib.save([lib.ones(2), "text"], file)
        file.seek(0)
        if place == "map_location":
            lib.load(file, map_location=fails(error))
        elif place == "read":
            bad: Any = Stub(file.getvalue())
            bad.read = bad.readinto = fails(error)
            lib.load(bad)
        else:
            bad = Stub()
            bad.write = fails(error)
            lib.save(lib.ones(2), bad)

    assert agree(scenario).kind == type(error).__name__
    with pytest.raises(type(error)) as caught:
        scenario(minitorch)
    assert caught.value is error


class Stub(io.BytesIO):
    """A file some of whose methods are replaced."""


@scenarios.add
def a_file_that_can_only_be_written(lib):
    class Writes:
        def __init__(self):
            self.all = b""

        def write(self, data):
            self.all += bytes(data)
            return len(data)

    file = Writes()
    lib.save(lib.arange(3), file)
    return lib.load(io.BytesIO(file.all))


@scenarios.add
def a_file_that_can_only_be_read(lib):
    class Reads:
        def read(self, n=-1):
            return b""

        def readline(self):
            return b""

    lib.load(Reads())


@scenarios.add
def a_map_location_that_returns_no_tensor(lib):
    file = io.BytesIO()
    lib.save(lib.ones(1), file)
    file.seek(0)
    try:
        lib.load(file, map_location=lambda tensor, place: 5)
    except TypeError:
        return "TypeError"


@scenarios.add
def a_pipe(lib):
    read, write = os.pipe()
    with os.fdopen(write, "wb") as file:
        lib.save(lib.ones(1), file)
    with os.fdopen(read, "rb") as file:
        return lib.load(io.BytesIO(file.read()))


@scenarios.parametrize
def test_same_as_torch(scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    agree(scenario)
