"""Checkpoints in minitorch's own format of before: they are read, and those that lie about their sizes or are damaged are refused."""

from __future__ import annotations

import copy
import io
import json
import os
import random
import struct
import sys
import tracemalloc
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import minitorch

# ---- archives that lie ----


def npy(shape: Any, data: bytes = b"", descr: str = "<f4", fortran: bool = False) -> bytes:
    header = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(content: Any, *members: bytes, compressed: bool = False, version: int = 2) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as z:
        z.writestr("structure.json", json.dumps({"format": f"minitorch checkpoint {version}", "content": content}))
        for number, member in enumerate(members):
            z.writestr(f"{number}.npy", member)
    return file.getvalue()


def code(number: Any = 0, dtype: str = "float32", device: str = "cpu", place: Any = None, **more: Any) -> list:
    return ["Tensor", number, dtype, device, more.get("requires_grad", False), place, more.get("attributes", [])]


def with_overlap() -> bytes:
    """Two members, the second within the first."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as z:
        z.writestr("1.npy", npy((2,), bytes(8)))
        end = z.start_dir
    block = inner.getvalue()[:end]
    block += bytes(-len(block) % 4)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        content = ["list", code(0), code(1)]
        z.writestr("structure.json", json.dumps({"format": "minitorch checkpoint 2", "content": content}))
        z.writestr("0.npy", npy((len(block) // 4,), block))
        again = copy.copy(z.getinfo("0.npy"))
        again.filename = again.orig_filename = "1.npy"
        again.file_size = again.compress_size = len(npy((2,), bytes(8)))
        again.CRC = zipfile.crc32(npy((2,), bytes(8)))
        again.header_offset += 30 + len("0.npy") + 128
        z.filelist.append(again)
    return file.getvalue()


def twice() -> bytes:
    """Two members of one name."""
    file = io.BytesIO()
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(file, "w") as z:
        for _ in range(2):
            z.writestr("structure.json", json.dumps({"format": "minitorch checkpoint 2", "content": 1}))
    return file.getvalue()


GOOD = npy((2, 3), bytes(24))
FLAT = npy((6,), bytes(24))
LIES = {
    "more than there is": archive(code(), npy((2**40,), bytes(24))),
    "less than there is": archive(code(), npy((2,), bytes(24))),
    "a negative size": archive(code(), npy((-2, -3), bytes(24))),
    "one negative size": archive(code(), npy((-6,), bytes(24))),
    "a size that overflows": archive(code(), npy((2**63, 2), bytes(24))),
    "no tuple": archive(code(), npy([2, 3], bytes(24))),
    "another dtype": archive(code(dtype="int32"), GOOD),
    "another dtype, smaller": archive(code(dtype="int8"), GOOD),
    "a dtype that is not there": archive(code(dtype="complex64"), GOOD),
    "objects": archive(code(), npy((3,), bytes(24), descr="|O")),
    "a structured dtype": archive(code(), npy((6,), bytes(24), descr="V4")),
    "the other byte order": archive(code(), npy((2, 3), bytes(24), descr=">f4")),
    "deflated": archive(code(), npy((10**7,), bytes(4 * 10**7)), compressed=True),
    "a deflated structure": archive(["list"] + [0] * 10**6, compressed=True),
    "one name twice": twice(),
    "one part within another": with_overlap(),
    "another format": archive(code(), GOOD, version=3),
    "a missing block": archive(code(1), GOOD),
    "a block that is no number": archive(code("../x"), GOOD),
    "a view beyond the end": archive(code(place=[0, [7], [1]]), FLAT),
    "a view from beyond the end": archive(code(place=[7, [], []]), FLAT),
    "a view from before the beginning": archive(code(place=[-1, [2], [1]]), FLAT),
    "a view that goes backwards": archive(code(place=[5, [2], [-1]]), FLAT),
    "a view of negative size": archive(code(place=[0, [-2], [1]]), FLAT),
    "a view that overflows": archive(code(place=[0, [2**62, 4], [2**62, 2**62]]), FLAT),
    "a view of too many elements": archive(code(place=[0, [2**40] * 3, [0, 0, 0]]), FLAT),
    "a view with steps left out": archive(code(place=[0, [2, 2], [1]]), FLAT),
    "a view in fractions": archive(code(place=[0.5, [2], [1]]), FLAT),
    "a view of true": archive(code(place=[True, [2], [1]]), FLAT),
    "a view in too many dimensions": archive(code(place=[0, [1] * 100, [1] * 100]), FLAT),
    "a view of a block that is no line": archive(code(place=[0, [2], [1]]), GOOD),
    "an integer with a gradient": archive(code(dtype="int32", requires_grad=True), npy((6,), bytes(24), "<i4")),
    "a device that is not there": archive(code(device="moon"), GOOD),
    "an attribute of the engine's": archive(code(attributes=[["list", "_array", 1]]), GOOD),
    "an attribute without a name": archive(code(attributes=[["list", 1, 1]]), GOOD),
    "the same as nothing": archive(["list", ["same", 1]]),
    "the same as what is before everything": archive(["list", ["same", -1]]),
    "a tuple in itself": archive(["tuple", ["list", ["same", 0]]]),
    "a list as a key": archive(["dict", ["list", ["list"], 1]]),
    "a tuple again as a key": archive(["list", ["tuple", 1], ["dict", ["list", ["same", 1], 1]]]),
    "no such container": archive(["set", 1]),
    "a kind that is no name": archive([["list"], 1]),
    "nothing at all": archive([]),
    "an object": archive({"a": 1}),
    "keys of one hash": archive(["dict", *(["list", k * sys.hash_info.modulus, 1] for k in range(9999))]),
    "too deep": archive(0).replace(b'"content": 0', b'"content": ' + b"[" * 100_000 + b"]" * 100_000),
}


EARLY = r"^load: 'the given file' was not loaded: it is a damaged checkpoint of an early minitorch\.save"


@pytest.mark.parametrize("lie", LIES)
def test_an_archive_that_lies_is_refused_before_memory_is_taken(lie: str) -> None:
    file = io.BytesIO(LIES[lie])
    tracemalloc.start()
    with pytest.raises(RuntimeError, match=EARLY) as caught:
        minitorch.load(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
    assert "\n" not in str(caught.value)


def test_the_honest_ones_load() -> None:
    assert minitorch.load(io.BytesIO(archive(code(), GOOD))).tolist() == [[0.0] * 3] * 2
    assert minitorch.load(io.BytesIO(archive(code(place=[1, [2, 2], [1, 2]]), FLAT))).stride() == (1, 2)
    assert minitorch.load(io.BytesIO(archive(code(place=[6, [0], [1]]), FLAT))).shape == (0,)


def test_tuples_in_tuples_take_no_time_as_keys() -> None:
    nested: Any = ()
    for _ in range(16):
        nested = (nested, nested)
    file = io.BytesIO()
    minitorch.save([nested, {nested[0][0][0][0][0][0][0][0]: 1}], file)
    file.seek(0)
    assert minitorch.load(file)[0] == nested


FIRST_FORMAT = [
    ["dict", ["list", "w", ["Tensor", 0, "float32", "cpu", False]], ["list", "p", ["Parameter", 0, "float32", "cpu", True]]],
    ["OrderedDict", ["list", ["tuple", 1, "a"], ["Size", 2, 3]], ["list", None, ["dtype", "int64"]]],
    ["list", ["Counter", ["list", "x", 2]], ["device", "cpu"], 1.5, "text"],
]


def test_the_first_format_is_read() -> None:
    a, b, c = minitorch.load(io.BytesIO(archive(["list", *FIRST_FORMAT], GOOD, version=1)))
    a["w"].add_(1)
    assert (a["p"].tolist(), type(a["p"]).__name__, a["p"].requires_grad) == ([[1.0] * 3] * 2, "Parameter", True)
    assert (list(b), list(b.values())) == ([(1, "a"), None], [minitorch.Size([2, 3]), minitorch.int64])
    assert c == [{"x": 2}, minitorch.device("cpu"), 1.5, "text"]


def test_map_location_may_not_shrink_what_others_show(tmp_path: Path) -> None:
    x = minitorch.arange(6.0)
    minitorch.save([x, x[1:]], tmp_path / "c.pt")
    with pytest.raises(ValueError, match="reaches out of its block"):
        minitorch.load(tmp_path / "c.pt", map_location=lambda tensor, place: tensor[:2])


# ---- damage ----


def checkpoint() -> bytes:
    """All kinds of things in one file, as the last version wrote it that had a format of its own."""
    return (Path(__file__).parent / "checkpoint_of_format_2.zip").read_bytes()


def test_the_second_format_is_read() -> None:
    x, view, turned, weight, tied, state, pairs, *others = minitorch.load(io.BytesIO(checkpoint()))
    assert (x.tolist(), view.storage_offset(), turned.stride()) == (minitorch.arange(24.0).reshape(4, 6).tolist(), 6, (1, 6))
    x.fill_(7)
    assert (view[0, 0].item(), turned[0, 0].item(), weight[0].item(), weight.tag, tied is weight) == (7, 7, 7, "first", True)
    minitorch.nn.Sequential(minitorch.nn.Linear(3, 4), minitorch.nn.BatchNorm1d(4)).load_state_dict(state)
    assert (state._metadata[""], pairs) == ({"version": 1}, {(1, "a"): None, 2.5: [minitorch.int64]})
    count, size, buffer, half, device, *numbers, double = others
    assert (count, size, device, numbers) == (
        {"a": 2, "b": 1, "c": 1},
        (2, 3),
        minitorch.device("cpu"),
        [2**70, "é", float("inf")],
    )
    assert (type(count), type(size), type(buffer).__name__, buffer.persistent) == (Counter, minitorch.Size, "Buffer", False)
    assert (half.dtype, half.tolist(), double.dtype, double.requires_grad) == (
        minitorch.bfloat16,
        [0, 1, 2],
        minitorch.float64,
        True,
    )


def damaged(good: bytes, chance: random.Random) -> bytes:
    """One to four bytes or bits changed, stretches cut out, doubled or set to one value, or the end cut off."""
    bad = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        a, b = sorted(chance.randrange(len(bad) + 1) for _ in range(2))
        kind = chance.randrange(7)
        if kind <= 2 and bad:
            bad[a % len(bad)] = chance.randrange(256)
        elif kind == 3 and bad:
            bad[a % len(bad)] ^= 1 << chance.randrange(8)
        elif kind == 4:
            del bad[a : min(b, a + 50)]
        elif kind == 5:
            bad[a:a] = bad[a : min(b, a + 50)]
        else:
            bad = bad[: max(a, len(bad) // 2)]
    return bytes(bad)


def test_a_damaged_file_loads_or_says_so() -> None:
    """By hand: `DAMAGED=5000 pytest tests/test_archives.py -k damaged`."""
    good, chance = checkpoint(), random.Random(int(os.environ.get("SEED", "0")))
    tracemalloc.start()
    refused = 0
    for _ in range(int(os.environ.get("DAMAGED", "200"))):
        bad = damaged(good, chance)
        try:
            minitorch.load(io.BytesIO(bad))
        except RuntimeError as error:
            refused += 1
            assert "\n" not in str(error)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused > 20
    assert peak < 5_000_000


def test_changed_numbers_in_the_structure_load_or_say_so() -> None:
    """The checksum hides the structure from blind damage: here it is right, and the numbers in the JSON are changed."""
    z = zipfile.ZipFile(io.BytesIO(checkpoint()))
    members = [z.read(f"{k}.npy") for k in range(len(z.namelist()) - 1)]
    chance = random.Random(1)
    for _ in range(200):
        content = json.loads(z.read("structure.json"))["content"]
        change(content, chance)
        with suppress(RuntimeError):
            loaded = minitorch.load(io.BytesIO(archive(content, *members)))
            for each in loaded if isinstance(loaded, list) else []:
                if isinstance(each, minitorch.Tensor) and each.numel() < 1000:
                    each.tolist()  # reads all the memory it claims


def change(content: Any, chance: random.Random) -> None:
    """Replace something in nested lists."""
    place = content
    while chance.random() < 0.9 and any(isinstance(each, list) and each for each in place):
        place = chance.choice([each for each in place if isinstance(each, list) and each])
    place[chance.randrange(len(place))] = chance.choice(
        [-1, 0, 1, 7, 2**31, 2**64, 0.5, None, True, "x", [], [0], ["same", 2]]
    )
