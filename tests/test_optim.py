"""Optimizers and schedules: numbers, state dicts, hooks and errors equal torch's."""

from __future__ import annotations

import copy
import pickle
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from both import Scenarios, assert_runs_the_same, assert_same_complaint
from minitorch.arrays.device import shortcuts
from reference.optimizers import ROWS, worst_error


@pytest.mark.parametrize("twins", [True, False], ids=["twins", "plain"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@given(data=st.data())
@settings(deadline=None)
def test_steps_equal_torchs(row, twins, data):
    with mock.patch.object(shortcuts, "enabled", twins):
        assert worst_error(row, data.draw) <= row.allowed


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@given(data=st.data())
@settings(deadline=None)
def test_steps_equal_torchs_in_float32(row, data):
    assert worst_error(row, data.draw, "float32") <= max(1e-4, row.allowed)


def test_every_optimizer_has_a_row():
    public = {
        name
        for name, value in vars(minitorch.optim).items()
        if isinstance(value, type) and issubclass(value, minitorch.optim.Optimizer)
    }
    assert public - {"Optimizer", "LBFGS"} == {row.name for row in ROWS}  # (LBFGS: test_lbfgs.py)


# ---- scenarios: each runs on both libraries --------------------------------------------------------------------

scenarios = Scenarios()


def leaf(lib, *values):
    return lib.tensor(list(values or (1.0, 2.0)), requires_grad=True)


def bad_call(make):
    """A scenario that only builds; `make(lib, leaf)` is expected to raise."""

    def build(lib):
        make(lib, leaf(lib))
        return "no error"

    return build


BAD_CALLS = {
    "sgd lr": lambda lib, x: lib.optim.SGD([x], lr=-1),
    "sgd momentum": lambda lib, x: lib.optim.SGD([x], momentum=-0.5),
    "sgd decay": lambda lib, x: lib.optim.SGD([x], weight_decay=-0.5),
    "nesterov without momentum": lambda lib, x: lib.optim.SGD([x], nesterov=True),
    "nesterov with dampening": lambda lib, x: lib.optim.SGD([x], nesterov=True, momentum=0.9, dampening=0.1),
    "adam lr": lambda lib, x: lib.optim.Adam([x], lr=-1),
    "adam eps": lambda lib, x: lib.optim.Adam([x], eps=-1e-8),
    "adam beta 0": lambda lib, x: lib.optim.Adam([x], betas=(1.0, 0.9)),
    "adam beta 1": lambda lib, x: lib.optim.Adam([x], betas=(0.9, -0.1)),
    "adam betas of ints": lambda lib, x: lib.optim.Adam([x], betas=(0, 0.9)),
    "fused and foreach": lambda lib, x: lib.optim.SGD([x], fused=True, foreach=True),
    "fused and differentiable": lambda lib, x: lib.optim.AdamW([x], fused=True, differentiable=True),
    "adam decay": lambda lib, x: lib.optim.AdamW([x], weight_decay=-1),
    "no parameters": lambda lib, x: lib.optim.SGD([], lr=0.1),
    "a tensor": lambda lib, x: lib.optim.SGD(x, lr=0.1),
    "not a tensor": lambda lib, x: lib.optim.SGD([1.0], lr=0.1),
    "a non-leaf": lambda lib, x: lib.optim.SGD([x * 2], lr=0.1),
    "a set": lambda lib, x: lib.optim.SGD([{"params": {x}}], lr=0.1),
    "a list as group": lambda lib, x: lib.optim.SGD([x], lr=0.1).add_param_group([x]),
    "shared": lambda lib, x: lib.optim.SGD([{"params": [x]}, {"params": [x]}], lr=0.1),
    "duplicate": lambda lib, x: lib.optim.SGD([x, x], lr=0.1),
    "some names missing": lambda lib, x: lib.optim.SGD([("a", x), leaf(lib)], lr=0.1),
    "group without names": lambda lib, x: lib.optim.SGD([("a", x)], lr=0.1).add_param_group({"params": leaf(lib)}),
    "nadam momentum decay": lambda lib, x: lib.optim.NAdam([x], momentum_decay=-1),
    "nadam beta": lambda lib, x: lib.optim.NAdam([x], betas=(0.9, 1.0)),
    "radam eps": lambda lib, x: lib.optim.RAdam([x], eps=-1),
    "adamax lr": lambda lib, x: lib.optim.Adamax([x], lr=-1),
    "adagrad lr decay": lambda lib, x: lib.optim.Adagrad([x], lr_decay=-1),
    "adagrad start": lambda lib, x: lib.optim.Adagrad([x], initial_accumulator_value=-1),
    "adagrad fused and foreach": lambda lib, x: lib.optim.Adagrad([x], fused=True, foreach=True),
    "adadelta rho": lambda lib, x: lib.optim.Adadelta([x], rho=1.5),
    "rmsprop alpha": lambda lib, x: lib.optim.RMSprop([x], alpha=-0.1),
    "rmsprop momentum": lambda lib, x: lib.optim.RMSprop([x], momentum=-0.1),
    "rprop etas": lambda lib, x: lib.optim.Rprop([x], etas=(0.5, 0.9)),
    "asgd decay": lambda lib, x: lib.optim.ASGD([x], weight_decay=-1),
    "adafactor lr": lambda lib, x: lib.optim.Adafactor([x], lr=-1),
    "adafactor beta2": lambda lib, x: lib.optim.Adafactor([x], beta2_decay=0.1),
    "adafactor eps": lambda lib, x: lib.optim.Adafactor([x], eps=(None, -1)),
    "adafactor d": lambda lib, x: lib.optim.Adafactor([x], d=0.5),
    "muon of a vector": lambda lib, x: lib.optim.Muon([x]),
    "muon momentum": lambda lib, x: lib.optim.Muon([x], momentum=-1),
    "lr of nan": lambda lib, x: lib.optim.Adamax([x], lr=0 * 1e999),
    "not an optimizer": lambda lib, x: lib.optim.lr_scheduler.StepLR(x, 2),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls_fail_as_in_torch(name):
    assert_same_complaint(bad_call(BAD_CALLS[name]))


@scenarios.add
def groups_and_their_options(lib):
    optimizer = lib.optim.SGD([{"params": leaf(lib)}, {"params": [leaf(lib)], "lr": 0.5}], lr=0.1, momentum=0.9)
    optimizer.add_param_group({"params": (leaf(lib) for _ in range(2)), "weight_decay": 0.1})
    return [(g["lr"], g["momentum"], g["weight_decay"], len(g["params"])) for g in optimizer.param_groups]


@scenarios.add
def state_dict_layout(lib):
    a, b, c = leaf(lib), leaf(lib), leaf(lib)
    optimizer = lib.optim.Adam([{"params": [a, b]}, {"params": [c], "lr": 0.5}], amsgrad=True)
    a.grad, c.grad = lib.ones(2), lib.zeros(2)
    optimizer.step()
    state_dict = optimizer.state_dict()
    return state_dict["state"], [group["params"] for group in state_dict["param_groups"]]


@scenarios.add
def options_in_the_state_dict(lib):
    optimizers = [
        lib.optim.SGD([leaf(lib)], fused=True),
        lib.optim.Adam([leaf(lib)], foreach=True),
        lib.optim.AdamW([leaf(lib)]),
    ]
    return [(list(group), group) for optimizer in optimizers for group in optimizer.state_dict()["param_groups"]]


@scenarios.add
def fused_on_the_cpu(lib):
    x = lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
    x.grad = lib.tensor([0.5, -0.25], dtype=lib.float64)
    optimizers = [lib.optim.SGD([x], momentum=0.9, fused=True), lib.optim.Adam([x], fused=True)]
    for optimizer in optimizers * 2:
        optimizer.step()
    return x, [optimizer.state_dict() for optimizer in optimizers]


@scenarios.add
def named_parameters_keep_their_names(lib):
    optimizer = lib.optim.SGD([("w", leaf(lib)), ("b", leaf(lib))], lr=0.1)
    state_dict = optimizer.state_dict()
    other = lib.optim.SGD([("v", leaf(lib)), ("c", leaf(lib))], lr=0.2)
    other.load_state_dict(state_dict)
    return state_dict["param_groups"][0]["param_names"], other.param_groups[0]["param_names"]


@scenarios.add
def loading_another_number_of_groups(lib):
    two = lib.optim.SGD([{"params": leaf(lib)}, {"params": leaf(lib)}], lr=0.1)
    lib.optim.SGD([leaf(lib)], lr=0.1).load_state_dict(two.state_dict())


@scenarios.add
def loading_another_number_of_parameters(lib):
    two = lib.optim.SGD([leaf(lib), leaf(lib)], lr=0.1)
    lib.optim.SGD([leaf(lib)], lr=0.1).load_state_dict(two.state_dict())


@scenarios.add
def loaded_state_takes_the_parameters_dtype(lib):
    single, double = leaf(lib), lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
    first, second = lib.optim.Adam([single]), lib.optim.Adam([double], lr=7.0)
    single.grad = lib.ones(2)
    first.step()
    second.load_state_dict(first.state_dict())
    return second.state_dict()["state"], second.param_groups[0]["lr"]


@scenarios.add
def adamw_stays_decoupled_after_loading_adams_state(lib):
    adam, adamw = lib.optim.Adam([leaf(lib)]), lib.optim.AdamW([leaf(lib)])
    adamw.load_state_dict(adam.state_dict())
    return adamw.param_groups[0]["decoupled_weight_decay"], adamw.param_groups[0]["weight_decay"]


@scenarios.add
def no_state_without_gradient_or_momentum(lib):
    x = leaf(lib)
    plain, adam = lib.optim.SGD([x], lr=0.1), lib.optim.Adam([x])
    adam.step()
    x.grad = lib.ones(2)
    plain.step()
    return len(plain.state), len(adam.state), x


@scenarios.add
def zero_grad(lib):
    x, y = leaf(lib), leaf(lib)
    optimizer = lib.optim.SGD([x, y], lr=0.1)
    (x * x).sum().backward()
    kept = x.grad
    optimizer.zero_grad(set_to_none=False)
    zeroed = kept is x.grad, x.grad.tolist(), y.grad
    optimizer.zero_grad()
    return zeroed, x.grad


@scenarios.add
def closures_are_recorded_and_their_loss_returned(lib):
    x = leaf(lib)
    optimizer = lib.optim.SGD([x], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    with lib.no_grad():
        losses = [optimizer.step(closure) for _ in range(3)]
    return losses, x, optimizer.step()


@scenarios.add
def step_hooks(lib):
    x, calls = leaf(lib), []
    optimizer = lib.optim.SGD([x], lr=0.1)
    pre = optimizer.register_step_pre_hook(lambda opt, args, kwargs: calls.append(("pre", len(args), kwargs)))
    optimizer.register_step_post_hook(lambda opt, args, kwargs: calls.append(("post", opt is optimizer)))
    optimizer.step()
    pre.remove()
    optimizer.step(closure=None)
    return calls


@scenarios.add
def a_step_hook_may_change_the_arguments(lib):
    optimizer = lib.optim.SGD([leaf(lib)], lr=0.1)
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: ((opt, lambda: "loss"), {}))
    return optimizer.step()


@scenarios.add
def state_dict_hooks(lib):
    optimizer, calls = lib.optim.SGD([leaf(lib)], lr=0.1), []
    optimizer.register_state_dict_pre_hook(lambda opt: calls.append("second"))
    optimizer.register_state_dict_pre_hook(lambda opt: calls.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda opt, state: calls.append(sorted(state)))
    optimizer.register_load_state_dict_post_hook(lambda opt: calls.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    return calls


@scenarios.add
def a_subclass_with_a_step_of_its_own(lib):
    class Halve(lib.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"factor": 0.5})

        def step(self, closure=None):
            with lib.no_grad():
                for group in self.param_groups:
                    for param in group["params"]:
                        param *= group["factor"]

    x, calls = leaf(lib), []
    optimizer = Halve([x])
    optimizer.register_step_post_hook(lambda *_: calls.append("post"))
    optimizer.step()
    return x, calls


@scenarios.add
def copies_are_independent(lib):
    x = leaf(lib)
    optimizer = lib.optim.Adam([x], lr=0.1)
    x.grad = lib.ones(2)
    optimizer.step()
    twin = pickle.loads(pickle.dumps(copy.deepcopy(optimizer)))
    optimizer.step()
    (param,) = twin.param_groups[0]["params"]
    return x, param, twin.state[param]


@scenarios.add
def momentum_buffers_of_the_documentation(lib):
    x = leaf(lib, 0.0)
    optimizer, buffers = lib.optim.SGD([x], lr=0.1, momentum=0.9, dampening=0.5), []
    for _ in range(3):
        x.grad = lib.ones(1)
        optimizer.step()
        buffers.append(optimizer.state[x]["momentum_buffer"].clone())
    return buffers


@scenarios.add
def a_step_counts_as_a_write(lib):
    x = leaf(lib)
    y = (x * x).sum()
    x.grad = lib.ones(2)
    before = x._version
    lib.optim.Adam([x]).step()
    try:
        y.backward()
    except RuntimeError as error:
        return x._version > before, "modified by an inplace operation" in str(error)


@scenarios.parametrize
def test_behaves_as_torch(scenario):
    assert_runs_the_same(scenario)


def test_repr_lists_the_options():
    optimizer = minitorch.optim.SGD([leaf(minitorch)], lr=0.1)
    assert repr(optimizer) == repr(torch.optim.SGD([leaf(torch)], lr=0.1))


# ---- differentiable steps ----------------------------------------------------------------------------------------

DIFFERENTIABLE = {
    "SGD": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "Adam": {"amsgrad": True, "weight_decay": 0.1},
    "AdamW": {"maximize": True},
    "NAdam": {"weight_decay": 0.1},
    "RAdam": {"betas": (0.5, 0.6), "decoupled_weight_decay": True, "weight_decay": 0.1},
    "Adamax": {},
    "Adagrad": {"initial_accumulator_value": 0.3},
    "Adadelta": {},
    "RMSprop": {"centered": True, "momentum": 0.5},
    "Rprop": {},
    "ASGD": {},
    "LAMB": {},
}


def stepped(lib, name, values, steps, **options):
    """⟨parameters after some steps, 1⟩ for a start and gradients; all of them are tensors that may require grad."""
    start, *grads = values
    param = start.clone()
    optimizer = getattr(lib.optim, name)([param], **{**DIFFERENTIABLE[name], **options}, lr=0.1, differentiable=True)
    for g in grads[:steps]:
        param.grad = g
        optimizer.step()
    return param


@pytest.mark.parametrize("name", [name for name in DIFFERENTIABLE if name != "LAMB"])
def test_a_differentiable_step_has_torchs_gradient(name):
    """To a few roundings of float32, in which torch has the number of the step there."""
    options = {"momentum": 0.0, "nesterov": False} if name == "SGD" else {}  # (torch detaches the first velocity)
    results = []
    for lib in (minitorch, torch):
        values = [lib.tensor(v, dtype=lib.float64, requires_grad=True) for v in ([1.0, -2.0, 0.5], [0.3, 0.7, -1.1])]
        param = stepped(lib, name, values, 1, **options)
        (param * param).sum().backward()
        results.append([param.tolist(), *(v.grad.tolist() for v in values)])
    for mine, theirs in zip(*results, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_several_differentiable_steps_have_the_right_gradient(name):
    values = [
        minitorch.tensor(v, dtype=minitorch.float64, requires_grad=True)
        for v in ([1.0, -2.0, 0.5], [0.3, 0.7, -1.1], [0.4, -0.2, 0.6], [-0.5, 0.1, 0.9])
    ]
    assert minitorch.autograd.gradcheck(lambda *values: stepped(minitorch, name, values, 3), values)


def test_a_learning_rate_has_a_gradient():
    found = []
    for lib in (minitorch, torch):
        lr, start = lib.tensor(0.1, dtype=lib.float64, requires_grad=True), lib.tensor([1.0, 2.0], dtype=lib.float64)
        param = start.clone().requires_grad_() * 1
        param.grad = lib.tensor([0.5, -1.0], dtype=lib.float64)
        lib.optim.Adam([param], lr=lr, differentiable=True).step()
        (param * param).sum().backward()
        found.append(lr.grad.item())
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_what_came_is_said():
    x = minitorch.ones(2, 2, requires_grad=True)
    with pytest.raises(ValueError, match=r"Tensor lr must be 1-element, got shape \(2,\)"):
        minitorch.optim.RMSprop([x], lr=minitorch.ones(2))
    with pytest.raises(ValueError, match="Adjust learning rate function mine is not supported; there are original"):
        minitorch.optim.Muon([x], adjust_lr_fn="mine")


def test_capturable_is_for_a_gpu():
    for lib in (minitorch, torch):
        for name in ("Adam", "RMSprop", "ASGD"):
            x = leaf(lib)
            x.grad = lib.ones(2)
            with pytest.raises(AssertionError, match="capturable=True"):
                getattr(lib.optim, name)([x], capturable=True).step()
