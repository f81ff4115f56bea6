"""Values and gradients at the edges: far from one, at nan, of nothing, of repeated indices; and each property of a tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from both import Scenarios, agree, outcome
from minitorch.arrays import warning

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


@SCENARIOS.parametrize
def test_at_the_edges(scenario: Any) -> None:
    agree(scenario)


def tried(call: Any) -> Any:
    """What a call returns, or the kind of error it ends with."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


# ---- far from one ----


@scenario
def one_huge_number_has_a_norm(lib):
    found = []
    for size in (1e30, 3e-30, 1e38):
        x = lib.tensor([[size]], requires_grad=True)
        for p in (2, 3, 1, 0, -1, math.inf):
            for dim in (None, 0, (0, 1)):
                norm = x.norm(p, dim)
                x.grad = None
                norm.sum().backward()
                found += [str((norm / size).tolist()), str(x.grad)]
        x.grad = lib.tensor([[size]])
        lib.nn.utils.clip_grad_norm_([x], 1.0)
        found.append(x.grad)
    return found


@scenario
def deviation_of_huge_and_tiny_numbers(lib):
    found = []
    for size in (1e20, 1e30, 1e-25, 1e-38):
        x = lib.tensor([[size, -size, 2 * size]], requires_grad=True)
        for dim in (None, 1, (0, 1)):
            std, (again, mean) = x.std(dim), lib.std_mean(x, dim)
            (grad,) = lib.autograd.grad(std.sum() + again.sum(), x)
            found += [(std / size).tolist(), (mean / size).tolist(), grad, x.var(dim) / size]
    return found


@scenario
def both_moments_are_one_node(lib):
    x = lib.tensor([1.0, 2.0, 4.0], requires_grad=True)
    found = []
    for function in (lib.var_mean, lib.std_mean):
        spread, mean = function(x)
        found += [type(function(x)).__name__, spread.grad_fn.name(), spread.grad_fn is mean.grad_fn, mean.output_nr]
    return found


# ---- powers ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [2, 3, 3.0, -1, -2, -0.5, 1, 0])
def test_small_powers_are_torchs_to_the_last_bit(exponent: float, dtype: str) -> None:
    numbers = np.random.default_rng(0).standard_normal(1000).astype(dtype)
    numbers[:10] = [0, -0.0, np.inf, -np.inf, np.nan, 1e20, -1e20, 1e-30, 1, -1]
    results = []
    for lib in (minitorch, torch):
        x = lib.from_numpy(numbers.copy()).requires_grad_()
        y = x**exponent
        (grad,) = lib.autograd.grad(y.sum(), x)
        results.append((y.detach().numpy(), grad.numpy()))
    (ours, our_grad), (theirs, their_grad) = results
    assert ours.tobytes() == theirs.tobytes() or np.array_equal(ours, theirs, equal_nan=True)
    if (
        exponent > 0
    ):  # the derivative by other exponents takes the power −1.5 or −3, which Sleef and NumPy round each in its own way
        assert np.array_equal(our_grad, their_grad, equal_nan=True)


# ---- nan, and numbers that are no probabilities ----


@scenario
def gradients_of_activations_at_nan(lib):
    F, found = lib.nn.functional, {}
    for name in (
        "relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "hardshrink", "softshrink", "leaky_relu", "elu", "celu", "selu",
        "gelu", "silu", "mish", "softplus", "logsigmoid", "softsign", "tanhshrink",
    ):  # fmt: skip
        x = lib.tensor([math.nan, 1.0, math.inf, -math.inf, 3.0, -3.0], requires_grad=True)
        getattr(F, name)(x).sum().backward()
        found[name] = [str(round(g, 5)) for g in x.grad.tolist()]  # nan, but not as a number: it is unequal to itself
    return found


@scenario
def targets_that_are_no_probabilities(lib):
    found = []
    for target in ([2.0, 0.0], [-1.0, 0.0], [math.nan, 0.0], [0.0, 1.0], [-0.0, 0.5]):
        p, y = lib.tensor([0.3, 0.6]), lib.tensor(target)
        for call in (lib.nn.functional.binary_cross_entropy, lib.nn.BCELoss(), lib.nn.BCELoss(reduction="none")):
            found.append(tried(lambda call=call, p=p, y=y: call(p, y)))
    return found


@scenario
def numbers_in_the_place_of_infinities(lib):
    x = [math.inf, -math.inf, math.nan, 1.0]
    dtypes = (lib.float16, lib.bfloat16, lib.float32, lib.float64)
    return [str(lib.tensor(x, dtype=d).nan_to_num(posinf=p).tolist()) for d in dtypes for p in (None, 2.0)]


