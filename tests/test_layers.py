"""Every layer and loss beside torch's (`reference/layers.py`), and what the table cannot say: dropout's statistics,
initialisation, clipping, and that every public layer has a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch import nn
from minitorch.nn.modules import __all__ as LAYERS
from reference.layers import ROWS, Row, worst_error

CONTAINERS = {
    "Container",
    "Module",
    "RNNBase",
    "RNNCellBase",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@given(data=st.data())
def test_layer(row: Row, data: Any) -> None:
    assert worst_error(row, data.draw) <= 1e-9


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=settings.default.max_examples // 2)
@given(data=st.data())
def test_layer_in_float32(row: Row, data: Any) -> None:
    assert worst_error(row, data.draw, "float32") <= 2e-5


def test_every_layer_has_a_row_and_a_docstring() -> None:
    modules = {name for name in LAYERS if issubclass(getattr(nn, name), nn.Module)}  # beside them are options, a dataclass
    assert modules - CONTAINERS == {row.name for row in ROWS}
    for name in LAYERS:
        assert getattr(nn, name).__doc__, name


# ---- dropout ----


def test_dropout_zeroes_a_share_and_keeps_the_mean() -> None:
    minitorch.manual_seed(0)
    x = minitorch.ones(100_000, requires_grad=True)
    y = nn.Dropout(0.3)(x)
    y.sum().backward()
    values = y.detach().numpy()
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((values == 0).mean() - 0.3) < 0.01
    assert np.array_equal(x.grad.numpy(), values), "backward must use the mask of forward"


def test_dropout_passes_in_evaluation_but_functional_drops_by_default() -> None:
    x = minitorch.ones(1000)
    assert nn.Dropout(0.5).eval()(x) is x
    assert bool((nn.functional.dropout(x) == 0).any())


def test_channel_dropout_drops_whole_channels() -> None:
    y = nn.Dropout2d(0.5)(minitorch.ones(8, 8, 3, 3)).numpy().reshape(64, 9)
    assert all(len(set(channel)) == 1 for channel in y)
    assert 0 < (y[:, 0] == 0).mean() < 1


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    minitorch.manual_seed(0)
    y = nn.AlphaDropout(0.2)(minitorch.randn(200_000)).numpy()
    assert abs(y.mean()) < 0.02
    assert abs(y.std() - 1) < 0.02


# ---- initialisation ----


def test_orthogonal_is_orthogonal() -> None:
    q = nn.init.orthogonal_(minitorch.empty(5, 8, dtype=minitorch.float64)).numpy()
    assert np.allclose(q @ q.T, np.eye(5))


def test_a_linear_layer_starts_as_torchs_from_the_same_seed() -> None:
    minitorch.manual_seed(3)
    torch.manual_seed(3)
    ours, theirs = nn.Linear(64, 128), torch.nn.Linear(64, 128)
    assert np.array_equal(ours.weight.detach().numpy(), theirs.weight.detach().numpy())
    assert np.array_equal(ours.bias.detach().numpy(), theirs.bias.detach().numpy())


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu", "conv2d"])
def test_gains(nonlinearity: str) -> None:
    assert nn.init.calculate_gain(nonlinearity) == torch.nn.init.calculate_gain(nonlinearity)
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        nn.init.calculate_gain("step")


# ---- clipping ----


def gradients(lib: Any, scale: float) -> list[Any]:
    rng = np.random.default_rng(0)
    params = [lib.zeros(shape, requires_grad=True) for shape in [(3, 2), (4,), ()]]
    for param in params:
        param.grad = lib.tensor((rng.standard_normal(tuple(param.shape)) * scale).tolist())
    return [*params, lib.zeros(2, requires_grad=True)]


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("scale", [1e-7, 0.1, 10.0])
def test_clip_by_norm(norm_type: float, scale: float) -> None:
    ours, theirs = gradients(minitorch, scale), gradients(torch, scale)
    a = nn.utils.clip_grad_norm_(ours, 1.0, norm_type)
    b = torch.nn.utils.clip_grad_norm_(theirs, 1.0, norm_type)
    assert np.allclose(a.item(), b.item(), rtol=1e-6)
    assert all(np.allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6) for x, y in zip(ours[:3], theirs[:3]))


def test_clip_by_value_and_refusal_of_nan() -> None:
    ours, theirs = gradients(minitorch, 1.0), gradients(torch, 1.0)
    nn.utils.clip_grad_value_(iter(ours), 0.5)
    torch.nn.utils.clip_grad_value_(iter(theirs), 0.5)
    assert all(np.array_equal(x.grad.numpy(), y.grad.numpy()) for x, y in zip(ours[:3], theirs[:3]))
    ours[0].grad[0] = float("nan")
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)


def test_parameters_as_a_vector_and_back() -> None:
    layer = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    nn.utils.vector_to_parameters(vector * 2, layer.parameters())
    assert np.allclose(nn.utils.parameters_to_vector(layer.parameters()).detach(), 2 * vector.detach().numpy())
