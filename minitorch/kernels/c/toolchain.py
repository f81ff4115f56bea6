"""A C compiler, if there is one, and the libraries it has made: they are kept, under a hash of all that they were made of.

`CC` names the compiler (else `cc`, `gcc`, `clang`); `XDG_CACHE_HOME` the place (else ~/.cache).
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

HEADERS = Path(__file__).parent  # what sources include lies there
SECONDS = 60  # a compiler that takes longer is stopped
_FLAGS = [
    "-std=gnu11", "-shared", "-fPIC", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fwrapv", "-w",
]  # fmt: skip
_FOR_THIS_PROCESSOR = [["-march=native", "-mprefer-vector-width=512"], ["-mcpu=native"], []]


class NoCompiler(Exception):
    """There is no C compiler, or it has not done its work: the words say which."""


def library(source: str, optimize: str) -> ctypes.CDLL:
    """The source, compiled and loaded."""
    made = _place(source, optimize)
    if not made.exists():
        _make(source, optimize, made)
    return ctypes.CDLL(str(made))


def compiler() -> str:
    """The command of the C compiler."""
    asked = os.environ.get("CC")
    for name in [asked] if asked else ["cc", "gcc", "clang"]:
        if found := shutil.which(name):
            return found
    raise NoCompiler(f"there is no C compiler {asked!r}" if asked else "there is no C compiler (cc, gcc or clang)")


def _place(source: str, optimize: str) -> Path:
    told = "\0".join([source, *_headers(), optimize, compiler(), _processor(), *_FLAGS])
    return _folder() / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.so"


def _headers() -> list[str]:
    """All that a source may include."""
    return [header.read_text("utf-8") for header in sorted(HEADERS.glob("*.h"))]


@functools.cache
def _processor() -> str:
    """What the machine's processor can do: a library is for processors like it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


@functools.cache
def kept_in() -> Path | None:
    """Where libraries are kept: a folder of this user's alone, for what lies there is run. None if it cannot be written to."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minitorch"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):
        pass
    return None


@functools.cache
def _folder() -> Path:
    """That folder, or one for this process."""
    return kept_in() or Path(tempfile.mkdtemp(prefix="minitorch-"))


def _make(source: str, optimize: str, made: Path) -> None:
    """Compile beside the place, then move it there: nobody finds half a library."""
    command, said = compiler(), ""
    with tempfile.TemporaryDirectory(dir=made.parent) as work:
        text, result = Path(work) / "step.c", Path(work) / "step.so"
        text.write_text(source, "utf-8")
        for processor in _FOR_THIS_PROCESSOR:
            told = [
                command,
                optimize,
                *_FLAGS,
                *processor,
                f"-I{HEADERS}",
                str(text),
                "-o",
                str(result),
                "-lm",
            ]
            try:
                done = subprocess.run(told, capture_output=True, text=True, errors="replace", timeout=SECONDS)
            except subprocess.TimeoutExpired:
                raise NoCompiler(f"{command} took longer than {SECONDS} seconds") from None
            if done.returncode == 0:
                os.replace(result, made)
                return
            said = said or done.stderr
    raise NoCompiler(f"{command} failed: {said.strip()[:400]}")
