"""Datasets: what an index stands for, and datasets made of other datasets.

A map-style dataset answers `dataset[i]`, and `len(dataset)`; `dataset.__getitems__([i, j, …])`, where it exists, answers
for a whole batch at once. An iterable-style dataset is only run through. Read next: `sampler.py`, which picks the indices.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from minitorch.arrays.warning import warn

from ...random import Generator, default_generator
from ...tensor import Tensor
from ...tensor.random import randperm

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """The base of map-style datasets: define `__getitem__`, and `__len__` for samplers that have to know the size."""

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__: a map-style Dataset has to define it")

    # There is no `__len__` here, so that `len()` of a dataset without a size is a TypeError.

    def __add__(self, other: Dataset) -> ConcatDataset:
        """self's samples, then other's."""
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """The base of datasets that are streams: define `__iter__`. Such a dataset is read in its own order."""

    def __add__(self, other: Dataset) -> ChainDataset:  # type: ignore[override]
        """self's samples, then other's."""
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is row i of every tensor.

    >>> minitorch.utils.data.TensorDataset(minitorch.tensor([5.0, 6.0]), minitorch.tensor([0, 1]))[1]
    (tensor(6.), tensor(1))
    """

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [tensor.size(0) for tensor in tensors]
        if any(size != sizes[0] for size in sizes):
            raise AssertionError(f"TensorDataset: tensors must be equally long in dimension 0, got {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class StackDataset(Dataset):
    """Sample i is sample i of every dataset: a tuple of them, or a dict if the datasets are given by keyword.

    >>> minitorch.utils.data.StackDataset(image=[[0, 1], [2, 3]], text=["a", "b"])[1]
    {'image': [2, 3], 'text': 'b'}
    """

    datasets: tuple | dict

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError("StackDataset: give the datasets by position (for tuples) or by keyword (for dicts), not both")
        if not args and not kwargs:
            raise ValueError("StackDataset: expected at least one dataset")
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in self._parts()]
        if any(length != lengths[0] for length in lengths):
            raise ValueError(f"StackDataset: datasets must be equally long, got {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> tuple | dict:
        return self._sample([dataset[index] for dataset in self._parts()])

    def __getitems__(self, indices: list) -> list:
        columns = [_items(dataset, indices) for dataset in self._parts()]
        for column in columns:
            if len(column) != len(indices):
                raise ValueError(f"StackDataset: asked a dataset for {len(indices)} samples, got {len(column)}")
        return [self._sample(row) for row in zip(*columns)]

    def __len__(self) -> int:
        return self._length

    def _parts(self) -> list:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _sample(self, parts: Iterable) -> tuple | dict:
        return dict(zip(self.datasets, parts)) if isinstance(self.datasets, dict) else tuple(parts)


class ConcatDataset(Dataset[T_co]):
    """One dataset after the other: sample i lies in the first whose cumulative size exceeds i."""

    datasets: list[Dataset[T_co]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset: expected at least one dataset")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset: an IterableDataset has no indices; use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> T_co:
        if idx < -len(self):
            raise ValueError(f"ConcatDataset: index {idx} is out of range for {len(self)} samples")
        idx = idx + len(self) if idx < 0 else idx
        which = bisect.bisect_right(self.cumulative_sizes, idx)
        return self.datasets[which][idx - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset):
    """One stream after the other."""

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator:
        for dataset in self._streams():
            yield from dataset

    def __len__(self) -> int:
        return sum(map(len, self._streams()))  # type: ignore[arg-type]

    def _streams(self) -> Iterator[IterableDataset]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(f"ChainDataset: expected IterableDatasets, got {type(dataset).__name__}")
            yield dataset


class Subset(Dataset[T_co]):
    """Sample i is the dataset's sample `indices[i]`."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        kind = type(self)
        if kind.__getitem__ is not Subset.__getitem__ and kind.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{kind.__name__} overrides __getitem__ but not __getitems__, which is what the DataLoader calls; add "
                "def __getitems__(self, indices): return [self[i] for i in indices]"
            )
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, idx: Any) -> T_co:
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        return _items(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Generator | None = default_generator
) -> list[Subset[T_co]]:
    """Consecutive pieces of one random permutation, of the given lengths or, if these add up to 1, shares.

    A share gets ⌊n · share⌋ samples; what is left over goes one by one to the pieces in their order.

    >>> [len(piece) for piece in minitorch.utils.data.random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n = len(dataset)  # type: ignore[arg-type]
    total = sum(lengths)
    counts: Any = _shares(n, lengths) if math.isclose(total, 1) and total <= 1 else lengths
    if sum(counts) != n:
        raise ValueError(f"random_split: the lengths {list(lengths)} must add up to the dataset's {n}, or, as shares, to 1")
    indices = randperm(sum(counts), generator=generator, device="cpu").tolist()
    ends = itertools.accumulate(counts)
    return [Subset(dataset, indices[end - count : end]) for end, count in zip(ends, counts)]


def _shares(n: int, shares: Sequence[float]) -> list[int]:
    for i, share in enumerate(shares):
        if not 0 <= share <= 1:
            raise ValueError(f"random_split: a share must lie between 0 and 1, got {share} at {i}")
    counts = [math.floor(n * share) for share in shares]
    for i in range(n - sum(counts)):
        counts[i % len(counts)] += 1
    for i, count in enumerate(counts):
        if count == 0:
            warn(f"random_split: piece {i} of {n} samples is empty, its share is {shares[i]}")
    return counts


def _items(dataset: Any, indices: list) -> list:
    """The samples at `indices`, in one call where the dataset offers that."""
    if callable(getattr(dataset, "__getitems__", None)):
        return dataset.__getitems__(indices)
    return [dataset[i] for i in indices]
