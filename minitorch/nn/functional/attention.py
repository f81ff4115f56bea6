"""Attention with one head, which is an op (`minitorch/ops/attention.py`), and with several, which is made of it.

Several heads: Q, K and V are projected, cut into `num_heads` parts of E / num_heads features, each part attends on its own, and what
comes out is put together again and projected (Vaswani et al., 2017). Read next: `nn/modules/attention.py`, which holds the weights.
"""

from __future__ import annotations

import math
from typing import Any

import minitorch
from minitorch.arrays.warning import warn
from minitorch.nn.functional.activations import softmax
from minitorch.nn.functional.dropouts import dropout
from minitorch.nn.functional.padding import pad
from minitorch.nn.functional.products import linear
from minitorch.ops.attention import scaled_dot_product_attention
from minitorch.tensor import Tensor

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """[head_1 … head_h] W_oᵀ + b_o with head_i = softmax(Q_i K_iᵀ / √d + M) V_i, and the weights if they are needed.

    query (L, N, E), key and value (S, N, …) → (L, N, E), weights (N, L, S), or (N, h, L, S) if they are not averaged; all without N
    for one sample. attn_mask (L, S) or (N·h, L, S), key_padding_mask (N, S): floats to add, or bools, True for what is *hidden*.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value)) if query is not key else (query.unsqueeze(1),) * 3
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    L, N, E = query.shape
    attn_mask, key_padding_mask, is_causal = _canonical_masks(query, attn_mask, key_padding_mask, is_causal, need_weights)
    _must(embed_dim_to_check == E, f"was expecting embedding dimension of {embed_dim_to_check}, but got {E}")
    _must(E % num_heads == 0, f"embed_dim {E} not divisible by num_heads {num_heads}")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    _must_fit(key, value, separate is not None)
    q, k, v = _projected(query, key, value, separate or in_proj_weight, in_proj_bias)
    attn_mask = _mask_of_four(attn_mask, N, num_heads, L, key.shape[0])
    _must((bias_k is None) == (bias_v is None), "bias_k and bias_v go together: one of them is None")
    if bias_k is not None and bias_v is not None:
        _must(static_k is None and static_v is None, "bias cannot be added to static key or value.")
        k, v = (minitorch.cat([x, b.repeat(1, N, 1)]) for x, b in ((k, bias_k), (v, bias_v)))
        attn_mask, key_padding_mask = _one_more(attn_mask), _one_more(key_padding_mask)
    q = _heads(q, num_heads)
    k, v = (_heads(x, num_heads) if s is None else _static(s, N, num_heads, E) for x, s in ((k, static_k), (v, static_v)))
    if add_zero_attn:
        k, v = (minitorch.cat([x, x.new_zeros((*x.shape[:2], 1, x.shape[3]))], dim=2) for x in (k, v))
        attn_mask, key_padding_mask = _one_more(attn_mask), _one_more(key_padding_mask)
    mask = _merged(attn_mask, key_padding_mask, N, k.shape[2])
    p = dropout_p if training else 0.0
    if need_weights:
        out, found = _attend_and_tell(q, k, v, mask, p, average_attn_weights)
    else:
        out, found = scaled_dot_product_attention(q, k, v, mask, p, is_causal), None
    out = linear(out.permute(2, 0, 1, 3).reshape(L, N, E), out_proj_weight, out_proj_bias)
    if batched:
        return out, found
    return out.squeeze(1), None if found is None else found.squeeze(0)


def _canonical_masks(
    query: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None, is_causal: bool, need_weights: bool
) -> tuple[Tensor | None, Tensor | None, bool]:
    """Both masks as floats to add, and whether `is_causal` alone can stand for the first."""
    key_padding_mask = canonical_mask(key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask")
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint: nn.Transformer.generate_square_subsequent_mask(L) makes one"
        )
    is_causal = is_causal and key_padding_mask is None and not need_weights
    return None if is_causal else canonical_mask(attn_mask, "attn_mask", query.dtype), key_padding_mask, is_causal


def _attend_and_tell(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float, average: bool) -> tuple[Tensor, Tensor]:
    """(softmax(Q Kᵀ / √d + M) V, the weights): step by step, for the weights are wanted too."""
    weights = softmax(_scores(q * math.sqrt(1.0 / q.shape[-1]), k, mask), dim=-1)
    weights = dropout(weights, p) if p > 0.0 else weights
    return weights @ v, weights.mean(dim=1) if average else weights


# ---- projections ----


def _must_fit(key: Tensor, value: Tensor, separate: bool) -> None:
    """AssertionError unless there is a value for each key; with weights of their own they may have other features."""
    if separate:
        same = key.shape[:2] == value.shape[:2]
        _must(same, f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
    else:
        _must(key.shape == value.shape, f"key shape {key.shape} does not match value shape {value.shape}")


def _projected(query: Tensor, key: Tensor, value: Tensor, weights: Any, bias: Tensor | None) -> tuple[Tensor, ...]:
    """Q W_qᵀ + b_q, K W_kᵀ + b_k, V W_vᵀ + b_v. weights: the three, or all in one (3 E, E); the bias is one (3 E)."""
    E = query.shape[-1]
    if isinstance(weights, tuple):
        for name, w, x in zip(("query", "key", "value"), weights, (query, key, value)):
            _must(w is not None, f"use_separate_proj_weight is True but {name[0]}_proj_weight is None")
            expected = (E, x.shape[-1])
            _must(tuple(w.shape) == expected, f"expecting {name} weights shape of {expected}, but got {w.shape}")
    else:
        _must(weights is not None, "use_separate_proj_weight is False but in_proj_weight is None")
        if query is key is value:
            return linear(query, weights, bias).chunk(3, -1)
        weights = weights.chunk(3)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
    return q, k, v


def _heads(x: Tensor, num_heads: int) -> Tensor:
    """(L, N, E) as (N, heads, L, E / heads)"""
    return x.unflatten(-1, (num_heads, -1)).permute(1, 2, 0, 3)


def _static(x: Tensor, N: int, num_heads: int, E: int) -> Tensor:
    """Keys or values that are given as heads already, (N · heads, S, E / heads)."""
    _must(x.shape[0] == N * num_heads, f"expecting static_k.size(0) of {N * num_heads}, but got {x.shape[0]}")
    _must(x.shape[2] == E // num_heads, f"expecting static_k.size(2) of {E // num_heads}, but got {x.shape[2]}")
    return x.unflatten(0, (N, num_heads))


def _scores(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """Q Kᵀ + M, in half precision rounded once"""
    if mask is None:
        return q @ k.transpose(-2, -1)
    N, heads, L, _ = q.shape
    mask = mask.expand(N, heads, L, k.shape[2])
    return minitorch.baddbmm(*(x.flatten(0, 1) for x in (mask, q, k.transpose(-2, -1)))).unflatten(0, (N, heads))  # type: ignore[attr-defined]


# ---- masks ----


def canonical_mask(
    mask: Tensor | None, name: str, dtype: Any, other: Tensor | None = None, other_name: str = ""
) -> Tensor | None:
    """The mask as floats to add: of a bool, −∞ where it is True. It warns if another one, given beside it, has another dtype."""
    if mask is None:
        return None
    is_bool = mask.dtype is minitorch.bool
    _must(is_bool or mask.is_floating_point(), f"only bool and floating types of {name} are supported, got {mask.dtype}")
    if other is not None and other.dtype is not mask.dtype:
        warn(f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.")
    return minitorch.zeros_like(mask, dtype=dtype).masked_fill(mask, -math.inf) if is_bool else mask


def _mask_of_four(mask: Tensor | None, N: int, num_heads: int, L: int, S: int) -> Tensor | None:
    """A mask (L, S) or (N · heads, L, S), as one that broadcasts with (N, heads, L, S)."""
    if mask is None:
        return None
    expected = (L, S) if mask.ndim == 2 else (N * num_heads, L, S)
    if tuple(mask.shape) != expected:
        raise RuntimeError(f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}.")
    return mask[None, None] if mask.ndim == 2 else mask.unflatten(0, (N, num_heads))


def _one_more(mask: Tensor | None) -> Tensor | None:
    """The mask for one key more, which everybody sees."""
    return mask if mask is None else pad(mask, (0, 1))


def _merged(attn_mask: Tensor | None, key_padding_mask: Tensor | None, N: int, S: int) -> Tensor | None:
    """Both masks in one, which broadcasts with (N, heads, L, S)."""
    if key_padding_mask is None:
        return attn_mask
    for dim, size in enumerate((N, S)):
        got = key_padding_mask.shape[dim]
        _must(got == size, f"Expected key_padded_mask.shape[{dim}] to be {size}, but got {got}")
    padding = key_padding_mask[:, None, None]
    return padding if attn_mask is None else attn_mask + padding


# ---- refusals ----


def _must(holds: bool, message: str) -> None:
    """AssertionError, which is what torch raises here, unless it holds."""
    if not holds:
        raise AssertionError(message)


def _check_shapes(
    query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None, attn_mask: Tensor | None, num_heads: int
) -> bool:
    """Whether it is a batch; AssertionError if the numbers of dimensions do not go together."""
    _must(
        query.ndim in (2, 3),
        f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor",
    )
    batched = query.ndim == 3
    about = f"For {'batched (3-D)' if batched else 'unbatched (2-D)'} `query`, expected"
    _must(
        key.ndim == value.ndim == query.ndim,
        f"{about} `key` and `value` to be {query.ndim}-D but found {key.ndim}-D and {value.ndim}-D tensors respectively",
    )
    if key_padding_mask is not None:
        found = key_padding_mask.ndim
        _must(
            found == query.ndim - 1,
            f"{about} `key_padding_mask` to be `None` or {query.ndim - 1}-D but found {found}-D tensor",
        )
    if attn_mask is not None:
        _must(attn_mask.ndim in (2, 3), f"{about} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D tensor")
        expected = (num_heads, query.shape[0], key.shape[0])
        _must(
            batched or attn_mask.ndim == 2 or tuple(attn_mask.shape) == expected,
            f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}",
        )
    return batched
