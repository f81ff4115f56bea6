"""The parts of a loader: how samples are fetched and made into a batch, and the seed of an epoch."""

from __future__ import annotations

from ....random import Generator, default_generator


def draw_seed(generator: Generator | None) -> int:
    """A seed 0 ≤ s < 2⁶³ from two words of the generator, as torch's `random_()` on one int64."""
    high, low = (generator or default_generator).words(2).tolist()
    return (high << 32 | low) % 2**63
