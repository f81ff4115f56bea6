"""Attention beside torch's, where rows of the table do not reach: its random stream, writes, kernels that may be chosen, old faults."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import minitorch

BOTH = pytest.mark.parametrize("lib", [minitorch, torch], ids=["minitorch", "torch"])


def three(lib: Any, *batch: int, grad: bool = True) -> list[Any]:
    """Queries, keys and values, the same in both libraries."""
    rng = np.random.default_rng(0)
    sizes = ((3, 4), (5, 4), (5, 4))
    return [lib.from_numpy(rng.standard_normal((*batch, *size))).requires_grad_(grad) for size in sizes]


def attend(lib: Any, *batch: int, **options: Any) -> Any:
    return lib.nn.functional.scaled_dot_product_attention(*three(lib, *batch), **options)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (2, 2, 3)], ids=str)
@pytest.mark.parametrize("p", [0.4, 1.0])
def test_dropout_draws_as_torch(batch: tuple, p: float) -> None:
    found = []
    for lib in (minitorch, torch):
        lib.manual_seed(7)
        out = attend(lib, *batch, dropout_p=p)
        out.sum().backward()
        found.append((out.detach().numpy(), float(lib.rand(1))))
    assert np.allclose(found[0][0], found[1][0], atol=1e-12)
    assert found[0][1] == found[1][1], "the generator stands elsewhere"


def test_nodes_go_by_torchs_names() -> None:
    for batch in [(), (2,), (2, 3)]:
        for options in ({}, {"dropout_p": 0.5}, {"is_causal": True}):
            ours, theirs = (attend(lib, *batch, **options) for lib in (minitorch, torch))
            assert ours.grad_fn.name() == theirs.grad_fn.name(), (batch, options)
            assert ours.stride() == theirs.stride()


@BOTH
def test_the_result_may_be_written_to(lib: Any) -> None:
    out = attend(lib, 2)
    out += 1
    out.sum().backward()


@BOTH
def test_a_result_lies_in_memory_as_queries_do_where_one_kernel_makes_it(lib: Any) -> None:
    q, k, v = three(lib, 2, 3)
    turned = q.detach().transpose(1, 2).contiguous().transpose(1, 2)
    assert lib.nn.functional.scaled_dot_product_attention(turned, k, v).stride() == turned.stride() != q.stride()


@BOTH
def test_kernels_that_may_be_used(lib: Any) -> None:
    SDPBackend, sdpa_kernel = lib.nn.attention.SDPBackend, lib.nn.attention.sdpa_kernel
    with sdpa_kernel(SDPBackend.MATH):
        assert attend(lib, 2, 3).grad_fn.name() == "UnsafeViewBackward0"
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        assert attend(lib, 2, 3).grad_fn.name() == "ScaledDotProductFlashAttentionForCpuBackward0"
    for allowed in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, []):
        with warnings.catch_warnings(), sdpa_kernel(allowed), pytest.raises(RuntimeError, match=r"No (available|viable)"):
            warnings.simplefilter("ignore")  # torch says why
            attend(lib, 2)
    with pytest.raises(AssertionError, match="SDPBackend"), sdpa_kernel("math"):
        pass
    assert attend(lib, 2).shape == (2, 3, 4)


@BOTH
def test_causal_masks_by_name(lib: Any) -> None:
    from_torch = __import__(f"{lib.__name__}.nn.attention.bias", fromlist=["bias"])
    last_sees_all = from_torch.causal_lower_right(3, 5)
    out = lib.nn.functional.scaled_dot_product_attention(*three(lib, 2, 3, grad=False), attn_mask=last_sees_all)
    everything = attend(lib, 2, 3)
    assert np.allclose(out[:, :, -1].numpy(), everything[:, :, -1].detach().numpy())
    assert not np.allclose(out[:, :, 0].numpy(), everything[:, :, 0].detach().numpy())


@BOTH
def test_copies_of_a_decoder_layer_lose_an_activation_that_is_a_module(lib: Any) -> None:
    """A fault of torch's, which gives its stacks their numbers: relu stands before the module in every copy."""
    layer = lib.nn.TransformerDecoderLayer(4, 2, 8, activation=lib.nn.GELU())
    stack = lib.nn.TransformerDecoder(layer, 1)
    assert layer.activation is not lib.nn.functional.relu
    assert stack.layers[0].activation is lib.nn.functional.relu


@BOTH
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_what_the_ends_of_sequences_become(lib: Any) -> None:
    layer = lib.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    stack, x = lib.nn.TransformerEncoder(layer, 2).eval(), lib.ones(2, 3, 4)
    ends = lib.tensor([[False, False, True], [False, False, False]])
    assert (stack(x, src_key_padding_mask=ends)[0, 2] != 0).all(), "recorded: as computed"
    with lib.no_grad():
        out = stack(x, src_key_padding_mask=ends)
        assert (out[0, 2] == 0).all() and (out[1] != 0).all()
        assert (stack(x, src_key_padding_mask=ends.flip(1))[0, 0] != 0).all(), "a beginning, not an end"


@BOTH
def test_a_stack_says_why_it_does_not_cut_padding_off(lib: Any) -> None:
    with pytest.warns(UserWarning, match="self.use_nested_tensor is False because encoder_layer.norm_first was True"):
        lib.nn.TransformerEncoder(lib.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=True), 1)
