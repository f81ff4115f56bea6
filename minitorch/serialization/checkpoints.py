"""The checkpoint format of versions before torch's: a zip of one JSON text, the structure, and one `.npy` file per block of memory.

The file can only name the few kinds in `_CONTAINERS` and below, so loading it builds data and nothing else; and what it declares of
sizes is compared with the size of the file before memory is taken. Read next: `torch_files.py`, torch's format.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arrays import dtypes
from ..arrays.device import device
from ..arrays.memory import address, flat, same_data, strided
from ..autograd.hooks import warn_if_has_hooks
from ..nn.parameter import Buffer, Parameter
from ..tensor import Size, Tensor
from ..tensor.copying import attributes, is_our_own, made_again
from .blocks import Blocks, dtype_named, placed

STRUCTURE = "structure.json"
FORMAT = "minitorch checkpoint 2"
_FORMATS = (
    FORMAT,
    "minitorch checkpoint 1",
)  # in the first each tensor is a whole block, and nothing stands for "the same again"
_CONTAINERS: dict[str, Any] = {
    "list": list, "tuple": tuple, "Size": Size, "dict": dict, "OrderedDict": OrderedDict, "Counter": Counter
}  # fmt: skip
_NUMBER, _PLACE = 1, 5  # in a tensor's code: kind, block, dtype, device, requires_grad, place in the block, attributes


# ---- an object as JSON and blocks of memory ----


class CheckpointWriter:
    """Turns an object into JSON and a list of arrays."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}  # id of an object -> how many came before it
        self._open_tuples: set[int] = set()  # a tuple is made after what it holds, so it cannot hold itself
        self._tensors: list[_Stored] = []

    def encode(self, obj: Any, in_key: bool = False) -> Any:
        """Numbers, strings and None as they are, everything else as a list that starts with its kind.

        in_key: a tuple is written out each time, because to hash one that holds another many times over takes for ever.
        """
        if isinstance(obj, np.generic):
            obj = obj.item()
        if obj is None or isinstance(obj, (bool, int, float, str)):
            return obj
        if isinstance(obj, dtypes.dtype):
            return ["dtype", obj.name]
        if isinstance(obj, device):
            return ["device", str(obj)]
        if not (in_key and isinstance(obj, tuple)):
            if id(obj) in self._open_tuples:
                raise TypeError("save: cannot save a tuple that holds itself")
            if id(obj) in self._numbers:
                return ["same", self._numbers[id(obj)]]
            self._numbers[id(obj)] = len(self._numbers)
        if isinstance(obj, Parameter) or type(obj) in (Tensor, Buffer):
            return self._tensor(obj)
        for kind, container in _CONTAINERS.items():
            if type(obj) is container or (container is OrderedDict and isinstance(obj, OrderedDict)):
                if isinstance(obj, tuple):
                    self._open_tuples.add(id(obj))
                if not isinstance(obj, dict):
                    code = [kind, *(self.encode(item, in_key) for item in obj)]
                    self._open_tuples.discard(id(obj))
                    return code
                code = [kind]
                if getattr(obj, "__dict__", None):  # such as the versions that a state dict carries
                    code = ["with attributes", kind, [self._pair(*pair) for pair in vars(obj).items()]]
                return [*code, *(self._pair(*pair) for pair in obj.items())]
        raise TypeError(
            f"save: cannot save a {type(obj).__module__}.{type(obj).__qualname__}; for a module or an optimizer save its "
            "state_dict(), otherwise make it a tensor, number, string, None, or a list, tuple or dict of these"
        )

    def _pair(self, key: Any, value: Any) -> list:
        return ["list", self.encode(key, in_key=True), self.encode(value)]

    def _tensor(self, tensor: Tensor) -> list:
        array = tensor._array
        if any(stride < 0 or stride % array.itemsize for stride in array.strides):  # torch has no such tensors
            array = array.copy()
        if not isinstance(tensor, Parameter):
            warn_if_has_hooks(tensor)
        kind = "Parameter" if isinstance(tensor, Parameter) else type(tensor).__name__
        hung_on = [self._pair(*pair) for pair in attributes(tensor).items()]
        code: list[Any] = [kind, None, tensor.dtype.name, str(tensor.device), tensor.requires_grad, None, hung_on]
        begin = address(array)
        stored = _Stored(len(self._tensors), str(tensor.device), begin, begin + flat(array).nbytes, array, code)
        self._tensors.append(stored)
        return code

    def blocks(self) -> list[Any]:
        """The memory to write; each tensor's code is told its block and, unless it is the whole of it, its place there.

        Tensors whose memory overlaps, from the first element to the last, are in one block.
        """
        runs: list[list[_Stored]] = []
        where, end = "", 0
        for stored in sorted(self._tensors, key=lambda stored: (stored.device, stored.begin)):
            if stored.device != where or stored.begin >= end:
                runs.append([])
                where, end = stored.device, stored.end
            runs[-1].append(stored)
            end = max(end, stored.end)
        runs.sort(
            key=lambda run: min(stored.order for stored in run)
        )  # not by address: the same object gives the same bytes
        return [_block(number, run) for number, run in enumerate(runs)]


class _Stored(NamedTuple):
    """A tensor to be written: the how-manieth, where its memory begins and ends, and the code that is to name its place in a block."""

    order: int
    device: str
    begin: int
    end: int
    array: Any
    code: list


