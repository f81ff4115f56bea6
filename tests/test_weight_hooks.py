"""The old weight_norm and spectral_norm, fusion, skip_init, stateless: each scenario runs on both libraries."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from both import Scenarios, agree, assert_runs_the_same, assert_same

scenarios = Scenarios()


@scenarios.parametrize
def test_weights(scenario: Callable[[Any], Any]) -> None:
    assert_runs_the_same(scenario)


def numbers(lib, *shape):
    return lib.arange(float(np.prod(shape)), dtype=lib.float64).sin().reshape(shape) + 0.1


def layer(lib, kind="Linear", **options):
    sizes = {"Linear": (3, 4), "Conv1d": (3, 4, 2), "ConvTranspose1d": (3, 4, 2), "Bilinear": (3, 3, 2)}[kind]
    made = getattr(lib.nn, kind)(*sizes, dtype=lib.float64, **options)
    with lib.no_grad():
        for param in made.parameters():
            param.copy_(numbers(lib, *param.shape))
    return made


def trained(lib, m, x, steps=3):
    """What happens in some steps: outputs, gradients, the state after them."""
    seen = []
    for _ in range(steps):
        m.zero_grad()
        out = m(x)
        (out * numbers(lib, *out.shape)).sum().backward()
        seen.append((out, {name: p.grad for name, p in m.named_parameters()}))
        with lib.no_grad():
            for p in m.parameters():
                p -= 0.1 * p.grad
    return seen, dict(m.state_dict())


# ---- weight norm ----


@pytest.mark.parametrize("dim", [0, 1, -1, None])
@pytest.mark.parametrize("kind", ["Linear", "Conv1d"])
def test_weight_norm(kind: str, dim: int | None) -> None:
    def scenario(lib):
        m = lib.nn.utils.weight_norm(layer(lib, kind), dim=dim)
        x = numbers(lib, 2, 3) if kind == "Linear" else numbers(lib, 2, 3, 5)
        told = m, [n for n, _ in m.named_parameters()], m.weight.grad_fn.name(), type(m.weight).__name__
        after = trained(lib, m, x)
        lib.nn.utils.remove_weight_norm(m)
        return told, after, m(x), list(m.state_dict()), m.weight.is_leaf, len(m._forward_pre_hooks)

    assert_runs_the_same(scenario)


@scenarios.add
def weight_norm_twice(lib):
    return lib.nn.utils.weight_norm(lib.nn.utils.weight_norm(layer(lib)))


@scenarios.add
def weight_norm_of_two_parameters(lib):
    m = layer(lib)
    lib.nn.utils.weight_norm(lib.nn.utils.weight_norm(m, "bias"), dim=1)
    return list(m.state_dict().items()), m(numbers(lib, 2, 3))


@scenarios.add
def weight_norm_that_is_not_there(lib):
    return lib.nn.utils.remove_weight_norm(layer(lib))


@scenarios.add
def weight_norm_of_a_lazy_layer(lib):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = lib.nn.LazyLinear(3)
    return lib.nn.utils.weight_norm(m)


@scenarios.add
def norms_of_all_but_a_dimension(lib):
    v, told = numbers(lib, 2, 3, 4).requires_grad_(), []
    for dim in (0, 1, 2, -1, -2):
        told.append((dim, lib.norm_except_dim(v, 2, dim)))
    for dim, of in ((3, v), (-4, v), (0, v.sum())):
        try:
            lib.norm_except_dim(of, 2, dim)
        except IndexError:
            told.append("IndexError")
    return told


# ---- spectral norm ----


@pytest.mark.parametrize("options", [{}, {"n_power_iterations": 3}, {"dim": 1}, {"eps": 0.5}], ids=str)
@pytest.mark.parametrize("kind", ["Linear", "Conv1d", "ConvTranspose1d"])
def test_spectral_norm(kind: str, options: dict[str, Any]) -> None:
    def scenario(lib):
        lib.manual_seed(3)
        m = lib.nn.utils.spectral_norm(layer(lib, kind), **options)
        x = numbers(lib, 2, 3) if kind == "Linear" else numbers(lib, 2, 3, 5)
        told = m, [n for n, _ in m.named_buffers()], m.weight, lib.rand(1), m.state_dict()._metadata
        after = trained(lib, m, x)
        state = {k: v.clone() for k, v in m.state_dict().items()}
        evaluated = m.eval()(x)
        m.load_state_dict(state)
        lib.nn.utils.remove_spectral_norm(m)
        return told, after, evaluated, list(m.state_dict()), m(x), len(m._forward_pre_hooks), len(m._state_dict_hooks)

    assert_runs_the_same(scenario)


@scenarios.add
def spectral_norm_of_two_forwards(lib):
    m = lib.nn.utils.spectral_norm(layer(lib))
    m.weight_u.copy_(numbers(lib, 4))
    (m(numbers(lib, 2, 3)).sum() - m(numbers(lib, 2, 3) + 1).sum()).backward()
    return m.weight_orig.grad


@scenarios.add
def spectral_norm_twice(lib):
    return lib.nn.utils.spectral_norm(lib.nn.utils.spectral_norm(layer(lib)))


@scenarios.add
def spectral_norm_of_no_steps(lib):
    return lib.nn.utils.spectral_norm(layer(lib), n_power_iterations=0)


@scenarios.add
def spectral_norm_of_no_parameter(lib):
    return lib.nn.utils.spectral_norm(layer(lib, bias=False), "bias")


@scenarios.add
def spectral_norm_that_is_not_there(lib):
    return lib.nn.utils.remove_spectral_norm(layer(lib))


def states(lib, m):
    """States of several ages of a layer with spectral norm."""
    now = m.state_dict()
    bare = dict(now)
    old = {k: v for k, v in bare.items() if not k.endswith("_v")}
    sigma = m.weight_u.dot(m.weight_orig.mv(m.weight_v))
    return {"now": now, "bare": bare, "old": {**old, "weight": (m.weight_orig / sigma).detach()}, "half": old}


@pytest.mark.parametrize("age", ["now", "bare", "old", "half"])
@pytest.mark.parametrize("strict", [True, False])
def test_spectral_norm_loads(age: str, strict: bool) -> None:
    def scenario(lib):
        m = lib.nn.utils.spectral_norm(layer(lib))
        m.weight_u.copy_(numbers(lib, 4) / numbers(lib, 4).norm())
        m.weight_v.copy_(numbers(lib, 3) / numbers(lib, 3).norm())
        other = lib.nn.utils.spectral_norm(layer(lib))
        other.weight_u.fill_(1), other.weight_v.fill_(1)
        told = other.load_state_dict(states(lib, m)[age], strict=strict)
        return told, dict(other.state_dict()), other.eval()(numbers(lib, 2, 3))

    assert_runs_the_same(scenario)


def test_a_layer_loads_again_without_spectral_norm() -> None:
    """(torch's still asks for what was removed.)"""
    m = minitorch.nn.utils.remove_spectral_norm(minitorch.nn.utils.spectral_norm(minitorch.nn.Linear(2, 2)))
    assert str(m.load_state_dict(minitorch.nn.Linear(2, 2).state_dict())) == "<All keys matched successfully>"


# ---- fusion ----


def batch_norm(lib, features=4, kind="BatchNorm1d", **options):
    made = getattr(lib.nn, kind)(features, dtype=lib.float64, **options).eval()
    for t in made.state_dict().values():
        if t.is_floating_point():
            t.copy_(numbers(lib, *t.shape).abs())
    return made


@pytest.mark.parametrize("options", [{}, {"affine": False}, {"bias": False}, {"eps": 0.5}], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["Linear", "Conv1d", "ConvTranspose1d"])
def test_fusion(kind: str, bias: bool, options: dict[str, Any]) -> None:
    def scenario(lib):
        first, bn = layer(lib, kind, bias=bias).eval(), batch_norm(lib, **options)
        first.weight.requires_grad_(False)
        fuse = lib.nn.utils.fuse_linear_bn_eval if kind == "Linear" else lib.nn.utils.fuse_conv_bn_eval
        fused = fuse(first, bn, *[True] if "Transpose" in kind else [])
        x = numbers(lib, 2, 3) if kind == "Linear" else numbers(lib, 2, 3, 5)
        same = bool((fused(x) - bn(first(x))).abs().max() < 1e-9)
        grads = [p.requires_grad for p in fused.parameters()]
        return fused, dict(fused.state_dict()), same, grads, fused is first, list(first.state_dict())

    if kind == "Linear" and options in ({"affine": False}, {"bias": False}):
        assert assert_same(lambda lib: type(failing(lambda: scenario(lib))).__name__) in ("TypeError", "AttributeError")
    else:
        assert_runs_the_same(scenario)


def failing(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return error


@scenarios.add
def fusion_in_training(lib):
    return lib.nn.utils.fuse_conv_bn_eval(layer(lib, "Conv1d"), batch_norm(lib))


@scenarios.add
def fusion_of_other_features(lib):
    return lib.nn.utils.fuse_linear_bn_eval(layer(lib).eval(), batch_norm(lib, 3))


@scenarios.add
def fusion_of_one_feature(lib):
    return dict(lib.nn.utils.fuse_linear_bn_eval(layer(lib).eval(), batch_norm(lib, 1)).state_dict())


@scenarios.add
def fusion_without_statistics(lib):
    return lib.nn.utils.fuse_conv_bn_eval(layer(lib, "Conv1d").eval(), batch_norm(lib, track_running_stats=False))


@scenarios.add
def fusion_keeps_the_dtype(lib):
    conv = lib.nn.Conv1d(3, 4, 2, dtype=lib.float32).eval()
    return [p.dtype == lib.float32 for p in lib.nn.utils.fuse_conv_bn_eval(conv, batch_norm(lib)).parameters()]


# ---- others ----


@scenarios.add
def skip_init_draws_nothing(lib):
    lib.manual_seed(0)
    made = lib.nn.utils.skip_init(lib.nn.Linear, 3, 4, bias=False, dtype=lib.float64)
    return made, {k: (v.shape, str(v.dtype)[-7:]) for k, v in made.state_dict().items()}, lib.rand(1)


@pytest.mark.parametrize("given", [("ReLU",), ("Tensor",), (3,), ("Linear",), ("Linear", 1, 2, 3, 4, 5, 6, 7)], ids=str)
def test_skip_init_refuses(given: tuple) -> None:
    def scenario(lib):
        first = getattr(lib.nn, given[0], lib.Tensor) if isinstance(given[0], str) else given[0]
        return type(failing(lambda: lib.nn.utils.skip_init(first, *given[1:]))).__name__

    assert assert_same(scenario) in ("RuntimeError", "TypeError")


@scenarios.add
def stateless_call_of_old(lib):
    m = layer(lib)
    given = {"weight": numbers(lib, 4, 3) * 2}
    return lib.nn.utils.stateless.functional_call(m, given, numbers(lib, 2, 3)), m(numbers(lib, 2, 3))


@scenarios.add
def stateless_call_gives_back_what_was_assigned(lib):
    class Counting(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", lib.zeros(1))

        def forward(self, x):
            self.count = self.count + 1
            return x + self.count

    m, given = Counting(), {"count": lib.ones(1) * 5}
    out = lib.nn.utils.stateless.functional_call(m, given, lib.ones(1))
    again = {"count": lib.ones(1) * 7}
    return out, given, m.count, lib.func.functional_call(m, again, (lib.ones(1),)), again


def test_stateless_call_of_data_parallel_is_refused() -> None:
    refused = agree(lambda lib: lib.func.functional_call(lib.nn.DataParallel(layer(lib)), {}, (numbers(lib, 2, 3),)))
    assert refused.kind == "RuntimeError"


@scenarios.add
def clipping_by_its_old_name(lib):
    x = lib.ones(3, requires_grad=True)
    x.grad = lib.ones(3) * 2
    return lib.nn.utils.clip_grad_norm([x], 1.0), x.grad


def test_nothing_of_torchs_is_missing() -> None:
    """(What is listed is another room's.)"""
    elsewhere = {
        "parametrizations",
        "parametrize",
        "convert_conv2d_weight_memory_format",
        "convert_conv3d_weight_memory_format",
    }
    assert set(torch.nn.utils.__all__) - set(minitorch.nn.utils.__all__) <= elsewhere
