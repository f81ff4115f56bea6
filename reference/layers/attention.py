"""Rows of attention with several heads and of the layers made of it: masks of bools and of floats, padding, batches and single samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from .drawing import Arrays, Inner, flags, one_of, required
from .run import Row

E, N, LENGTHS = 8, 2, ((3, 5), (4, 4), (1, 2))


def sequences(choose: Any, rng: np.random.Generator, options: dict[str, Any], *sizes: tuple[int, int]) -> Arrays:
    """Arrays for sequences of so many steps and features: all batches, laid out as the layer wants them, or all single samples."""
    single = choose(one_of([False, False, True]))

    def one(length: int, features: int) -> np.ndarray:
        batch = (N, length, features) if options.get("batch_first") else (length, N, features)
        return rng.standard_normal((length, features) if single else batch)

    return [one(*size) for size in sizes]


def masks(choose: Any, rng: np.random.Generator, batched: bool, **sizes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Some of these masks, all of bools or all of floats: (L, S), or (S,) for a padding mask."""
    of_floats, seen, made = choose(flags), choose(one_of([0.0, 0.0, 0.7])), {}
    for name, shape in sizes.items():
        if not choose(flags):
            continue
        square = len(set(shape)) == 1 < len(shape)
        hidden = rng.random((N, *shape) if batched and len(shape) == 1 else shape) < 0.3
        if square and choose(flags):
            hidden = ~np.tri(len(hidden), dtype=bool)
        if len(shape) == 1 and choose(flags):
            hidden = np.sort(hidden, -1)  # the ends of sequences
        made[name] = np.where(hidden, -np.inf, seen) if of_floats else hidden
    return made


def attending(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Queries, keys and values, and what forward takes besides."""
    L, S = choose(one_of(LENGTHS))
    kdim, vdim = options.get("kdim", E), options.get("vdim", E)
    query, key, value = sequences(choose, rng, options, (L, E), (S, kdim), (S, vdim))
    named: dict[str, Any] = masks(choose, rng, query.ndim == 3, key_padding_mask=(S,), attn_mask=(L, S))
    named |= {name: False for name in ("need_weights", "average_attn_weights") if choose(flags)}
    if "attn_mask" in named and choose(flags):
        named["is_causal"] = True
    return [query, key, value, named]


def encoding(choose: Any, rng: np.random.Generator, options: dict[str, Any], mask: str = "src_mask") -> Arrays:
    S, _ = choose(one_of(LENGTHS))
    (src,) = sequences(choose, rng, options, (S, E))
    return [src, masks(choose, rng, src.ndim == 3, **{mask: (S, S)}, src_key_padding_mask=(S,))]


def decoding(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    T, S = choose(one_of(LENGTHS))
    tgt, memory = sequences(choose, rng, options, (T, E), (S, E))
    return [tgt, memory, masks(choose, rng, tgt.ndim == 3, tgt_mask=(T, T), memory_mask=(T, S),
                               tgt_key_padding_mask=(T,), memory_key_padding_mask=(S,))]  # fmt: skip


def translating(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    T, S = choose(one_of(LENGTHS))
    src, tgt = sequences(choose, rng, options, (S, E), (T, E))
    return [src, tgt, masks(choose, rng, src.ndim == 3, src_mask=(S, S), tgt_mask=(T, T), memory_mask=(T, S),
                            src_key_padding_mask=(S,), tgt_key_padding_mask=(T,), memory_key_padding_mask=(S,))]  # fmt: skip


layer = {
    "dropout": one_of([0.0, 0.3]), "activation": one_of(["relu", "gelu", "tanh"]), "layer_norm_eps": one_of([1e-5, 1e-3]),
    "batch_first": flags, "norm_first": flags, "bias": flags,
}  # fmt: skip
sizes = {"d_model": E, "nhead": one_of([1, 2, 3]), "dim_feedforward": 6}
stacked = {"num_layers": one_of([1, 2]), "norm": one_of([None, Inner("LayerNorm", {"normalized_shape": E})])}
whole = {"num_encoder_layers": 1, "num_decoder_layers": one_of([1, 2])}


def inner(name: str) -> Any:
    """A layer of which a stack is made."""
    return required(sizes, **layer).map(lambda options: Inner(name, options))


ROWS = [
    Row(
        "MultiheadAttention",
        required(
            {"embed_dim": E, "num_heads": one_of([1, 2, 3, 0])}, dropout=one_of([0.0, 0.3]), bias=flags, add_bias_kv=flags,
            add_zero_attn=flags, kdim=one_of([3, E]), vdim=one_of([5, E]), batch_first=flags,
        ),
        attending,
    ),
    Row(
        "TransformerEncoder",
        required({"encoder_layer": inner("TransformerEncoderLayer"), **stacked}, enable_nested_tensor=flags),
        lambda choose, rng, options: encoding(choose, rng, options["encoder_layer"].options, "mask"),
    ),
    Row(
        "TransformerDecoder",
        required({"decoder_layer": inner("TransformerDecoderLayer"), **stacked}),
        lambda choose, rng, options: decoding(choose, rng, options["decoder_layer"].options),
    ),
    Row("TransformerEncoderLayer", required(sizes, **layer), encoding),
    Row("TransformerDecoderLayer", required(sizes, **layer), decoding),
    Row("Transformer", required({**sizes, **whole}, **layer), translating),
]  # fmt: skip
