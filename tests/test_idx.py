"""MNIST's files from a folder: what was written is read, in every dtype and spelling, and what is damaged is refused in words."""

from __future__ import annotations

import contextlib
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minitorch
from minitorch.datasets import load_fashion_mnist, load_mnist, read_idx
from minitorch.datasets.idx import DTYPES


def idx(array: np.ndarray) -> bytes:
    """The array as an idx file has it."""
    code = next(code for code, dtype in DTYPES.items() if np.dtype(dtype) == array.dtype.newbyteorder(">"))
    return (
        bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(DTYPES[code]).tobytes()
    )


def written(folder: Path, zipped: bool = False, mark: str = "-", count: int = 5) -> np.ndarray:
    """A small MNIST in a folder; its training images."""
    rng, made = np.random.default_rng(0), {}
    for name, n in (("train", count), ("t10k", 2)):
        images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)
        for kind, array in (("images", images), ("labels", labels)):
            data = idx(array)
            file = folder / f"{name}-{kind}{mark}idx{array.ndim}-ubyte{'.gz' if zipped else ''}"
            file.write_bytes(gzip.compress(data) if zipped else data)
        made[name] = images
    return made["train"]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("mark", "-.")
@pytest.mark.parametrize("load", [load_mnist, load_fashion_mnist])
def test_a_folder_is_read(tmp_path: Path, zipped: bool, mark: str, load) -> None:
    expected = written(tmp_path, zipped, mark)
    images, labels = load(tmp_path)
    assert (images.dtype, labels.dtype) == (minitorch.uint8, minitorch.int64)
    assert images.numpy().tolist() == expected.tolist()
    assert labels.shape == (5,)
    assert load(str(tmp_path), "test")[0].shape == (2, 28, 28)


@pytest.mark.parametrize("dtype", sorted(DTYPES.values()))
def test_every_dtype(tmp_path: Path, dtype: str) -> None:
    array = np.arange(-3, 9).astype(dtype).reshape(3, 2, 2)
    (tmp_path / "x").write_bytes(idx(array))
    read = read_idx(tmp_path / "x")
    assert read.numpy().dtype == np.dtype(dtype).newbyteorder("=")
    assert read.numpy().tolist() == array.tolist()


def test_what_is_read_can_be_written_to(tmp_path: Path) -> None:
    written(tmp_path)
    images, _ = load_mnist(tmp_path)
    images.zero_()
    assert images.sum() == 0


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    written(tmp_path)
    whole = (tmp_path / "train-images-idx3-ubyte").read_bytes()
    for data, says in [
        (b"", "begins with nothing"),
        (b"\0\0", "is no idx file"),
        (b"\x89PNG\r\n", "is no idx file: it begins with 89504e47"),
        (b"\0\0\x07\x03" + whole[4:], "is no idx file"),
        (b"\0\0\x08\x00" + whole[4:], "is no idx file"),
        (whole[:9], "ends within its head"),
        (whole[:-1], "fewer bytes than an array of shape (5, 28, 28) and dtype uint8 has, 3920"),
        (whole + b"\0", "more bytes than"),
        (b"\0\0\x0e\x03" + b"\xff" * 12 + whole, "fewer bytes than"),
        (gzip.compress(whole)[:-20], "is damaged"),
        (gzip.compress(b"\0\0\x0e\x03" + b"\xff" * 12), "fewer bytes than"),
    ]:
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(ValueError) as caught:
            read_idx(tmp_path / "x")
        assert says in str(caught.value)
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'all'"):
        load_mnist(tmp_path, "all")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(4, np.uint8)))
    with pytest.raises(ValueError, match=r"images of shape \(5, 28, 28\) and labels of \(4,\)"):
        load_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"has none of train-labels-idx1-ubyte, train-labels-idx1-ubyte\.gz"):
        load_mnist(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 60), byte=st.integers(0, 255), zipped=st.booleans())
def test_a_changed_byte_is_another_number_or_refused(tmp_path: Path, place: int, byte: int, zipped: bool) -> None:
    data = bytearray(
        gzip.compress(idx(np.arange(40, dtype=np.uint8).reshape(2, 20)), mtime=0)
        if zipped
        else idx(np.arange(40, dtype=np.uint8))
    )
    data[place % len(data)] = byte
    (tmp_path / "x").write_bytes(data)
    with contextlib.suppress(ValueError):
        assert read_idx(tmp_path / "x").numel() <= 40
