"""Elementwise calls in ONNX: one node where there is one, else the formula. Read next: `table.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Builder, Ref, common_dtype
from .errors import Unsupported


def node(kind: str, **attributes: Any) -> Callable:
    """The ONNX node of that name, in the dtype of the result."""
    return lambda b, *inputs: b.op(kind, *(b.operand(x, b.out.dtype) for x in inputs), **attributes)


def same(b: Builder, input: Ref, *args: Any, **kwargs: Any) -> Any:
    """The input itself: clone, detach, contiguous, dropout in evaluation."""
    return input


def formula(function: Callable) -> Callable:
    """A formula of the input, written with nodes; options such as `inplace` do not matter."""
    return lambda b, input, *args, **options: function(b, input)


def arithmetic(kind: str) -> Callable:
    """a ∘ alpha · b, in the dtype of the result."""

    def emit(b: Builder, input: Any, other: Any, alpha: Any = 1) -> Any:
        x, y = (b.operand(v, b.out.dtype) for v in (input, other))
        if alpha != 1:
            y = b.op("Mul", y, b.number(alpha))
        if b.out.dtype == bool:
            return b.op({"Add": "Or", "Mul": "And"}[kind], x, y)
        return b.op(kind, x, y)

    return emit


def divide(b: Builder, input: Any, other: Any, rounding_mode: str | None = None) -> Any:
    """a / b, rounded down or towards 0 if asked."""
    x, y = (b.operand(v, b.out.dtype) for v in (input, other))
    if rounding_mode == "floor":
        return floor_divide(b, input, other)
    found = b.op("Div", x, y)
    if rounding_mode == "trunc" and b.out.dtype.kind == "f":
        return b.op("Mul", b.op("Sign", found), b.op("Floor", b.op("Abs", found)))
    return found


def floor_divide(b: Builder, input: Any, other: Any) -> Any:
    x, y = (b.operand(v, b.out.dtype) for v in (input, other))
    if b.out.dtype.kind == "f":
        return b.op("Floor", b.op("Div", x, y))
    return b.op("Div", b.op("Sub", x, b.op("Mod", x, y)), y)


def remainder(b: Builder, input: Any, other: Any) -> Any:
    """a − ⌊a / b⌋ b"""
    x, y = (b.operand(v, b.out.dtype) for v in (input, other))
    if b.out.dtype.kind != "f":
        return b.op("Mod", x, y)
    return b.op("Sub", x, b.op("Mul", b.op("Floor", b.op("Div", x, y)), y))


def comparison(kind: str, negated: bool = False) -> Callable:
    """a ∘ b, where both have the dtype they promote to."""

    def emit(b: Builder, input: Any, other: Any) -> Any:
        dtype = common_dtype(input, other)
        found = b.op(kind, *(b.operand(x, dtype) for x in (input, other)))
        return b.op("Not", found) if negated else found

    return emit


def logical(kind: str) -> Callable:
    return lambda b, *inputs: b.op(kind, *(b.operand(x, bool) for x in inputs))


def bitwise(kind: str) -> Callable:
    """And, Or, Xor, Not of bools; of integers bit by bit."""

    def emit(b: Builder, *inputs: Any) -> Any:
        name = kind if b.out.dtype == bool else f"Bitwise{kind}"
        return b.op(name, *(b.operand(x, b.out.dtype) for x in inputs))

    return emit


def where(b: Builder, condition: Ref, input: Any, other: Any) -> Any:
    return b.op("Where", b.cast(condition, bool), b.operand(input, b.out.dtype), b.operand(other, b.out.dtype))


def masked_fill(b: Builder, input: Ref, mask: Ref, value: Any) -> Any:
    return b.op("Where", mask, b.operand(value, b.out.dtype), input)


def clamp(b: Builder, input: Ref, min: Any = None, max: Any = None) -> Any:
    """min(max(x, low), high)"""
    x = b.cast(input, b.out.dtype)
    for kind, bound in (("Max", min), ("Min", max)):
        x = x if bound is None else b.op(kind, x, b.operand(bound, b.out.dtype))
    return x


def hardtanh(b: Builder, input: Ref, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    return b.op("Clip", input, b.number(min_val), b.number(max_val))


def to(b: Builder, input: Ref, *args: Any, **kwargs: Any) -> Any:
    """Whatever conversion: the result's dtype tells which."""
    return b.cast(input, b.out.dtype)


def gelu(b: Builder, input: Ref, approximate: str = "none") -> Any:
    """x Φ(x)"""
    if b.opset >= 20:
        return b.op("Gelu", input, approximate=approximate)
    half = b.op("Mul", input, b.number(0.5))
    if approximate == "none":
        inner = b.op("Erf", b.op("Mul", input, b.number(1 / math.sqrt(2))))
    else:
        cubed = b.op("Mul", b.op("Mul", b.op("Mul", input, input), input), b.number(0.044715))
        inner = b.op("Tanh", b.op("Mul", b.op("Add", input, cubed), b.number(math.sqrt(2 / math.pi))))
    return b.op("Mul", half, b.op("Add", inner, b.number(1)))


def prelu(b: Builder, input: Ref, weight: Ref) -> Any:
    """One slope for all, or one for each channel."""
    spread = b.reshape(weight, [-1] + [1] * (input.ndim - 2)) if weight.shape != (1,) and input.ndim > 1 else weight
    return b.op("PRelu", input, spread)