def _block(number: int, run: list[_Stored]) -> Any:
    """The memory of tensors that overlap as one array, and the place of each in its code."""
    first = run[0].array
    if any(stored.array.dtype != first.dtype for stored in run):
        raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types.")
    size = first.itemsize
    whole = all(same_data(stored.array, first) for stored in run) and first.strides == _row_major(first.shape, size)
    for stored in run:
        stored.code[_NUMBER] = number
        if not whole:
            steps = [stride // size for stride in stored.array.strides]
            stored.code[_PLACE] = [(stored.begin - run[0].begin) // size, list(stored.array.shape), steps]
    return first if whole else strided(first, ((max(s.end for s in run) - run[0].begin) // size,), (size,))


def _row_major(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The strides of an array without gaps, in row-major order."""
    return tuple(size * math.prod(shape[d + 1 :]) for d in range(len(shape)))


def as_plain(array: np.ndarray) -> np.ndarray:
    """bfloat16, which the .npy format does not know, as the integers of the same bits."""
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


# ---- JSON and blocks of memory as an object ----


class CheckpointReader:
    """Turns JSON and the arrays beside it back into the object; `blocks` are the arrays."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive
        self._objects: list[Any] = []  # in the order in which they begin in the JSON; None is not finished
        self.blocks = Blocks()

    def read(self) -> Any:
        """The object."""
        import json  # it takes long, and most programs load no such file

        structure = json.loads(self._archive.read(STRUCTURE))
        if structure["format"] not in _FORMATS:
            raise ValueError(f"its format is {structure['format']!r}, not {FORMAT!r}")
        return self.decode(structure["content"])

    def decode(self, code: Any, in_key: bool = False) -> Any:
        """The object that `CheckpointWriter.encode` turned into `code`."""
        if not isinstance(code, list):
            if isinstance(code, dict):
                raise ValueError("its structure holds a JSON object")
            return code
        kind, *content = code
        if kind == "dtype":
            return dtype_named(*content)
        if kind == "device":
            return device(*content)
        if kind == "same":
            return self._same(content[0], in_key)
        if kind in ("Tensor", "Parameter", "Buffer"):
            return self._begun(lambda: self._tensor(kind, *content))
        hung_on: list = []
        if kind == "with attributes":
            kind, hung_on, *content = content
        container = _CONTAINERS[kind]
        if issubclass(container, tuple):
            make = lambda: container([self.decode(item, in_key) for item in content])
            return make() if in_key else self._begun(make)
        made = container()
        self._objects.append(made)  # it may hold itself
        if hung_on:
            made.__dict__.update(self._attributes(hung_on))
        if isinstance(made, list):
            for item in content:
                made.append(self.decode(item))
        else:
            for key, value in self._pairs(content):
                made[key] = value
        return made

    def _begun(self, make: Callable[[], Any]) -> Any:
        """What `make` makes, at the place among the objects that it had when it began."""
        number = len(self._objects)
        self._objects.append(None)
        self._objects[number] = made = make()
        return made

    def _same(self, number: int, in_key: bool) -> Any:
        found = self._objects[number] if number >= 0 else None
        if found is None or (in_key and isinstance(found, tuple)):
            raise ValueError(f"object {number} is not there when it is needed")
        return found

    def _pairs(self, codes: list) -> Iterator[tuple[Any, Any]]:
        for _, key, value in codes:
            made = self.decode(key, in_key=True)
            yield made, self.decode(value)

    def _attributes(self, codes: list) -> dict[str, Any]:
        found = dict(self._pairs(codes))
        if any(not isinstance(name, str) or is_our_own(name) for name in found):
            raise ValueError(f"something has the attributes {list(found)}")
        return found

    def _tensor(
        self,
        kind: str,
        number: int,
        dtype_name: str,
        saved_on: str,
        requires_grad: bool,
        place: Any = None,
        hung_on: Sequence = (),
    ) -> Tensor:
        device(saved_on)  # raises if there is no such kind of device
        if number not in self.blocks.arrays:
            self.blocks.arrays[number] = self._block(number, dtype_named(dtype_name))
        array = self.blocks.arrays[number]
        if array.dtype != dtype_named(dtype_name).numpy:
            raise ValueError(f"block {number} is of dtype {array.dtype}, not {dtype_name}")
        cls = Buffer if kind == "Buffer" else Tensor
        made: Any = made_again(cls, array if place is None else placed(array, *place), {})
        made = Parameter(made, requires_grad) if kind == "Parameter" else made.requires_grad_(requires_grad)
        self.blocks.show(made, number, saved_on, place)
        made.__dict__.update(self._attributes(list(hung_on)))
        return made

    def _block(self, number: int, dtype: dtypes.dtype) -> np.ndarray:
        """The array of a member, read only if the member is as large as its header says."""
        name = f"{int(number)}.npy"
        with self._archive.open(name) as member:
            if np.lib.format.read_magic(member) != (1, 0):
                raise ValueError(f"{name} is in another version of NumPy's format")
            shape, _, stored = np.lib.format.read_array_header_1_0(member)
            left = self._archive.getinfo(name).file_size - member.tell()
        plain = as_plain(np.empty(0, dtype.numpy)).dtype
        if stored != plain or min(shape, default=0) < 0 or math.prod(shape) * plain.itemsize != left:
            raise ValueError(f"{name} declares {stored} of shape {shape}, and has {left} bytes for {dtype.name}")
        with self._archive.open(name) as member:
            return np.lib.format.read_array(member, allow_pickle=False).view(dtype.numpy)
