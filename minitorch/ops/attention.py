"""Attention: for each query a mean of the values, weighted by how well their keys fit (Vaswani et al., 2017).

One op with a derivative of its own: the scores need not stay in memory, and a query that may see no key gets 0, not nan. What is
kept for backward are the weights, a number for each pair of query and key. A faster form: `kernels/cpu/attention.py`.
Read next: `nn/functional/attention.py`, several heads; `docs/attention.md`, where the derivative comes from.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import blas, dtypes
from ..arrays.layout import copied
from ..autograd.grad_mode import is_grad_enabled
from ..op import Array, Index, composite, op
from .dropout import noise_of
from .matmul import batched
from .reduce import sum_
from .shape import transpose

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- the core ----


def _name(fused: bool, out_shape: tuple) -> str:
    """torch names attention by the kernel that computed it, or by the last of the ops it is made of."""
    if fused:
        return "ScaledDotProductFlashAttentionForCpuBackward0"
    return "MmBackward0" if len(out_shape) == 2 else "UnsafeViewBackward0"


@op(promote=None, public=False, outputs=("out", "weights"), autocast="bmm", grad_fn=_name, keeps_layout=True)
def attention(
    xp: Any,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    noise: Index | None,
    scale: float,
    causal: bool,
    fused: bool,
) -> tuple[Array, Array]:
    """(P ∘ N) V, and P = softmax(s · Q Kᵀ + M) over the keys; where M hides every key, the row of P is 0.

    Q (…, L, E), K (…, S, E), V (…, S, Ev); M, floats to add or bools that say what may be seen, broadcasts with (…, L, S); N is
    dropout's noise. causal: query i sees keys 0 … i. fused: as torch's kernel that does all at once, which does not read what is
    hidden causally (it may be nan), and whose result lies in memory as Q does.
    """
    scores = blas.matmul(xp, query * scale, key.swapaxes(-1, -2))
    if mask is not None:
        scores += _bias(xp, mask) if mask.dtype.kind == "b" else mask
    if causal:
        seen = xp.tri(*scores.shape[-2:], dtype=bool)
        scores = xp.where(seen, scores, -xp.inf) if fused else scores + _bias(xp, seen)
    weights = _softmax(xp, scores)
    out = blas.matmul(xp, weights if noise is None else weights * noise, value)
    return copied(xp, out, query) if fused else xp.ascontiguousarray(out), weights


def _bias(xp: Any, seen: Array) -> Array:
    """0 where a key may be seen, −∞ where not"""
    return xp.where(seen, np.float32(0), np.float32(-np.inf))


def _softmax(xp: Any, scores: Array) -> Array:
    """exp(x_i) / Σ_j exp(x_j) along the last dimension, 0 where every x is −∞"""
    if not scores.size:
        return scores
    top = scores.max(-1, keepdims=True)
    e = xp.exp(scores - xp.where(top == -np.inf, xp.zeros_like(top), top))
    total = e.sum(-1, keepdims=True)
    return e / xp.where(total == 0, xp.ones_like(total), total)


def _of_scores(g: Any, g_weights: Any, value: Any, weights: Any, noise: Any) -> Any:
    """∂L/∂S = P ∘ (H − ⟨H, P⟩) with H = ∂L/∂P = (g Vᵀ) ∘ N: softmax's derivative in each row"""
    h: Any = 0.0
    if g is not None:
        h = batched(g, transpose(value, -1, -2))
        h = h if noise is None else h * noise
    if g_weights is not None:
        h = h + g_weights
    return weights * (h - sum_(weights * h, -1, keepdim=True))


