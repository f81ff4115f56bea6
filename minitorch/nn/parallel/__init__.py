"""Modules on several devices (`data_parallel.py`) and in several processes (`distributed.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minitorch.nn.parallel.data_parallel import DataParallel, data_parallel

if TYPE_CHECKING:
    from minitorch.nn.parallel.distributed import DistributedDataParallel

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


def __getattr__(name: str) -> Any:
    """What needs `minitorch.distributed`, which is imported when it is used."""
    if name == "DistributedDataParallel":
        from minitorch.nn.parallel.distributed import DistributedDataParallel

        return DistributedDataParallel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
