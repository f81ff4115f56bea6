"""Rows of `ops/attention.py`: batches of every rank, masks of both kinds, queries that may see no key, heads that share keys.

torch has one kernel for (N, heads, L, E) without dropout; everything else is made of its other ops. Both are drawn.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from minitorch.nn import functional as ours
from minitorch.ops.attention import attention

from ..strategies import Source, floats, of
from ..table import pair as any_pair

# Where there is nothing to see, torch's result hangs on the inputs by way of 0 times their sum. And it keeps copies of queries and
# keys, scaled, where it does not use its one kernel.
pair = functools.partial(any_pair, "scaled_dot_product_attention", empty=False, keeps_more="torch keeps scaled copies")


class hiding:
    """A mask of (…, L, S): of bools, or of 0 and −∞; every third row hides all keys."""

    is_array = True

    def __init__(self, of_bools: bool, *lead: str):
        self.of_bools, self.lead = of_bools, lead

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        shape = (*map(source.size, self.lead), case["query"].shape[-2], case["key"].shape[-2])
        seen = (source.rng.random(shape) < 0.6) & (source.rng.random((*shape[:-1], 1)) < 0.7)
        return seen if self.of_bools else np.where(seen, 0.0, -np.inf)


both = F.scaled_dot_product_attention, ours.scaled_dot_product_attention
matrices = {"query": floats("L E"), "key": floats("S E"), "value": floats("S V")}
batch = {"query": floats("N L E"), "key": floats("N S E"), "value": floats("N S V")}
blocks = {"query": floats("A B N L E"), "key": floats("A B N S E"), "value": floats("A B N S V")}
one_kernel = {"query": floats("N H L E"), "key": floats("N H S E"), "value": floats("N H S E")}
other_heads = {"query": floats("N 4 L 2"), "key": floats("N 2 S 2"), "value": floats("N 2 S 3")}
apart = {"query": floats("A 1 L E"), "key": floats("1 H S E"), "value": floats("H S V")}
scale = of(None, 0.5, 3)

for shapes in matrices, batch, one_kernel:
    special = shapes is not one_kernel  # it overlooks nan: a row of scores in which there is one may come out as 0
    pair(*both, **shapes, scale=scale, special=special)
    pair(*both, **shapes, is_causal=of(True), scale=scale, special=special)
    for mask in floats("L S"), hiding(False), hiding(True):
        pair(*both, **shapes, attn_mask=mask, special=special)
pair(*both, **one_kernel, attn_mask=hiding(True, "N", "H"), special=False)
pair(*both, **one_kernel, attn_mask=hiding(True, "H"))
pair(*both, **one_kernel, attn_mask=floats("S"))
pair(*both, **one_kernel, enable_gqa=of(True), special=False)
pair(*both, **other_heads, enable_gqa=of(True, False))
pair(*both, **apart)
pair(*both, **blocks, scale=of(-0.5, 0.0))
pair(*both, **matrices, attn_mask=floats("A L S"), is_causal=of(False, True))
pair(*both, query=floats("L E"), key=floats("S F"), value=floats("T V"))


class dropped:
    """Noise as dropout has it, 0 or 2."""

    is_array = True

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        shape = (*case["query"].shape[:-1], case["key"].shape[-2])
        return 2.0 * (source.rng.random(shape) < 0.5)


def theirs(query: Any, key: Any, value: Any, noise: Any) -> Any:
    return (torch._safe_softmax(query @ key.transpose(-1, -2) / 2, -1) * noise) @ value


def with_noise(query: Any, key: Any, value: Any, noise: Any) -> Any:
    """(softmax(Q Kᵀ / 2) ∘ N) V"""
    return attention(query, key, value, None, noise, 0.5, False, False)[0]


# half: what users call converts before it comes here.
any_pair(
    "attention", theirs, with_noise, **batch, noise=dropped(), empty=False, half=np.inf, ours_alone="torch's draws its noise itself"
)  # fmt: skip
