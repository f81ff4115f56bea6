"""What a worker process knows about itself. Read next: `worker.py`, which sets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """Which worker this process is, of how many; its seed, and its own copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: None = None  # torch's workers may be threads as well, and then have generators of their own here
    worker_method: str = "multiprocessing"


of_this_process: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process of a DataLoader its `id`, `num_workers`, `seed` and `dataset`; elsewhere None.

    An IterableDataset asks for it to give each worker its share: every worker runs through its own copy of the dataset.

    >>> class Numbers(minitorch.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         info = minitorch.utils.data.get_worker_info()
    ...         return iter(range(info.id, 6, info.num_workers))
    >>> [batch.tolist() for batch in minitorch.utils.data.DataLoader(Numbers(), 2, num_workers=2)]
    [[0, 2], [1, 3], [4], [5]]
    """
    return of_this_process
