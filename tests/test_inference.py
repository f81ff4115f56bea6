"""Inference mode, on both libraries: a tensor made in it or brought into it × what is done with it, inside and outside."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

from both import Scenarios, agree

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


def ones(lib: Any, wants: bool = False) -> Any:
    return lib.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=lib.float64, requires_grad=wants)


def recorded_inside(lib: Any, x: Any) -> Any:
    with lib.enable_grad():
        return x * 2, lib.is_grad_enabled()


MADE: dict[str, Callable[[Any, Any], Any]] = {
    "new": lambda lib, x: ones(lib),
    "computed": lambda lib, x: x * 2,
    "cloned": lambda lib, x: x.clone(),
    "written": lambda lib, x: (x * 1).mul_(2),
    "view of a new one": lambda lib, x: ones(lib).view(4),
    "view": lambda lib, x: x.view(4),
    "view of a view": lambda lib, x: x.view(4)[1:],
    "one of several": lambda lib, x: x.unbind()[0],
    "detached": lambda lib, x: x.detach(),
    "data": lambda lib, x: x.data,
    "itself": lambda lib, x: x,
    "asked to record": lambda lib, x: recorded_inside(lib, x)[0],
}

DONE: dict[str, Callable[[Any, Any, Any], Any]] = {
    "view": lambda lib, c, x: c.view(-1),
    "unbind": lambda lib, c, x: c.unbind()[0],
    "index": lambda lib, c, x: c[0],
    "times two": lambda lib, c, x: c * 2,
    "added": lambda lib, c, x: c + x,
    "saved": lambda lib, c, x: c * x,
    "exp": lambda lib, c, x: c.exp(),
    "cat": lambda lib, c, x: lib.cat([c.view(-1), x.view(-1)]),
    "detach": lambda lib, c, x: c.detach(),
    "clone": lambda lib, c, x: c.clone(),
    "add_": lambda lib, c, x: c.add_(1),
    "zero_": lambda lib, c, x: c.zero_(),
    "set item": lambda lib, c, x: c.__setitem__(0, 5.0),
    "through a view": lambda lib, c, x: c.view(-1).add_(1),
    "out=": lambda lib, c, x: lib.add(c.detach(), 1, out=c),
    "into": lambda lib, c, x: (x * 1).add_(c.sum()),
    "saved into": lambda lib, c, x: (x * 1).mul_(c.sum()),
    "requires_grad_": lambda lib, c, x: c.requires_grad_(),
    "requires_grad_(False)": lambda lib, c, x: c.requires_grad_(False),
    "view, requires_grad_": lambda lib, c, x: c.view(-1).requires_grad_(),
    "transpose_": lambda lib, c, x: c.transpose_(0, -1),
    "unsqueeze_": lambda lib, c, x: c.unsqueeze_(0),
    "squeeze_": lambda lib, c, x: c.squeeze_(),
    "t_": lambda lib, c, x: c.t_(),
    "as_strided_": lambda lib, c, x: c.as_strided_((2,), (1,)),
    "data": lambda lib, c, x: c.data,
    "data =": lambda lib, c, x: (
        setattr(c, "data", ones(lib).view(-1)[: c.numel()].view(c.shape)) if not c._is_view() else None
    ),
    "retain_grad": lambda lib, c, x: c.retain_grad(),
    "hook": lambda lib, c, x: bool(c.register_hook(lambda g: g)),
    "backward": lambda lib, c, x: (c.sum() + x.sum()).backward(),
    "Parameter": lambda lib, c, x: lib.nn.Parameter(c),
    "is_inference": lambda lib, c, x: lib.is_inference(c),
}

WHERE: dict[str, Callable[[Any], Any]] = {
    "outside": lambda lib: contextlib.nullcontext(),
    "under no_grad": lambda lib: lib.no_grad(),
    "inside": lambda lib: lib.inference_mode(),
}


def looks(t: Any) -> Any:
    try:
        leaf = t.is_leaf
    except RuntimeError:
        leaf = "lost"
    return tuple(t.shape), t.requires_grad, t.is_inference(), leaf


def used(made: str, done: str, where: str, wants: bool) -> Callable[[Any], Any]:
    def scenario(lib: Any) -> Any:
        x = ones(lib, wants)
        with lib.inference_mode():
            c = MADE[made](lib, x)
        with WHERE[where](lib):
            result = DONE[done](lib, c, x)
        return looks(result) if isinstance(result, lib.Tensor) else result, looks(c), c, looks(x)

    scenario.__name__ = f"{made}, {done}, {where}, {wants}"
    return scenario


for parts in itertools.product(MADE, DONE, WHERE, (True, False)):
    scenario(used(*parts))


@scenario
def an_inference_tensor_that_requires_grad_has_views_that_do_not(lib):
    with lib.inference_mode():
        c = ones(lib, True)
    return [looks(v) for v in (c.view(-1), c[0], c.t(), c.unbind()[1], c.detach(), c.data, c.expand(2, 2, 2))]


@scenario
def whoever_asks_to_record_in_inference_mode_is_told_so(lib):
    x, states = ones(lib, True), []
    with lib.inference_mode():
        states.append(lib.is_grad_enabled())
        y, told = recorded_inside(lib, x)
        with lib.set_grad_enabled(True):
            states.append((lib.is_grad_enabled(), (x * 2).requires_grad))
        with lib.inference_mode(False):
            states.append((lib.is_grad_enabled(), (x * 2).requires_grad, lib.is_inference_mode_enabled()))
        states.append(lib.is_grad_enabled())
    return states, told, y.requires_grad, lib.is_grad_enabled(), (x * 2).requires_grad


@scenario
def a_view_does_not_cease_to_require_grad_before_its_base(lib):
    x = ones(lib, True)
    with lib.no_grad():
        v = x.view(4)
    v.requires_grad_(False)
    return v.requires_grad, v.is_leaf


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)
