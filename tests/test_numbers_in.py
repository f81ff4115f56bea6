"""Numbers on their way into tensors: every way in × dtype × number gives torch's value, or an exception of its type."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minitorch

DTYPES = ["uint8", "int8", "int16", "int32", "int64", "bool", "float16", "bfloat16", "float32", "float64"]
# Ordinary, at the limits of a dtype, beyond them, beyond 64 bits; NumPy's numbers.
NUMBERS = [
    0, 1, 2, 2.7, -1, -1.5, -0.5, True, False, 127, 128, -128, -129, 255, 255.5, 256, 300, -300, 65504, 65505, 70000.0, 2**31,
    2**40, 2**62, 2**63 - 1, -(2**63), 2.0**63, 1e20, 1e39, -1e39, 1e308, math.inf, -math.inf, math.nan,
    np.float64(2.5), np.float32(2.5), np.float16(-2.5), np.int8(-3), np.int64(300), np.uint8(200), np.bool_(True),
]  # fmt: skip
# A look at every integer beside floats would cost each `x * 2`: there these are taken as what they are.
LONG_NUMBERS = [2**63, -(2**63) - 1, 2**64, -(2**64), 10**400]


def assigned(x: Any, key: Any, value: Any) -> Any:
    x[key] = value
    return x


# Every way of a number v into dtype d.
FILLS: dict[str, Callable] = {
    "tensor": lambda t, d, v: t.tensor(v, dtype=d),
    "tensor of a list": lambda t, d, v: t.tensor([v], dtype=d),
    "tensor of a mixed list": lambda t, d, v: t.tensor([[v, 1], [0.5, True]], dtype=d),
    "tensor of tensors": lambda t, d, v: t.tensor([t.tensor(v), t.tensor([v])], dtype=d),
    "as_tensor": lambda t, d, v: t.as_tensor([v], dtype=d),
    "new_tensor": lambda t, d, v: t.ones(2, dtype=d).new_tensor([v]),
    "full": lambda t, d, v: t.full((2,), v, dtype=d),
    "full without dtype": lambda t, d, v: t.full((2,), v),
    "full of a tensor": lambda t, d, v: t.full((2,), t.tensor(v), dtype=d),
    "full_like": lambda t, d, v: t.full_like(t.ones(2, dtype=d), v),
    "new_full": lambda t, d, v: t.ones(2, dtype=d).new_full((2,), v),
    "fill_": lambda t, d, v: t.ones(2, dtype=d).fill_(v),
    "constant_": lambda t, d, v: t.nn.init.constant_(t.ones(2, dtype=d), v),
    "x[0]": lambda t, d, v: assigned(t.ones(2, dtype=d), 0, v),
    "x[:1]": lambda t, d, v: assigned(t.ones(2, dtype=d), slice(0, 1), v),
    "x[mask]": lambda t, d, v: assigned(t.ones(2, dtype=d), t.tensor([True, False]), v),
    "x[index]": lambda t, d, v: assigned(t.ones(2, dtype=d), t.tensor([1]), v),
    "x[...]": lambda t, d, v: assigned(t.ones((), dtype=d), ..., v),
    "masked_fill": lambda t, d, v: t.ones(2, dtype=d).masked_fill(t.tensor([True, False]), v),
    "masked_fill_": lambda t, d, v: t.ones(2, dtype=d).masked_fill_(t.tensor([True, False]), v),
    "index_fill": lambda t, d, v: t.ones(2, dtype=d).index_fill(0, t.tensor([0]), v),
    "scatter": lambda t, d, v: t.ones(2, dtype=d).scatter(0, t.tensor([0]), v),
    "pad": lambda t, d, v: t.nn.functional.pad(t.ones(2, dtype=d), (1, 0), value=v),
    "arange": lambda t, d, v: t.arange(v - 3, v, dtype=d),
    "linspace": lambda t, d, v: t.linspace(0, v, 3, dtype=d),
}
BOUNDS: dict[str, Callable] = {
    "clamp(max)": lambda t, d, v: t.tensor([1, 0], dtype=d).clamp(max=v),
    "clamp(min)": lambda t, d, v: t.tensor([1, 0], dtype=d).clamp(min=v),
    "clamp": lambda t, d, v: t.tensor([1, 0], dtype=d).clamp(0, v),
    "clamp_": lambda t, d, v: t.tensor([1, 0], dtype=d).clamp_(max=v),
    "where": lambda t, d, v: t.where(t.tensor([True, False]), t.ones(2, dtype=d), v),
    "where, number first": lambda t, d, v: t.where(t.tensor([True, False]), v, t.ones(2, dtype=d)),
    "threshold": lambda t, d, v: t.nn.functional.threshold(t.ones(2, dtype=d), v, 7),
    "threshold(value)": lambda t, d, v: t.nn.functional.threshold(t.ones(2, dtype=d), 5, v),
    "nan_to_num": lambda t, d, v: t.tensor([1, 0], dtype=d).nan_to_num(v, v, v),
}
FACTORS: dict[str, Callable] = {
    "add(alpha)": lambda t, d, v: t.add(t.ones(2, dtype=d), t.ones(2, dtype=d), alpha=v),
    "sub(alpha)": lambda t, d, v: t.sub(t.ones(2, dtype=d), t.ones(2, dtype=d), alpha=v),
    "add(number, alpha)": lambda t, d, v: t.add(t.ones(2, dtype=d), 1, alpha=v),
    "addcmul": lambda t, d, v: t.addcmul(*[t.ones(2, dtype=d)] * 3, value=v),
    "addcdiv": lambda t, d, v: t.addcdiv(*[t.ones(2, dtype=d)] * 3, value=v),
    "addmm(beta)": lambda t, d, v: t.addmm(*[t.ones(2, 2, dtype=d)] * 3, beta=v),
    "baddbmm(alpha)": lambda t, d, v: t.baddbmm(*[t.ones(1, 2, 2, dtype=d)] * 3, alpha=v),
    "index_add(alpha)": lambda t, d, v: t.ones(2, dtype=d).index_add(0, t.tensor([0]), t.ones(1, dtype=d), alpha=v),
    "lerp": lambda t, d, v: t.ones(2, dtype=d).lerp(t.ones(2, dtype=d) + 1, v),
    "leaky_relu": lambda t, d, v: t.nn.functional.leaky_relu(t.ones(2, dtype=d), v),
    "elu": lambda t, d, v: t.nn.functional.elu(t.ones(2, dtype=d), v),
}
OPERANDS: dict[str, Callable] = {
    "x + v": lambda t, d, v: t.ones(2, dtype=d) + v,
    "v + x": lambda t, d, v: v + t.ones(2, dtype=d),
    "x - v": lambda t, d, v: t.ones(2, dtype=d) - v,
    "v - x": lambda t, d, v: v - t.ones(2, dtype=d),
    "x * v": lambda t, d, v: t.tensor([1, 0], dtype=d) * v,
    "x / v": lambda t, d, v: t.ones(2, dtype=d) / v,
    "x // v": lambda t, d, v: t.ones(2, dtype=d) // v,
    "x % v": lambda t, d, v: t.ones(2, dtype=d) % v,
    "fmod": lambda t, d, v: t.ones(2, dtype=d).fmod(v),
    "div(trunc)": lambda t, d, v: t.div(t.ones(2, dtype=d), v, rounding_mode="trunc"),
    "x ** v": lambda t, d, v: t.ones(2, dtype=d) ** v,
    "v ** x": lambda t, d, v: v ** t.ones(2, dtype=d),
    "x == v": lambda t, d, v: t.ones(2, dtype=d) == v,
    "x < v": lambda t, d, v: t.ones(2, dtype=d) < v,
    "x >= v": lambda t, d, v: t.ones(2, dtype=d) >= v,
    "x & v": lambda t, d, v: t.ones(2, dtype=d) & v,
    "x | v": lambda t, d, v: t.ones(2, dtype=d) | v,
    "x ^ v": lambda t, d, v: t.ones(2, dtype=d) ^ v,
    "x += v": lambda t, d, v: t.ones(2, dtype=d).add_(v),
    "x *= v": lambda t, d, v: t.ones(2, dtype=d).mul_(v),
    "0-d x + v": lambda t, d, v: t.ones((), dtype=d) + v,
    "copysign": lambda t, d, v: t.copysign(t.ones(2, dtype=d), v),
}
WAYS = FILLS | BOUNDS | FACTORS | OPERANDS


def outcome(lib: Any, way: Callable, dtype: str, number: Any) -> Any:
    """The dtype and values, as text that tells nan from nan; or the type of what it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = way(lib, getattr(lib, dtype), number)
        except Exception as error:
            return type(error)
    return str(made.dtype).split(".")[-1], _text(made.tolist())


def _text(values: Any) -> str:
    """Values, of which 0 has no sign."""
    return str(
        [_text(v) for v in values] if isinstance(values, list) else values + 0.0 if isinstance(values, float) else values
    )


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_number_comes_in_as_in_torch(name: str, dtype: str) -> None:
    long = [] if name == "nan_to_num" or (name in OPERANDS and "float" in dtype) else LONG_NUMBERS
    long = [
        number for number in long if dtype != "bool" or number != 2**63
    ]  # it is a uint64 in torch, which does not promote
    wrong = []
    for number in NUMBERS + long:
        ours, theirs = (outcome(lib, WAYS[name], dtype, number) for lib in (minitorch, torch))
        either = (
            any(number is x for x in long) and isinstance(ours, type) and isinstance(theirs, type)
        )  # which mistake is told is no promise
        if ours != theirs and not either:
            wrong.append(f"{number!r:.40}: ours {ours}, torch's {theirs}")
    assert not wrong, "\n".join(wrong)
