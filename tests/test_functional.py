"""`autograd.functional` and `func` against torch's: values, shapes, requires_grad, structure, and the types of errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from both import Scenarios, affine, agree, leaf

SHAPES = [(), (1,), (3,), (2, 2), (0,)]

# Functions of two inputs of any one shape: curved, linear, constant in one, constant in both, the input itself.
FUNCTIONS = {
    "curved": lambda lib, a, b: a.sin() * b**2 + a**3,
    "linear": lambda lib, a, b: 2 * a + b,
    "unused": lambda lib, a, b: a.exp(),
    "independent": lambda lib, a, b: lib.ones_like(a),
    "identity": lambda lib, a, b: a,
    "sum": lambda lib, a, b: (a * a * b).sum(),
    "linear sum": lambda lib, a, b: (a + b).sum(),
    "two outputs": lambda lib, a, b: (a * b, a.sum()),
    "one of two": lambda lib, a, b: (a.tanh(), lib.ones_like(b)),
}


def show(value: Any, lib: Any) -> Any:
    """Values, shapes, dtypes and requires_grad, in the same containers."""
    if isinstance(value, lib.Tensor):
        return np.asarray(value.detach().numpy()), value.requires_grad
    if isinstance(value, dict):
        return {key: show(each, lib) for key, each in value.items()}
    return type(value)(show(each, lib) for each in value) if isinstance(value, tuple | list) else value


def run(scenario: Any, lib: Any) -> Any:
    """What the scenario returns or the type it raises; torch warns of its own deprecated parts, which is not our matter."""
    with warnings.catch_warnings():
        if lib is torch:
            warnings.simplefilter("ignore")
        try:
            return show(scenario(lib), lib)
        except Exception as error:
            return type(error)


def check(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs), f"\nours: {ours}\ntorch's: {theirs}"
    if isinstance(theirs, np.ndarray):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(theirs).max(initial=0)))
    elif isinstance(theirs, tuple | list | dict):
        assert len(ours) == len(theirs)
        pairs = zip(ours.values(), theirs.values()) if isinstance(theirs, dict) else zip(ours, theirs)
        for a, b in pairs:
            check(a, b)
    else:
        assert ours == theirs, f"\nours: {ours}\ntorch's: {theirs}"


def compare(scenario: Any) -> None:
    theirs = run(scenario, torch)
    assert theirs not in (NameError, AttributeError), theirs
    check(run(scenario, minitorch), theirs)


@st.composite
def points(draw: Any) -> tuple:
    """A shape, and numbers for two inputs and a direction for each."""
    shape = draw(st.sampled_from(SHAPES))
    numbers = st.floats(-2, 2, width=32).map(lambda x: round(x, 2))
    n = int(np.prod(shape))
    return tuple(
        np.array(draw(st.lists(numbers, min_size=n, max_size=n)), dtype=np.float64).reshape(shape) for _ in range(4)
    )


def tensors(lib: Any, point: tuple, requires_grad: bool = False) -> list:
    return [lib.tensor(p.tolist(), dtype=lib.float64).reshape(p.shape).requires_grad_(requires_grad) for p in point]


bools = st.booleans()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("api", ["vjp", "jvp", "jacobian", "hessian", "hvp", "vhp"])
@given(point=points(), create_graph=bools, strict=bools, wanted=bools, with_v=bools)
def test_functional(api, name, point, create_graph, strict, wanted, with_v) -> None:
    def scenario(lib):
        a, b, va, vb = tensors(lib, point, wanted)
        options: dict = {"create_graph": create_graph, "strict": strict}
        f = lambda a, b: FUNCTIONS[name](lib, a, b)
        if with_v and api not in ("jacobian", "hessian"):
            options["v"] = (va, vb)
            if api == "vjp":
                out = f(a, b)
                options["v"] = tuple(lib.ones_like(o) * 2 for o in out) if isinstance(out, tuple) else lib.ones_like(out) * 3
        result = getattr(lib.autograd.functional, api)(f, (a, b), **options)
        flat = flattened(result, lib)
        roots = [x.sum() for x in flat if x.requires_grad]
        if not (create_graph and wanted and roots):
            return result
        grads = lib.autograd.grad(sum(roots), [a, b], allow_unused=True)
        return result, tuple(g.detach() if g is not None else None for g in grads)

    compare(scenario)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@given(point=points().filter(lambda point: point[0].size > 0))
def test_vectorized(name, point) -> None:
    """Without create_graph, where torch's vmap marks constants as requiring grad; torch has an IndexError for no rows."""
    compare(
        lambda lib: lib.autograd.functional.jacobian(
            lambda a, b: FUNCTIONS[name](lib, a, b), tuple(tensors(lib, point)[:2]), vectorize=True
        )
    )


