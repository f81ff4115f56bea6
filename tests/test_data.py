"""utils.data beside torch's: the same seed gives the same indices and batches, and leaves the generator at the same place.

Every test runs one scenario, a function of the library, on both and compares all that can be seen of it: the values to the
bit, the state of the generators afterwards, the kind of a warning, the type of an error.
"""

from __future__ import annotations

import copy
import doctest
import itertools
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seeded import assert_same, attempt

import minitorch
from minitorch.utils import data

SEEDS = st.integers(0, 2**40)
PASSES = st.lists(st.integers(0, 12) | st.just(10**6), min_size=1, max_size=3)  # how much is taken in each pass


def passes(lib: Any, iterable: Any, counts: list[int]) -> list[list]:
    """Pass after pass over `iterable`: the first few of each, and a number drawn in between, as dropout would."""
    seen = []
    for count in counts:
        taken = []
        for item, _ in zip(iterable, range(count)):
            taken.append(item)
            if len(taken) % 3 == 0:
                taken.append(lib.rand(1))
        seen.append(taken)
    return seen


def generator(lib: Any, seed: int | None) -> Any:
    return None if seed is None else lib.Generator().manual_seed(seed)


# ---- samplers ----

GENERATOR_SEEDS = st.none() | SEEDS


@given(SEEDS, GENERATOR_SEEDS, st.integers(0, 70), st.booleans(), st.none() | st.integers(-1, 150), PASSES)
def test_random_sampler(seed: int, own: int | None, n: int, replacement: bool, count: int | None, taken: list[int]) -> None:
    def scenario(lib):
        g = generator(lib, own)
        sampler = lib.utils.data.RandomSampler(range(n), replacement, count, g)
        return len(sampler), sampler.num_samples, passes(lib, sampler, taken), g

    assert_same(scenario, seed)


@given(SEEDS, GENERATOR_SEEDS, st.lists(st.integers(-9, 9), max_size=40), PASSES)
def test_subset_random_sampler(seed: int, own: int | None, indices: list[int], taken: list[int]) -> None:
    def scenario(lib):
        g = generator(lib, own)
        sampler = lib.utils.data.SubsetRandomSampler(indices, generator=g)
        return len(sampler), passes(lib, sampler, taken), g

    assert_same(scenario, seed)


WEIGHTS = st.lists(st.sampled_from([0, 0.1, 0.5, 1, 2.5, 1e-3]) | st.floats(0, 10), min_size=1, max_size=20)


@given(SEEDS, GENERATOR_SEEDS, WEIGHTS, st.integers(1, 40), st.booleans(), PASSES)
def test_weighted_random_sampler(
    seed: int, own: int | None, weights: list[float], count: int, replacement: bool, taken: list[int]
) -> None:
    if not replacement:  # beyond these torch returns weights of 0, in no particular order
        count = min(count, max(1, sum(w > 0 for w in weights)))

    def scenario(lib):
        g = generator(lib, own)
        sampler = lib.utils.data.WeightedRandomSampler(weights, count, replacement, g)
        return len(sampler), sampler.weights, passes(lib, sampler, taken), g

    assert_same(scenario, seed)


@given(SEEDS, st.integers(0, 30), st.integers(1, 9), st.booleans(), st.booleans(), PASSES)
def test_batch_sampler(seed: int, n: int, size: int, drop_last: bool, shuffled: bool, taken: list[int]) -> None:
    def scenario(lib):
        d = lib.utils.data
        inner = d.RandomSampler(range(n)) if shuffled else d.SequentialSampler(range(n))
        sampler = d.BatchSampler(inner, size, drop_last)
        return len(inner), len(sampler), passes(lib, sampler, taken)

    assert_same(scenario, seed)


def test_the_dataset_may_grow_between_passes() -> None:
    def scenario(lib):
        rows = [0, 1, 2]
        samplers = [lib.utils.data.RandomSampler(rows), lib.utils.data.SequentialSampler(rows)]
        before = [(len(s), list(s)) for s in samplers]
        rows += [3, 4]
        return before, [(len(s), list(s)) for s in samplers]

    assert_same(scenario)


