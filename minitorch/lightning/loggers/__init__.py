"""Loggers: where the numbers of `self.log` go."""

from minitorch.lightning.loggers.csv_logs import CSVLogger
from minitorch.lightning.loggers.logger import DummyLogger, Logger
from minitorch.lightning.loggers.tensorboard import TensorBoardLogger

__all__ = ["CSVLogger", "Logger", "TensorBoardLogger"]
