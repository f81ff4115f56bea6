"""`save` and `load`, in the format of torch's files.

The idea: a file is a stranger's. Pickle, the usual format, runs code from the file when it is loaded; here the file can only name what
stands in a short table, so loading one builds data and nothing else. And what it declares of sizes is compared with the size of the
file before memory is taken.
Read next: `torch_files.py`, what is in a file; `utils/files.py`, how a file is replaced; `cli/commands.py`, which saves and loads one.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..arrays.device import as_device, device, to_numpy
from ..tensor import Tensor
from ..utils.files import replacing
from .checkpoints import FORMAT, STRUCTURE, CheckpointReader, CheckpointWriter, as_plain
from .torch_files import TorchReader

if TYPE_CHECKING:
    import zipfile  # imported where it is used: it takes long, and most programs load no file

__all__ = ["load", "save"]


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write `obj` to a path or a binary file: tensors, numbers, strings, None, and lists, tuples and dicts of them.

    A path is replaced only once everything is written, so a failed save leaves the old file whole. What is one object (tied
    weights) is one object after `load`, and tensors that share memory (views) share it again. RuntimeError if the path cannot be
    written to; TypeError names what cannot be saved.

    >>> import io
    >>> file = io.BytesIO()  # or the path of a file
    >>> minitorch.save({"weight": minitorch.ones(2), "epoch": 3}, file)
    >>> minitorch.load(file)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    import json
    import zipfile

    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    writer = CheckpointWriter()
    content = writer.encode(obj)
    blocks = writer.blocks()
    structure = json.dumps({"format": FORMAT, "content": content})
    target: Any = replacing(f) if isinstance(f, (str, os.PathLike)) else contextlib.nullcontext(f)
    with target as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(STRUCTURE), structure)  # ZipInfo: no clock time, same object gives same bytes
        for number, array in enumerate(blocks):
            with archive.open(zipfile.ZipInfo(f"{number}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, as_plain(to_numpy(array)), allow_pickle=False)


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: device | str | int | dict[str, Any] | Callable[[Tensor, str], Tensor | None] | None = None,
    *,
    weights_only: bool | None = True,
) -> Any:
    """What `save` or `torch.save` wrote to `f`. Never runs code from the file.

    RuntimeError if `f` is something else or damaged; pickle.UnpicklingError names what it holds that is neither tensor, number,
    string, nor a container of these.

    Tensors go to the device they were saved from, or all to `map_location`: a device; a dict from where they were saved to where
    they are to be; or a function of the tensor (on the CPU) and the name of the device it was saved from, which returns it where
    it is to be, or None for the latter. (Of tensors that share memory it gets the memory, in one dimension.)
    """
    import zipfile

    if weights_only is not None and not weights_only:
        raise ValueError("load: weights_only=False would run code from the file, which minitorch never does; leave it out")
    place = map_location
    if not callable(place) and not isinstance(place, dict) and place is not None:
        place = as_device(place)  # raises before anything is read
    with contextlib.ExitStack() as stack:
        file = _Source(stack.enter_context(open(f, "rb")) if isinstance(f, (str, os.PathLike)) else f)
        try:
            archive: Any = stack.enter_context(zipfile.ZipFile(file))  # type: ignore[call-overload]
            _check_parts(archive)
            reader = _reader(archive)
            obj = reader.read()
        except MemoryError:
            raise
        except Exception as error:  # damage shows as any error of zipfile, json, struct or NumPy
            if file.error is not None:
                raise file.error from None
            name = getattr(file, "name", "the given file")
            if isinstance(error, pickle.UnpicklingError):
                raise pickle.UnpicklingError(f"load: {name!r} was not loaded: {error}") from None
            raise RuntimeError(f"load: {name!r} is not a checkpoint of minitorch.save: {_reason(error)}") from None
    reader.blocks.move(place)
    return obj


def _reader(archive: zipfile.ZipFile) -> TorchReader | CheckpointReader:
    """What reads an archive of that content."""
    names = archive.namelist()
    if STRUCTURE in names:
        return CheckpointReader(archive)
    folders = [name.removesuffix("/data.pkl") for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(folders) != 1:
        raise ValueError(f"it has no data.pkl and no {STRUCTURE}")
    return TorchReader(archive, folders[0])


# ---- the file ----


class _Source:
    """The file to read, which remembers an error that reading it raised: zipfile and NumPy take some for damage."""

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

    def read(self, *size: int) -> bytes:
        """What the file's own `read` returns."""
        try:
            return self._file.read(*size)
        except Exception as error:
            self.error = error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


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


def _reason(error: Exception) -> str:
    import zipfile

    if isinstance(error, zipfile.BadZipFile):
        return "it is not a zip archive, or a damaged one"
    if isinstance(error, KeyError):
        return "a part is missing"
    return " ".join(f"{type(error).__name__}: {error}".split())
