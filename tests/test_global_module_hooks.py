"""Hooks of all modules, hooks of registering, and the backward hooks of old: each scenario runs on both libraries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import minitorch
from both import Scenarios, affine, assert_runs_the_same, net

scenarios = Scenarios()


@scenarios.parametrize
def test_hooks(scenario: Callable[[Any], Any]) -> None:
    assert_runs_the_same(scenario)


def module(lib):
    return lib.nn.modules.module


# ---- of all modules ----


@scenarios.add
def they_run_before_a_modules_own(lib):
    m, calls = affine(lib), []
    own = lib.nn.Linear(2, 2)
    m.register_forward_pre_hook(lambda module, args: calls.append("own pre"))
    m.register_forward_hook(lambda module, args, out: calls.append("own"))
    m.register_full_backward_pre_hook(lambda module, grads: calls.append("own backward pre"))
    m.register_full_backward_hook(lambda module, grads, outs: calls.append("own backward"))

    def note(what):
        return lambda module, *rest: calls.append((what, type(module).__name__, len(rest)))

    with ExitStack() as stack:
        for register in ("forward_pre_hook", "forward_hook", "full_backward_pre_hook", "full_backward_hook"):
            stack.enter_context(getattr(module(lib), f"register_module_{register}")(note(register)))
        m(lib.ones(2, requires_grad=True)).sum().backward()
        own(lib.ones(2))
    m(lib.ones(2))
    own(lib.ones(2))
    return calls


@scenarios.add
def they_may_replace(lib):
    m = affine(lib)
    before = module(lib).register_module_forward_pre_hook(lambda module, args: args[0] * 10)
    with before, module(lib).register_module_forward_hook(lambda module, args, out: out * 2):
        seen = m(lib.ones(2))
    return seen, m(lib.ones(2))


@scenarios.add
def they_hear_of_every_module(lib):
    names = []
    with module(lib).register_module_forward_hook(lambda module, args, out: names.append(type(module).__name__)):
        lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Sequential(lib.nn.Tanh()))(lib.ones(2))
    return names


@scenarios.add
def with_kwargs_and_always_called(lib):
    m, calls = affine(lib), []

    def with_kwargs(module, args, kwargs, out):
        calls.append((args, kwargs, out))

    with module(lib).register_module_forward_hook(with_kwargs, with_kwargs=True):
        m(lib.ones(2), scale=3)
    always = module(lib).register_module_forward_hook(lambda module, args, out: calls.append(out), always_call=True)
    fails = module(lib).register_module_forward_hook(lambda module, args, out: 1 / 0, always_call=True)
    try:
        m("text", 1, 2)
    except TypeError:
        calls.append("TypeError")
    always.remove()
    fails.remove()
    return calls


@scenarios.add
def gradients_are_replaced(lib):
    m = affine(lib)
    x = lib.ones(2, requires_grad=True)
    before = module(lib).register_module_full_backward_pre_hook(lambda module, grads: (grads[0] * 10,))
    with before, module(lib).register_module_full_backward_hook(lambda module, ins, outs: (ins[0] + 1,)):
        m(x).sum().backward()
    return x.grad, m.weight.grad


@scenarios.add
def one_kind_at_a_time(lib):
    m, told = affine(lib), []
    m.register_backward_hook(lambda module, ins, outs: None)
    other = affine(lib)
    other.register_full_backward_hook(lambda module, ins, outs: None)
    for each, register in ((m, "register_full_backward_hook"), (other, "register_backward_hook")):
        try:
            getattr(each, register)(lambda module, ins, outs: None)
        except RuntimeError as error:
            told.append(str(error))
    return told


@scenarios.add
def what_is_not_a_tensor_is_not_watched(lib):
    class Pair(lib.nn.Module):
        def forward(self, x):
            return [x * 2]

    pair, calls = Pair(), []
    pair.register_full_backward_hook(lambda module, ins, outs: calls.append(1))
    pair(lib.ones(2, requires_grad=True))[0].sum().backward()
    return calls


# ---- of old ----


def doubled(lib, **kept):
    class Doubled(lib.nn.Module):
        def forward(self, x):
            return kept["forward"](x)

    return Doubled()


@scenarios.add
def a_hook_of_old_hears_of_one_node(lib):
    m, heard = doubled(lib, forward=lambda x: x * 2), []
    handle = m.register_backward_hook(lambda module, ins, outs: heard.append((module is m, ins, outs)))
    x = lib.ones(2, requires_grad=True) * 1
    m(x).sum().backward()
    handle.remove()
    m(x.detach().requires_grad_()).sum().backward()
    return heard


@scenarios.add
def a_hook_of_old_may_replace(lib):
    m = doubled(lib, forward=lambda x: x * 2)
    m.register_backward_hook(lambda module, ins, outs: (ins[0] * 10, *ins[1:]))
    leaf = lib.ones(2, requires_grad=True)
    m(leaf * 1).sum().backward()
    return leaf.grad


FORWARDS = {
    "several nodes": lambda x: (x * 2).exp(),
    "two outputs": lambda x: (x * 2, x * 3),
    "a list": lambda x: [x * 2],
    "a dict": lambda x: {"y": x * 2},
    "nested": lambda x: (x * 2, [x * 3]),
    "no history": lambda x: x.detach(),
    "its input": lambda x: x,
}


@pytest.mark.parametrize("name", FORWARDS)
def test_a_hook_of_old_tells_what_it_misses(name: str) -> None:
    def scenario(lib):
        m, heard = doubled(lib, forward=FORWARDS[name]), []
        m.register_backward_hook(lambda module, ins, outs: heard.append((len(ins), outs)))
        y = m(lib.ones(2, requires_grad=True) * 1)
        while not isinstance(y, lib.Tensor):
            y = y["y"] if isinstance(y, dict) else y[0]
        if y.requires_grad:
            y.sum().backward()
        return heard

    assert_runs_the_same(scenario)


@scenarios.add
def a_hook_of_old_with_other_arguments(lib):
    m, heard = doubled(lib, forward=lambda x: x[0] * 2), []
    m.register_backward_hook(lambda module, ins, outs: heard.append(outs))
    m([lib.ones(2, requires_grad=True) * 1]).sum().backward()
    return heard


# ---- of registering ----


@scenarios.add
def hooks_of_registering_hear_and_replace(lib):
    heard = []

    def hear(what):
        return lambda module, name, value: heard.append((what, name, type(value).__name__))

    with ExitStack() as stack:
        for what in ("parameter", "buffer", "module"):
            register = getattr(module(lib), f"register_module_{what}_registration_hook")
            stack.enter_context(register(hear(what)))
        m = net(lib)
        m.first.bias = None
        m.first.count = lib.ones(1)
        m.add_module("none", None)
        m.block = lib.nn.ReLU()
        m.block = None
    lib.nn.Linear(1, 1)
    return heard


@scenarios.add
def registered_things_are_replaced(lib):
    def half(mod, name, p):
        return lib.nn.Parameter(p.detach() / 2)

    with module(lib).register_module_parameter_registration_hook(half):
        m = affine(lib)
    with module(lib).register_module_module_registration_hook(lambda mod, name, child: lib.nn.Identity()):
        m.child = lib.nn.ReLU()
    with module(lib).register_module_buffer_registration_hook(lambda mod, name, b: b + 1):
        m.register_buffer("seen", lib.zeros(1))
    return dict(m.state_dict()), m


def test_of_all_modules_there_is_one_kind() -> None:
    """(On torch this could not be undone.)"""
    where = minitorch.nn.modules.module
    before = minitorch.nn.modules.hooks.OF_ALL._is_full_backward_hook
    try:
        minitorch.nn.modules.hooks.OF_ALL._is_full_backward_hook = None
        with where.register_module_backward_hook(lambda module, ins, outs: None):
            with pytest.raises(RuntimeError, match="as a global Module hook"):
                where.register_module_full_backward_hook(lambda module, ins, outs: None)
            with pytest.warns(FutureWarning, match="multiple autograd Nodes"):
                minitorch.nn.Linear(2, 2)(minitorch.ones(1, 2))
    finally:
        minitorch.nn.modules.hooks.OF_ALL._is_full_backward_hook = before
