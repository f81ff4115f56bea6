"""What the walk gets wrong when one line of it is missing: gradients that meet, who runs, and what users' code sees meanwhile.

In a backward that is not recorded the walk carries bare arrays. Nobody may notice: hooks and Functions see Tensors, ops within them
take Tensors and nothing else, and no memory is shared that was not shared before. `test_planted_faults.py` breaks these lines.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np

import minitorch
from both import Scenarios, agree, leaf
from minitorch.autograd import engine
from minitorch.autograd.grad_mode import grad_mode

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


# ---- gradients that meet ----


@scenario
def hooks_of_roots_that_lead_to_no_input(lib):
    seen = []
    for roots in (1, 2):
        for call in ("grad", "backward"):
            x, elsewhere = leaf(lib, 1.0, 2.0), leaf(lib, 3.0)
            y = x * 2
            y.register_hook(lambda g: seen.append("y"))
            x.register_hook(lambda g: seen.append("x"))
            y.grad_fn.register_hook(lambda given, got: seen.append("node"))
            y.retain_grad()
            asked, gradients = [y, x][:roots], [lib.ones_like(y)] * roots
            if call == "grad":
                seen.append(lib.autograd.grad(asked, elsewhere, gradients, allow_unused=True))
            else:
                lib.autograd.backward(asked, gradients, inputs=[elsewhere])
            seen.append((y.grad, x.grad, elsewhere.grad))
    return seen


@scenario
def what_a_product_by_a_number_saves_is_freed(lib):
    def twice(function):
        y = function(leaf(lib, 1.0, 2.0))
        y.sum().backward()
        try:
            y.sum().backward()
        except RuntimeError:
            return "freed"
        return "again"

    return [
        twice(f)
        for f in (
            lambda x: x * 2,
            lambda x: 2 * x,
            lambda x: x / 2,
            lambda x: 2 / x,
            lambda x: x + 2,
            lambda x: 2 - x,
            lambda x: -x,
        )
    ]


@scenario
def an_unrecorded_view_is_a_leaf_if_it_is_asked_to_require_grad(lib):
    found = []
    for ask in (False, True):
        x = leaf(lib, 1.0, 2.0)
        with lib.no_grad():
            view = x[:1]
        if ask:
            view.requires_grad_()
        (view * view).sum().backward()
        found.append((view.requires_grad, view.is_leaf, view.grad, x.grad))
    return found


@scenario
def a_gradient_comes_as_it_was_given(lib):
    x, g = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    (same,) = lib.autograd.grad(x, x, g)
    (twice,) = lib.autograd.grad(x * 1, x, g)
    return same is g, same.requires_grad, twice.requires_grad


@scenario
def an_upstream_gradient_that_meets_itself(lib):
    found = []
    for create_graph in (False, True):
        x, upstream = leaf(lib, 1.0, 2.0), lib.tensor([3.0, 4.0], dtype=lib.float64)
        y = x * 2
        (y + y + y).backward(upstream, create_graph=create_graph)
        found.append((x.grad, upstream))
    return found


@scenario
def a_recorded_gradient_of_two_leaves_is_two(lib):
    a, b, upstream = leaf(lib, 1.0), leaf(lib, 2.0), leaf(lib, 3.0)
    (a + b).backward(upstream, create_graph=True)
    with lib.no_grad():
        a.grad.add_(1)
    return a.grad, b.grad, upstream


@scenario
def outputs_of_several_shapes(lib):
    x = leaf(lib, 1.0, 2.0, 3.0, 4.0, 5.0)
    found = []
    for sizes in ([2, 3], [2, 2, 1], [2, 3], [2, 1, 2]):
        parts = x.split(sizes)
        sum((part.exp() * n).sum() for n, part in enumerate(parts)).backward()
        found.append(x.grad.clone())
    return found


@scenario
def one_call_with_results_of_several_dtypes(lib):
    x, seen = leaf(lib, 1.0, 2.0), []
    for dtype in (lib.float16, lib.float32, lib.float64):
        y = x.to(dtype)
        y.register_hook(lambda g: seen.append(str(g.dtype).rpartition(".")[2]))
        y.mul(1 / 3).sum().backward()
        y = x.sum(0, dtype=dtype)
        y.register_hook(lambda g: seen.append(str(g.dtype).rpartition(".")[2]))
        y.mul(1 / 3).backward()
    return x.grad, seen[1:4]  # of float64 to itself torch makes no node


@scenario
def derivatives_that_give_nothing(lib):
    class Silent(lib.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * b

        @staticmethod
        def backward(ctx, g):
            return None, g * 2

    a, b = leaf(lib, 1.0), leaf(lib, 2.0)
    (Silent.apply(a, b) + a * 5).backward()
    Silent.apply(a * 1, b).backward()
    return a.grad, b.grad


@scenario
def chosen_outputs_of_one_node(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    a, b, c = x.unbind(0)
    y = a * b * b * c
    return lib.autograd.grad(y, [b, c], retain_graph=True), lib.autograd.grad(y, [x, b])


@scenario
def indices_beside_values_in_a_second_derivative(lib):
    x = lib.tensor([[1.0, 5.0], [7.0, 2.0]], dtype=lib.float64, requires_grad=True)
    values = [x.max(1)[0], x.sort(1)[0][0], x.topk(1, 1)[0], x.cummax(1)[0], x.median(1)[0], x.logsumexp(1), x.amax(1)]
    (g,) = lib.autograd.grad(sum((v**3).sum() for v in values), x, create_graph=True)
    return g, lib.autograd.grad((g * g).sum(), x)


@scenario
def a_saved_output_that_has_no_gradient(lib):
    x = lib.tensor([[1.0, 5.0], [7.0, 2.0]], dtype=lib.float64, requires_grad=True)
    upstream, weight = lib.tensor(3.0, dtype=lib.float64, requires_grad=True), lib.tensor([2.0, 3.0], dtype=lib.float64)
    loss = lib.nn.functional.nll_loss(
        x, lib.tensor([0, 1]), weight
    )  # saves the sum of the weights, which is an output of the op
    (g,) = lib.autograd.grad(loss, x, upstream, create_graph=True)
    (g * g).sum().backward()
    return g, upstream.grad


@scenario
def an_output_watched_beside_an_input_written_to_before(lib):
    x, w = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    y = x * 2
    y.add_(1)
    z = lib.hypot(y, w)
    z.add_(1)
    z.sum().backward()


@scenario
def an_input_that_nobody_needs_is_written_to(lib):
    x, w = leaf(lib, 1.0, 2.0), lib.tensor([3.0, 4.0], dtype=lib.float64)
    y = x * 2
    products = y * w + w.atan2(y * 1)
    y.add_(1)
    products.sum().backward()
    return x.grad


# ---- in which mode ----


@scenario
def what_users_code_sees(lib):
    seen = []

    def look(where):
        try:
            lib.tanh(np.ones(2))
        except TypeError:
            seen.append((where, lib.is_grad_enabled()))

    class Looking(lib.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return a * 2

        @staticmethod
        def backward(ctx, g):
            look("Function")
            return g * 2

    for create_graph in (False, True):
        x = leaf(lib, 1.0, 2.0)
        x.register_post_accumulate_grad_hook(lambda t: look("leaf"))
        y = Looking.apply(x)
        y.register_hook(lambda g: look("tensor"))
        z = y.exp()
        z.grad_fn.register_prehook(lambda grads: look("before"))
        z.grad_fn.register_hook(lambda gradients, grads: look("after"))
        z.sum().backward(create_graph=create_graph)
        look("outside")
        seen.append((x.grad.requires_grad, x.grad))
    return seen


@scenario
def after_a_backward_that_failed(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x.exp()
    y.register_hook(lambda g: g.no_such_method())
    found = []
    for create_graph in (False, True):
        try:
            y.sum().backward(create_graph=create_graph)
        except AttributeError:
            found.append(lib.is_grad_enabled())
        try:
            lib.tanh(np.ones(2))
        except TypeError:
            found.append((x * 2).requires_grad)
    return found


@scenario
def backward_from_within_hooks(lib):
    x, w, seen = leaf(lib, 1.0, 2.0), leaf(lib, 3.0), []

    def inner(g):
        with lib.enable_grad():
            (found,) = lib.autograd.grad((w * g.sum()).exp(), w, create_graph=True)
            (w * 2).backward()
        seen.append((found, found.requires_grad, type(g) is lib.Tensor, g.requires_grad, (g + 1).requires_grad))

    for create_graph in (False, True):
        y = x * x
        y.register_hook(inner)
        y.sum().backward(create_graph=create_graph)
    return seen, x.grad, w.grad


@scenario
def ops_in_an_unpack_hook(lib):
    x, found = leaf(lib, 0.5, 0.25), []
    for create_graph in (False, True):
        with lib.autograd.graph.saved_tensors_hooks(lambda t: t.detach().float(), lambda t: t.double().log2().exp2()):
            y = x.exp()
        (g,) = lib.autograd.grad(y.sum(), x, create_graph=create_graph)
        found += [g, g.requires_grad]
    return found


@scenario
def recorded_in_a_hook(lib):
    x, w, seen = leaf(lib, 1.0, 2.0), leaf(lib, 3.0), []

    def hook(g):
        with lib.enable_grad():
            y = (w * g).sum()
        seen.append(y.requires_grad)
        y.backward()
        return g * 2

    y = x.exp()
    y.register_hook(hook)
    y.sum().backward()
    return seen, x.grad, w.grad


# ---- hooks ----


@scenario
def both_sides_of_a_node_as_its_hook_sees_them(lib):
    def told(grads):
        return [g if g is None else (g, type(g) is lib.Tensor, (g * 2).sum()) for g in grads]

    seen = []
    for create_graph in (False, True):
        x = leaf(lib, 1.0, 2.0)
        w = lib.tensor([3.0, 4.0], dtype=lib.float64)
        for y in (w * x, w.atan2(x), x.unbind(0)[1]):
            y.grad_fn.register_hook(lambda inputs, outputs: seen.append((told(inputs), told(outputs))))
            y.grad_fn.register_prehook(lambda outputs: seen.append(told(outputs)))
            y.sum().backward(create_graph=create_graph)
        seen.append(x.grad)
    return seen


@scenario
def a_leafs_node_hooks(lib):
    found = []
    for create_graph in (False, True):
        x = leaf(lib, 1.0, 2.0)
        y = x.exp()
        end = y.grad_fn.next_functions[0][0]
        end.register_prehook(lambda outputs: (outputs[0] * 3,))
        end.register_hook(lambda inputs, outputs: found.append((len(inputs), outputs)))
        y.sum().backward(create_graph=create_graph)
        found.append(x.grad)
        end.register_prehook(lambda outputs: (None,))
        (x * 2).sum().backward(create_graph=create_graph)
        found.append(x.grad)
    return found


@scenario
def outputs_that_get_no_gradient_have_hooks(lib):
    seen = []
    for create_graph in (False, True):
        x = leaf(lib, 1.0, 2.0, 3.0)
        a, b, c = x.unbind(0)
        a.retain_grad()
        b.register_hook(lambda g: seen.append(g) or g * 10)
        (b * b * c).backward(create_graph=create_graph)
        seen.append((x.grad, a.grad))
    return seen


@scenario
def a_retained_gradient_is_memory_of_its_own(lib):
    x, upstream, seen = leaf(lib, 1.0, 2.0), lib.tensor([3.0, 4.0], dtype=lib.float64), []
    y = x + 0
    y.retain_grad()
    y.register_hook(seen.append)
    y.backward(upstream)
    y.grad.add_(1)
    return y.grad, upstream, seen, x.grad


@scenario
def a_retained_gradient_that_a_hook_gave(lib):
    held, found = leaf(lib, 5.0, 6.0), []
    for create_graph in (False, True):
        y = leaf(lib, 1.0, 2.0) * 2
        y.register_hook(lambda g: held)
        y.retain_grad()
        y.sum().backward(create_graph=create_graph)
        found.append((y.grad, y.grad.requires_grad))
    return found


@scenario
def gradients_of_calls_inside_one_another(lib):
    class Twice(lib.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b, a + b

        @staticmethod
        def backward(ctx, g, h):
            a, b = ctx.saved_tensors
            return lib.where(a > 0, g * b + h, lib.zeros_like(g)), lib.stack([g * a, h]).sum(0)

    found = []
    for create_graph in (False, True):
        a, b = leaf(lib, 1.0, -2.0), leaf(lib, 3.0, 4.0)
        c, d = Twice.apply(a, b)
        (c.exp() + d * c).sum().backward(create_graph=create_graph)
        found += [a.grad, b.grad]
        a.grad = b.grad = None
        Twice.apply(a, b)[1].sum().backward(create_graph=create_graph)  # the first output gets no gradient
        found += [a.grad, b.grad]
    return found


# ---- where a Function gives None ----


def dropping(lib):
    """The identity, which gives no gradient back."""

    class Dropping(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return None

    return Dropping.apply


def noting(lib, seen, materialize):
    """The identity, which notes what it is given."""

    class Noting(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            seen.append(g)
            return g

    return Noting.apply


@scenario
def hooks_are_told_that_nothing_comes(lib):
    x, w, seen = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0), []
    y = x * w
    z = y.exp()
    y.retain_grad()
    for tensor in (z, y, x, w):
        tensor.register_hook(lambda g: seen.append(g))
    y.grad_fn.register_prehook(lambda gs: seen.append(gs))
    y.grad_fn.register_hook(lambda gs, outs: seen.append((gs, outs)))
    w.register_post_accumulate_grad_hook(lambda leaf: seen.append(leaf.grad))
    dropping(lib)(z).sum().backward()
    return seen, x.grad, w.grad, y.grad


@scenario
def functions_are_run_on_nothing(lib):
    found = []
    for materialize in (False, True):
        for create_graph in (False, True):
            x = leaf(lib, 1.0, 2.0)
            dropping(lib)(noting(lib, found, materialize)(x).exp()).sum().backward(create_graph=create_graph)
            dropping(lib)(noting(lib, found, materialize)(x)).sum().backward(create_graph=create_graph)
            found.append(x.grad)
    return found


@scenario
def what_is_dropped_on_one_way_comes_on_another(lib):
    x, seen = leaf(lib, 1.0, 2.0), []
    y = x.exp()
    y.register_hook(lambda g: seen.append(g))
    (dropping(lib)(y) + y + dropping(lib)(y)).sum().backward()
    a, b = (x * 3).unbind()
    lib.stack([dropping(lib)(a), b]).sum().backward()
    return seen, x.grad


@scenario
def gradients_of_what_nothing_comes_to(lib):
    x, seen = leaf(lib, 1.0, 2.0), []
    side = noting(lib, seen, False)(leaf(lib, 5.0, 6.0))
    out = lambda: dropping(lib)(x * 2 + side).sum()
    found = [
        lib.autograd.grad(out(), x, allow_unused=True),
        lib.autograd.grad(out(), x, materialize_grads=True, create_graph=True),
        seen,  # `side` is not on the way to x, and not run
    ]
    out().backward(inputs=[x])
    return found, x.grad, lib.autograd.grad(out(), x)


@scenario
def a_hook_makes_nothing_a_gradient(lib):
    y = leaf(lib, 1.0, 2.0).exp()
    y.register_hook(lambda g: lib.ones(2, dtype=lib.float64))
    dropping(lib)(y).sum().backward()


@scenario
def anomaly_mode_where_nothing_comes(lib):
    with lib.autograd.detect_anomaly():
        x = leaf(lib, 1.0, 2.0)
        dropping(lib)(x.exp() * x).sum().backward()
    return x.grad


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


# ---- what torch cannot be asked ----


class Noting(minitorch.autograd.Function):
    """The identity, which notes the memory of the gradients it hands on, and which of them is still there."""

    handed: list[Any] = []
    alive: list[int] = []

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 1

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        result = g * 1
        Noting.alive.append(sum(reference() is not None for reference in Noting.handed))
        Noting.handed.append(weakref.ref(result._array))
        return result


def test_gradients_are_freed_as_the_walk_goes() -> None:
    Noting.handed, Noting.alive = [], []
    y = minitorch.ones(3, requires_grad=True)
    for _ in range(4):
        y = Noting.apply(y.exp())
    y.sum().backward()
    assert Noting.alive == [0, 0, 0, 0]


def test_nothing_is_left_of_a_walk() -> None:
    x = minitorch.ones(3, requires_grad=True)
    for create_graph in (False, True):
        x.exp().sum().backward(create_graph=create_graph)
        assert (grad_mode.enabled, grad_mode.on_arrays, engine.running.walk) == (True, False, None)
    x.grad = None
    gc.collect()


DIRECT = [test_gradients_are_freed_as_the_walk_goes, test_nothing_is_left_of_a_walk]
