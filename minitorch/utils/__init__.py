"""Helpers around training: hooks, data loading, checkpointing (torch's `torch.utils`)."""

from __future__ import annotations

from . import checkpoint, data
