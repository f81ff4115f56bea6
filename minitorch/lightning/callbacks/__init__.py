"""Callbacks: saving, stopping early and the like, at the points that `callback.py` lists."""

from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.callbacks.checkpoint import Checkpoint

__all__ = ["Callback", "Checkpoint"]
