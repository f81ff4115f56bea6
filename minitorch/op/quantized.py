"""What ops do with quantized arrays. Most do nothing: they refuse them.

Three kinds of ops take them. Ops that only move elements (views, `cat`, `flip`) move the integers. Ops that only compare elements
(`relu`, `clamp`, `max_pool2d`) compare the integers, because the integers lie in the order of the numbers. Some others compute with the
numbers themselves and quantize the result again. Whatever is not in these tables is refused, in words: no op ever takes the bare integers
for numbers. Read next: `arrays/quantized.py`; `ops/quantized.py`, the arithmetic of layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.dtypes import qint8
from ..arrays.quantized import PerTensor, QArray, integers_of, quantized
from .recipe import Recipe, forward_of

if TYPE_CHECKING:
    from .door import Op

Rule = Callable[["Op", list], Any]

# Beside the views: ops whose results are elements of their input in other places.
MOVING = [
    "copied_view",
    "basic_index",
    "index",
    "index_select",
    "flip",
    "roll",
    "repeat",
    "stack",
    "repeat_interleave",
    "constant_pad",
    "gather",
    "take_along",
    "masked_select",
    "channel_shuffle",
    "pixel_shuffle",
    "pixel_unshuffle",
]
# Ops whose results are some of their input's elements, found by comparing them, and perhaps where they were.
COMPARING = ["max_pool", "extreme", "amax", "amin", "max", "min", "sort", "topk", "maximum", "minimum"]
COPYING = ("clone", "to", "row_major")


def recipe_for(op: Op, args: tuple) -> Recipe:
    """How a call with a quantized array among its arguments goes. NotImplementedError, in words, if it does not."""
    tensors = tuple(i for i, x in enumerate(args) if hasattr(x, "_array"))
    rule = _rule(op)
    if rule is None:
        raise NotImplementedError(
            f"Could not run '{op.__name__}' with arguments from the 'QuantizedCPU' backend: {op.__name__}() is not computed with quantized "
            "tensors. dequantize() it first; in a model, a DeQuantStub stands where floats are wanted again, a FloatFunctional where "
            "quantized tensors are added, multiplied or concatenated"
        )
    return Recipe(np, tensors, (), lambda xp, *arrays: rule(op, list(arrays)), None)


def _rule(op: Op) -> Rule | None:
    if op.declaration.view or op.__name__ in MOVING or op.__name__ in COMPARING:
        return on_integers
    return RULES.get(op.__name__)


# ---- on the integers ----


def on_integers(op: Op, args: list) -> Any:
    """The op on the integers: its first output, or all of a view's, stand for numbers as its input does; others are indices."""
    one = next(a for a in args if isinstance(a, QArray))
    if not isinstance(one.params, PerTensor):
        raise RuntimeError(
            f"{op.__name__}() is not done with a tensor that is quantized per channel, for it may not keep the channels apart: "
            "dequantize() it first"
        )
    if any(isinstance(a, QArray) and (a.params, a.dtype) != (one.params, one.dtype) for a in args):
        raise RuntimeError(
            f"{op.__name__}() of quantized tensors of several scales, zero points or dtypes: dequantize() them first"
        )
    out = forward_of(op, np, False)(np, *map(integers_of, args))
    if not isinstance(out, (tuple, list)):
        return one.like(out)
    return type(out)(one.like(o) if op.declaration.view or nr == 0 else o for nr, o in enumerate(out))


def copy(op: Op, args: list) -> Any:
    """A copy, in the memory format that is asked for. (Which dtype to convert to is no question: `to` is not called for the same.)"""
    x = args[0]
    if op.__name__ == "to" and args[1] is not x.dtype:
        raise RuntimeError(f"a quantized tensor is not converted to {args[1]!r} by to(): dequantize() gives its numbers")
    return x.like(forward_of(op, np, False)(np, x.integers, *(_plain_dtype(a, x) for a in args[1:])))


