"""The rest of Module: set_submodule, to_empty, devices that are not there, private hooks, Container, DataParallel, factory_kwargs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from both import Scenarios, affine, agree, assert_runs_the_same, assert_same, net

scenarios = Scenarios()


@scenarios.parametrize
def test_modules(scenario: Callable[[Any], Any]) -> None:
    assert_runs_the_same(scenario)


# ---- set_submodule ----


@scenarios.add
def a_submodule_is_replaced(lib):
    m = net(lib)
    m.set_submodule("block.second", lib.nn.ReLU())
    m.set_submodule("first", lib.nn.Tanh(), strict=True)
    m.set_submodule("block.new", lib.nn.Tanh())
    return m, list(m.state_dict())


WRONG = {
    "no name": ("", "ReLU", False),
    "no module": ("first", 3, False),
    "nothing there": ("block.third", "ReLU", True),
    "no parent": ("nowhere.third", "ReLU", False),
    "a parameter": ("first.weight", "ReLU", False),
    "a parent that is none": ("first.weight.third", "ReLU", False),
    "None": ("empty", "ReLU", False),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_submodule_that_cannot_be_set(name: str) -> None:
    target, given, strict = WRONG[name]

    def scenario(lib):
        net(lib).set_submodule(target, getattr(lib.nn, given)() if isinstance(given, str) else given, strict)

    assert assert_same(scenario).kind in ("ValueError", "AttributeError")


# ---- __init__ ----


@scenarios.add
def init_takes_nothing(lib):
    told = []
    for args, kwargs in [((1,), {}), ((1, 2), {}), ((), {"a": 1}), ((1,), {"a": 1})]:
        try:
            lib.nn.Module(*args, **kwargs)
        except TypeError as error:
            told.append(str(error))
    return told, lib.nn.Module.dump_patches, str(lib.nn.Module.T_destination)


@scenarios.add
def the_next_class_is_initialised_if_asked(lib):
    class Mixin:
        def __init__(self, a, b=0):
            self.seen = a, b

    class Asked(lib.nn.Module, Mixin):
        call_super_init = True

        def __init__(self):
            super().__init__(1, b=2)
            self.layer = lib.nn.ReLU()

    class NotAsked(lib.nn.Module, Mixin):
        pass

    return Asked().seen, Asked(), hasattr(NotAsked(), "seen")


# ---- memory and devices ----


@scenarios.add
def new_memory_without_numbers(lib):
    m = net(lib)
    weight, inner = m.first.weight, m.block.second.weight.data_ptr()
    out = m.to_empty(device="cpu", recurse=False) is m, m.block.second.weight.data_ptr() == inner
    m.to_empty(device=None)
    return (
        out,
        m.first.weight is weight,
        m.block.second.weight.data_ptr() == inner,
        {k: v.shape for k, v in m.state_dict().items()},
    )


@scenarios.add
def new_memory_needs_a_device(lib):
    return affine(lib).to_empty()


@pytest.mark.parametrize("name", ["xpu", "ipu", "mtia"])
def test_other_devices_are_refused(name: str) -> None:
    def scenario(lib):
        told = repr(getattr(lib.nn.ReLU(), name)())
        try:
            getattr(affine(lib), name)()
        except Exception as error:
            return told, type(error).__name__

    assert_runs_the_same(scenario)


# ---- hooks that libraries use, and what is pickled ----


def twice(module: Any, args: Any) -> Any:
    return args[0] * 2


@scenarios.add
def hooks_are_found_as_they_were_given(lib):
    m = affine(lib)
    handles = [m.register_forward_pre_hook(twice), m.register_forward_hook(print, always_call=True, with_kwargs=True)]
    found = list(m._forward_pre_hooks.values()) == [twice], list(m._forward_hooks.values()) == [print]
    marked = len(m._forward_hooks_with_kwargs), len(m._forward_hooks_always_called)
    handles[1].remove()
    marked_after = len(m._forward_hooks_with_kwargs), len(m._forward_hooks_always_called)
    copies = copy.deepcopy(m), pickle.loads(pickle.dumps(m.block)) if hasattr(m, "block") else None
    m._forward_pre_hooks.clear()
    return found, marked, marked_after, copies[0](lib.ones(2)), m(lib.ones(2))


@scenarios.add
def a_private_hook_may_replace_the_state(lib):
    m = affine(lib)
    m._register_state_dict_hook(lambda module, state, prefix, metadata: {prefix + k: v for k, v in state.items()})
    m._register_state_dict_hook(lambda module, state, prefix, metadata: None)
    return dict(m.state_dict(prefix="a."))


@scenarios.add
def a_public_hook_is_not_a_private_one(lib):
    m = affine(lib)

    def hook(module, state, prefix, metadata):
        return state

    m.register_state_dict_post_hook(hook)
    try:
        m._register_state_dict_hook(hook)
    except RuntimeError as error:
        return str(error)


@scenarios.add
def a_private_hook_before_loading(lib):
    m, heard = affine(lib), []
    m._register_load_state_dict_pre_hook(lambda *args: heard.append((len(args), args[1])))
    m._register_load_state_dict_pre_hook(lambda *args: heard.append((len(args), args[0] is m)), with_module=True)
    m.load_state_dict(m.state_dict())
    return heard


@scenarios.add
def an_old_pickle_gets_what_it_lacks(lib):
    m = affine(lib)
    state = {k: v for k, v in m.__dict__.items() if "hooks" not in k}
    state["_backward_hooks"], state["_forward_hooks"] = {}, {}
    fresh = type(m).__new__(type(m))
    fresh.__setstate__(state)
    return fresh(lib.ones(2)), sorted(k for k in fresh.__dict__ if k.startswith("_forward"))


# ---- others ----


@scenarios.add
def container_is_deprecated(lib):
    return lib.nn.Container(a=lib.nn.ReLU(), b=lib.nn.Tanh())


@scenarios.add
def container_takes_modules(lib):
    return lib.nn.Container(a=3)


@scenarios.add
def data_parallel_calls_its_module(lib):
    m = lib.nn.DataParallel(affine(lib), dim=1)
    out = m(lib.ones(2), scale=3)
    return m, out, m.device_ids, m.module.weight, list(m.state_dict()), m.train(False).module.training


def test_data_parallel_as_a_function_is_refused() -> None:
    assert agree(lambda lib: lib.nn.parallel.data_parallel(affine(lib), lib.ones(2))).kind == "RuntimeError"


@scenarios.add
def factory_options(lib):
    given = [None, {}, {"device": "cpu", "dtype": 1}, {"dtype": 1, "factory_kwargs": {"device": 2}}]
    return [sorted(lib.nn.factory_kwargs(each).items()) for each in given]


@scenarios.add
def factory_options_twice(lib):
    return lib.nn.factory_kwargs({"dtype": 1, "factory_kwargs": {"dtype": 2}})


@scenarios.add
def factory_options_unknown(lib):
    return lib.nn.factory_kwargs({"dtype": 1, "size": 2})
