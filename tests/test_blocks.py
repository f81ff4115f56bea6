"""Blocks change no number: what large arrays are cut into gives what the whole gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

import minitorch
import minitorch.nn.functional as F
from minitorch.arrays import blocks
from minitorch.ops.activation import gelu

FUNCTIONS: dict[str, Callable[[Any, int], Any]] = {
    "softmax": lambda x, dim: F.softmax(x, dim),
    "log_softmax": lambda x, dim: F.log_softmax(x, dim),
    "layer_norm": lambda x, dim: F.layer_norm(x, x.shape[1:]),
    "group_norm": lambda x, dim: F.group_norm(x, 1),
    "batch_norm": lambda x, dim: F.batch_norm(x, None, None, training=True),
    "gelu": lambda x, dim: F.gelu(x),
    "gelu, tanh": lambda x, dim: F.gelu(x, approximate="tanh"),
}
GRADIENTS: dict[str, Callable[[Any, Any], Any]] = {
    "of its own": lambda y, g: g,
    "expanded": lambda y, g: g[:1].expand_as(y),
    "turned": lambda y, g: g.transpose(0, 1).contiguous().transpose(0, 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.lists(st.integers(2, 7), min_size=2, max_size=4),
    dim=st.integers(-4, 3),
    block=st.integers(1, 60),
    turned=st.booleans(),
    upstream=st.sampled_from(sorted(GRADIENTS)),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_blocks_give_what_the_whole_gives(name, seed, shape, dim, block, turned, upstream, dtype) -> None:
    dim %= len(shape)
    rng = np.random.default_rng(seed)
    x, g = (minitorch.tensor(rng.standard_normal(shape).astype(dtype) * 3) for _ in range(2))
    if turned:
        x = x.transpose(0, -1).contiguous().transpose(0, -1)

    def value_and_gradient() -> list[np.ndarray]:
        leaf = x.detach().requires_grad_()
        y = FUNCTIONS[name](leaf, dim - len(shape) if seed % 2 else dim)
        y.backward(GRADIENTS[upstream](y, g))
        return [y.detach().numpy(), leaf.grad.numpy()]

    whole = value_and_gradient()
    with mock.patch.object(blocks, "BLOCK", block):
        cut = value_and_gradient()
    for a, b in zip(whole, cut):
        scale = max(np.abs(a).max(), 1)
        np.testing.assert_allclose(
            b, a, rtol=0, atol=16 * np.finfo(dtype).eps * scale
        )  # NumPy sums few rows in another order


def test_a_block_is_as_many_whole_rows_as_fit() -> None:
    seen: list[int] = []
    with mock.patch.object(blocks, "BLOCK", 10):
        blocks.by_rows(lambda a, b: seen.append(a.size) or a + b, np.ones((7, 4)), np.ones((7, 1)))
    assert seen == [8, 8, 8, 4]


def test_steps_that_are_recorded_are_not_cut() -> None:
    x = minitorch.randn(6, 5, requires_grad=True)
    with mock.patch.object(blocks, "BLOCK", 4):
        (g,) = minitorch.autograd.grad((x.softmax(-1) ** 2).sum(), x, create_graph=True)
    (second,) = minitorch.autograd.grad(g.square().sum(), x)
    assert second.abs().sum() > 0


def test_elementwise_results_lie_as_their_inputs_do() -> None:
    x = minitorch.randn(5, 3).t()
    assert x.stride() == F.gelu(x).stride() == (1, 3)


def test_gelu_in_float32_is_within_its_claim() -> None:
    x = np.linspace(-9, 9, 400_001, dtype=np.float32)
    exact = x.astype(float) * ndtr(x.astype(float))
    error = np.abs(gelu(minitorch.tensor(x)).double().numpy() - exact)
    assert (error <= 2e-7 * np.maximum(np.abs(x), 1)).all(), error.max()
