"""What loggers share: folders `version_0`, `version_1`, …; names with a prefix; hyperparameters as flat numbers."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from minitorch.lightning.loggers.logger import Logger
from minitorch.lightning.utilities.rank_zero import rank_zero_warn
from minitorch.tensor import Tensor


class FolderLogger(Logger):
    """Base of loggers that write into save_dir/name/version: `name` may be empty, a version that is not given is the next free number."""

    def __init__(self, save_dir: str | os.PathLike[str], name: str | None, version: int | str | None, prefix: str) -> None:
        self._save_dir = os.fspath(save_dir)
        self._name = name or ""
        self._version = version
        self._prefix = prefix

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._name

    @property
    def version(self) -> int | str:
        """The number, or the name, of this run."""
        if self._version is None:
            self._version = next_version(self.root_dir)
        return self._version

    @property
    def save_dir(self) -> str:
        """The folder of all experiments."""
        return self._save_dir

    @property
    def root_dir(self) -> str:
        """The folder of all runs of this experiment."""
        return os.path.join(self._save_dir, self._name)

    @property
    def log_dir(self) -> str:
        """The folder of this run."""
        version = self.version
        return os.path.join(self.root_dir, version if isinstance(version, str) else f"version_{version}")

    def prefixed(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """The metrics, with the prefix and "-" before each name."""
        return {f"{self._prefix}-{name}" if self._prefix else name: value for name, value in metrics.items()}


def next_version(folder: str) -> int:
    """One more than the largest n of the folders `version_n`."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [re.fullmatch(r"version_(\d+)(_.*)?", name) for name in names if os.path.isdir(os.path.join(folder, name))]
    return max((int(each[1]) + 1 for each in found if each), default=0)


# ---- hyperparameters ----


def as_dict(params: Any) -> dict[str, Any]:
    """Hyperparameters of a dict, of a Namespace, or none."""
    return vars(params) if isinstance(params, Namespace) else dict(params or {})


def flat(params: Mapping[Any, Any], above: str = "") -> dict[str, Any]:
    """Nested dicts as one: {"a": {"b": 1}} is {"a/b": 1}. Lists of dicts, dataclasses and Namespaces too."""
    found: dict[str, Any] = {}
    for key, value in params.items():
        name = f"{above}/{key}" if above else str(key)
        if is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)
        elif isinstance(value, Namespace):
            value = vars(value)
        elif isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            found |= flat(value, name)
        else:
            found[name] = value
    return found


def simple(value: Any) -> Any:
    """What a table of hyperparameters can hold: a bool, a number, a tensor of one element, else the text of it."""
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return value.item()
    if isinstance(value, Tensor):
        return str(value) if value.ndim > 1 else value
    return value if type(value) in (bool, int, float, str) else str(value)


def warn_if_not_empty(folder: str) -> None:
    """A warning that the files of an earlier run will be replaced."""
    if os.path.isdir(folder) and os.listdir(folder):
        rank_zero_warn(
            f"Experiment logs directory {folder} exists and is not empty."
            " Previous log files in this directory will be deleted when the new ones are saved!"
        )
