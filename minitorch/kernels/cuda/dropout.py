"""dropout: each thread makes the random words of its four numbers, and no mask is ever in memory.

Backward is the same kernel on the gradient: from the same seed and counter come the same words.
Read next: `random/philox.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.dropout import limit, philox_dropout
from ...random import philox
from . import TYPES, Kernel, computed

DROPOUT = Kernel(
    r"""
// out = scale x where the number's random word is below `limit`, else 0 x
KERNEL dropout(const T* x, T* out, int64 n, unsigned long long seed, unsigned long long counter, int64 limit, ACC scale) {
    int64 start = int64(blockIdx.x) * 4 * blockDim.x;
    ACC mine[4];
    unsigned words[4];
    load(mine, x + start, n - start, 0);
    random_words(words, seed, counter);
    for (int k = 0; k < 4; k++) mine[k] *= words[k] < limit ? scale : ACC(0);
    store(mine, out + start, n - start);
}
""",
    before=philox.CUDA,
)


@philox_dropout.twin("cuda")
def forward(xp: Any, x: Any, p: float, scale: float, seed: int, counter: int) -> Any:
    """Launch DROPOUT; None where it does not serve."""
    if x.dtype.name not in TYPES or not x.size:
        return None
    x = xp.ascontiguousarray(x)
    out = xp.empty(x.shape, x.dtype)
    stream = np.uint64(seed), np.uint64(counter)
    blocks = philox.tiles_for(x.size)
    DROPOUT(xp, x.dtype, blocks, philox.WIDTH, (x, out, x.size, *stream, limit(p), np.dtype(computed(x.dtype)).type(scale)))
    return out
