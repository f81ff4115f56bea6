"""`minitorch.nn.intrinsic`: the old name of `minitorch.ao.nn.intrinsic`, which is imported when something of it is asked for."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    from minitorch.ao.nn import intrinsic

    return getattr(intrinsic, name)
