"""MNIST and Fashion-MNIST from the files they are handed out in: 28×28 pixels, ten classes, 60,000 to learn from and 10,000 held out.

They are not in the package: somebody has put the four idx files into a folder, as they are or gzipped. An idx file is two zero bytes, a
byte for the dtype, one for the number of dimensions, their sizes (32 bits, the high byte first), and then the numbers.
Read next: `digits.py`, the digits that are in the package.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensor import Tensor
from ..tensor.creation import from_numpy

if TYPE_CHECKING:
    from pathlib import Path

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip  # of Fashion-MNIST, in the order of their labels
DEBIANS = "/usr/share/datasets/fashion-mnist"  # where Debian's package dataset-fashion-mnist puts them
MOST_DIMENSIONS = 8


def load_mnist(folder: str | os.PathLike[str], split: str = "train") -> tuple[Tensor, Tensor]:
    """Images (N, 28, 28), uint8 from 0 (paper) to 255 (ink), and labels (N,), int64 from 0 to 9.

    folder: where `train-images-idx3-ubyte` and the other three are, perhaps gzipped. split: "train", 60,000 images, or "test", 10,000.
    FileNotFoundError names what is missing; ValueError says what is wrong with a file.
    """
    return _pair("load_mnist", folder, split)


def load_fashion_mnist(folder: str | os.PathLike[str] = DEBIANS, split: str = "train") -> tuple[Tensor, Tensor]:
    """The same of clothes: `idx.CLASSES` has the names of the labels."""
    return _pair("load_fashion_mnist", folder, split)


def read_idx(file: str | os.PathLike[str]) -> Tensor:
    """The array in an idx file, gzipped or not; ValueError if it is none, or not all of it."""
    import gzip  # not at the start: `import minitorch` is to be quick
    from pathlib import Path

    path = Path(file)
    with open(path, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if zipped else open(path, "rb") as stream:
            return from_numpy(_array(path, stream, _most_bytes(path, zipped)))
    except (EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # about reading, not about what was read
            raise
        raise ValueError(f"{path}: is damaged: {error}") from None


def _most_bytes(path: Path, zipped: bool) -> int:
    """How many bytes can be in the file at most: nothing is packed closer than 1 to 1032 by gzip."""
    return path.stat().st_size * (1032 if zipped else 1)


def _array(path: Path, stream: Any, most: int) -> np.ndarray:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in DTYPES or not 1 <= head[3] <= MOST_DIMENSIONS:
        raise ValueError(f"{path}: is no idx file: it begins with {head.hex() or 'nothing'}")
    dtype, sizes = np.dtype(DTYPES[head[2]]), stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise ValueError(f"{path}: ends within its head")
    shape = struct.unpack(f">{head[3]}I", sizes)
    wanted = math.prod(shape) * dtype.itemsize
    data = stream.read(wanted + 1) if wanted <= most else b""
    if len(data) != wanted:
        there = "more" if len(data) > wanted else "fewer"
        raise ValueError(f"{path}: holds {there} bytes than an array of shape {shape} and dtype {dtype.name} has, {wanted}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _pair(name: str, folder: str | os.PathLike[str], split: str) -> tuple[Tensor, Tensor]:
    beginnings = {"train": "train", "test": "t10k"}
    if split not in beginnings:
        raise ValueError(f"{name}: split must be 'train' or 'test', got {split!r}")
    images = read_idx(_found(folder, f"{beginnings[split]}-images", 3))
    labels = read_idx(_found(folder, f"{beginnings[split]}-labels", 1))
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise ValueError(f"{name}: {folder} has images of shape {tuple(images.shape)} and labels of {tuple(labels.shape)}")
    return images, labels.long()


def _found(folder: str | os.PathLike[str], name: str, dimensions: int) -> str:
    """The file of that name: with a hyphen or a point before "idx", gzipped or not."""
    names = [f"{name}{mark}idx{dimensions}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    for each in names:
        if os.path.isfile(os.path.join(folder, each)):
            return os.path.join(folder, each)
    raise FileNotFoundError(f"{folder}: has none of {', '.join(names)}")
