"""`CSVLogger`: numbers in `metrics.csv`, a row for each call, and hyperparameters in `hparams.yaml`. Nothing but text files."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from typing import Any

from minitorch.lightning.loggers.utilities import FolderLogger, as_dict, warn_if_not_empty
from minitorch.lightning.utilities.rank_zero import rank_zero_only
from minitorch.lightning.utilities.yaml import save_yaml
from minitorch.tensor import Tensor
from minitorch.utils.files import replacing

__all__ = ["CSVLogger", "ExperimentWriter"]


class ExperimentWriter:
    """Writes the two files of a folder. Rows wait until `save`; the columns are all names so far, sorted."""

    NAME_METRICS_FILE = "metrics.csv"
    NAME_HPARAMS_FILE = "hparams.yaml"

    def __init__(self, log_dir: str) -> None:
        self.log_dir = log_dir
        self.metrics: list[dict[str, Any]] = []  # rows that are not in the file yet
        self.metrics_keys: list[str] = []
        self.hparams: dict[str, Any] = {}
        self.metrics_file_path = os.path.join(log_dir, self.NAME_METRICS_FILE)
        warn_if_not_empty(log_dir)
        if os.path.isfile(self.metrics_file_path):
            os.remove(self.metrics_file_path)
        os.makedirs(log_dir, exist_ok=True)

    def log_metrics(self, metrics_dict: Mapping[str, Any], step: int | None = None) -> None:
        """One more row."""
        row = {name: value.item() if isinstance(value, Tensor) else value for name, value in metrics_dict.items()}
        self.metrics.append({**row, "step": len(self.metrics) if step is None else step})

    def log_hparams(self, params: Mapping[str, Any]) -> None:
        """More hyperparameters, which are in the file at once."""
        self.hparams.update(params)
        save_yaml(os.path.join(self.log_dir, self.NAME_HPARAMS_FILE), self.hparams)

    def save(self) -> None:
        """Write the rows that wait: behind the others, or the whole file anew if there is a new column."""
        if not self.metrics:
            return
        keys = sorted({*self.metrics_keys, *(key for row in self.metrics for key in row)})
        if keys == self.metrics_keys and os.path.isfile(self.metrics_file_path):
            with open(self.metrics_file_path, "a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, keys).writerows(self.metrics)
        else:
            self._write_anew(keys)
        self.metrics_keys, self.metrics = keys, []

    def _write_anew(self, keys: list[str]) -> None:
        rows: list[dict[str, Any]] = []
        if os.path.isfile(self.metrics_file_path):
            with open(self.metrics_file_path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, keys)
        writer.writeheader()
        writer.writerows([*rows, *self.metrics])
        with replacing(self.metrics_file_path) as whole:
            whole.write(text.getvalue().encode())


class CSVLogger(FolderLogger):
    """Logs into save_dir/name/version_N: `metrics.csv` and `hparams.yaml`.

    version: the next free number if not given. prefix: before each name, with a "-". flush_logs_every_n_steps: how often rows are written
    (a Trainer writes them each time).
    """

    def __init__(
        self,
        save_dir: str | os.PathLike[str],
        name: str | None = "lightning_logs",
        version: int | str | None = None,
        prefix: str = "",
        flush_logs_every_n_steps: int = 100,
    ) -> None:
        super().__init__(save_dir, name, version, prefix)
        self._experiment: ExperimentWriter | None = None
        self._flush_logs_every_n_steps = flush_logs_every_n_steps

    @property
    def experiment(self) -> ExperimentWriter:
        """The writer of the files, made when it is first asked for."""
        if self._experiment is None:
            self._experiment = ExperimentWriter(self.log_dir)
        return self._experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """One more row."""
        step = len(self.experiment.metrics) if step is None else step
        self.experiment.log_metrics(self.prefixed(metrics), step)
        if (step + 1) % self._flush_logs_every_n_steps == 0:
            self.save()

    @rank_zero_only
    def log_hyperparams(self, params: Any = None, *args: Any, **kwargs: Any) -> None:
        """Hyperparameters: a dict or a Namespace."""
        self.experiment.log_hparams(as_dict(params))

    @rank_zero_only
    def save(self) -> None:
        """Write the rows that wait."""
        self.experiment.save()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the rows that wait, if anything was logged."""
        if self._experiment is not None:
            self.save()