@given(st.integers(0, 25), st.integers(1, 6), st.integers(0, 6), st.booleans(), st.booleans(), SEEDS)
def test_distributed_sampler(n: int, count: int, rank: int, shuffle: bool, drop_last: bool, seed: int) -> None:
    def scenario(lib):
        rows = list(range(n))
        sampler = lib.utils.data.DistributedSampler(rows, count, rank, shuffle=shuffle, seed=seed, drop_last=drop_last)
        first = list(sampler), list(sampler), len(sampler), sampler.total_size, sampler.epoch
        sampler.set_epoch(3)
        second = list(sampler)
        rows += [7] * 3
        return first, second, attempt(list, sampler)

    assert_same(scenario)


# ---- datasets ----


@given(SEEDS, GENERATOR_SEEDS, st.lists(st.integers(0, 20), min_size=1, max_size=5), st.integers(-1, 1))
def test_random_split_by_lengths(seed: int, own: int | None, lengths: list[int], off: int) -> None:
    def scenario(lib):
        g = generator(lib, own)
        pieces = lib.utils.data.random_split(range(max(sum(lengths) + off, 0)), lengths, *([] if g is None else [g]))
        return [(len(piece), piece.indices, list(piece)) for piece in pieces], g

    assert_same(scenario, seed)


@given(
    SEEDS, st.integers(0, 50), st.lists(st.integers(0, 10), min_size=1, max_size=5), st.sampled_from([0, 0, 0, 1e-12, 0.1])
)
@example(0, 10, [1, 1], 1e-12)  # as good as 1, but above: these are no shares
@example(0, 10, [1, 3], -1e-12)
def test_random_split_by_shares(seed: int, n: int, parts: list[int], off: float) -> None:
    shares = [part / (sum(parts) or 1) + off for part in parts]

    def scenario(lib):
        return [piece.indices for piece in lib.utils.data.random_split(range(n), shares)]

    assert_same(scenario, seed)


INDICES = st.lists(st.integers(-15, 15), max_size=6)


@given(st.lists(st.integers(0, 5), max_size=4))
def test_concat(lengths: list[int]) -> None:
    def scenario(lib):
        joined = lib.utils.data.ConcatDataset([[10 * i + j for j in range(n)] for i, n in enumerate(lengths)])
        indices = range(-len(joined) - 2, len(joined) + 2)
        return len(joined), joined.cumulative_sizes, [attempt(joined.__getitem__, i) for i in indices]

    assert_same(scenario)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), INDICES)
def test_tensor_dataset(lengths: list[int], indices: list[int]) -> None:
    def scenario(lib):
        rows = lib.utils.data.TensorDataset(*(lib.arange(2.0 * n).reshape(n, 2) + k for k, n in enumerate(lengths)))
        picks = [lambda i=i: rows[i] for i in indices] + [
            lambda: rows[1:3],
            lambda: rows[[0, -1]],
            lambda: rows[lib.tensor(0)],
        ]
        return len(rows), [attempt(pick) for pick in picks]

    assert_same(scenario)


@given(st.lists(st.integers(0, 4), max_size=3), st.booleans(), INDICES, st.booleans())
def test_stack(lengths: list[int], named: bool, indices: list[int], nested: bool) -> None:
    def scenario(lib):
        d = lib.utils.data
        parts = [
            d.Subset([f"{k}{i}" for i in range(n)], range(n)) if nested else list(range(n)) for k, n in enumerate(lengths)
        ]
        stacked = d.StackDataset(**{f"part{k}": part for k, part in enumerate(parts)}) if named else d.StackDataset(*parts)
        return (
            len(stacked),
            [attempt(stacked.__getitem__, i) for i in indices],
            attempt(stacked.__getitems__, indices),
        )

    assert_same(scenario)


@given(INDICES, st.lists(st.integers(-6, 6), max_size=5), st.booleans())
def test_subset(indices: list[int], picks: list[int], nested: bool) -> None:
    def scenario(lib):
        d = lib.utils.data
        whole = d.TensorDataset(lib.arange(10)) if nested else list(range(16))
        subset = d.Subset(d.Subset(whole, range(10)) if nested else whole, indices)
        calls = [lambda i=i: subset[i] for i in picks] + [lambda: subset.__getitems__(picks), lambda: subset[picks]]
        return len(subset), [attempt(call) for call in calls]

    assert_same(scenario)


class Recording:
    """A dataset that says how it was asked."""

    def __getitem__(self, i: int) -> str:
        return f"item {i}"

    def __getitems__(self, indices: list[int]) -> list[str]:
        return [f"{i} of {indices}" for i in indices]

    def __len__(self) -> int:
        return 5


