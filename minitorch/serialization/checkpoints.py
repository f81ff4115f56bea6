"""Checkpoints of the versions that had a format of their own: a zip of one JSON text, the structure, and one `.npy` file per block
of memory. They are still read; `save` writes torch's format.

The file can only name the few kinds in `_CONTAINERS` and below, so loading it builds data and nothing else; and what it declares of
sizes is compared with the size of the file before memory is taken. Read next: `torch_files.py`, torch's format.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import device
from ..arrays.size import Size
from ..nn.parameter import Buffer, Parameter
from ..tensor import Tensor
from ..tensor.copying import is_our_own, made_again
from .blocks import Blocks, dtype_named, placed
from .keys import Keys
from .npy import read_npy

STRUCTURE = "structure.json"
_LAST = "minitorch checkpoint 2"
# In the first each tensor is a whole block, and nothing stands for "the same again".
_FORMATS = (_LAST, "minitorch checkpoint 1")
_CONTAINERS: dict[str, Any] = {
    "list": list, "tuple": tuple, "Size": Size, "dict": dict, "OrderedDict": OrderedDict, "Counter": Counter
}  # fmt: skip

_COMPARED = 1_000_000  # how many keys of one hash may be compared


class CheckpointReader:
    """Turns JSON and the arrays beside it back into the object; `blocks` are the arrays."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive
        self._objects: list[Any] = []  # in the order in which they begin in the JSON; None is not finished
        self._keys, self._may_compare = Keys(), _COMPARED
        self.blocks = Blocks()

    def read(self) -> Any:
        """The object."""
        import json  # it takes long, and most programs load no such file

        structure = json.loads(self._archive.read(STRUCTURE))
        if structure["format"] not in _FORMATS:
            raise ValueError(f"its format is {structure['format']!r}, not {_LAST!r}")
        return self.decode(structure["content"])

    def decode(self, code: Any, in_key: bool = False) -> Any:
        """The object that `code` stands for."""
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
                self._may_compare -= self._keys.cost(id(made), key)
                if self._may_compare < 0:
                    raise ValueError("its keys have one hash, without end")
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
        """The array of a part of the file."""
        name = f"{int(number)}.npy"
        array, plain = read_npy(self._archive, name), _plain(np.empty(0, dtype.numpy)).dtype
        if array.dtype != plain:
            raise ValueError(f"{name} declares {array.dtype}, not {dtype.name}")
        return array.view(dtype.numpy)


def _plain(array: np.ndarray) -> np.ndarray:
    """bfloat16, which the .npy format does not know, as the integers of the same bits."""
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array
