"""Sums, means, extremes, norms, orders and products in ONNX. Read next: `table.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Builder, Length, Ref
from .errors import Unsupported


def _axes(input: Ref, dim: Any) -> np.ndarray | None:
    """The dimensions as ONNX takes them; None for all."""
    if dim is None or dim == () or dim == [] or input.ndim == 0:
        return None
    return np.array([d % input.ndim for d in (dim if isinstance(dim, (tuple, list)) else [dim])], np.int64)


def reduce(kind: str) -> Callable:
    """ReduceSum, ReduceMean, …: over some dimensions or all."""

    def emit(b: Builder, input: Ref, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        if dim == ():
            dim = None
        keeps = keepdim and b.out.ndim == input.ndim  # (prod of all keeps no dimensions)
        return b.op(kind, b.cast(input, b.out.dtype), _axes(input, dim), keepdims=int(keeps))

    return emit


def truth(kind: str) -> Callable:
    """any, all: the largest or smallest of bools."""

    def emit(b: Builder, input: Ref, dim: Any = None, keepdim: bool = False) -> Any:
        as_bytes = b.cast(b.op("Cast", input, to=9), np.int32)
        return b.cast(b.op(kind, as_bytes, _axes(input, dim), keepdims=int(keepdim)), bool)

    return emit


def extreme(kind: str) -> Callable:
    """max, min: of all, of two tensors, or along a dimension with its place."""

    def emit(b: Builder, input: Ref, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        two = other if other is not None else dim if isinstance(dim, Ref) else None
        if two is not None:
            return b.op(kind, b.operand(input, b.out.dtype), b.operand(two, b.out.dtype))
        if dim is None:
            return b.op(f"Reduce{kind}", input, keepdims=0)
        values = b.op(f"Reduce{kind}", input, _axes(input, dim), keepdims=int(keepdim))
        return [values, b.op(f"Arg{kind}", input, axis=dim, keepdims=int(keepdim))]

    return emit


def place(kind: str) -> Callable:
    """argmax, argmin"""

    def emit(b: Builder, input: Ref, dim: int | None = None, keepdim: bool = False) -> Any:
        if input.ndim == 0:
            return np.array(0, np.int64)
        if dim is not None:
            return b.op(kind, input, axis=dim, keepdims=int(keepdim))
        found = b.op(kind, b.op("Reshape", input, np.array([-1])), axis=0, keepdims=0)
        return b.op("Reshape", found, np.ones(input.ndim, np.int64)) if keepdim else found

    return emit


def variance(root: bool) -> Callable:
    """Σ (x − mean)² / (n − correction), and its root."""

    def emit(
        b: Builder, input: Ref, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        less = correction if correction is not None else 1 if unbiased is None or unbiased else 0
        axes = _axes(input, dim)
        away = b.op("Sub", input, b.op("ReduceMean", input, axes, keepdims=1))
        total = b.op("ReduceSum", b.op("Mul", away, away), axes, keepdims=int(keepdim))
        found = b.op("Div", total, b.op("Max", b.op("Sub", count(b, input, axes), b.number(less)), b.number(0)))
        return b.op("Sqrt", found) if root else found

    return emit


def variance_and_mean(root: bool) -> Callable:
    def emit(
        b: Builder, input: Ref, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
    ) -> Any:
        first = variance(root)(b, input, dim, unbiased, keepdim, correction=correction)
        return [
            first,
            b.op("ReduceMean", input, _axes(input, None if isinstance(dim, bool) else dim), keepdims=int(keepdim)),
        ]

    return emit


def count_nonzero(b: Builder, input: Ref, dim: Any = None) -> Any:
    return b.op("ReduceSum", b.cast(b.op("Cast", input, to=9), np.int64), _axes(input, dim), keepdims=0)


def count(b: Builder, input: Ref, axes: np.ndarray | None) -> Any:
    """How many numbers a reduction takes together, as a number of the result's dtype."""
    sizes = [b.size(input, int(d)) for d in (range(input.ndim) if axes is None else axes)]
    known = math.prod(n for n in sizes if isinstance(n, int))
    found: Any = b.number(known)
    for n in sizes:
        found = b.op("Mul", found, b.operand(n, b.out.dtype)) if isinstance(n, Length) else found
    return found


