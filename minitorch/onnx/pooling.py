"""Pooling in ONNX. Read next: `table.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Builder, Ref, as_list
from .errors import Unsupported


def batched(b: Builder, input: Ref, n: int) -> Any:
    """A sample alone as a batch of one."""
    return input if input.ndim == n + 2 else b.op("Unsqueeze", input, np.array([0], np.int64))


def as_before(b: Builder, found: Any, input: Ref, n: int) -> Any:
    return found if input.ndim == n + 2 else b.op("Squeeze", found, np.array([0], np.int64))


def _check_ceil(
    b: Builder, input: Ref, kernel: list[int], stride: list[int], padding: list[int], dilation: list[int]
) -> None:
    """With ceil_mode torch leaves out a window that begins in the padding behind; runtimes do not agree on that."""
    for d, (k, s, p, step) in enumerate(zip(kernel, stride, padding, dilation)):
        size, out = input.shape[d - len(kernel)], b.out.shape[d - len(kernel)]
        if size is None or out is None:
            same = not p and s <= k
        else:
            same = out == -(-(size + 2 * p - step * (k - 1) - 1) // s) + 1
        if not same:
            raise Unsupported("with ceil_mode where the last window would begin in the padding")


def max_pool(n: int) -> Callable:
    def emit(
        b: Builder,
        input: Ref,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        if return_indices:
            raise Unsupported("with return_indices=True: ONNX counts them through the whole batch")
        kernel = as_list(kernel_size, n)
        if ceil_mode:
            _check_ceil(
                b, input, kernel, as_list(stride, n) if stride else kernel, as_list(padding, n), as_list(dilation, n)
            )
        found = b.op(
            "MaxPool",
            batched(b, input, n),
            kernel_shape=kernel,
            strides=as_list(stride, n) if stride else kernel,
            pads=as_list(padding, n) * 2,
            dilations=as_list(dilation, n),
            ceil_mode=int(ceil_mode),
        )
        return as_before(b, found, input, n)

    return emit


def avg_pool(n: int) -> Callable:
    def emit(
        b: Builder,
        input: Ref,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        kernel = as_list(kernel_size, n)
        include = count_include_pad or divisor_override is not None
        if ceil_mode and include and any(as_list(padding, n)):
            raise Unsupported("with ceil_mode and counted padding: ONNX divides windows beyond the padding otherwise")
        if ceil_mode:
            _check_ceil(b, input, kernel, as_list(stride, n) if stride else kernel, as_list(padding, n), [1] * n)
        found = b.op(
            "AveragePool",
            batched(b, input, n),
            kernel_shape=kernel,
            strides=as_list(stride, n) if stride else kernel,
            pads=as_list(padding, n) * 2,
            ceil_mode=int(ceil_mode),
            count_include_pad=int(include),
        )
        if divisor_override is not None:
            if ceil_mode:
                raise Unsupported("with ceil_mode and divisor_override")
            found = b.op("Mul", found, b.number(np.prod(kernel) / divisor_override))
        return as_before(b, found, input, n)

    return emit


def lp_pool(n: int) -> Callable:
    """sign(m) relu(|m|)^(1/p) with m the sum of xᵖ over a window, as torch has it"""

    def emit(b: Builder, input: Ref, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
        if np.isinf(norm_type) or ceil_mode:
            raise Unsupported("with ceil_mode" if ceil_mode else "with norm_type inf")
        powers = b.op("Pow", input, b.number(norm_type))
        mean = avg_pool(n)(b, Ref(powers, input.dtype, input.shape), kernel_size, stride)
        total = b.op("Mul", mean, b.number(np.prod(as_list(kernel_size, n))))
        return b.op("Pow", b.op("Mul", b.op("Sign", total), b.op("Abs", total)), b.number(1 / norm_type))

    return emit


def adaptive_pool(n: int, kind: str) -> Callable:
    """A global pool; windows of one size where they divide; else by each dimension: window i is from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉."""

    def emit(b: Builder, input: Ref, output_size: Any, return_indices: bool = False) -> Any:
        if return_indices:
            raise Unsupported("with return_indices=True")
        if input.ndim not in (n + 1, n + 2):
            raise Unsupported(f"of an input of {input.ndim} dimensions")
        asked = list(output_size) if isinstance(output_size, (tuple, list)) else [output_size] * n
        wanted = [b.out.shape[-n + d] if m is None else m for d, m in enumerate(asked * n if len(asked) == 1 else asked)]
        sizes = input.shape[-n:]
        x: Any = batched(b, input, n)
        if all(m == 1 for m in wanted):
            return as_before(b, b.op(f"Global{kind}Pool", x), input, n)
        for d, (size, m) in enumerate(zip(sizes, wanted)):
            if asked[d if len(asked) > 1 else 0] is not None and m != size:
                if size is None:
                    raise Unsupported("to several windows of a size that depends on the input")
                x = _windows(b, x, 2 + d, size, int(m or 0), kind)
        return as_before(b, x, input, n)

    return emit


def _windows(b: Builder, x: Any, dim: int, size: int, m: int, kind: str) -> Any:
    parts, axis = [], np.array([dim], np.int64)
    for i in range(m):
        window = b.op("Slice", x, np.array([i * size // m]), np.array([-(-(i + 1) * size // m)]), axis)
        parts.append(b.op("ReduceMean" if kind == "Average" else "ReduceMax", window, axis, keepdims=1))
    return b.op("Concat", *parts, axis=dim)
