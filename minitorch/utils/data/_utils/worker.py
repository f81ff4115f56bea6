"""What a worker process knows about itself. There are no worker processes yet."""

from __future__ import annotations


def get_worker_info() -> None:
    """None: this is the process that made the loader. (In a worker it would say which worker this is.)"""
    return None
