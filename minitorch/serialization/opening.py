"""What kind of file it is, who reads it, and in what words it is refused.

Read next: `torch_files.py`, `legacy_files.py`, `checkpoints.py` and `npy.py`, which read the four kinds.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import zipfile
from typing import Any

from .checkpoints import STRUCTURE, CheckpointReader
from .legacy_files import BEGINNING, LegacyReader
from .npy import NpzReader
from .torch_files import Options, TorchReader

_EMPTY, _NEITHER = "it is empty", "it is no file of minitorch.save or torch.save"
_ZIP = "it begins like a file of torch.save (a zip archive), but is damaged"
_TORCH = "it is a damaged file of torch.save"
_LEGACY = "it is a damaged file of torch.save of before its zip format"
_EARLY = "it is a damaged checkpoint of an early minitorch.save"

_NPZ = "it is a damaged file of numpy.savez, or none that minitorch reads"


def opened(f: Any, stack: contextlib.ExitStack) -> Source:
    """A path or a file, to be read."""
    return Source(stack.enter_context(open(f, "rb")) if isinstance(f, (str, os.PathLike)) else f)


class Source:
    """The file to read. It remembers an error that reading it raised (zipfile and NumPy take some for damage), and what it is."""

    def __init__(self, file: Any) -> None:
        try:
            file.seek(file.tell())
        except (AttributeError, io.UnsupportedOperation) as error:
            raise type(error)(
                f"{error}. You can only minitorch.load from a file that is seekable. Please pre-load the data into a buffer like "
                "io.BytesIO and try to load from it instead."
            ) from None
        self._file = file
        self.error: Exception | None = None
        self.kind = _NEITHER

    def reader(self, stack: contextlib.ExitStack, options: Options) -> Any:
        """What reads a file that begins and contains what this one does."""
        start = self.tell()
        beginning = self.read(len(BEGINNING))
        self.seek(start)
        if beginning.startswith(b"PK\x03\x04"):
            self.kind = _ZIP
            archive = stack.enter_context(zipfile.ZipFile(self))  # type: ignore[call-overload]
            return self._reader_of(archive, options)
        if options.mmap:
            raise _NoMap
        if beginning == BEGINNING:
            self.kind = _LEGACY
            return LegacyReader(self, options)
        self.kind = _NEITHER if beginning else _EMPTY
        raise ValueError

    def _reader_of(self, archive: zipfile.ZipFile, options: Options) -> Any:
        names = archive.namelist()
        if STRUCTURE in names:
            self.kind = _EARLY
            _check_parts(archive)
            if options.mmap:
                raise _NoMap
            return CheckpointReader(archive)
        if names and all(name.endswith(".npy") for name in names):
            self.kind = _NPZ
            _check_parts(archive)
            if options.mmap:
                raise _NoMap
            return NpzReader(archive)
        folders = [name.removesuffix("/data.pkl") for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if any(name.endswith("/constants.pkl") for name in names):
            self.kind = "it is a TorchScript archive, a program and no checkpoint; torch.jit.load reads it"
            raise ValueError
        if len(folders) != 1:
            self.kind = "it is a zip archive, but not of torch.save: it has no data.pkl"
            raise ValueError
        self.kind = _TORCH
        _check_parts(archive)
        return TorchReader(archive, folders[0], options)

    def read(self, *size: int) -> bytes:
        """What the file's own `read` returns."""
        try:
            return self._file.read(*size)
        except Exception as error:
            self.error = error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _NoMap(Exception):
    """The file is of a kind that cannot be mapped."""


def refusal(source: Source, error: Exception) -> Exception:
    """The error that `load` raises, after any error while the file was being read."""
    if source.error is not None:
        return source.error
    name = getattr(source, "name", "the given file")
    if isinstance(error, _NoMap):
        return RuntimeError(
            f"mmap can only be used with files saved with `torch.save({name}, _use_new_zipfile_serialization=True), please "
            "torch.save your checkpoint with this option in order to use mmap."
        )
    if isinstance(error, pickle.UnpicklingError):
        return pickle.UnpicklingError(f"load: {name!r} was not loaded: {error}")
    reason = _reason(error)
    return RuntimeError(f"load: {name!r} was not loaded: {source.kind}{reason and f': {reason}'}")


def _reason(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile):
        return "the checksum of a part is wrong" if "CRC" in str(error) else ""
    if not str(error):
        return ""
    if isinstance(error, KeyError):
        return "a part is missing"
    return " ".join(f"{type(error).__name__}: {error}".split())


def _check_parts(archive: Any) -> None:
    """ValueError unless the parts lie one after another as they are: memory taken is never more than the file's size."""
    parts = sorted(archive.infolist(), key=lambda part: part.header_offset)
    if len({part.filename for part in parts}) < len(parts):
        raise ValueError("two parts have one name")
    for part, following in zip(parts, [*(part.header_offset for part in parts[1:]), archive.start_dir]):
        if part.compress_type != 0 or part.compress_size != part.file_size:
            raise ValueError(f"{part.filename} is compressed")
        if part.header_offset + part.compress_size > following:
            raise ValueError(f"{part.filename} overlaps what follows")
