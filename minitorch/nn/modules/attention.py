"""`MultiheadAttention`: the projections of several heads, and what to pass to `F.multi_head_attention_forward`.

The one thing to know about masks: here True *hides* a key; in `F.scaled_dot_product_attention` True shows it.
Read next: `transformer.py`.
"""

from __future__ import annotations

from typing import Any

import minitorch
from minitorch.nn import functional as F
from minitorch.nn import init
from minitorch.nn.functional.attention import canonical_mask
from minitorch.nn.modules.linear import NonDynamicallyQuantizableLinear
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import Parameter
from minitorch.tensor import Tensor

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """[head_1 … head_h] W_oᵀ + b_o with head_i = softmax(Q W_qᵢᵀ (K W_kᵢᵀ)ᵀ / √d) V W_vᵢᵀ and d = embed_dim / h.

    query (L, N, E), key (S, N, kdim), value (S, N, vdim) → ((L, N, E), the weights (N, L, S), averaged over the heads); without N for
    one sample, and with N first if batch_first. add_bias_kv: one key and value more, trained; add_zero_attn: one of zeros.
    (Vaswani et al., 2017)

    >>> attention, x = minitorch.nn.MultiheadAttention(8, num_heads=2, batch_first=True), minitorch.zeros(5, 3, 8)
    >>> out, weights = attention(x, x, x)
    >>> out.shape, weights.shape
    (minitorch.Size([5, 3, 8]), minitorch.Size([5, 3, 3]))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}")

        def parameter(exists: bool, *shape: int) -> Parameter | None:
            return Parameter(minitorch.empty(shape, device=device, dtype=dtype)) if exists else None

        same = self._qkv_same_embed_dim
        self.register_parameter("in_proj_weight", parameter(same, 3 * embed_dim, embed_dim))
        self.register_parameter("q_proj_weight", parameter(not same, embed_dim, embed_dim))
        self.register_parameter("k_proj_weight", parameter(not same, embed_dim, self.kdim))
        self.register_parameter("v_proj_weight", parameter(not same, embed_dim, self.vdim))
        self.register_parameter("in_proj_bias", parameter(bias, 3 * embed_dim))
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self.bias_k = parameter(add_bias_kv, 1, 1, embed_dim)
        self.bias_v = parameter(add_bias_kv, 1, 1, embed_dim)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Xavier-uniform projections in, Kaiming-uniform out (drawn by then); biases 0; keys and values of their own normal."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        masks = (attn_mask, key_padding_mask)
        of_floats = any(mask is not None and mask.is_floating_point() for mask in masks)
        key_padding_mask = canonical_mask(key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask")
        attn_mask = canonical_mask(attn_mask, "attn_mask", query.dtype)
        if query is key is value and not of_floats and self.is_fast(query):
            out, weights = self.attend_fast(query, key_padding_mask, attn_mask, average_attn_weights)
            return out, weights if need_weights else None
        return self._attend(query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal)

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None,
        need_weights: bool,
        attn_mask: Tensor | None,
        average_attn_weights: bool,
        is_causal: bool,
    ) -> tuple[Tensor, Tensor | None]:
        swapped = self.batch_first and query.ndim == 3
        if swapped:
            query, key, value = _each_once(lambda x: x.transpose(1, 0), query, key, value)
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads,
            self.in_proj_weight, self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn, self.dropout,
            self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask, need_weights, attn_mask,
            not self._qkv_same_embed_dim, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return out.transpose(1, 0) if swapped else out, weights

    # ---- where torch takes a kernel of its own, whose results differ ----

    def is_fast(self, x: Tensor) -> bool:
        """Whether torch would attend from x to x by its kernel for inference."""
        parameters = (self.in_proj_weight, self.in_proj_bias, self.out_proj.weight, self.out_proj.bias)
        if self.training or x.ndim != 3 or not self.batch_first or self.num_heads % 2 or self.add_zero_attn:
            return False
        if self.bias_k is not None or not all(p is not None and p.dtype is x.dtype for p in parameters):
            return False
        return not (minitorch.is_grad_enabled() and any(t.requires_grad for t in (x, *parameters)))

    def attend_fast(
        self, x: Tensor, key_padding_mask: Tensor | None, attn_mask: Tensor | None, average_attn_weights: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """The same, but that every number in a mask other than 0 hides, that nan is the mean of nothing, and that is_causal is no hint."""
        hiding = [None if m is None else canonical_mask(m != 0, "mask", x.dtype) for m in (key_padding_mask, attn_mask)]
        out, weights = self._attend(x, x, x, hiding[0], True, hiding[1], average_attn_weights, False)
        return out.contiguous(), weights


def _each_once(function: Any, *tensors: Tensor) -> list[Tensor]:
    """The function of each; tensors that were the same still are."""
    made = {id(x): function(x) for x in tensors}
    return [made[id(x)] for x in tensors]
