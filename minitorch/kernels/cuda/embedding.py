"""The gradient of an embedding's table: each row of the upstream gradient is added to the row that it was read from.

A row may have been read many times, and blocks run in no order: atomicAdd reads, adds and writes without another block in
between. Each number of g is read once; what is added to meets in the cache, not in memory.
Read next: `softmax.py`, if you have not.
"""

from __future__ import annotations

from typing import Any

from ...arrays.layout import filled
from ...ops.gather import embedding
from . import TYPES, Kernel, computed, threads_for

EMBEDDING_BACKWARD = Kernel(
    r"""
// dw[index[r]] += g[r], for row r = blockIdx.x of length n; not for the padding, nor beyond the table's `count` rows
KERNEL embedding_backward(const T* g, const int64* index, ACC* dw, int64 n, int64 count, int64 padding) {
    int64 row = index[blockIdx.x];
    if (row == padding || 0 > row || row >= count) return;
    THREADS_TAKE(i, n) atomicAdd(dw + (row * n + i), ACC(g[blockIdx.x * n + i]));
}
"""
)


@embedding.twin_grad("cuda")
def backward(
    xp: Any, g: Any, weight_shape: tuple, indices: Any, padding_idx: int, scale_grad_by_freq: bool, sparse: bool
) -> Any:
    """Launch EMBEDDING_BACKWARD; None where it does not serve."""
    if g.dtype.name not in TYPES or not g.size or scale_grad_by_freq or sparse:
        return None
    count, n = weight_shape
    dw = filled(xp, weight_shape, computed(g.dtype), 0)
    index = xp.ascontiguousarray(indices.astype("int64", copy=False))
    EMBEDDING_BACKWARD(xp, g.dtype, index.size, threads_for(n), (xp.ascontiguousarray(g), index, dw, n, count, padding_idx))
    return dw.astype(g.dtype, copy=False)
