"""Tools on the graph, on both libraries: calling a node, hooks of several tensors, callbacks at the end, writing to what was saved, depth."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
from both import Scenarios, agree, leaf

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


def each(body: Callable[..., Any], *tables: dict[str, Any]) -> None:
    """A scenario for each combination of rows."""
    rows: list[tuple[str, tuple]] = [("", ())]
    for table in tables:
        rows = [(f"{name} {key}", (*row, value)) for name, row in rows for key, value in table.items()]
    for name, row in rows:
        made = functools.partial(lambda row, lib: body(lib, *row), row)
        made.__name__ = f"{body.__name__}:{name}"  # type: ignore[attr-defined]
        scenario(made)


def pair(lib: Any) -> Any:
    class Pair(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g * 2 + h * 3

    return Pair


# ---- a node as a function ----

MADE: dict[str, Callable[[Any, Any, Any], Any]] = {
    "a product": lambda lib, x, w: x * w,
    "of a number": lambda lib, x, w: x * 2,
    "exp": lambda lib, x, w: x.exp(),
    "a sum": lambda lib, x, w: x.sum(),
    "unbind": lambda lib, x, w: x.unbind()[0],
    "max": lambda lib, x, w: x.max(0)[0],
    "stretched": lambda lib, x, w: x * w[:1],
    "a constant": lambda lib, x, w: x.detach() * w,
}

GIVEN: dict[str, Callable[[Any, Any], tuple]] = {
    "ones": lambda lib, y: (lib.ones_like(y),),
    "two": lambda lib, y: (lib.ones_like(y), lib.ones_like(y)),
    "one and None": lambda lib, y: (lib.ones_like(y), None),
    "None": lambda lib, y: (None,),
    "nothing": lambda lib, y: (),
    "a number": lambda lib, y: (3.0,),
    "an array": lambda lib, y: (np.ones(2),),
    "single precision": lambda lib, y: (lib.ones_like(y).float(),),
    "more": lambda lib, y: (lib.ones(5, dtype=lib.float64),),
}


def called(lib: Any, make: Callable[..., Any], give: Callable[..., tuple]) -> Any:
    x, w = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    y = make(lib, x, w)
    y.register_hook(lambda g: 1 // 0)  # it is not asked
    found = [y.grad_fn(*give(lib, y))]
    with lib.no_grad():
        found.append(y.grad_fn(*give(lib, y)))
    several = [found if isinstance(found, tuple) else (found,) for found in found]
    return found, [g is None or g.requires_grad for gs in several for g in gs], x.grad


each(called, MADE, GIVEN)


@scenario
def node_of_a_leaf_called(lib):
    x = leaf(lib, 1.0, 2.0)
    end = (x * 2).grad_fn.next_functions[0][0]
    return end(lib.ones(2, dtype=lib.float64)), x.grad, end(None), end(lib.ones(2, dtype=lib.float64)), x.grad


@scenario
def node_of_a_function_called(lib):
    pair(lib).apply(leaf(lib, 1.0, 2.0))[0].grad_fn(None, None)


@scenario
def node_of_a_function_applied(lib):
    x = leaf(lib, 1.0, 2.0)
    ones = lib.ones(2, dtype=lib.float64)
    node = pair(lib).apply(x)[0].grad_fn
    return node.apply(ones, ones), x.grad


@scenario
def freed_node_called(lib):
    y = leaf(lib, 1.0, 2.0).exp()
    y.sum().backward()
    y.grad_fn(lib.ones(2, dtype=lib.float64))


# ---- several tensors, one hook ----

USED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "none": lambda a, b, c: (a * 0 + 1).detach().requires_grad_() * 2,
    "one": lambda a, b, c: b * 2,
    "two": lambda a, b, c: a * c,
    "all": lambda a, b, c: a * b * c,
    "twice": lambda a, b, c: a * b + a * c,
    "in turn": lambda a, b, c: ((a * b).exp() * c).sin() * a,
}

WALKS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "backward": lambda lib, loss, a, b: loss.backward(retain_graph=True),
    "to a": lambda lib, loss, a, b: loss.backward(inputs=[a], retain_graph=True),
}

MODES = {"all": "all", "any": "any"}


def hook_of_several(lib: Any, use: Callable[..., Any], walk: Callable[..., Any], mode: str) -> Any:
    seen: list[Any] = []
    a, b, c = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0), leaf(lib, 5.0, 6.0)
    d = b * c
    handle = lib.autograd.graph.register_multi_grad_hook([a, b, c, d], lambda gs: seen.append(gs) or 1.0, mode=mode)
    loss = (use(a, b, c) + (d if walk is WALKS["backward"] else 0)).sum()
    for _ in range(2):
        walk(lib, loss, a, b)
        seen.append("next")
    handle.remove()
    walk(lib, loss, a, b)
    return seen, a.grad, b.grad


each(hook_of_several, USED, WALKS, MODES)

WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "no such mode": lambda lib, hook: hook([leaf(lib, 1.0)], print, mode="some"),
    "a constant": lambda lib, hook: hook([lib.ones(1)], print),
    "a constant, the first": lambda lib, hook: hook([lib.ones(1)], print, mode="any").remove(),
    "none": lambda lib, hook: hook([], print).remove(),
    "one that fails": lambda lib, hook: hook([x := leaf(lib, 1.0)], lambda g: 1 // 0, mode="any") and (x * 2).backward(),
}
each(lambda lib, wrong: wrong(lib, lib.autograd.graph.register_multi_grad_hook), WRONG)


@scenario
def hook_of_several_results_where_grad_stops(lib):
    seen, x = [], leaf(lib, 1.0, 2.0)
    a, b = x * 2, x * 3
    for mode in ("all", "any"):
        lib.autograd.graph.register_multi_grad_hook([a, b], lambda gs, mode=mode: seen.append((mode, gs)), mode=mode)
    for ends in ([a], [a, b], [b], [x]):
        lib.autograd.grad((a * b).sum(), ends, retain_graph=True)
    return seen


# ---- at the end ----


def queue(lib: Any, callback: Any) -> None:
    lib.autograd.Variable._execution_engine.queue_callback(callback)


def refused(lib: Any) -> Any:
    """Whether an op refuses an array, as it does everywhere but within a walk's own derivatives."""
    try:
        return lib.tanh(np.ones(2))
    except TypeError:
        return "refused"


