"""Philox4x32-10: random words as a function of a counter and a key, written twice, for array libraries and for CUDA.

A Mersenne Twister hands out its words in a row, and a GPU's threads cannot queue for them. Here nothing is handed out: word w of
counter c is f(c, key)[w], whoever asks, as often as asked. So each thread makes its own numbers, no mask need be stored for
backward, and NumPy makes the same ones, to the last bit. Ten rounds of two multiplications mix enough to pass all known tests.
Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011. Read next: `gpu.py`, the generator.
"""

from __future__ import annotations

from typing import Any, NamedTuple

LOW = 0xFFFFFFFF
WIDTH = 256  # numbers are taken in tiles of 4 · 256, a block's of 256 threads


def philox(counter: tuple[Any, Any, Any, Any], key: int) -> tuple[Any, Any, Any, Any]:
    """The four words of each counter; words are in uint64 arrays, where a product of two of them has room."""
    c0, c1, c2, c3 = counter
    k0, k1 = key & LOW, key >> 32
    for _ in range(10):
        a, b = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & LOW, (a >> 32) ^ c3 ^ k1, a & LOW
        k0, k1 = (k0 + 0x9E3779B9) & LOW, (k1 + 0xBB67AE85) & LOW
    return c0, c1, c2, c3


class Held(NamedTuple):
    """A seed or a counter that lies on the GPU: in a captured graph it is another one at each replay."""

    array: Any  # of one uint64


def words(xp: Any, n: int, seed: Any, counter: Any) -> Any:
    """n words, from that counter on: number i of a tile gets word i // 256 of the tile's counter i % 256.

    So a thread uses all four words of its counter, and neighbouring threads work on neighbouring numbers.
    """
    tiles = tiles_for(n)
    seed, counter = (place.array if isinstance(place, Held) else place for place in (seed, counter))
    numbers = xp.arange(tiles * WIDTH, dtype="uint64") + counter
    zeros = xp.zeros_like(numbers)
    four = philox((numbers & LOW, numbers >> 32, zeros, zeros), seed)
    return xp.stack([w.reshape(tiles, WIDTH) for w in four], 1).reshape(-1)[:n]


def tiles_for(n: int) -> int:
    """How many tiles n numbers take."""
    return -(-n // (4 * WIDTH))


CUDA = r"""
// c becomes the four words of counter c.
__device__ void philox(unsigned (&c)[4], unsigned k0, unsigned k1) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        unsigned long long a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
        c[0] = unsigned(b >> 32) ^ c[1] ^ k0;
        c[1] = unsigned(b);
        c[2] = unsigned(a >> 32) ^ c[3] ^ k1;
        c[3] = unsigned(a);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}
// The words for this thread's four numbers of its block's tile.
__device__ void random_words(unsigned (&words)[4], unsigned long long seed, unsigned long long counter) {
    counter += 256ull * blockIdx.x + threadIdx.x;
    words[0] = unsigned(counter), words[1] = unsigned(counter >> 32), words[2] = words[3] = 0;
    philox(words, unsigned(seed), unsigned(seed >> 32));
}
"""
