"""softmax and log_softmax of rows, forward and backward: a block of threads for each row, which is read once and written once.

Each thread keeps its share of the row in registers: between reading and writing nothing goes to memory, but for one number a
thread where the block joins its sums. The plain softmax reads or writes each number eight times. Rows that do not fit are read
again at each step, mostly from the cache.
Read next: `compiler/cuda`, where kernels without rows are made of formulas.
"""

from __future__ import annotations

from typing import Any

from ...arrays.capturing import empty
from ...ops.activation import log_softmax_kernel, softmax_kernel
from . import IN_ROWS, Kernel, block_for, rows_of

SOFTMAX = Kernel(
    r"""
// out = exp(x − max x) / Σ exp(x − max x), for row blockIdx.x of length n
KERNEL softmax(const T* x, T* out, int64 n) {
    x += blockIdx.x * n;
    out += blockIdx.x * n;
    Share mine;
    ACC largest = MINUS_INFINITY, sum = 0;
    EACH_CHUNK {
        load(mine, x + at, n - at, MINUS_INFINITY);  // beyond the end exp(−∞) = 0 adds nothing to the sum
        for (ACC value : mine) largest = value > largest ? value : largest;
    }
    largest = block_max(largest);
    EACH_CHUNK {
        if (LONG) load(mine, x + at, n - at, MINUS_INFINITY);
        for (ACC& value : mine) sum += value = exp(value - largest);
    }
    ACC scale = 1 / block_sum(sum);
    EACH_CHUNK {
        if (LONG) {
            load(mine, x + at, n - at, MINUS_INFINITY);
            for (ACC& value : mine) value = exp(value - largest);
        }
        for (ACC& value : mine) value *= scale;
        store(mine, out + at, n - at);
    }
}
""",
    IN_ROWS,
)

SOFTMAX_BACKWARD = Kernel(
    r"""
// dx = p · (g − Σ g p), for row blockIdx.x of length n
KERNEL softmax_backward(const T* g, const T* p, T* dx, int64 n) {
    g += blockIdx.x * n;
    p += blockIdx.x * n;
    dx += blockIdx.x * n;
    Share my_g, my_p;
    ACC dot = 0;
    EACH_CHUNK {
        load(my_g, g + at, n - at, 0);
        load(my_p, p + at, n - at, 0);
        for (int k = 0; k < PER_THREAD; k++) dot += my_g[k] * my_p[k];
    }
    dot = block_sum(dot);
    EACH_CHUNK {
        if (LONG) load(my_g, g + at, n - at, 0), load(my_p, p + at, n - at, 0);
        for (int k = 0; k < PER_THREAD; k++) my_g[k] = my_p[k] * (my_g[k] - dot);
        store(my_g, dx + at, n - at);
    }
}
""",
    IN_ROWS,
)

LOG_SOFTMAX = Kernel(
    r"""
// out = x − max x − ln Σ exp(x − max x), for row blockIdx.x of length n
KERNEL log_softmax(const T* x, T* out, int64 n) {
    x += blockIdx.x * n;
    out += blockIdx.x * n;
    Share mine;
    ACC largest = MINUS_INFINITY, sum = 0;
    EACH_CHUNK {
        load(mine, x + at, n - at, MINUS_INFINITY);
        for (ACC value : mine) largest = value > largest ? value : largest;
    }
    largest = block_max(largest);
    EACH_CHUNK {
        if (LONG) load(mine, x + at, n - at, MINUS_INFINITY);
        for (ACC value : mine) sum += exp(value - largest);
    }
    ACC log_sum = log(block_sum(sum));
    EACH_CHUNK {
        if (LONG) load(mine, x + at, n - at, MINUS_INFINITY);
        for (ACC& value : mine) value = value - largest - log_sum;
        store(mine, out + at, n - at);
    }
}
""",
    IN_ROWS,
)

LOG_SOFTMAX_BACKWARD = Kernel(
    r"""
// dx = g − p Σ g with p = exp(out), for row blockIdx.x of length n
KERNEL log_softmax_backward(const T* g, const T* out, T* dx, int64 n) {
    g += blockIdx.x * n;
    out += blockIdx.x * n;
    dx += blockIdx.x * n;
    Share my_g, my_out;
    ACC sum = 0;
    EACH_CHUNK {
        load(my_g, g + at, n - at, 0);
        if (!LONG) load(my_out, out + at, n - at, 0);  // asked for already, to be there when it is needed
        for (ACC value : my_g) sum += value;
    }
    sum = block_sum(sum);
    EACH_CHUNK {
        if (LONG) load(my_g, g + at, n - at, 0), load(my_out, out + at, n - at, 0);
        for (int k = 0; k < PER_THREAD; k++) my_g[k] -= exp(my_out[k]) * sum;
        store(my_g, dx + at, n - at);
    }
}
""",
    IN_ROWS,
)


def forward(kernel: Kernel, xp: Any, x: Any, dim: int) -> Any:
    """Launch SOFTMAX or LOG_SOFTMAX; None where they do not serve: no floats, no rows along `dim`."""
    if (rows := rows_of(x, dim)) is None:
        return None
    count, n = rows
    threads, constants = block_for(n)
    out = empty(xp, x.shape, x.dtype)
    kernel(xp, x.dtype, count, threads, (xp.ascontiguousarray(x), out, n), **constants)
    return out


def backward(kernel: Kernel, xp: Any, g: Any, out: Any, dim: int) -> Any:
    """Launch SOFTMAX_BACKWARD or LOG_SOFTMAX_BACKWARD, on the gradient and the output; None where they do not serve."""
    if (rows := rows_of(out, dim)) is None or g.dtype != out.dtype:
        return None
    count, n = rows
    threads, constants = block_for(n)
    dx = empty(xp, out.shape, out.dtype)
    kernel(xp, out.dtype, count, threads, (xp.ascontiguousarray(g), xp.ascontiguousarray(out), dx, n), **constants)
    return dx


@softmax_kernel.twin("cuda")
def softmax(xp: Any, x: Any, dim: int) -> Any:
    """Each row read once and written once."""
    return forward(SOFTMAX, xp, x, dim)


@softmax_kernel.twin_grad("cuda")
def softmax_grad(xp: Any, g: Any, out: Any, dim: int) -> Any:
    """g and p read once, the gradient written once."""
    return backward(SOFTMAX_BACKWARD, xp, g, out, dim)


@log_softmax_kernel.twin("cuda")
def log_softmax(xp: Any, x: Any, dim: int) -> Any:
    """Each row read once and written once."""
    return forward(LOG_SOFTMAX, xp, x, dim)


@log_softmax_kernel.twin_grad("cuda")
def log_softmax_grad(xp: Any, g: Any, out: Any, dim: int) -> Any:
    """g and ln p read once, the gradient written once."""
    return backward(LOG_SOFTMAX_BACKWARD, xp, g, out, dim)
