"""Rows of tables. The formulas and derivatives are in `minitorch/ops/gather.py`."""

from __future__ import annotations

import minitorch
from minitorch.autograd import no_grad
from minitorch.op.signature import checked
from minitorch.ops.gather import embedding as _embedding
from minitorch.ops.gather import one_hot
from minitorch.tensor import Tensor

__all__ = ["embedding", "one_hot"]


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


@no_grad()
def _shorten_rows(weight: Tensor, rows: Tensor, max_norm: float, norm_type: float) -> None:
    used = minitorch.tensor(sorted(set(rows.reshape(-1).tolist())), dtype=minitorch.int64)
    norms = weight[used].norm(norm_type, 1, keepdim=True)
    weight[used] = weight[used] * minitorch.where(norms > max_norm, max_norm / (norms + 1e-7), 1.0)  # type: ignore[attr-defined]