@scenario
def signs_of_zeros(lib):
    F, found = lib.nn.functional, {}
    for dtype in (lib.float32, lib.float64, lib.float16):
        for count in (1, 9, 70):
            x = lib.full((count,), -0.0, dtype=dtype)
            zeros = [
                F.relu(x),
                F.relu6(x),
                F.hardtanh(x, 0.0, 1.0),
                x.clamp(0, 1),
                x.clamp(min=0.0),
                x.clamp_min(0),
                x.erfinv(),
                x.clamp(-1, 0),
            ]
            found[str(dtype)[-7:], count] = [(1 / z).tolist() for z in zeros]
    return found


# ---- repeated indices ----


@scenario
def a_value_filled_in_twice(lib):
    found = []
    for shape, dim, index in [((4, 2), 0, [1, 1, 2]), ((4, 2), -1, [0, 0]), ((3,), 0, [2, 0, 2, 2]), ((), 0, [0, 0])]:
        x, v = lib.ones(shape, requires_grad=True), lib.tensor(2.0, requires_grad=True)
        (x.index_fill(dim, lib.tensor(index), v) * 3).sum().backward()
        found += [v.grad, x.grad]
    return found


# ---- what has no derivative ----


@scenario
def an_op_without_a_derivative_is_recorded_and_refuses(lib):
    x, y = lib.tensor([1.5, 2.0, 0.0], requires_grad=True), lib.tensor([1.0, 1.0, 3.0])
    found = []
    for call in (
        lambda: lib.heaviside(x, y), lambda: lib.heaviside(y, x), lambda: x // 2.0, lambda: 5 // x, lambda: x.floor_divide(y),
        lambda: lib.bincount(lib.tensor([0, 1, 1]), x), lambda: (x * 1).heaviside_(y), lambda: (x * 1).floor_divide_(y),
    ) * 2:  # fmt: skip
        out = call()
        back = tried(lambda out=out: out.sum().backward())
        found += [out.requires_grad, out.grad_fn.name(), out.is_leaf, back]
    return found


@scenario
def what_is_no_float_needs_no_derivative(lib):
    x = lib.tensor([1.5, -2.0], requires_grad=True)
    calls = (
        lambda: x > 0, lambda: x == x, lambda: x.isnan(), lambda: x.argmax(), lambda: x.any(), lambda: x.count_nonzero(),
        lambda: lib.argwhere(x), lambda: x.logical_not(), lambda: lib.zeros_like(x), lambda: lib.ones_like(x), lambda: x.signbit(),
    ) * 2  # fmt: skip
    return [(out.requires_grad, out.grad_fn) for out in (call() for call in calls)]


# ---- properties and aliases ----

OWN_TESTS = {"grad_fn", "data", "__weakref__", "device"}


