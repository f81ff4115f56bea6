"""The old names `minitorch.cuda.amp.autocast`, `custom_fwd`, `custom_bwd`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import amp
from ...arrays.dtypes import dtype as _dtype
from ...arrays.dtypes import float16
from ...arrays.warning import warn

__all__ = ["autocast", "custom_bwd", "custom_fwd"]


def _say(old: str, new: str) -> None:
    warn(
        f"`minitorch.cuda.amp.{old}(args...)` is deprecated. Please use `minitorch.amp.{new}` instead.",
        FutureWarning,
    )


class autocast(amp.autocast):
    """The old name of `minitorch.amp.autocast("cuda", …)`."""

    def __init__(self, enabled: bool = True, dtype: _dtype = float16, cache_enabled: bool = True) -> None:
        _say("autocast", "autocast('cuda', args...)")
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


def custom_fwd(fwd: Callable | None = None, *, cast_inputs: _dtype | None = None) -> Any:
    """The old name of `minitorch.amp.custom_fwd(…, device_type="cuda")`."""
    _say("custom_fwd", "custom_fwd(args..., device_type='cuda')")
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable) -> Any:
    """The old name of `minitorch.amp.custom_bwd(…, device_type="cuda")`."""
    _say("custom_bwd", "custom_bwd(args..., device_type='cuda')")
    return amp.custom_bwd(bwd, device_type="cuda")
