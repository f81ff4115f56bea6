"""Rows of poolings, in one to three dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .drawing import Arrays, flags, one_of, required, shaped
from .run import Row

PLANES = {1: ((2, 3, 8), (3, 7), (2, 3, 1), (8,)), 2: ((2, 3, 6, 7), (3, 5, 6), (5, 6)), 3: ((2, 2, 4, 5, 3), (2, 4, 3, 4))}


def sizes(n: int, *numbers: int) -> Any:
    """One of the numbers, for every dimension, or a tuple of them, one for each."""
    return one_of([*numbers, *(tuple(numbers[(k + d) % len(numbers)] for d in range(n)) for k in range(len(numbers)))])


def pooled(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """What max pooling of these sizes may have left: numbers, their places in the planes, and perhaps the size of these."""
    n = len(options["kernel_size"])
    shape = choose(one_of([(2, 3), (3,)])) + tuple(int(rng.integers(1, 4)) for _ in range(n))
    stride = options.get("stride", options["kernel_size"])
    before = [(o - 1) * s + k for o, s, k in zip(shape[-n:], stride, options["kernel_size"])]
    places = np.stack(
        [rng.permutation(int(np.prod(before)))[: int(np.prod(shape[-n:]))] for _ in range(int(np.prod(shape[:-n])))]
    )
    more = [{"output_size": choose(one_of([tuple(before), tuple(b + 1 for b in before)]))}] if choose(flags) else []
    return [rng.standard_normal(shape), places.reshape(shape), *more]


def of_dimension(n: int) -> list[Row]:
    """The rows for n dimensions."""
    window = {"kernel_size": sizes(n, 2, 3), "stride": sizes(n, 1, 2), "padding": sizes(n, 0, 1), "ceil_mode": flags}
    kernel = {"kernel_size": window.pop("kernel_size")}
    counts = one_of([1, 2, 3, (4, 2, 3)[:n], (5, 1, 1)[:n], *([(None, 2, 3)[:n]] if n > 1 else [])])
    more = {"divisor_override": one_of([3])} if n > 1 else {}
    lengths = {k: v for k, v in window.items() if k != "padding"}
    tuples = {"kernel_size": one_of([(2, 3, 2)[:n]]), "stride": one_of([(2, 3, 2)[:n], (3, 3, 3)[:n]])}
    return [
        Row(f"MaxPool{n}d", required(kernel, dilation=sizes(n, 1, 2), return_indices=flags, **window), shaped(*PLANES[n])),
        Row(f"AvgPool{n}d", required(kernel, count_include_pad=flags, **window, **more), shaped(*PLANES[n])),
        Row(f"LPPool{n}d", required({"norm_type": one_of([1, 2, 3.0]), "kernel_size": 2}, **lengths), shaped(*PLANES[n])),
        Row(f"AdaptiveMaxPool{n}d", required({"output_size": counts}, return_indices=flags), shaped(*PLANES[n])),
        Row(f"AdaptiveAvgPool{n}d", required({"output_size": counts}), shaped(*PLANES[n])),
        Row(f"MaxUnpool{n}d", required({"kernel_size": tuples["kernel_size"]}, stride=tuples["stride"]), pooled),
    ]


def fractional(n: int) -> Row:
    """The row of windows at random, whose number is given or is a part of the input's; once both, once none."""
    size, ratio = {"output_size": one_of([1, 2, (2, 3, 1)[:n]])}, {"output_ratio": one_of([0.5, (0.6, 0.4, 0.3)[:n], 1.5])}
    kernel = {"kernel_size": one_of([1, 2, (2, 1, 2)[:n]])}
    options = [required(kernel | given, return_indices=flags) for given in (size, ratio, size | ratio, {})]
    return Row(f"FractionalMaxPool{n}d", st.one_of(options), shaped(*PLANES[n]))


ROWS = [*(row for n in (1, 2, 3) for row in of_dimension(n)), fractional(2), fractional(3)]
