"""The GPU's random numbers: where their stream stands, and what sets it.

They are Philox's (`random/philox.py`): a seed, and how many words have been taken, are all there is to know. What draws by a
kernel takes from here, which is dropout; everything else is drawn on the CPU, from the generator there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays.device import as_device
from ..arrays.dtypes import uint8
from ..op import door
from ..random.philox import default_generator


def manual_seed(seed: int) -> None:
    """Start the GPU's stream of this seed; `minitorch.manual_seed` does it too. No GPU is needed."""
    default_generator.start(seed)


def manual_seed_all(seed: int) -> None:
    """The same for all GPUs, which share the stream."""
    default_generator.start(seed)


def seed() -> None:
    """Start from a seed nobody can know."""
    default_generator.start(int.from_bytes(os.urandom(8), "little"))


seed_all = seed


def initial_seed() -> int:
    """The seed that the stream was started with."""
    as_device("cuda")
    return default_generator.place[0]


def get_rng_state(device: Any = "cuda") -> Any:
    """Where the stream stands: 16 bytes, seed and offset, as torch writes them. The numbers that follow are not torch's."""
    as_device(device)
    return door.Tensor._wrap(np.array(default_generator.place, "<u8").view(np.uint8))


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Put the stream where it stood when `get_rng_state` was called."""
    as_device(device)
    if not isinstance(new_state, door.Tensor) or new_state.dtype is not uint8:
        found = new_state.dtype if isinstance(new_state, door.Tensor) else type(new_state).__name__
        raise TypeError(f"RNG state must be a minitorch.ByteTensor, got {found}")
    if new_state.numel() != 16:
        raise RuntimeError(f"RNG state is wrong size: a GPU's has 16 bytes, found {new_state.numel()}")
    seed, offset = np.frombuffer(new_state.cpu().numpy().tobytes(), "<u8")
    if offset % 4:
        raise RuntimeError(f"offset must be a multiple of 4, found {offset}: these bytes are not from get_rng_state()")
    default_generator.place = int(seed), int(offset)


def get_rng_state_all() -> list[Any]:
    """The states of all GPUs: of the one in use."""
    return [get_rng_state()]


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Put the streams of all GPUs back."""
    for state in new_states:
        set_rng_state(state)
