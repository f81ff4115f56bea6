"""What an engine gets wrong when one line of it is missing: each scenario needs a line that the others do without.

They were found by breaking the engine's lines one at a time; `test_planted_faults.py` breaks some of them again.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import minitorch
from both import Scenarios, agree, leaf

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


# ---- where gradients end ----


@scenario
def created_graphs_accumulate(lib):
    x = leaf(lib, 3.0, -1.0)
    for _ in range(2):
        (x**3).sum().backward(create_graph=True)
    return x.grad, x.grad.requires_grad, lib.autograd.grad(x.grad.sum(), x)


@scenario
def leaf_that_is_its_own_root(lib):
    x, g = leaf(lib, 1.0, 2.0), lib.tensor([3.0, 4.0], dtype=lib.float64)
    x.backward(g)
    x.backward(g)
    return x.grad, g, lib.autograd.grad(x, x, g)


@scenario
def leaf_that_wants_no_more(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    x.requires_grad_(False)
    y.sum().backward()
    return x.grad


@scenario
def leaf_that_became_the_result_of_an_op(lib):
    x, w = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    y = x * 2
    x.requires_grad_(False).mul_(w)
    y.sum().backward()


@scenario
def gradient_of_another_dtype(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    (x * leaf(lib, 3.0, 4.0)).sum().backward()
    return x.grad


@scenario
def the_same_shape_in_two_dtypes_and_two_shapes_in_one(lib):
    found = []
    for dtype, n in ((lib.float32, 2), (lib.float64, 2), (lib.float64, 3)):
        x = lib.ones(n, dtype=dtype, requires_grad=True)
        ((x * 2) * lib.ones(3, 1, dtype=lib.float64)).sum().backward()
        found.append(x.grad)
    return found


@scenario
def three_uses_and_a_second_derivative(lib):
    x = leaf(lib, 0.5, 1.5)
    (g,) = lib.autograd.grad((x.sin() + x.exp() + x.tanh() + x * x).sum(), x, create_graph=True)
    return g, lib.autograd.grad(g.sum(), x)


# ---- what only some nodes see ----


@scenario
def branches_that_lead_elsewhere_do_not_run(lib):
    x, w = leaf(lib, 1.0), leaf(lib, 2.0)
    ran = []
    branch = w.exp()
    branch.grad_fn.register_hook(lambda *_: ran.append("branch"))
    y = x.sin()
    y.grad_fn.register_hook(lambda *_: ran.append("y"))
    return lib.autograd.grad((y * branch).sum(), x), ran


@scenario
def retained_gradients_add_up(lib):
    y = leaf(lib, 1.0, 2.0) * 2
    y.retain_grad()
    for _ in range(3):
        y.exp().sum().backward(retain_graph=True)
    return y.grad, y.grad.requires_grad


@scenario
def retained_gradient_with_a_graph(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.exp().sum().backward(create_graph=True)
    return y.grad, y.grad.requires_grad, lib.autograd.grad(y.grad.sum(), x)


@scenario
def retained_gradient_of_a_tensor_that_is_gone(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    z = y.exp().sum()
    del y
    z.backward()
    return x.grad


@scenario
def retained_gradient_of_an_output_that_gets_none(lib):
    x = leaf(lib, 1.0, 2.0)
    a, b = (x * 2).unbind(0)
    a.retain_grad()
    b.retain_grad()
    b.exp().backward()
    return b.grad, x.grad


# ---- what was saved ----


@scenario
def detached_after_it_was_saved(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x.sin()
    z = y * y
    y.detach_()
    z.sum().backward()


@scenario
def detached_before_it_was_saved(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x.sin()
    y.detach_()
    (y * x).sum().backward()
    return x.grad


@scenario
def written_to_after_another_that_had_been_written_to_before(lib):
    x = leaf(lib, 1.0, 2.0)
    a, b = x * 2, x * 3
    a.add_(1)
    z = a * b
    b.add_(1)
    z.sum().backward()


@scenario
def other_factor_of_an_in_place_product_written_to(lib):
    x = leaf(lib, 1.0, 2.0)
    a, b = x * 2, x * 3
    a.mul_(b)
    b.add_(1)
    a.sum().backward()


@scenario
def result_of_an_in_place_op_written_to(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    y.exp_()
    y.add_(1)
    y.sum().backward()


@scenario
def result_of_an_in_place_op_left_alone(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    y.exp_()
    (y + 1).sum().backward()
    return x.grad


@scenario
def names_of_nodes_that_have_run(lib):
    x, w, b = (lib.ones(*shape, requires_grad=True) for shape in ((2, 3), (4, 3), (4,)))
    y = lib.nn.functional.linear(x, w, b)
    before = y.grad_fn.name()
    y.sum().backward()
    return before, y.grad_fn.name()


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


# ---- what torch cannot be asked ----


class Handing(minitorch.autograd.Function):
    """Hands its gradient on as it came, and lays hands on nothing."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        return a + b

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g, g


COMBINED: dict[str, Any] = {
    "a sum": lambda a, b: a + b,
    "a Function": lambda a, b: Handing.apply(a, b),
    "views": lambda a, b: a.view(3, 1).squeeze(1) + b.reshape(1, 3)[0],
    "a stack": lambda a, b: minitorch.stack([a, b]).sum(0),
    "the leaf itself": lambda a, b: a,
}


@pytest.mark.parametrize("combined", COMBINED.values(), ids=list(COMBINED))
def test_a_gradient_is_memory_of_its_own(combined: Any) -> None:
    a, b = minitorch.ones(3, requires_grad=True), minitorch.ones(3, requires_grad=True)
    upstream = minitorch.tensor([1.0, 2.0, 3.0])
    for times in (1, 2):
        combined(a, b).backward(upstream)
        found = [t for t in (a.grad, b.grad) if t is not None]
        assert all(np.array_equal(t.numpy(), upstream.numpy() * times) for t in found)
    arrays = [t.numpy() for t in (*found, upstream)]
    assert not any(np.shares_memory(arrays[i], arrays[j]) for i in range(len(arrays)) for j in range(i))


def test_a_second_derivative_leaves_no_cycle() -> None:
    gc.disable()
    try:
        x = minitorch.ones(3, requires_grad=True)
        y = x.exp()
        node = weakref.ref(y.grad_fn)
        (g,) = minitorch.autograd.grad(y.sum(), x, create_graph=True)
        assert g.requires_grad
        del y, g
        assert node() is None
    finally:
        gc.enable()


def view_in_no_grad(x: Any) -> Any:
    with minitorch.no_grad():
        return x.view(-1)


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (lambda x: x.unbind(0)[0], "is the output of a function that returns multiple views"),
        (lambda x: x.unbind(0)[0].view(-1), "is the output of a function that returns multiple views"),
        (view_in_no_grad, "was created in no_grad mode"),
    ],
)
def test_a_view_that_may_not_be_written_to_says_why(view: Any, why: str) -> None:
    x = minitorch.ones(2, 2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match=f"this view {why} and is being modified inplace"):
        view(x).mul_(2)
