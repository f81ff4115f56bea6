"""Rows of `ops/ctc.py`: padded targets and targets one after the other, inputs too short for their targets, empty targets.

The gradient is that of the logits: by log-probabilities themselves there is none in torch. What comes of the loss without log_softmax
is compared in `tests/test_ctc.py`.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as TF

import minitorch
from minitorch.nn import functional as F

from ..strategies import Source, booleans, floats, of
from ..table import pair

LONGEST = 3


class lengths:
    """A length for each sample of x (T, N, C), at most so long."""

    is_array = True

    def __init__(self, longest: Callable[[dict[str, Any]], int]):
        self.longest = longest

    def __call__(self, source: Source, case: dict[str, Any]) -> np.ndarray:
        x = case["x"]
        return np.asarray(source.rng.integers(0, self.longest(case) + 1, x.shape[1] if x.ndim == 3 else ()))


class labels:
    """Labels for those lengths, padded or one after the other; repeated ones among them, and no blank."""

    is_array = True

    def __init__(self, padded: bool):
        self.padded = padded

    def __call__(self, source: Source, case: dict[str, Any]) -> np.ndarray:
        n = case["target_lengths"]
        shape = (*n.shape, LONGEST) if self.padded else (int(n.sum()),)
        y = source.rng.integers(0, case["x"].shape[-1] - 1, shape)
        return np.where(y >= case["blank"], y + 1, y)


def loss(functional: Any) -> Callable[..., Any]:
    """The loss of logits, with its arguments in the order in which they are drawn."""

    def call(x: Any, input_lengths: Any, target_lengths: Any, targets: Any, **options: Any) -> Any:
        return functional.ctc_loss(functional.log_softmax(x, -1), targets, input_lengths, target_lengths, **options)

    return call


def at_the_top(library: Any) -> Any:
    """A library whose ctc_loss is that of its top level."""
    return types.SimpleNamespace(ctc_loss=library.ctc_loss, log_softmax=library.nn.functional.log_softmax)


pair(
    "ctc_loss",
    loss(at_the_top(torch)),
    loss(at_the_top(minitorch)),
    x=floats("5 N 4", specials=False),
    input_lengths=lengths(lambda case: 5),
    target_lengths=lengths(lambda case: LONGEST),
    blank=of(0, 2),
    targets=labels(True),
    reduction=of(0, 1, 2),
    zero_infinity=of(True),
    empty=False,
    second_order=False,
)
for shape, padded in (("5 N 4", True), ("5 N 4", False), ("1 N 3", True), ("5 4", True)):
    pair(
        "ctc_loss",
        loss(TF),
        loss(F),
        x=floats(shape, specials=False),
        input_lengths=lengths(lambda case: case["x"].shape[0]),
        target_lengths=lengths(lambda case: LONGEST),
        blank=of(0, 2, 1),
        targets=labels(padded),
        reduction=of("none", "mean", "sum"),
        zero_infinity=of(True) if shape == "5 4" else booleans,
        empty=False,
        second_order=False,
        smooth={"zero_infinity": of(True)},
    )
