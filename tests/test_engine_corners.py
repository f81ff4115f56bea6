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
def root_gradient_that_requires_grad(lib):
    x, g = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    x.backward(g)
    return x.grad, x.grad.requires_grad


@scenario
def hooks_that_hand_out_a_tensor_they_hold(lib):
    held = lib.tensor([5.0, 6.0], dtype=lib.float64, requires_grad=True)

    def hook_of_a_leaf(x):
        x.register_hook(lambda g: held)
        return x * 2

    def hook_of_a_leaf_used_twice(x):
        x.register_hook(lambda g: held)
        return x * 2 + x.exp() + x.sin()

    def hook_of_a_result(x):
        y = x + 0
        y.register_hook(lambda g: held)
        return y

    def hook_of_a_node(x):
        y = x * 2
        y.grad_fn.register_hook(lambda gradients, _: (held, None)[: len(gradients)])
        return y

    found = []
    for make in (hook_of_a_leaf, hook_of_a_leaf_used_twice, hook_of_a_result, hook_of_a_node):
        x = leaf(lib, 1.0, 2.0)
        for _ in range(2):
            make(x).sum().backward()
        found.append((x.grad, x.grad.requires_grad, held))
    return found


@scenario
def hooks_that_keep_what_they_saw(lib):
    x, seen = leaf(lib, 1.0, 2.0), []
    x.register_hook(seen.append)
    for _ in range(2):
        y = x * 2
        y.grad_fn.register_hook(lambda gradients, _: seen.append(gradients[0]))
        y.sum().backward()
    return seen, x.grad


@scenario
def second_output_of_an_op(lib):
    x = leaf(lib, 1.0, 5.0, 2.0)
    low, high = x.aminmax()
    (high.exp() + low * 3).backward()
    return x.grad


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
    made = [lib.nn.functional.linear(x, w, b), x.prod(0), x ** w[:1], x**2, x.clamp(w[0], None), x.sum(0)]
    before = [y.grad_fn.name() for y in made]
    sum(y.sum() for y in made).backward()
    return before, [y.grad_fn.name() for y in made]


@scenario
def exponent_of_an_in_place_power_written_to(lib):
    x = leaf(lib, 1.0, 2.0)
    a, b = x * 2, x * 3
    a.pow_(b)
    b.add_(1)
    a.sum().backward()


# ---- views of what changes its mind ----


def told(x):
    return x.requires_grad, x.is_leaf, x.grad_fn is None


@scenario
def base_that_begins_to_require_grad_has_views(lib):
    base = lib.ones(2, 3)
    row, part = base[0], base[0][1:]
    base.requires_grad_()
    before = [told(v) for v in (base, row, part)]
    (row.sum() + base.sum() * 2).backward()
    return before, base.grad


@scenario
def base_that_no_longer_requires_grad_has_views(lib):
    base = lib.ones(2, 3, requires_grad=True)
    row, part = base[0], base[0][1:]
    base.requires_grad_(False)
    return [told(v) for v in (base, row, part)]


