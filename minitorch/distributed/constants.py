"""The timeout that holds where none is told, and the errors of this room.

All errors are RuntimeErrors too, as in torch.
"""

from __future__ import annotations

from datetime import timedelta

default_pg_timeout = timedelta(minutes=30)
default_store_timeout = timedelta(minutes=5)


class DistError(RuntimeError):
    """Something went wrong between processes."""

    __module__ = "minitorch.distributed"


class DistBackendError(DistError):
    """A rank has died or hung, or ranks have called different things."""

    __module__ = "minitorch.distributed"


class DistNetworkError(DistError):
    """There is no connection, or the port is in use."""

    __module__ = "minitorch.distributed"


class DistStoreError(DistError):
    """A key did not appear in time, or somebody did not come."""

    __module__ = "minitorch.distributed"