def properties_of(owner: type) -> set[str]:
    kinds = ("property", "getset_descriptor", "member_descriptor")
    return {name for name in dir(owner) if type(getattr(owner, name, None)).__name__ in kinds}


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (1, 2, 3, 4), (0, 2)])
@pytest.mark.parametrize("name", sorted(properties_of(minitorch.Tensor) - OWN_TESTS))
def test_properties(name: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def read(lib: Any) -> Any:
        x = lib.arange(float(math.prod(shape))).reshape(shape).requires_grad_()
        value = getattr(x, name)
        if not isinstance(value, lib.Tensor):
            return str(value)
        node = value.grad_fn and value.grad_fn.name()
        return value, list(value.shape), list(value.stride()), value._is_view(), value is x, node

    warning._told.clear()
    torch.set_warn_always(True)
    try:
        (ours, our_words), (theirs, words) = outcome(read, minitorch), outcome(read, torch)
    finally:
        torch.set_warn_always(False)
    assert ours == theirs
    assert [w for _, w in our_words] == [w.partition(" (Triggered internally")[0] for _, w in words]


@scenario
def bits_read_as_another_dtype(lib):
    x = lib.tensor([[1.0, 2.0], [-3.0, 0.5]], requires_grad=True)
    found = []
    for dtype in (lib.int32, lib.float32, lib.int16, lib.uint8, lib.float64, lib.int64, lib.bfloat16, lib.float16):
        y = tried(lambda dtype=dtype: x.detach().view(dtype))
        found += [y, list(getattr(y, "shape", ())), tried(lambda dtype=dtype: x.view(dtype=dtype).requires_grad)]
    for y in (lib.tensor(1.0), lib.ones(3), lib.ones(3, 2).t(), lib.ones(3, 4)[:, ::2]):
        found += [tried(lambda y=y, d=d: y.view(d)) for d in (lib.int32, lib.uint8, lib.int64)]
    z = lib.zeros(2)
    z.view(lib.int32)[0] = 1065353216
    return found, z, z._version


@scenario
def numbers_copied_into_a_tensor(lib):
    found = []
    for dtype in (lib.float32, lib.int64, lib.bool, lib.uint8):
        found += [lib.zeros(2, dtype=dtype).copy_(v) for v in (1.0, 1.7, 3, True, np.float64(2.5), np.int64(2))]
    x = lib.ones(2, requires_grad=True) * 2
    x.copy_(1.5).sum().backward()
    return found, x.grad_fn.name(), tried(lambda: x.copy_([1, 2]))


# ---- of nothing ----


@scenario
def losses_of_nothing(lib):
    F, found = lib.nn.functional, []
    for shape in ((0,), (0, 3), (2, 0), (0, 3, 2), (2, 3, 0)):
        for reduction in ("mean", "sum", "none"):
            for smoothing in (0.0, 0.2):
                x, y = lib.ones(shape, requires_grad=True), lib.ones(shape)
                loss = F.cross_entropy(x, y, reduction=reduction, label_smoothing=smoothing)
                loss.sum().backward()
                found += [str(loss.tolist()), x.grad]
    return found, lib.bincount(lib.tensor([], dtype=lib.int64), lib.ones(0))


@pytest.mark.parametrize("name", ["var", "std", "var_mean", "std_mean"])
@pytest.mark.parametrize(("shape", "dim"), [((1,), None), ((0, 3), 1), ((2, 1), 1), ((), None), ((2, 3), 0)])
def test_too_few_numbers_for_a_variance_are_warned_about(name: str, shape: tuple, dim: int | None) -> None:
    (_, ours), (_, theirs) = (
        outcome(lambda lib: str(getattr(lib, name)(lib.ones(shape), dim)), lib) for lib in (minitorch, torch)
    )
    assert ours == [(kind, words.partition(" (Triggered")[0]) for kind, words in theirs]


# ---- learning rates and betas that are tensors ----


@scenario
def rates_that_are_tensors(lib):
    found = []
    for dtype in (lib.float32, lib.float64):
        rates = 0.1, lib.tensor(0.1), lib.tensor([0.1]), lib.tensor(0.1, dtype=lib.float64)
        betas = (
            (0.9, 0.999),
            (lib.tensor(0.9), lib.tensor(0.999)),
            (lib.tensor([0.9]), lib.tensor([0.999])),
            (0.9, lib.tensor(0.5)),
        )
        for name in ("SGD", "Adam", "AdamW"):
            for lr in rates:
                for more in ({"betas": b} for b in betas) if name != "SGD" else ({}, {"momentum": 0.9}):
                    for decay in (0.0, 0.1):
                        options = {"lr": lr, "weight_decay": decay, **more}
                        found.append(tried(lambda name=name, o=options, dtype=dtype: steps(lib, name, dtype, o)))
    return found


def steps(lib: Any, name: str, dtype: Any, options: dict) -> list[str]:
    p = lib.nn.Parameter(lib.tensor([0.3, 0.7, -1.0], dtype=dtype))
    optimizer = getattr(lib.optim, name)([p], **options)
    for _ in range(3):  # β⁴ of a float32 tensor differs in the last bit, which 1 − β⁴ makes large
        optimizer.zero_grad()
        (p * p * p).sum().backward()
        optimizer.step()
    return [f"{x:.11g}" if dtype is lib.float64 else f"{x:.4g}" for x in p.tolist()]


# ---- states and samplers ----


@scenario
def states_of_old_batch_norms(lib):
    found = []
    for kind in (lib.nn.BatchNorm1d, lib.nn.BatchNorm2d, lambda n: lib.nn.BatchNorm1d(n, track_running_stats=False)):
        bn = lib.nn.Sequential(kind(2))
        whole = bn.state_dict()
        plain = {k: v for k, v in whole.items() if "num_batches" not in k}
        told = bn.state_dict()
        told.pop("0.num_batches_tracked", None)
        old = bn.state_dict()
        old.pop("0.num_batches_tracked", None)
        old._metadata["0"] = {"version": 1}
        found += [tried(lambda s=s, bn=bn: str(bn.load_state_dict(s))) for s in (whole, plain, told, old)]
        found += [str(whole._metadata["0"]), sorted(plain), str(bn.load_state_dict({}, strict=False))]
    return found


@scenario
def a_sampler_of_very_many_indices_begins_at_once(lib):
    lib.manual_seed(0)
    draws = iter(lib.utils.data.RandomSampler(range(64), replacement=True, num_samples=10**12))
    return [next(draws) for _ in range(70)]
