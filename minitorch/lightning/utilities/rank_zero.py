"""Messages and calls of the first process only: of four processes that train together, one speaks."""

from __future__ import annotations

import functools
import logging
import os
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["WarningCache", "rank_zero_debug", "rank_zero_deprecation", "rank_zero_info", "rank_zero_only", "rank_zero_warn"]

log = logging.getLogger("minitorch.lightning")
log.setLevel(logging.INFO)
if not logging.getLogger().hasHandlers():  # else the program itself says where messages go
    log.addHandler(logging.StreamHandler())
    log.propagate = False


class PossibleUserWarning(UserWarning):
    """Something that may be a mistake, and may be meant."""


def _rank() -> int:
    return next((int(os.environ[name]) for name in ("RANK", "LOCAL_RANK") if os.environ.get(name, "").isdigit()), 0)


def rank_zero_only(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, which does nothing (None) but in the process of rank 0."""

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs) if rank_zero_only.rank == 0 else None  # type: ignore[attr-defined]

    return wrapped


rank_zero_only.rank = _rank()  # type: ignore[attr-defined]


@rank_zero_only
def rank_zero_warn(message: str, stacklevel: int = 5, category: type[Warning] = UserWarning) -> None:
    """A warning, said once per place."""
    warnings.warn(message, stacklevel=stacklevel, category=category)


@rank_zero_only
def rank_zero_deprecation(message: str, stacklevel: int = 6) -> None:
    """A DeprecationWarning."""
    warnings.warn(message, stacklevel=stacklevel, category=DeprecationWarning)


@rank_zero_only
def rank_zero_info(*args: Any, **kwargs: Any) -> None:
    """A message to the logger "minitorch.lightning"."""
    log.info(*args, **kwargs)


@rank_zero_only
def rank_zero_debug(*args: Any, **kwargs: Any) -> None:
    """As `rank_zero_info`, for whoever debugs."""
    log.debug(*args, **kwargs)


class WarningCache(set):
    """Says each message once."""

    def warn(self, message: str, stacklevel: int = 5, **kwargs: Any) -> None:
        """A warning, unless it was said before."""
        if message not in self:
            self.add(message)
            rank_zero_warn(message, stacklevel=stacklevel, **kwargs)

    def info(self, message: str, stacklevel: int = 5, **kwargs: Any) -> None:
        """A message, unless it was said before."""
        if message not in self:
            self.add(message)
            rank_zero_info(message)
