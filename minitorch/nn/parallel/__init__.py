"""Modules on several devices: here there is one, so that `DataParallel` calls its module."""

from __future__ import annotations

from minitorch.nn.parallel.data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
