"""Hostile files: whatever stands in a file, `load` builds data or refuses it in words, quickly, in little memory, and runs nothing.

Good files of every kind that `load` reads are damaged: bytes change, stretches are cut out or doubled, the end is missing; the pickle in
them changes while the checksums stay right; or the pickle is made up, of instructions that are allowed and of others, with names of
functions that do harm. While a file is loaded, what Python audits is watched: a process, a file, an import is a failure.
`python -m reference files` loads ten thousand; tests/test_hostile_files.py some hundred.
"""

from __future__ import annotations

import collections
import contextlib
import io
import pickle
import pickletools
import random
import signal
import struct
import sys
import tempfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import minitorch
from minitorch.serialization import safetensors

_SECONDS = 3.0  # no file may take longer, on a processor of its own
_BYTES = 50_000_000  # nor more memory
_EARLY = Path(__file__).parent.parent / "tests" / "checkpoint_of_format_2.zip"


class Tried(NamedTuple):
    """A file that was loaded: how it was made, whether it was refused, what it took, and what was wrong with that, if anything."""

    how: str
    refused: bool
    seconds: float
    peak: int
    wrong: str


def files(count: int, seed: int) -> int:
    """Print what became of `count` hostile files; 1 if one of them did harm."""
    tried = []
    for number in range(seed, seed + count):
        tried.append(attempt(number))
        if tried[-1].wrong:
            print(f"file {number}, {tried[-1].how}: {tried[-1].wrong}")
    print(f"{'how it was made':42}{'files':>7}{'refused':>9}{'slowest':>10}{'most memory':>13}")
    for how in sorted({each.how for each in tried}):
        of_it = [each for each in tried if each.how == how]
        refused = sum(each.refused for each in of_it)
        slowest, most = max(each.seconds for each in of_it), max(each.peak for each in of_it)
        print(f"{how:42}{len(of_it):7}{refused:9}{slowest:8.3f} s{most / 1e6:10.1f} MB")
    wrong = sum(bool(each.wrong) for each in tried)
    print(f"{len(tried)} files, {sum(each.refused for each in tried)} refused, {wrong} that did harm")
    return int(wrong > 0)


# ---- one file ----


def attempt(number: int) -> Tried:
    """Make the file of that number and load it."""
    _watch()
    chance = random.Random(number)
    how, content, options, ending = _made(chance)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{ending}"
        path.write_bytes(content)
        file: Any = path if ending != ".pt" or options.get("mmap") else io.BytesIO(content)
        return _load(how, file, options)


def _load(how: str, file: Any, options: dict) -> Tried:
    tracemalloc.start()
    begun = time.perf_counter()
    refused, wrong = False, ""
    try:
        with _time_limit(), _watched() as seen:
            _look_at(minitorch.load(file, **options))
    except (RuntimeError, pickle.UnpicklingError) as error:
        refused = True
        if "\n" in str(error) or not str(error):
            wrong = f"refused in these words: {error}"
    except TooLongError:
        wrong = "it never ends"
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if seen:
        wrong = f"it did {seen}"
    if peak > _BYTES:
        wrong = f"it took {peak} bytes"
    return Tried(how, refused, seconds, peak, wrong)


def _look_at(loaded: Any) -> None:
    """Read all numbers of what was loaded, so far as there are not too many."""
    todo, done = [loaded], set()
    while todo and len(done) < 1000:
        each = todo.pop()
        if id(each) in done:
            continue
        done.add(id(each))
        if isinstance(each, minitorch.Tensor):
            if each.numel() < 10_000:
                each.tolist()
        elif isinstance(each, minitorch.nn.Module):
            todo.extend(vars(each).values())
        elif isinstance(each, dict):
            todo.extend([*each.keys(), *each.values()])
        elif isinstance(each, (list, tuple, set)):
            todo.extend(each)


class TooLongError(BaseException):
    """Raised where a load runs too long; `load` itself catches every Exception."""


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


# ---- what a load does beside building data ----

_HARM = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "exec", "import", "pickle.find_class")
_seen: list[str] | None = None
_hooked = False


@contextlib.contextmanager
def _watched() -> Iterator[list[str]]:
    """The names of what Python audits in the meantime, of what may do harm."""
    global _seen
    _seen = []
    try:
        yield _seen
    finally:
        _seen = None


def _watch() -> None:
    """Have audited what is loaded from now on. Every good file has been loaded then, so that reading one imports nothing."""
    global _hooked
    if not _hooked:
        _hooked = True
        for number in range(len(_GOOD)):
            _, content, _, ending = _good(number)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"file{ending}"
                path.write_bytes(content)
                minitorch.load(path, weights_only=False)
        sys.addaudithook(_note)


def _note(event: str, arguments: tuple) -> None:
    if _seen is not None and event.startswith(_HARM):
        _seen.append(event)


# ---- good files ----


