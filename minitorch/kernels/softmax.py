"""softmax and log_softmax of rows, forward and backward: a block of threads for each row, which is read once and written once.

Each thread keeps its share of the row in registers, PER_THREAD numbers: between reading and writing nothing goes to memory, but
for one number a thread where the block sums. The plain ops make about ten passes over memory for the same.
Read next: `gelu.py`, where there are no rows.
"""

from __future__ import annotations

from typing import Any

from . import PER_THREAD, Kernel, block_for, rows_of

SOFTMAX = Kernel(
    r"""
// out = exp(x − max x) / Σ exp(x − max x), for row blockIdx.x of length n
extern "C" __global__ void softmax(const T* x, T* out, int64 n) {
    ACC mine[PER_THREAD];
    load_share(x + blockIdx.x * n, n, mine, MINUS_INFINITY);  // exp(−∞) = 0 adds nothing to the sum
    ACC largest = mine[0];
    for (ACC value : mine) largest = value > largest ? value : largest;
    largest = block_max(largest);

    ACC sum = 0;
    for (ACC& value : mine) sum += value = exp(value - largest);
    ACC scale = 1 / block_sum(sum);
    for (ACC& value : mine) value *= scale;
    store_share(out + blockIdx.x * n, n, mine);
}
""",
    PER_THREAD=PER_THREAD,
)

SOFTMAX_BACKWARD = Kernel(
    r"""
// dx = p · (g − Σ g p), for row blockIdx.x of length n
extern "C" __global__ void softmax_backward(const T* g, const T* p, T* dx, int64 n) {
    ACC my_g[PER_THREAD], my_p[PER_THREAD];
    load_share(g + blockIdx.x * n, n, my_g, 0);
    load_share(p + blockIdx.x * n, n, my_p, 0);
    ACC dot = 0;
    for (int k = 0; k < PER_THREAD; k++) dot += my_g[k] * my_p[k];
    dot = block_sum(dot);
    for (int k = 0; k < PER_THREAD; k++) my_g[k] = my_p[k] * (my_g[k] - dot);
    store_share(dx + blockIdx.x * n, n, my_g);
}
""",
    PER_THREAD=PER_THREAD,
)

LOG_SOFTMAX = Kernel(
    r"""
// out = x − max x − ln Σ exp(x − max x), for row blockIdx.x of length n
extern "C" __global__ void log_softmax(const T* x, T* out, int64 n) {
    ACC mine[PER_THREAD];
    load_share(x + blockIdx.x * n, n, mine, MINUS_INFINITY);
    ACC largest = mine[0];
    for (ACC value : mine) largest = value > largest ? value : largest;
    largest = block_max(largest);

    ACC sum = 0;
    for (ACC value : mine) sum += exp(value - largest);
    ACC log_sum = log(block_sum(sum));
    for (ACC& value : mine) value = value - largest - log_sum;
    store_share(out + blockIdx.x * n, n, mine);
}
""",
    PER_THREAD=PER_THREAD,
)

LOG_SOFTMAX_BACKWARD = Kernel(
    r"""
// dx = g − p Σ g with p = exp(out), for row blockIdx.x of length n
extern "C" __global__ void log_softmax_backward(const T* g, const T* out, T* dx, int64 n) {
    ACC my_g[PER_THREAD], my_out[PER_THREAD];
    load_share(g + blockIdx.x * n, n, my_g, 0);
    load_share(out + blockIdx.x * n, n, my_out, 0);
    ACC sum = 0;
    for (ACC value : my_g) sum += value;
    sum = block_sum(sum);
    for (int k = 0; k < PER_THREAD; k++) my_g[k] -= exp(my_out[k]) * sum;
    store_share(dx + blockIdx.x * n, n, my_g);
}
""",
    PER_THREAD=PER_THREAD,
)


def forward(kernel: Kernel, xp: Any, x: Any, dim: int) -> Any:
    """Launch SOFTMAX or LOG_SOFTMAX; None where they do not serve: no floats, no rows along `dim`, rows too long."""
    if (rows := rows_of(x, dim)) is None:
        return None
    count, n = rows
    threads, per_thread = block_for(n)
    out = xp.empty(x.shape, x.dtype)
    kernel(xp, x.dtype, count, threads, (xp.ascontiguousarray(x), out, n), PER_THREAD=per_thread)
    return out


def backward(kernel: Kernel, xp: Any, g: Any, out: Any, dim: int) -> Any:
    """Launch SOFTMAX_BACKWARD or LOG_SOFTMAX_BACKWARD, on the gradient and the output; None where they do not serve."""
    if (rows := rows_of(out, dim)) is None or g.dtype != out.dtype:
        return None
    count, n = rows
    threads, per_thread = block_for(n)
    dx = xp.empty(out.shape, out.dtype)
    arrays = (xp.ascontiguousarray(g), xp.ascontiguousarray(out), dx)
    kernel(xp, out.dtype, count, threads, (*arrays, n), PER_THREAD=per_thread)
    return dx
