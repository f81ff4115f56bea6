"""Random numbers: the generator, and the tensors drawn from it.

`manual_seed(s)` starts a Mersenne Twister as the 2002 single-integer initialisation does; every draw is made from its
32-bit words: a float32 uniform from the low 24 bits of one word, a float64 uniform from 53 bits of two.
Read next: `nn/init.py`, which draws the initial weights.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import creation, dtypes
from .device import as_device
from .dtypes import dtype as DType
from .tensor import Tensor

# A generator's state, byte for byte as torch lays it out; `left` is 625 − the words used of the current 624.
_STATE = np.dtype("<u8, <i4, <i4, <u8, (624,)<u8, V40")
_STATE.names = ("seed", "left", "one", "next", "words", "unused")


class Generator:
    """A stream of random words. Draws with the same seed are the same, in the same order, on every machine."""

    def __init__(self, device: Any = "cpu") -> None:
        self.device = as_device(device)
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of this seed: −2⁶³ ≤ seed < 2⁶⁴; a negative one stands for seed + 2⁶⁴."""
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"Overflow when unpacking long: the seed {seed} is outside [-2^63, 2^64)")
        self._seed = seed % 2**64
        self._state = np.random.RandomState(self._seed & 0xFFFFFFFF)
        return self

    def initial_seed(self) -> int:
        """The seed the stream was started with."""
        return self._seed

    def seed(self) -> int:
        """Start from a seed nobody can know, and return it."""
        seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        self.manual_seed(seed)
        return seed

    def get_state(self) -> Tensor:
        """Where the stream stands: 5,056 bytes, uint8, in torch's own layout."""
        mersenne: Any = self._state.get_state(legacy=False)["state"]
        words, position = mersenne["key"], mersenne["pos"]
        untouched = position == 624 and words[0] == self._seed & 0xFFFFFFFF
        state = np.zeros(1, _STATE)
        state["seed"], state["left"], state["one"] = self._seed, 625 - position, 1
        state["next"], state["words"] = 0 if untouched else position, words
        return Tensor._wrap(state.view(np.uint8))

    def set_state(self, new_state: Tensor) -> Generator:
        """Go on from where `get_state` was called."""
        if new_state.dtype is not dtypes.uint8:
            raise TypeError(f"RNG state must be a minitorch.ByteTensor, got dtype {new_state.dtype}")
        if new_state.shape != (_STATE.itemsize,):
            raise RuntimeError(f"RNG state is wrong size: expected ({_STATE.itemsize},), got {tuple(new_state.shape)}")
        state = new_state.numpy().view(_STATE)[0]
        if not 1 <= state["left"] <= 624:
            raise RuntimeError("Invalid mt19937 state: these bytes are not from get_state()")
        self._seed = int(state["seed"])
        self._state.set_state(("MT19937", state["words"].astype(np.uint32), 625 - int(state["left"]), 0, 0.0))
        return self

    def words(self, n: int) -> np.ndarray:
        """The next n words, uint32."""
        return self._state.randint(0, 2**32, n, dtype=np.uint32)

    def uniform(self, n: int, numpy_dtype: Any) -> np.ndarray:
        """n numbers in [0, 1): 24 bits of a word each, or 53 bits of two words for float64."""
        if numpy_dtype == np.float64:
            words = self.words(2 * n).astype(np.uint64)
            return ((words[0::2] << np.uint64(32) | words[1::2]) & np.uint64(2**53 - 1)) * 2.0**-53
        return (self.words(n) & np.uint32(2**24 - 1)).astype(np.float32) * np.float32(2.0**-24)

    def normal(self, n: int, numpy_dtype: Any) -> np.ndarray:
        """n standard normals by Box and Muller: √(−2 ln u₁) · (cos, sin)(2π u₂)."""
        half = (n + 1) // 2
        u = self.uniform(2 * half, np.float64)
        radius, angle = np.sqrt(-2 * np.log1p(-u[:half])), 2 * math.pi * u[half:]
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n].astype(numpy_dtype)


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, and return it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the system, and return the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Where the default generator's stream stands; `set_rng_state` goes back there."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator's stream where it stood when `get_rng_state` was called."""
    default_generator.set_state(new_state)


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1)."""
    made = creation.empty(*size, dtype=dtype, device=device)
    uniform_(made, generator=generator)
    return made.requires_grad_() if requires_grad else made


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal numbers."""
    made = creation.empty(*size, dtype=dtype, device=device)
    normal_(made, generator=generator)
    return made.requires_grad_() if requires_grad else made


def rand_like(input: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in [0, 1), in input's shape and dtype."""
    return rand(input.shape, dtype=dtype or input.dtype, device=input.device, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers, in input's shape and dtype."""
    return randn(input.shape, dtype=dtype or input.dtype, device=input.device, requires_grad=requires_grad)


def randint(
    low: int,
    high: Any,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType = dtypes.int64,
    device: Any = None,
) -> Tensor:
    """Integers low ≤ k < high: `randint(high, size)` or `randint(low, high, size)`."""
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    shape = creation._size((size,))
    words = (generator or default_generator).words(math.prod(shape))
    values = words.astype(np.int64) % (high - low) + low
    return creation.tensor(values.reshape(shape), dtype=dtype, device=device)


def randperm(n: int, *, generator: Generator | None = None, dtype: DType = dtypes.int64, device: Any = None) -> Tensor:
    """A random permutation of 0 … n−1, by Fisher and Yates."""
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    order = list(range(n))
    words = (generator or default_generator).words(max(n - 1, 0)).tolist()
    for i, word in enumerate(words):
        j = i + word % (n - i)
        order[i], order[j] = order[j], order[i]
    return creation.tensor(np.array(order, dtype=np.int64), dtype=dtype, device=device)


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with probability input_i, else 0."""
    p = input.detach()
    if bool(((p < 0) | (p > 1)).any()):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but a probability lies outside [0, 1]")
    u = (generator or default_generator).uniform(p.numel(), np.float64).reshape(p.shape)
    return Tensor._wrap(as_device(p.device).xp.asarray(u) < p._array).to(p.dtype)


# ---- in place: `Tensor.uniform_` and kin ----


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with uniform numbers in [a, b)."""
    if a > b:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}")
    return _fill(tensor, lambda g, n, kind: g.uniform(n, kind) * kind.type(b - a) + kind.type(a), generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers of the given mean and standard deviation."""
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    return _fill(tensor, lambda g, n, kind: g.normal(n, kind) * kind.type(std) + kind.type(mean), generator)


def bernoulli_(tensor: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with 1 with probability p, else 0."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    return _fill(tensor, lambda g, n, kind: g.uniform(n, np.float64) < p, generator)


def _fill(tensor: Tensor, draw: Any, generator: Generator | None) -> Tensor:
    tensor._check_writable()
    numbers = draw(generator or default_generator, tensor.numel(), tensor._array.dtype)
    tensor._array[...] = tensor.device.xp.asarray(numbers.reshape(tensor.shape))
    tensor._bump()
    return tensor
