"""The GPU's random numbers: where their stream stands, and what sets it.

A seed and an offset are all there is to know (`random/gpu.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..arrays.device import as_device
from ..random.gpu import default_generator


def manual_seed(seed: int) -> None:
    """Start the GPU's stream of this seed; `minitorch.manual_seed` does it too. No GPU is needed."""
    default_generator.manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """The same for all GPUs, which share the stream."""
    default_generator.manual_seed(int(seed))


def seed() -> None:
    """Start from a seed nobody can know."""
    default_generator.seed()


seed_all = seed


def initial_seed() -> int:
    """The seed that the stream was started with."""
    as_device("cuda")
    return default_generator.initial_seed()


def get_rng_state(device: Any = "cuda") -> Any:
    """Where the stream stands: 16 bytes, seed and offset, as torch writes them."""
    as_device(device)
    return default_generator.get_state()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Put the stream where it stood when `get_rng_state` was called, here or in torch."""
    as_device(device)
    default_generator.set_state(new_state)


def get_rng_state_all() -> list[Any]:
    """The states of all GPUs: of the one in use."""
    return [get_rng_state()]


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Put the streams of all GPUs back."""
    for state in new_states:
        set_rng_state(state)
