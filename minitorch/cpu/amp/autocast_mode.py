"""The old name `minitorch.cpu.amp.autocast`."""

from __future__ import annotations

from ... import amp
from ...arrays.dtypes import bfloat16
from ...arrays.dtypes import dtype as _dtype
from ...arrays.warning import warn

__all__ = ["autocast"]


class autocast(amp.autocast):
    """The old name of `minitorch.amp.autocast("cpu", …)`."""

    def __init__(self, enabled: bool = True, dtype: _dtype = bfloat16, cache_enabled: bool = True) -> None:
        warn(
            "`minitorch.cpu.amp.autocast(args...)` is deprecated. Please use `minitorch.amp.autocast('cpu', args...)` instead.",
            FutureWarning,
        )
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)
