"""Fetchers: from what the sampler says next to a batch. A worker process has one of its own, made there.

`index` is a list of indices (a batch) with `auto_collation`, otherwise one index. Read next: `collate.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .rows import joined_rows


@dataclass
class MapDatasetFetcher:
    """Looks the indices up in the dataset: all at once if it has tensors, or a `__getitems__`."""

    dataset: Any
    auto_collation: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool  # the sampler sees to it
    is_stream = False

    def fetch(self, index: Any) -> Any:
        if not self.auto_collation:
            return self.collate_fn(self.dataset[index])
        batch = joined_rows(self.dataset, index, self.collate_fn)
        if batch is not None:
            return batch
        if getattr(self.dataset, "__getitems__", None):
            return self.collate_fn(self.dataset.__getitems__(index))
        return self.collate_fn([self.dataset[i] for i in index])


class IterableDatasetFetcher:
    """Takes the stream's next samples, as many as the batch has places; StopIteration when there are none."""

    is_stream = True

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool) -> None:
        self.samples = iter(dataset)
        self.auto_collation, self.collate_fn, self.drop_last = auto_collation, collate_fn, drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        if not self.auto_collation:
            return self.collate_fn(next(self.samples))
        # A stream that has ended is not asked again: it might go on.
        batch = [] if self.ended else [sample for _, sample in zip(index, self.samples)]
        self.ended = len(batch) < len(index)
        if not batch or (self.drop_last and self.ended):
            raise StopIteration
        return self.collate_fn(batch)
