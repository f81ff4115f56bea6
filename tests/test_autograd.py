"""The engine's semantics, each a scenario run on both libraries: what it returns, or the type it raises, is the same.

Then what torch cannot be asked: that memory is freed, that depth is no limit, that words teach.
"""

from __future__ import annotations

import gc
import math
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from both import Scenarios, agree, leaf


def names(node: Any) -> list:
    return [node.name(), [n and n.name() for n, _ in node.next_functions]]


SCENARIOS = Scenarios()
scenario = SCENARIOS.add


# ---- backward and grad ----


@scenario
def a_value_used_twice(lib):
    a = lib.tensor(2.0, requires_grad=True)
    b = a * a
    (b * (b * a)).backward()
    return a.grad  # 80; other orders give 48 or 112


@scenario
def the_same_with_operands_swapped(lib):
    a = lib.tensor(2.0, requires_grad=True)
    b = a * a
    ((b * a) * b).backward()
    return a.grad


@scenario
def equal_leaves_are_two_leaves(lib):
    w1, w2 = leaf(lib, 3.0), leaf(lib, 3.0)
    (w1 + w2).sum().backward()
    return w1.grad, w2.grad


@scenario
def gradients_accumulate(lib):
    x = leaf(lib, 3.0)
    for _ in range(3):
        (x * x).sum().backward()
    return x.grad


@scenario
def backward_of_a_created_graph_adds(lib):
    x = lib.tensor(3.0, requires_grad=True)
    (x**3).backward(create_graph=True)
    x.grad.backward()
    return x.grad  # 27 + 18


@scenario
def third_order(lib):
    x = leaf(lib, 0.5)
    g = x.exp().sin()
    for _ in range(3):
        (g,) = lib.autograd.grad(g.sum(), x, create_graph=True)
    return g


@scenario
def non_scalar_root_needs_a_gradient(lib):
    leaf(lib, 1.0, 2.0).exp().backward()


@scenario
def one_element_root_needs_none(lib):
    x = leaf(lib, 2.0)
    (x * x).backward()
    return x.grad


@scenario
def gradient_of_another_shape(lib):
    leaf(lib, 1.0, 2.0).exp().backward(lib.ones(3, dtype=lib.float64))


@scenario
def root_without_grad(lib):
    lib.ones(1).backward()


@scenario
def second_time(lib):
    x = leaf(lib, 1.0)
    y = x.exp().sum()
    y.backward()
    y.backward()


@scenario
def second_time_through_a_sum_that_kept_nothing(lib):
    x = leaf(lib, 1.0, 2.0)
    y = (x + x).sum()
    y.backward()
    y.backward()
    return x.grad


@scenario
def retained(lib):
    x = leaf(lib, 1.0)
    y = x.exp().sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@scenario
def grad_leaves_no_trace(lib):
    x, w = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    gx, gw = lib.autograd.grad((x * w).sum(), [x, w])
    return gx, gw, x.grad is None, w.grad is None


