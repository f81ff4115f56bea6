"""gradcheck's and gradgradcheck's verdicts on good and bad functions are torch's: True, or the exception and its first words."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import minitorch


def function(lib: Any, forward: Any, backward: Any, materialize: bool = True) -> Any:
    """A Function of one input, whose backward gets (x, g) and is called with None too if it does not `materialize`."""

    class Own(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            ctx.set_materialize_grads(materialize)
            return forward(x)

        @staticmethod
        def backward(ctx: Any, *gs: Any) -> Any:
            return backward(ctx.saved_tensors[0], *gs)

    return Own.apply


def counting(results: list) -> Any:
    """One of the results for each call, in turns."""
    turns = itertools.cycle(results)
    return lambda: next(turns)


def changing(results: list, f: Any) -> Any:
    """x ↦ f(x, result), with another of the results each time."""
    turn = counting(results)
    return lambda x: f(x, turn())


def hooked(y: Any, hook: Any) -> Any:
    y.register_hook(hook)
    return y.sin()


def in_place(x: Any) -> Any:
    y = x.clone()
    y.mul_(y.detach() + 1)
    return y


# Functions of one vector x, given the library.
FUNCTIONS = {
    "exp": lambda lib: lambda x: x.exp(),
    "a product": lambda lib: lambda x: x * x.sin(),
    "a sum": lambda lib: lambda x: (x * x).sum(),
    "several outputs": lambda lib: lambda x: (x.exp(), x.sin() * x),
    "a list": lambda lib: lambda x: [x.exp(), x.sum()],
    "the input": lambda lib: lambda x: x,
    "the input twice": lambda lib: lambda x: (x, x),
    "a view": lambda lib: lambda x: x[1:],
    "transposed outputs": lambda lib: lambda x: (x[:, None] * x).t(),
    "expanded": lambda lib: lambda x: (x * x).expand(3, 2),
    "an empty output": lambda lib: lambda x: x[:0],
    "linear": lambda lib: lambda x: 2 * x,
    "constant": lambda lib: lambda x: lib.ones(2),
    "constant in float64": lambda lib: lambda x: lib.ones(2, dtype=lib.float64),
    "zero times x": lambda lib: lambda x: x * 0,
    "written in place": lambda lib: in_place,
    "values and indices": lambda lib: lambda x: tuple(x.sort()),
    "indices": lambda lib: lambda x: x.argmax(),
    "bools": lambda lib: lambda x: x > 0,
    "x and bools": lambda lib: lambda x: (x * 2, x > 0),
    "a constant beside": lambda lib: lambda x: (x * 2, lib.ones(2, dtype=lib.float64)),
    "a constant first": lambda lib: lambda x: (lib.ones(3, dtype=lib.float64), x * x),
    "detached": lambda lib: lambda x: x.detach() * 2,
    "detached in part": lambda lib: lambda x: x.detach() * x,
    "detached beside": lambda lib: lambda x: (x * 2, x.detach() * 3),
    "under no_grad": lambda lib: lib.no_grad()(lambda x: x * 2),
    "by NumPy": lambda lib: lambda x: lib.from_numpy(np.sin(x.detach().numpy())),
    "by a list": lambda lib: lambda x: lib.tensor(x.tolist(), dtype=lib.float64) * 2,
    "rounded": lambda lib: lambda x: x.round(),
    "a kink": lambda lib: lambda x: (x - x.detach()).abs(),
    "in float32": lambda lib: lambda x: x.float() * 3,
    "in float32, curved": lambda lib: lambda x: x.float().exp().double(),
    "returns None": lambda lib: lambda x: None,
    "returns a float": lambda lib: lambda x: 3.0,
    "returns a dict": lambda lib: lambda x: {"a": x},
    "returns no tensor beside": lambda lib: lambda x: (x, None),
    "returns nothing": lambda lib: lambda x: (),
    "raises": lambda lib: lambda x: x.reshape(7),
    "shape by value": lambda lib: lambda x: x[x > 0.3],
    "shape by turns": lambda lib: changing([2, 1], lambda x, n: (x * x)[:n]),
    "dtype by turns": lambda lib: changing([lib.float64, lib.float32], lambda x, dtype: (x * x).to(dtype)),
    "random": lambda lib: lambda x: x * lib.rand(2, dtype=lib.float64),
    "a hook that scales": lambda lib: lambda x: hooked(x * 2, lambda g: g * 2),
    "a hook that looks": lambda lib: lambda x: hooked(x * 2, lambda g: None),
    "a hook that cannot take None": lambda lib: lambda x: hooked(x * 2, lambda g: g * 1),
    "a hook that raises on None": lambda lib: lambda x: hooked(x * 2, lambda g: None if g is not None else 1 / 0),
    "own": lambda lib: function(lib, lambda x: x**3, lambda x, g: 3 * x * x * g),
    "own, wrong": lambda lib: function(lib, lambda x: x**3, lambda x, g: 2 * x * x * g),
    "own, wrong a little": lambda lib: function(lib, lambda x: x**3, lambda x, g: 3 * x * x * g * (1 + 1e-5)),
    "own, without its graph": lambda lib: function(lib, lambda x: x**3, lambda x, g: 3 * x.detach() ** 2 * g),
    "own, no gradient": lambda lib: function(lib, lambda x: x * 2, lambda x, g: None),
    "own, transposed": lambda lib: function(lib, lambda x: x.exp(), lambda x, g: (g * x.exp()).flip(0)),
    "own, adds one": lambda lib: function(lib, lambda x: x * 2, lambda x, g: g * 2 + 1),
    "own, not linear": lambda lib: function(lib, lambda x: x * 1, lambda x, g: g.cos() - 1 + g * 0.46),
    "own, another dtype": lambda lib: function(lib, lambda x: x * 2, lambda x, g: (g * 2).float()),
    "own, another shape": lambda lib: function(lib, lambda x: x * 2, lambda x, g: (g * 2)[:1]),
    "own, by turns": lambda lib: by_turns(lib, 1.5),
    "own, by turns a little": lambda lib: by_turns(lib, 1e-9),
    "own, takes None": lambda lib: function(lib, lambda x: x * 2, lambda x, g: g and g * 2, materialize=False),
    "own, gives ones for None": lambda lib: ones_for_none(lib),
    "own, refuses None": lambda lib: function(lib, lambda x: x * 2, refusing(RuntimeError), materialize=False),
    "own, fails on None": lambda lib: function(lib, lambda x: x * 2, lambda x, g: g * 2, materialize=False),
    "own, refuses None by ValueError": lambda lib: function(lib, lambda x: x * 2, refusing(ValueError), materialize=False),
    "own of an own that drops": lambda lib: lambda x: function(lib, lambda y: y * 0, lambda y, g: None)(
        function(lib, lambda x: x * 2, refusing(RuntimeError), materialize=False)(x)
    ),
    "two outputs of own": lambda lib: function(lib, lambda x: (x * 2, x * 3), lambda x, g, h: 2 * g + 3 * h),
    "two outputs, one wrong": lambda lib: function(lib, lambda x: (x * 2, x * 3), lambda x, g, h: 2 * g + 2 * h),
    "two outputs, no None": lambda lib: function(lib, lambda x: (x * 2, x * 3), lambda x, g, h: 2 * g + 3 * h, False),
}  # fmt: skip


def by_turns(lib: Any, difference: float) -> Any:
    turn = counting([0.0, 0.0, difference, difference])  # one backward for each of two outputs, twice
    return function(lib, lambda x: x * 2, lambda x, g: g * (2 + turn()))


def ones_for_none(lib: Any) -> Any:
    given = lambda x, g: lib.ones(2, dtype=lib.float64) if g is None else g * 2
    return function(lib, lambda x: x * 2, given, materialize=False)


def refusing(error: type) -> Any:
    def backward(x: Any, g: Any) -> Any:
        if g is None:
            raise error("no gradient")
        return g * 2

    return backward


OPTIONS: dict[str, dict] = {
    "as it is": {},
    "fast": {"fast_mode": True},
    "no exception": {"raise_exception": False},
    "without undefined": {"check_undefined_grad": False},
    "not deterministic": {"nondet_tol": 1e-6},
    "coarse": {"atol": 0.5, "rtol": 0.5, "eps": 1e-4, "masked": True},
    "dtypes": {"check_grad_dtypes": True},
}


def verdict(lib: Any, check: Any) -> Any:
    """What came of it, and of what it says the words that tell which check failed; with the kinds of warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lib.manual_seed(0)
        try:
            result = check(lib)
        except Exception as error:
            result = type(error).__name__, str(error).split()[:4] if type(error).__name__ == "GradcheckError" else ""
    return result, {w.category.__name__ for w in caught}


def leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(list(values), dtype=lib.float64, requires_grad=True)


def compare(check: Any) -> None:
    ours, theirs = verdict(minitorch, check), verdict(torch, check)
    assert ours == theirs, f"\nours: {ours}\ntorch's: {theirs}"


CASES = [
    (name, options)
    for name, options in itertools.product(FUNCTIONS, OPTIONS)
    # Torch multiplies one output with another's vector where a constant comes first, and compares float32 with float64.
    if not (options == "fast" and name in ("a constant first", "in float32", "in float32, curved"))
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_first_derivatives(name: str, options: str) -> None:
    compare(lambda lib: lib.autograd.gradcheck(FUNCTIONS[name](lib), leaf(lib, 0.3, 0.7), **OPTIONS[options]))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_second_derivatives(name: str, options: str) -> None:
    compare(lambda lib: lib.autograd.gradgradcheck(FUNCTIONS[name](lib), leaf(lib, 0.3, 0.7), **OPTIONS[options]))


# ---- inputs and options ----


def several(lib: Any) -> tuple:
    return leaf(lib, 0.3, 0.7), leaf(lib, 1.5, 2.5)


INPUTS = {
    "two": lambda lib: (lambda x, y: x * y.exp(), several(lib)),
    "two, one unused": lambda lib: (lambda x, y: x * x, several(lib)),
    "a list": lambda lib: (lambda x, y: x * y, list(several(lib))),
    "one twice": lambda lib: (lambda x, y: x * y, [leaf(lib, 0.3)] * 2),
    "a number beside": lambda lib: (lambda x, n: x**n, (leaf(lib, 0.3), 3)),
    "a constant beside": lambda lib: (lambda x, y: x * y, (leaf(lib, 0.3), leaf(lib, 2.0).detach())),
    "integers beside": lambda lib: (lambda x, i: x[i], (leaf(lib, 0.3, 0.7), lib.tensor([1, 1]))),
    "none that requires grad": lambda lib: (lambda x: x * 2, (leaf(lib, 0.3).detach(),)),
    "no tensor": lambda lib: (lambda n: n, (3.0,)),
    "nothing": lambda lib: (lambda: 1, ()),
    "float32": lambda lib: (lambda x: x * x, leaf(lib, 0.3).detach().float().requires_grad_()),
    "float32, coarse": lambda lib: (lambda x: x * 0, (leaf(lib, 0.3), leaf(lib, 0.3).detach().float().requires_grad_())[1:]),
    "no leaf": lambda lib: (lambda x: x.exp(), leaf(lib, 0.3, 0.7) * 2),
    "0-d": lambda lib: (lambda x: x.exp(), lib.tensor(0.3, dtype=lib.float64, requires_grad=True)),
    "empty": lambda lib: (lambda x: x.exp(), leaf(lib)),
    "empty, to a number": lambda lib: (lambda x: x.sum(), leaf(lib)),
    "transposed": lambda lib: (
        lambda x: x.exp(),
        (leaf(lib, 0.3, 0.5, 0.7, 0.9).detach().reshape(2, 2).t().requires_grad_()),
    ),
    "with steps": lambda lib: (lambda x: x.exp(), leaf(lib, 0.3, 0.5, 0.7, 0.9).detach()[::2].requires_grad_()),
    "expanded": lambda lib: (lambda x: x.exp(), leaf(lib, 0.3).detach().expand(2).requires_grad_()),
    "expanded beside": lambda lib: (lambda x, y: x * y, (leaf(lib, 0.3, 0.4), leaf(lib, 0.3).detach().expand(2))),
    "a view of another": lambda lib: (lambda x, y: x * y, (lambda x: (x, x.detach().requires_grad_()))(leaf(lib, 0.3))),
    "too many": lambda lib: (lambda x: x, several(lib)),
    "no function": lambda lib: ("f", leaf(lib, 0.3)),
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("check", ["gradcheck", "gradgradcheck"])
@pytest.mark.parametrize("name", INPUTS)
def test_inputs(name: str, check: str, fast: bool) -> None:
    compare(lambda lib: getattr(lib.autograd, check)(*INPUTS[name](lib), fast_mode=fast))


@pytest.mark.parametrize(
    ("check", "options"),
    [
        ("gradcheck", {"check_backward_ad": False}),
        ("gradcheck", {"check_backward_ad": False, "check_batched_grad": True, "check_forward_ad": True}),
        ("gradcheck", {"check_batched_forward_grad": True}),
        ("gradgradcheck", {"check_rev_over_rev": False}),
        ("gradgradcheck", {"check_rev_over_rev": False, "check_fwd_over_rev": True}),
        ("gradgradcheck", {"check_rev_over_rev": False, "check_fwd_over_rev": True, "check_undefined_grad": False,
                           "check_batched_grad": True}),
        ("gradgradcheck", {"gen_non_contig_grad_outputs": True}),
        ("gradgradcheck", {"nosuch": True}),
        ("gradcheck", {"eps": 1e-13}),
        ("gradcheck", {"eps": 1.0}),
        ("gradcheck", {"eps": 1.0, "atol": 10.0}),
        ("gradcheck", {"atol": 0.0, "rtol": 0.0}),
        ("gradcheck", {"nondet_tol": -1.0}),
    ],
)  # fmt: skip
def test_options(check: str, options: dict) -> None:
    compare(lambda lib: getattr(lib.autograd, check)(lambda x: x.exp(), leaf(lib, 0.3, 0.7), **options))


def test_given_gradients() -> None:
    """gradgradcheck with gradients of one's own; as many as outputs, fewer, of a wrong shape, that need no grad."""
    for given in (
        lambda lib: leaf(lib, 1.0, 2.0),
        lambda lib: [leaf(lib, 1.0, 2.0)],
        lambda lib: leaf(lib, 1.0, 2.0).detach(),
        lambda lib: leaf(lib, 1.0),
        lambda lib: 1.0,
    ):
        compare(lambda lib, given=given: lib.autograd.gradgradcheck(lambda x: x.exp(), leaf(lib, 0.3, 0.7), given(lib)))


def test_inputs_are_put_back() -> None:
    """Whatever happens, the numbers of the inputs are what they were."""

    def fails(x: Any) -> Any:
        if float(x[0]) != 0.3:
            raise KeyError
        return x * 2

    x = leaf(minitorch, 0.3, 0.7)
    for f in (fails, lambda x: x.exp()):
        verdict(minitorch, lambda lib, f=f: lib.autograd.gradcheck(f, x))
        assert x.tolist() == [0.3, 0.7]


def test_random_numbers() -> None:
    """gradgradcheck draws its gradients from the global generator, gradcheck draws none from it."""
    for name, options in (("gradcheck", {"fast_mode": True}), ("gradgradcheck", {}), ("gradgradcheck", {"fast_mode": True})):
        drawn = []
        for lib in (minitorch, torch):
            lib.manual_seed(3)
            getattr(lib.autograd, name)(lambda x: x.exp(), leaf(lib, 0.3, 0.7), **options)
            drawn.append(lib.rand(3).tolist())
        assert drawn[0] == drawn[1], name


def jacobians(lib: Any) -> Any:
    module = __import__("sys").modules[f"{lib.__name__}.autograd.gradcheck"]
    x, y = several(lib)
    f = lambda xs: xs[0] * xs[1].exp()
    out = f((x, y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numerical = module.get_numerical_jacobian(f, (x, y), eps=1e-6)
        of_one = module.get_numerical_jacobian(f, (x, y), target=(y,), eps=1e-6)
        analytical = module.get_analytical_jacobian((x, y), out)
    specific = module.get_numerical_jacobian_wrt_specific_input(lambda x, y: (x * y, x), 1, (x, y), (out, x), 1e-6)
    return [[j.detach().tolist() for j in js] for js in (numerical, of_one, analytical[0], specific)], analytical[1:]


def test_old_names() -> None:
    (ours, flags), (theirs, their_flags) = jacobians(minitorch), jacobians(torch)
    assert flags == their_flags
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)
