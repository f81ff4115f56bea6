"""How `backward` and `grad` may be called, what they say otherwise, and what anomaly mode tells: on both libraries, from tables."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from both import Scenarios, agree, leaf

SCENARIOS = Scenarios()
scenario = SCENARIOS.add
CALLS = Scenarios()  # the large table: kept apart, for `test_planted_faults.py` runs the others many times


def x_of(lib: Any) -> Any:
    return leaf(lib, 1.0, 2.0)


# ---- what comes back ----


@scenario
def what_comes_down_as_it_was_given_is_that_tensor(lib):
    x = x_of(lib)
    y, g, found = x * 2, lib.ones(2, dtype=lib.float64), []
    for recorded in (False, True):
        for out, end in ((y, y), (x, x), (y.view(2), y), (y, x)):
            found.append(lib.autograd.grad(out, end, g, create_graph=recorded, retain_graph=True)[0] is g)
    return found


# ---- anything in the place of any argument ----

ANYTHING: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda lib: None,
    "empty list": lambda lib: [],
    "empty tuple": lambda lib: (),
    "empty dict": lambda lib: {},
    "empty generator": lambda lib: iter([]),
    "zero": lambda lib: 0,
    "number": lambda lib: 3.0,
    "nan": lambda lib: float("nan"),
    "text": lambda lib: "a",
    "truth": lambda lib: True,
    "one": lambda lib: 1,
    "set of a number": lambda lib: {1},
    "nested list": lambda lib: [[1.0]],
    "list of numbers": lambda lib: [1.0, 2.0],
    "list of None": lambda lib: [None],
    "array": lambda lib: np.ones(()),
    "NumPy's truth": lambda lib: np.bool_(True),
    "NumPy's one": lambda lib: np.int64(1),
    "tensor": lambda lib: lib.ones((), dtype=lib.float64),
    "two tensors": lambda lib: [lib.ones((), dtype=lib.float64)] * 2,
    "a tensor and a number": lambda lib: [lib.ones((), dtype=lib.float64), 1.0],
    "vector": lambda lib: lib.ones(2, dtype=lib.float64),
    "longer vector": lambda lib: lib.ones(3, dtype=lib.float64),
    "row": lambda lib: lib.ones(1, 2, dtype=lib.float64),
    "integers": lambda lib: lib.ones(2, dtype=lib.int64),
    "single precision": lambda lib: lib.ones(2),
    "bools": lambda lib: lib.ones(2, dtype=lib.bool),
    "leaf": lambda lib: leaf(lib, 3.0, 4.0),
    "result": lambda lib: leaf(lib, 3.0, 4.0) * 2,
}  # fmt: skip

PLACES: dict[str, Callable[[Any, Any, Any, Any, Any], Any]] = {
    "loss.backward(_)": lambda lib, x, y, loss, a: loss.backward(a),
    "y.backward(_)": lambda lib, x, y, loss, a: y.backward(a),
    "loss.backward(retain_graph=_)": lambda lib, x, y, loss, a: loss.backward(retain_graph=a),
    "loss.backward(create_graph=_)": lambda lib, x, y, loss, a: loss.backward(create_graph=a),
    "loss.backward(inputs=_)": lambda lib, x, y, loss, a: loss.backward(inputs=a),
    "loss.backward(inputs=[x, _])": lambda lib, x, y, loss, a: loss.backward(inputs=[x, a]),
    "backward(_)": lambda lib, x, y, loss, a: lib.autograd.backward(a),
    "backward([loss], _)": lambda lib, x, y, loss, a: lib.autograd.backward([loss], a),
    "backward([y, loss], [_, None])": lambda lib, x, y, loss, a: lib.autograd.backward([y, loss], [a, None]),
    "backward(loss, grad_variables=_)": lambda lib, x, y, loss, a: lib.autograd.backward(loss, grad_variables=a),
    "grad(_, x)": lambda lib, x, y, loss, a: lib.autograd.grad(a, x),
    "grad([y, _], x)": lambda lib, x, y, loss, a: lib.autograd.grad([loss, a], x),
    "grad(loss, _)": lambda lib, x, y, loss, a: lib.autograd.grad(loss, a),
    "grad(loss, [x, _])": lambda lib, x, y, loss, a: lib.autograd.grad(loss, [x, a]),
    "grad(y, x, _)": lambda lib, x, y, loss, a: lib.autograd.grad(y, x, a),
    "grad(y, x, [_])": lambda lib, x, y, loss, a: lib.autograd.grad(y, x, [a]),
    "grad(allow_unused=_)": lambda lib, x, y, loss, a: lib.autograd.grad(loss, leaf(lib, 1.0), allow_unused=a),
    "grad(materialize_grads=_)": lambda lib, x, y, loss, a: lib.autograd.grad(loss, x, materialize_grads=a),
    "grad(only_inputs=_)": lambda lib, x, y, loss, a: lib.autograd.grad(loss, x, only_inputs=a),
    "requires_grad_(_)": lambda lib, x, y, loss, a: x.requires_grad_(a).requires_grad,
    "y.requires_grad_(_)": lambda lib, x, y, loss, a: y.requires_grad_(a).requires_grad,
    "x.requires_grad = _": lambda lib, x, y, loss, a: (setattr(x, "requires_grad", a), x.requires_grad),
    "y.requires_grad = _": lambda lib, x, y, loss, a: (setattr(y, "requires_grad", a), y.requires_grad),
    "n.requires_grad = _": lambda lib, x, y, loss, a: setattr(lib.ones(2, dtype=lib.int64), "requires_grad", a),
    "x.grad = _": lambda lib, x, y, loss, a: setattr(x, "grad", a),
    "set_detect_anomaly(_)": lambda lib, x, y, loss, a: switched_off(lib, lib.autograd.set_detect_anomaly(a)),
    "set_detect_anomaly(True, _)": lambda lib, x, y, loss, a: switched_off(lib, lib.autograd.set_detect_anomaly(True, a)),
    "returned by a Function": lambda lib, x, y, loss, a: returning(lib, a).apply(x, y).sum().backward(),
    "returned for a constant": lambda lib, x, y, loss, a: returning(lib, a).apply(x.detach(), y).sum().backward(),
}  # fmt: skip


def switched_off(lib: Any, switch: Any) -> None:
    lib.autograd.set_detect_anomaly(False)


def returning(lib: Any, value: Any) -> Any:
    class Returning(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a * b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return value, g

    return Returning


def called_with(lib: Any, place: str, value: str) -> Any:
    x = x_of(lib)
    y = x * 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = PLACES[place](lib, x, y, y.sum(), ANYTHING[value](lib))
    return result, x.grad


for place in PLACES:
    for value in ANYTHING:
        made = functools.partial(called_with, place=place, value=value)
        made.__name__ = f"{place} with {value}"  # type: ignore[attr-defined]
        CALLS.add(made)


# ---- what a Function's backward may return ----

GRADIENTS: dict[str, Callable[[Any], Any]] = {
    "larger": lambda g: (g.expand(3, 2), g),
    "of other sizes": lambda g: (g.expand(3, 2)[:, :1], g),
    "bare": lambda g: g,
    "too many": lambda g: (g, g, g),
    "one more None": lambda g: (g, g, None),
    "list": lambda g: [g, g],
    "single precision": lambda g: (g.float(), g),
    "integers": lambda g: (g.long(), g),
    "None": lambda g: None,
    "two None": lambda g: (None, None),
    "fewer": lambda g: (g[:1], g),
    "number": lambda g: (g.sum(), g),
    "column": lambda g: (g.view(2, 1), g),
    "row": lambda g: (g.view(1, 2), g),
}


def returned_by_a_function(lib: Any, give: str) -> Any:
    class Returning(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a * b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return GRADIENTS[give](g)

    a, b = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    Returning.apply(a, b).sum().backward()
    return a.grad, b.grad


for give in GRADIENTS:
    made = functools.partial(returned_by_a_function, give=give)
    made.__name__ = f"a Function returns: {give}"  # type: ignore[attr-defined]
    scenario(made)


# ---- a batch of v's ----


@scenario
def batched_gradients(lib):
    x = x_of(lib)
    y, z = x**3, (x.exp() * 2).sum()
    v, w = (
        lib.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 3.0]], dtype=lib.float64),
        lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64),
    )
    other = leaf(lib, 1.0)
    found = lib.autograd.grad([y, z], [x, other], [v, w], retain_graph=True, is_grads_batched=True, allow_unused=True)
    (jacobian,) = lib.autograd.grad(y, x, lib.eye(2, dtype=lib.float64), is_grads_batched=True, create_graph=True)
    return found, jacobian, lib.autograd.grad(jacobian.sum(), x)


@scenario
def a_batch_frees_the_graph(lib):
    x = x_of(lib)
    y = x.exp()
    lib.autograd.grad(y, x, lib.eye(2, dtype=lib.float64), is_grads_batched=True)
    y.sum().backward()


@scenario
def a_batch_of_other_sizes(lib):
    x = x_of(lib)
    lib.autograd.grad(x * 2, x, lib.ones(2, 3, dtype=lib.float64), is_grads_batched=True)


@scenario
def zeros_for_unused_inputs_that_can_be_differentiated(lib):
    x, other = x_of(lib), leaf(lib, 1.0)
    return [
        (g, g.requires_grad)
        for create_graph in (False, True)
        for g in lib.autograd.grad((x**2).sum(), [x, other], create_graph=create_graph, materialize_grads=True)
    ]


def again(lib: Any, g: Any, by: list[Any]) -> Any:
    """The gradients of a gradient. (Torch has zeros without memory: adding 0 gives them some.)"""
    return g.requires_grad and [s if s is None else s + 0 for s in lib.autograd.grad(g.sum(), by, allow_unused=True)]


@scenario
def gradients_that_do_not_change_can_be_differentiated(lib):
    F, found = lib.nn.functional, []
    for f in (
        F.relu,
        F.relu6,
        F.leaky_relu,
        F.hardtanh,
        F.hardshrink,
        F.softshrink,
        lib.abs,
        lib.sign,
        lib.amax,
        lambda x: F.threshold(x, 1, 2),
    ):
        x, v = leaf(lib, -3.0, 0.5, 2.0), leaf(lib, 1.0)
        (g,) = lib.autograd.grad(f(x).sum(), x, create_graph=True)
        found.append(again(lib, g, [x]))
        (g,) = lib.autograd.grad(f(x).sum() * v, x, create_graph=True)
        found.append(again(lib, g, [x, v]))
    x, w = leaf(lib, -3.0, 0.5), leaf(lib, 0.25)
    (g,) = lib.autograd.grad(F.prelu(x, w).sum(), x, create_graph=True)
    (h,) = lib.autograd.grad(F.prelu(x, w.detach()).sum(), x, create_graph=True)
    return found, again(lib, g, [x, w]), again(lib, h, [x])


# ---- anomaly mode ----


def nan_behind_nan(lib: Any) -> None:
    class Nested(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            with lib.enable_grad():
                (leaf(lib, 0.0).sqrt() * 0).backward()
            return g

    Nested.apply(leaf(lib, 1.0)).backward()


def third_derivative(lib: Any) -> None:
    x = leaf(lib, 0.0)
    g = x**2.5
    for _ in range(2):
        (g,) = lib.autograd.grad(g, x, create_graph=True)
    (g * 0).backward()


def hooked(
    register: Callable[[Any, Any, Callable[..., Any]], Any], finish: Callable[[Any, Any, Any], Any]
) -> Callable[[Any], Any]:
    """A program one of whose hooks fails."""

    def program(lib: Any) -> None:
        x = leaf(lib, 1.0)
        y = x * 2
        register(x, y, lambda *_: 1 // 0)
        finish(lib, x, y)

    return program


def into_nan(lib: Any, x: Any, y: Any) -> Any:
    y.grad_fn.register_hook(lambda gs, _: (gs[0] * float("nan"), None))
    y.backward()


def away_from_nan(lib: Any, x: Any, y: Any) -> Any:
    z = (y * 0).sqrt()
    z.grad_fn.register_hook(lambda gs, _: (lib.ones_like(gs[0]),))
    (z * 0).backward()


NOTHING = lambda x, y, fail: None
ANOMALIES: dict[str, Callable[[Any], Any]] = {
    "of a derivative": lambda lib: (leaf(lib, 0.0).sqrt() * 0).backward(),
    "of a third derivative": third_derivative,
    "in a backward within a backward": nan_behind_nan,
    "of a tensor's hook": hooked(lambda x, y, fail: y.register_hook(fail), lambda lib, x, y: y.backward()),
    "of a prehook": hooked(lambda x, y, fail: y.grad_fn.register_prehook(fail), lambda lib, x, y: y.backward()),
    "of a posthook": hooked(lambda x, y, fail: y.grad_fn.register_hook(fail), lambda lib, x, y: y.backward()),
    "of a leaf's hook": hooked(lambda x, y, fail: x.register_hook(fail), lambda lib, x, y: (x * 2).backward()),
    "after a leaf": hooked(lambda x, y, fail: x.register_post_accumulate_grad_hook(fail), lambda lib, x, y: (x * 2).backward()),
    "where it stops": hooked(lambda x, y, fail: y.register_hook(fail), lambda lib, x, y: lib.autograd.grad(y * 1, y)),
    "made by a hook": hooked(NOTHING, into_nan),
    "undone by a hook": hooked(NOTHING, away_from_nan),
    "in what nobody needs": lambda lib: lib.autograd.grad((w := leaf(lib, 1.0)) * 2 + (leaf(lib, 0.0).sqrt() * 0), w),
    "of what is freed": lambda lib: [leaf(lib, 1.0).exp()].pop().backward() or None,
}  # fmt: skip


def anomaly(lib: Any, program: str) -> Any:
    """What is raised, and how the warnings begin."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with lib.autograd.set_detect_anomaly(True):
                ANOMALIES[program](lib)
            result = "nothing"
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
    return result, [str(w.message).partition(". ")[0] for w in caught if w.category is UserWarning]