def _plain_dtype(option: Any, x: QArray) -> Any:
    from ..arrays.dtypes import from_numpy_dtype

    return from_numpy_dtype(x.integers.dtype) if option is x.dtype else option


def cat(op: Op, args: list) -> Any:
    """One after the other, as the first is quantized: those that are quantized otherwise are quantized again."""
    arrays = [a for a in args if hasattr(a, "strides")]
    first = arrays[0]
    if not all(isinstance(a, QArray) and isinstance(a.params, PerTensor) and a.dtype is first.dtype for a in arrays):
        raise RuntimeError("cat() of quantized tensors takes tensors of one quantized dtype, each with one scale")
    same = [a if a.params == first.params else quantized(a.dequantized(), first.params, first.dtype) for a in arrays]
    return first.like(forward_of(op, np, False)(np, *(a.integers for a in same), *args[len(arrays) :]))


def relu(op: Op, args: list) -> Any:
    """max(q, z): z is the integer that stands for 0."""
    x = _per_tensor(op, args)
    return x.like(np.maximum(x.integers, np.asarray(x.params.zero_point, x.integers.dtype)))


def clamp(op: Op, args: list) -> Any:
    """The integers moved between the integers of the bounds."""
    x = _per_tensor(op, args)
    out = x.integers
    for bound, choose in zip(args[1:], (np.maximum, np.minimum)):
        if bound is not None:
            out = choose(out, quantized(np.asarray(bound, np.float32), x.params, x.dtype).integers)
    return x.like(out)


def average(op: Op, args: list) -> Any:
    """The mean of integers less the zero point, which is added again before rounding: the scale is the same before and after."""
    x = _per_tensor(op, args)
    low, high = np.iinfo(x.integers.dtype).min, np.iinfo(x.integers.dtype).max
    mean = forward_of(op, np, False)(np, x.integers.astype(np.float32) - np.float32(x.params.zero_point), *args[1:])
    return x.like(np.clip(np.rint(mean + np.float32(x.params.zero_point)), low, high).astype(x.integers.dtype))


def _per_tensor(op: Op, args: list) -> Any:
    x = args[0]
    if not (isinstance(x, QArray) and isinstance(x.params, PerTensor)):
        raise RuntimeError(
            f"{op.__name__}() takes a tensor that is quantized per tensor, with one scale: dequantize() it first"
        )
    return x


# ---- on the numbers ----


def through_numbers(params: PerTensor | None = None) -> Rule:
    """The op on the numbers, and the result quantized: with these parameters (zero points of qint8 lie 128 lower), or with the input's."""

    def rule(op: Op, args: list) -> Any:
        x = _per_tensor(op, args)
        out = np.asarray(forward_of(op, np, False)(np, x.dequantized(), *args[1:]), np.float32)
        if params is None:
            return quantized(out, x.params, x.dtype)
        return quantized(out, params._replace(zero_point=params.zero_point - 128 * (x.dtype is qint8)), x.dtype)

    return rule


def compared(op: Op, args: list) -> Any:
    """A comparison of numbers, which gives bools."""
    numbers = [a.dequantized() if isinstance(a, QArray) else a for a in args]
    return forward_of(op, np, False)(np, *numbers)


RULES: dict[str, Rule] = {
    **dict.fromkeys(COPYING, copy),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), compared),
    "cat": cat,
    "relu": relu,
    "clamp": clamp,
    "hardtanh": clamp,
    "avg_pool": average,
    "sigmoid": through_numbers(PerTensor(1 / 256, 0)),  # between 0 and 1: all 256 integers are for that
    "hardsigmoid": through_numbers(PerTensor(1 / 256, 0)),
    "tanh": through_numbers(PerTensor(2 / 256, 128)),  # between −1 and 1
    **dict.fromkeys(("mean", "leaky_relu", "gelu", "resize"), through_numbers()),
}
