"""Files of `torch.save`: a zip of a pickle, `data.pkl`, and of the memory of the tensors, `data/0`, `data/1` …

In the pickle a tensor is a call: `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`, where the storage is a
reference to one of the other parts. Tensors that share memory refer to one part. `_CALLS` is all that a file can have called.
Read next: `unpickler.py`, which reads the pickle.
"""

from __future__ import annotations

import mmap
import pickletools
import struct
import sys
from collections import Counter, OrderedDict
from typing import Any, NamedTuple

import numpy as np

from ..arrays import dtypes
from ..arrays.device import device
from ..arrays.quantized import (
    SCHEMES,
    PerChannel,
    PerTensor,
    QArray,
    per_channel_affine,
    per_channel_affine_float_qparams,
    per_tensor_affine,
)
from ..arrays.size import Size
from ..nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
from ..tensor import Tensor
from ..tensor.copying import is_our_own, made_again
from .blocks import Blocks, dtype_named, placed
from .classes import FUNCTIONS, Classes
from .unpickler import Name, NoData, Unpickler

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "QUInt8Storage": "quint8", "QInt8Storage": "qint8", "QInt32Storage": "qint32",
}  # fmt: skip
_PIECE = 1 << 20  # how much of a part is read at once, in bytes


class Memory(NoData):
    """Memory of tensors, not read yet."""

    def __init__(self, key: str, dtype: Any, saved_on: str, count: int) -> None:
        self.key, self.dtype, self.saved_on, self.count = key, dtype, saved_on, count


class Options(NamedTuple):
    """How a file is to be read."""

    classes: Classes
    encoding: str = "utf-8"
    mmap: bool = False


