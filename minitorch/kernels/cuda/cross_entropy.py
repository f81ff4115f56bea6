"""Cross-entropy of logits and classes, after log_softmax's kernel: one number of each row forward, and one pass backward.

The plain ops write a gradient of the log-probabilities, though it is 0 but for one in each row, and take it through
log_softmax. Here backward reads the log-probabilities once and writes the gradient of the logits once.
Read next: `layer_norm.py`, where backward has sums in two directions.
"""

from __future__ import annotations

from typing import Any

from ...arrays.capturing import empty
from ...arrays.device import must_hold
from ...ops.class_loss import nll_of_logits, out_of_bounds
from ...ops.division import true_div
from . import TYPES, Kernel, computed, threads_for
from .softmax import LOG_SOFTMAX
from .softmax import forward as rows_forward

CROSS_ENTROPY = Kernel(
    r"""
// losses = −ln p_y of each row of ln p, n long, and its class y, 0 if y does not count; out = Σ losses, MEAN: over the number
// of classes that count, which is kept for backward; in one block. all_classes: whether each of those is one of the n there are.
KERNEL cross_entropy(const T* log_p, const int64* target, T* losses, T* out, ACC* number, bool* all_classes, int64 rows,
                     int64 n, int64 ignored) {
    ACC sum = 0, count = 0, wrong = 0;
    THREADS_TAKE(i, rows) {
        int64 y = target[i];
        losses[i] = T(0);
        if (y == ignored) continue;
        count += 1;
        if (0 > y || y >= n) {
            wrong = 1;
            continue;
        }
        losses[i] = T(-ACC(log_p[i * n + y]));
        sum += ACC(losses[i]);
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
// dx = share · (p − [i = y]), for row blockIdx.x of ln p, n long, and its class y. share is what of the upstream gradient
// belongs to the row: one number for all (step 0) or one for each (step 1).
KERNEL cross_entropy_backward(const T* log_p, const int64* target, const ACC* share, T* dx, int64 n, int64 ignored, int64 step) {
    log_p += blockIdx.x * n;
    dx += blockIdx.x * n;
    int64 y = target[blockIdx.x];
    ACC my_share = y == ignored ? 0 : share[blockIdx.x * step];
    // No thread waits for another, so that enough loads are under way though each takes one number at a time. (In float64 two would
    // not fit into the registers that a block of 1024 threads leaves.)
#pragma unroll 1
    THREADS_TAKE(i, n) dx[i] = T(my_share * (exp(ACC(log_p[i])) - (i == y ? 1 : 0)));
}
"""
)


@nll_of_logits.twin("cuda")
def forward(xp: Any, x: Any, target: Any, weight: Any, reduction: str, ignore_index: int, smoothing: float) -> Any:
    """Launch LOG_SOFTMAX and CROSS_ENTROPY on logits (R, C) and classes (R): (loss, ln p, number of classes that count); None
    where they do not serve."""
    log_p = None if weight is not None or smoothing else rows_forward(LOG_SOFTMAX, xp, x, 1)
    if log_p is None:
        return None
    rows, n = x.shape
    losses, out, number, well = (
        empty(xp, rows, x.dtype),
        empty(xp, (), x.dtype),
        empty(xp, (), computed(x.dtype)),
        empty(xp, (), "bool"),
    )
    args = (log_p, xp.ascontiguousarray(target), losses, out, number, well, rows, n, ignore_index)
    CROSS_ENTROPY(xp, x.dtype, 1, threads_for(rows), args, MEAN=int(reduction == "mean"))
    must_hold(well, IndexError, out_of_bounds(x))
    return losses if reduction == "none" else out, log_p, number


@nll_of_logits.twin_grad("cuda")
def backward(
    xp: Any,
    g: Any,
    g_log_p: Any,
    log_p: Any,
    target: Any,
    weight: Any,
    reduction: str,
    ignore_index: int,
    smoothing: float,
    total_weight: Any,
) -> Any:
    """Launch CROSS_ENTROPY_BACKWARD; None where it does not serve."""
    if g is None or g_log_p is not None or weight is not None or smoothing:
        return None
    rows, n = log_p.shape
    if log_p.dtype.name not in TYPES or not log_p.size:
        return None
    share = xp.ascontiguousarray(g.astype(computed(log_p.dtype), copy=False))
    if reduction == "mean":
        share = true_div.compute(xp, share, total_weight)
    dx = empty(xp, log_p.shape, log_p.dtype)
    args = (log_p, xp.ascontiguousarray(target), share, dx, n, ignore_index, int(reduction == "none"))
    CROSS_ENTROPY_BACKWARD(xp, log_p.dtype, rows, threads_for(n), args)
    return dx
