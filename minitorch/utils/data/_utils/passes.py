"""One pass over a loader: the indices, and where their samples are fetched; here, or in worker processes.

Read next: `fetch.py`; for worker processes `parallel.py`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NoReturn

from minitorch.arrays.warning import warn

from ....arrays.device import has_gpu
from ..dataset import IterableDataset
from . import draw_seed
from .fetch import IterableDatasetFetcher, MapDatasetFetcher
from .pin_memory import pin_memory


class _BaseDataLoaderIter:
    """The indices, the base seed, and a count. Where the samples are fetched is a subclass's matter."""

    def __init__(self, loader: Any) -> None:
        if loader.pin_memory and loader.pin_memory_device:
            warn(f"pin_memory_device={loader.pin_memory_device!r} is not looked at: memory is pinned for the current GPU")
        self._pin_memory = loader.pin_memory and has_gpu()
        if loader.pin_memory and not self._pin_memory:
            warn("pin_memory=True, but there is no GPU to pin memory for: batches are in ordinary memory")
        fetcher = IterableDatasetFetcher if isinstance(loader.dataset, IterableDataset) else MapDatasetFetcher
        auto_collation = loader.batch_sampler is not None
        self._new_fetcher = partial(fetcher, loader.dataset, auto_collation, loader.collate_fn, loader.drop_last)
        self._index_sampler = loader._index_sampler
        self._begin(loader)
        self._base_seed = draw_seed(loader.generator)

    def _begin(self, loader: Any) -> None:
        self._indices = iter(self._index_sampler)
        self._promised = loader._promised
        self._num_yielded = 0

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        if self._promised is not None and self._num_yielded > self._promised:
            warn(
                f"the dataset's len() is {self._promised}, but {self._num_yielded} batches have come; fix its __len__, or, with "
                "workers, let each give only its share (get_worker_info)"
            )
        return pin_memory(data) if self._pin_memory else data

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled; pickle the loader and iterate anew")

    def _next_data(self) -> Any:
        raise NotImplementedError


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Fetches in the process that iterates."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError(f"timeout={loader.timeout} is for worker processes; leave it at 0")
        self._fetcher = self._new_fetcher()

    def _next_data(self) -> Any:
        return self._fetcher.fetch(next(self._indices))
