"""Files of tensors in the formats of others: safetensors, sharded folders, `.npz`."""

from __future__ import annotations

import io
import json
import os
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.serialization import load_sharded, safetensors

# As the library safetensors 0.8 writes {"w": arange(3.), "b": [True], "h": bfloat16 of 2, "i": int64 of -1}, metadata {"a": "b"}.
THEIRS = (
    b'\xf8\x00\x00\x00\x00\x00\x00\x00{"__metadata__":{"a":"b"},"i":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"w":{"dtype":"F32",'
    b'"shape":[3],"data_offsets":[8,20]},"h":{"dtype":"BF16","shape":[1,1],"data_offsets":[20,22]},"b":{"dtype":"BOOL","shape":[1],'
    b'"data_offsets":[22,23]}}  \xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x80?\x00\x00\x00@\x00@\x01'
)
OBJECT = {
    "w": minitorch.arange(3.0),
    "b": minitorch.tensor([True]),
    "h": minitorch.tensor([[2.0]], dtype=minitorch.bfloat16),
    "i": minitorch.tensor(-1),
}


def same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert {k: (v.dtype, v.tolist()) for k, v in found.items()} == {k: (v.dtype, v.tolist()) for k, v in wanted.items()}


def test_the_librarys_file_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(THEIRS)
    same(minitorch.load(path), OBJECT)
    same(safetensors.load_file(path), OBJECT)
    with safetensors.safe_open(path, framework="pt") as file:
        assert (file.keys(), file.metadata(), file.get_tensor("h").item()) == (["i", "w", "h", "b"], {"a": "b"}, 2.0)
        with pytest.raises(KeyError, match="no tensor 'x'"):
            file.get_tensor("x")
    safetensors.save_file(OBJECT, path, metadata={"a": "b"})
    assert path.read_bytes() == THEIRS


def test_what_is_loaded_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.save_file({"w": minitorch.ones(3)}, path)
    w = safetensors.load_file(path)["w"]
    w.fill_(7)
    assert minitorch.load(path, map_location="cpu")["w"].tolist() == [1.0] * 3
    for place in ({"cpu": "cpu"}, lambda tensor, place: tensor):
        with pytest.raises(RuntimeError, match="map_location is not supported"):
            minitorch.load(path, map_location=place)


def test_what_such_a_file_cannot_say_is_refused(tmp_path: Path) -> None:
    x = minitorch.arange(6.0)
    path = tmp_path / "x.safetensors"
    safetensors.save_file({"a": x[:2], "b": x[2:]}, path)
    before = path.read_bytes()
    for bad, error, says in [
        ({"a": x, "b": x[2:]}, RuntimeError, "'a' and 'b' share memory"),
        ({"a": x.reshape(2, 3).t()}, ValueError, "'a' is not contiguous"),
        ({"a": 1}, ValueError, "got int under 'a'"),
        ({1: x}, ValueError, "got Tensor under 1"),
    ]:
        with pytest.raises(error, match=says):
            safetensors.save_file(bad, path)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="metadata"):
        safetensors.save_file({"a": x}, path, metadata={"a": 1})  # type: ignore[dict-item]
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.safetensors"]