def norm(b: Builder, input: Ref, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """(Σ |x|ᵖ)^(1/p)"""
    axes = _axes(input, dim)
    if p in ("fro", 2, None):
        return b.op("ReduceL2", input, axes, keepdims=int(keepdim))
    if p == 1:
        return b.op("ReduceL1", input, axes, keepdims=int(keepdim))
    if p == "nuc" or p == 0:
        raise Unsupported(f"with p={p!r}")
    size = b.op("Abs", input)
    if math.isinf(p):
        return b.op("ReduceMax" if p > 0 else "ReduceMin", size, axes, keepdims=int(keepdim))
    total = b.op("ReduceSum", b.op("Pow", size, b.number(p)), axes, keepdims=int(keepdim))
    return b.op("Pow", total, b.number(1 / p))


def vector_norm(b: Builder, x: Ref, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    return norm(b, x, ord, dim, keepdim)


def normalize(b: Builder, input: Ref, p: Any = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    """x / max(‖x‖, ε)"""
    return b.op("Div", input, b.op("Max", norm(b, input, p, dim, True), b.number(eps)))


def cumsum(b: Builder, input: Ref, dim: int, *, dtype: Any = None) -> Any:
    return b.op("CumSum", b.cast(input, b.out.dtype), np.array(dim, np.int64))


def topk(b: Builder, input: Ref, k: Any, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    return b.op("TopK", input, b.ints([k]), outputs=2, axis=dim, largest=int(largest), sorted=1)


def sort(b: Builder, input: Ref, dim: int = -1, descending: bool = False, *, stable: Any = False) -> Any:
    return b.op("TopK", input, b.ints([b.size(input, dim)]), outputs=2, axis=dim, largest=int(descending), sorted=1)


# ---- products ----


def product(b: Builder, input: Ref, other: Ref) -> Any:
    return b.op("MatMul", b.cast(input, b.out.dtype), b.cast(other, b.out.dtype))


def linear(b: Builder, input: Ref, weight: Ref, bias: Ref | None = None) -> Any:
    """x Wᵀ + b: one Gemm for rows, else a product and a sum."""
    if input.ndim == 2 and weight.ndim == 2:
        return b.op("Gemm", input, weight, bias, transB=1)
    turned = b.op("Transpose", weight, perm=[1, 0]) if weight.ndim == 2 else weight
    found = b.op("MatMul", input, turned)
    return found if bias is None else b.op("Add", found, bias)


def added_product(b: Builder, input: Any, first: Ref, second: Ref, *, beta: float = 1, alpha: float = 1) -> Any:
    """β input + α a b: addmm, baddbmm"""
    found = b.op("MatMul", first, second)
    found = found if alpha == 1 else b.op("Mul", found, b.number(alpha))
    return b.op("Add", found, input if beta == 1 else b.op("Mul", input, b.number(beta)))


def einsum(b: Builder, equation: str, *operands: Any) -> Any:
    parts = operands[0] if len(operands) == 1 and isinstance(operands[0], (tuple, list)) else operands
    return b.op("Einsum", *parts, equation=equation.replace(" ", ""))


def bilinear(b: Builder, input1: Ref, input2: Ref, weight: Ref, bias: Ref | None = None) -> Any:
    found = b.op("Einsum", input1, weight, input2, equation="...i,kij,...j->...k")
    return found if bias is None else b.op("Add", found, bias)


def attention(
    b: Builder,
    query: Ref,
    key: Ref,
    value: Ref,
    attn_mask: Ref | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(Q Kᵀ · scale + mask) V"""
    if dropout_p or enable_gqa:
        raise Unsupported("with dropout; export the model in eval()" if dropout_p else "with enable_gqa")
    if query.shape[-1] is None:
        raise Unsupported("of a number of features that depends on the input")
    perm = [*range(key.ndim - 2), key.ndim - 1, key.ndim - 2]
    root = scale if scale is not None else 1 / math.sqrt(query.shape[-1])
    scores = b.op("Mul", b.op("MatMul", query, b.op("Transpose", key, perm=perm)), b.number(root))
    low = b.number(-np.inf)
    if is_causal:
        L, S = (b.ints([b.size(x, -2)]) for x in (query, key))
        ones = b.op("Expand", np.array(1, np.int64), b.op("Concat", L, S, axis=0))
        scores = b.op("Where", b.cast(b.op("Trilu", ones, upper=0), bool), scores, low)
    if attn_mask is not None:
        boolean = attn_mask.dtype == bool
        scores = b.op("Where", attn_mask, scores, low) if boolean else b.op("Add", scores, attn_mask)
    weights = b.op("Softmax", scores, axis=-1)
    if attn_mask is not None:  # who may look at nobody gets zeros
        nobody = b.op("Equal", b.op("ReduceMax", scores, np.array([-1]), keepdims=1), low)
        weights = b.op("Where", nobody, b.number(0), weights)
    return b.op("MatMul", weights, value)


# ---- distances ----


def cosine_similarity(b: Builder, x1: Ref, x2: Ref, dim: int = 1, eps: float = 1e-8) -> Any:
    axes = np.array([dim], np.int64)
    if x1.shape != x2.shape or None in x1.shape:
        shape = b.op("Shape", b.op("Add", x1, x2))
        x1, x2 = b.op("Expand", x1, shape), b.op("Expand", x2, shape)
    dot = b.op("ReduceSum", b.op("Mul", x1, x2), axes, keepdims=0)
    sizes = [b.op("Max", b.op("ReduceL2", x, axes, keepdims=0), b.number(eps)) for x in (x1, x2)]
    return b.op("Div", dot, b.op("Mul", *sizes))


def pairwise_distance(b: Builder, x1: Ref, x2: Ref, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    between = b.op("Add", b.op("Sub", x1, x2), b.number(eps))
    return norm(b, Ref(between, x1.dtype, max(x1.shape, x2.shape, key=len)), p, -1, keepdim)
