"""softmax and log_softmax of rows, forward and backward: one block of threads for each row, which is read once and written once.

A thread keeps its share of the row, PER_THREAD numbers, in registers. It asks for all of them before it uses the first, so
many loads are under way at a time: that, not arithmetic, is what such a kernel's speed comes from. Neighbouring threads read
neighbouring numbers (thread t takes t, t + blockDim.x, …), so that a warp's 32 loads are one stretch of memory.
"""

from __future__ import annotations

from typing import Any

from . import PER_THREAD, Kernel, block_for, rows_of

SOFTMAX = Kernel(
    r"""
// out = exp(x − max x) / Σ exp(x − max x), for row blockIdx.x of length n
extern "C" __global__ void softmax(const T* x, T* out, int64 n) {
    x += blockIdx.x * n;
    out += blockIdx.x * n;
    ACC mine[PER_THREAD];
    for (int k = 0; k < PER_THREAD; k++) {
        int i = threadIdx.x + k * blockDim.x;
        mine[k] = i < n ? ACC(x[i]) : ACC(x[0]);  // past the end: a number that is no larger than the maximum
    }
    ACC largest = mine[0];
    for (int k = 1; k < PER_THREAD; k++) largest = mine[k] > largest ? mine[k] : largest;
    largest = block_max(largest);

    ACC sum = 0;
    for (int k = 0; k < PER_THREAD; k++) {
        mine[k] = exp(mine[k] - largest);
        if (threadIdx.x + k * blockDim.x < n) sum += mine[k];
    }
    sum = block_sum(sum);
    for (int k = 0; k < PER_THREAD; k++) {
        int i = threadIdx.x + k * blockDim.x;
        if (i < n) out[i] = T(mine[k] / sum);
    }
}
""",
    PER_THREAD=PER_THREAD,
)

SOFTMAX_BACKWARD = Kernel(
    r"""
// dx = p · (g − Σ g p), for row blockIdx.x of length n
extern "C" __global__ void softmax_backward(const T* g, const T* p, T* dx, int64 n) {
    g += blockIdx.x * n;
    p += blockIdx.x * n;
    dx += blockIdx.x * n;
    ACC my_g[PER_THREAD], my_p[PER_THREAD];
    for (int k = 0; k < PER_THREAD; k++) {
        int i = threadIdx.x + k * blockDim.x;
        my_g[k] = i < n ? ACC(g[i]) : ACC(0);
        my_p[k] = i < n ? ACC(p[i]) : ACC(0);
    }
    ACC dot = 0;
    for (int k = 0; k < PER_THREAD; k++) dot += my_g[k] * my_p[k];
    dot = block_sum(dot);
    for (int k = 0; k < PER_THREAD; k++) {
        int i = threadIdx.x + k * blockDim.x;
        if (i < n) dx[i] = T(my_p[k] * (my_g[k] - dot));
    }
}
""",
    PER_THREAD=PER_THREAD,
)


def softmax(xp: Any, x: Any, dim: int) -> Any:
    """The kernel's launch; None where it does not serve: no floats, no rows, rows too long."""
    if (rows := rows_of(x, dim)) is None:
        return None
    count, n = rows
    threads, per_thread = block_for(n)
    x = xp.ascontiguousarray(x)
    out = xp.empty(x.shape, x.dtype)
    SOFTMAX(xp, x.dtype, count, threads, (x, out, n), PER_THREAD=per_thread)
    return out


def softmax_backward(xp: Any, g: Any, p: Any, dim: int) -> Any:
    """The same for the gradient."""
    if (rows := rows_of(p, dim)) is None or g.dtype != p.dtype:
        return None
    count, n = rows
    threads, per_thread = block_for(n)
    g, p = xp.ascontiguousarray(g), xp.ascontiguousarray(p)
    dx = xp.empty(p.shape, p.dtype)
    SOFTMAX_BACKWARD(xp, p.dtype, count, threads, (g, p, dx, n), PER_THREAD=per_thread)
    return dx
