"""`Checkpoint`: the base of callbacks that save checkpoints. A Trainer knows them by it, and calls them after all others."""

from __future__ import annotations

from minitorch.lightning.callbacks.callback import Callback

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Base of callbacks that save checkpoints."""

    _reads_metrics = True
