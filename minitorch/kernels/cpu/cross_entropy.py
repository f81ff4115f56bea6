"""Cross-entropy of logits and classes, backward as what it is: a subtraction, p less 1 at the class.

The plain derivative makes an array of zeros, puts one number in each row, and takes it through log_softmax.
Read next: `blocks.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.activation import log_softmax_kernel
from ...ops.class_loss import nll_of_logits
from . import blocks
from .blocks import in_blocks, served
from .softmax import log_softmax


@nll_of_logits.twin("cpu")
def forward(xp: Any, x: Any, target: Any, weight: Any, reduction: str, ignore_index: int, smoothing: float) -> Any:
    """−ln p_y, ln p, N; where all N classes count, and alike"""
    n, C = x.shape
    if weight is not None or smoothing or not served(x) or 0 <= ignore_index < C or not x.size:
        return None
    if target.astype(np.int64, copy=False).view(np.uint64).max() >= C:  # a class below 0 is a large number so
        return None
    log_p = log_softmax(xp, x, 1) if x.size >= blocks.SMALL else None
    if log_p is None:
        log_p = log_softmax_kernel.forward(xp, x, 1)
    out, total = log_p[xp.arange(n), target], xp.asarray(n, x.dtype)
    if reduction == "none":
        return -out, log_p, total
    loss = 0 - out.sum()  # never −0
    return loss / total if reduction == "mean" else loss, log_p, total


@nll_of_logits.twin_grad("cpu")
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
    """dx = share · (p − [y]), with share what of g belongs to the row: 0 if its class is ignored"""
    if g is None or g_log_p is not None or smoothing or not served(log_p, g, weight) or not log_p.size:
        return None
    classes, share = target, g / total_weight if reduction == "mean" else g
    if weight is not None or total_weight != len(target):  # not all count, or not alike
        keep = target != ignore_index
        classes = np.where(keep, target, 0)
        share = np.where(keep, share if weight is None else share * weight[classes], np.zeros((), log_p.dtype))
    share = xp.asarray(share).reshape(-1, 1)  # one number for each row, or for all
    dx, numbers = np.empty_like(log_p), xp.arange(len(log_p))

    def block(rows: slice) -> None:
        d, of_row = dx[rows], share if len(share) == 1 else share[rows]
        np.exp(log_p[rows], out=d)
        d *= of_row
        d[numbers[: len(d)], classes[rows]] -= of_row[:, 0]

    in_blocks(block, dx)
    return dx
