"""Errors of the Trainer."""

__all__ = ["MisconfigurationException"]


class MisconfigurationException(Exception):
    """The module, the data or the Trainer are set up so that they cannot work together; the message says how to mend it."""
