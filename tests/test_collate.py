"""Collating and converting samples of every make, beside torch's."""

from __future__ import annotations

import types
from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeded import assert_same, attempt

Point = namedtuple("Point", ["x", "y"])


class Frozen(Mapping):
    """An immutable mapping that can be made from a dict."""

    def __init__(self, items: Any) -> None:
        self.items_ = dict(items)

    def __getitem__(self, key: Any) -> Any:
        return self.items_[key]

    def __iter__(self) -> Iterator:
        return iter(self.items_)

    def __len__(self) -> int:
        return len(self.items_)


class Sealed(Frozen):
    """One that cannot."""

    def __init__(self, items: Any, seal: str) -> None:
        super().__init__(items)


class Tagged(list):
    """A list with something else on it, which a copy keeps."""

    tag = "none"


def tagged(items: Any) -> Tagged:
    made = Tagged(items)
    made.tag = "kept"
    return made


KEYS = ["a", "b", "c"]
MAPPINGS = [dict, OrderedDict, UserDict, Frozen, lambda d: Sealed(d, "x"), lambda d: defaultdict(int, d),
            ChainMap, types.MappingProxyType]  # fmt: skip
SEQUENCES = [list, tuple, UserList, deque, tagged, lambda s: Point(s[0], s[-1])]
DTYPES = ["bool", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"]
SHAPES = st.lists(st.integers(0, 3), max_size=2).map(tuple)

# A structure is a function (library, which sample) → sample.


def leaf_of(kind: str, dtype: str, shape: tuple[int, ...]) -> Callable[[Any, int], Any]:
    def array(i: int) -> Any:
        return (np.arange(np.prod(shape, dtype=int)).reshape(shape) + i).astype(dtype)

    return {
        "tensor": lambda lib, i: lib.tensor(array(i)),
        "array": lambda lib, i: array(i),
        "scalar": lambda lib, i: np.dtype(dtype).type(i),
        "int": lambda lib, i: 3 * i - 2**33,
        "float": lambda lib, i: i / 3,
        "bool": lambda lib, i: i % 2 == 1,
        "str": lambda lib, i: f"s{i}",
        "bytes": lambda lib, i: b"%d" % i,
        "range": lambda lib, i: range(i, i + 2),
        "None": lambda lib, i: None,
        "words": lambda lib, i: np.array([f"w{i}"]),
        "set": lambda lib, i: {i},
        "0-d": lambda lib, i: np.array(i, dtype),
        "np.str_": lambda lib, i: np.str_(f"n{i}"),
    }[kind]


USUAL = ["tensor", "array", "scalar", "int", "float", "bool", "str", "bytes", "range", "0-d", "np.str_"]
leaves = st.builds(leaf_of, st.sampled_from(USUAL), st.sampled_from(DTYPES), SHAPES)
odd_leaves = st.builds(leaf_of, st.sampled_from([*USUAL, "None", "words", "set"]), st.sampled_from(DTYPES), SHAPES)


def containers(parts: st.SearchStrategy) -> st.SearchStrategy:
    def mapping(make: Any, inner: list) -> Callable:
        return lambda lib, i: make({key: part(lib, i) for key, part in zip(KEYS, inner)})

    def sequence(make: Any, inner: list) -> Callable:
        return lambda lib, i: make([part(lib, i) for part in inner])

    lists = st.lists(parts, min_size=1, max_size=3)
    return st.builds(mapping, st.sampled_from(MAPPINGS), lists) | st.builds(sequence, st.sampled_from(SEQUENCES), lists)


structures = st.recursive(leaves, containers, max_leaves=5)
odd_structures = st.recursive(odd_leaves, containers, max_leaves=5)


@given(structures, st.integers(1, 4))
def test_collate_of_samples_alike(structure: Callable, count: int) -> None:
    def scenario(lib):
        made = lib.utils.data.default_collate([structure(lib, i) for i in range(count)])
        return made, [vars(each).get("tag") for each in [made] if isinstance(each, Tagged)]

    outcome = assert_same(scenario)[0]
    assert isinstance(outcome, tuple), f"torch refuses what every batch here should be able to be: {outcome}"


@given(odd_structures, st.integers(0, 4))
def test_collate_of_anything(structure: Callable, count: int) -> None:
    assert_same(lambda lib: lib.utils.data.default_collate([structure(lib, i) for i in range(count)]))


@given(odd_structures)
def test_convert(structure: Callable) -> None:
    def scenario(lib):
        sample = structure(lib, 1)
        made = lib.utils.data.default_convert(sample)
        return made, made is sample, isinstance(made, lib.Tensor)

    assert_same(scenario)


def collated(*samples: Any) -> Callable[[Any], Any]:
    return lambda lib: lib.utils.data.default_collate([s(lib) if callable(s) else s for s in samples])


MIXED = {
    "ints and floats": collated(1, 2.5),
    "floats and ints": collated(2.5, 1),
    "bools and ints": collated(True, 3),
    "a string among ints": collated(1, "a"),
    "a number among strings": collated("a", 1),
    "None among ints": collated(1, None),
    "lists of unequal length": collated([1, 2], [3]),
    "tuples of unequal length": collated((1,), (1, 2)),
    "a missing key": collated({"a": 1, "b": 2}, {"a": 3}),
    "a key too many": collated({"a": 1}, {"a": 3, "b": 2}),
    "shapes that differ": collated(lambda lib: lib.zeros(2), lambda lib: lib.zeros(3)),
    "dtypes that differ": collated(lambda lib: lib.zeros(2), lambda lib: lib.arange(2)),
    "arrays whose shapes differ": collated(np.zeros(2), np.zeros(3)),
    "arrays whose dtypes differ": collated(np.zeros(2), np.zeros(2, np.float32)),
    "scalars whose dtypes differ": collated(np.float32(1), np.float64(2)),
    "np.float64 is a float too": collated(np.float64(1), np.float64(2)),
    "an array of strings": collated(np.array(["a"]), np.array(["b"])),
    "an array of objects": collated(np.array([None]), np.array([1], object)),
    "a number for a tensor": collated(lambda lib: lib.zeros(2), 1.0),
    "an array for a tensor": collated(lambda lib: lib.zeros(2), np.zeros(2)),
    "an empty batch": collated(),
    "empty lists": collated([], []),
    "empty dicts": collated({}, {}),
    "a list beside a number": collated([1, 2], 3),
    "an int too large": collated(2**64, 1),
    "a set": collated({1}, {2}),
    "an object": collated(object(), object()),
    "named tuples of unequal kinds": collated(Point(1, 2), (3, 4)),
}


@pytest.mark.parametrize("scenario", MIXED.values(), ids=MIXED.keys())
def test_collate_of_samples_unlike(scenario: Callable[[Any], Any]) -> None:
    assert_same(scenario)


def test_collate_with_a_table_of_ones_own() -> None:
    class Word(str):
        pass

    def scenario(lib):
        collate = lib.utils.data._utils.collate.collate

        def join(batch, *, collate_fn_map):
            return "+".join(batch), sorted(kind.__name__ for kind in collate_fn_map)

        table = {str: join, Word: lambda batch, *, collate_fn_map: "words", int: lambda batch, *, collate_fn_map: sum(batch)}
        numbers = [True, {"a": [1, Word("w")]}, "x"], [True, {"a": [2, Word("v")]}, "y"]
        return collate(numbers, collate_fn_map=table), attempt(lambda: collate([1.5], collate_fn_map=table))

    assert_same(scenario)


@pytest.mark.parametrize("name", ["cat", "stack"])
def test_a_number_among_tensors(name: str) -> None:
    assert assert_same(lambda lib: getattr(lib, name)([lib.zeros(2), 1.0]))[0] == "TypeError"


def test_gradients_flow_through_a_collated_batch() -> None:
    def scenario(lib):
        x = lib.tensor([1.0, 2.0, 3.0], requires_grad=True)
        (lib.utils.data.default_collate([x[0], x[2]]) * lib.tensor([5.0, 7.0])).sum().backward()
        return x.grad

    assert_same(scenario)