@scenario
def base_that_is_detached_in_place_has_views(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    base = x * 2
    first, seen = base[:2], base[1:]
    seen.sum()
    base.detach_()
    return [told(v) for v in (base, first, seen)]


@scenario
def detached_in_place_and_required_again(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    base = x * 2
    base.detach_().requires_grad_()
    base[1:].exp().sum().backward()
    return base.grad, x.grad


@scenario
def second_output_detached_in_place(lib):
    x = leaf(lib, 1.0, 2.0)
    b = (x * 2).max(0)[0]
    c = (x * 3).sort()[0]
    c.detach_().requires_grad_()
    (c * b.detach()).sum().backward()
    return c.grad, c.output_nr


@scenario
def view_that_retains_its_gradient_of_a_base_that_is_written_to(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    base = x * 2
    view = base[1:]
    view.retain_grad()
    base.mul_(3)
    view.exp().sum().backward()
    return view.grad, x.grad


@scenario
def view_that_retains_its_gradient_and_was_used_before_the_write(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    base = x * 2
    view = base[1:]
    view.retain_grad()
    before = view * 5
    base.mul_(3)
    (view.exp().sum() + before.sum()).backward()
    return view.grad, x.grad


@scenario
def flags_that_stay_as_they_are(lib):
    x, y = leaf(lib, 1.0), leaf(lib, 1.0) * 2
    y.retain_grad()
    y.retain_grad()
    x.retain_grad()
    y.requires_grad_()
    (y * 3).sum().backward()
    return told(x.requires_grad_()), told(lib.ones(2, dtype=lib.int64).requires_grad_(False)), y.grad, x.grad


@scenario
def turned_views_that_are_written_to(lib):
    w = leaf(lib, 3.0)
    base = lib.arange(1.0, 7.0, dtype=lib.float64).view(2, 3)
    view = base[:, :2]
    view.t_().mul_(2)
    view = base[:1]
    view.t_()
    view[0].mul_(w)
    base.sum().backward()
    return base, view, w.grad


# ---- what a write does besides ----


@scenario
def write_of_another_dtype(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    z = lib.tensor([3.0, 4.0], dtype=lib.float64, requires_grad=True)
    y, seen = x * 2, []
    for write in (y.add_, y.mul_, y.atan2_):  # the last two need what they overwrite
        write(z)
        y.register_hook(lambda g: seen.append(str(g.dtype)))
    names = [y.grad_fn.name()]
    y[:1].mul_(z[:1])
    names.append(y.grad_fn.name())
    y.sum().backward()
    return y, names, seen, x.grad, z.grad


@scenario
def accumulating_is_a_write(lib):
    x = leaf(lib, 1.0, 2.0)
    (x * 2).sum().backward()
    before = x.grad._version
    (x * 2).sum().backward()
    return x.grad._version - before


@scenario
def the_same_everywhere_may_be_written_anywhere(lib):
    row = lib.ones(1, 3)
    expanded = row.expand(2, 3)
    expanded.zero_()
    expanded.fill_(2.0)
    expanded.copy_(expanded)
    return row


@scenario
def fill_of_an_expanded_tensor_with_a_tensor(lib):
    lib.ones(1, 3).expand(2, 3).fill_(lib.tensor(2.0))


@scenario
def copy_into_an_expanded_tensor(lib):
    lib.ones(1, 3).expand(2, 3).copy_(lib.arange(6.0).view(2, 3))


@scenario
def made_in_inference_mode(lib):
    x = lib.arange(6.0).view(2, 3)
    with lib.inference_mode():
        made = [x + 1, x.exp(), x.sum(), *x.max(0), *x.unbind(0), x[0], x * 2.0]
    return [t.is_inference() for t in made], [(x + 1).is_inference(), *(t.is_inference() for t in x.max(0))]


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


# ---- what torch cannot be asked ----


class Keeping(minitorch.autograd.Function):
    """Hands out as its gradients a tensor that others hold."""

    kept: Any

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        return a + b

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return Keeping.kept, Keeping.kept


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
    "a Function with a tensor of its own": lambda a, b: Keeping.apply(a, b),
    "views": lambda a, b: a.view(3, 1).squeeze(1) + b.reshape(1, 3)[0],
    "a stack": lambda a, b: minitorch.stack([a, b]).sum(0),
    "the leaf itself": lambda a, b: a,
}


@pytest.mark.parametrize("combined", COMBINED.values(), ids=list(COMBINED))
def test_a_gradient_is_memory_of_its_own(combined: Any) -> None:
    a, b = minitorch.ones(3, requires_grad=True), minitorch.ones(3, requires_grad=True)
    upstream = minitorch.tensor([1.0, 2.0, 3.0])
    Keeping.kept = upstream.clone()
    for times in (1, 2):
        combined(a, b).backward(upstream)
        found = [t for t in (a.grad, b.grad) if t is not None]
        assert all(np.array_equal(t.numpy(), [times, 2 * times, 3 * times]) for t in found)
    arrays = [t.numpy() for t in (*found, upstream, Keeping.kept)]
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


def test_a_read_only_array_is_not_written_to() -> None:
    array = np.ones(3)
    x = minitorch.from_numpy(array)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match="is not writable; clone"):
        x.add_(1)
    assert (array == 1).all()


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
