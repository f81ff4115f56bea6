"""`autograd.Function` where it is used oddly, on both libraries: defaults, names, marks, inputs returned, nodes, old ways."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import torch

import minitorch
from both import Scenarios, agree, assert_same_complaint, leaf
from minitorch.op import Op

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


def function(
    lib: Any, forward: Callable, backward: Callable | None = None, setup: Callable | None = None, **more: Any
) -> Any:
    """A Function called F."""
    methods = {"forward": forward, "backward": backward, "setup_context": setup}
    static = {name: staticmethod(f) for name, f in (methods | more).items() if f is not None}
    return type(lib.autograd.Function)("F", (lib.autograd.Function,), static)


def times_y(lib: Any) -> Any:
    def setup(ctx, inputs, output):
        ctx.inputs, ctx.wanted = inputs[1:], ctx.needs_input_grad

    def backward(ctx, g):
        return (g * 3,) + (None,) * len(ctx.inputs)

    return function(lib, lambda x, y=3, *rest: x * y, backward, setup)


@scenario
def defaults_are_inputs_of_setup_context(lib):
    x, f = leaf(lib, 1.0, 2.0), times_y(lib)
    outputs = [f.apply(x), f.apply(x, 4), f.apply(x, y=5), f.apply(x=x), f.apply(x, 1, 2)]
    sum(out.sum() for out in outputs).backward()
    nodes = [out.grad_fn for out in outputs]
    return outputs, x.grad, [(n.inputs, n.wanted, len(n.next_functions)) for n in nodes]


@scenario
def a_name_that_forward_has_not(lib):
    times_y(lib).apply(leaf(lib, 1.0), z=5)


def saving(lib: Any) -> Any:
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        ctx.note = 7
        return x * w

    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g * w, g * x

    return function(lib, forward, backward)


@scenario
def a_node_has_a_class_of_its_own(lib):
    node = saving(lib).apply(leaf(lib, 1.0), leaf(lib, 2.0)).grad_fn
    node.other = 3
    kind = type(node)
    return (
        kind.__name__,
        node.name(),
        kind.__mro__[1] is lib.autograd.function.BackwardCFunction,
        saving(lib)._backward_cls.__name__,
        (node.note, node.other, node.saved_tensors, node.needs_input_grad, node.metadata),
    )


@scenario
def a_node_gives_nothing_that_is_freed(lib):
    y = saving(lib).apply(leaf(lib, 1.0), leaf(lib, 2.0))
    node = y.grad_fn
    y.backward()
    return node.saved_tensors


def written(lib: Any, returned: Callable = lambda x: x) -> Any:
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return returned(x)

    return function(lib, forward, lambda ctx, g: g * 2)


INPUTS: dict[str, Callable[[Any, Any], Any]] = {
    "leaf": lambda lib, x: x,
    "view of a leaf": lambda lib, x: x[:1],
    "result": lambda lib, x: x * 1,
    "view": lambda lib, x: (x * 1)[:1],
    "one of several": lambda lib, x: (x * 1).unbind()[0],
    "constant": lambda lib, x: x.detach(),
    "view of a constant": lambda lib, x: x.detach().clone()[:1],
}
for name, made in INPUTS.items():
    for recorded in (True, False):
        for kind in ("identity", "dirty", "dirty, not returned"):

            @scenario
            def input_returned(lib, made=made, recorded=recorded, kind=kind):
                x = leaf(lib, 1.0, 2.0)
                t = made(lib, x)
                same = function(lib, lambda ctx, x: x, lambda ctx, g: g * 2)
                f = same if kind == "identity" else written(lib, (lambda x: x) if kind == "dirty" else (lambda x: x * 1))
                with lib.set_grad_enabled(recorded):
                    y = f.apply(t)
                looks = (
                    y is t,
                    y.requires_grad,
                    y.is_leaf,
                    y._is_view(),
                    y._base is t,
                    y._version,
                    y.grad_fn and y.grad_fn.name(),
                )
                if y.requires_grad:
                    y.sum().backward()
                return looks, t, x.grad

            input_returned.__name__ = f"{kind} {name}, {recorded}"


@scenario
def a_view_whose_history_is_lost_is_refused_before_forward_runs(lib):
    """Nothing has been written then."""
    whole = leaf(lib, 1.0, 2.0) * 1
    part = whole.split(1)[0]
    whole.exp_()
    with contextlib.suppress(RuntimeError):
        written(lib).apply(part)
    return whole.detach()


@scenario
def dirty_though_it_is_no_tensor(lib):
    function(lib, lambda ctx, x: (ctx.mark_dirty(3), x * 1)[1], lambda ctx, g: g).apply(leaf(lib, 1.0))


@scenario
def not_differentiable_though_it_is_no_tensor(lib):
    function(lib, lambda ctx, x: (ctx.mark_non_differentiable(3), x * 1)[1], lambda ctx, g: g).apply(leaf(lib, 1.0))


@scenario
def gradients_that_nobody_gave_are_zeros_like_the_outputs(lib):
    seen = []

    def forward(ctx, x):
        places, twice = x.argmax(), x * 2
        ctx.mark_non_differentiable(places, twice)
        return x * 1, places, twice, x.float() * 3, 5, None

    def backward(ctx, *grads):
        seen.extend(g if g is None else (tuple(g.shape), str(g.dtype).rpartition(".")[2], float(g.sum())) for g in grads)
        return grads[0] * 2

    x = leaf(lib, 1.0, 2.0)
    outputs = function(lib, forward, backward).apply(x)
    outputs[0].sum().backward()
    return seen, x.grad, [o.requires_grad for o in outputs[:4]], outputs[4:]


@scenario
def vjp_is_another_name_of_backward(lib):
    x = leaf(lib, 2.0)
    function(lib, lambda ctx, x: x * 2, vjp=lambda ctx, g: g * 2).apply(x).backward()
    return x.grad


@scenario
def both_names_are_one_too_many(lib):
    function(lib, lambda ctx, x: x * 2, lambda ctx, g: g, vjp=lambda ctx, g: g).apply(leaf(lib, 2.0)).backward()


@scenario
def neither_name(lib):
    function(lib, lambda ctx, x: x * 2).apply(leaf(lib, 2.0)).backward()


@scenario
def what_ctx_knows_in_forward(lib):
    seen = []

    def forward(ctx, x, n):
        seen.extend([isinstance(ctx, lib.autograd.function.FunctionCtx), ctx.needs_input_grad, ctx.saved_tensors])
        ctx.save_for_forward(x)
        return x * n

    function(lib, forward, lambda ctx, g: (g, None)).apply(leaf(lib, 1.0), 2)
    return seen


@scenario
def old_names(lib):
    module = lib.autograd.function
    names = ["InplaceFunction", "BackwardCFunction", "FunctionMeta", "FunctionCtx", "once_differentiable"]
    return [hasattr(module, name) for name in names], lib.autograd.Function.generate_vmap_rule


@scenario
def jvp_is_for_subclasses(lib):
    lib.autograd.Function.jvp(None)


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


COMPLAINTS = Scenarios()


@COMPLAINTS.add
def saved_variables(lib):
    def backward(ctx, g):
        return g * len(ctx.saved_variables)

    function(lib, lambda ctx, x: (ctx.save_for_backward(x), x * 1)[1], backward).apply(leaf(lib, 1.0)).backward()


@COMPLAINTS.parametrize
def test_complains_as_torch_does(scenario: Any) -> None:
    assert_same_complaint(scenario)


@pytest.mark.parametrize("lib", [minitorch, torch])
def test_what_is_done_the_old_way_warns(lib: Any) -> None:
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        assert lib.autograd.function.InplaceFunction(True).inplace
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):
        lib.no_grad()(type("Net", (), {}))
    made = function(lib, lambda ctx, x: (y := x * 2, ctx.mark_dirty(y))[0], lambda ctx, g: g * 2)
    with pytest.warns(UserWarning, match="received a tensor that was not an input"):
        assert made.apply(leaf(lib, 1.0)).requires_grad


def test_an_apply_computes_nothing_but_its_forward() -> None:
    """Zeros for gradients that may be missing cost more than all the rest, so they are made when one is."""
    same = function(minitorch, lambda ctx, x, y: (x, y), lambda ctx, g, h: (g, h))
    x = minitorch.ones(2, requires_grad=True) * 1
    with mock.patch.object(Op, "__call__", autospec=True, side_effect=Op.__call__) as called, minitorch.op.plain():
        same.apply(x, x)
    assert not called.call_args_list