def with_header(header: Any, numbers: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def place(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


LIES = {
    "nothing": b"",
    "too short": b"abc",
    "an endless header": b"\xff" * 8 + b"{}",
    "no object": with_header([]),
    "no JSON": with_header(b"{"),
    "too deep": with_header(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "more than is named": with_header({}, b"x"),
    "less than is named": with_header({"a": place()}, bytes(7)),
    "a hole": with_header({"a": place(offsets=(4, 12))}, bytes(12)),
    "one in another": with_header({"a": place(), "b": place(offsets=(4, 12))}, bytes(12)),
    "a wrong size": with_header({"a": place(shape=(3,))}, bytes(8)),
    "a negative size": with_header({"a": place(shape=(-2,))}, bytes(8)),
    "an endless size": with_header({"a": place(shape=(2**62, 2**62), offsets=(0, 2**126))}, bytes(8)),
    "a size in fractions": with_header({"a": place(shape=(2.0,))}, bytes(8)),
    "a size of true": with_header({"a": place(shape=(True, 2))}, bytes(8)),
    "another dtype": with_header({"a": place(dtype="F8_E4M3", offsets=(0, 2))}, bytes(2)),
    "one name twice": with_header(b'{"a":1,"a":2}'),
    "metadata of numbers": with_header({"__metadata__": {"a": 1}}),
    "something else": with_header({"a": [1]}),
    "another field": with_header({"a": {**place(), "x": 1}}, bytes(8)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused(lie: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(LIES[lie])
    with pytest.raises(RuntimeError, match=r"x\.safetensors' was not loaded: it is no safetensors file: ") as caught:
        minitorch.load(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_loads_or_says_so(tmp_path: Path) -> None:
    path, chance, refused = tmp_path / "x.safetensors", random.Random(0), 0
    for _ in range(150):
        bad = bytearray(THEIRS)
        for _ in range(chance.randint(1, 3)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        path.write_bytes(bad[: chance.choice([len(bad), chance.randrange(len(bad))])])
        try:
            minitorch.load(path)
        except RuntimeError:
            refused += 1
    assert refused > 100


# ---- folders ----


def sharded(folder: Path, index: Any, name: str = "model.safetensors.index.json") -> Path:
    safetensors.save_file({"a": minitorch.ones(2), "b": minitorch.zeros(1)}, folder / "one.safetensors")
    minitorch.save({"c": minitorch.arange(3)}, folder / "two.bin")
    (folder / name).write_text(index if isinstance(index, str) else json.dumps(index))
    return folder


def test_a_sharded_folder(tmp_path: Path) -> None:
    places = {"c": "two.bin", "a": "one.safetensors", "b": "one.safetensors"}
    folder = sharded(tmp_path, {"metadata": {"total_size": 1}, "weight_map": places})
    found = load_sharded(folder)
    assert list(found) == ["c", "a", "b"]
    assert [each.tolist() for each in found.values()] == [[0, 1, 2], [1.0, 1.0], [0.0]]
    (folder / "two.bin").unlink()
    assert list(load_sharded(folder, ["b"], "cpu", mmap=True)) == ["b"]
    with pytest.raises(KeyError, match="no tensor 'x'"):
        load_sharded(folder, ["x"])
    with pytest.raises(FileNotFoundError):
        load_sharded(folder)


@pytest.mark.parametrize(
    "index, says",
    [
        ("{", "is no index of shards"),
        ({}, "is no index of shards"),
        ([], "is no index of shards"),
        ({"weight_map": {"a": 1}}, "is no index of shards"),
        ({"weight_map": {"a": "../one.safetensors"}}, r"names '\.\./one\.safetensors', which is no file of the folder"),
        ({"weight_map": {"a": "/etc/passwd"}}, "which is no file of the folder"),
        ({"weight_map": {"a": ".."}}, "which is no file of the folder"),
        ({"weight_map": {"x": "one.safetensors"}}, "does not have the tensor 'x' that the index promises"),
    ],
)
def test_an_index_that_lies(index: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=says):
        load_sharded(sharded(tmp_path, index))


def test_a_folder_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected one file"):
        load_sharded(tmp_path)


# ---- arrays of NumPy's ----


def npz(**arrays: Any) -> io.BytesIO:
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    return file


def test_npz_both_ways() -> None:
    found = minitorch.load(npz(w=minitorch.ones(2, 3), i=np.arange(3, dtype=">i4"), f=np.asfortranarray(np.eye(2))))
    assert (found["w"].tolist(), found["i"].tolist(), found["f"].dtype) == ([[1.0] * 3] * 2, [0, 1, 2], minitorch.float64)
    assert minitorch.load(npz(x=np.ones(1)), map_location=lambda x, place: x + 1)["x"].tolist() == [2.0]


def test_an_npz_that_is_refused() -> None:
    compressed = io.BytesIO()
    np.savez_compressed(compressed, x=np.zeros(10**6))
    objects = io.BytesIO()
    np.savez(objects, x=np.array([len], dtype=object))
    for file, says in [
        (compressed, r"x\.npy is compressed"),
        (objects, r"x\.npy declares object"),
        (npz(x=np.ones(1, np.complex64)), "complex64, which minitorch does not have"),
    ]:
        file.seek(0)
        with pytest.raises(RuntimeError, match=says):
            minitorch.load(file)
