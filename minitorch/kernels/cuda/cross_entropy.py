"""Cross-entropy of logits and classes: the logits are read once forward, and read once and written once backward.

The plain ops write all log-probabilities, though the loss is made of one in each row, and in backward a gradient that is 0 but
for one in each row. Here the probabilities never go to memory: backward makes them anew from the logits.
Read next: `softmax.py`, of which backward is all but a line.
"""

from __future__ import annotations

from typing import Any

from . import IN_ROWS, TYPES, Kernel, block_for, computed, threads_for

CROSS_ENTROPY = Kernel(
    r"""
// loss = ln Σ exp(x − max x) − (x_y − max x), for row blockIdx.x of length n and its class y; 0 if y does not count.
// Each thread keeps the largest of its numbers so far and Σ exp(x − largest), which shrinks when a larger one comes.
KERNEL cross_entropy(const T* x, const int64* target, ACC* losses, int64 n, int64 ignored) {
    x += blockIdx.x * n;
    Share mine;
    ACC largest = MINUS_INFINITY, sum = 0;
    EACH_CHUNK {
        load(mine, x + at, n - at, MINUS_INFINITY);
        ACC before = largest;
        for (ACC value : mine) largest = value > largest ? value : largest;
        if (largest > before) sum *= exp(before - largest);
        for (ACC value : mine) sum += value == MINUS_INFINITY ? 0 : exp(value - largest);
    }
    ACC row_largest = block_max(largest);
    ACC log_sum = log(block_sum(sum * exp(largest - row_largest)));
    if (threadIdx.x == 0) {
        int64 y = target[blockIdx.x];
        bool counts = !(y == ignored || 0 > y || y >= n);
        losses[blockIdx.x] = counts ? log_sum - (ACC(x[y]) - row_largest) : 0;
    }
}
""",
    IN_ROWS,
)

CROSS_ENTROPY_TOTAL = Kernel(
    r"""
// out = Σ losses, MEAN: over the number of classes that count, which is kept for backward; in one block.
// all_classes: whether each of those is one of the n that there are.
KERNEL cross_entropy_total(const ACC* losses, const int64* target, T* out, ACC* number, bool* all_classes, int64 rows, int64 n,
                           int64 ignored) {
    ACC sum = 0, count = 0, wrong = 0;
    THREADS_TAKE(i, rows) {
        int64 y = target[i];
        if (y == ignored) continue;
        sum += losses[i];
        count += 1;
        if (0 > y || y >= n) wrong = 1;
    }
    sum = block_sum(sum);
    count = block_sum(count);
    wrong = block_max(wrong);
    if (threadIdx.x == 0) *out = T(MEAN ? sum / count : sum), *number = count, *all_classes = wrong == 0;
}
""",
    {"MEAN": (0, 1)},
)

CROSS_ENTROPY_BACKWARD = Kernel(
    r"""
// dx = share · (p − [i = y]) with p = exp(x − max x) / Σ exp(x − max x), for row blockIdx.x of length n and its class y.
// share is what of the upstream gradient belongs to the row: one number for all (step 0) or one for each (step 1).
KERNEL cross_entropy_backward(const T* x, const int64* target, const ACC* share, T* dx, int64 n, int64 ignored, int64 step) {
    x += blockIdx.x * n;
    dx += blockIdx.x * n;
    int64 y = target[blockIdx.x];
    ACC my_share = y == ignored ? 0 : share[blockIdx.x * step];
    Share mine;
    ACC largest = MINUS_INFINITY, sum = 0;
    EACH_CHUNK {
        load(mine, x + at, n - at, MINUS_INFINITY);
        for (ACC value : mine) largest = value > largest ? value : largest;
    }
    largest = block_max(largest);
    EACH_CHUNK {
        if (LONG) load(mine, x + at, n - at, MINUS_INFINITY);
        for (ACC& value : mine) sum += value = exp(value - largest);
    }
    ACC scale = my_share / block_sum(sum);
    EACH_CHUNK {
        if (LONG) {
            load(mine, x + at, n - at, MINUS_INFINITY);
            for (ACC& value : mine) value = exp(value - largest);
        }
#pragma unroll
        for (int k = 0; k < PER_THREAD; k++) {
            mine[k] *= scale;
            if (at + threadIdx.x + k * blockDim.x == y) mine[k] -= my_share;
        }
        store(mine, dx + at, n - at);
    }
}
""",
    IN_ROWS,
)


def forward(xp: Any, x: Any, target: Any, reduction: str, ignore_index: int) -> Any:
    """Launch CROSS_ENTROPY and CROSS_ENTROPY_TOTAL on logits (R, C) and classes (R): (loss, number of classes that count,
    whether all are classes); None where they do not serve."""
    rows, n = x.shape
    if x.dtype.name not in TYPES or not x.size:
        return None
    acc, target = computed(x.dtype), _classes(xp, target)
    losses, out, number, well = xp.empty(rows, acc), xp.empty((), x.dtype), xp.empty((), acc), xp.empty((), "bool")
    threads, constants = block_for(n)
    CROSS_ENTROPY(xp, x.dtype, rows, threads, (xp.ascontiguousarray(x), target, losses, n, ignore_index), **constants)
    args = (losses, target, out, number, well, rows, n, ignore_index)
    CROSS_ENTROPY_TOTAL(xp, x.dtype, 1, threads_for(rows), args, MEAN=int(reduction == "mean"))
    return losses.astype(x.dtype) if reduction == "none" else out, number, well


def backward(xp: Any, g: Any, x: Any, target: Any, reduction: str, ignore_index: int, number: Any) -> Any:
    """Launch CROSS_ENTROPY_BACKWARD, on the logits; None where it does not serve."""
    rows, n = x.shape
    if x.dtype.name not in TYPES or not x.size:
        return None
    share = xp.ascontiguousarray(g.astype(computed(x.dtype)))
    if reduction == "mean":
        share = share / number
    dx, (threads, constants) = xp.empty(x.shape, x.dtype), block_for(n)
    args = (xp.ascontiguousarray(x), _classes(xp, target), share, dx, n, ignore_index, int(reduction == "none"))
    CROSS_ENTROPY_BACKWARD(xp, x.dtype, rows, threads, args, **constants)
    return dx


def _classes(xp: Any, target: Any) -> Any:
    return xp.ascontiguousarray(target.astype("int64", copy=False))
