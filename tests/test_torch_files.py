"""Files of `torch.save`, read without torch: what comes out, and that nothing in them runs."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import random
import struct
import sys
import tracemalloc
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

import minitorch
from minitorch.serialization import unpickler


def torch_saved(obj: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(obj, file, **options)
    file.seek(0)
    return file


def same(ours: Any, theirs: Any) -> None:
    """One holds what the other does, ours or torch's: types by name, order of keys, bits."""
    assert type(ours).__name__ == type(theirs).__name__
    if isinstance(theirs, torch.Tensor):
        assert (name(ours.dtype), ours.shape, ours.stride()) == (name(theirs.dtype), theirs.shape, theirs.stride())
        assert (ours.tolist(), ours.requires_grad) == (theirs.tolist(), theirs.requires_grad)
    elif isinstance(theirs, dict):
        same(list(ours.items()), list(theirs.items()))
        assert getattr(ours, "__dict__", None) == getattr(theirs, "__dict__", None)
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    elif isinstance(theirs, (torch.dtype, torch.device)):
        assert name(ours) == name(theirs)
    else:
        assert ours == theirs


def name(small: Any) -> str:
    return str(small).rpartition(".")[2]


def trained() -> list:
    """A model's and an optimizer's state in the middle of a run."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return [model.state_dict(), optimizer.state_dict(), list(model.parameters())]


def everything() -> list:
    x = torch.arange(24.0).reshape(4, 6)
    dtypes = [
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float64
    ]  # fmt: skip
    return [
        [torch.arange(3).to(dtype) for dtype in dtypes],
        dtypes,
        [x, x.t(), x[1:3, ::2], x[:1].expand(4, 6), x[0, 0], torch.ones(0), torch.ones(2, 0)],
        [
            torch.nn.Parameter(torch.ones(2)),
            torch.nn.Parameter(torch.ones(2), requires_grad=False),
            x.clone().requires_grad_(),
        ],
        [0, -1, 255, 256, 65536, -(2**31), 2**40, -(2**70), True, None, 1.5, float("inf"), "", "é\ud800", "x" * 300, 1j],
        [
            (),
            (1,),
            (1, (2, [3])),
            (1, 2, 3, 4),
            {1, 2},
            b"ab\xff",
            bytearray(b"xy"),
            torch.Size([2, 3]),
            torch.device("cpu"),
        ],
        {(1, "a"): None, 2.5: {"b": []}, None: 1},
        OrderedDict(b=1, a=2),
        Counter("abca"),
        list(range(1500)),
        *trained(),
    ]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("mmap", [False, True])
def test_what_torch_saved_comes_out(zipped: bool, mmap: bool, tmp_path: Path) -> None:
    """Its files of today and those of before its zip format, and again in what we save of it: torch reads that."""
    obj, path = everything(), tmp_path / "c.pth"
    torch.save(obj, path, _use_new_zipfile_serialization=zipped)
    if mmap and not zipped:
        with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
            minitorch.load(path, mmap=True)
        return
    loaded = minitorch.load(path, mmap=mmap)
    same(loaded, obj)
    minitorch.save(loaded, path, _use_new_zipfile_serialization=zipped)
    same(obj, torch.load(path, mmap=mmap))
    same(minitorch.load(path, mmap=mmap), obj)


def test_a_mapped_tensor_is_the_file(tmp_path: Path) -> None:
    """Its numbers lie where a fast processor wants them, and what is written to it does not reach the file."""
    path = tmp_path / "c.pth"
    minitorch.save([minitorch.arange(3), minitorch.arange(5.0)], path)
    mapped = minitorch.load(path, mmap=True)
    assert [each.data_ptr() % 64 for each in mapped] == [0, 0]
    assert mapped[1].untyped_storage().nbytes() == 20
    mapped[1].fill_(7)
    assert minitorch.load(path)[1].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="f must be a file path"):
        minitorch.load(io.BytesIO(path.read_bytes()), mmap=True)


def test_optimizers_go_on_in_the_other_library() -> None:
    """In the middle of a run, from either to the other: the same steps."""
    model = torch.nn.Linear(3, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    ours = minitorch.nn.Linear(3, 4)
    our_optimizer = minitorch.optim.Adam(ours.parameters(), lr=0.1)
    one_step(torch, model, optimizer)
    ours.load_state_dict(minitorch.load(torch_saved(model.state_dict())))
    our_optimizer.load_state_dict(minitorch.load(torch_saved(optimizer.state_dict())))
    one_step(minitorch, ours, our_optimizer)
    file = io.BytesIO()
    minitorch.save([ours.state_dict(), our_optimizer.state_dict()], file)
    file.seek(0)
    again = torch.nn.Linear(3, 4)
    optimizer_again = torch.optim.Adam(again.parameters(), lr=0.1)
    state, optimizer_state = torch.load(file, weights_only=True)
    again.load_state_dict(state)
    optimizer_again.load_state_dict(optimizer_state)
    for each in ((model, optimizer), (model, optimizer), (again, optimizer_again)):
        one_step(torch, *each)
    torch.testing.assert_close(again.weight, model.weight)


@pytest.mark.parametrize("writer", [torch, minitorch])
def test_honest_files_are_far_from_too_much_work(writer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the work that any pickle may make, only as much as it is long: nor if it is as short as can be."""
    monkeypatch.setattr(unpickler, "_WORK", 0)
    nn = writer.nn
    for obj in [
        [writer.Size([k, 2]) for k in range(100)],
        [{k} for k in range(100)],
        [OrderedDict() for _ in range(100)],
        [{(1, "a"): k, 0.5: k} for k in range(100)],
        list(writer.ones(100).unbind()),
        list(nn.Transformer(4, 2, 2, 2, 4, batch_first=True).parameters()),
        nn.Sequential(*(nn.ReLU() for _ in range(100)), *(nn.Linear(1, 1) for _ in range(300))),
    ]:
        file = io.BytesIO()
        writer.save(obj, file)
        archive = zipfile.ZipFile(file)
        parts = sorted(
            (name for name in archive.namelist() if "/data/" in name), key=lambda name: int(name.rpartition("/")[2])
        )
        shortest = with_pickle(pickletools.optimize(archive.read("archive/data.pkl")), *map(archive.read, parts))
        for each in (file, shortest):
            each.seek(0)
            minitorch.load(each, weights_only=False)


