"""The parts of a loader: how samples are fetched and made into a batch, and the seed of an epoch."""

from __future__ import annotations

from ....arrays import dtypes
from ....random import Generator
from ....tensor import creation


def draw_seed(generator: Generator | None) -> int:
    """A seed 0 ≤ s < 2⁶³, made of two words of the generator."""
    return creation.empty((), dtype=dtypes.int64, device="cpu").random_(generator=generator).item()
