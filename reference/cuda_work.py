"""What `bench_cuda.py` times: a piece of work in two libraries, how large it is, and what it is held against.

Read next: `bench_cuda.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .bench_graphs import Gpt

Run = Callable[[], Any]


class Sizes(NamedTuple):
    """How large the work is; the tests take smaller."""

    copied: int = 2**28  # numbers
    product: int = 8192  # rows and columns
    layers: tuple[int, ...] = (784, 4096, 4096, 10)
    batch: int = 4096
    parameters: tuple[int, int, int] = (100, 1000, 1000)  # that many matrices of that shape
    rows: int = 16384
    columns: int = 4096
    captured: tuple = (((64, 128, 128, 10), 64), ((784, 512, 512, 10), 128))  # layers and batch of steps that are one graph
    gpts: tuple[Gpt, ...] = (Gpt(2, 256, 16, 128), Gpt(4, 768, 8, 512))
    numbers: int = 2**26  # of each array of an elementwise op, in a square
    repeat: int = 10  # runs from event to event: the host hands out work ahead of the card, as in training


class Work(NamedTuple):
    """What is done in both libraries, the least it moves (bytes) or computes (flops), and the ceiling it is held against."""

    name: str
    make: Callable[[Any, Any], Run]  # of a library and its device
    amount: float
    ceiling: str  # "copy", or a precision of products
    precision: str = "highest"
    most: float | None = None  # times torch's time
    share: float | None = None  # of the ceiling, at least

    @property
    def unit(self) -> str:
        return "GB/s" if self.ceiling == "copy" else "TFLOP/s"

    def rate(self, milliseconds: float) -> float:
        """What is achieved, in `unit`."""
        return self.amount / milliseconds / (1e6 if self.ceiling == "copy" else 1e9)

    @property
    def target(self) -> str:
        if self.share is not None:
            return f"≥ {self.share:.0%} of {self.ceiling}"
        return "" if self.most is None else f"≤ {self.most:g} × torch"


def both_ways(forward: Run, upstream: Any, *leaves: Any) -> tuple[Run, Run]:
    """The forward, which records its graph, and the backward through one graph that is kept."""
    out = forward()

    def backward() -> None:
        for leaf in leaves:
            leaf.grad = None
        out.backward(upstream, retain_graph=True)

    return forward, backward


def leaf(library: Any, device: Any, s: Sizes) -> Any:
    return on(library, device, numbers(s.rows, s.columns)).requires_grad_()


def on(library: Any, device: Any, array: np.ndarray) -> Any:
    return library.from_numpy(array).to(device)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
