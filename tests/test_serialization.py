"""`save` and `load`: what goes in comes out, nothing in a file can run, and a failed save leaves the old file whole."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pickle
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from hypothesis.extra.numpy import arrays as numpy_arrays

import minitorch

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
tensors = st.sampled_from(DTYPES).flatmap(
    lambda name: numpy_arrays(name, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | tensors.map(minitorch.from_numpy)
keys = st.text() | st.integers() | st.tuples(st.integers(), st.text()) | st.none() | st.booleans()
objects = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(keys, inner)
        | st.dictionaries(keys, inner).map(OrderedDict)
        | st.dictionaries(keys, st.integers()).map(Counter)
        | st.lists(st.integers(0, 9)).map(minitorch.Size)
    ),
    max_leaves=12,
)


def saved(obj: Any) -> io.BytesIO:
    file = io.BytesIO()
    minitorch.save(obj, file)
    file.seek(0)
    return file


def assert_same(a: Any, b: Any) -> None:
    """Equal in every way that can be seen: types, order of keys, dtypes, bits of floats."""
    assert type(a) is type(b)
    if isinstance(a, minitorch.Tensor):
        assert (a.dtype, a.shape, a.device, a.requires_grad) == (b.dtype, b.shape, b.device, b.requires_grad)
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
    elif isinstance(a, dict):
        assert_same(list(a.items()), list(b.items()))
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, float):
        assert a == b or (math.isnan(a) and math.isnan(b))
    else:
        assert a == b


@given(objects)
def test_what_goes_in_comes_out(obj: Any) -> None:
    assert_same(minitorch.load(saved(obj)), obj)


@pytest.mark.parametrize("shape", [(), (0,), (4,), (2, 0), (3, 0, 2), (2, 3), (2, 3, 2)])
@given(data=st.data())
def test_views_show_the_same_memory_as_before(shape: tuple[int, ...], data: st.DataObject) -> None:
    """Also those of nothing, wherever they begin."""
    base = minitorch.randn(shape)
    view = base[tuple(slice(data.draw(st.integers(0, n)), None, data.draw(st.integers(1, 2))) for n in base.shape)]
    view = view.permute(data.draw(st.permutations(range(view.ndim))))
    for saved_first in ([view, base], [base, view]):
        loaded = minitorch.load(saved(saved_first))
        assert_same(loaded, saved_first)
        places = [(t.stride(), t.data_ptr() - ts[0].data_ptr()) for ts in (loaded, saved_first) for t in ts if t.numel()]
        assert places[: len(places) // 2] == places[len(places) // 2 :]


def test_kinds_of_tensors() -> None:
    base = minitorch.arange(6.0).reshape(2, 3)
    obj = {
        "parameter": minitorch.nn.Parameter(base.clone()),
        "frozen": minitorch.nn.Parameter(base.clone(), requires_grad=False),
        "leaf": base.clone().requires_grad_(),
        "transposed": base.t(),
        "strided": base[:, ::2],
        "expanded": base[:1].expand(4, 3),
        "dtype": minitorch.float16,
        "device": minitorch.device("cpu"),
        "numpy": np.float64(0.1),
    }
    loaded = minitorch.load(saved(obj))
    assert type(loaded.pop("numpy")) is float
    del obj["numpy"]
    assert_same(loaded, obj)
    assert loaded["leaf"].is_leaf


def test_a_result_is_saved_as_a_leaf() -> None:
    """As in torch: the graph is not saved."""
    x = minitorch.ones(2, requires_grad=True)
    loaded = minitorch.load(saved(x * 2))
    assert (loaded.is_leaf, loaded.requires_grad, loaded.tolist()) == (True, True, [2.0, 2.0])


def test_tied_weights_stay_tied() -> None:
    weight = minitorch.ones(3)
    loaded = minitorch.load(saved([weight, weight.detach(), weight.clone()]))
    loaded[0].add_(1)
    assert [x.tolist() for x in loaded] == [[2.0] * 3, [2.0] * 3, [1.0] * 3]


def test_model_and_optimizer_go_on_as_if_never_stopped(tmp_path: Path) -> None:
    def make() -> tuple[Any, Any]:
        model = minitorch.nn.Sequential(minitorch.nn.Linear(3, 4), minitorch.nn.BatchNorm1d(4))
        return model, minitorch.optim.Adam(model.parameters(), lr=0.1)

    def step(model: Any, optimizer: Any) -> None:
        optimizer.zero_grad()
        model(minitorch.arange(12.0).reshape(4, 3).cos()).pow(3).sum().backward()
        optimizer.step()

    model, optimizer = make()
    step(model, optimizer)
    minitorch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "c.pt")
    again, optimizer_again = make()
    checkpoint = minitorch.load(tmp_path / "c.pt")
    again.load_state_dict(checkpoint["model"])
    optimizer_again.load_state_dict(checkpoint["optimizer"])
    step(model, optimizer)
    step(again, optimizer_again)
    assert_same(again.state_dict(), model.state_dict())


def test_the_same_object_gives_the_same_bytes() -> None:
    obj = {"a": minitorch.ones(3), "b": [1, "two"]}
    assert saved(obj).getvalue() == saved(obj).getvalue()


def test_map_location() -> None:
    assert minitorch.load(saved(minitorch.ones(2)), map_location="cpu").device == minitorch.device("cpu")
    with pytest.raises(RuntimeError, match="tpu"):
        minitorch.load(saved(1), map_location="tpu")


@pytest.mark.parametrize("obj", [frozenset([1]), object(), {"a": [len]}, slice(1), np.ones(2)])
def test_what_cannot_be_saved_is_named(obj: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"save: cannot save a .*; for an optimizer save its state_dict\(\)"):
        minitorch.save(obj, tmp_path / "x")
    assert os.listdir(tmp_path) == []


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


def _bombs() -> list[bytes]:
    """Files that would run code if any of their parts were unpickled."""
    objects_in_npy = io.BytesIO()
    np.save(objects_in_npy, np.array([Bomb()], dtype=object), allow_pickle=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        content = ["Tensor", 0, "float32", "cpu", False]
        z.writestr("structure.json", json.dumps({"format": "minitorch checkpoint 1", "content": content}))
        z.writestr("0.npy", objects_in_npy.getvalue())
    return [
        pickle.dumps(Bomb()),
        archive.getvalue(),
        b"",
        b"text",
        b"PK\x03\x04",
    ]


def test_a_file_that_is_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for data in _bombs():
        Path("x.pt").write_bytes(data)
        with pytest.raises(RuntimeError, match=r"load: 'x.pt' was not loaded: it ") as caught:
            minitorch.load("x.pt")
        assert "\n" not in str(caught.value)
    assert not Path("exploded").exists()
    with pytest.raises(FileNotFoundError):
        minitorch.load("missing.pt")


@given(st.data())
def test_a_damaged_file_loads_or_says_so(data: st.DataObject) -> None:
    raw = bytearray(saved({"weight": minitorch.arange(4), "list": [1.5, ("a", None)]}).getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)) | st.just(len(raw)))]
    with contextlib.suppress(RuntimeError):
        minitorch.load(io.BytesIO(bytes(raw)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["Tensor", "dict", "tuple", "dtype", "cpu"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_any_structure_loads_or_says_so(content: Any) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("structure.json", json.dumps({"format": "minitorch checkpoint 1", "content": content}))
    with contextlib.suppress(RuntimeError):
        minitorch.load(file)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.pt"
    minitorch.save("old", path)

    def full_disk(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(minitorch.serialization.writing, "to_numpy", full_disk)
    with pytest.raises(OSError, match="No space left"):
        minitorch.save(minitorch.ones(3), path)
    assert minitorch.load(path) == "old"
    assert os.listdir(tmp_path) == ["c.pt"]


def test_saves_through_a_link_and_into_a_device(tmp_path: Path) -> None:
    (tmp_path / "link.pt").symlink_to(tmp_path / "real.pt")
    minitorch.save(7, tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink()
    assert minitorch.load(tmp_path / "real.pt") == 7
    minitorch.save(7, os.devnull)
    assert not os.path.isfile(os.devnull)
