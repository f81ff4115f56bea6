"""DataLoader: asks a sampler for indices, fetches the samples, and collates them into a batch.

Every `iter(loader)` draws a base seed from the generator first (worker processes would be seeded with it), then the
sampler draws when it is asked. This is torch's order, so that a training loop is fed the same batches there.
Read next: `sampler.py` and `_utils/collate.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NoReturn, TypeVar

from minitorch.arrays.warning import warn

from ...random import Generator
from ._utils import draw_seed
from ._utils.collate import default_collate, default_convert
from ._utils.fetch import IterableDatasetFetcher, MapDatasetFetcher
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

T_co = TypeVar("T_co", covariant=True)

_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader(Generic[T_co]):
    """Batches of `batch_size` samples, in order or with `shuffle` in a new random order each time it is iterated.

    `sampler` gives the indices, `batch_sampler` whole batches of them; `batch_size=None` gives sample after sample.
    `collate_fn` makes a batch of a list of samples. `generator` shuffles; without it the default generator does. One pass is

        for indices in self.batch_sampler:
            yield self.collate_fn([self.dataset[i] for i in indices])

    >>> [batch.tolist() for batch in minitorch.utils.data.DataLoader(range(5), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    _initialized = False

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        _check_batching(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.generator = generator
        self.drop_last = drop_last
        self.sampler = _default_sampler(dataset, shuffle, generator) if sampler is None else sampler
        self.batch_size = batch_size if batch_sampler is None else None
        if self.batch_size is not None:
            batch_sampler = BatchSampler(self.sampler, self.batch_size, drop_last)
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (default_convert if self.batch_sampler is None else default_collate)
        self._promised: int | None = None  # the length an iterable dataset has given
        self._initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in _FIXED:
            raise ValueError(f"{name} is fixed when a {type(self).__name__} is made; make a new one")
        super().__setattr__(name, value)

    def __iter__(self) -> _BaseDataLoaderIter:
        return _SingleProcessDataLoaderIter(self)

    def __len__(self) -> int:
        """The number of batches; for an iterable dataset that has a length, what that promises."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = self._promised = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler


class _BaseDataLoaderIter:
    """One pass over a loader: the indices, the base seed, and a count. Where the samples are fetched is a subclass's matter.

    (Worker processes would be a second subclass: it would send the indices to them and receive batches.)
    """

    def __init__(self, loader: DataLoader) -> None:
        if loader.pin_memory:
            warn("pin_memory=True does nothing: minitorch has no page-locked memory; leave it out")
        self._loader = loader
        self._index_sampler = loader._index_sampler
        self._indices = iter(self._index_sampler)
        self._base_seed = draw_seed(loader.generator)
        self._promised = loader._promised
        self._num_yielded = 0
        fetcher = IterableDatasetFetcher if isinstance(loader.dataset, IterableDataset) else MapDatasetFetcher
        auto_collation = loader.batch_sampler is not None
        self._fetcher = fetcher(loader.dataset, auto_collation, loader.collate_fn, loader.drop_last)

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        if self._promised is not None and self._num_yielded > self._promised:
            warn(f"the dataset's len() is {self._promised}, but {self._num_yielded} batches have come; fix its __len__")
        return data

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled; pickle the loader and iterate anew")

    def _next_data(self) -> Any:
        raise NotImplementedError


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Fetches in the process that iterates."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError(f"timeout={loader.timeout} is for worker processes; leave it at 0")

    def _next_data(self) -> Any:
        return self._fetcher.fetch(next(self._indices))


class _InfiniteConstantSampler(Sampler[None]):
    """None, again and again: an iterable dataset needs no index, only to be asked."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


def _default_sampler(dataset: Any, shuffle: bool | None, generator: Generator | None) -> Sampler:
    if isinstance(dataset, IterableDataset):
        return _InfiniteConstantSampler()
    return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)


# ---- what does not go together ----


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool, multiprocessing_context: Any
) -> None:
    if num_workers < 0:
        raise ValueError(f"DataLoader: num_workers should not be negative, got {num_workers}; 0 loads in this process")
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout should not be negative, got {timeout}")
    needing = {"prefetch_factor": prefetch_factor, "multiprocessing_context": multiprocessing_context}
    needing["persistent_workers"] = persistent_workers or None
    for name, value in needing.items():
        if num_workers == 0 and value is not None:
            raise ValueError(f"DataLoader: {name}={value!r} is for worker processes (num_workers > 0); leave it out")
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError(f"DataLoader: prefetch_factor should not be negative, got {prefetch_factor}")
    if num_workers > 0:
        raise NotImplementedError(
            f"DataLoader: num_workers={num_workers}, but there are no worker processes yet; use num_workers=0, which gives "
            "the same batches"
        )


def _check_batching(
    dataset: Any, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if isinstance(dataset, IterableDataset):
        for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
            if value is not None:
                raise ValueError(f"DataLoader: an IterableDataset comes in its own order; leave out {name}={value!r}")
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: give sampler or shuffle=True, not both: a sampler is an order already")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "DataLoader: batch_sampler gives whole batches; leave out batch_size, shuffle, sampler, drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "DataLoader: batch_size=None gives single samples, none of which is a last batch; leave out drop_last"
        )