@attention.grad("query", "key")
def attention_grad_query_key(
    g: Tensor | None,
    g_weights: Tensor | None,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weights: Tensor,
    noise: Tensor | None,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """∂L/∂Q = s · ∂L/∂S K, ∂L/∂K = s · (∂L/∂S)ᵀ Q, with ∂L/∂S = P ∘ (H − ⟨H, P⟩), H = (g Vᵀ) ∘ N"""
    of_scores = _of_scores(g, g_weights, value, weights, noise) * scale
    return batched(of_scores, key), batched(transpose(of_scores, -1, -2), query)


@attention.grad("value")
def attention_grad_value(g: Tensor | None, weights: Tensor, noise: Tensor | None) -> Tensor | None:
    """∂L/∂V = (P ∘ N)ᵀ g"""
    return None if g is None else batched(transpose(weights if noise is None else weights * noise, -1, -2), g)


@attention.grad("mask")
def attention_grad_mask(
    g: Tensor | None, g_weights: Tensor | None, value: Tensor, weights: Tensor, noise: Tensor | None
) -> Tensor:
    """∂L/∂M = ∂L/∂S (summed by the engine where M was broadcast)"""
    return _of_scores(g, g_weights, value, weights, noise)


# ---- as users call it ----

kernels = frozenset(("MATH", "FLASH_ATTENTION"))  # by torch's names, those that may be used: see `minitorch/nn/attention/`


@composite
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(s · Q Kᵀ + M) V: each query's mean of the values, weighted by its products with the keys; s = 1/√E unless given.

    query (…, L, E), key (…, S, E), value (…, S, Ev) → (…, L, Ev). attn_mask broadcasts with (…, L, S): floats are added, a bool
    says what may be seen. is_causal: query i sees keys 0 … i. dropout_p: the share of weights that become 0, always: there is no
    training flag. enable_gqa: fewer heads (dimension −3) of keys and values, each for a group of the queries' (Ainslie et al., 2023).

    >>> x = minitorch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> minitorch.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
    tensor([[1.0000, 0.0000],
            [0.3302, 0.6698]])
    """
    _check(query, key, value, attn_mask, is_causal)
    fused = "FLASH_ATTENTION" in kernels and _is_fused(query, key, value, attn_mask, dropout_p, enable_gqa)
    if not fused and "MATH" not in kernels:
        raise RuntimeError(
            f"No viable backend for scaled_dot_product_attention was found: sdpa_kernel allows {sorted(kernels)} alone"
        )
    if enable_gqa:
        key, value = _for_every_head(key, query), _for_every_head(value, query)
    shape = _shape_of_scores(query, key, value, attn_mask)
    E = query.shape[-1]
    s = scale if scale is not None else 1 / math.sqrt(E) if E else math.inf
    q, k, v = (x.to(dtypes.float32) if x.dtype.itemsize == 2 else x for x in (query, key, value))
    noise = noise_of(q, shape, dropout_p) if dropout_p > 0 else None
    return attention(q, k, v, attn_mask, noise, float(s), is_causal, fused)[0].to(query.dtype)


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool) -> None:
    """RuntimeError, in torch's words, unless dtypes and numbers of dimensions are such as can be computed with."""
    three = (("query", query), ("key", key), ("value", value))
    if not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got "
            + ", ".join(f"{name}.dtype: {x.dtype!r}" for name, x in three)
        )
    if not query.is_floating_point():
        raise RuntimeError(f"expected scalar type Float but found {query.dtype!r}; convert with .float()")
    if min(x.ndim for _, x in three) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be at least 2 dimensional, but got "
            + ", ".join(f"{name}.dim: {x.ndim}" for name, x in three)
        )
    if mask is not None and mask.dtype not in (dtypes.bool_, dtypes.float32, query.dtype):
        raise RuntimeError(
            f"Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: {mask.dtype!r} and "
            f"query.dtype: {query.dtype!r}"
        )
    if mask is not None and is_causal:
        raise RuntimeError("Explicit attn_mask should not be set when is_causal=True: is_causal is a mask itself")


def _is_fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, enable_gqa: bool) -> bool:
    """Whether torch on a CPU would take its one kernel for all of it: (N, heads, L, E) of one E, no dropout, a constant mask."""
    three = (query, key, value)
    if dropout_p > 0 or any(x.ndim != 4 or not x.numel() for x in three):
        return False
    if (
        query.shape[0] != key.shape[0]
        or key.shape[:3] != value.shape[:3]
        or not (enable_gqa or query.shape[1] == key.shape[1])
    ):
        return False
    if mask is not None and mask.requires_grad and is_grad_enabled():
        return False
    if mask is not None and mask.ndim < 2:
        raise IndexError(
            f"Dimension out of range: for queries (N, heads, L, E) attn_mask needs 2 dimensions, (L, S), or 4, got {mask.ndim}"
        )
    fits = all(x.shape[3] == query.shape[3] and x.stride(3) == 1 for x in three)
    return fits and not query.is_cuda and (mask is None or mask.ndim in (2, 4))


def _for_every_head(x: Tensor, query: Tensor) -> Tensor:
    """Keys or values repeated, so that there are as many heads as the queries have."""
    if min(x.ndim, query.ndim) < 3:
        raise IndexError(
            f"Dimension out of range: enable_gqa expects heads in dimension -3, but got shapes {tuple(query.shape)} and {tuple(x.shape)}"
        )
    heads, of_query = x.shape[-3], query.shape[-3]
    if not heads or of_query % heads:
        raise RuntimeError(
            f"Number of heads in key and value must divide the number of heads in query, got {heads} and {of_query}"
        )
    return x if heads == of_query else x.repeat_interleave(of_query // heads, -3)


def _shape_of_scores(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[int, ...]:
    """(…, L, S); RuntimeError where something does not fit."""
    L, S = query.shape[-2], key.shape[-2]
    if query.shape[-1] != key.shape[-1] or value.shape[-2] != S:
        raise RuntimeError(
            "mat1 and mat2 shapes cannot be multiplied: expected query (…, L, E), key (…, S, E) and value (…, S, Ev), got "
            f"{tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
        )
    try:
        batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
        np.broadcast_shapes(batch, value.shape[:-2])
        scores = (*batch, L, S)
        masked = scores if mask is None else np.broadcast_shapes(scores, mask.shape)
    except ValueError:
        raise RuntimeError(
            f"The size of the tensors must match in the dimensions of the batch: got query {tuple(query.shape)}, key "
            f"{tuple(key.shape)}, value {tuple(value.shape)}"
            + (f" and attn_mask {tuple(mask.shape)} for (…, {L}, {S})" if mask is not None else "")
        ) from None
    if masked != scores:
        raise RuntimeError(
            f"output with shape {list(scores)} doesn't match the broadcast shape {list(masked)}: attn_mask of shape "
            f"{tuple(mask.shape) if mask is not None else ()} is larger than the scores"
        )
    return scores
