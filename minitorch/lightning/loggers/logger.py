"""`Logger`: where logged numbers go. A logger of your own writes `name`, `version`, `log_metrics` and `log_hyperparams`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

__all__ = ["DummyLogger", "Logger"]


class Logger(ABC):
    """Base of all loggers."""

    @property
    @abstractmethod
    def name(self) -> str | None:
        """The experiment's name."""

    @property
    @abstractmethod
    def version(self) -> int | str | None:
        """The experiment's version."""

    @property
    def root_dir(self) -> str | None:
        """The folder of all versions; None if nothing is written on this machine."""
        return None

    @property
    def log_dir(self) -> str | None:
        """The folder of this version."""
        return None

    @property
    def save_dir(self) -> str | None:
        """The folder of all experiments."""
        return None

    @property
    def group_separator(self) -> str:
        """What stands between a prefix and a name."""
        return "/"

    @abstractmethod
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Take the numbers `metrics` of the step `step`."""

    @abstractmethod
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Take the hyperparameters of a run."""

    def log_graph(self, model: Any, input_array: Any = None) -> None:  # noqa: B027
        """Take the model's graph."""

    def save(self) -> None:  # noqa: B027
        """Write what has been taken."""

    def finalize(self, status: str) -> None:
        """The run is over: `status` is "success" or "failed"."""
        self.save()

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:  # noqa: B027
        """A ModelCheckpoint has saved."""


class DummyLogger(Logger):
    """Takes everything and writes nothing: it stands in for all loggers in a `fast_dev_run`."""

    name = ""
    version = ""

    @property
    def experiment(self) -> Any:
        """Itself: whatever is called on it does nothing."""
        return self

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None: ...

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None: ...

    def __getitem__(self, index: int) -> DummyLogger:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None