def test_batches_are_asked_for_at_once_where_a_dataset_can() -> None:
    def scenario(lib):
        d = lib.utils.data
        nested = d.Subset(d.StackDataset(Recording(), d.Subset(Recording(), [4, 3, 2, 1, 0])), [0, 2, 4])
        return [list(d.DataLoader(rows, size)) for rows in (Recording(), nested) for size in (2, None)]

    assert_same(scenario)


def stream(lib: Any, *numbers: int, length: int | None = None) -> Any:
    """An iterable dataset of these numbers; with a `length` it has a len()."""

    class Stream(lib.utils.data.IterableDataset):
        def __iter__(self) -> Iterator[int]:
            return iter(numbers)

    if length is not None:
        Stream.__len__ = lambda self: length
    return Stream()


def test_sums_of_datasets() -> None:
    def scenario(lib):
        d = lib.utils.data
        joined = d.TensorDataset(lib.arange(2)) + d.TensorDataset(lib.arange(3))
        chained = stream(lib, 1, 2, length=2) + stream(lib, 3, length=1)
        return type(joined).__name__, len(joined), list(joined), type(chained).__name__, len(chained), list(chained)

    assert_same(scenario)


# ---- the loader ----


KINDS = ["list", "tensors", "subset", "arrays", "split", "stream", "sized stream"]
ORDERS = [None, "weighted", "subset", "replacement", "list", "batches"]


