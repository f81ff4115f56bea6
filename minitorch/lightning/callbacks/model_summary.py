"""`ModelSummary`: the table of a module's parts, shown when `fit` begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.utilities.model_summary import summarize
from minitorch.lightning.utilities.rank_zero import rank_zero_info

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["ModelSummary"]


class ModelSummary(Callback):
    """Shows names, classes and parameters of the modules down to max_depth (−1: all, 0: shows nothing)."""

    def __init__(self, max_depth: int = 1) -> None:
        self._max_depth = max_depth

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._max_depth:
            rank_zero_info(f"\n{summarize(pl_module, max_depth=self._max_depth)}")