@scenario
def callbacks_at_the_end(lib):
    found = []
    for create_graph in (False, True):
        x, log = leaf(lib, 1.0, 2.0), []
        y = x * 2

        def hook(g, x=x, log=log):
            queue(lib, lambda: log.append((x.grad, lib.is_grad_enabled(), (x * 2).requires_grad)))
            queue(lib, lambda: queue(lib, lambda: log.append("queued at the end")))
            queue(lib, lambda: log.append(refused(lib)))
            with lib.enable_grad():
                z = leaf(lib, 1.0) * 2
                z.register_hook(lambda g: queue(lib, lambda: log.append("the inner's")))
                z.backward()
            log.append("hook ends")

        y.register_hook(hook)
        x.register_hook(lambda g, log=log: log.append("leaf"))
        y.sum().backward(create_graph=create_graph)
        found.append(log)
    return found


@scenario
def callback_outside(lib):
    queue(lib, print)


@scenario
def callback_that_fails(lib):
    y = leaf(lib, 1.0) * 2
    y.register_hook(lambda g: queue(lib, lambda: 1 // 0))
    y.backward()


@scenario
def callback_of_a_backward_that_fails(lib):
    log, y = [], leaf(lib, 1.0) * 2
    y.register_hook(lambda g: queue(lib, lambda: log.append("called")))
    y.register_hook(lambda g: 1 // 0)
    try:
        y.backward()
    except ZeroDivisionError:
        (leaf(lib, 1.0) * 2).backward()
    return log


@scenario
def variables(lib):
    make, x = lib.autograd.Variable, leaf(lib, 1.0, 2.0)
    made = [make(x), make(x, requires_grad=True), make(x * 2), make(lib.ones(2))]
    return made, [(v.requires_grad, v.is_leaf, isinstance(v, make)) for v in made], isinstance(3, make), made[0] is x


@scenario
def variable_of_a_list(lib):
    lib.autograd.Variable([1.0])


# ---- writing to what was saved ----

WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "nothing": lambda lib, y: None,
    "add_": lambda lib, y: y.add_(1),
    "zero_": lambda lib, y: y.zero_(),
    "a view": lambda lib, y: y[:1].mul_(3),
    "an element": lambda lib, y: y.__setitem__(0, 5.0),
    "twice": lambda lib, y: (y.add_(1), y.mul_(2)),
    ".data": lambda lib, y: y.data.mul_(2),
    "detached": lambda lib, y: y.detach().mul_(2),
    "in no_grad": lambda lib, y: written_in_no_grad(lib, y),
}


def written_in_no_grad(lib: Any, y: Any) -> None:
    with lib.no_grad():
        y.mul_(2)


WHEN = {"inside": True, "outside": False}


def written_after_saved(lib: Any, write: Callable[..., Any], inside: bool) -> Any:
    x = leaf(lib, 1.0, 2.0)
    with lib.autograd.graph.allow_mutation_on_saved_tensors():
        y = x.exp() * 1
        z, p = y.sin(), y * y
        write(lib, y)
        q = y.tanh()
        loss = (z + p + q).sum() + y.sum()
        if inside:
            loss.backward()
            return x.grad, y
    loss.backward()


each(written_after_saved, WRITES, WHEN)


@scenario
def mutation_within_mutation(lib):
    with lib.autograd.graph.allow_mutation_on_saved_tensors(), lib.autograd.graph.allow_mutation_on_saved_tensors():
        pass


@scenario
def mutation_allowed_again_after_an_error(lib):
    allow = lib.autograd.graph.allow_mutation_on_saved_tensors
    try:
        with allow():
            1 // 0  # noqa: B018
    except ZeroDivisionError:
        with allow() as context:
            y = leaf(lib, 1.0) * 2
            z = y.sin()
            y.mul_(2)
            context.clear()
            z.backward()


@scenario
def saved_before_it_was_allowed(lib):
    y = leaf(lib, 1.0, 2.0) * 2
    z = y.sin()
    with lib.autograd.graph.allow_mutation_on_saved_tensors():
        y.mul_(2)
        z.sum().backward()


@scenario
def versions_counted(lib):
    x = lib.ones(2)
    lib.autograd.graph.increment_version(x)
    lib.autograd.graph.increment_version([x, x])
    lib.autograd.graph.increment_version(t for t in [x])
    return x._version


for wrong in (3, "a", [3], None):
    made = functools.partial(lambda wrong, lib: lib.autograd.graph.increment_version(wrong), wrong)
    made.__name__ = f"version of {wrong}"  # type: ignore[attr-defined]
    scenario(made)


# ---- walks within walks ----


def nested_in_functions(lib: Any, depth: int) -> Any:
    class Nested(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, n: int) -> Any:
            ctx.n = n
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            if not ctx.n:
                return g, None
            with lib.enable_grad():
                x = leaf(lib, 1.0)
                Nested.apply(x, ctx.n - 1).backward()
            return g * x.grad * 1.001, None

    x = leaf(lib, 1.0)
    Nested.apply(x, depth).backward()
    return x.grad


def nested_in_hooks(lib: Any, depth: int) -> Any:
    def inner(n: int) -> Any:
        x = leaf(lib, 1.0)
        with lib.enable_grad():
            y = x * 1.001
            if n:
                y.register_hook(lambda g: g * inner(n - 1))
            y.backward()
        return x.grad

    return inner(depth)


DEPTHS = {str(n): n for n in (1, 30, 250)}
each(nested_in_functions, DEPTHS)
each(nested_in_hooks, DEPTHS)


@scenario
def modes_deep_in_walks(lib):
    """What a thread is in goes on in the thread of a deep walk."""
    found: list[Any] = []

    def inner(n: int) -> None:
        if not n:
            found.append((lib.is_grad_enabled(), lib.is_inference_mode_enabled()))
            x = leaf(lib, 1.0)
            x.exp().backward(create_graph=True)
            found.append((len(saved), x.grad))
            return
        y = leaf(lib, 1.0) * 2
        y.register_hook(lambda g: inner(n - 1))
        y.backward(create_graph=True)

    saved: list[Any] = []
    with lib.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        inner(70)
    return found, lib.is_grad_enabled(), len(saved)


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


def test_a_deep_walk_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    nested_in_hooks(minitorch, 100)
    assert threading.active_count() == before


def test_what_stops_a_deep_walk_stops_all() -> None:
    def inner(n: int) -> None:
        y = leaf(minitorch, 1.0) * 2
        y.register_hook(lambda g: inner(n - 1))
        if not n:
            raise KeyboardInterrupt
        y.backward(create_graph=True)

    with pytest.raises(KeyboardInterrupt):
        inner(50)
    assert minitorch.is_grad_enabled()


DIRECT = [test_a_deep_walk_leaves_no_thread_behind, test_what_stops_a_deep_walk_stops_all]
