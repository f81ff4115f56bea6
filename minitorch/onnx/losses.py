"""Losses in ONNX. Read next: `table.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Builder, Ref
from .errors import Unsupported


def reduced(b: Builder, loss: Any, reduction: str) -> Any:
    if reduction == "none":
        return loss
    return b.op("ReduceMean" if reduction == "mean" else "ReduceSum", loss, keepdims=0)


def elementwise(formula: Callable, weighted: bool = False) -> Callable:
    """A loss of each element of input and target, times its weight, then their mean or sum."""

    def emit(
        b: Builder,
        input: Ref,
        target: Ref,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        weight: Any = None,
        **options: Any,
    ) -> Any:
        _refuse_old(size_average, reduce, None if weighted else weight)
        loss = formula(b, b.cast(input, b.out.dtype), b.cast(target, b.out.dtype), **options)
        return reduced(b, loss if weight is None else b.op("Mul", loss, weight), reduction)

    return emit


def _refuse_old(size_average: Any, reduce: Any, weight: Any = None) -> None:
    if size_average is not None or reduce is not None or weight is not None:
        raise Unsupported("with size_average, reduce or weight")


def squared(b: Builder, x: Any, y: Any) -> Any:
    d = b.op("Sub", x, y)
    return b.op("Mul", d, d)


def absolute(b: Builder, x: Any, y: Any) -> Any:
    return b.op("Abs", b.op("Sub", x, y))


def huber(b: Builder, input: Ref, target: Ref, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """d²/2 within δ, δ (|d| − δ/2) beyond"""
    _refuse_old(None, None, weight)
    return reduced(b, _bent(b, input, target, delta, 1.0), reduction)


def smooth_l1(
    b: Builder,
    input: Ref,
    target: Ref,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    _refuse_old(size_average, reduce)
    loss = absolute(b, input, target) if beta == 0 else _bent(b, input, target, beta, beta)
    return reduced(b, loss, reduction)


def _bent(b: Builder, x: Any, y: Any, delta: float, divisor: float) -> Any:
    d = absolute(b, x, y)
    inner = b.op("Mul", b.op("Mul", d, d), b.number(0.5 / divisor))
    outer = b.op("Mul", b.op("Sub", d, b.number(0.5 * delta)), b.number(delta / divisor))
    return b.op("Where", b.op("Less", d, b.number(delta)), inner, outer)


def binary_cross_entropy(b: Builder, x: Any, y: Any) -> Any:
    """−y log x − (1 − y) log(1 − x), each logarithm at least −100"""
    low = b.number(-100)
    one = b.number(1)
    first = b.op("Mul", y, b.op("Max", b.op("Log", x), low))
    second = b.op("Mul", b.op("Sub", one, y), b.op("Max", b.op("Log", b.op("Sub", one, x)), low))
    return b.op("Neg", b.op("Add", first, second))


def with_logits(b: Builder, x: Any, y: Any, pos_weight: Any = None) -> Any:
    """(1 − y) x + (1 + (p − 1) y) log(1 + e^(−x)), p = 1 unless told"""
    one = b.number(1)
    far = b.op("Softplus", b.op("Neg", x))
    if pos_weight is not None:
        far = b.op("Mul", far, b.op("Add", one, b.op("Mul", b.op("Sub", pos_weight, one), y)))
    return b.op("Add", b.op("Mul", b.op("Sub", one, y), x), far)


def soft_margin(b: Builder, x: Any, y: Any) -> Any:
    """log(1 + e^(−y x))"""
    return b.op("Softplus", b.op("Neg", b.op("Mul", y, x)))


def classes(kind: str) -> Callable:
    """cross_entropy, nll_loss: of class numbers."""

    def emit(
        b: Builder,
        input: Ref,
        target: Ref,
        weight: Any = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> Any:
        _refuse_old(size_average, reduce)
        if label_smoothing or target.dtype.kind == "f" or input.ndim < 2:
            raise Unsupported("with label_smoothing, probabilities as the target, or one sample")
        return b.op(kind, input, b.cast(target, np.int64), weight, ignore_index=ignore_index, reduction=reduction)

    return emit