@scenario
def grad_of_an_intermediate(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 3
    return lib.autograd.grad((y * y).sum(), [y, x])


@scenario
def grad_with_outputs(lib):
    x = leaf(lib, 1.0, 2.0)
    return lib.autograd.grad([x * 2, x * x], x, grad_outputs=[x.detach() + 1, x.detach()])


@scenario
def unused_input(lib):
    x, z = leaf(lib, 1.0), leaf(lib, 1.0)
    lib.autograd.grad(x * 2, z)


@scenario
def unused_input_allowed(lib):
    x, z = leaf(lib, 1.0), leaf(lib, 1.0)
    return lib.autograd.grad(x * 2, [x, z], allow_unused=True)


@scenario
def unused_input_as_zeros(lib):
    x, z = leaf(lib, 1.0), leaf(lib, 1.0, 2.0)
    return lib.autograd.grad(x * 2, [x, z], materialize_grads=True)


@scenario
def contradictory_options(lib):
    x = leaf(lib, 1.0)
    lib.autograd.grad(x * 2, x, allow_unused=False, materialize_grads=True)


@scenario
def input_that_wants_no_grad(lib):
    lib.autograd.grad(leaf(lib, 1.0) * 2, lib.ones(1))


@scenario
def backward_to_chosen_inputs(lib):
    x, w = leaf(lib, 1.0), leaf(lib, 2.0)
    y = x * w
    (y * y).backward(inputs=[w])
    return x.grad, w.grad, y.requires_grad


@scenario
def backward_to_no_inputs(lib):
    leaf(lib, 1.0).exp().backward(inputs=[])


@scenario
def products_have_the_names_that_are_printed(lib):
    plain, biased = lib.nn.Linear(3, 2, bias=False), lib.nn.Linear(3, 2)
    made = [layer(lib.ones(shape)) for layer in (plain, biased) for shape in ((4, 3), (2, 4, 3))]
    matrix, batch = lib.ones(3, 3, requires_grad=True), lib.ones(2, 3, 3)
    made += [
        matrix @ matrix,
        batch @ matrix,
        batch @ (batch * matrix),
        matrix @ matrix[0],
        matrix[0] @ matrix[0],
    ]
    return [y.grad_fn.name() for y in made]


# ---- leaves ----


@scenario
def leaves_and_flags(lib):
    x = leaf(lib, 1.0)
    y = x * 2
    d = y.detach()
    return [(t.is_leaf, t.requires_grad, t.grad_fn is None) for t in (x, y, d, lib.ones(1))]


@scenario
def integers_made_of_what_requires_grad(lib):
    x = leaf(lib, 1.5, 2.5)
    made = [x.long(), (x * 2).int(), x.bool(), x > 1, x.argmax(), x.long().double(), x.half()]
    return [(t.requires_grad, t.grad_fn is None) for t in made]


@scenario
def integers_cannot_require_grad(lib):
    lib.ones(1, dtype=lib.int64).requires_grad_()


@scenario
def non_leaf_cannot_stop_requiring_grad(lib):
    (leaf(lib, 1.0) * 2).requires_grad_(False)


@scenario
def retain_grad_of_an_intermediate(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward()
    return y.grad, y.retains_grad, x.retains_grad


@scenario
def retain_grad_without_grad(lib):
    lib.ones(1).retain_grad()


@scenario
def names_of_nodes(lib):
    x = leaf(lib, 1.0, 2.0)
    made = [x + 1, x - 1, x * 2, x / 2, -x, x**2, x**x, 2**x, x.exp(), x.sum(), x.sum(0), x.mean(), x.mean(0), x.max(), x.std(),
            x[0], x[:1], x[[0, 1]], x.reshape(2, 1), x.unsqueeze(0), x.expand(3, 2), x.clone(), x.float(), x.relu(), x.softmax(0),
            x.cumsum(0), x @ x, x.outer(x) @ x, x.outer(x) @ x.outer(x), x.where(x > 0, x), x.clamp(0, 1), x.abs()]  # fmt: skip
    return [t.grad_fn.name() for t in made], names((x * leaf(lib, 2.0, 3.0)).grad_fn), names(x.sum().grad_fn)


# ---- hooks ----


@scenario
def tensor_hooks_run_in_order_and_replace(lib):
    x = leaf(lib, 1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(("first", g.item())))
    y.register_hook(lambda g: g * 10)
    removed = y.register_hook(lambda g: g * 1000)
    y.register_hook(lambda g: seen.append(("last", g.item())))
    removed.remove()
    y.backward()
    return seen, x.grad


@scenario
def leaf_hook_sees_the_sum(lib):
    x = leaf(lib, 1.0)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).backward()
    return seen, x.grad


@scenario
def hook_survives_the_graph(lib):
    x = leaf(lib, 1.0)
    x.register_hook(lambda g: g + 1)
    for _ in range(2):
        (x * 2).backward()
        gc.collect()
    return x.grad


@scenario
def retained_grad_is_the_replaced_one(lib):
    x = leaf(lib, 1.0)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    y.backward()
    return y.grad, x.grad


@scenario
def node_hooks(lib):
    x = leaf(lib, 1.0)
    y = x * lib.tensor([3.0], dtype=lib.float64)
    seen = []
    y.grad_fn.register_prehook(lambda outs: seen.append([g.item() for g in outs]))
    y.grad_fn.register_hook(lambda ins, outs: seen.append([g is None or g.item() for g in ins]))
    y.backward()
    return seen, x.grad


@scenario
def post_accumulate_hook(lib):
    x = leaf(lib, 1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
    (x * 2).backward()
    (x * 3).backward()
    return seen


@scenario
def hook_on_a_constant(lib):
    lib.ones(1).register_hook(print)


# ---- modes ----


@scenario
def modes(lib):
    x = leaf(lib, 1.0)
    seen = []
    with lib.no_grad():
        seen.append((x * 2).requires_grad)
        with lib.enable_grad():
            seen.append((x * 2).requires_grad)
        seen.append(lib.is_grad_enabled())

    @lib.no_grad()
    def inside():
        return (x * 2).requires_grad

    def steps():
        yield lib.is_grad_enabled()
        yield lib.is_grad_enabled()

    quiet = lib.no_grad()(steps)()
    seen += [inside(), next(quiet), lib.is_grad_enabled(), next(quiet), lib.is_grad_enabled()]
    with lib.set_grad_enabled(False):
        seen.append(lib.is_grad_enabled())
    lib.set_grad_enabled(False)
    seen.append(lib.is_grad_enabled())
    lib.set_grad_enabled(True)
    with lib.inference_mode():
        seen.append(((x * 2).requires_grad, lib.is_inference_mode_enabled()))
    return seen


@scenario
def inference_tensors(lib):
    with lib.inference_mode():
        x = lib.tensor([1.0, 2.0])
        y = x * 2
        v = y[:1]
        y.add_(1)
        inside = [t.is_inference() for t in (x, y, v, x.sum(), lib.zeros(2))]
        with lib.inference_mode(False):
            inside.append(lib.ones(1).is_inference())
    outside = [t.is_inference() for t in (x + 1, y.clone(), y.detach(), v, lib.ones(1))]
    w = leaf(lib, 1.0, 2.0)
    (w + x).sum().backward()
    return inside, outside, y, v, w.grad


@scenario
def inference_tensor_saved_for_backward(lib):
    with lib.inference_mode():
        x = lib.ones(2)
    leaf(lib, 1.0, 2.0) * x


@scenario
def inference_tensor_written_to_outside(lib):
    with lib.inference_mode():
        x = lib.ones(2)
    x.add_(1)


@scenario
def inference_tensor_that_shall_require_grad(lib):
    with lib.inference_mode():
        x = lib.ones(2)
    x.requires_grad_()


@scenario
def version_of_an_inference_tensor(lib):
    with lib.inference_mode():
        return lib.ones(2)._version


@scenario
def view_made_in_inference_mode(lib):
    x = leaf(lib, 1.0, 2.0) * 1
    with lib.inference_mode():
        v = x[:1]
    v.mul_(2)


@scenario
def modes_are_per_thread(lib):
    seen = []
    with lib.no_grad():
        thread = threading.Thread(target=lambda: seen.append(lib.is_grad_enabled()))
        thread.start()
        thread.join()
    return seen


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


# ---- random programs ----

STEPS = ["mul", "add", "sin", "square", "view", "write", "detach", "sum", "expand"]


def program(steps: list[tuple[str, int, int]]) -> Any:
    """A scenario that runs these steps on a growing list of tensors, and differentiates the sum of them all."""

    def run(lib: Any) -> Any:
        x, y = leaf(lib, 0.5, -1.5), leaf(lib, 2.0, 0.25)
        made = [x, y]
        for step, i, j in steps:
            a, b = made[i % len(made)], made[j % len(made)]
            if step == "mul":
                made.append(a * b)
            elif step == "add":
                made.append(a + b)
            elif step == "sin":
                made.append(a.sin())
            elif step == "square":
                made.append(a * a)
            elif step == "view":
                made.append(a.flip(0) if a.ndim == 0 else a[..., :1])
            elif step == "write":
                a.mul_(b.detach().sum() * 0.5)
            elif step == "detach":
                made.append(a.detach())
            elif step == "sum":
                made.append(a.sum(0, keepdim=True))
            else:
                made.append(b.expand_as(a) if b.numel() == 1 else b * 1)
        total = sum((t.cos().sum() for t in made), lib.zeros((), dtype=lib.float64))
        grads = lib.autograd.grad(total, [x, y], create_graph=True)
        again = lib.autograd.grad(sum((g * g).sum() for g in grads), [x, y], allow_unused=True, materialize_grads=True)
        return grads, again, made, [t._version for t in made], [t.requires_grad for t in made]

    return run


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 9)), max_size=10))
def test_random_programs(steps: list) -> None:
    agree(program(steps))


