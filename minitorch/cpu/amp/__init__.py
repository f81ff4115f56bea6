"""`minitorch.cpu.amp`: the old names of `minitorch.amp`, for the CPU. Each warns, and says what to write."""

from .autocast_mode import autocast
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast"]