for program in ANOMALIES:
    made = functools.partial(anomaly, program=program)
    made.__name__ = f"anomaly {program}"  # type: ignore[attr-defined]
    scenario(made)


@scenario
def anomaly_tells_where_a_leaf_was_used(lib):
    x = leaf(lib, 1.0)
    x.register_hook(lambda g: 1 // 0)
    with warnings.catch_warnings(record=True) as caught, lib.autograd.set_detect_anomaly(True):
        warnings.simplefilter("always")
        try:
            (x * 2).backward()
        except ZeroDivisionError:
            return ["anomaly_tells_where" in str(w.message) for w in caught]


@CALLS.parametrize
def test_calls_are_as_torchs(scenario: Any) -> None:
    agree(scenario)


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


WORDS = [
    ("grad(loss, _)", "empty list"), ("loss.backward(inputs=_)", "empty tuple"), ("loss.backward(_)", "empty list"),
    ("loss.backward(_)", "zero"), ("y.backward(_)", "list of numbers"), ("grad(_, x)", "number"), ("grad(loss, [x, _])", "zero"),
    ("grad(loss, _)", "vector"), ("requires_grad_(_)", "nan"), ("y.requires_grad = _", "truth"), ("x.requires_grad = _", "one"),
    ("set_detect_anomaly(_)", "one"), ("loss.backward(retain_graph=_)", "text"), ("returned by a Function", "number"),
    ("returned by a Function", "longer vector"), ("grad(loss, _)", "leaf"), ("x.grad = _", "longer vector"), ("x.grad = _", "number"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), WORDS)
def test_the_words_begin_as_torchs_do(place: str, value: str) -> None:
    theirs, ours = (raised(lib, place, value) for lib in (torch, minitorch))
    assert ours.replace("minitorch", "torch").startswith(theirs.rstrip("."))


def raised(lib: Any, place: str, value: str) -> str:
    with pytest.raises((RuntimeError, TypeError)) as told:
        called_with(lib, place, value)
    return str(told.value)