# ---- what torch cannot be asked ----


def test_depth_is_no_limit() -> None:
    x = minitorch.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    y.backward()
    assert x.grad.item() == 1
    z = x
    for _ in range(100_000):
        z = z * 1.0
    del z  # frees 100,000 nodes that no backward has run through


def test_nothing_outlives_the_backward_that_freed_it() -> None:
    gc.disable()  # what is freed must be freed by reference counts alone
    try:
        x = minitorch.ones(3, requires_grad=True)
        hidden = x * 2
        kept, node = weakref.ref(hidden), weakref.ref(hidden.grad_fn)
        loss = (hidden.exp() * hidden).sum()
        del hidden
        assert kept() is not None, "the product keeps its inputs until backward"
        loss.backward()
        assert kept() is None, "backward frees what was kept as it goes"
        assert node() is not None, "the loss still holds its graph"
        del loss
        assert node() is None
    finally:
        gc.enable()


def test_a_graph_that_is_dropped_is_freed() -> None:
    gc.disable()
    try:
        x = minitorch.ones(3, requires_grad=True)
        loss = minitorch.nn.functional.cross_entropy(x.exp().unsqueeze(0) * 2, minitorch.tensor([1]))
        node = weakref.ref(loss.grad_fn)
        del loss
        assert node() is None, "a cycle keeps the graph alive"
    finally:
        gc.enable()


