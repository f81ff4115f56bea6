"""`Generator`: a Mersenne Twister, the uniform numbers made from its words, and its state as torch writes it.

The words are those of the 2002 single-integer initialisation, which is `numpy.random.RandomState(seed)`. A float32 uniform
takes the low 24 bits of one word, a float64 the low 53 bits of two. Read next: `uniform.py`, `normal.py`.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import recorded
from ..arrays.batched import check_randomness
from ..arrays.capturing import refuse
from ..arrays.device import as_device
from ..arrays.dtypes import uint8
from ..op import door

# A state, byte for byte: `left` is 1 if the next word needs a new block of 624, otherwise 625 − the words used of it.
_STATE = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "words", "normal", "has_normal"],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", 624), "<f8", "<i4"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040],
        "itemsize": 5056,
    }
)


class Generator:
    """A stream of random words. Draws with the same seed are the same, in the same order, on every machine.

    `Generator("cuda")` is a GPU's (`gpu.py`): of other words, and its state is 16 bytes.

    >>> g = Generator().manual_seed(0)
    >>> minitorch.rand(2, generator=g)
    tensor([0.4963, 0.7682])
    """

    _seed: int
    _state: Any  # a RandomState, made when the first word is asked for: `numpy.random` takes long to import
    _fresh: bool  # whether no word was drawn since seeding: torch writes that state in a way of its own
    cached_normal: float | None  # the second of a pair of normals, kept for the next call; see `normal.py`

    def __new__(cls, device: Any = "cpu") -> Generator:
        if cls is Generator and as_device(device).type == "cuda":
            from .gpu import GpuGenerator

            return object.__new__(GpuGenerator)
        return object.__new__(cls)

    def __init__(self, device: Any = "cpu") -> None:
        self.device = as_device(device)
        self.lock = threading.RLock()  # held while a tensor is drawn: see `at_once`
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of this seed: −2⁶³ ≤ seed < 2⁶⁴; a negative one stands for seed + 2⁶⁴. 32 bits count."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        seed = seed.__index__()
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"Overflow when unpacking long long: the seed {seed} is outside [-2^63, 2^64)")
        recorded.unrecordable("it seeds a generator, which a program would not do")
        with self.lock:
            self._start(seed % 2**64)
        return self

    def _start(self, seed: int) -> None:
        self._seed, self._state, self._fresh, self.cached_normal = seed, None, True, None

    def initial_seed(self) -> int:
        """The seed the stream was started with."""
        return self._seed

    def seed(self) -> int:
        """Start from a seed nobody can know, and return it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    # ---- the state ----

    def get_state(self) -> Any:
        """Where the stream stands: 5,056 bytes, uint8, in torch's own layout."""
        state = np.zeros(1, _STATE)
        with self.lock:
            mersenne = self._twister().get_state(legacy=False)["state"]
            used = mersenne["pos"]
            state["seed"], state["left"], state["seeded"] = self._seed, 1 if used == 624 else 625 - used, 1
            state["next"], state["words"] = 0 if self._fresh else used, mersenne["key"]
            state["normal"], state["has_normal"] = self.cached_normal or 0.0, self.cached_normal is not None
        return door.Tensor._wrap(state.view(np.uint8))

    def set_state(self, new_state: Any) -> Generator:
        """Go on from where `get_state` was called, here or in torch."""
        if not isinstance(new_state, door.Tensor):
            raise TypeError(f"expected a minitorch.ByteTensor, but got {type(new_state).__name__}")
        if new_state.dtype is not uint8:
            raise TypeError(f"RNG state must be a minitorch.ByteTensor, got dtype {new_state.dtype}")
        if new_state.numel() != _STATE.itemsize:
            raise RuntimeError(f"Expected a generator's state of size {_STATE.itemsize} but found size {new_state.numel()}")
        state = np.frombuffer(new_state.numpy().tobytes(), _STATE)[0]
        if not (1 <= state["left"] <= 624 and state["next"] <= 624 and state["seeded"]):
            raise RuntimeError("Invalid mt19937 state: these bytes are not from get_state()")
        used = 624 if state["left"] == 1 else int(state["next"])
        twister = np.random.RandomState(0)
        twister.set_state(("MT19937", state["words"].astype(np.uint32), used, 0, 0.0))
        with self.lock:
            self._seed, self._fresh, self._state = int(state["seed"]), int(state["next"]) == 0, twister
            self.cached_normal = float(state["normal"]) if state["has_normal"] else None
        return self

    def clone_state(self) -> Generator:
        """Another generator that stands where this one does."""
        return Generator(self.device).set_state(self.get_state())

    def on_the_host(self) -> Generator:
        """The generator to draw from on the CPU: itself. (One of a GPU makes one.)"""
        return self

    def __reduce__(self) -> Any:
        return _restored, (str(self.device), self.get_state().numpy())

    # ---- words, and uniform numbers ----

    def _twister(self) -> Any:
        if self._state is None:
            self._state = np.random.RandomState(self._seed & 0xFFFFFFFF)
        return self._state

    def words(self, n: int) -> np.ndarray:
        """The next n words, uint32."""
        refuse("random numbers would be drawn on the CPU, and copied to the GPU")
        check_randomness()
        self._fresh = self._fresh and n == 0
        return self._twister().randint(0, 2**32, n, dtype=np.uint32)

    def words64(self, n: int) -> np.ndarray:
        """n numbers of 64 bits: two words each, the first is the upper half."""
        pairs = self.words(2 * n).view("<u8")
        return pairs << np.uint64(32) | pairs >> np.uint64(32)

    def uniform32(self, n: int) -> np.ndarray:
        """n float32 in [0, 1): k / 2²⁴, with k the low 24 bits of a word."""
        return (self.words(n) & np.uint32(2**24 - 1)).astype(np.float32) * np.float32(2.0**-24)

    def uniform64(self, n: int) -> np.ndarray:
        """n float64 in [0, 1): k / 2⁵³, with k the low 53 bits of two words."""
        return (self.words64(n) & np.uint64(2**53 - 1)).astype(np.float64) * 2.0**-53


def at_once(draw: Callable) -> Callable:
    """A function that draws from its first argument, a generator, and lets no other thread draw in between."""

    @functools.wraps(draw)
    def locked(generator: Generator, *args: Any) -> Any:
        if recorded.running.record is not None:  # before anything of the generator has changed
            recorded.running.record.drawn()
        with generator.lock:
            return draw(generator, *args)

    return locked


def _restored(device: str, state: np.ndarray) -> Generator:
    """What unpickling calls."""
    return Generator(device).set_state(door.Tensor._wrap(state))


default_generator = Generator()
default_generator.seed()


defaults: dict[str, Generator] = {"cpu": default_generator}  # of each kind of device; `gpu.py` adds its own


def chosen(generator: Generator | None, device: Any) -> Generator:
    """The generator to draw from for a tensor on `device`: the given one if it fits, else the default one."""
    if generator is None:
        return defaults[device.type]
    if not isinstance(generator, Generator):
        raise TypeError(f"generator must be a minitorch.Generator, not {type(generator).__name__}")
    if generator.device.type != device.type:
        raise RuntimeError(f"Expected a '{device.type}' device type for generator but found '{generator.device.type}'")
    return generator