@pytest.mark.parametrize("writer, reader", [(torch, minitorch), (minitorch, torch), (minitorch, minitorch)])
def test_old_files_one_after_another(writer: Any, reader: Any) -> None:
    file = io.BytesIO()
    for k in range(3):
        writer.save([k, writer.full((2,), k)], file, _use_new_zipfile_serialization=False)
    file.seek(0)
    assert [reader.load(file)[1].tolist() for _ in range(3)] == [[0, 0], [1, 1], [2, 2]]


@pytest.mark.parametrize("writer, reader", [(torch, minitorch), (minitorch, torch), (minitorch, minitorch)])
def test_a_lazy_layers_state_has_no_shape_yet(writer: Any, reader: Any) -> None:
    file = io.BytesIO()
    writer.save(writer.nn.LazyLinear(3).state_dict(), file)
    file.seek(0)
    state = reader.load(file, weights_only=False)
    assert [type(each).__name__ for each in state.values()] == ["UninitializedParameter"] * 2
    layer = reader.nn.LazyLinear(3)
    layer.load_state_dict(state)
    assert layer(reader.ones(1, 2)).shape == (1, 3)


def test_large_parts_lie_as_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is longer than 2 GiB has other headers; here what is longer than 100 bytes has."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    obj = [minitorch.arange(100.0), minitorch.arange(3), minitorch.arange(200)]
    file = io.BytesIO()
    minitorch.save(obj, file)
    for lib in (torch, minitorch):
        file.seek(0)
        assert [each.tolist() for each in lib.load(file)] == [each.tolist() for each in obj]
    for info in zipfile.ZipFile(file).infolist():
        name, more = struct.unpack_from("<HH", file.getvalue(), info.header_offset + 26)
        assert (info.header_offset + 30 + name + more) % 64 == 0


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: b"", "it is empty"),
        (lambda: b"text", r"it is no file of minitorch\.save or torch\.save"),
        (lambda: torch_saved(1).getvalue()[:-30], r"it begins like a file of torch\.save \(a zip archive\), but is damaged"),
        (
            lambda: torch_saved(1).getvalue().replace(b"K\x01.", b"K\x02."),
            r"it is a damaged file of torch\.save: the checksum of a part is wrong",
        ),
        (lambda: torch_saved(1, _use_new_zipfile_serialization=False).getvalue()[:-9], "of before its zip format"),
        (lambda: zipped("archive/constants.pkl", b"1"), "it is a TorchScript archive"),
        (lambda: zipped("x", b"1"), r"it is a zip archive, but not of torch\.save"),
    ],
)
def test_what_kind_of_file_is_refused(make: Any, says: str) -> None:
    with pytest.raises(RuntimeError, match=f"^load: 'the given file' was not loaded: .*{says}"):
        minitorch.load(io.BytesIO(make()))


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def one_step(lib: Any, model: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    model(lib.arange(6.0).reshape(2, 3).cos()).pow(2).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("writer, reader", [(torch, minitorch), (minitorch, torch), (minitorch, minitorch)])
def test_what_is_shared_stays_shared(writer: Any, reader: Any, zipped: bool, tmp_path: Path) -> None:
    x = writer.arange(6.0)
    weight = writer.nn.Parameter(x.reshape(2, 3))
    writer.save([x, x[2:4], weight, weight], tmp_path / "c.pth", _use_new_zipfile_serialization=zipped)
    whole, view, tied, again = reader.load(tmp_path / "c.pth", map_location="cpu")
    whole.fill_(7)
    assert (view.tolist(), tied.tolist(), view.storage_offset()) == ([7.0] * 2, [[7.0] * 3] * 2, 2)
    assert tied is again
    writer.save([x[2:4], x[:2], x[5]], tmp_path / "c.pth", _use_new_zipfile_serialization=zipped)
    parts = reader.load(tmp_path / "c.pth")
    assert [(part.storage_offset(), part.untyped_storage().nbytes()) for part in parts] == [(2, 24), (0, 24), (5, 24)]
    assert len({part.untyped_storage().data_ptr() for part in parts}) == 1


def test_what_hangs_on_a_tensor() -> None:
    weight, buffer, plain = (
        torch.nn.Parameter(torch.ones(1)),
        torch.nn.Buffer(torch.ones(1), persistent=False),
        torch.ones(1),
    )
    weight.tag, plain.tag = "first", [1]
    loaded = minitorch.load(torch_saved([weight, buffer, plain]))
    assert (loaded[0].tag, loaded[1].persistent, loaded[2].tag) == ("first", False, [1])
    assert [type(each).__name__ for each in loaded] == ["Parameter", "Buffer", "Tensor"]


def test_a_list_that_holds_itself() -> None:
    a: list = []
    a.append(a)
    loaded = minitorch.load(torch_saved(a))
    assert loaded[0] is loaded


def test_map_location_is_asked_for_each_memory() -> None:
    x = torch.arange(4.0)
    asked: list = []
    minitorch.load(
        torch_saved([x, x[1:], x.clone()]), map_location=lambda memory, place: asked.append((memory.shape, place))
    )
    assert asked == [((4,), "cpu")] * 2


# ---- files that are no data ----


def with_pickle(content: bytes, *members: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("archive/data.pkl", content)
        for number, member in enumerate(members):
            z.writestr(f"archive/data/{number}", member)
    file.seek(0)
    return file


RUN = b"X\x08\x00\x00\x00exploded"
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"


def of_one_hash(k: int) -> bytes:
    """The instruction for an integer whose hash is 0."""
    code = pickle.encode_long(k * sys.hash_info.modulus)  # type: ignore[attr-defined]
    return b"\x8a" + bytes([len(code)]) + code


BOMBS = {
    "GLOBAL": b"\x80\x02cos\nmkdir\n.",
    "REDUCE": b"\x80\x02cos\nmkdir\n" + RUN + b"\x85R.",
    "STACK_GLOBAL": b"\x80\x02X\x02\x00\x00\x00osX\x05\x00\x00\x00mkdir\x93" + RUN + b"\x85R.",
    "INST": b"\x80\x02(" + RUN + b"ios\nmkdir\n.",
    "OBJ": b"\x80\x02(cos\nmkdir\n" + RUN + b"o.",
    "NEWOBJ": b"\x80\x02cos\nmkdir\n" + RUN + b"\x85\x81.",
    "NEWOBJ of an allowed name": b"\x80\x02ctorch\nSize\n)\x81.",
    "memory in a tuple as data": b"\x80\x02" + STORAGE + b"\x85\x85.",
    "a name in a tuple in a dict": b"\x80\x02}K\x01ctorch\nTensor\n\x85s.",
    "NEWOBJ_EX": b"\x80\x02ctorch\nSize\n)}\x92.",
    "EXT1": b"\x80\x02\x82\x01.",
    "EXT2": b"\x80\x02\x83\x01\x00.",
    "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "PERSID": b"\x80\x02P0\n.",
    "builtins": b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.",
    "getattr of an allowed name": b"\x80\x02ctorch\nSize.__class__\n.",
    "a call of a string": b"\x80\x02X\x02\x00\x00\x00os)R.",
    "BUILD of a list": b"\x80\x02]}b.",
    "BUILD of a tensor": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00K\x02\x85K\x01\x85\x89NtR}b.",
    "another version": b"\x80\x04N.",
    "a name as data": b"\x80\x02](ctorch\nTensor\ne.",
    "memory as data": b"\x80\x02]" + STORAGE + b"a.",
    "items of a tuple": b"\x80\x02)K\x01K\x02s.",
    "a tuple within a tuple as a key": b"\x80\x02}K\x01\x85" + b"q\x00h\x00h\x00\x86" * 60 + b"Ns.",
    "a tuple in many tuples as a key": b"\x80\x02})" + b"\x85" * 20_000 + b"Ns.",
    "a tuple in many tuples in a set": b"\x80\x02c__builtin__\nset\n])" + b"\x85" * 20_000 + b"a\x85R.",
    "keys of one hash": b"\x80\x02}(" + b"".join(of_one_hash(k) + b"N" for k in range(2999)) + b"u.",
    "tuples of one hash": b"\x80\x02}(" + b"".join(of_one_hash(k) + b"\x85N" for k in range(2999)) + b"u.",
    "items of one hash": b"\x80\x02c__builtin__\nset\n](" + b"".join(of_one_hash(k) for k in range(9999)) + b"e\x85R.",
    "a large state used again": b"\x80\x02}(" + b"".join(b"X\x04\x00\x00\x00%04dN" % k for k in range(9999))
    + b"uq\x00ccollections\nOrderedDict\n)R" + b"h\x00b" * 20_000 + b"\x86.",
    "tensors again and again": b"\x80\x02](ctorch._utils\n_rebuild_tensor_v2\nq\x00(" + STORAGE
    + b"K\x00K\x02\x85K\x01\x85\x89Ntq\x01" + b"h\x00h\x01R" * 5000 + b"e.",
    "a long text used again": b"\x80\x02]X\x40\x42\x0f\x00" + b"x" * 10**6 + b"q\x00"
    + b"\x85c_codecs\nencode\nq\x01" + b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R" * 5000 + b".",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_nothing_runs(bomb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    with pytest.raises(pickle.UnpicklingError, match=r"^load: 'the given file' was not loaded: it ") as caught:
        minitorch.load(with_pickle(BOMBS[bomb], bytes(8)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert os.listdir() == []
    assert "\n" not in str(caught.value)
    assert peak < 50_000_000


def test_a_refusal_names_what_is_refused() -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"'torch\.nn\.modules\.linear\.Linear'"):
        minitorch.load(torch_saved(torch.nn.Linear(1, 1)))


def tensor(start: bytes, size: bytes, stride: bytes, grad: bytes = b"\x89") -> bytes:
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + start + size + stride + grad + b"NtR."


LIES = {
    "too large": tensor(b"K\x00", b"K\x03\x85", b"K\x01\x85"),
    "from beyond": tensor(b"K\x02", b"K\x01\x85", b"K\x01\x85"),
    "from before": tensor(b"J\xff\xff\xff\xff", b"K\x01\x85", b"K\x01\x85"),
    "a negative size": tensor(b"K\x00", b"J\xff\xff\xff\xff\x85", b"K\x01\x85"),
    "an endless stride": tensor(b"K\x00", b"K\x02\x85", b"\x8a\x09" + b"\xff" * 8 + b"\x00\x85"),
    "a repeated element": tensor(b"K\x00", b"\x8a\x09" + b"\xff" * 8 + b"\x00\x85", b"K\x00\x85"),
    "no tuple": tensor(b"K\x00", b"K\x01", b"K\x01\x85"),
    "requires_grad of 1": tensor(b"K\x00", b"K\x01\x85", b"K\x01\x85", b"K\x01"),
    "cut off": tensor(b"K\x00", b"K\x01\x85", b"K\x01\x85")[:-1],
    "an empty stack": b"\x80\x02R.",
    "a memo that is not there": b"\x80\x02h\x07.",
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_pickle_that_lies_is_refused(lie: str) -> None:
    with pytest.raises(RuntimeError, match=r"^load: 'the given file' was not loaded: it is a damaged file of torch\.save: "):
        minitorch.load(with_pickle(LIES[lie], bytes(8)))


def test_an_honest_pickle_by_hand() -> None:
    assert minitorch.load(with_pickle(tensor(b"K\x00", b"K\x02\x85", b"K\x01\x85"), bytes(8))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("where", ["file", "pickle"])
def test_a_damaged_file_loads_or_says_so(where: str) -> None:
    """By hand: `DAMAGED=5000 pytest tests/test_torch_files.py -k damaged`. In "pickle" the checksums are right."""
    good = torch_saved([everything()[2:4], trained()[0], {1, 2}, b"ab"])
    archive = zipfile.ZipFile(good)
    members = [archive.read(f"archive/data/{k}") for k in range(sum("/data/" in name for name in archive.namelist()) - 1)]
    content = good.getvalue() if where == "file" else archive.read("archive/data.pkl")
    chance, refused = random.Random(int(os.environ.get("SEED", "0"))), 0
    for _ in range(int(os.environ.get("DAMAGED", "300"))):
        bad = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        bad = bad[: chance.choice([len(bad), len(bad), chance.randrange(len(bad))])]
        try:
            minitorch.load(io.BytesIO(bytes(bad)) if where == "file" else with_pickle(bytes(bad), *members))
        except (RuntimeError, pickle.UnpicklingError):
            refused += 1
    assert refused > 100