def test_gradients_are_nobody_elses_memory() -> None:
    for create_graph in (False, True):
        a, b, c, d = (minitorch.ones(3, requires_grad=True) for _ in range(4))
        v = minitorch.ones(3)
        (a + b).backward(v, create_graph=create_graph)
        c.view(3).backward(v, create_graph=create_graph)
        d.backward(v, create_graph=create_graph)
        arrays = [t.detach().numpy() for t in (a.grad, b.grad, c.grad, d.grad, v)]
        assert not any(np.shares_memory(arrays[i], arrays[j]) for i in range(5) for j in range(i))


def test_errors_say_what_to_do() -> None:
    x = minitorch.ones(2, requires_grad=True)
    y = x.exp()
    y.sum().backward()
    with pytest.raises(RuntimeError, match=r"ExpBackward0.*detach\(\).*retain_graph=True"):
        y.sum().backward()
    z = x.tanh()
    z.mul_(2)
    with pytest.raises(
        RuntimeError, match=r"shape \(2,\) that TanhBackward0 saved as 'out' is at version 1; expected version 0"
    ):
        z.sum().backward()
    with pytest.raises(RuntimeError, match=r"got shape \(2,\)"):
        x.exp().backward()


# ---- gradcheck ----


def test_gradcheck_tells_right_from_wrong() -> None:
    x = minitorch.tensor([0.5, 2.0], dtype=minitorch.float64, requires_grad=True)
    assert minitorch.autograd.gradcheck(lambda x: (x.exp(), x.sin() * x), x)
    assert minitorch.autograd.gradgradcheck(lambda x: x.exp() * x, x)

    class Wrong(minitorch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3 * ctx.saved_tensors[0].detach() ** 2  # right, but its own derivative is lost

    assert minitorch.autograd.gradcheck(Wrong.apply, x)
    assert not minitorch.autograd.gradgradcheck(Wrong.apply, x, raise_exception=False)
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        minitorch.autograd.gradcheck(lambda x: x.detach() * math.pi + x * 0, x)