class Net(minitorch.nn.Module):
    """A module that has been imported."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.act, self.names = minitorch.nn.LSTM(2, 3), minitorch.tanh, {"a", "b"}


def _parts(lib: Any) -> list:
    """What a checkpoint may hold."""
    x = lib.arange(24.0).reshape(4, 6)
    model = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4))
    optimizer = lib.optim.Adam(model.parameters())
    model(lib.ones(2, 3)).sum().backward()
    optimizer.step()
    weight, buffer = lib.nn.Parameter(x[0]), lib.nn.Buffer(lib.ones(2), persistent=False)
    weight.tag = "first"
    kinds = [lib.float32, lib.device("cpu"), lib.Size([1, 2]), {1, 2}, b"ab", 1j, 2**70, collections.Counter("aab")]
    return [
        x,
        x[1:3, ::2],
        x.t(),
        weight,
        weight,
        buffer,
        model.state_dict(),
        optimizer.state_dict(),
        kinds,
        x.to(lib.bfloat16),
    ]


def _saved(lib: Any, obj: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    lib.save(obj, file, **options)
    return file.getvalue()


def _safetensors() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        safetensors.save_file({"a": minitorch.arange(6.0).reshape(2, 3), "b": minitorch.tensor([True])}, path)
        return path.read_bytes()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.arange(6.0).reshape(2, 3), b=np.array([True]))
    return file.getvalue()


_GOOD: list[tuple[str, Callable[[], bytes], str]] = [
    ("torch's file", lambda: _saved(torch, _parts(torch)), ".pt"),
    ("torch's old file", lambda: _saved(torch, _parts(torch), _use_new_zipfile_serialization=False), ".pt"),
    ("our file", lambda: _saved(minitorch, _parts(minitorch)), ".pt"),
    ("modules of ours", lambda: _saved(minitorch, [Net(), minitorch.nn.TransformerEncoderLayer(4, 2, 4)]), ".pt"),
    ("modules of torch's", lambda: _saved(torch, torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.GRU(2, 3))), ".pt"),
    ("an early checkpoint", lambda: _EARLY.read_bytes(), ".pt"),
    ("a file of safetensors", _safetensors, ".safetensors"),
    ("an .npz", _npz, ".pt"),
]
_made_once: dict[int, bytes] = {}


def _good(number: int) -> tuple[str, bytes, dict, str]:
    """What it is, its content, options of load, the ending of its name."""
    name, make, ending = _GOOD[number]
    if number not in _made_once:
        _made_once[number] = make()
    return name, _made_once[number], {}, ending


# ---- files that are not good ----


def _made(chance: random.Random) -> tuple[str, bytes, dict, str]:
    """How a file is made, its content, options of load, the ending of its name."""
    name, content, _, ending = _good(chance.randrange(len(_GOOD)))
    options: dict[str, Any] = {"weights_only": chance.random() < 0.4}
    if chance.random() < 0.1 and ending == ".pt":
        options["mmap"] = True
    kind = chance.randrange(10)
    pickled = (
        zipfile.is_zipfile(io.BytesIO(content)) and "archive/data.pkl" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    )
    if kind < 3 and pickled:
        how, content = "instructions changed", _with_pickle(content, chance, _other_instructions)
    elif kind < 5 and pickled:
        how, content = "bytes of the pickle changed", _with_pickle(content, chance, _damaged)
    elif kind == 5:
        return "a pickle made up", _archive(_program(chance), [bytes(64)] * 3), options, ".pt"
    elif kind == 6:
        how, content = "cut off", content[: chance.randrange(len(content))]
    elif kind == 7 and pickled:
        how, content = "compressed", _compressed(content, chance)
    else:
        how, content = "bytes changed", _damaged(content, chance)
    return f"{name}, {how}", content, options, ending


def _damaged(good: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, or a stretch cut out, doubled or set to one value. Half of the damage is near the end, where zips have their list."""
    bad = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        size = len(bad)
        at = chance.randrange(size) if chance.random() < 0.5 else size - 1 - min(size - 1, int(chance.expovariate(1 / 150)))
        length = chance.randint(1, 40)
        match chance.randrange(6):
            case 0 | 1:
                bad[at] = chance.randrange(256)
            case 2:
                bad[at] ^= 1 << chance.randrange(8)
            case 3:
                del bad[at : at + length]
            case 4:
                bad[at:at] = bad[at : at + length]
            case _:
                bad[at : at + 4] = struct.pack("<I", chance.choice([0, 1, 2**31, 2**32 - 1]))[: len(bad) - at]
        if not bad:
            return b""
    return bytes(bad)


