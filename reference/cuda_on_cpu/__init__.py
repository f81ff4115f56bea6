"""CUDA kernels executed on a CPU: `compiled(source, name)` makes one callable on NumPy arrays, with g++ and a short header.

A launch's arguments are checked against the kernel's parameters, which CUDA does not do: there a float where a double is
expected is read as garbage. What lies around an array is not a number, and must be the same after the launch. Libraries are
kept by their source's hash in the user's temporary folder.
Read next: `cuda_on_cpu.h`, where threads, barriers and shared memory are.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
FLAGS = ("-std=c++20", "-O1", "-pthread", "-fno-gnu-unique", "-fPIC", "-w")
# A parameter's type as g++ spells it: the dtype it stands for. A Python int arrives as a long long, a float as a double.
DTYPES = {
    "f": "float32", "d": "float64", "6__half": "float16", "13__nv_bfloat16": "bfloat16", "x": "int64", "l": "int64", "i": "int32",
    "j": "uint32", "y": "uint64", "h": "uint8", "a": "int8", "s": "int16", "b": "bool",
}  # fmt: skip
ENTRY = """
extern "C" void runNUMBER(unsigned blocks, unsigned threads, void** args) { launch(NAME, blocks, threads, args); }
extern "C" const char* typesNUMBER() { static std::string all = parameters(NAME); return all.c_str(); }
"""
_one_at_a_time = threading.Lock()  # a library's gridDim and __shared__ memory are the process's


def compiler() -> str | None:
    """g++, or None where kernels cannot be executed."""
    return shutil.which("g++")


@functools.cache
def compiled(source: str, name: str) -> Callable[[int, int, tuple], None]:
    """`launch(blocks, threads, args)` of the kernel; args are NumPy arrays, ints and floats."""
    run, asked = _together.get((source, name)) or _entry(built(source + _entries(name), "-shared"))
    types = asked().decode().split()

    def launch(blocks: int, threads: int, args: tuple) -> None:
        assert 0 < threads <= 1024 and 0 < blocks < 2**31, f"{name}: {blocks} blocks of {threads} threads"
        numbers = [checked(name, value, kind) for value, kind in zip(args, types, strict=True)]
        _refuse_overlap(name, args, types)
        arrays = [a for value in args for a in (value.arrays() if isinstance(value, Table) else [value])]
        # One array may be given twice, and a part of it that begins where it does.
        ordered = sorted((a for a in arrays if isinstance(a, np.ndarray)), key=lambda a: a.nbytes)
        fenced = {a.ctypes.data: a for a in ordered}
        fenced = {address: Fenced(a) for address, a in fenced.items()}
        addresses = {k: table.addresses(fenced) for k, table in enumerate(args) if isinstance(table, Table)}
        tables = {k: Fenced(found) for k, found in addresses.items() if not args[k].by_value}
        memory = {k: fenced[a.ctypes.data] for k, a in enumerate(args) if isinstance(a, np.ndarray)} | tables
        given = [n.numbers if isinstance(n, Struct) else addresses.get(k, n) for k, n in enumerate(numbers)]
        cells = [np.asarray(np.uint64(memory[k].address) if k in memory else n) for k, n in enumerate(given)]
        with _one_at_a_time:
            run(blocks, threads, (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells)))
        for each in (*fenced.values(), *tables.values()):
            each.give_back(name)

    return launch


def _refuse_overlap(name: str, args: tuple, types: list[str]) -> None:
    """ValueError for an array that is written to where another lies, unless both are the same: threads run in any order."""
    arrays = [(a, kind) for a, kind in zip(args, types) if isinstance(a, np.ndarray) and a.size]
    for k, (written, kind) in enumerate(arrays):
        if kind.startswith("PK"):
            continue
        for j, (other, _) in enumerate(arrays):
            same = (written.ctypes.data, written.nbytes) == (other.ctypes.data, other.nbytes)
            if j != k and not same and np.may_share_memory(written, other):
                raise ValueError(f"kernel {name} writes to an array of shape {written.shape} that overlaps another argument")


def _entries(name: str, number: str = "") -> str:
    return ENTRY.replace("NAME", name).replace("NUMBER", number)


def _entry(library: Path, number: str = "") -> tuple[Any, Any]:
    """What runs a kernel of the library, and what tells its parameters' types."""
    loaded = ctypes.CDLL(str(library))
    run, types = getattr(loaded, f"run{number}"), getattr(loaded, f"types{number}")
    types.restype = ctypes.c_char_p
    return run, types


_together: dict[tuple[str, str], tuple[Any, Any]] = {}  # kernels that were compiled with others: (source, name) -> its entry


def compile_together(kernels: Iterable[tuple[str, str]], each: int = 50) -> None:
    """Compile many kernels, (source, name), some in one file: to start the compiler takes longer than most of them."""
    todo = sorted({*kernels} - {*_together})
    for start in range(0, len(todo), each):
        some = todo[start : start + each]
        entries = (_entries(f"k{k}::{name}", str(k)) for k, (_, name) in enumerate(some))
        library = built("\n".join([one_file(source for source, _ in some), *entries]), "-shared")
        _together.update({kernel: _entry(library, str(k)) for k, kernel in enumerate(some)})


