"""layer_norm of rows, forward and backward: each row is read once and written once.

A row stays in the registers of its block from its mean over its variance to its result, so that the variance is a mean of
squared differences: Σx²/n − mean² would cancel where the mean is large. Backward has sums in both directions. Those along a
row are its block's; for those over all rows, the gradients of w and b, each block adds up several rows, and the few sums of
the blocks are added afterwards.
Read next: `batch_norm.py`, where what is joined does not lie side by side.
"""

from __future__ import annotations

from typing import Any

from ...arrays.capturing import empty
from ...ops.reduce import sum_
from . import TYPES, Kernel, block_for, computed

LAYER_NORM = Kernel(
    r"""
// out = (x − mean x) / √(var x + ε) · w + b, for row blockIdx.x of length n; its mean and variance are kept for backward
KERNEL layer_norm(const T* x, const T* w, const T* b, T* out, ACC* mean, ACC* var, int64 n, double eps) {
    x += blockIdx.x * n;
    out += blockIdx.x * n;
    Share mine;
    ACC sum = 0, squares = 0;
    load(mine, x, n, 0);
    for (ACC value : mine) sum += value;
    ACC center = block_sum(sum) / n;
    for (int k = 0; k < PER_THREAD; k++) {
        int i = threadIdx.x + k * blockDim.x;
        mine[k] -= center;
        if (i < n) squares += mine[k] * mine[k];
    }
    ACC spread = block_sum(squares) / n;
    ACC scale = 1 / sqrt(spread + ACC(eps));
#pragma unroll
    for (int k = 0; k < PER_THREAD; k++) {
        int i = threadIdx.x + k * blockDim.x;
        if (i < n) out[i] = T(mine[k] * scale * ACC(w[i]) + ACC(b[i]));
    }
    if (threadIdx.x == 0) mean[blockIdx.x] = center, var[blockIdx.x] = spread;
}
"""
)

LAYER_NORM_BACKWARD = Kernel(
    r"""
struct Sums { ACC h, hz; };

// With h = g · w and z = (x − mean) / √(var + ε):  dx = (h − ⟨h⟩ − z ⟨h z⟩) / √(var + ε), ⟨⟩ the mean over the row, and
// dw = Σ g z, db = Σ g over this block's rows
KERNEL layer_norm_backward(const T* g, const T* x, const T* w, const ACC* mean, const ACC* var, T* dx, ACC* dw, ACC* db,
                           int64 count, int64 length, double eps) {
    int rows = count, n = length;  // an int64 takes two registers, and here is none to spare
    Share my_dw = {}, my_db = {};
    BLOCKS_TAKE(row, rows) {
        Share h, z;
        ACC center = mean[row], scale = 1 / sqrt(var[row] + ACC(eps));
        load(h, g + int64(row) * n, n, 0);
        load(z, x + int64(row) * n, n, 0);
        Sums sums = {0, 0};
#pragma unroll
        for (int k = 0; k < PER_THREAD; k++) {
            z[k] = (z[k] - center) * scale;
            my_dw[k] += h[k] * z[k];
            my_db[k] += h[k];
            int i = threadIdx.x + k * blockDim.x;
            if (i < n) h[k] *= ACC(w[i]);
            sums.h += h[k];
            sums.hz += h[k] * z[k];
        }
        sums = over_block(sums, [](Sums a, Sums b) { return Sums{a.h + b.h, a.hz + b.hz}; });
        for (int k = 0; k < PER_THREAD; k++) h[k] = (h[k] - sums.h / n - z[k] * (sums.hz / n)) * scale;
        store(h, dx + int64(row) * n, n);
    }
    store(my_dw, dw + blockIdx.x * n, n);
    store(my_db, db + blockIdx.x * n, n);
}
""",
    dtypes=("float32", "float16", "bfloat16"),  # five shares of float64 do not fit into the registers
)


def forward(xp: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Launch LAYER_NORM on rows (R, n): (out, mean, var); None where it does not serve."""
    rows, n = x.shape
    if x.dtype.name not in TYPES or not x.size or block_for(n)[1]["LONG"]:
        return None
    acc = computed(x.dtype)
    out, mean, var = empty(xp, x.shape, x.dtype), empty(xp, (rows, 1), acc), empty(xp, (rows, 1), acc)
    weight = xp.ones(n, x.dtype) if weight is None else xp.ascontiguousarray(weight)
    bias = xp.zeros(n, x.dtype) if bias is None else xp.ascontiguousarray(bias)
    args = (xp.ascontiguousarray(x), weight, bias, out, mean, var, n, float(eps))
    LAYER_NORM(xp, x.dtype, rows, block_for(n)[0], args)
    return out, mean, var


def backward(xp: Any, g: Any, x: Any, weight: Any, mean: Any, var: Any, eps: float) -> Any:
    """Launch LAYER_NORM_BACKWARD: the gradients of x, weight and bias; None where it does not serve."""
    rows, n = x.shape
    if x.dtype.name not in LAYER_NORM_BACKWARD.dtypes or g.dtype != x.dtype or not x.size or block_for(n)[1]["LONG"]:
        return None
    threads = block_for(n)[0]
    blocks = min(-(-rows // 2), 2**17 // threads)  # at most as many threads as a large GPU runs at a time
    weight = xp.ones(n, x.dtype) if weight is None else xp.ascontiguousarray(weight)
    dx, dw, db = empty(xp, x.shape, x.dtype), *(empty(xp, (blocks, n), "float32") for _ in "wb")
    args = (xp.ascontiguousarray(g), xp.ascontiguousarray(x), weight, mean, var, dx, dw, db, rows, n, float(eps))
    LAYER_NORM_BACKWARD(xp, x.dtype, blocks, threads, args)
    dw, db = (sum_.compute(xp, each, (0,), False, None) for each in (dw, db))
    return dx, dw.astype(x.dtype, copy=False), db.astype(x.dtype, copy=False)
