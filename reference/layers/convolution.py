"""Rows of convolutions, and of the columns they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .drawing import Arrays, flags, one_of, required, shaped
from .run import Row

SIZES = {1: (7,), 2: (5, 6), 3: (3, 4, 4)}
modes = one_of(["zeros", "reflect", "replicate", "circular"])


def batch_or_one(n: int) -> Any:
    """Images of 4 channels, a batch or one of them; sometimes with other channels, or dimensions."""
    size = SIZES[n]
    return shaped((2, 4, *size), (1, 4, *size), (4, *size), (0, 4, *size), (2, 3, *size), (2, 4, *size, 2))


def each(n: int, *numbers: int) -> Any:
    """An int for all dimensions, or one for each."""
    return st.sampled_from(numbers) | st.tuples(*[st.sampled_from(numbers)] * n)


def convolution(n: int) -> Row:
    """Every option; some do not fit together."""
    options = required(
        {"in_channels": 4, "out_channels": one_of([4, 6]), "kernel_size": each(n, 1, 2, 3)},
        stride=each(n, 1, 2),
        padding=each(n, 0, 1, 2) | one_of(["same", "valid", "full"]),
        dilation=each(n, 1, 2),
        groups=one_of([1, 2, 4, 3, 0]),
        bias=flags,
        padding_mode=modes | st.just("mirror"),
    )
    return Row(f"Conv{n}d", options, batch_or_one(n))


def transposed(n: int) -> Row:
    """The same, and sometimes a size is asked for."""

    def inputs(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
        (x,) = batch_or_one(n)(choose, rng, options)
        if not choose(flags):
            return [x]
        wanted = tuple(2 * size + choose(one_of([0, 1])) for size in SIZES[n])
        return [x, {"output_size": choose(one_of([wanted, (2, 4, *wanted), wanted[1:]]))}]

    options = required(
        {"in_channels": 4, "out_channels": one_of([4, 6]), "kernel_size": each(n, 1, 2, 3)},
        stride=each(n, 1, 2),
        padding=each(n, 0, 1),
        output_padding=each(n, 0, 1),
        groups=one_of([1, 2, 3]),
        bias=flags,
        dilation=each(n, 1, 2),
        padding_mode=one_of(["zeros", "zeros", "reflect"]),
    )
    return Row(f"ConvTranspose{n}d", options, inputs)


def lazy(row: Row) -> Row:
    """The same without in_channels, which are read off the input."""
    return Row(f"Lazy{row.name}", row.options.map(without_channels), row.inputs)


def without_channels(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "in_channels"}


blocks = {"dilation": one_of([1, (2, 1)]), "padding": one_of([0, (1, 0)]), "stride": one_of([1, 2, (1, 2)])}


ROWS = [
    *(convolution(n) for n in SIZES),
    *(transposed(n) for n in SIZES),
    *(lazy(convolution(n)) for n in SIZES),
    *(lazy(transposed(n)) for n in SIZES),
    Row("Unfold", required({"kernel_size": one_of([2, (1, 3), 9])}, **blocks), shaped((2, 3, 4, 5), (3, 4, 5), (4, 5))),
    Row(
        "Fold",
        required({"output_size": one_of([(4, 5), 4]), "kernel_size": one_of([2, (1, 3)])}, **blocks),
        shaped((2, 12, 12), (12, 12), (2, 12, 9), (2, 8, 6), (12,)),
    ),
]
