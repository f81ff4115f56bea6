"""Wrong arguments of `autograd.functional` and `func`: what torch refuses is refused, by the same type of exception."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
import torch

import minitorch

FUNCTIONS = {
    "squares": lambda lib: lambda x: x * x,
    "a number": lambda lib: lambda x: (x * x).sum(),
    "two outputs": lambda lib: lambda x: (x * x, x.sum()),
    "a list": lambda lib: lambda x: [x * x],
    "a dict": lambda lib: lambda x: {"a": x * x},
    "None": lambda lib: lambda x: None,
    "a float": lambda lib: lambda x: 2.0,
    "integers": lambda lib: lambda x: x.long(),
    "a constant": lambda lib: lambda x: lib.ones(2),
    "detached": lambda lib: lambda x: x.detach() * 2,
    "of no argument": lambda lib: lambda: lib.ones(2),
    "of any number": lambda lib: lambda *xs: sum((x * x).sum() for x in xs),
    "raises": lambda lib: lambda x: 1 / 0,
    "tensor and float": lambda lib: lambda x: (x * x, 2.0),
    "number and aux": lambda lib: lambda x: ((x * x).sum(), x),
    "no function": lambda lib: "f",
}

VALUES = {
    "None": lambda lib: None,
    "int": lambda lib: 2,
    "float": lambda lib: 2.5,
    "str": lambda lib: "a",
    "list": lambda lib: [lib.ones(2)],
    "empty list": lambda lib: [],
    "empty tuple": lambda lib: (),
    "dict": lambda lib: {"a": lib.ones(2)},
    "tuple": lambda lib: (lib.ones(2), lib.ones(2)),
    "mixed tuple": lambda lib: (lib.ones(2), 2),
    "nested tuple": lambda lib: ((lib.ones(2),),),
    "vector": lambda lib: lib.ones(2),
    "one element": lambda lib: lib.ones(1),
    "0-d": lambda lib: lib.tensor(1.0),
    "matrix": lambda lib: lib.ones(2, 3),
    "integers": lambda lib: lib.arange(2),
    "bools": lambda lib: lib.ones(2).bool(),
    "float64": lambda lib: lib.ones(2, dtype=lib.float64),
    "requires grad": lambda lib: lib.ones(2).requires_grad_(),
    "a function": lambda lib: lambda x: x,
}


def api(name: str, **options: Any) -> Any:
    """A function of `autograd.functional` at a point a, with a vector b if it takes one."""
    if name in ("jacobian", "hessian"):
        return lambda lib, f, a, b: getattr(lib.autograd.functional, name)(f, a, **options)
    return lambda lib, f, a, b: getattr(lib.autograd.functional, name)(f, a, b, **options)


CALLS = {
    **{name: api(name) for name in ("vjp", "jvp", "vhp", "hvp", "jacobian", "hessian")},
    **{f"{name}, strict": api(name, strict=True) for name in ("vjp", "jvp", "vhp", "hvp", "jacobian", "hessian")},
    "jacobian by columns": api("jacobian", strategy="forward-mode", vectorize=True),
    "hessian by columns": api("hessian", outer_jacobian_strategy="forward-mode", vectorize=True),
    "by columns, not vectorized": api("jacobian", strategy="forward-mode"),
    "by columns, strict": api("jacobian", strategy="forward-mode", vectorize=True, strict=True),
    "by columns, create_graph": api("jacobian", strategy="forward-mode", vectorize=True, create_graph=True, strict=True),
    "create_graph": lambda lib, f, a, b: lib.autograd.functional.jacobian(f, a, b),
    "strategy": lambda lib, f, a, b: lib.autograd.functional.jacobian(f, a, strategy=b),
    "func.grad": lambda lib, f, a, b: lib.func.grad(f, b)(a),
    "func.grad, aux": lambda lib, f, a, b: lib.func.grad(f, has_aux=True)(a),
    "func.vjp": lambda lib, f, a, b: lib.func.vjp(f, a)[1](b),
    "func.jvp": lambda lib, f, a, b: lib.func.jvp(f, (a,), (b,)),
    "func.jvp, bare": lambda lib, f, a, b: lib.func.jvp(f, a, b),
    "func.jacrev": lambda lib, f, a, b: lib.func.jacrev(f, b)(a),
    "func.jacfwd": lambda lib, f, a, b: lib.func.jacfwd(f, b)(a),
    "func.jacfwd, aux": lambda lib, f, a, b: lib.func.jacfwd(f, has_aux=True)(a),
    "randomness": lambda lib, f, a, b: lib.func.jacfwd(f, randomness=b)(lib.ones(2)),
    "func.hessian": lambda lib, f, a, b: lib.func.hessian(f, b)(a),
}


def outcome(call: str, lib: Any, *given: str) -> str:
    f, a, b = given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            CALLS[call](lib, FUNCTIONS[f](lib), VALUES[a](lib), VALUES[b](lib))
        except Exception as error:
            return type(error).__name__
    return "no exception"


@pytest.mark.parametrize("call", CALLS)
def test_refused_alike(call: str) -> None:
    """Any function at a point of any kind; and the usual functions with a vector or option of any kind."""
    cases = {*itertools.product(FUNCTIONS, VALUES, ["vector"])}
    cases |= {*itertools.product(["squares", "a number", "two outputs"], ["vector", "0-d", "tuple", "integers"], VALUES)}
    differing = []
    for case in sorted(cases):
        ours, theirs = outcome(call, minitorch, *case), outcome(call, torch, *case)
        if ours != theirs:
            differing.append((*case, ours, theirs))
    assert not differing, "\n".join(map(str, differing))


@pytest.mark.parametrize("zeros", [2, 3])
def test_products_with_several_zeros_in_one_place_are_differentiated_once(zeros: int) -> None:
    for lib in (minitorch, torch):
        src = lib.zeros(zeros, requires_grad=True)
        out = lib.zeros(1).scatter_reduce(0, lib.zeros(zeros, dtype=lib.int64), src, "prod", include_self=False)
        (g,) = lib.autograd.grad(out.sum(), src, create_graph=True)
        assert g.tolist() == [0.0] * zeros
        with pytest.raises(RuntimeError, match="Double backward is unsupported for src"):
            g.sum().backward()
