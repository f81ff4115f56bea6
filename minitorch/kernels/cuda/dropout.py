"""dropout: each thread makes the random words of its four numbers, and no mask is ever in memory.

Backward is the same kernel on the gradient: from the same seed and counter come the same words.
Read next: `random/philox.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays.capturing import empty
from ...ops.dropout import limit, philox_dropout
from ...random import philox
from . import HELD, TYPES, Kernel, computed, placed

DROPOUT = Kernel(
    r"""
// out = scale x where the number's random word is below `limit`, else 0 x
KERNEL dropout(const T* x, T* out, int64 n, NUMBER(Place) seed, NUMBER(Place) counter, int64 limit, ACC scale) {
    int64 start = int64(blockIdx.x) * 4 * blockDim.x;
    ACC mine[4];
    unsigned words[4];
    load(mine, x + start, n - start, 0);
    random_words(words, value(seed), value(counter));
    for (int k = 0; k < 4; k++) mine[k] *= words[k] < limit ? scale : ACC(0);
    store(mine, out + start, n - start);
}
""",
    HELD,
    before=philox.CUDA + "typedef unsigned long long Place;\n",
)


@philox_dropout.twin("cuda")
def forward(xp: Any, x: Any, p: float, scale: float, seed: Any, counter: Any) -> Any:
    """Launch DROPOUT; None where it does not serve."""
    if x.dtype.name not in TYPES or not x.size:
        return None
    x = xp.ascontiguousarray(x)
    out = empty(xp, x.shape, x.dtype)
    place, is_held = placed(xp, seed, counter)
    args = (x, out, x.size, *place, limit(p), np.dtype(computed(x.dtype)).type(scale))
    DROPOUT(xp, x.dtype, philox.tiles_for(x.size), philox.WIDTH, args, HELD=is_held)
    return out
