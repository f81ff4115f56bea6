"""Files of `torch.save`: a zip of a pickle, `data.pkl`, and of the memory of the tensors, `data/0`, `data/1` …

In the pickle a tensor is a call: `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`, where the storage is a
reference to one of the other parts. Tensors that share memory refer to one part. `_CALLS` is all that a file can have called.
Read next: `unpickler.py`, which reads the pickle.
"""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import device
from ..nn.parameter import Buffer, Parameter
from ..tensor import Size, Tensor
from ..tensor.copying import is_our_own, made_again
from .blocks import Blocks, dtype_named, placed
from .unpickler import Name, NoData, read_pickle

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool",
}  # fmt: skip
_PIECE = 1 << 20  # how much of a part is read at once, in bytes


class _Storage(NoData):
    """A part with the memory of tensors, not read yet."""

    def __init__(self, key: str, dtype: dtypes.dtype | None, saved_on: str) -> None:
        self.key, self.dtype, self.saved_on = key, dtype, saved_on


class TorchReader:
    """Builds the object that a file of `torch.save` holds; `blocks` are the memory."""

    def __init__(self, archive: Any, folder: str) -> None:
        self._archive, self._folder = archive, folder
        self.blocks = Blocks()
        self._swapped = self._byteorder() != sys.byteorder

    def read(self) -> Any:
        """The object."""
        calls: dict[str, Any] = {
            "collections.OrderedDict": lambda: OrderedDict(),
            "collections.Counter": _counter,
            "torch.Size": _size,
            "torch.device": device,
            "_codecs.encode": _encoded,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_of_dtype,
            "torch._utils._rebuild_parameter": self._parameter,
            "torch._utils._rebuild_parameter_with_state": self._parameter,
            "torch._tensor._rebuild_from_type_v2": self._with_attributes,
            **{f"torch.{name}": _no_call for name in (*STORAGES, "Tensor")},
            "torch.storage.UntypedStorage": _no_call,
            **{f"{module}.set": _set for module in ("__builtin__", "builtins")},
            **{f"{module}.complex": complex for module in ("__builtin__", "builtins")},
            **{f"{module}.bytearray": _bytearray for module in ("__builtin__", "builtins")},
        }
        values = {f"torch.{dtype.name}": dtype for dtype in dtypes.ALL}
        return read_pickle(self._archive.read(f"{self._folder}/data.pkl"), calls, values, self._storage)

    def _byteorder(self) -> str:
        name = f"{self._folder}/byteorder"
        return self._archive.read(name).decode() if name in self._archive.namelist() else "little"

    # ---- what a file can have called ----

    def _storage(self, reference: tuple) -> _Storage:
        """A part, from ("storage", its type, its name, the device it was on, its number of elements)."""
        word, kind, key, saved_on, _ = reference
        if word != "storage" or not isinstance(kind, Name):
            raise ValueError(f"memory is named by {word!r}")
        if not isinstance(key, str) or not isinstance(saved_on, str):
            raise ValueError("memory has no name")
        device(saved_on)  # raises if there is no such kind of device
        name = kind.text.rpartition(".")[2]
        return _Storage(key, dtype_named(STORAGES[name]) if name in STORAGES else None, saved_on)

    def _tensor(
        self,
        storage: _Storage,
        start: int,
        size: tuple,
        stride: tuple,
        requires_grad: bool,
        hooks: Any = None,
        metadata: Any = None,
    ) -> Tensor:
        if not isinstance(storage, _Storage) or storage.dtype is None:
            raise ValueError("a tensor without memory of a dtype")
        return self._shown(storage, storage.dtype, (start, size, stride), requires_grad)

    def _tensor_of_dtype(
        self,
        storage: _Storage,
        start: int,
        size: tuple,
        stride: tuple,
        requires_grad: bool,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Tensor:
        if not isinstance(storage, _Storage) or not isinstance(dtype, dtypes.dtype):
            raise ValueError("a tensor without memory or dtype")
        return self._shown(storage, dtype, (start, size, stride), requires_grad)

    def _shown(self, storage: _Storage, dtype: dtypes.dtype, place: tuple, requires_grad: bool) -> Tensor:
        arrays = self.blocks.arrays
        if storage.key not in arrays:
            arrays[storage.key] = self._memory(storage.key, dtype)
        if arrays[storage.key].dtype != dtype.numpy:
            raise ValueError(f"part {storage.key} is of dtype {arrays[storage.key].dtype} and of {dtype.name}")
        made: Tensor = made_again(Tensor, placed(arrays[storage.key], *place), {})
        made.requires_grad_(_flag(requires_grad))
        self.blocks.show(made, storage.key, storage.saved_on, place)
        return made

    def _memory(self, key: str, dtype: dtypes.dtype) -> np.ndarray:
        """A part as an array of one dimension."""
        name = f"{self._folder}/data/{key}"
        memory = np.empty(self._archive.getinfo(name).file_size, np.uint8)
        at = 0
        with self._archive.open(name) as part:
            while piece := part.read(_PIECE):
                memory[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
                at += len(piece)
        if at != memory.size:
            raise ValueError(f"{name} has {at} bytes, not {memory.size}")
        array = memory[: at - at % dtype.itemsize].view(dtype.numpy)
        return array.byteswap() if self._swapped else array

    def _parameter(self, data: Tensor, requires_grad: bool, hooks: Any = None, state: Any = None) -> Parameter:
        if type(data) is not Tensor:
            raise ValueError(f"a Parameter of a {type(data).__name__}")
        made = Parameter(data.detach(), _flag(requires_grad))
        self.blocks.show_too(made, data)
        _hang_on(made, state)
        return made

    def _with_attributes(self, rebuild: Any, kind: Any, arguments: tuple, state: Any) -> Tensor:
        """A tensor, or a Buffer, that users have hung something on."""
        builders: dict[str, Any] = {
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_of_dtype,
        }
        if kind != Name("torch.Tensor") or not isinstance(rebuild, Name) or rebuild.text not in builders:
            raise ValueError("a tensor of an unknown type")
        made: Any = builders[rebuild.text](*arguments)
        if isinstance(state, dict) and state.get("_is_buffer") is True:
            plain, made = made, made_again(Buffer, made._array, {})
            made.requires_grad_(plain.requires_grad)
            self.blocks.show_too(made, plain)
            state = {name: value for name, value in state.items() if name != "_is_buffer"}
        _hang_on(made, state)
        return made


def _hang_on(tensor: Any, state: Any) -> None:
    """Give a tensor the attributes that a file says it had."""
    if isinstance(state, tuple) and len(state) == 2 and not state[1]:
        state = state[0]  # the second is of __slots__
    for name, value in (state or {}).items():
        if not isinstance(name, str) or is_our_own(name) or isinstance(value, (Name, NoData)):
            raise ValueError(f"a tensor has the attribute {name!r}")
        tensor.__dict__[name] = value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"requires_grad is a {type(value).__name__}")
    return value


def _size(sizes: Any = ()) -> Size:
    if any(type(n) is not int for n in sizes):
        raise ValueError("a size that is no integer")
    return Size(sizes)


def _counter(counts: Any = ()) -> Counter:
    if not isinstance(counts, dict) and counts != ():
        raise ValueError(f"a Counter of a {type(counts).__name__}")
    return Counter(counts)


def _set(items: Any = ()) -> set:
    if not isinstance(items, (list, tuple)):
        raise ValueError(f"a set of a {type(items).__name__}")
    return set(items)


def _encoded(text: Any, encoding: Any) -> bytes:
    """What stands for bytes in such pickles: a text of the characters with these numbers."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes that are no text of latin1")
    return text.encode("latin1")


def _bytearray(content: Any = b"", encoding: Any = None) -> bytearray:
    return bytearray(content if isinstance(content, bytes) and encoding is None else _encoded(content, encoding))


def _no_call(*arguments: Any) -> Any:
    raise ValueError("it calls a type of tensor or storage")
