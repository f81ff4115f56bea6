"""Elementwise calls in ONNX: one node where there is one, else the formula. Read next: `table.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

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
