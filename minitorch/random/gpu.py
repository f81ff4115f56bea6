"""A GPU's generator, and torch's random numbers made of its words: uniform, normal, integers and what follows from these.

The generator is a seed and an offset. A launch gives each thread counters of its own, (offset / 4 + call, thread), and a call of
Philox makes four words: four numbers in float32, two in float64. The numbers are cuRAND's and torch's (`Draw` says which thread makes which
number), so those of one card are torch's on that card. Up to the number of threads that a card holds, each thread makes one number, and
the numbers are the same on every card.
Read next: `philox.py`; `kernels/cuda/random.py`, the same in CUDA.
"""

from __future__ import annotations

import functools
import math
import os
import threading
from typing import Any, NamedTuple

import numpy as np

from ..arrays.batched import check_randomness
from ..arrays.capturing import now, refuse
from ..arrays.device import device
from ..arrays.dtypes import uint8
from ..op import door
from .generator import Generator, defaults
from .philox import WIDTH, Held, philox, tiles_for

Array = Any
BLOCK = 256  # threads in a block of torch's launches


class GpuGenerator(Generator):
    """The stream of a GPU: a seed, and how many words each thread has been given."""

    place: tuple[int, int]  # seed and offset

    @classmethod
    def by_default(cls) -> GpuGenerator:
        """The generator that is used where none is given. No GPU is needed to make it."""
        made = object.__new__(cls)
        made.device, made.lock = device("cuda"), threading.RLock()
        made.place = int.from_bytes(os.urandom(8), "little"), 0
        return made

    def _start(self, seed: int) -> None:
        self.place = seed, 0

    def initial_seed(self) -> int:
        """The seed the stream was started with."""
        return self.place[0]

    def get_state(self) -> Any:
        """Where the stream stands: 16 bytes, seed and offset, as torch writes them."""
        return door.Tensor._wrap(np.array(self.place, "<u8").view(np.uint8))

    def set_state(self, new_state: Any) -> GpuGenerator:
        """Go on from where `get_state` was called, here or in torch on a GPU. Eight bytes are a seed alone."""
        if not isinstance(new_state, door.Tensor) or new_state.dtype is not uint8:
            found = new_state.dtype if isinstance(new_state, door.Tensor) else type(new_state).__name__
            raise TypeError(f"RNG state must be a minitorch.ByteTensor, got {found}")
        if new_state.numel() not in (8, 16):
            raise RuntimeError(f"RNG state is wrong size: a GPU's has 16 bytes, found {new_state.numel()}")
        seed, *offset = np.frombuffer(new_state.cpu().numpy().tobytes(), "<u8").tolist()
        self.place = seed, _multiple_of_4(offset[0] if offset else 0)
        return self

    def get_offset(self) -> int:
        """How many words each thread has been given."""
        return self.place[1]

    def set_offset(self, offset: int) -> None:
        """Go on from there: a multiple of 4."""
        self.place = self.place[0], _multiple_of_4(offset)

    def take(self, n: int) -> tuple[Any, Any]:
        """(seed, counter) for n words of dropout's, which lie in tiles: see `philox.words`."""
        return self.advance(4 * WIDTH * tiles_for(n))

    def draw(self, n: int, each: int) -> Draw:
        """Who makes which of n numbers, `each` a call; the stream goes on behind them."""
        threads = BLOCK * min(_blocks_at_a_time(), -(-n // BLOCK))
        calls = -(-n // (threads * each))
        return Draw(*self.advance(4 * calls), threads, calls, each)

    def on_the_host(self) -> Generator:
        """A generator of the CPU, seeded by the next word of this stream, for what is drawn there."""
        refuse("random numbers would be drawn on the CPU, and copied to the GPU")
        seed, counter = self.advance(4)
        zero = np.zeros(1, np.uint64)
        word = philox((zero + (counter & 0xFFFFFFFF), zero + (counter >> 32), zero, zero), seed)[0]
        return Generator().manual_seed(int(word[0]))

    def advance(self, by: int) -> tuple[Any, Any]:
        """(seed, counter) of what comes next, and go on by so many words. In a capture that is done at each replay."""
        check_randomness()
        if now.capture is not None:
            seed, counter = now.capture.numbers((np.uint64, np.uint64), lambda: self.advance(by))
            return Held(seed), Held(counter)
        with self.lock:
            seed, offset = self.place
            self.place = seed, offset + by
        return seed, offset // 4


class Draw(NamedTuple):
    """Number i is made by thread i mod `threads`, in its call i // (threads · each), as the (i // threads mod each)-th there."""

    seed: Any
    counter: Any
    threads: int
    calls: int
    each: int

    def words(self, xp: Any) -> tuple[Array, Array, Array, Array]:
        """The four words of each call of each thread, (calls, threads) in uint64."""
        seed, first = (place.array if isinstance(place, Held) else place for place in (self.seed, self.counter))
        counter = xp.arange(self.calls, dtype="uint64")[:, None] + first
        thread = xp.arange(self.threads, dtype="uint64")[None]
        return philox((counter & 0xFFFFFFFF, counter >> 32, thread, xp.zeros_like(thread)), seed)


def in_order(xp: Any, numbers: list[Array], n: int) -> Array:
    """What each call has made, as n numbers in torch's order."""
    return xp.stack(numbers, 1).reshape(-1)[:n]


# ---- numbers of words, as cuRAND makes them ----


def uniforms(words: tuple[Array, ...], wide: Any) -> list[Array]:
    """In (0, 1]: (w + ½) / 2³² in float32, (z + ½) / 2⁵³ with 53 bits of two words in float64."""
    if wide == np.float32:
        return [w.astype(wide) * wide(2.0**-32) + wide(2.0**-33) for w in words]
    return [_of_53_bits(x, y) * wide(2.0**-53) + wide(2.0**-54) for x, y in (words[:2], words[2:])]


def normals(xp: Any, words: tuple[Array, ...], wide: Any) -> list[Array]:
    """√(−2 ln u) · sin and cos of an angle (Box and Muller, 1958)."""
    made = []
    if wide == np.float32:
        for x, y in (words[:2], words[2:]):
            turn = wide(2.0**-32) * wide(2 * math.pi)
            angle = y.astype(wide) * turn + turn / wide(2)
            r = xp.sqrt(wide(-2) * xp.log(x.astype(wide) * wide(2.0**-32) + wide(2.0**-33)))
            made += [xp.sin(angle) * r, xp.cos(angle) * r]
        return made
    u = _of_53_bits(*words[:2]) * 2.0**-53 + 2.0**-54
    angle = math.pi * (_of_53_bits(*words[2:]) * 2.0**-52 + 2.0**-53)
    r = xp.sqrt(-2 * xp.log(u))
    return [xp.sin(angle) * r, xp.cos(angle) * r]


def _of_53_bits(x: Array, y: Array) -> Array:
    return (x ^ (y << 21)).astype("float64")


def of_64_bits(words: tuple[Array, ...]) -> list[Array]:
    """Two words each, the first is the upper half."""
    return [words[0] << 32 | words[1], words[2] << 32 | words[3]]


# ---- what is made of a uniform or normal number ----


def uniform(xp: Any, u: Array, a: float, b: float, dtype: Any) -> Array:
    """a + (b − a) u, and a where that is b"""
    low, high = dtype.type(a), dtype.type(b)
    value = (u * u.dtype.type(high - low) + u.dtype.type(low)).astype(dtype)
    return xp.where(value.astype(u.dtype) == u.dtype.type(high), u.dtype.type(low), value.astype(u.dtype)).astype(dtype)


def normal(xp: Any, z: Array, mean: float, std: float, dtype: Any) -> Array:
    """mean + std z"""
    return (z * z.dtype.type(std) + z.dtype.type(mean)).astype(dtype)


def log_normal(xp: Any, z: Array, mean: float, std: float, dtype: Any) -> Array:
    """exp(mean + std z)"""
    return xp.exp(z * z.dtype.type(std) + z.dtype.type(mean)).astype(dtype)


def exponential(xp: Any, u: Array, rate: float, _: float, dtype: Any) -> Array:
    """−ln u / λ, with ε/2 for −ln u where u is next to 1, so that it is never 0"""
    half = np.finfo(u.dtype).eps / u.dtype.type(2)
    log = xp.where(u >= u.dtype.type(1) - half, -half, xp.log(u))
    return (u.dtype.type(-1) / u.dtype.type(rate) * log).astype(dtype)


def cauchy(xp: Any, u: Array, median: float, sigma: float, dtype: Any) -> Array:
    """median + σ tan(π (u − ½)); in float32 u is kept ε away from 0 and 1"""
    wide = u.dtype.type
    if u.dtype == np.float32:
        u = xp.clip(u, np.finfo(np.float32).eps, wide(1) - np.finfo(np.float32).eps)
    return (wide(median) + wide(sigma) * xp.tan(wide(math.pi) * (u - wide(0.5)))).astype(dtype)


def geometric(xp: Any, u: Array, p: float, _: float, dtype: Any) -> Array:
    """⌈ln u / ln(1 − p)⌉"""
    return xp.ceil(xp.log(u) / np.log1p(-u.dtype.type(p))).astype(dtype)


def bernoulli(xp: Any, u: Array, p: float, _: float, dtype: Any) -> Array:
    """[u < p]"""
    return (u < u.dtype.type(p)).astype(dtype)


MADE_OF = {f.__name__: f for f in (uniform, normal, log_normal, exponential, cauchy, geometric, bernoulli)}
OF_NORMALS = ("normal", "log_normal")


def bits_of_keys(n: int) -> int:
    """How many bits n random keys must have for all to differ nine times in ten: what torch sorts to permute."""
    return min(64, math.ceil(math.log2(n - (6 * n * n + 1) / (12 * math.log(0.9)))))


def width(dtype: Any) -> Any:
    """The dtype that numbers are computed in: float64 for float64, else float32."""
    return np.float64 if dtype == np.float64 else np.float32


def _blocks_at_a_time() -> int:
    """How many blocks of 256 threads the GPU holds; torch launches no more."""
    return _blocks_on(device("cuda").xp.cuda.Device().id)


@functools.cache  # CUDA takes its time to tell
def _blocks_on(gpu: int) -> int:
    found = device("cuda").xp.cuda.runtime.getDeviceProperties(gpu)
    return found["multiProcessorCount"] * (found["maxThreadsPerMultiProcessor"] // BLOCK)


def _multiple_of_4(offset: int) -> int:
    if offset < 0 or offset % 4:
        raise RuntimeError(
            f"offset must be a multiple of 4, found {offset}: it does not come from get_state() or get_offset()"
        )
    return offset


default_generator = defaults["cuda"] = GpuGenerator.by_default()
