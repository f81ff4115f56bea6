"""Random numbers: with one seed, the numbers torch draws, to the last bit.

`manual_seed(s)` starts a generator of 32-bit words; everything random is made of those words, and says how many an element takes.
So a script that draws in the same order draws the same numbers in both libraries: initial weights, dropout masks, shuffles.

`generator.py` makes words, and uniform numbers from words; `uniform.py`, `normal.py` and `discrete.py` make everything else
from those, as flat arrays in the order of the draws; `arrays/layout.py` says where in a tensor they go; `exact.py` has the rounding
tricks; `gpu.py` is the GPU's generator. Tensors of random numbers are made in `tensor/random.py`; what each function computes is in
`ops/sampling.py`. Read next: `generator.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from .generator import Generator, default_generator
from .gpu import default_generator as gpu_generator

if TYPE_CHECKING:
    from ..tensor import Tensor


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, and return it; the GPU's, too.

    >>> _ = minitorch.manual_seed(0)
    >>> minitorch.rand(3)
    tensor([0.4963, 0.7682, 0.0885])
    """
    default_generator.manual_seed(int(seed))
    gpu_generator.manual_seed(int(seed))
    return default_generator


def seed() -> int:
    """Seed the default generator from the system, and the GPU's alike, and return the seed."""
    seed = default_generator.seed()
    gpu_generator.manual_seed(seed)
    return seed


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Where the default generator's stream stands; `set_rng_state` goes back there. The bytes are torch's."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator's stream where it stood when `get_rng_state` was called."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Iterable | None = None, enabled: bool = True, device_type: str | None = None) -> Iterator[None]:
    """Within `with fork_rng():` draws go on as usual; afterwards the stream stands where it stood before.

    The GPU's, too, unless `devices` is empty or `device_type` is another.
    """
    with_gpu = device_type in (None, "cuda") and (devices is None or bool(list(devices)))
    before = every_state() if enabled else None
    try:
        yield
    finally:
        if before is not None:
            set_every_state(before if with_gpu else (before[0], gpu_generator.place))


def every_state() -> tuple[Tensor, tuple[int, int]]:
    """Where the streams stand, the CPU's and the GPU's."""
    return get_rng_state(), gpu_generator.place


def set_every_state(states: tuple[Tensor, tuple[int, int]]) -> None:
    """Put both back."""
    set_rng_state(states[0])
    gpu_generator.place = states[1]


_answer_for_what_is_missing(__name__)
