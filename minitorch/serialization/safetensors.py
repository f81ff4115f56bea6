"""Files of the safetensors format: `save_file`, `load_file`, `safe_open`. https://huggingface.co/docs/safetensors

Such a file is the length of a header (8 bytes), the header as JSON, which has for each tensor its dtype, its shape and where it lies,
and then the numbers, one tensor after another. A dict of tensors goes in, a dict comes out, and nothing else; texts may be added as
metadata. The file is mapped: what is read is what is looked at, and writes do not reach it. Read next: `shards.py`.
"""

from __future__ import annotations

import itertools
import math
import mmap
import os
import struct
import sys
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import as_device, to_numpy
from ..tensor import Tensor
from ..tensor.copying import made_again
from ..utils.files import replacing
from .blocks import dtype_named

# In the order in which tensors are written: so each begins at a multiple of its own size.
_DTYPES = {
    "I64": "int64", "F64": "float64", "F32": "float32", "I32": "int32", "BF16": "bfloat16", "F16": "float16", "I16": "int16",
    "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_CODES = {name: code for code, name in _DTYPES.items()}
_LONGEST_HEADER = 100_000_000


def save_file(tensors: dict[str, Tensor], filename: str | os.PathLike[str], metadata: dict[str, str] | None = None) -> None:
    """Write a dict of tensors, of which no two share memory. As by `save`, the file is replaced whole or not at all.

    ValueError if one is not a tensor or not contiguous; RuntimeError if two share memory, for they would not after `load_file`.
    """
    import json

    _must_be_alone(tensors)
    header: dict[str, Any] = {}
    if metadata is not None:
        if any(not isinstance(text, str) for pair in metadata.items() for text in pair):
            raise TypeError("save_file: metadata must be a dict of texts by texts")
        header["__metadata__"] = metadata
    end = 0
    names = sorted(tensors, key=lambda name: (list(_CODES).index(tensors[name].dtype.name), name))
    for name in names:
        begin, end = end, end + tensors[name].numel() * tensors[name].element_size()
        place = {"dtype": _CODES[tensors[name].dtype.name], "shape": list(tensors[name].shape), "data_offsets": [begin, end]}
        header[name] = place
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with replacing(filename) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            array = to_numpy(tensors[name]._array).reshape(-1)
            file.write((array if sys.byteorder == "little" else array.byteswap()).view(np.uint8).data)


def load_file(filename: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors of a file by their names. RuntimeError if it is damaged, or none of this format."""
    with safe_open(filename, device=device) as file:
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}


class safe_open:
    """`with safe_open(filename) as file:` the tensors one by one: `file.keys()`, `file.get_tensor(name)`, `file.metadata()`."""

    def __init__(self, filename: str | os.PathLike[str], framework: str = "pt", device: Any = "cpu") -> None:
        self._device = as_device(device)
        with open(filename, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._pages: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if size else b""
        try:
            self._start, self._places, self._metadata = _header(self._pages)
        except Exception as error:  # damage shows as any error of json or struct
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise RuntimeError(
                f"load: {os.fspath(filename)!r} was not loaded: it is no safetensors file: {reason}"
            ) from None

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *error: Any) -> None:
        """Nothing: the tensors keep the pages that they show."""

    def keys(self) -> list[str]:
        """The names of the tensors, in the order in which they lie in the file."""
        return list(self._places)

    def metadata(self) -> dict[str, str] | None:
        """The texts that were saved with the tensors."""
        return self._metadata

    def get_tensor(self, name: str) -> Tensor:
        """The tensor of that name."""
        if name not in self._places:
            raise KeyError(f"the file has no tensor {name!r}; it has {', '.join(list(self._places)[:5])} …")
        dtype, shape, begin, end = self._places[name]
        content = np.frombuffer(self._pages, np.uint8, end - begin, self._start + begin)
        if content.ctypes.data % dtype.numpy.alignment:  # nobody has to lay the file out for that
            content = content.copy()
        array = content.view(dtype.numpy).reshape(shape)
        made: Tensor = made_again(Tensor, array if sys.byteorder == "little" else array.byteswap(), {})
        return made.to(self._device)


def _must_be_alone(tensors: dict[str, Any]) -> None:
    """Refuse tensors that cannot be written one after another."""
    spans = []
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(
                f"save_file: expected a dict of tensors by their names, got {type(tensor).__name__} under {name!r}; "
                "other objects go into a file of minitorch.save"
            )
        if not tensor.is_contiguous():
            raise ValueError(f"save_file: the tensor {name!r} is not contiguous; save its .contiguous()")
        spans.append((str(tensor.device), tensor.data_ptr(), tensor.numel() * tensor.element_size(), name))
    spans = sorted(span for span in spans if span[2])
    for (device, begin, size, name), (place, following, _, other) in itertools.pairwise(spans):
        if device == place and following < begin + size:
            raise RuntimeError(
                f"save_file: {name!r} and {other!r} share memory, which such a file cannot say; save the .clone() of one, or leave it out"
            )


def _header(data: Any) -> tuple[int, dict[str, tuple[dtypes.dtype, tuple, int, int]], Any]:
    """Where the numbers begin, where each tensor lies, and the metadata. ValueError unless they fill the file."""
    import json

    (length,) = struct.unpack_from("<Q", data)
    start = 8 + length
    if length > min(_LONGEST_HEADER, len(data) - 8):
        raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
    header = json.loads(data[8:start].decode(), object_pairs_hook=_without_repeats)
    if not isinstance(header, dict):
        raise ValueError("a header that is no dict")
    metadata = header.pop("__metadata__", None)
    if metadata is not None and any(not isinstance(text, str) for text in metadata.values()):
        raise ValueError("metadata that are no texts")
    places = {name: _place(name, **about) for name, about in header.items()}
    at = 0
    for name, (_, _, begin, end) in sorted(places.items(), key=lambda item: item[1][2:]):
        if begin != at:
            raise ValueError(f"{name!r} begins at {begin}, not at {at}")
        at = end
    if start + at != len(data):
        raise ValueError(f"{len(data) - start} bytes of numbers, not {at}")
    return start, places, metadata


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("two things have one name")
    return dict(pairs)


def _place(name: str, dtype: str, shape: list[int], data_offsets: list[int]) -> tuple[dtypes.dtype, tuple, int, int]:
    if dtype not in _DTYPES:
        raise ValueError(f"{name!r} is of dtype {dtype!r}, which minitorch does not have")
    begin, end = data_offsets
    if any(type(n) is not int or n < 0 for n in (*shape, begin, end)) or len(shape) > 64:
        raise ValueError(f"{name!r} is of shape {shape} and lies from {begin} to {end}")
    found = dtype_named(_DTYPES[dtype])
    if math.prod(shape) * found.itemsize != end - begin:
        raise ValueError(f"{name!r} is of shape {shape} and has {end - begin} bytes")
    return found, tuple(shape), begin, end
