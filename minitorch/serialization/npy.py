"""Arrays in NumPy's format: the parts of a `.npz` archive, and of early checkpoints.

What the header of a part declares is compared with the size of the part before memory is taken, and objects are refused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..tensor import Tensor
from ..tensor.copying import made_again
from .blocks import Blocks


def read_npy(archive: Any, name: str) -> np.ndarray:
    """The array that a part of a zip archive holds, read only if the part is as large as its header says."""
    with archive.open(name) as part:
        version = np.lib.format.read_magic(part)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} is in another version of NumPy's format")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(part)
        left = archive.getinfo(name).file_size - part.tell()
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"{name} declares {dtype} of shape {shape}, and has {left} bytes")
    with archive.open(name) as part:
        return np.lib.format.read_array(part, allow_pickle=False)


class NpzReader:
    """A dict of the arrays of a file of `numpy.savez`, as tensors."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive
        self.blocks = Blocks()

    def read(self) -> dict[str, Tensor]:
        """The tensors by the names that they were given."""
        return {name.removesuffix(".npy"): self._tensor(name) for name in self._archive.namelist()}

    def _tensor(self, name: str) -> Tensor:
        array = read_npy(self._archive, name)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        if all(array.dtype != dtype.numpy for dtype in dtypes.ALL if dtype.name != "bfloat16"):
            raise ValueError(f"{name} is of dtype {array.dtype}, which minitorch does not have")
        self.blocks.arrays[name] = array
        made: Tensor = made_again(Tensor, array, {})
        self.blocks.show(made, name, "cpu", None)
        return made
