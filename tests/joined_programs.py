"""Programs of elementwise ops, of x (6, 8) and a row b (8), for the kernels that are joined across ops (`minitorch/compiler/cuda/fusing.py`).

test_joined_kernels.py runs them, test_gpu_check.py compiles what comes of them for GPUs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import minitorch
from minitorch.arrays import capturing
from minitorch.arrays.capturing import settle
from minitorch.compiler.cuda import fusing
from reference.strict_cupy import cupy

Program = Callable[[Any, Any], Any]


def chain(x: Any, b: Any) -> Any:
    """Roundings between ops, a broadcast row, values that nobody wants later, one that is wanted."""
    y = x * b
    kept = (y + x) * 0.3
    return [(kept - y).relu(), kept]


def summed(x: Any, b: Any) -> Any:
    """Sums of what is computed on the way, of two launches; what is summed is wanted too."""
    y = x * b
    return [y.sum(0), (y + 1).mean(0), y]


def in_place(x: Any, b: Any) -> Any:
    """Writes to what others read before and after, through views too."""
    y = x * 2
    before = y + b
    y.mul_(3).add_(before)
    y[:, 2:5] = 0.5
    after = y - before
    y.T.sub_(1)
    return [after * y, y]


def turned(x: Any, b: Any) -> Any:
    """The same memory in another order, which is another kernel; products among the rest."""
    y = x[:, :6] + 1
    z = y.t() * y
    w = z @ y
    return [w + z, (w * 2).sum()]


def in_order(x: Any, b: Any) -> Any:
    """Writes to what a kernel between reads, or writes, in another order: they may not join the first."""
    y, z = x.clone(), x.clone()
    first = x + b
    between = y.t() * 2
    y.mul_(3)  # after it has been read
    z.t().copy_(between)
    z.copy_(x)  # after it has been written
    return [first, between, y, z]


def beside_others(x: Any, b: Any) -> Any:
    """Written to after a product and a kernel by hand have read it, which wait too; and a part is wanted before the rest."""
    y, z = x + 1, x - 1
    p, q = y @ b, z.softmax(-1)
    y.mul_(2), z.mul_(2)
    turned = y.t() + 1
    settle([turned._array])
    return [turned.clone(), p, q, y, z]


def added_from_the_left(x: Any, b: Any) -> Any:
    """CuPy computes, and nobody has told what."""
    return [minitorch.tensor(cupy.cumsum((x * b)._array, 1), device="cuda")]


PROGRAMS: dict[str, Program] = {f.__name__: f for f in (chain, summed, in_place, turned, in_order, beside_others)}


def arguments(dtype: Any, seed: int = 0) -> tuple[Any, Any]:
    numbers = np.random.default_rng(seed)
    return tuple(
        minitorch.tensor(numbers.standard_normal(s).astype("f"), dtype=dtype, device="cuda") for s in ((6, 8), (8,))
    )


@contextlib.contextmanager
def holding_back() -> Iterator[fusing.Held]:
    with fusing.holding_back(cupy) as held, capturing.allocating_in(cupy, capturing.new_pool(cupy)):
        yield held
