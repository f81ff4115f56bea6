"""The graph's own face, on both libraries: hooks on saved tensors, edges, anomaly mode, node hooks, `.grad`.

Each scenario returns the same, or raises the same type, as on torch; warnings are compared by category where they matter.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import pytest

import minitorch
from both import Scenarios, agree, leaf, outcome

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


# ---- hooks on what is saved ----


def packing(lib: Any, seen: list, change: Any = lambda t: t) -> Any:
    """Hooks that note what passes, and keep a changed copy."""

    def pack(t):
        seen.append(("pack", list(t.shape)))
        return change(t)

    def unpack(t):
        seen.append(("unpack", list(t.shape)))
        return t

    return lib.autograd.graph.saved_tensors_hooks(pack, unpack)


@scenario
def what_each_op_saves(lib):
    x, w, c = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0), lib.tensor([5.0, 6.0], dtype=lib.float64)
    made = [lambda: x * w, lambda: x * c, lambda: x + w, lambda: x.exp(), lambda: x.sin(), lambda: x / w, lambda: x / c,
            lambda: x.sum(), lambda: x.outer(w), lambda: x @ w, lambda: x.relu(), lambda: x.softmax(0), lambda: x.tanh(),
            lambda: lib.where(c > 5, x, w), lambda: x[1:], lambda: x.reshape(2, 1),
            lambda: x.square(), lambda: x.abs(), lambda: x.clamp(0, 3), lambda: x.log_softmax(0), lambda: x.sqrt(),
            lambda: lib.maximum(x, w), lambda: x.cumsum(0), lambda: x.sigmoid(), lambda: x.log(), lambda: x.unsqueeze(0) @ c]  # fmt: skip
    counts = []
    for make in made:
        seen: list = []
        with packing(lib, seen):
            y = make()
        y.sum().backward()
        counts.append([kind for kind, *_ in seen])
    return counts


@scenario
def hooks_see_constants_and_keep_gradients_right(lib):
    x = leaf(lib, 1.0, 2.0)
    seen: list = []
    with packing(lib, seen):
        y = (x * 2).exp() * x
    y.sum().backward()
    return seen, x.grad


@scenario
def what_unpack_returns_is_used(lib):
    x = leaf(lib, 1.0, 2.0)
    with packing(lib, [], lambda t: t * 10):
        y = x * x
    y.sum().backward()
    return x.grad


@scenario
def second_derivative_through_packed_tensors(lib):
    x = leaf(lib, 1.0, 2.0)
    with packing(lib, [], lambda t: t.clone()):
        y = x.exp() * x**3
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return g, lib.autograd.grad(g.sum(), x)


@scenario
def hooks_and_writing_in_place(lib):
    x, w = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    with packing(lib, []):
        y = x * 2
        y.mul_(w)
        y.exp_()
        y[0] = 5.0
        z = y * w
    z.sum().backward()
    return x.grad, w.grad


@scenario
def inner_hooks_win(lib):
    x = leaf(lib, 2.0)
    seen: list = []
    with packing(lib, seen):
        x.exp()
        with packing(lib, [], lambda t: t * 0):
            y = x.exp()
        x.exp()
    y.backward()
    return len(seen), x.grad


@scenario
def hooks_and_functions(lib):
    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, None)
            return x * x

        @staticmethod
        def backward(ctx, g):
            x, nothing = ctx.saved_tensors
            return 2 * x * g if nothing is None else None

    x = leaf(lib, 2.0)
    seen: list = []
    with packing(lib, seen, lambda t: t + 1):
        y = Square.apply(x)
    (g,) = lib.autograd.grad(y, x, create_graph=True)
    return seen, g, lib.autograd.grad(g, x)


@scenario
def pack_hook_that_writes(lib):
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t):
        leaf(lib, 1.0) * leaf(lib, 2.0)


@scenario
def unpack_hook_that_returns_no_tensor(lib):
    x = leaf(lib, 1.0)
    with lib.autograd.graph.saved_tensors_hooks(lambda t: "anything", lambda t: t):
        y = x * x
    y.backward()


@scenario
def hooks_switched_off(lib):
    with lib.autograd.graph.disable_saved_tensors_hooks("not here"), packing(lib, []):
        pass


@scenario
def hooks_switched_off_too_late(lib):
    with packing(lib, []), lib.autograd.graph.disable_saved_tensors_hooks("not here"):
        pass


@scenario
def saved_on_the_cpu(lib):
    x = leaf(lib, 1.0, 2.0)
    with lib.autograd.graph.save_on_cpu():
        y = (x.exp() * x).sum()
    y.backward()
    return x.grad


@scenario
def saved_values_by_name(lib):
    x, w = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    y, z = x * w, x.exp()
    found = [y.grad_fn._saved_self, y.grad_fn._saved_other, z.grad_fn._saved_result]
    return found, [t.requires_grad for t in found], found[2].grad_fn is z.grad_fn


@scenario
def saved_value_after_it_was_freed(lib):
    z = leaf(lib, 1.0).exp()
    z.backward()
    return z.grad_fn._saved_result


@scenario
def saved_value_with_no_such_name(lib):
    return (leaf(lib, 1.0) + 1).grad_fn._saved_result


# ---- edges, versions, nodes ----


@scenario
def edges_stand_for_tensors(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    z = y.exp()
    at = lib.autograd.graph.get_gradient_edge
    edge = at(y)
    by_edge = lib.autograd.grad(z, [edge, at(x)], retain_graph=True)
    lib.autograd.backward(at(z), inputs=[x])
    return by_edge, x.grad, edge.node is y.grad_fn, edge.output_nr


@scenario
def edge_as_a_root(lib):
    x = leaf(lib, 1.0, 2.0)
    edge = lib.autograd.graph.get_gradient_edge(x * 3)
    return lib.autograd.grad(edge, x, grad_outputs=lib.ones(2, dtype=lib.float64))


@scenario
def edge_of_a_constant(lib):
    lib.autograd.graph.get_gradient_edge(lib.ones(1))


@scenario
def version_counted_by_hand(lib):
    x = leaf(lib, 1.0)
    y = x.exp()
    lib.autograd.graph.increment_version([y, y])
    before = y._version
    lib.autograd.graph.increment_version(y)
    return before, y._version, y.backward()


@scenario
def every_node_is_a_node(lib):
    class Twice(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    y[0] = 1
    nodes = [(x * 2).grad_fn, Twice.apply(x).grad_fn, (x * 2).grad_fn.next_functions[0][0], y.grad_fn]
    nodes[0].metadata["note"] = 1
    return [isinstance(n, lib.autograd.graph.Node) for n in nodes], [n.metadata for n in nodes], [n.name() for n in nodes]


@scenario
def node_hooks_replace(lib):
    x = leaf(lib, 1.0)
    y = x * 3
    y.grad_fn.register_prehook(lambda outs: (outs[0] * 10,))
    handle = y.grad_fn.register_hook(lambda ins, outs: (ins[0] + 1, *ins[1:]))
    y.backward(retain_graph=True)
    first = x.grad.clone()
    handle.remove()
    y.backward()
    return first, x.grad


@scenario
def hook_that_removes_itself(lib):
    x = leaf(lib, 1.0)
    y = x * 3
    handles = []
    handles.append(y.register_hook(lambda g: handles[0].remove()))
    y.register_hook(lambda g: g * 2)
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@scenario
def hook_of_another_shape(lib):
    x = leaf(lib, 1.0, 2.0)
    x.register_hook(lambda g: g.sum())
    (x * 2).sum().backward()


@scenario
def hook_that_returns_no_tensor(lib):
    x = leaf(lib, 1.0, 2.0)
    x.register_hook(lambda g: 3)
    (x * 2).sum().backward()


@scenario
def hook_before_an_in_place_write(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(("before", g.tolist())))
    y.mul_(5)
    y.register_hook(lambda g: seen.append(("after", g.tolist())))
    y.sum().backward()
    return seen, x.grad


@scenario
def retain_grad_before_an_in_place_write(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.mul_(5)
    y.sum().backward()
    return y.grad, x.grad, y.retains_grad


@scenario
def inputs_named_twice(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    return lib.autograd.grad(y, [x, x, y])


@scenario
def backward_to_a_non_leaf(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    (y * y).backward(inputs=[y])
    return y._grad, x.grad


@scenario
def several_roots(lib):
    x = leaf(lib, 2.0)
    y = x * 3
    lib.autograd.backward([y, y * y, x], [None, lib.ones(1, dtype=lib.float64), None])
    return x.grad


# ---- .grad ----


@scenario
def assigned_gradients(lib):
    x = leaf(lib, 1.0, 2.0)
    x.grad = lib.ones(2, dtype=lib.float64)
    (x * 2).sum().backward()
    first = x.grad
    del x.grad
    return first, x.grad


for wrong in ("1", "lib.ones(3, dtype=lib.float64)", "lib.ones(2)", "x", "[1.0, 2.0]"):

    def assigned(lib, wrong=wrong):
        x = leaf(lib, 1.0, 2.0)
        x.grad = eval(wrong, {"lib": lib, "x": x})

    assigned.__name__ = f"assigned_gradient_{wrong}"
    scenario(assigned)


@scenario
def gradient_of_a_copy(lib):
    x = leaf(lib, 1.0)
    (x * 2).backward()
    x.grad.add_(1)
    y, z = copy.deepcopy(x), pickle.loads(pickle.dumps(x))
    return y.grad, y.grad is x.grad, z.grad, z.requires_grad, z, x.grad


@scenario
def copies_of_what_is_no_leaf(lib):
    copy.deepcopy(leaf(lib, 1.0) * 2)


def test_gradient_of_a_non_leaf_warns_and_names_the_op() -> None:
    x = leaf(minitorch, 1.0)
    y = x * 2
    with pytest.warns(UserWarning, match=r"MulBackward0 made it.*retain_grad\(\)"):
        assert y.grad is None
    y.retain_grad()
    assert y.grad is None
    (result, ours), (_, theirs) = (outcome(lambda lib: (leaf(lib, 1.0) * 2).grad, lib) for lib in (minitorch, _torch()))
    assert [kind for kind, _ in ours] == [kind for kind, _ in theirs] == ["UserWarning"] and result is None


# ---- anomaly mode ----


@scenario
def anomaly_finds_nan(lib):
    x = leaf(lib, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with lib.autograd.detect_anomaly():
            (x.sqrt() * 0).backward()


@scenario
def anomaly_lets_nan_pass_when_told(lib):
    x = leaf(lib, 0.0)
    with lib.autograd.set_detect_anomaly(True, check_nan=False):
        modes = lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()
        (x.sqrt() * 0).backward()
    return x.grad.isnan().item(), modes, lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()


@scenario
def anomaly_in_a_function(lib):
    class Fails(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ValueError("mine")

    with warnings.catch_warnings(record=True) as caught, lib.autograd.set_detect_anomaly(True):
        warnings.simplefilter("always")
        y = Fails.apply(leaf(lib, 1.0))
        try:
            y.backward()
        except ValueError as error:
            return str(error), [str(w.message)[:39] for w in caught], "anomaly_in_a_function" in str(caught[-1].message)


@scenario
def anomaly_switched_by_a_call(lib):
    switch = lib.autograd.set_detect_anomaly(True)
    on = lib.is_anomaly_enabled()
    lib.autograd.set_detect_anomaly(False)
    return on, lib.is_anomaly_enabled(), switch is not None


def test_anomaly_mode_names_the_line_that_recorded() -> None:
    x = leaf(minitorch, 1.0)
    with minitorch.autograd.set_detect_anomaly(True):
        y = x.exp()  # the line to be named
        y.add_(1)
        with (
            pytest.warns(UserWarning, match="the line to be named"),
            pytest.raises(RuntimeError, match="the line to be named"),
        ):
            y.backward()
    with pytest.raises(RuntimeError, match=r"set_detect_anomaly\(True\) shows the line"):
        z = x.exp()
        z.add_(1)
        z.backward()


def test_anomaly_mode_tells_what_recorded_a_node_of_a_second_derivative() -> None:
    x = leaf(minitorch, 0.0)
    with minitorch.autograd.set_detect_anomaly(True, check_nan=False):
        y = x**1.5  # the first derivative is 0, the second infinite
        (g,) = minitorch.autograd.grad(y, x, create_graph=True)
    with warnings.catch_warnings(record=True) as caught, minitorch.autograd.set_detect_anomaly(True):
        warnings.simplefilter("always", UserWarning)
        with pytest.raises(RuntimeError, match="PowBackward0' returned nan values in its 0th output"):
            (g * 0).backward()
    found, made_by = [str(w.message) for w in caught if w.category is UserWarning]
    assert found.startswith("Error detected in PowBackward0") and "# the first derivative is 0" not in found
    assert "Previous calculation was induced by PowBackward0" in made_by and "# the first derivative is 0" in made_by


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


def _torch() -> Any:
    import torch

    return torch
