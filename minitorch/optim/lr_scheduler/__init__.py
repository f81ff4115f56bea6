"""Learning-rate schedules: once an epoch, or once a batch, after `optimizer.step()`, a scheduler writes each group's `lr` anew.

`base.py` has what all share; then a file a kind. `docs/schedules.md` shows how each moves.
"""

from __future__ import annotations

from minitorch.optim.lr_scheduler.base import LRScheduler
from minitorch.optim.lr_scheduler.chains import ChainedScheduler, SequentialLR
from minitorch.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from minitorch.optim.lr_scheduler.cycles import CyclicLR, OneCycleLR
from minitorch.optim.lr_scheduler.factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from minitorch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from minitorch.rooms import answer_for_what_is_missing as _answer_for_what_is_missing

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR", "LRScheduler",
    "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR",
    "StepLR",
]  # fmt: skip

_answer_for_what_is_missing(__name__)
