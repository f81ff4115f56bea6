"""Helpers around training: hooks, data loading, checkpointing (torch's `torch.utils`)."""

from __future__ import annotations

from ..rooms import when_used as _when_used

with _when_used(__name__):
    from . import checkpoint, data
