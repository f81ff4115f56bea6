"""Loggers: where the numbers of `self.log` go."""

from minitorch.lightning.loggers.logger import DummyLogger, Logger

__all__ = ["Logger"]
