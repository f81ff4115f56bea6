"""Files of `torch.save` of before its zip format: five pickles one after another, and then the memory of the tensors.

The pickles are a magic number, a version, the system, the object, and the names of the memory in the order in which it follows: for
each a count of elements, 8 bytes, and the elements. (`torch.save(..., _use_new_zipfile_serialization=False)` still writes them.)
Read next: `torch_files.py`, whose reader this is but for the memory.
"""

from __future__ import annotations

import pickle
import struct
import sys
from typing import Any

import numpy as np

from .torch_files import Memory, Options, TorchObjects

BEGINNING = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the pickle of the magic number
LEGACY = 1001  # the version


class LegacyReader(TorchObjects):
    """Builds the object that such a file holds; `blocks` are the memory. More may follow in the file: it is left where this ends."""

    def __init__(self, file: Any, options: Options) -> None:
        super().__init__(options)
        self._file, self._start = file, file.tell()
        self._data = data = file.read()
        self._room = len(data)  # how many bytes of memory the file can still have

    def read(self) -> Any:
        """The object."""
        unpickler = self.unpickler(self._data)
        unpickler.run()  # the magic number
        if (version := unpickler.run()) != LEGACY:
            raise ValueError(f"its version is {version!r}, not {LEGACY}")
        unpickler.run()  # the system: how many bytes its integers had
        obj = unpickler.run()
        end = self._fill(unpickler.run(), unpickler.place)
        self._file.seek(self._start + end)
        return obj

    def stored(self, reference: tuple) -> Any:
        """Memory, from ("storage", its type, its name, the device it was on, its number of elements, None)."""
        if reference[0] == "module" and len(reference) == 4:
            return reference[1]  # a class, with the source that it had
        if reference[-1] is not None:
            raise pickle.UnpicklingError(
                "it holds views of memory, as torch before version 0.4 wrote them; save it with a newer one"
            )
        return self.memory_named(reference[:-1])

    def read_memory(self, memory: Memory) -> np.ndarray:
        """Memory to be filled: what comes before the last pickle ends does not say where it lies."""
        size = memory.count * memory.dtype.itemsize
        if not 0 <= size <= self._room:
            raise ValueError(f"memory of {memory.count} elements is more than the file has")
        self._room -= size
        return np.zeros(memory.count, memory.dtype.numpy)

    def _fill(self, names: list, at: int) -> int:
        """Read the memory of those names, which begins there; where it ends."""
        arrays = self.blocks.arrays
        if not isinstance(names, list) or any(not isinstance(name, str) for name in names) or not set(arrays) <= set(names):
            raise ValueError("memory is missing")
        for name in names:
            (count,) = struct.unpack_from("<q", self._data, at)
            if name not in arrays:
                raise ValueError(f"memory {name} belongs to no tensor")
            if count != arrays[name].size:
                raise ValueError(f"memory {name} has {count} elements, not {arrays[name].size}")
            content = np.frombuffer(self._data, np.uint8, arrays[name].nbytes, at + 8).view(arrays[name].dtype)
            arrays[name][:] = content if sys.byteorder == "little" else content.byteswap()
            at += 8 + arrays[name].nbytes
        return at