def one_file(sources: Iterable[str]) -> str:
    """Sources of kernels as one, each in a namespace of its own: k0, k1, …"""
    includes, parts = {}, []
    for k, source in enumerate(sources):
        lines = source.replace('extern "C" ', "").splitlines()
        includes |= {line: None for line in lines if line.startswith("#include")}
        body = "\n".join(line for line in lines if not line.startswith("#include"))
        parts.append(f"namespace k{k} {{\n{body}\n}}")
    return "\n".join([*includes, *parts])


class Table:
    """Rows of arrays, which a kernel is given as a table of their addresses; None is address 0.

    The table is in the GPU's memory, or, `by_value`, an argument itself: a struct.
    """

    def __init__(self, rows: list[list[np.ndarray | None]], by_value: bool = False):
        self.rows, self.by_value = rows, by_value

    def arrays(self) -> list[np.ndarray | None]:
        return [a for row in self.rows for a in row]

    def copy(self) -> Table:
        return Table([[None if a is None else a.copy() for a in row] for row in self.rows], self.by_value)

    def addresses(self, fenced: dict[int, Fenced]) -> np.ndarray:
        """The table as the kernel reads it."""
        return np.array([[0 if a is None else fenced[a.ctypes.data].address for a in row] for row in self.rows], np.uint64)


class Struct:
    """Numbers in a row that are an argument themselves."""

    def __init__(self, numbers: np.ndarray):
        self.numbers = numbers


class Fenced:
    """A copy of an array with a fence on either side: bytes of ones, which as floats are nan."""

    WIDTH = 1 << 17

    def __init__(self, array: np.ndarray):
        self.array, end = array, self.WIDTH + array.nbytes
        self.bytes = np.full(end + self.WIDTH, 255, np.uint8)
        self.bytes[self.WIDTH : end] = np.frombuffer(array.tobytes(), np.uint8)
        self.inside = slice(self.WIDTH, end)
        self.address = self.bytes.ctypes.data + self.WIDTH

    def give_back(self, kernel: str) -> None:
        """Copy the array back; IndexError if a fence was written on."""
        array, after = self.array, self.bytes[self.inside.stop :]
        if not ((self.bytes[: self.WIDTH] == 255).all() and (after == 255).all()):
            raise IndexError(f"kernel {kernel} wrote outside an array of shape {array.shape}")
        if array.flags.writeable:
            array[...] = self.bytes[self.inside].view(array.dtype).reshape(array.shape)


def checked(name: str, value: Any, kind: str) -> Any:
    """The argument, if it is what the parameter says; a number as the kernel reads it."""
    kind_inside = kind.removeprefix("P").removeprefix("K")
    if isinstance(value, Table):
        if (kind[0] == "P") == value.by_value or kind_inside in DTYPES:
            raise TypeError(f"kernel {name}: a parameter of type {kind} was given a table of addresses")
        if value.by_value:
            return value
        for a in value.arrays():
            if a is not None:
                checked(name, a, "P" + {dtype: letter for letter, dtype in DTYPES.items()}[a.dtype.name])
        return value
    if isinstance(value, Struct):
        if kind[0] == "P" or kind in DTYPES:
            raise TypeError(f"kernel {name}: a parameter of type {kind} was given {value.numbers.size} numbers")
        return value
    dtype = DTYPES.get(kind_inside, "int64")  # a struct of numbers: int64 each
    if isinstance(value, np.ndarray) != (kind[0] == "P"):
        raise TypeError(f"kernel {name}: a parameter of type {kind} was given a {type(value).__name__}")
    found = value.dtype.name if hasattr(value, "dtype") else {bool: "bool", int: "int64", float: "float64"}[type(value)]
    if found != dtype:
        raise TypeError(f"kernel {name}: a parameter of type {kind} ({dtype}) was given {found}")
    if not isinstance(value, np.ndarray):
        return np.array(value, dtype)
    if not value.flags.c_contiguous:
        raise ValueError(f"kernel {name}: an array of shape {value.shape} is not contiguous, and kernels know no strides")
    return value


def built(source: str, *options: str) -> Path:
    """The file that g++ makes of the source, now or earlier."""
    folder = headers()
    target = folder / hashlib.sha256(repr((source, options)).encode()).hexdigest()[:24]
    if not target.exists():
        made = folder / f"{target.name}.{os.getpid()}.{threading.get_ident()}"
        made.with_suffix(".cpp").write_text(source)
        _compile("-include", "cuda_on_cpu.h", f"-I{folder}", *options, "-o", str(made), str(made.with_suffix(".cpp")))
        made.replace(target)
    return target


@functools.cache
def headers() -> Path:
    """A folder of the user's with the headers, compiled already: that saves most of the time a kernel takes."""
    texts = {h.name: h.read_text(encoding="utf-8") for h in sorted(HERE.glob("*.h"))}
    digest = hashlib.sha256(repr((texts, FLAGS)).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"cuda_on_cpu_{getpass.getuser()}_{digest}"
    if not folder.exists():
        made = Path(tempfile.mkdtemp(prefix=folder.name))
        for name, text in texts.items():
            (made / name).write_text(text)
        _compile("-x", "c++-header", str(made / "cuda_on_cpu.h"), "-o", str(made / "cuda_on_cpu.h.gch"))
        with contextlib.suppress(OSError):  # another process was first
            made.rename(folder)
    return folder


def _compile(*arguments: str) -> None:
    done = subprocess.run([compiler() or "g++", *FLAGS, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"g++ refuses the kernel:\n{done.stderr}")
