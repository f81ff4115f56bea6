"""1,797 handwritten digits, 8×8 pixels each: enough to train a real network in a second, small enough to ship.

`digits.npz` holds two uint8 arrays and is read with `allow_pickle=False`, so that loading it cannot run code.
Source and licence: `digits_LICENSE.txt`. Read next: `minitorch/examples/digits.py`, which trains on it.
"""

from __future__ import annotations

import os

import numpy as np

from ..tensor import Tensor
from ..tensor.creation import from_numpy

_FILE = os.path.join(os.path.dirname(__file__), "digits.npz")


def load_digits(split: str = "all") -> tuple[Tensor, Tensor]:
    """Images (N, 8, 8), float32 ink counts from 0 to 16, and labels (N,), int64 digits from 0 to 9.

    Every fifth image is held out: `split="train"` is the other 1,438, `split="test"` the 359 held out, `"all"` both.
    The writers follow one another in the file, so taking every fifth puts each writer in both parts.

    >>> images, labels = minitorch.datasets.load_digits()
    >>> images.shape, labels[:5]
    (minitorch.Size([1797, 8, 8]), tensor([0, 1, 2, 3, 4]))
    """
    with np.load(_FILE, allow_pickle=False) as arrays:
        images, labels = arrays["images"].astype(np.float32), arrays["labels"].astype(np.int64)
    held_out = np.arange(len(labels)) % 5 == 4
    parts = {"all": slice(None), "train": ~held_out, "test": held_out}
    if split not in parts:
        raise ValueError(f"load_digits: split must be 'all', 'train' or 'test', got {split!r}")
    return from_numpy(images[parts[split]]), from_numpy(labels[parts[split]])
