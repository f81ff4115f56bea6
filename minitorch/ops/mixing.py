"""Mixtures of two or three tensors in one op: `lerp`, `addcmul`, `addcdiv`, which update rules are made of.

Read next: `elementwise.py`, for what takes one tensor or two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.numbers import computing
from ..op import Array, Operand, elementwise
from ..op.signature import Number

if TYPE_CHECKING:
    from ..tensor import Tensor


@elementwise(
    promote=None,
    only="floats",
    same_dtype="start end",
    exact="weight",
    numbers_by={"weight": computing},
    out_dtype="same",
    named="start=input",
)
def lerp(xp: Any, start: Array, end: Array, weight: Operand) -> Array:
    """start + weight · (end − start), computed from the nearer end."""
    if getattr(weight, "ndim", 0) and weight.dtype != start.dtype:
        raise RuntimeError(
            f"expected dtype {start.dtype} for `weight` but got dtype {weight.dtype}; convert it with .to(dtype)"
        )
    weight = weight.astype(start.dtype) if hasattr(weight, "dtype") and weight.dtype.kind in "iub" else weight
    difference = end - start
    return xp.where(xp.abs(weight) < 0.5, start + weight * difference, end - difference * (1 - weight)).astype(start.dtype)


@lerp.grad("start")
def lerp_grad_start(g: Tensor, weight: Any) -> Tensor:
    """∂L/∂start = g · (1 − weight)"""
    return g * (1 - weight)


@lerp.grad("end")
def lerp_grad_end(g: Tensor, weight: Any) -> Tensor:
    """∂L/∂end = g · weight"""
    return g * weight


@lerp.grad("weight")
def lerp_grad_weight(g: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """∂L/∂weight = g · (end − start)"""
    return g * (end - start)


@elementwise(only="numbers", numbers_by={"value": computing}, by_keyword="value")
def addcmul(xp: Any, input: Array, tensor1: Array, tensor2: Array, value: Number = 1) -> Array:
    """input + value · tensor1 · tensor2"""
    return (input + value * tensor1 * tensor2).astype(input.dtype)


@addcmul.grad("input")
def addcmul_grad_input(g: Tensor) -> Tensor:
    """∂L/∂input = g"""
    return g


@addcmul.grad("tensor1")
def addcmul_grad_1(g: Tensor, tensor2: Tensor, value: Any) -> Tensor:
    """∂L/∂tensor1 = g · value · tensor2"""
    return g * (tensor2 * value)


@addcmul.grad("tensor2")
def addcmul_grad_2(g: Tensor, tensor1: Tensor, value: Any) -> Tensor:
    """∂L/∂tensor2 = g · value · tensor1"""
    return g * (tensor1 * value)


@elementwise(numbers_by={"value": computing}, by_keyword="value")
def addcdiv(xp: Any, input: Array, tensor1: Array, tensor2: Array, value: Number = 1) -> Array:
    """input + value · tensor1 / tensor2"""
    if input.dtype.kind in "iub":
        raise RuntimeError("Integer division with addcdiv is no longer supported; convert one of the tensors with .float()")
    return input + value * tensor1 / tensor2


@addcdiv.grad("input")
def addcdiv_grad_input(g: Tensor) -> Tensor:
    """∂L/∂input = g"""
    return g


@addcdiv.grad("tensor1")
def addcdiv_grad_1(g: Tensor, tensor2: Tensor, value: Any) -> Tensor:
    """∂L/∂tensor1 = g · value / tensor2"""
    return g * (value / tensor2)


@addcdiv.grad("tensor2")
def addcdiv_grad_2(g: Tensor, tensor1: Tensor, tensor2: Tensor, value: Any) -> Tensor:
    """∂L/∂tensor2 = −g · value · tensor1 / tensor2²"""
    return -g * (tensor1 * value / (tensor2 * tensor2))