def _archive(pickled: bytes, memory: list[bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for number, content in enumerate(memory):
            archive.writestr(f"archive/data/{number}", content)
    return file.getvalue()


def _with_pickle(good: bytes, chance: random.Random, change: Callable[[bytes, random.Random], bytes]) -> bytes:
    """The archive with another pickle, and right checksums."""
    archive = zipfile.ZipFile(io.BytesIO(good))
    memory = [archive.read(f"archive/data/{k}") for k in range(sum("/data/" in name for name in archive.namelist()))
              if f"archive/data/{k}" in archive.namelist()]  # fmt: skip
    return _archive(change(archive.read("archive/data.pkl"), chance), memory)


def _compressed(good: bytes, chance: random.Random) -> bytes:
    """The archive with one part that is compressed, perhaps a hundred times as long as before."""
    archive, file = zipfile.ZipFile(io.BytesIO(good)), io.BytesIO()
    chosen = chance.choice(archive.namelist())
    with zipfile.ZipFile(file, "w") as packed:
        for name in archive.namelist():
            content = archive.read(name)
            if name == chosen:
                packed.writestr(name, content + bytes(chance.choice([0, 10**6])), zipfile.ZIP_DEFLATED)
            else:
                packed.writestr(name, content)
    return file.getvalue()


# ---- pickles ----


def _other_instructions(good: bytes, chance: random.Random) -> bytes:
    """Some instructions left out, doubled, swapped, or replaced by others."""
    places = [place for _, _, place in pickletools.genops(good)]
    parts = [good[a:b] for a, b in zip(places, [*places[1:], len(good)])]
    for _ in range(chance.choice([1, 1, 2, 4])):
        at, other = chance.randrange(len(parts)), chance.randrange(len(parts))
        match chance.randrange(5):
            case 0:
                parts[at] = b""
            case 1:
                parts[at] = parts[other]
            case 2:
                parts[at], parts[other] = parts[other], parts[at]
            case 3:
                parts[at] += _instruction(chance)
            case _:
                parts[at] = _instruction(chance)
    return b"".join(parts)


def _program(chance: random.Random) -> bytes:
    """A pickle of random instructions, which build and call something now and then."""
    parts = [b"\x80\x02", *(_instruction(chance) for _ in range(chance.choice([2, 5, 10, 60])))]
    return b"".join([*parts, b"." * (chance.random() < 0.9)])


_NAMES = [
    "os\nsystem", "os\nmkdir", "posix\nsystem", "builtins\neval", "__builtin__\nexec", "builtins\ngetattr", "__builtin__\ngetattr",
    "subprocess\nPopen", "sys\nexit", "shutil\nrmtree", "minitorch\nsave", "minitorch\nload", "torch\nload", "torch.nn\nLinear",
    "torch\nFloatStorage", "torch\nLongStorage", "torch.storage\nUntypedStorage", "torch._utils\n_rebuild_tensor_v2", "torch\nSize",
    "torch._utils\n_rebuild_parameter", "torch._tensor\n_rebuild_from_type_v2", "torch\nTensor", "torch\ndevice", "torch\nfloat32",
    "collections\nOrderedDict", "collections\nCounter", "__builtin__\nset", "builtins\nbytearray", "_codecs\nencode", "torch\ntanh",
    "torch.nn.modules.linear\nLinear", "torch.nn.modules.module\nModule", "torch.nn.functional\nrelu", "reference.hostile_files\nNet",
    "reference.hostile_files\nfiles", "torch._C\n_VariableFunctionsClass", "ftplib\nFTP", "__main__\n__builtins__",
]  # fmt: skip
_STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x10tQ"
_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + _STORAGE + b"K\x00K\x04\x85K\x01\x85\x89NtR"
_NUMBERS = [
    b"K\x00",
    b"K\x02",
    b"M\xff\xff",
    b"J\xff\xff\xff\xff",
    b"\x8a\x09" + b"\xff" * 8 + b"\x00",
    b"G" + bytes(8),
    b"\x88",
    b"N",
]
_OTHERS = [
    b"(", b"t", b"\x85", b"\x86", b"\x87", b")", b"]", b"}", b"\x8f", b"a", b"e", b"s", b"u", b"R", b"b", b"\x81", b"Q", b"0", b"1", b"2",
    b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"r\x00\x00\x00\x7f", b"j\x05\x00\x00\x00", b"o", b"\x92", b"\x93", b"\x82\x01", b"P0\n",
    b"X\x04\x00\x00\x00name", b"X\xff\xff\xff\xff", b"U\x01a", b"\x8a\xff", b"I1\n", b"\x8c\x01a", b"B\xff\xff\xff\x7f", b"\x94", b"\x95",
    b"X\x08\x00\x00\x00exploded\x85R", _STORAGE, _TENSOR,
]  # fmt: skip


def _instruction(chance: random.Random) -> bytes:
    """An instruction, or a few that belong together."""
    match chance.randrange(8):
        case 0 | 1:
            return b"c" + chance.choice(_NAMES).encode() + b"\n" + chance.choice([b"", b"", b")R", b")\x81", b")\x81}b"])
        case 2:
            return chance.choice(_NUMBERS)
        case 3:
            return bytes([chance.randrange(256)])
        case _:
            return chance.choice(_OTHERS)
