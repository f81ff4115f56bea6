"""`TorchWriter`: an object as the parts of a file that `torch.load` reads: a pickle, `data.pkl`, and the memory of the tensors.

A tensor is written as the whole of the memory that it shows a part of, as in torch: so its views show the same memory again after
`load`, and a small view of a large tensor makes a large file (save its `clone()` instead). All names in the pickle are torch's, which
reads them; they are texts and nothing more. Read next: `torch_files.py`, which reads such files.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import device, to_numpy
from ..arrays.memory import address, element_strides, storage, storage_offset, whole
from ..arrays.quantized import PerTensor, QArray, qscheme
from ..arrays.size import Size
from ..autograd.hooks import warn_if_has_hooks
from ..nn.parameter import Buffer, Parameter, is_lazy
from ..tensor import Tensor
from ..tensor.copying import attributes
from .classes import described
from .legacy_files import BEGINNING, LEGACY
from .pickler import Call, Stored, write_pickle
from .torch_files import STORAGES
from .unpickler import Name

_FOLDER = "archive"
_ALIGNED = 64  # where memory begins in the file, in bytes: a mapped file is read as fast as memory
_VERSION = b"3\n"  # of torch's files
_KINDS = {dtype: name for name, dtype in STORAGES.items()}


class TorchWriter:
    """Describes objects in torch's words, and collects the memory of their tensors."""

    def __init__(self) -> None:
        # Where memory lies -> its number, its dtype, and a view of all of it.
        self._memory: dict[tuple, tuple[int, dtypes.dtype, Any]] = {}
        self._reach: list[int] = []  # how many elements of each have been shown
        self._more: tuple = ()  # what references to memory end with

    def write(self, obj: Any, file: Any) -> None:
        """Write `obj` to a binary file, as a zip archive."""
        pickled = write_pickle(obj, self.described)
        with zipfile.ZipFile(file, "w") as archive:
            _add_part(archive, "data.pkl", pickled)
            _add_part(archive, "byteorder", sys.byteorder.encode())
            for number, _, array in self._memory.values():
                _add_part(archive, f"data/{number}", self._content(number, array))
            _add_part(archive, "version", _VERSION)

    def write_legacy(self, obj: Any, file: Any) -> None:
        """Write `obj` to a binary file as torch did before its zip format: see `legacy_files.py`."""
        self._more = (None,)
        system = {
            "protocol_version": LEGACY,
            "little_endian": sys.byteorder == "little",
            "type_sizes": {"short": 2, "int": 4, "long": 4},
        }
        pickles = [BEGINNING, *(write_pickle(each, self.described) for each in (LEGACY, system, obj))]
        names = [str(number) for number, _, _ in self._memory.values()]
        file.write(b"".join([*pickles, write_pickle(names, self.described)]))
        for number, _, array in self._memory.values():
            file.write(struct.pack("<q", array.size))
            file.write(self._content(number, array))

    def described(self, obj: Any) -> Any:
        """What stands in the pickle for what is neither number, text nor container."""
        if is_lazy(obj):
            return Call(f"torch.nn.parameter.{type(obj).__name__}", (obj.requires_grad,))
        if isinstance(obj, Parameter):
            return self._parameter(obj)
        if type(obj) in (Tensor, Buffer):
            warn_if_has_hooks(obj)
            return self._tensor(obj)
        if isinstance(obj, (dtypes.dtype, qscheme)):
            return Name(f"torch.{obj.name}")
        if isinstance(obj, device):
            return Call("torch.device", (obj.type,) if obj.index is None else (obj.type, obj.index))
        if type(obj) is Size:
            return Call("torch.Size", (tuple(obj),))
        if (description := described(obj)) is not None:
            return description
        kind = f"{type(obj).__module__}.{type(obj).__qualname__}"
        if hasattr(obj, "__qualname__"):
            kind += f", {obj.__module__}.{obj.__qualname__}"
        raise TypeError(
            f"save: cannot save a {kind}; for an optimizer save its state_dict(), otherwise make it a tensor, number, string, None, or a "
            "list, tuple or dict of these, or name its class by minitorch.serialization.add_safe_globals"
        )

    # ---- tensors ----

    def _tensor(self, tensor: Tensor) -> Call:
        state = attributes(tensor)
        made = self._plain(tensor)
        if isinstance(tensor, Buffer):
            state = {**state, "_is_buffer": True}
        if not state:
            return made
        return Call("torch._tensor._rebuild_from_type_v2", (Name(made.name), Name("torch.Tensor"), made.arguments, state))

    def _plain(self, tensor: Tensor) -> Call:
        """The call that makes the tensor, without what users have hung on it."""
        array = tensor._array
        if isinstance(array, QArray):
            return self._quantized(array)
        if any(stride < 0 or stride % array.itemsize for stride in array.strides) or _between_elements(array):
            array = array.copy()  # torch has no such tensors
        reference = self._stored(array, tensor.dtype, str(tensor.device))
        place = storage_offset(array), tuple(array.shape), element_strides(array)
        return Call("torch._utils._rebuild_tensor_v2", (reference, *place, tensor.requires_grad, OrderedDict()))

    def _quantized(self, array: QArray) -> Call:
        """The call that makes a quantized tensor: of its integers, and of what says what they stand for."""
        integers, params = array.integers, array.params
        reference = self._stored(integers, array.dtype, "cpu")
        place = storage_offset(integers), tuple(integers.shape), element_strides(integers)
        if isinstance(params, PerTensor):
            quantizer: tuple = params.scheme, params.scale, params.zero_point
        else:
            quantizer = params.scheme, Tensor._wrap(params.scales), Tensor._wrap(params.zero_points), params.axis
        return Call("torch._utils._rebuild_qtensor", (reference, *place, quantizer, False, OrderedDict()))

    def _parameter(self, parameter: Parameter) -> Call:
        state = attributes(parameter)
        parts: tuple = self._plain(parameter.data), parameter.requires_grad, OrderedDict()
        if state:
            return Call("torch._utils._rebuild_parameter_with_state", (*parts, state))
        return Call("torch._utils._rebuild_parameter", parts)

    # ---- memory ----

    def _stored(self, array: Any, dtype: dtypes.dtype, place: str) -> Stored:
        """The reference to the memory that an array is a part of."""
        key = place, *storage(array)
        number, first, memory = self._memory.setdefault(key, (len(self._memory), dtype, whole(array)))
        if first is not dtype:
            raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types.")
        if number == len(self._reach):
            self._reach.append(0)
        end = storage_offset(array) + 1 + sum((n - 1) * step for n, step in zip(array.shape, element_strides(array)))
        self._reach[number] = max(self._reach[number], end if array.size else 0)
        return Stored(("storage", Name(f"torch.{_KINDS[dtype.name]}"), str(number), place, memory.size, *self._more))

    def _content(self, number: int, array: Any) -> Any:
        """The bytes of memory. What a GPU's pool has beyond the last element that is shown belongs to others, and is left out."""
        content = to_numpy(array)
        if content is not array:
            content = content.copy()
            content[self._reach[number] :] = 0
        return content.view(np.uint8).data


def _between_elements(array: Any) -> bool:
    """Whether an array begins in the middle of an element of its memory, as one that was made from bytes may."""
    return bool((address(array) - storage(array)[0]) % array.itemsize)


def _add_part(archive: zipfile.ZipFile, name: str, content: Any) -> None:
    """A part of the archive that begins at a multiple of `_ALIGNED`: as torch does, a field that nobody reads fills the header up."""
    info = zipfile.ZipInfo(f"{_FOLDER}/{name}")  # without the time of day: the same object gives the same bytes
    info.file_size = len(content)
    large = info.file_size * 1.05 > zipfile.ZIP64_LIMIT
    begins = (
        archive.start_dir + 30 + len(info.filename) + 4 + 20 * large
    )  # the header, its name, this field, one for large sizes
    fill = -begins % _ALIGNED
    info.extra = struct.pack("<2sH", b"FB", fill) + b"Z" * fill
    with archive.open(info, "w", force_zip64=large) as part:
        part.write(content)
