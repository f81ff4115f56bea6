"""`minitorch.backends.cudnn`: the switches that scripts set at their start. No op here calls cuDNN, so they switch nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from .switches import Switch, switched, with_attributes

benchmark_limit: int | None = None


def is_available() -> bool:
    """False: convolutions here are products of matrices, on a GPU too."""
    return False


def version() -> int | None:
    """None: there is no cuDNN."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """Whether cuDNN would take the tensor: False."""
    return False


def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int | None = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> AbstractContextManager[None]:
    """In the block, the switches are so."""
    settings = {"enabled": enabled, "benchmark": benchmark, "deterministic": deterministic, "allow_tf32": allow_tf32}
    return switched(__name__, settings)


with_attributes(
    __name__,
    enabled=Switch("set_enabled_cudnn", True),
    benchmark=Switch("set_benchmark_cudnn", False),
    deterministic=Switch("set_deterministic_cudnn", False),
    allow_tf32=Switch("set_allow_tf32_cublas", True),
)
