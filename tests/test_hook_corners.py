"""What hooks see, what they may return, in which order they run, and what a partial backward gives: on both libraries.

The scenarios are tables: each kind of hook on many ops, each kind of return value from many places. The last test draws graphs with
hooks of all kinds on them at random.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from both import Failure, Scenarios, agree, leaf, outcome

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


def each(table: dict[str, Any], body: Callable[[Any, Any], Any]) -> None:
    """A scenario for each row of a table: `body(lib, row)`."""
    for name, row in table.items():
        made = functools.partial(lambda row, lib: body(lib, row), row)
        made.__name__ = f"{body.__name__}: {name}"  # type: ignore[attr-defined]
        scenario(made)


def shown(g: Any) -> Any:
    """A gradient as a hook sees it: shape, dtype, numbers."""
    return None if g is None else (tuple(g.shape), g.detach())


# ---- what they see ----

V, A, ONE, SINGLE, NUMBER = range(5)  # float64 (2) and (3, 2), float64 (1), float32 (2, 1), float64 ()


def inputs(lib: Any) -> list[Any]:
    v, a = leaf(lib, 1.0, 2.0), lib.tensor([[1.5, 2.5], [0.5, 3.0], [2.0, 1.0]], dtype=lib.float64, requires_grad=True)
    return [
        v,
        a,
        leaf(lib, 0.5),
        lib.tensor([[1.0], [2.0]], requires_grad=True),
        lib.tensor(3.0, dtype=lib.float64, requires_grad=True),
    ]


STRETCHED: dict[str, Callable[[Any, list[Any]], Any]] = {
    "mul": lambda lib, x: x[V] * x[A],
    "add": lambda lib, x: x[A] + x[V],
    "sub": lambda lib, x: x[V] - x[A],
    "div": lambda lib, x: x[A] / x[V],
    "of one number": lambda lib, x: x[NUMBER] * x[A],
    "of one element": lambda lib, x: x[ONE] * x[A],
    "both": lambda lib, x: x[V] * x[A][:, :1],
    "maximum": lambda lib, x: lib.maximum(x[V], x[A]),
    "where": lambda lib, x: lib.where(x[A] > 1, x[V], x[A]),
    "addcmul": lambda lib, x: lib.addcmul(x[V], x[A], x[NUMBER]),
    "addcdiv": lambda lib, x: lib.addcdiv(x[ONE], x[A], x[V]),
    "clamp": lambda lib, x: lib.clamp(x[A], x[V], x[NUMBER]),
    "atan2": lambda lib, x: lib.atan2(x[V], x[A]),
    "expand": lambda lib, x: x[V].expand(3, 2),
    "copy_": lambda lib, x: (x[A] * 1).copy_(x[V]),
    "mul_": lambda lib, x: (x[A] * 1).mul_(x[V]),
    "written into": lambda lib, x: written(x[A] * 1, x[V]),
    "two dtypes": lambda lib, x: x[V] * x[SINGLE],
    "two dtypes, the other first": lambda lib, x: x[SINGLE] - x[V],
    "a number of a larger dtype": lambda lib, x: x[NUMBER] * x[SINGLE],
    "pow": lambda lib, x: x[SINGLE] ** x[V][:1],
    "double": lambda lib, x: x[SINGLE].double(),
    "half": lambda lib, x: x[SINGLE].half() * x[V],
    "sum in another dtype": lambda lib, x: x[SINGLE].sum(dtype=lib.float64),
    "cat of two dtypes": lambda lib, x: lib.cat([x[V].view(1, 2), x[SINGLE].view(1, 2)]),
    "stack": lambda lib, x: lib.stack([x[V], x[V] * 1, x[A][0]]),
    "layer_norm": lambda lib, x: lib.nn.functional.linear(x[A], x[A] * 1).sum(0),
    "index": lambda lib, x: x[A][0],
    "matrix by vector": lambda lib, x: x[A] @ x[V],
    "leaf used twice": lambda lib, x: x[V] * x[V],
}  # fmt: skip


def written(t: Any, value: Any) -> Any:
    t[1:] = value
    return t


def what_hooks_see(lib: Any, make: Callable[[Any, list[Any]], Any]) -> Any:
    seen: list[Any] = []
    for create_graph in (False, True):
        x = inputs(lib)
        y = make(lib, x)
        y.register_hook(lambda g: seen.append(("tensor", shown(g))))
        y.grad_fn.register_prehook(lambda gs: seen.append(("before", [*map(shown, gs)])))
        y.grad_fn.register_hook(lambda gs, outs: seen.append(("after", [*map(shown, gs)], [*map(shown, outs)])))
        for k, t in enumerate(x):
            t.register_hook(lambda g, k=k: seen.append((k, shown(g), g.requires_grad)))
        (y * y).sum().backward(create_graph=create_graph)
    return seen


each(STRETCHED, what_hooks_see)

SEVERAL: dict[str, Callable[[Any, Any], Any]] = {
    "unbind": lambda lib, x: x.unbind(),
    "split": lambda lib, x: x.split(2),
    "split with sizes": lambda lib, x: x.split([1, 2, 1]),
    "chunk": lambda lib, x: x.chunk(2),
    "hsplit": lambda lib, x: x.view(2, 2).unbind(1),
    "max": lambda lib, x: x.view(2, 2).max(1),
    "min": lambda lib, x: x.view(2, 2).min(0),
    "sort": lambda lib, x: x.sort(),
    "topk": lambda lib, x: x.topk(2),
    "median": lambda lib, x: x.median(0),
    "cummax": lambda lib, x: x.cummax(0),
    "kthvalue": lambda lib, x: x.kthvalue(2),
    "aminmax": lambda lib, x: x.aminmax(),
    "Function": lambda lib, x: pair_function(lib).apply(x),
}  # fmt: skip


def pair_function(lib: Any) -> Any:
    class Pair(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, x.sum()

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g * 2 + h

    return Pair


def what_hooks_of_unused_outputs_see(lib: Any, make: Callable[[Any, Any], Any]) -> Any:
    seen: list[Any] = []
    n = len([t for t in make(lib, leaf(lib, 1.0, 4.0, 3.0, 2.0)) if t.requires_grad])
    for used in range(n):
        x = leaf(lib, 1.0, 4.0, 3.0, 2.0)
        outs = make(lib, x)
        outs[0].retain_grad()
        for k, t in reversed([*enumerate(outs[:n])]):  # hooks run in the order of registration
            t.register_hook(lambda g, k=k: seen.append((k, shown(g))))
        outs[0].grad_fn.register_prehook(lambda gs: seen.append([*map(shown, gs)]))
        outs[0].grad_fn.register_hook(lambda gs, outs: seen.append(([*map(shown, gs)], [*map(shown, outs)])))
        outs[used].sum().backward()
        seen.append((shown(x.grad), shown(outs[0].grad)))
    return seen


def hook_that_gives_an_unused_output_a_gradient(lib: Any, make: Callable[[Any, Any], Any]) -> Any:
    outs = [t for t in make(lib, leaf(lib, 1.0, 4.0, 3.0, 2.0)) if t.requires_grad]
    outs[0].register_hook(lambda g: lib.ones_like(outs[0]))
    outs[-1].sum().backward()
    return len(outs)


each(SEVERAL, what_hooks_of_unused_outputs_see)
each(SEVERAL, hook_that_gives_an_unused_output_a_gradient)


# ---- what they return ----

RETURNED: dict[str, Callable[[Any, Any], Any]] = {
    "integers": lambda lib, g: g.long(),
    "half": lambda lib, g: g.half(),
    "single": lambda lib, g: g.float(),
    "bools": lambda lib, g: g > 0,
    "fewer": lambda lib, g: g[:1],
    "their sum": lambda lib, g: g.sum(),
    "more": lambda lib, g: g.expand(3, 2),
    "as a row": lambda lib, g: g.view(1, 2),
    "number": lambda lib, g: 3.0,
    "zero": lambda lib, g: 0,
    "truth": lambda lib, g: True,
    "text": lambda lib, g: "x",
    "list": lambda lib, g: [1.0, 2.0],
    "array": lambda lib, g: np.ones(2),
    "tuple": lambda lib, g: (g,),
    "empty tuple": lambda lib, g: (),
    "parameter": lambda lib, g: lib.nn.Parameter(g.detach() * 2),
    "leaf": lambda lib, g: leaf(lib, 3.0, 4.0),
    "with gaps": lambda lib, g: lib.stack([g, g]).t()[:, 0],
    "itself": lambda lib, g: g,
    "nothing": lambda lib, g: None,
}  # fmt: skip

PLACES: dict[str, Callable[[Any, Any, Callable[[Any], Any]], Any]] = {
    "tensor": lambda x, y, f: y.register_hook(f),
    "leaf": lambda x, y, f: x.register_hook(f),
    "before": lambda x, y, f: y.grad_fn.register_prehook(lambda gs: (f(gs[0]),)),
    "before, bare": lambda x, y, f: y.grad_fn.register_prehook(lambda gs: f(gs[0])),
    "after": lambda x, y, f: y.grad_fn.register_hook(lambda gs, _: (f(gs[0]), None)),
    "after, bare": lambda x, y, f: y.grad_fn.register_hook(lambda gs, _: f(gs[0])),
    "before a leaf": lambda x, y, f: y.grad_fn.next_functions[0][0].register_prehook(lambda gs: (f(gs[0]),)),
    "after a leaf": lambda x, y, f: y.grad_fn.next_functions[0][0].register_hook(lambda gs, outs: f(outs[0])),
    "accumulated": lambda x, y, f: x.register_post_accumulate_grad_hook(lambda p: f(p.grad)),
}


def returned(lib: Any, place_and_value: Any) -> Any:
    place, value = place_and_value
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    kept = place(x, y, lambda g: value(lib, g))
    y.sum().backward()
    return x.grad, kept is not None


each({f"{v} from {p}": (PLACES[p], RETURNED[v]) for p in PLACES for v in RETURNED}, returned)


@scenario
def a_leaf_that_its_hook_gives_back(lib):
    x = leaf(lib, 1.0, 2.0)
    x.register_post_accumulate_grad_hook(lambda p: p)
    (x * 2).sum().backward()
    return x.grad


@scenario
def a_view_hooked_again_after_it_has_lost_its_history(lib):
    whole = lib.ones(3, 1, requires_grad=True)
    with lib.no_grad():
        part, other = whole.squeeze(), whole.squeeze()
        part.register_hook(lambda g: g * 2)
        part.neg_()
        part.register_hook(lambda g: g * 2)
        other.register_hook(lambda g: g * 2)


GIVEN_BY_NODES: dict[str, Callable[[Any], Any]] = {
    "none": lambda gs: None,
    "empty": lambda gs: (),
    "one": lambda gs: (gs[0],),
    "two": lambda gs: (gs[0], gs[0]),
    "three": lambda gs: (gs[0], None, None),
    "a list": lambda gs: [*gs],
    "no gradient": lambda gs: (None,) * len(gs),
    "one None": lambda gs: (None,),
    "a generator": lambda gs: (g for g in gs),
    "a dict": lambda gs: {0: gs[0]},
    "doubled": lambda gs: tuple(g if g is None else g * 2 for g in gs),
}


def given_by_nodes_hooks(lib: Any, f: Callable[[Any], Any]) -> Any:
    found: list[Any] = []
    for make in (
        lambda x, w: (x * 2).sum(),
        lambda x, w: x * w,
        lambda x, w: (x * 1).unbind()[1],
        lambda x, w: pair_function(lib).apply(x * w)[0],
    ):
        for where in ("before", "after"):
            x, w = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
            y = make(x, w)
            if where == "before":
                y.grad_fn.register_prehook(f)
            else:
                y.grad_fn.register_hook(lambda gs, outs: f(gs))
            try:
                y.sum().backward()
            except (RuntimeError, TypeError) as error:
                found.append(type(error).__name__)
            found.append((x.grad, w.grad))
    return found


each(GIVEN_BY_NODES, given_by_nodes_hooks)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", RETURNED)
def test_the_words_begin_as_torchs_do(place: str, value: str) -> None:
    """What is wrong with a hook's result, in torch's words first."""
    wrong = functools.partial(returned, place_and_value=(PLACES[place], RETURNED[value]))
    ours, theirs = (outcome(wrong, lib)[0] for lib in (minitorch, torch))
    if isinstance(theirs, Failure):
        assert ours.words.startswith(theirs.words.partition(" (was")[0])


# ---- in which order, and where a partial backward stops ----


def hooked(lib: Any, log: list[Any], *tensors: Any) -> None:
    """All kinds of hooks on these tensors and their nodes; each changes what passes, and notes it."""

    def times(name: str, factor: float) -> Callable[..., Any]:
        def hook(*gs: Any) -> Any:
            seen = gs[0] if isinstance(gs[0], tuple) else gs[:1]
            log.append((name, [*map(shown, seen)]))
            changed = tuple(g if g is None else g * factor for g in seen)
            return changed if isinstance(gs[0], tuple) else changed[0]

        return hook

    for k, t in enumerate(tensors):
        t.retain_grad()
        t.register_hook(times(f"tensor {k}", 2.0))
        if t.grad_fn is None:
            t.register_post_accumulate_grad_hook(lambda p, k=k: log.append((f"leaf {k}", shown(p.grad))))
        else:
            t.grad_fn.register_hook(times(f"after {k}", 5.0))
            t.grad_fn.register_prehook(times(f"before {k}", 3.0))


STOPS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "at a result": lambda lib, a, b, c: lib.autograd.grad(c, b),
    "at a leaf": lambda lib, a, b, c: lib.autograd.grad(c, a),
    "at both": lambda lib, a, b, c: lib.autograd.grad(c, [a, b]),
    "at both, the other first": lambda lib, a, b, c: lib.autograd.grad(c, [b, a]),
    "at the root": lambda lib, a, b, c: lib.autograd.grad(c, [c, b]),
    "at once": lambda lib, a, b, c: lib.autograd.grad(b, b, lib.ones_like(b)),
    "at a leaf at once": lambda lib, a, b, c: lib.autograd.grad(a, a, lib.ones_like(a)),
    "into a result": lambda lib, a, b, c: lib.autograd.backward(c, inputs=[b]),
    "into a leaf": lambda lib, a, b, c: lib.autograd.backward(c, inputs=[a]),
    "into both": lambda lib, a, b, c: lib.autograd.backward(c, inputs=[a, b]),
    "into all": lambda lib, a, b, c: lib.autograd.backward(c),
    "recorded": lambda lib, a, b, c: lib.autograd.grad(c, [a, b], create_graph=True),
    "at edges": lambda lib, a, b, c: lib.autograd.grad(c, [lib.autograd.graph.get_gradient_edge(t) for t in (a, b)]),
}


def stops(lib: Any, walk: Callable[[Any, Any, Any, Any], Any]) -> Any:
    log: list[Any] = []
    a, other = leaf(lib, 1.0, 3.0), leaf(lib, 2.0, 5.0)
    b = a * other
    c = (b * b).sum()
    hooked(lib, log, a, b, c)
    found = walk(lib, a, b, c)
    return found, log, a.grad, b.grad, other.grad


each(STOPS, stops)

kept: list[Any] = []  # results that stay alive


def silent(lib: Any) -> Any:
    class Silent(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return None

    return Silent


ORDERS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "mul": lambda lib, a, b, c: a * b,
    "sub": lambda lib, a, b, c: b - a,
    "three in one": lambda lib, a, b, c: lib.addcmul(a, b, c),
    "cat": lambda lib, a, b, c: lib.cat([c, a, b]),
    "in turn": lambda lib, a, b, c: a * b * c,
    "again": lambda lib, a, b, c: a + (b * a).exp() * c,
    "twice": lambda lib, a, b, c: b * a + c * a,
    "squares": lambda lib, a, b, c: (a - b) ** 2 / c,
    "where": lambda lib, a, b, c: lib.where(a.detach() > 0, b, c),
    "layer_norm": lambda lib, a, b, c: lib.nn.functional.layer_norm(a * 1, (2,), b, c),
    "linear": lambda lib, a, b, c: lib.nn.functional.linear(a.view(1, 2) * 1, b.view(1, 2) * 1, c[:1]),
    "through nothing": lambda lib, a, b, c: (kept.append(c * a), (silent(lib).apply(a) + b).exp() * a * c)[1],
    "through nothing at last": lambda lib, a, b, c: (kept.append(a * b), c * 5 + a * 2 + silent(lib).apply(a))[1],
    "used before": lambda lib, a, b, c: (kept.append(c * a), a * b * c)[1],
    "used by what nobody asks for": lambda lib, a, b, c: (c.sum(), a * b)[1] + c,
}


def order_of_leaves(lib: Any, make: Callable[[Any, Any, Any, Any], Any]) -> Any:
    log: list[Any] = []
    leaves = leaf(lib, 1.0, 3.0), leaf(lib, 2.0, 5.0), leaf(lib, 4.0, 0.5)
    for _ in range(2):
        hooked(lib, log, *leaves)
        make(lib, *leaves).sum().backward()
    return log


each(ORDERS, order_of_leaves)


def order_in_a_network(lib: Any, layers: Callable[[Any], list[Any]]) -> Any:
    lib.manual_seed(0)
    log: list[str] = []
    model = lib.nn.Sequential(*layers(lib))
    for name, p in model.named_parameters():
        p.register_hook(lambda g, name=name: log.append(name))
        p.register_post_accumulate_grad_hook(lambda p, name=name: log.append(f"{name} done"))
    for _ in range(2):
        model(lib.ones(3, 4)).sum().backward()
    return log


each(
    {
        "linear": lambda lib: [lib.nn.Linear(4, 5), lib.nn.ReLU(), lib.nn.Linear(5, 2)],
        "without bias": lambda lib: [lib.nn.Linear(4, 5, bias=False), lib.nn.Linear(5, 2)],
        "layer_norm": lambda lib: [lib.nn.LayerNorm(4), lib.nn.Linear(4, 2)],
        "batch_norm": lambda lib: [lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 2)],
        "prelu": lambda lib: [lib.nn.PReLU(), lib.nn.Linear(4, 2)],
    },
    order_in_a_network,
)


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


# ---- graphs and hooks at random ----

OPS: list[Callable[[Any, Any, Any], Any]] = [
    lambda lib, t, u: t * u,
    lambda lib, t, u: t - u,
    lambda lib, t, u: t.exp(),
    lambda lib, t, u: lib.maximum(t, u),
    lambda lib, t, u: t.sum(0, keepdim=True) if t.ndim else t * 2,
    lambda lib, t, u: t.expand(3, 2) if t.ndim < 2 else t[0],
    lambda lib, t, u: t.unbind(0)[-1] if t.ndim else t + u,
    lambda lib, t, u: lib.where(t.detach() > u.detach(), t, u),
    lambda lib, t, u: (t.float() * 0.5).double(),
]
STEPS = st.tuples(st.integers(0, len(OPS) - 1), st.integers(0, 9), st.integers(0, 9))


@given(
    steps=st.lists(STEPS, min_size=1, max_size=7),
    hooks=st.sets(st.integers(0, 9)),
    ends=st.sets(st.integers(0, 9)),
    way=st.integers(0, 3),
)
def test_hooks_on_random_graphs(steps: list, hooks: set, ends: set, way: int) -> None:
    def program(lib: Any) -> Any:
        log: list[Any] = []
        made = [
            leaf(lib, 0.5, 0.25),
            lib.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], dtype=lib.float64, requires_grad=True),
        ]
        for op, i, j in steps:
            made.append(OPS[op](lib, made[i % len(made)], made[j % len(made)]))
        hooked(lib, log, *[t for k, t in enumerate(made) if k in hooks])
        loss = made[-1].sum()
        chosen = [t for k, t in enumerate(made) if k in ends] or made[:1]
        if way == 0:
            loss.backward()
        elif way == 1:
            loss.backward(inputs=chosen)
        else:
            log.append(lib.autograd.grad(loss, chosen, allow_unused=True, create_graph=way == 3))
        return log, [t.grad for t in made if t.is_leaf or t.retains_grad]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agree(program)
