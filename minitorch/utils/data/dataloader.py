"""DataLoader: asks a sampler for indices, fetches the samples, and collates them into a batch.

Every `iter(loader)` draws a base seed from the generator first (worker processes are seeded with it), then the
sampler draws when it is asked. This is torch's order, so that a training loop is fed the same batches there.
Read next: `sampler.py`, `_utils/collate.py`, and `_utils/passes.py`, where batches are fetched.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from minitorch.arrays.warning import warn

from ...random import Generator
from ._utils.collate import default_collate, default_convert
from ._utils.passes import _BaseDataLoaderIter, _SingleProcessDataLoaderIter
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from ._utils.parallel import _MultiProcessingDataLoaderIter

T_co = TypeVar("T_co", covariant=True)

_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader(Generic[T_co]):
    """Batches of `batch_size` samples, in order or with `shuffle` in a new random order each time it is iterated.

    `sampler` gives the indices, `batch_sampler` whole batches of them; `batch_size=None` gives sample after sample.
    `collate_fn` makes a batch of a list of samples. `generator` shuffles; without it the default generator does. One pass is

        for indices in self.batch_sampler:
            yield self.collate_fn([self.dataset[i] for i in indices])

    With `num_workers` processes batches are made beforehand, `prefetch_factor` (2) by each, and come in the same order, or with
    `in_order=False` as they are ready. Worker i seeds this library's generator and `random` with base seed + i, NumPy alike, and
    calls `worker_init_fn(i)`. Batches come through shared memory. `persistent_workers` stay for the next pass. A batch that takes
    longer than `timeout` seconds is an error, and so is a worker that dies. `multiprocessing_context` is "fork", "spawn" or
    "forkserver"; the latter two send the dataset to the workers by pickle. `pin_memory` copies batches to page-locked memory,
    from which a GPU fetches them faster.

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
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        _check_batching(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
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
        self._iterator: _MultiProcessingDataLoaderIter | None = None  # the one that is kept, with persistent workers
        self._initialized = True
        self.check_worker_number_rationality()

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in _FIXED:
            raise ValueError(f"{name} is fixed when a {type(self).__name__} is made; make a new one")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> BaseContext | None:
        """How worker processes are started; None: as `multiprocessing` does where nothing is said."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: BaseContext | str | None) -> None:
        self._context = _context(context, self.num_workers)

    def __iter__(self) -> _BaseDataLoaderIter:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        if self._iterator is not None and not self._iterator._crew.has_ended:
            self._iterator._again(self)
            return self._iterator
        self.check_worker_number_rationality()
        from ._utils.parallel import _MultiProcessingDataLoaderIter  # multiprocessing takes long to import

        made = _MultiProcessingDataLoaderIter(self)
        self._iterator = made if self.persistent_workers else None
        return made

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_iterator": None}  # a copy starts workers of its own

    def __len__(self) -> int:
        """The number of batches; for an iterable dataset that has a length, what that promises."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = self._promised = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn if there are more workers than processors that this process may use."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
        if self.num_workers > cores:
            warn(
                f"DataLoader: {self.num_workers} worker processes, but this process may use {cores or 'an unknown number of'} "
                "processors; workers that wait for each other make loading slower, so try fewer"
            )

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler


class _InfiniteConstantSampler(Sampler[None]):
    """None, again and again: an iterable dataset needs no index, only to be asked."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


def _default_sampler(dataset: Any, shuffle: bool | None, generator: Generator | None) -> Sampler:
    if isinstance(dataset, IterableDataset):
        return _InfiniteConstantSampler()
    return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)


# ---- what does not go together ----


def _check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool) -> None:
    if num_workers < 0:
        raise ValueError(f"DataLoader: num_workers should not be negative, got {num_workers}; 0 loads in this process")
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout should not be negative, got {timeout}")
    for name, value in {"prefetch_factor": prefetch_factor, "persistent_workers": persistent_workers or None}.items():
        if num_workers == 0 and value is not None:
            raise ValueError(f"DataLoader: {name}={value!r} is for worker processes (num_workers > 0); leave it out")
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError(f"DataLoader: prefetch_factor should not be negative, got {prefetch_factor}")


def _context(context: Any, num_workers: int) -> BaseContext | None:
    """The context that is meant by one or by a start method's name."""
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError(
            f"DataLoader: multiprocessing_context={context!r} is for worker processes (num_workers > 0); leave it out"
        )
    import multiprocessing

    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(f"DataLoader: multiprocessing_context should be one of {methods}, got {context!r}")
        return multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(f"DataLoader: multiprocessing_context should be a start method's name or a context, got {context!r}")
    return context


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