def flattened(value: Any, lib: Any) -> list:
    if isinstance(value, lib.Tensor):
        return [value]
    values = value.values() if isinstance(value, dict) else value
    return [x for each in values for x in flattened(each, lib)] if isinstance(value, tuple | list | dict) else []


def rebuilt(value: Any, change: Any, lib: Any) -> Any:
    if isinstance(value, lib.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: rebuilt(each, change, lib) for key, each in value.items()}
    return type(value)(rebuilt(each, change, lib) for each in value)


def first(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) else out


TRANSFORMS = {
    "grad": lambda F, f, a, b, n, v: F.grad(f, n)(a, b),
    "grad_and_value": lambda F, f, a, b, n, v: F.grad_and_value(f, n)(a, b),
    "vjp": lambda F, f, a, b, n, v: F.vjp(f, a, b)[1](F.vjp(f, a, b)[0]),
    "jvp": lambda F, f, a, b, n, v: F.jvp(f, (a, b), v),
    "strict jvp": lambda F, f, a, b, n, v: F.jvp(f, (a, b), v, strict=True),
    "jacrev": lambda F, f, a, b, n, v: F.jacrev(f, n)(a, b),
    "jacfwd": lambda F, f, a, b, n, v: F.jacfwd(f, 1 if n == -1 else n)(a, b),  # torch's jacfwd(f, -1) is 0
    "hessian": lambda F, f, a, b, n, v: F.hessian(f, 1 if n == -1 else n)(a, b),
    "jacrev of jacrev": lambda F, f, a, b, n, v: F.jacrev(F.jacrev(f, n), n)(a, b),
    "jacrev of grad": lambda F, f, a, b, n, v: F.jacrev(F.grad(f))(a, b),
    "grad of closure": lambda F, f, a, b, n, v: F.grad(lambda x: (x * F.grad(lambda y: first(f(y, x)).sum())(a)).sum())(b),
    "third": lambda F, f, a, b, n, v: F.grad(F.grad(F.grad(lambda x: f(x, x))))(a),
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("transform", sorted(TRANSFORMS))
@given(point=points(), wanted=bools, argnums=st.sampled_from([0, 1, -1, (0,), (0, 1), (1, 0), (0, 0), (), 2]), quiet=bools)
def test_func(transform, name, point, wanted, argnums, quiet) -> None:
    """Values, and the gradient through them: torch's vmap marks constants as requiring grad, so flags say less."""

    def scenario(lib):
        a, b, va, vb = tensors(lib, point)
        constant = name not in ("curved", "sum")  # in parts of its Jacobian: backward through torch's jacfwd fails there
        a.requires_grad_(wanted and not (transform == "jacfwd" and constant))
        f = lambda a, b: FUNCTIONS[name](lib, a, b)
        with lib.set_grad_enabled(not quiet):
            result = TRANSFORMS[transform](lib.func, f, a, b, argnums, (va, vb))
        roots = [x.sum() for x in flattened(result, lib) if x.requires_grad]
        through = lib.autograd.grad(sum(roots), a, allow_unused=True)[0] if roots and wanted and not quiet else None
        values = rebuilt(result, lambda x: x.detach(), lib)
        return values, lib.zeros_like(a).detach() if through is None else through.detach()

    compare(scenario)


# ---- layouts ----

# A view of numbers of shape (2, 3, 4), of every kind of memory order.
LAYOUTS = {
    "row-major": lambda b: b[0],
    "transposed": lambda b: b[0].t(),
    "permuted": lambda b: b.permute(2, 0, 1)[:2],
    "expanded": lambda b: b[0, :, :1].expand(3, 2),
    "flipped": lambda b: b[0].flip(1),
    "narrowed": lambda b: b.narrow(2, 1, 2)[1],
    "with steps": lambda b: b[0, :, ::2],
    "a column": lambda b: b[0, :, 1:2],
    "0-d": lambda b: b[1, 1, 1],
    "empty, transposed": lambda b: b[0, :0].t(),
}

# Functions whose result is laid out in as many ways.
LAID_OUT = {
    "as the input": lambda lib, x: x**3,
    "transposed": lambda lib, x: (x * x).transpose(0, -1) if x.ndim else x * x,
    "expanded": lambda lib, x: x.sin().expand(2, *x.shape),
    "flipped": lambda lib, x: x.exp().flip(0) if x.ndim else x.exp(),
    "narrowed": lambda lib, x: (x * x).narrow(0, 0, 1) if x.ndim and len(x) > 1 else x * x,
    "with steps": lambda lib, x: (x * x)[..., ::2] if x.ndim else x * x,
    "0-d": lambda lib, x: (x**3).sum(),
    "several": lambda lib, x: (x**2, x.sin().transpose(0, -1) if x.ndim else x.sin()),
    "nested": lambda lib, x: {"a": x**2, "b": [x.sin().sum(), (x * 2).unsqueeze(-1).expand(*x.shape, 2)]},
}

POINTWISE = {
    "jacrev": lambda lib, f, x: lib.func.jacrev(f)(x),
    "jacfwd": lambda lib, f, x: lib.func.jacfwd(f)(x),
    "hessian": lambda lib, f, x: lib.func.hessian(f)(x),
    "jacrev of jacfwd": lambda lib, f, x: lib.func.jacrev(lib.func.jacfwd(f))(x),
    "jacfwd of jacrev": lambda lib, f, x: lib.func.jacfwd(lib.func.jacrev(f))(x),
    "jacfwd of jacfwd": lambda lib, f, x: lib.func.jacfwd(lib.func.jacfwd(f))(x),
    "jacrev of jacrev": lambda lib, f, x: lib.func.jacrev(lib.func.jacrev(f))(x),
    "vjp": lambda lib, f, x: lib.func.vjp(f, x)[1](f(x)),
    "jvp": lambda lib, f, x: lib.func.jvp(f, (x,), (x,)),
    "jacobian": lambda lib, f, x: lib.autograd.functional.jacobian(f, x, create_graph=True),
    "jacobian, vectorized": lambda lib, f, x: lib.autograd.functional.jacobian(f, x, vectorize=True),
    "jacobian by columns": lambda lib, f, x: by_columns(lib, "jacobian", f, x),
    "functional.vjp": lambda lib, f, x: lib.autograd.functional.vjp(f, x, f(x)),
    "functional.jvp": lambda lib, f, x: lib.autograd.functional.jvp(f, x, x),
    "functional.hessian": lambda lib, f, x: lib.autograd.functional.hessian(squares(lib, f), x),
    "functional.hessian by columns": lambda lib, f, x: by_columns(lib, "hessian", squares(lib, f), x),
    "hvp": lambda lib, f, x: lib.autograd.functional.hvp(squares(lib, f), x, x),
    "vhp": lambda lib, f, x: lib.autograd.functional.vhp(squares(lib, f), x, x),
}


def by_columns(lib: Any, name: str, f: Any, x: Any) -> Any:
    options = {("" if name == "jacobian" else "outer_jacobian_") + "strategy": "forward-mode"}
    result = getattr(lib.autograd.functional, name)(f, x, vectorize=True, **options)
    # torch marks constants as requiring grad here, which its vmap does not always unmark
    return rebuilt(result, lambda x: x.detach(), lib)


def squares(lib: Any, f: Any) -> Any:
    """f, made a function to one number."""
    return lambda x: sum((out * out).sum() for out in flattened(f(x), lib))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("transform", POINTWISE)
def test_layouts(transform: str, layout: str) -> None:
    """No memory order of an input or output changes a derivative."""

    def of(out: str) -> Any:
        def scenario(lib: Any) -> Any:
            x = LAYOUTS[layout]((lib.arange(24.0, dtype=lib.float64) * 0.1 + 0.05).reshape(2, 3, 4))
            if lib is torch and layout == "expanded":  # which torch's forward mode refuses
                x = x.clone()
            return rebuilt(POINTWISE[transform](lib, lambda x: LAID_OUT[out](lib, x), x), lambda x: x.clone(), lib)

        return scenario

    for scenario in map(of, LAID_OUT):
        theirs = run(scenario, torch)
        if theirs in (IndexError, RuntimeError) and layout.startswith("empty"):
            continue  # torch's vmap knows no way with no rows, or none for this op
        check(run(scenario, minitorch), theirs)


# ---- single cases ----

scenarios = Scenarios()
scenario = scenarios.add


def pair(lib):
    return lib.tensor([1.0, 2.0], dtype=lib.float64), lib.tensor([3.0, 4.0], dtype=lib.float64)


WRONG = {
    "v shape": lambda lib, x, y: lib.autograd.functional.vjp(lambda x: x * 2, x, y[:1]),
    "v type": lambda lib, x, y: lib.autograd.functional.vjp(lambda x: x * 2, x, 2.0),
    "v count": lambda lib, x, y: lib.autograd.functional.jvp(lambda x: x * 2, x, (x, y)),
    "v missing": lambda lib, x, y: lib.autograd.functional.hvp(lambda x: x.sum(), x),
    "input type": lambda lib, x, y: lib.autograd.functional.jacobian(lambda x: x * 2, [x]),
    "output type": lambda lib, x, y: lib.autograd.functional.jacobian(lambda x: 2.0, x),
    "integers": lambda lib, x, y: lib.autograd.functional.jacobian(lambda x: x * 2, lib.arange(3)),
    "no scalar": lambda lib, x, y: lib.autograd.functional.hessian(lambda x: x * 2, x),
    "a tuple": lambda lib, x, y: lib.autograd.functional.vhp(lambda x: (x.sum(),), x, y),
    "strategy": lambda lib, x, y: lib.autograd.functional.jacobian(lambda x: x * 2, x, strategy="no"),
    "forward without vectorize": lambda lib, x, y: lib.autograd.functional.jacobian(lambda x: x, x, strategy="forward-mode"),
    "grad no scalar": lambda lib, x, y: lib.func.grad(lambda x: x * 2)(x),
    "grad float": lambda lib, x, y: lib.func.grad(lambda x: x * 2)(2.0),
    "grad integers": lambda lib, x, y: lib.func.grad(lambda x: x.sum())(lib.arange(3)),
    "grad returns float": lambda lib, x, y: lib.func.grad(lambda x: 2.0)(x),
    "grad no aux": lambda lib, x, y: lib.func.grad(lambda x: x.sum(), has_aux=True)(x),
    "grad aux number": lambda lib, x, y: lib.func.grad(lambda x: (x.sum(), 2), has_aux=True)(x),
    "argnums float": lambda lib, x, y: lib.func.grad(lambda x: x.sum(), 1.5)(x),
    "jvp integers": lambda lib, x, y: lib.func.jvp(lambda x: x * 2, (lib.arange(2),), (x,)),
    "jvp shapes": lambda lib, x, y: lib.func.jvp(lambda x: x * 2, (x,), (x[:1],)),
    "jvp nest": lambda lib, x, y: lib.func.jvp(lambda x: x * 2, (x,), (x, y)),
    "jvp no tuple": lambda lib, x, y: lib.func.jvp(lambda x: x * 2, x, y),
    "vjp empty": lambda lib, x, y: lib.func.vjp(lambda x: (), x),
    "vjp cotangent": lambda lib, x, y: lib.func.vjp(lambda x: x * 2, x)[1](2.0),
    "vjp nest": lambda lib, x, y: lib.func.vjp(lambda x: x * 2, x)[1]((x,)),
    "vectorize strict": lambda lib, x, y: lib.autograd.functional.jacobian(lambda x: x, x, strict=True, vectorize=True),
    "chunk": lambda lib, x, y: lib.func.jacrev(lambda x: x, chunk_size=0),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_refused_as_in_torch(name: str) -> None:
    kinds = [run(lambda lib: WRONG[name](lib, *pair(lib)), lib) for lib in (minitorch, torch)]
    assert isinstance(kinds[1], type) and issubclass(kinds[1], Exception)
    assert kinds[0] is kinds[1]


@scenario
def nests_of_inputs_and_outputs(lib):
    x, y = pair(lib)
    f = lambda d, k=1: {"o": d["a"] * d["b"][0] * k, "p": (d["a"].sum(),)}
    d = {"a": x, "b": [y, x]}
    out, pull = lib.func.vjp(f, d)
    return lib.func.jacrev(f)(d), lib.func.jacfwd(f)(d), out, pull(out), lib.func.jvp(f, (d,), (d,))


@scenario
def aux(lib):
    x, y = pair(lib)
    f = lambda a: (a * a, {"aux": a + 1})
    g = lambda a: ((a * a).sum(), (a + 1, [a]))
    return (lib.func.jacrev(f, has_aux=True)(x), lib.func.jacfwd(f, has_aux=True)(x), lib.func.grad(g, has_aux=True)(x),
            lib.func.jvp(f, (x,), (y,), has_aux=True), lib.func.grad_and_value(g, has_aux=True)(x))  # fmt: skip


@scenario
def leaves_in_closures_keep_their_graph(lib):
    x, w = pair(lib)
    w.requires_grad_()
    g = lib.func.grad(lambda x: (x**2 * w).sum())(x)
    return g.requires_grad, lib.autograd.grad(g.sum(), w)


@scenario
def modules_as_functions(lib):
    module, x = affine(lib), lib.tensor([3.0, 4.0])
    params = {name: p.detach() * 5 for name, p in module.named_parameters()}
    loss = lambda params: (lib.func.functional_call(module, params, (x,), {"scale": 2}) ** 2).sum()
    return lib.func.grad(loss)(params), module.weight, module.weight.requires_grad


@scenario
def tied_weights(lib):
    root = lib.nn.Module()
    root.a = lib.nn.Parameter(lib.ones(2))
    root.b = root.a
    root.forward = lambda x: root.a * x + root.b
    call, x = lib.func.functional_call, lib.tensor([1.0, 2.0])
    return call(root, {"a": x}, x), call(root, {"a": x}, x, tie_weights=False), call(root, ({"a": x}, {"b": x}), x)


@scenario
def jacobians_of_three_inputs(lib):
    x, y = pair(lib)
    f = lambda a, b, c: (a * b.sum() + c * c * a, b * c)
    every = (0, 1, 2)
    return (lib.func.jacrev(f, every)(x, y, x + y), lib.func.jacfwd(f, every)(x, y, x + y),
            lib.func.hessian(lambda *xs: f(*xs)[0].sum(), every)(x, y, x + y))  # fmt: skip


@scenario
def outputs_that_are_integers(lib):
    x, y = pair(lib)
    f = lambda a: (a * 2, a.long())
    return lib.func.jvp(f, (x,), (y,)), lib.func.jacfwd(f)(x), lib.func.grad(lambda a: a.long().double().sum() + a.sum())(x)


@scenario
def jacobian_of_nothing_by_two_inputs(lib):
    x, y = pair(lib)
    return lib.autograd.functional.jacobian(lambda a, b: (a * b)[:0], (x, y))


@scenario
def flags_left_alone(lib):
    x, y = pair(lib)
    f = lambda a: (a**3).sum()
    api = lib.autograd.functional
    made = [
        api.vhp(f, x, y)[1],
        api.hvp(f, x, y)[1],
        api.vjp(f, x)[1],
        api.jvp(f, x, y)[1],
        api.jacobian(f, x),
        api.hessian(f, x),
    ]
    return [t.requires_grad for t in made], made, api.hessian(lambda a: (a * 2).sum(), x)


def failing(name, *args, **kwargs):
    def call(lib):
        return lib.func.functional_call(affine(lib), *[a(lib) if callable(a) else a for a in args], **kwargs)

    call.__name__ = name
    return scenario(call)


one = lambda lib: lib.ones(2)
failing("missing", lambda lib: {"weight": lib.ones(2)}, one, strict=True)
failing("unexpected", lambda lib: {**dict(affine(lib).named_parameters()), "no": lib.ones(1)}, one, strict=True)
failing("twice", lambda lib: [{"bias": lib.ones(2)}, {"bias": lib.ones(2)}], one)
failing("no_dict", 3, one)
failing("no_dicts", [3], one)
failing("no_tensor", {"weight": 1.0}, one)
failing("no_submodule", lambda lib: {"no.weight": lib.ones(2)}, one)


@scenarios.parametrize
def test_scenario(scenario: Any) -> None:
    theirs = agree(scenario)
    assert getattr(theirs, "kind", "") != "NameError"


def test_a_view_whose_base_no_longer_requires_grad_is_differentiated_twice() -> None:
    def scenario(lib: Any) -> Any:
        base = leaf(lib, 0.5)
        view = base.squeeze()
        base.requires_grad_(False)
        return lib.func.hessian(lambda x: (x**3).sum())(view)

    agree(scenario)
