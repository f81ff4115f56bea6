"""Rows of tables. The formulas and derivatives are in `minitorch/ops/gather.py` and `embedding_bag.py`."""

from __future__ import annotations

import minitorch
from minitorch.arrays.warning import warn
from minitorch.autograd import no_grad
from minitorch.op.signature import checked
from minitorch.ops.embedding_bag import embedding_bag as _embedding_bag
from minitorch.ops.gather import embedding as _embedding
from minitorch.ops.gather import one_hot
from minitorch.tensor import Tensor

__all__ = ["embedding", "embedding_bag", "one_hot"]


@checked
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that `input` numbers. With `max_norm` they are first scaled down to that norm, in place."""
    if padding_idx is not None:
        assert -weight.shape[0] <= padding_idx < weight.shape[0], "Padding_idx must be within num_embeddings"
        padding_idx %= weight.shape[0]
    if max_norm is not None and input.dtype in (minitorch.int64, minitorch.int32):  # others are refused below
        _shorten_rows(weight, input, max_norm, norm_type)
    return _embedding(weight, input, -1 if padding_idx is None else padding_idx, scale_grad_by_freq, sparse)


@checked
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The "sum", "mean" or "max" of the rows of `weight` (V, D) that each bag of `input` numbers: (B, D).

    input (B, n): bags of one size. input (N): bags that begin at `offsets` (B); with include_last_offset that is where the last ends too.
    """
    if weight.dtype is minitorch.int64 and input.is_floating_point():
        warn("Argument order of nn.functional.embedding_bag was changed: it is embedding_bag(input, weight, ...)")
        weight, input = input, weight
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({tuple(per_sample_weights.shape)}) is not None, then it must have the same "
            f"shape as the input ({tuple(input.shape)})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None: its rows are bags of one size")
        offsets = minitorch.arange(0, input.numel(), input.shape[1], dtype=input.dtype, device=input.device)
        include_last_offset, input = False, input.reshape(-1)
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    elif input.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if offsets is None or offsets.ndim != 1:
        got = "None" if offsets is None else f"one of {offsets.ndim} dimensions"
        raise ValueError(f"offsets has to be a 1D Tensor but got {got}")
    _check_mode(mode, scale_grad_by_freq, sparse)
    if max_norm is not None:
        _shorten_rows(weight, input, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"embedding_bag: per_sample_weights is only supported for mode='sum' (got mode='{mode}')")
    options = (scale_grad_by_freq, MODES.index(mode), sparse, per_sample_weights, include_last_offset, padding_idx)
    return _embedding_bag(weight, input, offsets, *options)[0]


MODES = ["sum", "mean", "max"]


def _check_mode(mode: str, scale_grad_by_freq: bool, sparse: bool) -> None:
    if mode not in MODES:
        raise ValueError(f"mode has to be one of sum, mean or max, got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")


@no_grad()
def _shorten_rows(weight: Tensor, rows: Tensor, max_norm: float, norm_type: float) -> None:
    used = minitorch.tensor(sorted(set(rows.reshape(-1).tolist())), dtype=minitorch.int64)
    norms = weight[used].norm(norm_type, 1, keepdim=True)
    weight[used] = weight[used] * minitorch.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0)  # type: ignore[attr-defined]