class TorchObjects:
    """What the calls in a pickle of torch's make; `blocks` are the memory. A kind of file says where the memory is."""

    def __init__(self, options: Options) -> None:
        self.blocks = Blocks()
        self._options = options

    def unpickler(self, data: bytes) -> Unpickler:
        """What reads pickles that may call what a tensor needs, and nothing else."""
        classes = self._options.classes
        calls: dict[str, Any] = {
            "collections.OrderedDict": lambda: OrderedDict(),
            "collections.Counter": _counter,
            "torch.Size": _size,
            "torch.device": device,
            "_codecs.encode": _encoded,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_of_dtype,
            "torch._utils._rebuild_qtensor": self._quantized,
            "torch._utils._rebuild_parameter": self._parameter,
            "torch.nn.parameter.UninitializedParameter": lambda requires_grad: UninitializedParameter(_flag(requires_grad)),
            "torch.nn.parameter.UninitializedBuffer": lambda requires_grad: UninitializedBuffer(_flag(requires_grad)),
            "torch._utils._rebuild_parameter_with_state": self._parameter,
            "torch._tensor._rebuild_from_type_v2": self._with_attributes,
            **{f"torch.{name}": _no_call for name in (*STORAGES, "Tensor")},
            **dict.fromkeys(("torch.storage.UntypedStorage", FUNCTIONS), _no_call),
            **{f"{module}.getattr": classes.attribute for module in ("__builtin__", "builtins")},
            **{f"{module}.set": _set for module in ("__builtin__", "builtins")},
            **{f"{module}.bytes": lambda: b"" for module in ("__builtin__", "builtins")},
            **{f"{module}.complex": complex for module in ("__builtin__", "builtins")},
            **{f"{module}.bytearray": _bytearray for module in ("__builtin__", "builtins")},
        }
        values: dict[str, Any] = {f"torch.{known.name}": known for known in (*dtypes.ALL, *dtypes.QUANTIZED, *SCHEMES)}
        return Unpickler(data, calls, values, self.stored, classes, self._options.encoding)

    def stored(self, reference: tuple) -> Any:
        """What a reference out of the pickle is."""
        raise NotImplementedError

    def read_memory(self, memory: Memory) -> np.ndarray:
        """Memory as an array of one dimension, of its dtype."""
        raise NotImplementedError

    def memory_named(self, reference: tuple) -> Memory:
        """Memory, from ("storage", its type, its name, the device it was on, its number of elements)."""
        word, kind, key, saved_on, count = (str(each, "ascii") if isinstance(each, bytes) else each for each in reference)
        if word != "storage" or not isinstance(kind, Name):
            raise ValueError(f"memory is named by {word!r}")
        if not isinstance(key, str) or not isinstance(saved_on, str) or type(count) is not int:
            raise ValueError("memory has no name")
        device(saved_on)  # raises if there is no such kind of device
        name = kind.text.rpartition(".")[2]
        return Memory(key, dtype_named(STORAGES[name]) if name in STORAGES else None, saved_on, count)

    # ---- what a file can have called ----

    def _tensor(
        self,
        memory: Memory,
        start: int,
        size: tuple,
        stride: tuple,
        requires_grad: bool,
        hooks: Any = None,
        metadata: Any = None,
    ) -> Tensor:
        if not isinstance(memory, Memory) or memory.dtype is None:
            raise ValueError("a tensor without memory of a dtype")
        return self._shown(memory, memory.dtype, (start, size, stride), requires_grad)

    def _tensor_of_dtype(
        self,
        memory: Memory,
        start: int,
        size: tuple,
        stride: tuple,
        requires_grad: bool,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Tensor:
        if not isinstance(memory, Memory) or not isinstance(dtype, dtypes.dtype):
            raise ValueError("a tensor without memory or dtype")
        return self._shown(memory, dtype, (start, size, stride), requires_grad)

    def _shown(self, memory: Memory, dtype: dtypes.dtype, place: tuple, requires_grad: bool) -> Tensor:
        arrays = self.blocks.arrays
        if memory.key not in arrays:
            arrays[memory.key] = self.read_memory(Memory(memory.key, dtype, memory.saved_on, memory.count))
        if arrays[memory.key].dtype != dtype.numpy:
            raise ValueError(f"part {memory.key} is of dtype {arrays[memory.key].dtype} and of {dtype.name}")
        made: Tensor = made_again(Tensor, placed(arrays[memory.key], *place), {})
        made.requires_grad_(_flag(requires_grad))
        self.blocks.show(made, memory.key, memory.saved_on, place)
        return made

    def _quantized(
        self, memory: Memory, start: int, size: tuple, stride: tuple, params: tuple, requires_grad: bool, hooks: Any = None
    ) -> Tensor:
        if not isinstance(memory, Memory) or memory.dtype is None or memory.dtype.integers is None:
            raise ValueError("a quantized tensor without memory of a quantized dtype")
        integers = self._shown(memory, dtypes.from_numpy_dtype(memory.dtype.integers), (start, size, stride), False)._array
        made: Tensor = made_again(Tensor, QArray(integers, _params(params, integers.shape), memory.dtype), {})
        return made

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


class TorchReader(TorchObjects):
    """Builds the object that a zip archive of `torch.save` holds. With `mmap`, memory is pages of its file."""

    def __init__(self, archive: Any, folder: str, options: Options) -> None:
        super().__init__(options)
        self._archive, self._folder = archive, folder
        self._pages = mmap.mmap(archive.fp.fileno(), 0, access=mmap.ACCESS_COPY) if options.mmap else None
        name = f"{folder}/byteorder"
        byteorder = archive.read(name).decode() if name in archive.namelist() else "little"
        if byteorder not in ("little", "big"):
            raise ValueError(f"Unknown endianness type: {byteorder}")
        self._swapped = byteorder != sys.byteorder

    def read(self) -> Any:
        """The object."""
        return self.unpickler(self._archive.read(f"{self._folder}/data.pkl")).run()

    def refused_names(self) -> list[str]:
        """The names in the pickle for which it would be refused. Nothing is built."""
        pickled = self._archive.read(f"{self._folder}/data.pkl")
        names = {
            str(argument).replace(" ", ".") for code, argument, _ in pickletools.genops(pickled) if code.name == "GLOBAL"
        }
        return sorted(name for name in names if not self.unpickler(pickled).knows(name))

    def stored(self, reference: tuple) -> Memory:
        """A part of the archive, not read yet."""
        return self.memory_named(reference)

    def read_memory(self, memory: Memory) -> np.ndarray:
        """A part as an array of one dimension."""
        info = self._archive.getinfo(f"{self._folder}/data/{memory.key}")
        part = self._read(info) if self._pages is None else self._page(info)
        dtype = memory.dtype.numpy
        if part.ctypes.data % dtype.alignment:  # of a mapped file that does not lay memory out for that
            part = part.copy()
        array = part[: part.size - part.size % dtype.itemsize].view(dtype)
        return array.byteswap() if self._swapped else array

    def _read(self, info: Any) -> np.ndarray:
        content = np.empty(info.file_size, np.uint8)
        at = 0
        with self._archive.open(info) as part:
            while piece := part.read(_PIECE):
                content[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
                at += len(piece)
        if at != content.size:
            raise ValueError(f"{info.filename} has {at} bytes, not {content.size}")
        return content

    def _page(self, info: Any) -> np.ndarray:
        """The part where it lies in the file: after a header of 30 bytes, whose last numbers are the lengths of two texts."""
        pages: Any = self._pages
        name, more = struct.unpack_from("<HH", pages, info.header_offset + 26)
        return np.frombuffer(pages, np.uint8, info.file_size, info.header_offset + 30 + name + more)


def _hang_on(tensor: Any, state: Any) -> None:
    """Give a tensor the attributes that a file says it had."""
    if isinstance(state, tuple) and len(state) == 2 and not state[1]:
        state = state[0]  # the second is of __slots__
    for name, value in (state or {}).items():
        if not isinstance(name, str) or is_our_own(name) or isinstance(value, (Name, NoData)):
            raise ValueError(f"a tensor has the attribute {name!r}")
        tensor.__dict__[name] = value


def _params(given: Any, shape: tuple) -> PerTensor | PerChannel:
    """The scale and the zero point of a quantized tensor, or those of each channel."""
    scheme, *parts = given
    if scheme is per_tensor_affine and [type(part) for part in parts] == [float, int]:
        return PerTensor(*parts)
    if scheme in (per_channel_affine, per_channel_affine_float_qparams) and len(parts) == 3:
        scales, zero_points, axis = parts
        arrays = [part._array for part in (scales, zero_points) if type(part) is Tensor]
        if type(axis) is int and 0 <= axis < len(shape) and [a.shape for a in arrays] == [(shape[axis],)] * 2:
            return PerChannel(arrays[0], arrays[1], axis)
    raise ValueError("a quantized tensor without a scale and a zero point")


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
    raise ValueError("it calls a type of tensor or storage, or a class of torch's own")
