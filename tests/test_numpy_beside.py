"""Tensors beside NumPy's arrays and numbers, and beside what is no number at all: every operator gives, or raises, what torch's does."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from both import alike, outcome

OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and_",
    "or_",
    "xor",
    "lshift",
    "rshift",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "iadd",
    "isub",
    "imul",
    "itruediv",
    "ifloordiv",
    "imod",
    "ipow",
    "iand",
    "ior",
    "ixor",
]
OTHERS: dict[str, Any] = {
    **{d: np.array([1, 5, 3], d) for d in ("float64", "float32", "float16", "int64", "int32", "uint8", "bool")},
    **{f"{d} number": np.dtype(d).type(2) for d in ("float64", "float32", "float16", "int64", "uint8", "bool")},
    "0-d": np.array(2.5), "0-d integer": np.array(2), "matrix": np.ones((2, 3)), "of another size": np.ones(2),
    "texts": np.array(["a", "b", "c"]), "objects": np.array([1, None, 3], dtype=object),
    "text": "a", "None": None, "list": [1, 5, 3], "tuple": (1, 5, 3), "class": float, "dict": {}, "Decimal": Decimal(2),
}  # fmt: skip
TENSORS: dict[str, Callable] = {
    "float32": lambda t: t.tensor([1.0, 2.0, 3.0]),
    "float64": lambda t: t.tensor([1.0, 2.0, 3.0], dtype=t.float64),
    "int64": lambda t: t.tensor([1, 2, 3]),
    "uint8": lambda t: t.tensor([1, 2, 3], dtype=t.uint8),
    "bool": lambda t: t.tensor([True, False, True]),
    "of a graph": lambda t: t.tensor([1.0, 2.0, 3.0], requires_grad=True) * 1,
    "0-d": lambda t: t.tensor(2.0),
}


def applied(name: str, tensor: str, other: Any, on_the_left: bool) -> Callable:
    def scenario(t: Any) -> Any:
        x, y = TENSORS[tensor](t), other.copy() if isinstance(other, np.ndarray | list) else other
        made = getattr(operator, name)(*((x, y) if on_the_left else (y, x)))
        return (type(made).__name__, made.tolist(), str(made.dtype)) if isinstance(made, np.ndarray | np.generic) else made

    return scenario


def differences(scenario: Callable) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (ours, _), (theirs, _) = outcome(scenario, minitorch), outcome(scenario, torch)
    return "" if alike(ours, theirs) or str(ours) == str(theirs) else f"ours {ours}, torch's {theirs}"


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name: str) -> None:
    bits = name in ("iand", "ior", "ixor")  # where a float is refused for two reasons, which is told is no promise
    wrong = [
        f"{tensor}, {other}, tensor on the left: {left}: {found}"
        for tensor in TENSORS
        for other in OTHERS
        for left in (True, False)
        if not (bits and left and other.removesuffix(" number") in ("float64", "float32", "float16", "bool", "0-d"))
        if (found := differences(applied(name, tensor, OTHERS[other], left)))
    ]
    assert not wrong, "\n".join(wrong)


EXPRESSIONS = """x.eq(a); x == a; a == x; x != a; a != x; torch.eq(x, a); x.add(a); x != None; x == None; x == [1, 2, 3]; x == "a"
x in [x]; 1.0 in x; 7 in x; x[:1] in x; a in x; None in x; "a" in x; [1.0] in x; np.float64(1) in x; np.bool_(True) in x
x == a[::-1]; x == np.array("a"); np.add(a, x); np.exp(x); np.sum(x); np.mean(x); np.maximum(a, x); np.array(x); np.asarray(x, dtype="i4")
np.array([x, x]); np.array([torch.tensor(1.0), torch.tensor(2.0)]); np.stack([x, x]); np.concatenate([x, x]); np.allclose(x, a)
np.isnan(x); np.where(x > 1, x, 0); np.dot(a, x); a @ x; x @ a; np.linalg.norm(x); np.sort(x); np.argmax(x); np.shape(x); np.ndim(x)
a[torch.tensor([0, 1])]; a[torch.tensor(1)]; a[x > 1]; [1, 2, 3][torch.tensor(1)]; np.float64(2) * x; np.zeros(3) + x; a.sum() * x
float(x[0]); int(x[0]); bool(x[0]); abs(x); round(x[0]); math.floor(x[0]); math.sqrt(x[0]); range(torch.tensor(3)); x.__array_priority__
torch.ones(1, requires_grad=True).__array__(); torch.ones(1, requires_grad=True).numpy(); torch.no_grad()(torch.Tensor.numpy)(w)
np.asarray(torch.ones(1, requires_grad=True)); np.asarray(x, copy=True) is x; np.shares_memory(np.asarray(x), x.numpy()); a / x; 2 / x
np.float32(2) / x; (1 / w).grad_fn.name(); 1 / torch.tensor([3, 0]); 1 / torch.tensor([True]); sum([x, x]); max(x); sorted(x); list(x)
np.zeros(torch.tensor(3)); np.full(2, torch.tensor(2.0)); np.clip(x, 0, 2); np.cumsum(x); np.logical_and(x > 0, x > 1); np.round(x)"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", [line.strip() for line in EXPRESSIONS.replace("\n", ";").split(";")])
def test_expression(text: str) -> None:
    def scenario(t: Any) -> Any:
        known = {"torch": t, "np": np, "math": math, "a": np.array([1.0, 5.0, 3.0])}
        made = eval(text, known | {"x": t.tensor([1.0, 2.0, 3.0]), "w": t.ones(2, requires_grad=True)})
        return (type(made).__name__, str(made.tolist()), str(made.dtype)) if isinstance(made, np.ndarray) else made

    assert differences(scenario) == ""
