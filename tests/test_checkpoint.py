"""Checkpointing, both forms, on both libraries; then what only we can be asked: that activations are really dropped."""

from __future__ import annotations

import gc
import itertools
import warnings
import weakref
from typing import Any

import pytest

import minitorch
from both import Scenarios, agree, leaf
from minitorch.utils.checkpoint import checkpoint

scenarios = Scenarios()
scenario = scenarios.add


def both_forms(function: Any) -> Any:
    """The scenario once for each form."""
    for reentrant in (False, True):

        def run(lib, reentrant=reentrant):
            __import__(f"{lib.__name__}.utils.checkpoint")
            return function(
                lib, lambda f, *args, **kw: lib.utils.checkpoint.checkpoint(f, *args, use_reentrant=reentrant, **kw)
            )

        run.__name__ = f"{function.__name__}[reentrant={reentrant}]"
        scenario(run)
    return function


@both_forms
def values_and_gradients(lib, checkpoint):
    x, w = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    runs = []

    def part(a):
        runs.append(a.requires_grad)
        return (a.exp() * w).sin() * a

    y = checkpoint(part, x * 2)
    z = y.exp().sum()
    z.backward()
    return z, x.grad, w.grad, runs


@both_forms
def twice_through_one_graph(lib, checkpoint):
    x = leaf(lib, 1.0, 2.0)
    runs = []

    def part(a):
        runs.append(1)
        return a.exp().sin()

    y = checkpoint(part, x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad, len(runs)


@both_forms
def second_time_is_refused(lib, checkpoint):
    x = leaf(lib, 1.0)
    y = checkpoint(lambda a: a.exp() * a, x)
    y.backward()
    y.backward()


@both_forms
def with_grad(lib, checkpoint):
    x = leaf(lib, 1.0)
    return lib.autograd.grad(checkpoint(lambda a: a.exp() * a, x), x)


@both_forms
def with_chosen_inputs(lib, checkpoint):
    x = leaf(lib, 1.0)
    checkpoint(lambda a: a.exp() * a, x).backward(inputs=[x])
    return x.grad


@both_forms
def other_arguments_and_several_outputs(lib, checkpoint):
    x = leaf(lib, 1.0, 2.0)
    a, b = checkpoint(lambda x, k, name: (x * k, x.exp()), x, 3, "name")
    (a * b).sum().backward()
    return x.grad


@both_forms
def an_unused_output(lib, checkpoint):
    x = leaf(lib, 1.0, 2.0)
    _, b = checkpoint(lambda x: (x * 2, x.exp()), x)
    b.sum().backward()
    return x.grad


@both_forms
def nested(lib, checkpoint):
    x = leaf(lib, 0.5)
    runs = []

    def inner(a):
        runs.append("inner")
        return a.sin().exp()

    def outer(a):
        runs.append("outer")
        return checkpoint(inner, a.cos()) * a.exp()

    y = checkpoint(outer, x)
    y.backward()
    return y, x.grad, runs


@both_forms
def keyword_arguments(lib, checkpoint):
    x = leaf(lib, 1.0)
    y = checkpoint(lambda a, scale: a.exp() * scale, x, scale=3)
    y.backward()
    return x.grad


@both_forms
def argument_overwritten(lib, checkpoint):
    x = leaf(lib, 1.0)
    h = x * 2
    y = checkpoint(lambda a: a.exp().sin(), h)
    h.add_(1)
    y.backward()


@both_forms
def constants_only(lib, checkpoint):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        y = checkpoint(lambda a: a.exp(), lib.ones(2))
    return y.requires_grad, [str(w.message) for w in caught]


@both_forms
def no_gradient_wanted(lib, checkpoint):
    x = leaf(lib, 1.0)
    with lib.no_grad():
        return checkpoint(lambda a: a.exp(), x).requires_grad


@both_forms
def contexts(lib, checkpoint):
    seen = []

    class Note:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            seen.append(f"+{self.name}")

        def __exit__(self, *_):
            seen.append(f"-{self.name}")

    x = leaf(lib, 1.0)
    checkpoint(lambda a: a.exp().sin(), x, context_fn=lambda: (Note("first"), Note("second"))).backward()
    return seen


@both_forms
def gradient_inside(lib, checkpoint):
    x = leaf(lib, 2.0)

    def part(a):
        with lib.enable_grad():
            b = a.detach().requires_grad_()
            (g,) = lib.autograd.grad(b**3, b)
        return a * g

    y = checkpoint(part, x)
    y.backward()
    return y, x.grad


@scenario
def second_derivative(lib):
    x = leaf(lib, 0.5)
    y = lib.utils.checkpoint.checkpoint(lambda a: a.exp() * a.sin(), x, use_reentrant=False)
    (g,) = lib.autograd.grad(y, x, create_graph=True)
    return y, g, lib.autograd.grad(g, x)


@scenario
def ends_early(lib):
    done = []
    for early in (True, False):

        def part(a, early=early):
            b = a.exp()
            done.append(early)
            return b

        lib.utils.checkpoint.checkpoint(part, leaf(lib, 1.0), use_reentrant=False, early_stop=early).backward()
    with lib.utils.checkpoint.set_checkpoint_early_stop(False):
        lib.utils.checkpoint.checkpoint(part, leaf(lib, 1.0), use_reentrant=False).backward()
    return done


@scenario
def a_function_that_changes(lib):
    calls = []

    def part(a):
        calls.append(1)
        return a.exp().sin() if len(calls) == 1 else a * 2

    lib.utils.checkpoint.checkpoint(part, leaf(lib, 1.0), use_reentrant=False).backward()


@scenario
def a_function_that_changes_shapes(lib):
    calls = []

    def part(a):
        calls.append(1)
        return a.expand(len(calls)).exp().sum()

    lib.utils.checkpoint.checkpoint(part, leaf(lib, 1.0), use_reentrant=False).backward()


@scenario
def a_function_that_changes_shapes_unchecked(lib):
    calls = []

    def part(a):
        calls.append(1)
        return (a.expand(len(calls)).exp()[:1]).sum()

    lib.utils.checkpoint.checkpoint(part, leaf(lib, 1.0), use_reentrant=False, determinism_check="never").backward()


@scenario
def form_not_named(lib):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = leaf(lib, 1.0)
        lib.utils.checkpoint.checkpoint(lambda a: a.exp(), x).backward()
    return [w.category.__name__ for w in caught], x.grad


@scenario
def sequential_in_segments(lib):
    grads = []
    for segments in (1, 2, 3):
        for reentrant in (False, True):
            x = leaf(lib, 0.5, 1.0)
            runs = []

            def step(a, runs=runs):
                runs.append(1)
                return a.sin() * 2

            y = lib.utils.checkpoint.checkpoint_sequential([step] * 7, segments, x, use_reentrant=reentrant)
            y.sum().backward()
            grads.append((x.grad, len(runs)))
    return grads


@both_forms
def statistics_of_a_batch_norm_at_the_end_move_twice(lib, checkpoint):
    seen = []
    for layers in ([lib.nn.BatchNorm1d(2)], [lib.nn.Tanh(), lib.nn.BatchNorm1d(2, affine=False), lib.nn.Identity()]):
        model = lib.nn.Sequential(*layers)
        x = lib.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
        (checkpoint(model, x) ** 2).sum().backward()
        seen += [dict(model.named_buffers())]
    return seen


@scenario
def what_follows_the_last_saved_tensor_is_not_run_again(lib):
    __import__(f"{lib.__name__}.utils.checkpoint")
    F = lib.nn.functional
    last = {
        "saves its input": lambda t: t.sin(),
        "saves its output": lambda t: t.exp(),
        "saves nothing": lambda t: t + 1,
        "is made of several": lambda t: F.layer_norm(t, (2,)),
        "mish": F.mish,
        "mse": lambda t: t * F.mse_loss(t, t.detach() * 2),
        "huber": lambda t: t * F.huber_loss(t, t.detach() * 2),
        "instance_norm": lambda t: F.instance_norm(t.view(1, 2, 2), lib.zeros(2), lib.ones(2)).view(2, 2),
        "view": lambda t: t.view(4).view(2, 2),
        "in place": lambda t: (t * 1).tanh_(),
    }
    seen = {}
    for (first, f), (second, g) in itertools.product(last.items(), repeat=2):
        runs = []

        def part(t, f=f, g=g, runs=runs):
            for name, step in (("f", f), ("g", g), ("neg", lambda t: -t)):
                t = step(t)
                runs.append(name)
            return t

        x = lib.tensor([[0.1, 0.2], [0.3, 0.5]], requires_grad=True)
        lib.utils.checkpoint.checkpoint(part, x, use_reentrant=False).sum().backward()
        seen[first, second] = "".join(runs)
    return seen


@both_forms
def an_input_is_returned(lib, checkpoint):
    x = leaf(lib, 1.0, 2.0)
    y, z = checkpoint(lambda a: (a, a * 2), x)
    (y + z).sum().backward()
    w = leaf(lib, 3.0)
    checkpoint(lambda a: a, w).backward()
    return x.grad, w.grad


@scenario
def a_saved_leaf_is_a_leaf_again(lib):
    __import__(f"{lib.__name__}.utils.checkpoint")
    seen = []

    class Product(lib.autograd.Function):
        @staticmethod
        def forward(ctx, p, q):
            ctx.save_for_backward(p, q)
            return p * q

        @staticmethod
        def backward(ctx, g):
            p, q = ctx.saved_tensors
            seen.append([(t is a, t is b, t.requires_grad, t.is_leaf, t.grad_fn) for t in (p, q)])
            return g * q, g * p

    a, b = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    lib.utils.checkpoint.checkpoint(lambda p: Product.apply(p, b), a, use_reentrant=False).sum().backward()
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        c = Product.apply(a, b)
    (g,) = lib.autograd.grad(c.sum(), a, create_graph=True)
    g.sum().backward()
    return seen, a.grad, b.grad


@scenarios.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


@pytest.mark.parametrize("reentrant", [False, True])
def test_dropout_drops_the_same_again_and_the_stream_goes_on(reentrant: bool) -> None:
    def run(part: Any) -> tuple:
        minitorch.manual_seed(3)
        x = minitorch.ones(100, requires_grad=True)
        y = part(lambda a: minitorch.nn.functional.dropout(a.exp(), 0.5), x)
        between = minitorch.rand(3)
        y.sum().backward()
        return x.grad.tolist(), between.tolist(), minitorch.rand(3).tolist()

    plain = run(lambda f, x: f(x))
    assert plain == run(lambda f, x: checkpoint(f, x, use_reentrant=reentrant))
    without = run(lambda f, x: checkpoint(f, x, use_reentrant=reentrant, preserve_rng_state=False))
    assert without[0] != plain[0], "without the state the second mask is another"


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # the inner one, in the outer's first run
@pytest.mark.parametrize("reentrant", [False, True])
def test_activations_are_dropped_and_those_of_an_inner_checkpoint_too(reentrant: bool) -> None:
    inside: list = []

    def block(a: Any) -> Any:
        b = a.exp()
        inside.append(weakref.ref(b._array))
        return b * b

    gc.disable()
    try:
        x = minitorch.ones(5, requires_grad=True)
        y = checkpoint(lambda a: checkpoint(block, block(a), use_reentrant=reentrant), x, use_reentrant=reentrant)
        assert len(inside) == 2 and all(array() is None for array in inside)
        y.sum().backward()
        assert all(array() is None for array in inside), "backward lets go of them again"
    finally:
        gc.enable()


def test_saved_tensors_asked_for_twice() -> None:
    class Twice(minitorch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * (ctx.saved_tensors[0] * 0 + ctx.saved_tensors[0] * 0 + 2)

    y = checkpoint(Twice.apply, minitorch.ones(1, requires_grad=True), use_reentrant=False)
    with pytest.raises(minitorch.utils.checkpoint.CheckpointError, match="already unpacked once"):
        y.backward()
