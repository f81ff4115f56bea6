"""Names for annotations: what steps return, what `configure_optimizers` returns, what loaders are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from minitorch.optim import Optimizer
from minitorch.tensor import Tensor

__all__ = ["EVAL_DATALOADERS", "OptimizerLRScheduler", "STEP_OUTPUT", "TRAIN_DATALOADERS"]

STEP_OUTPUT = Tensor | Mapping[str, Any] | None
TRAIN_DATALOADERS = Any  # an iterable, or a collection of them
EVAL_DATALOADERS = Iterable[Any] | Sequence[Iterable[Any]]
OptimizerLRScheduler = Optimizer | Sequence[Any] | Mapping[str, Any] | None
