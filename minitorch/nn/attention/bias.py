"""Causal masks for `scaled_dot_product_attention` where there are more keys than queries, or fewer: aligned above or below."""

from __future__ import annotations

import minitorch
from minitorch.arrays.warning import warn
from minitorch.tensor import Tensor

__all__ = ["causal_lower_right", "causal_upper_left"]


def causal_upper_left(*size: int) -> Tensor:
    """A bool mask (L, S): query i sees keys 0 … i, as with is_causal=True."""
    return minitorch.ones(_two(size), dtype=minitorch.bool).tril()


def causal_lower_right(*size: int) -> Tensor:
    """A bool mask (L, S): the last query sees all keys, each one before it one less.

    >>> minitorch.nn.attention.bias.causal_lower_right(1, 3)
    tensor([[True, True, True]])
    """
    L, S = _two(size)
    if L > S:
        warn("Lower right causal bias will produce NaNs in the output when seq_len_q > seq_len_kv!")
    return minitorch.ones(L, S, dtype=minitorch.bool).tril(S - L)


def _two(size: tuple[int, ...]) -> tuple[int, int]:
    if len(size) != 2:
        raise AssertionError(f"a causal bias is of 2 dimensions, (L, S), got {size}")
    L, S = size
    return L, S
