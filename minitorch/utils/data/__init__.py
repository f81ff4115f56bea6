"""From a dataset to mini-batches, with torch's draws: the same seed gives torch's batches in torch's order.

A dataset maps an index to a sample (`dataset.py`); a sampler says which indices come next (`sampler.py`); a collate
function makes one batch of many samples (`_utils/collate.py`); the loader puts the three together (`dataloader.py`), here or in
worker processes (`_utils/parallel.py`).
"""

from __future__ import annotations

from ...rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from ._utils.collate import default_collate, default_convert
from ._utils.info import get_worker_info
from .dataloader import DataLoader
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .distributed import DistributedSampler
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset", "DistributedSampler", "IterableDataset", "RandomSampler",
    "Sampler", "SequentialSampler", "StackDataset", "Subset", "SubsetRandomSampler", "TensorDataset", "WeightedRandomSampler",
    "default_collate", "default_convert", "get_worker_info", "random_split",
]  # fmt: skip

_answer_for_what_is_missing(__name__)
