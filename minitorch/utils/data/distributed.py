"""`DistributedSampler`: the share of one process, where several train on one dataset. Read next: `sampler.py`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from ...random import Generator
from ...tensor import random
from .sampler import Sampler

T_co = TypeVar("T_co", covariant=True)


class DistributedSampler(Sampler[T_co]):
    """Every `num_replicas`-th index, beginning with the `rank`-th: of a permutation seeded by seed + epoch, or in order.

    All processes get equally many: the first indices come again at the end, or with `drop_last` the last are left out. num_replicas
    and rank: None, those of the default process group. Call `set_epoch` before each epoch, or it will have the order of the last.

    >>> list(minitorch.utils.data.DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            from ... import distributed as dist

            if not dist.is_initialized():
                raise ValueError(
                    "Default process group has not been initialized, please make sure to call init_process_group; or give "
                    "num_replicas and rank to DistributedSampler"
                )
            num_replicas = dist.get_world_size() if num_replicas is None else num_replicas
            rank = dist.get_rank() if rank is None else rank
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"DistributedSampler: rank should lie between 0 and {num_replicas - 1}, got {rank}")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self.num_samples = len(dataset) // num_replicas if drop_last else math.ceil(len(dataset) / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[T_co]:
        n = len(self.dataset)
        indices: list[Any] = list(range(n))
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            indices = random.randperm(n, generator=generator, device="cpu").tolist()
        if not self.drop_last and 0 < n <= self.total_size:
            indices *= math.ceil(self.total_size / n)
        if len(indices) < self.total_size or (n > self.total_size and not self.drop_last):
            raise AssertionError(
                f"DistributedSampler: made for {self.total_size} places, but the dataset has {n} samples now"
            )
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Shuffle otherwise from now on, alike in all processes."""
        self.epoch = epoch