def loader_of(lib: Any, n: int, kind: str, order: str | None, g: Any, **options: Any) -> Any:
    """A loader over n samples of this kind, visited in this order (None: what `options` say)."""
    d = lib.utils.data
    numbers = lib.arange(n)
    dataset = {
        "list": lambda: list(range(n)),
        "tensors": lambda: d.TensorDataset(numbers, numbers.float() / 7),
        "subset": lambda: d.Subset(d.TensorDataset(numbers), list(reversed(range(n)))),
        "arrays": lambda: [{"x": np.full((2,), i, np.float32), "name": str(i)} for i in range(n)],
        "split": lambda: d.random_split(range(n), [0.5, 0.5])[0],
        "stream": lambda: stream(lib, *range(n)),
        "sized stream": lambda: stream(lib, *range(n), length=max(n - 3, 0)),
    }[kind]()
    sampler = {
        None: dict,
        "weighted": lambda: {"sampler": d.WeightedRandomSampler([1.0 + i % 3 for i in range(n)], 7, generator=g)},
        "subset": lambda: {"sampler": d.SubsetRandomSampler(range(0, n, 2))},
        "replacement": lambda: {"sampler": d.RandomSampler(range(n), replacement=True, num_samples=9)},
        "list": lambda: {"sampler": list(range(n // 2))},
        "batches": lambda: {"batch_sampler": d.BatchSampler(d.RandomSampler(range(n), generator=g), 4, False)},
    }[order]()
    return d.DataLoader(dataset, generator=g, **sampler, **options)


@pytest.mark.parametrize("kind", KINDS)
@given(SEEDS, GENERATOR_SEEDS, st.integers(0, 24), PASSES, st.booleans(), st.sampled_from([None, False, True]))
def test_loader(
    kind: str, seed: int, own: int | None, n: int, taken: list[int], drop_last: bool, shuffle: bool | None
) -> None:
    def scenario(lib):
        g = generator(lib, own)
        for size, length_first in itertools.product([None, 1, 2, 3, 8, 30], [False, True]):
            loader = loader_of(
                lib, n, kind, None, g, batch_size=size, drop_last=drop_last and size is not None, shuffle=shuffle
            )
            lengths = [attempt(len, loader), attempt(len, iter(loader))] if length_first else []
            yield lengths, loader.batch_size, loader.drop_last, passes(lib, loader, taken), g

    assert_same(lambda lib: list(scenario(lib)), seed)


@pytest.mark.parametrize("order", ORDERS)
@given(SEEDS, GENERATOR_SEEDS, st.integers(1, 24), PASSES, st.sampled_from(["list", "tensors"]))
def test_loader_with_a_sampler(order: str, seed: int, own: int | None, n: int, taken: list[int], kind: str) -> None:
    def scenario(lib):
        g = generator(lib, own)
        for options in [{}] if order == "batches" else [{}, {"batch_size": 3}, {"batch_size": 4, "drop_last": True}]:
            loader = loader_of(lib, n, kind, order, g, **options)
            yield len(loader), loader.batch_size, passes(lib, loader, taken), g

    assert_same(lambda lib: list(scenario(lib)), seed)


@given(SEEDS, st.integers(0, 9), st.sampled_from(KINDS), st.sampled_from(ORDERS), st.data())
def test_loader_with_any_mixture_of_options(seed: int, n: int, kind: str, order: str | None, more: st.DataObject) -> None:
    given_options = {
        "batch_size": more.draw(st.sampled_from([None, 0, 1, 2, 2.0])),
        "shuffle": more.draw(st.sampled_from([None, False, True, 0, 1])),
        "drop_last": more.draw(st.sampled_from([False, True, 0])),
        "timeout": more.draw(st.sampled_from([0, 0, 0, 1, -1])),
        "prefetch_factor": more.draw(st.sampled_from([None, None, None, 2])),
    }
    assert_same(lambda lib: list(loader_of(lib, n, kind, order, None, **given_options)), seed)


LAYOUTS = [
    lambda lib: lib.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
    lambda lib: lib.arange(4).expand(4, 4),
    lambda lib: lib.ones(4, 2, 3, 2, dtype=lib.bfloat16).to(memory_format=lib.channels_last),
    lambda lib: lib.zeros(4, 0),
    lambda lib: lib.ones(4, 2, requires_grad=True),
    lambda lib: lib.nn.Parameter(lib.ones(4), requires_grad=False),
]


@pytest.mark.parametrize("tensor", LAYOUTS)
@pytest.mark.parametrize(
    "indices", [[3, 1], [-1], [0, 4], [np.int64(2), 2], [True, 2], [np.int32(1), 0], [None, 1]], ids=repr
)
def test_rows_that_are_taken_at_once_are_those_that_are_taken_one_by_one(
    tensor: Callable[[Any], Any], indices: list
) -> None:
    def scenario(lib):
        d = lib.utils.data
        rows = d.TensorDataset(tensor(lib), lib.arange(4))
        for dataset in (rows, d.Subset(d.Subset(rows, range(4)), [0, 1, 2, 3]), d.Subset(rows, np.arange(4))):
            loader = d.DataLoader(dataset, batch_sampler=[indices])
            yield attempt(lambda loader=loader: [(x.float(), x.dtype == rows.tensors[0].dtype, x.stride(), x.requires_grad,
                                                  type(x).__name__, y) for x, y in loader])  # fmt: skip

    assert_same(lambda lib: list(scenario(lib)))


def test_rows_are_collated_as_a_program_says() -> None:
    def scenario(lib):
        d = lib.utils.data
        table = lib.utils.data._utils.collate.default_collate_fn_map
        before = table[lib.Tensor]
        table[lib.Tensor] = lambda batch, *, collate_fn_map=None: sum(batch)
        try:
            changed = list(d.DataLoader(d.TensorDataset(lib.arange(4)), 2))
        finally:
            table[lib.Tensor] = before
        mine = type("Mine", (d.TensorDataset,), {"__getitem__": lambda self, i: (i,)})(lib.arange(4))
        return changed, list(d.DataLoader(mine, 2)), list(d.DataLoader(d.Subset(mine, [3, 1]), 2))

    assert_same(scenario)


@pytest.mark.parametrize("draw_from", ["default", "own"])
def test_two_iterators_at_once_and_states_after_each_batch(draw_from: str) -> None:
    def scenario(lib):
        g = None if draw_from == "default" else lib.Generator()
        loader = lib.utils.data.DataLoader(list(range(7)), 3, shuffle=True, generator=g)
        states = []
        for a, b in zip(loader, loader):
            states.append((a, b, lib.get_rng_state(), g))
        return states, g

    assert_same(scenario)


def test_a_custom_collate_fn_gets_the_list_of_samples() -> None:
    def scenario(lib):
        d = lib.utils.data
        batched = d.DataLoader(
            d.TensorDataset(lib.arange(5)), 2, collate_fn=lambda samples: (type(samples).__name__, samples)
        )
        single = d.DataLoader([np.arange(2), (1, np.float32(2))], batch_size=None)
        return list(batched), list(single), list(d.DataLoader([1, 2], batch_size=None, collate_fn=str))

    assert_same(scenario)


def test_a_stream_that_ended_is_not_asked_again() -> None:
    def scenario(lib):
        class Restarts(lib.utils.data.IterableDataset):
            def __iter__(self):
                return self

            asked = 0

            def __next__(self):
                self.asked += 1
                if self.asked % 4 == 0:
                    raise StopIteration
                return self.asked

        rows = Restarts()
        batches = iter(lib.utils.data.DataLoader(rows, 2))
        first = list(itertools.islice(batches, 9)), next(batches, "over"), rows.asked
        return first, list(itertools.islice(lib.utils.data.DataLoader(rows, 3, drop_last=True), 9))

    assert_same(scenario)


def test_what_a_loader_was_made_of_is_fixed_and_the_rest_is_not() -> None:
    def scenario(lib):
        loader = lib.utils.data.DataLoader([1, 2, 3])
        names = [
            "batch_size",
            "batch_sampler",
            "sampler",
            "drop_last",
            "dataset",
            "persistent_workers",
            "collate_fn",
            "extra",
        ]
        return [attempt(setattr, loader, name, None) for name in names]

    assert_same(scenario)


def test_subclasses_run_before_the_constructor_of_the_base() -> None:
    def scenario(lib):
        class Mine(lib.utils.data.DataLoader):
            def __init__(self):
                self.dataset = "not yet fixed"
                super().__init__([1, 2])

        return list(Mine())

    assert_same(scenario)


def test_a_loader_can_be_copied_and_pickled_an_iterator_cannot() -> None:
    def scenario(lib):
        loader = lib.utils.data.DataLoader(list(range(4)), 2, shuffle=True)
        again = pickle.loads(pickle.dumps(loader))
        return list(again), list(copy.copy(loader)), attempt(pickle.dumps, iter(loader))

    assert_same(scenario)


# ---- what is refused ----


def bare(kind: str) -> Callable[[Any], Any]:
    return lambda lib: type("Bare", (getattr(lib.utils.data, kind),), {})()


def half_overridden_subset(lib: Any) -> Any:
    class Doubled(lib.utils.data.Subset):
        def __getitem__(self, idx):
            return 2 * super().__getitem__(idx)

    return Doubled([1, 2], [0])


def short() -> Any:
    """A dataset that gives one sample whatever is asked of it."""
    return type("Short", (Recording,), {"__getitems__": lambda self, indices: ["one"]})()


REFUSED = [
    lambda d, lib: d.RandomSampler([]),
    lambda d, lib: d.RandomSampler([], num_samples=3).__iter__().__next__(),
    lambda d, lib: d.RandomSampler([], replacement=True, num_samples=3).__iter__().__next__(),
    lambda d, lib: d.RandomSampler([1], replacement=1),
    lambda d, lib: d.RandomSampler([1], replacement=None),
    lambda d, lib: d.RandomSampler([1], num_samples=0),
    lambda d, lib: d.RandomSampler([1], num_samples=2.0),
    lambda d, lib: d.RandomSampler([1], num_samples=-1),
    lambda d, lib: d.RandomSampler(iter([1])),
    lambda d, lib: d.WeightedRandomSampler([1.0], 0),
    lambda d, lib: d.WeightedRandomSampler([1.0], True),
    lambda d, lib: d.WeightedRandomSampler([1.0], 1.0),
    lambda d, lib: d.WeightedRandomSampler([1.0], 1, replacement=1),
    lambda d, lib: d.WeightedRandomSampler([[1.0]], 1),
    lambda d, lib: d.WeightedRandomSampler(1.0, 1),
    lambda d, lib: list(d.WeightedRandomSampler([1.0, 2.0], 3, replacement=False)),
    lambda d, lib: list(d.WeightedRandomSampler([1.0, -2.0], 1)),
    lambda d, lib: list(d.WeightedRandomSampler([0.0, 0.0], 2)),
    lambda d, lib: list(d.WeightedRandomSampler([float("nan")], 1)),
    lambda d, lib: list(d.WeightedRandomSampler([], 1)),
    lambda d, lib: list(d.WeightedRandomSampler([], 7)),
    lambda d, lib: d.BatchSampler([1], 0, False),
    lambda d, lib: d.BatchSampler([1], True, False),
    lambda d, lib: d.BatchSampler([1], 2.0, False),
    lambda d, lib: d.BatchSampler([1], 2, 0),
    lambda d, lib: d.BatchSampler([1], 2, None),
    lambda d, lib: len(d.BatchSampler(iter([1]), 2, False)),
    lambda d, lib: d.DistributedSampler([1, 2], 2, 2),
    lambda d, lib: d.DistributedSampler([1, 2], 2, -1),
    lambda d, lib: iter(d.Sampler()),
    lambda d, lib: bare("Dataset")(lib)[0],
    lambda d, lib: len(bare("Dataset")(lib)),
    lambda d, lib: bare("IterableDataset")(lib),
    lambda d, lib: d.TensorDataset(lib.zeros(2), lib.zeros(3)),
    lambda d, lib: d.TensorDataset(lib.tensor(1.0)),
    lambda d, lib: len(d.TensorDataset()),
    lambda d, lib: d.StackDataset(),
    lambda d, lib: d.StackDataset([1], a=[1]),
    lambda d, lib: d.StackDataset([1], [1, 2]),
    lambda d, lib: d.StackDataset(a=[1], b=[1, 2]),
    lambda d, lib: d.StackDataset(a=short()).__getitems__([0, 0]),
    lambda d, lib: d.StackDataset(short()).__getitems__([0, 0]),
    lambda d, lib: d.ConcatDataset([]),
    lambda d, lib: d.ConcatDataset([stream(lib, 1)]),
    lambda d, lib: list(d.ChainDataset([[1]])),
    lambda d, lib: len(d.ChainDataset([[1]])),
    lambda d, lib: list(stream(lib, 1) + [2]),
    lambda d, lib: half_overridden_subset(lib),
    lambda d, lib: d.random_split(range(3), [1, 1]),
    lambda d, lib: d.random_split(range(3), [1.5, 1.5]),
    lambda d, lib: d.random_split(range(3), [0.5, 0.6]),
    lambda d, lib: d.random_split(range(3), []),
    lambda d, lib: d.DataLoader([1], batch_size=0),
    lambda d, lib: d.DataLoader([1], batch_size=True),
    lambda d, lib: d.DataLoader([1], batch_size=1.5),
    lambda d, lib: d.DataLoader([1], drop_last=1),
    lambda d, lib: d.DataLoader([], shuffle=True),
    lambda d, lib: d.DataLoader([1], shuffle=True, sampler=[0]),
    lambda d, lib: d.DataLoader([1], batch_sampler=[[0]], batch_size=2),
    lambda d, lib: d.DataLoader([1], batch_sampler=[[0]], shuffle=True),
    lambda d, lib: d.DataLoader([1], batch_sampler=[[0]], sampler=[0]),
    lambda d, lib: d.DataLoader([1], batch_sampler=[[0]], drop_last=True),
    lambda d, lib: d.DataLoader([1], batch_size=None, drop_last=True),
    lambda d, lib: d.DataLoader(stream(lib, 1), shuffle=True),
    lambda d, lib: d.DataLoader(stream(lib, 1), sampler=[0]),
    lambda d, lib: d.DataLoader(stream(lib, 1), batch_sampler=[[0]]),
    lambda d, lib: len(d.DataLoader(stream(lib, 1))),
    lambda d, lib: len(iter(d.DataLoader(stream(lib, 1)))),
    lambda d, lib: d.DataLoader([1], num_workers=-1),
    lambda d, lib: d.DataLoader([1], timeout=-1),
    lambda d, lib: iter(d.DataLoader([1], timeout=1)),
    lambda d, lib: d.DataLoader([1], prefetch_factor=2),
    lambda d, lib: d.DataLoader([1], prefetch_factor=-2, num_workers=1),
    lambda d, lib: d.DataLoader([1], persistent_workers=True),
    lambda d, lib: d.DataLoader([1], multiprocessing_context="fork"),
    lambda d, lib: list(d.DataLoader([1], sampler=[3])),
    lambda d, lib: list(d.DataLoader({"a": 1})),
    lambda d, lib: list(d.DataLoader([1, None], 2)),
]  # fmt: skip


@pytest.mark.parametrize("call", REFUSED)
def test_refused_with_torchs_error(call: Callable[[Any, Any], Any]) -> None:
    outcome = assert_same(lambda lib: call(lib.utils.data, lib))[0]
    assert isinstance(outcome, str), f"torch accepts it: {outcome}"


def test_pinning_does_nothing_and_says_so() -> None:
    for options in ({"pin_memory": True}, {"pin_memory": True, "in_order": False}):
        assert_same(lambda lib, options=options: list(lib.utils.data.DataLoader([1, 2], **options)))


# ---- documentation ----

MODULES = [data.dataset, data.sampler, data.distributed, data.dataloader, data._utils.collate, data._utils.info]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_of_the_docstrings(module: Any) -> None:
    result = doctest.testmod(module, extraglobs={"minitorch": minitorch})
    assert result.attempted > 0
    assert result.failed == 0
