"""Many arrays joined in one launch. Where they lie is an argument of the kernel, so that nothing is copied to the GPU.

CuPy joins eight arrays by a launch each, and for more it copies a table of addresses there. The norms of all gradients that
`clip_grad_norm_` stacks are many small ones, as are the steps of a recurrent net.
Read next: `optim.py`, whose tables are too long for arguments.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays.capturing import empty
from ...ops.rearrange import cat, stack
from ...ops.shape import canonical_dim
from . import Kernel

MANY = 64  # arrays in a launch
AS_FLOATS = {2: "float16", 4: "float32", 8: "float64"}  # whatever they hold, its bits are moved as these

JOIN = Kernel(
    rf"""
struct Sources {{ const T* of[{MANY}]; }};
struct Ends {{ int64 of[{MANY}]; }};
// Rows beside each other: out[r, ends[k − 1] … ends[k]] = sources[k][r, …]. Array k has the blocks k · each … k · each + each − 1
KERNEL join(Sources sources, Ends ends, T* out, int64 begin, int64 rows, int64 width, int64 each) {{
    int k = blockIdx.x / each;
    const T* from = sources.of[k];
    if (k) begin = ends.of[k - 1];
    int64 mine = ends.of[k] - begin;
    int64 i = (blockIdx.x % each) * blockDim.x + threadIdx.x;
    if (i < rows * mine) out[i / mine * width + begin + i % mine] = from[i];
}}
""",
)


@cat.twin("cuda")
def joined(xp: Any, *xs: Any, dim: int = 0) -> Any:
    """Launch JOIN; None where it does not serve: for few arrays, bytes, and what does not fit together."""
    first = xs[0]
    if len(xs) <= 8 or not first.ndim or not -first.ndim <= dim < first.ndim:
        return None
    d = canonical_dim(dim, first.ndim)
    around = [(x.dtype, *x.shape[:d], None, *x.shape[d + 1 :]) if x.ndim == first.ndim else None for x in xs]
    if any(a != around[0] for a in around):
        return None
    return _launched(xp, xs, d, (*first.shape[:d], sum(x.shape[d] for x in xs), *first.shape[d + 1 :]))


@stack.twin("cuda")
def stacked(xp: Any, *xs: Any, dim: int = 0) -> Any:
    """The same along a new dimension."""
    first = xs[0]
    if (
        len(xs) <= 8
        or not -first.ndim - 1 <= dim <= first.ndim
        or any((x.dtype, x.shape) != (first.dtype, first.shape) for x in xs)
    ):
        return None
    d = canonical_dim(dim, first.ndim + 1)
    return _launched(xp, xs, d, (*first.shape[:d], len(xs), *first.shape[d:]))


def _launched(xp: Any, xs: tuple[Any, ...], d: int, shape: tuple[int, ...]) -> Any:
    """An array of this shape of them, who lie beside each other along dimension d."""
    dtype = xs[0].dtype
    if dtype.itemsize not in AS_FLOATS or 0 in shape:
        return None
    out = empty(xp, shape, dtype)
    bits = AS_FLOATS[dtype.itemsize]
    parts = [xp.ascontiguousarray(x).view(bits) for x in xs if x.size]
    rows = math.prod(shape[:d])
    width, ends = out.size // rows, np.cumsum([part.size // rows for part in parts])
    for start in range(0, len(parts), MANY):
        some = parts[start : start + MANY]
        sources, until = np.zeros(MANY, np.uint64), np.zeros(MANY, np.int64)
        sources[: len(some)], until[: len(some)] = [part.data.ptr for part in some], ends[start : start + MANY]
        threads = 128 if max(part.size for part in some) > 32 else 32
        each = -(-max(part.size for part in some) // threads)
        args = (sources, until, out.view(bits), int(ends[start - 1]) if start else 0, rows, width, each)
        JOIN(xp, np.dtype(bits), len(some) * each, threads, args)
    return out