def softplus(b: Builder, input: Ref, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + e^(βx)) / β, and x where βx > threshold"""
    scaled = input if beta == 1 else b.op("Mul", input, b.number(beta))
    soft = b.op("Softplus", scaled)
    soft = soft if beta == 1 else b.op("Div", soft, b.number(beta))
    return b.op("Where", b.op("Greater", scaled, b.number(threshold)), input, soft)


def shrink(bias: bool) -> Callable:
    def emit(b: Builder, input: Ref, lambd: float = 0.5) -> Any:
        return b.op("Shrink", input, lambd=float(lambd), bias=float(lambd) if bias else 0.0)

    return emit


def threshold(b: Builder, input: Ref, threshold: float, value: float, inplace: bool = False) -> Any:
    return b.op("Where", b.op("Greater", input, b.number(threshold)), input, b.number(value))


def rrelu(
    b: Builder, input: Ref, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Any:
    if training:
        raise Unsupported("it draws random numbers in training")
    return b.op("LeakyRelu", input, alpha=(lower + upper) / 2)


def dropout(b: Builder, input: Ref, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    if training and p > 0:
        raise Unsupported("it draws random numbers in training; export the model in eval()")
    return input


def softmax(kind: str, negated: bool = False) -> Callable:
    def emit(b: Builder, input: Ref, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
        axis = dim if dim is not None else 0 if input.ndim in (0, 1, 3) else 1
        x = b.cast(input, b.out.dtype)
        return b.op(kind, b.op("Neg", x) if negated else x, axis=axis)

    return emit


def glu(b: Builder, input: Ref, dim: int = -1) -> Any:
    first, second = b.op("Split", input, outputs=2, axis=dim, num_outputs=2)
    return b.op("Mul", first, b.op("Sigmoid", second))


def square(b: Builder, x: Any) -> Any:
    return b.op("Mul", x, x)


def mish(b: Builder, x: Ref) -> Any:
    return b.op("Mul", x, b.op("Tanh", b.op("Softplus", x)))


def log_of_base(base: float) -> Callable:
    return formula(lambda b, x: b.op("Mul", b.op("Log", b.cast(x, b.out.dtype)), b.number(1 / math.log(base))))


def rounded(b: Builder, input: Ref, *, decimals: int = 0) -> Any:
    if decimals:
        raise Unsupported("with decimals")
    return b.op("Round", input)


def isinf(b: Builder, input: Ref) -> Any:
    return b.op("IsInf", input)


def logsigmoid(b: Builder, x: Ref) -> Any:
    """−log(1 + e^(−x))"""
    return b.op("Neg", b.op("Softplus", b.op("Neg", x)))


def truncated(b: Builder, x: Ref) -> Any:
    """Towards 0."""
    return b.op("Mul", b.op("Sign", x), b.op("Floor", b.op("Abs", x))) if x.dtype.kind == "f" else x


def logit(b: Builder, input: Ref, eps: float | None = None) -> Any:
    x = input if eps is None else b.op("Clip", input, b.number(eps), b.number(1 - eps))
    return b.op("Log", b.op("Div", x, b.op("Sub", b.number(1), x)))


def times(factor: float) -> Callable:
    return lambda b, input: b.op("Mul", b.cast(input, b.out.dtype), b.number(factor))


def nan_to_num(
    b: Builder, input: Ref, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """nan, ∞ and −∞ as numbers: 0, the largest and the smallest unless told."""
    if input.dtype.kind != "f":
        return input
    limits = np.finfo(input.dtype)
    x: Any = b.op("Where", b.op("IsNaN", input), b.number(nan or 0), input)
    ends = (("IsInf", {"detect_negative": 0}, posinf, limits.max), ("IsInf", {"detect_positive": 0}, neginf, limits.min))
    for kind, options, told, otherwise in ends:
        x = b.op("Where", b.op(kind, input, **options), b.number(otherwise if told is None else told), x)
    return x


def isfinite(b: Builder, input: Ref) -> Any:
    if input.dtype.kind != "f":
        return b.op("Expand", np.array(True), b.op("Shape", input))
    return b.op("Not", b.op("Or", b.op("IsNaN", input), b.op("IsInf", input)))


def fmod(b: Builder, input: Any, other: Any) -> Any:
    """The remainder with the sign of a."""
    return b.op("Mod", b.operand(input, b.out.dtype), b.operand(other, b.out.dtype), fmod=1)


def added(kind: str) -> Callable:
    """input + value · a b, or a / b"""

    def emit(b: Builder, input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
        x, y, z = (b.operand(v, b.out.dtype) for v in (input, tensor1, tensor2))
        found = b.op(kind, y, z)
        return b.op("Add", x, found if value == 1 else b.op("Mul", found, b.number(value)))

    return emit


def lerp(b: Builder, input: Ref, end: Ref, weight: Any) -> Any:
    """a + w (b − a)"""
    return b.op("Add", input, b.op("Mul", b.operand(weight, b.out.dtype), b.op("Sub", end, input)))


def hypot(b: Builder, input: Ref, other: Ref) -> Any:
    return b.op("Sqrt", b.op("Add", b.op("Mul", input, input), b.op("Mul", other, other)))


def logaddexp(b: Builder, input: Ref, other: Ref) -> Any:
    """max + log(1 + e^(−|a − b|))"""
    away = b.op("Neg", b.op("Abs", b.op("Sub", input, other)))
    return b.op("Add", b.op("Max", input, other), b.op("Log", b.op("Add", b.op("Exp", away), b.number(1))))


def xlogy(b: Builder, input: Any, other: Any) -> Any:
    """a log b, 0 where a is 0, nan where b is"""
    x, y = (b.operand(v, b.out.dtype) for v in (input, other))
    found = b.op("Where", b.op("Equal", x, b.number(0)), b.number(0), b.op("Mul", x, b.op("Log", y)))
    return b.op("Where", b.op("IsNaN", y), b.number(float("nan")), found)
